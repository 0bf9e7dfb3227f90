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

	"penstock/internal/dataversetest"
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

func TestBatchRunsOperationsInOrder(t *testing.T) {
	e := start(t, dataversetest.Options{})
	parts := e.batch(200, batchBody(
		jsonPart("PATCH /api/data/v9.2/accounts("+id(1)+")", `{"name":"A"}`),
		jsonPart("PATCH "+e.web.URL+"/api/data/v9.2/accounts("+id(1)+")", `{"name":"B"}`),
		operation("GET accounts("+id(1)+")?$select=name", "Accept: application/json", ""),
		operation("DELETE /api/data/v9.2/accounts("+id(1)+")", "")))
	if len(parts) != 4 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, status := range []int{204, 204, 200, 204} {
		if parts[i].status != status {
			t.Errorf("part %d: %d %s", i, parts[i].status, parts[i].body)
		}
	}
	if !strings.Contains(parts[2].body, `"name":"B"`) {
		t.Errorf("read %s", parts[2].body)
	}
	url := e.web.URL + "/api/data/v9.2/accounts(" + id(1) + ")"
	if parts[0].header.Get("Location") != url || parts[0].header.Get("OData-EntityId") != url {
		t.Errorf("headers %v", parts[0].header)
	}
}

func TestBatchStopsAtTheFirstFailure(t *testing.T) {
	e := start(t, dataversetest.Options{})
	body := batchBody(
		jsonPart("POST /api/data/v9.2/accounts", `{"accountid":"`+id(1)+`","name":"A"}`),
		jsonPart("PATCH /api/data/v9.2/accounts("+id(9)+")", `{"nope":1}`),
		jsonPart("POST /api/data/v9.2/accounts", `{"accountid":"`+id(2)+`","name":"C"}`))
	parts := e.batch(400, body)
	if len(parts) != 2 || parts[1].status != 400 {
		t.Fatalf("parts %+v", parts)
	}
	e.want(200, "GET", "accounts("+id(1)+")", "") // what came before stays
	e.want(404, "GET", "accounts("+id(2)+")", "")

	parts = e.batch(200, body, "Prefer: odata.continue-on-error")
	if len(parts) != 3 || parts[0].status != 412 || parts[1].status != 400 || parts[2].status != 204 {
		t.Fatalf("parts %+v", parts)
	}
	if !strings.Contains(parts[0].body, `{"error":{"code":"0x80040237","message":"A record with matching key values already exists."}}`) {
		t.Errorf("error part %s", parts[0].body)
	}
}

func TestChangeSetWithReferences(t *testing.T) {
	e := start(t, dataversetest.Options{})
	parts := e.batch(200, batchBody(changeSetPart(
		jsonPart("POST /api/data/v9.2/accounts", `{"name":"Delta Farms"}`),
		jsonPart("POST /api/data/v9.2/contacts", `{"lastname":"Roe","parentcustomerid_account@odata.bind":"$1"}`),
		jsonPart("PATCH $1", `{"telephone1":"5"}`),
		jsonPart("PUT $2/firstname", `{"value":"Jo"}`))))
	if len(parts) != 1 || len(parts[0].set) != 4 {
		t.Fatalf("parts %+v", parts)
	}
	for i, p := range parts[0].set {
		if p.status != 204 || p.id != fmt.Sprint(i+1) {
			t.Errorf("member %d: %+v", i, p)
		}
	}
	rows := e.want(200, "GET", "contacts?$expand=parentcustomerid_account($select=name,telephone1)", "").list(t)
	has(t, rows[0], map[string]any{"fullname": "Jo Roe"})
	has(t, rows[0]["parentcustomerid_account"].(map[string]any), map[string]any{"name": "Delta Farms", "telephone1": "5"})
}

func TestChangeSetRollsBackAndNamesTheCulprit(t *testing.T) {
	e := start(t, dataversetest.Options{})
	body := batchBody(changeSetPart(
		jsonPart("POST /api/data/v9.2/accounts", `{"accountid":"`+id(1)+`","name":"A"}`),
		jsonPart("POST /api/data/v9.2/accounts", `{"accountid":"`+id(1)+`","name":"B"}`),
		jsonPart("POST /api/data/v9.2/accounts", `{"name":"C"}`)),
		operation("GET /api/data/v9.2/WhoAmI", ""))
	parts := e.batch(412, body)
	if len(parts) != 1 || len(parts[0].set) != 1 || parts[0].set[0].id != "2" || parts[0].set[0].status != 412 {
		t.Fatalf("parts %+v", parts)
	}
	e.want(404, "GET", "accounts("+id(1)+")", "")
	if parts = e.batch(200, body, "Prefer: odata.continue-on-error"); len(parts) != 2 || parts[1].status != 200 {
		t.Fatalf("parts %+v", parts)
	}
	parts = e.batch(400, batchBody(changeSetPart(jsonPart("POST /api/data/v9.2/contacts", `{"parentcustomerid_account@odata.bind":"$7"}`))))
	if !strings.Contains(parts[0].set[0].body, "Content-ID Reference: '$7' does not exist in the batch context.") {
		t.Errorf("parts %+v", parts)
	}
}

func TestBatchIsStrict(t *testing.T) {
	e := start(t, dataversetest.Options{})
	good := batchBody(operation("GET /api/data/v9.2/WhoAmI", ""))
	for name, body := range map[string]string{
		"line feeds only":                 strings.ReplaceAll(good, "\r\n", "\n"),
		"no line break at the end":        strings.TrimRight(good, "\r\n"),
		"no closing boundary":             strings.ReplaceAll(good, "--batch_a1--", ""),
		"no empty line after headers":     crlf("--batch_a1", "Content-Type: application/http", "", "GET /api/data/v9.2/WhoAmI HTTP/1.1", "Accept: application/json", "--batch_a1--", ""),
		"a batch in a batch":              batchBody(jsonPart("POST /api/data/v9.2/$batch", "{}")),
		"GET in a change set":             batchBody(changeSetPart(operation("GET /api/data/v9.2/WhoAmI", ""))),
		"a member without Content-ID":     strings.ReplaceAll(batchBody(changeSetPart(jsonPart("POST /api/data/v9.2/accounts", "{}"))), "Content-ID: 1\r\n", ""),
		"a change set in a change set":    batchBody(changeSetPart([]string{"Content-Type: multipart/mixed; boundary=x", "X: y", "", "--x--", ""})),
		"another version of HTTP":         strings.ReplaceAll(good, "HTTP/1.1", "HTTP/2"),
		"parts of another content type":   strings.ReplaceAll(good, "application/http", "text/plain"),
		"more than a thousand operations": batchBody(manyParts(1001)...),
	} {
		t.Run(name, func(t *testing.T) {
			e.refused(400, "0x80048d19", "", "POST", "$batch", body, "Content-Type: multipart/mixed; boundary=batch_a1")
		})
	}
	e.refused(400, "0x80048d19", "", "POST", "$batch", `{"requests":[]}`)
	e.batch(200, batchBody(manyParts(1000)...))
}

func manyParts(n int) [][]string {
	var parts [][]string
	for range n {
		parts = append(parts, operation("GET /api/data/v9.2/WhoAmI", ""))
	}
	return parts
}
