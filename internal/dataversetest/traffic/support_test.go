package traffic

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is time that only passes when somebody sleeps.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 2, 0, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), c.slept+d
	return nil
}

// newTestGate returns a gate with a clock of its own unless o has one.
func newTestGate(t *testing.T, o Options) (*Gate, *clock) {
	t.Helper()
	c := newClock()
	o.Now, o.Sleep = c.Now, c.Sleep
	g := New(o)
	t.Cleanup(g.Close)
	return g, c
}

// api is a small Web API: it commits one operation of the rows that ?rows= and the
// table that the path names, and keeps count.
type api struct {
	mu      sync.Mutex
	commits int
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	call := From(r.Context())
	rows := len(r.URL.Query().Get("rows"))
	set, verb, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/data/v9.2/"), "/Microsoft.Dynamics.CRM.")
	if err := call.Begin(strings.TrimSuffix(set, "s"), verb, rows); err != nil {
		answerError(w, err.(*Error))
		return
	}
	a.mu.Lock()
	a.commits++
	a.mu.Unlock()
	call.Wrote(strings.TrimSuffix(set, "s"), rows, 0, 0)
	if r.URL.Query().Has("body") {
		w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
		io.WriteString(w, r.URL.Query().Get("body"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *api) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.commits
}

func answerError(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.WriteHeader(e.Status)
	w.Write(errorBody(e))
}

const upsert = "/api/data/v9.2/contacts/Microsoft.Dynamics.CRM.UpsertMultiple"

// send passes one request through h in process; a dropped connection gives status 0.
func send(h http.Handler, method, target string, change ...func(*http.Request)) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	r := httptest.NewRequest(method, target, strings.NewReader(`{"Targets":[]}`))
	for _, f := range change {
		f(r)
	}
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			w.Code = 0
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

func fault(t *testing.T, g *Gate, texts ...string) {
	t.Helper()
	for _, text := range texts {
		f, err := ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.AddFaults(f); err != nil {
			t.Fatal(err)
		}
	}
}
