package dataverse

import (
	"bytes"
	"mime"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"penstock/internal/fault"
)

// partAnswer is what became of a part: its body, or why there is none.
type partAnswer struct {
	status int
	entity string // OData-EntityId: the address of what was written
	token  string // x-ms-session-token of an elastic table
	body   []byte
	err    *APIError
}

// multipartBoundary is the boundary of an answer to a $batch; "" when it is something else.
func multipartBoundary(header http.Header) string {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return ""
	}
	return params["boundary"]
}

// parseBatch reads the answer to a $batch part by part. It returns the parts
// that are whole: one that is not closed by a boundary was cut, and so were
// those that should follow. Whoever asked counts, and settles the rest.
func (c *Client) parseBatch(out *answer) ([]partAnswer, error) {
	boundary := multipartBoundary(out.header)
	if boundary == "" {
		return nil, fault.New(fault.Broken, "unexpected_answer", "the service answered a batch with something else")
	}
	var answers []partAnswer
	delimiter := []byte("--" + boundary)
	_, rest, last := nextBoundary(out.body, delimiter)
	for !last {
		var piece []byte
		if piece, rest, last = nextBoundary(rest, delimiter); piece == nil {
			break
		}
		a, ok := c.parsePart(piece)
		if !ok {
			break
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// nextBoundary cuts text at the next line that is a boundary. before is nil
// when there is none; last says that it was the closing one, or none.
func nextBoundary(text, delimiter []byte) (before, rest []byte, last bool) {
	for at := 0; at < len(text); {
		i := bytes.Index(text[at:], delimiter)
		if i < 0 {
			break
		}
		start := at + i
		at = start + len(delimiter)
		if start > 0 && text[start-1] != '\n' {
			continue
		}
		line, after, whole := bytes.Cut(text[at:], []byte("\n"))
		line = bytes.TrimRight(line, " \t\r")
		switch {
		case len(line) == 0 && whole:
			return text[:start:start], after, false
		case string(line) == "--":
			return text[:start:start], nil, true
		}
	}
	return nil, nil, true
}

// parsePart reads the headers of a part, the response inside it and that one's headers.
func (c *Client) parsePart(piece []byte) (a partAnswer, ok bool) {
	_, message, ok := cutHead(piece)
	if !ok {
		return a, false
	}
	head, body, ok := cutHead(message)
	if !ok {
		return a, false
	}
	line, fields, _ := bytes.Cut(head, []byte("\n"))
	protocol, rest, _ := bytes.Cut(bytes.TrimRight(line, "\r"), []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	if !bytes.HasPrefix(protocol, []byte("HTTP/1.")) || err != nil || status < 100 || status > 599 {
		return a, false
	}
	a.status = status
	body = trimLineEnd(body) // the one before the boundary is the boundary's
	if status/100 == 2 {
		a.body = body
		a.entity, a.token = field(fields, "OData-EntityId"), field(fields, "x-ms-session-token")
		return a, true
	}
	header := make(http.Header)
	for _, name := range []string{"Retry-After", "REQ_ID", "x-ms-service-request-id"} {
		if text := field(fields, name); text != "" {
			header[textproto.CanonicalMIMEHeaderKey(name)] = []string{text}
		}
	}
	a.err = parseError(status, header, body, c.clock.Now())
	return a, true
}

// cutHead cuts text after its first empty line. The head keeps its line ends.
func cutHead(text []byte) (head, rest []byte, ok bool) {
	for at := 0; at < len(text); {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return nil, nil, false
		}
		if line := text[at : at+i]; len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return text[:at], text[at+i+1:], true
		}
		at += i + 1
	}
	return nil, nil, false
}

func trimLineEnd(text []byte) []byte {
	text, _ = bytes.CutSuffix(text, []byte("\n"))
	text, _ = bytes.CutSuffix(text, []byte("\r"))
	return text
}

// field finds a header among lines; "" when it is not there.
func field(lines []byte, name string) string {
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte("\n"))
		if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name) {
			return string(bytes.TrimSpace(line[len(name)+1:]))
		}
	}
	return ""
}
