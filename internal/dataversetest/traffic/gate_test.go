package traffic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Requests and control at the same time: nothing is lost, and nothing stays behind.
func TestConcurrentUse(t *testing.T) {
	a := &api{}
	g := New(Options{Limits: &Limits{Servers: 3}, LogSize: 100})
	defer g.Close()
	h := g.Wrap(a)
	fault(t, g, "drop-after:every=10", "deadlock:every=7", "first-use:racing")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				send(h, "POST", upsert+"?rows=abc")
			}
		})
	}
	for i := range 4 {
		group.Go(func() {
			for range 50 {
				g.SetLimits(Limits{Requests: 1 << 40, Window: Duration(time.Minute), Servers: 1 + i})
				g.SetCosts(Costs{Row: Duration(i)})
				if ids, err := g.AddFaults(Fault{What: StatusAfter, Status: 502, First: 1}); err != nil || !g.RemoveFault(ids[0]) {
					t.Error(err)
				}
				g.Stats(t.Context())
				g.Requests()
				g.Altered("contact")
			}
		})
	}
	group.Wait()
	s := g.Stats(t.Context())
	if s.Requests != 1600 || s.InFlight != 0 || s.Tables["contact"].Created != int64(3*a.count()) {
		t.Errorf("%d commits, %+v", a.count(), s)
	}
	list := g.Requests()
	for i, e := range list {
		if e.Number != int64(1501+i) {
			t.Fatalf("entry %d has number %d", i, e.Number)
		}
	}
	if len(list) != 100 {
		t.Errorf("%d requests remembered", len(list))
	}
}

// A handler that panics gives its place back.
func TestPanicFreesThePlace(t *testing.T) {
	g := New(Options{Limits: &Limits{Concurrency: 1, Window: Duration(time.Minute)}})
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for range 3 {
		if code := send(h, "POST", upsert).Code; code != 0 {
			t.Errorf("status %d", code)
		}
	}
	if s := g.Stats(t.Context()); s.InFlight != 0 || s.Statuses["0"] != 3 {
		t.Errorf("%+v", s)
	}
}

func TestRequestIDs(t *testing.T) {
	ids := newIdentities(1)
	seen := map[string]bool{}
	for range 10_000 {
		id := ids.next()
		if seen[id] || len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	if one := newIdentities(1).next(); one != newIdentities(1).next() || newIdentities(1).next() == newIdentities(2).next() {
		t.Error("ids must follow from the seed")
	}
}

func ExampleGate() {
	gate := New(Options{})
	webAPI := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := From(r.Context())
		if err := call.Begin("contact", "UpsertMultiple", 100); err != nil {
			e := err.(*Error) // the operation fails: nothing may be written
			w.WriteHeader(e.Status)
			return
		}
		call.Wrote("contact", 60, 40, 0) // after the commit
		w.WriteHeader(http.StatusNoContent)
	})
	mux := http.NewServeMux()
	mux.Handle("/api/data/", gate.Wrap(webAPI))
	mux.Handle("/_emulator/", gate.Control())
	server := httptest.NewServer(mux)
	defer server.Close()

	http.Post(server.URL+"/_emulator/faults", "application/json", strings.NewReader(`["status-after:status=502,first=1"]`))
	for range 2 {
		response, _ := http.Post(server.URL+upsert, "application/json", strings.NewReader("{}"))
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		fmt.Println(response.Status)
	}
	fmt.Println(gate.Stats(context.Background()).Tables["contact"].Created)
	// Output:
	// 502 Bad Gateway
	// 204 No Content
	// 120
}
