package dataverse

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkEncode is what a row costs us before it is sent.
func BenchmarkEncode(b *testing.B) {
	w := &Writer{table: contactTable(), odata: `{"@odata.type":"Microsoft.Dynamics.CRM.contact"`}
	records := benchRecords()
	b.ReportAllocs()
	for b.Loop() {
		p := newPayload()
		var err error
		if p.bytes, err = w.appendTargets(p.bytes, records); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(p.bytes)))
		p.release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/row")
}

// BenchmarkWrite is a whole call against a sink that answers at once.
func BenchmarkWrite(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			fmt.Fprint(out, `{"value":[{}]}`)
			return
		}
		out.WriteHeader(http.StatusNoContent)
	}))
	defer sink.Close()
	c, err := Open(Options{URL: sink.URL, AllowCustomHost: true, Credentials: []Credential{{token: hidden("x")}}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	w, err := c.NewWriter(b.Context(), contactTable(), WriteOptions{Warm: true})
	if err != nil {
		b.Fatal(err)
	}
	records := benchRecords()
	ops := make([]Operation, len(records))
	for i, r := range records {
		ops[i] = *r.op
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(ops))/b.Elapsed().Seconds(), "rows/s")
}

func benchRecords() []record {
	ops := keyOps(1000)
	records := make([]record, len(ops))
	for i := range ops {
		ops[i].Set = []byte(fmt.Sprintf(`{"firstname":"Jo%d","lastname":"Miller","telephone1":"+49 30 1234567","address1_line1":"Main street 5",`+
			`"address1_city":"Berlin","address1_postalcode":"10117","gendercode":1,"birthdate":"1980-01-02","description":"nothing to say"}`, i))
		records[i] = record{op: &ops[i], result: Upserted}
	}
	return records
}

// BenchmarkEncodeParts is what a row costs where it is a part of a $batch.
func BenchmarkEncodeParts(b *testing.B) {
	w := &Writer{client: &Client{path: "/api/data/v9.2/"}, table: contactTable()}
	records := benchRecords()
	b.ReportAllocs()
	for b.Loop() {
		p := newPayload()
		for i := range records {
			var err error
			if p.bytes, err = w.appendOperation(p.bytes, "batch_x", upsertMultiple, &records[i]); err != nil {
				b.Fatal(err)
			}
		}
		p.release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/row")
}

// BenchmarkParseParts is what an answered row costs there.
func BenchmarkParseParts(b *testing.B) {
	var body []byte
	for range 1000 {
		body = append(body, "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n"+
			"Location: https://x.crm4.dynamics.com/api/data/v9.2/contacts(6f1f0d9e-6d0f-4c67-9a55-000000000001)\r\n\r\n\r\n"...)
	}
	out := &answer{header: http.Header{"Content-Type": {"multipart/mixed; boundary=b"}}, body: append(body, "--b--\r\n"...)}
	c := &Client{clock: newTestClock()}
	b.ReportAllocs()
	for b.Loop() {
		if parts, err := c.parseBatch(out); err != nil || len(parts) != 1000 {
			b.Fatal(len(parts), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/row")
}
