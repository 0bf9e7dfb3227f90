package dataversetest_test

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

func operation(request string, lines ...string) []string {
	out := []string{"Content-Type: application/http", "Content-Transfer-Encoding: binary", "", request + " HTTP/1.1"}
	return append(out, lines...)
}

func jsonPart(request, body string) []string {
	return operation(request, "Content-Type: application/json; type=entry", "", body)
}

// batchBody joins operations; one that starts with "Content-Type: multipart" is a change set.
func batchBody(parts ...[]string) string {
	var lines []string
	for _, p := range parts {
		lines = append(append(lines, "--batch_a1"), p...)
	}
	return crlf(append(lines, "--batch_a1--", "")...)
}

func changeSetPart(members ...[]string) []string {
	lines := []string{"Content-Type: multipart/mixed; boundary=changeset_b1", ""}
	for i, m := range members {
		lines = append(lines, "--changeset_b1", m[0], m[1], fmt.Sprintf("Content-ID: %d", i+1))
		lines = append(lines, m[2:]...)
	}
	return append(lines, "--changeset_b1--", "")
}

type batchPart struct {
	id     string
	status int
	header http.Header
	body   string
	set    []batchPart // of a change set
}

func readParts(t *testing.T, contentType, body string) []batchPart {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("content type %q: %s", contentType, body)
	}
	r := multipart.NewReader(strings.NewReader(body), params["boundary"])
	var out []batchPart
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
			out = append(out, batchPart{set: readParts(t, p.Header.Get("Content-Type"), string(text))})
			continue
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		content, _ := io.ReadAll(resp.Body)
		out = append(out, batchPart{id: p.Header.Get("Content-ID"), status: resp.StatusCode, header: resp.Header, body: string(content)})
	}
}

func (e *env) batch(status int, body string, headers ...string) []batchPart {
	e.t.Helper()
	a := e.want(status, "POST", "$batch", body, append(headers, `Content-Type: multipart/mixed; boundary="batch_a1"`)...)
	return readParts(e.t.(*testing.T), a.header.Get("Content-Type"), a.body)
}
