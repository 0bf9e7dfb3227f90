package dataverse

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

var batchAnswer = crlf(`--batchresponse_1f
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 200 OK
Content-Type: application/json; odata.metadata=minimal
OData-Version: 4.0

{"value":[]}
--batchresponse_1f
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 204 No Content
OData-Version: 4.0


--batchresponse_1f
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 429 Too Many Requests
Retry-After: 3
REQ_ID: 0b5e
Content-Type: application/json

{"error":{"code":"0x80072322","message":"x"}}
--batchresponse_1f--
`)

func TestParseBatch(t *testing.T) {
	c := &Client{clock: newTestClock()}
	header := http.Header{"Content-Type": {"multipart/mixed; boundary=batchresponse_1f"}}
	parts, err := c.parseBatch(&answer{status: 200, header: header, body: []byte(batchAnswer)})
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 3 || strings.TrimSpace(string(parts[0].body)) != `{"value":[]}` || parts[1].status != 204 {
		t.Fatalf("%+v", parts)
	}
	if e := parts[2].err; e == nil || e.action() != wait || e.RetryAfter.Seconds() != 3 || e.RequestID != "0b5e" {
		t.Errorf("%+v", e)
	}
	for body, want := range map[string]int{batchAnswer[:len(batchAnswer)*2/3]: 2, "": 0, `{"value":[]}`: 0} {
		if parts, err := c.parseBatch(&answer{header: header, body: []byte(body)}); err != nil || len(parts) > want {
			t.Errorf("%d parts of %q (%v)", len(parts), body, err)
		}
	}
	if _, err := c.parseBatch(&answer{header: http.Header{}, body: []byte(batchAnswer)}); err == nil {
		t.Error("no boundary and no error")
	}
}

func TestAppendBatch(t *testing.T) {
	c := &Client{path: "/api/data/v9.2/"}
	got := c.appendBatch(nil, "b", []part{{method: "GET", path: "contacts?$top=1"},
		{method: "PATCH", path: "contacts(x)", header: "Content-Type: application/json\r\n", body: []byte(`{}`)}})
	want := crlf(`--b
Content-Type: application/http
Content-Transfer-Encoding: binary

GET /api/data/v9.2/contacts?$top=1 HTTP/1.1
Accept: application/json


--b
Content-Type: application/http
Content-Transfer-Encoding: binary

PATCH /api/data/v9.2/contacts(x) HTTP/1.1
Accept: application/json
Content-Type: application/json

{}
--b--

`)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseBatch(f *testing.F) {
	f.Add([]byte(batchAnswer))
	f.Add([]byte("--batchresponse_1f\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx\r\n--batchresponse_1f--"))
	c := &Client{clock: newTestClock()}
	header := http.Header{"Content-Type": {"multipart/mixed; boundary=batchresponse_1f"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		parts, err := c.parseBatch(&answer{header: header, body: body})
		if err != nil {
			return
		}
		for _, p := range parts {
			if (p.err == nil) != (p.status/100 == 2) {
				t.Errorf("%+v", p)
			}
		}
	})
}
