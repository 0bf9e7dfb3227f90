package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// crlf makes a body of lines that all end in CR LF.
func crlf(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

// operation is a part of a batch.
func operation(request string, lines ...string) []string {
	out := []string{"Content-Type: application/http", "Content-Transfer-Encoding: binary", "", request + " HTTP/1.1"}
	return append(out, lines...)
}

func write(request, body string) []string {
	return operation(request, "Content-Type: application/json; type=entry", "", body)
}

func read(request string) []string { return operation(request, "Accept: application/json", "") }

func batchBody(parts ...[]string) string {
	var lines []string
	for _, p := range parts {
		lines = append(append(lines, "--batch_a1"), p...)
	}
	return crlf(append(lines, "--batch_a1--", "")...)
}

// changeSet is a part of writes that succeed or fail together; its members have the Content-IDs 1, 2, …
func changeSet(members ...[]string) []string {
	lines := []string{"Content-Type: multipart/mixed; boundary=changeset_b1", ""}
	for i, m := range members {
		lines = append(lines, "--changeset_b1", m[0], m[1], fmt.Sprintf("Content-ID: %d", i+1))
		lines = append(lines, m[2:]...)
	}
	return append(lines, "--changeset_b1--", "")
}

type part struct {
	id     string
	status int
	header http.Header
	body   string
	set    []part // of a change set
}

// batch sends a batch and splits the answer.
func (p *probe) batch(status int, body string, headers ...string) []part {
	p.t.Helper()
	a := p.want(status, "POST", "$batch", body, append(headers, `Content-Type: multipart/mixed; boundary="batch_a1"`)...)
	return split(p.t, a.header.Get("Content-Type"), a.body)
}

func split(t *testing.T, contentType, body string) []part {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("content type %q: %s", contentType, body)
	}
	r := multipart.NewReader(strings.NewReader(body), params["boundary"])
	var out []part
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, body)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "multipart/mixed") {
			out = append(out, part{set: split(t, p.Header.Get("Content-Type"), string(text))})
			continue
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil && err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
		out = append(out, part{id: p.Header.Get("Content-ID"), status: resp.StatusCode, header: resp.Header, body: string(content)})
	}
}

// statuses lists what became of each part.
func statuses(parts []part) string {
	var out []string
	for _, p := range parts {
		if p.set != nil {
			out = append(out, "("+statuses(p.set)+")")
			continue
		}
		out = append(out, fmt.Sprint(p.status))
	}
	return strings.Join(out, " ")
}
