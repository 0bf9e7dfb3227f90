package dataversetest

import (
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"strings"
)

// part is a piece of a multipart body.
type part struct {
	header textproto.MIMEHeader
	body   string
}

// errStream is what the service says of a body that is not multipart to the letter.
func errStream(format string, args ...any) error {
	return errPayload("", "The stream of the batch request is not readable: %s", fmt.Sprintf(format, args...))
}

// boundaryOf is the boundary of a multipart/mixed content type, quoted or not.
func boundaryOf(contentType string) (string, bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" {
		return "", false
	}
	b := params["boundary"]
	return b, b != "" && len(b) <= 70
}

// parseMultipart cuts a body into its parts. Every line has to end in CR LF, that of the closing boundary too.
func parseMultipart(body, boundary string) ([]part, error) {
	delimiter := "--" + boundary
	var parts []part
	pos, start := 0, -1
	for pos < len(body) {
		end := strings.IndexByte(body[pos:], '\n')
		line := body[pos:]
		if end >= 0 {
			line = body[pos : pos+end]
		}
		if text, isDelimiter := strings.CutPrefix(line, delimiter); isDelimiter {
			text, crlf := strings.CutSuffix(text, "\r")
			closing := strings.TrimRight(text, " \t") == "--"
			switch {
			case !closing && strings.TrimRight(text, " \t") != "":
				isDelimiter = false // a longer boundary, of something inside
			case end < 0 || !crlf:
				return nil, errStream("the boundary '%s' is not followed by CR LF.", line)
			}
			if isDelimiter {
				if start >= 0 {
					p, err := parsePart(body[start:pos])
					if err != nil {
						return nil, err
					}
					parts = append(parts, p)
				}
				start = pos + end + 1
				if closing {
					return parts, nil
				}
			}
		}
		if end < 0 {
			break
		}
		pos += end + 1
	}
	return nil, errStream("the closing boundary '%s--' is missing.", delimiter)
}

// parsePart reads the headers of a part. The line break before the next boundary is no part of its body.
func parsePart(text string) (part, error) {
	header, body, err := parseHeader(text)
	if err != nil {
		return part{}, err
	}
	return part{header: header, body: strings.TrimSuffix(body, "\r\n")}, nil
}

// parseHeader reads lines up to an empty one.
func parseHeader(text string) (textproto.MIMEHeader, string, error) {
	header := textproto.MIMEHeader{}
	for {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return nil, "", errStream("headers are not followed by an empty line.")
		}
		line, crlf := strings.CutSuffix(line, "\r")
		if !crlf {
			return nil, "", errStream("a line does not end in CR LF.")
		}
		text = rest
		if line == "" {
			return header, text, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, "", errStream("'%s' is not a header.", line)
		}
		header.Add(name, strings.TrimSpace(value))
	}
}

// httpPart is a request inside a part.
type httpPart struct {
	id     string // Content-ID
	method string
	url    string
	header http.Header
	body   string
}

func parseHTTP(p part) (*httpPart, error) {
	kind, _, err := mime.ParseMediaType(p.header.Get("Content-Type"))
	if err != nil || kind != "application/http" {
		return nil, errStream("the content type '%s' is not supported: 'application/http' was expected.", p.header.Get("Content-Type"))
	}
	line, rest, ok := strings.Cut(p.body+"\r\n", "\r\n")
	method, target, spaced := strings.Cut(line, " ")
	target, version := strings.CutSuffix(target, " HTTP/1.1") // clients leave spaces in URLs, and the service takes them
	if target = strings.TrimSpace(target); !ok || !spaced || !version || target == "" || strings.Contains(line, "\n") {
		return nil, errStream("'%s' is not a valid request line.", line)
	}
	switch method {
	case "GET", "POST", "PATCH", "PUT", "DELETE":
	default:
		return nil, errStream("the method '%s' is not valid.", method)
	}
	header, body, err := parseHeader(rest)
	if err != nil {
		return nil, err
	}
	return &httpPart{id: p.header.Get("Content-ID"), method: method, url: target, header: http.Header(header),
		body: strings.TrimSuffix(body, "\r\n")}, nil
}
