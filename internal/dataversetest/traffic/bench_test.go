package traffic

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// What a request pays for passing the gate, at the true limits.
func BenchmarkGate(b *testing.B) {
	limits := DefaultLimits()
	limits.Requests = 1 << 60
	g := New(Options{Limits: &limits, User: func(*http.Request) string { return "user" }})
	defer g.Close()
	h := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := From(r.Context())
		if call.Begin("contact", "UpsertMultiple", 100) == nil {
			call.Wrote("contact", 100, 0, 0)
		}
		w.WriteHeader(204)
	}))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest("POST", upsert, nil)
		w := &blank{http.Header{}}
		for pb.Next() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	})
}

type blank struct{ header http.Header }

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}
