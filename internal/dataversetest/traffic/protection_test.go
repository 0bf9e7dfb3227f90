package traffic

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequestLimit(t *testing.T) {
	a := &api{}
	g, c := newTestGate(t, Options{})
	h := g.Wrap(a)
	for i := range 6000 {
		w := send(h, "POST", upsert)
		if w.Code != 204 {
			t.Fatalf("request %d: status %d", i, w.Code)
		}
		if got, want := w.Header().Get("x-ms-ratelimit-burst-remaining-xrm-requests"), strconv.Itoa(5999-i); got != want {
			t.Fatalf("request %d: %s left, want %s", i, got, want)
		}
		c.Sleep(t.Context(), 10*time.Millisecond)
	}
	w := send(h, "POST", upsert)
	want429(t, w, "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds.")
	if got := w.Header().Get("x-ms-ratelimit-burst-remaining-xrm-requests"); got != "0" {
		t.Errorf("left: %s", got)
	}
	if a.count() != 6000 {
		t.Errorf("%d commits: a throttled request must not run", a.count())
	}
	wait := retryAfter(t, w)
	c.Sleep(t.Context(), time.Duration(wait-1)*time.Second)
	if w := send(h, "POST", upsert); w.Code != 429 {
		t.Errorf("a second too early: status %d", w.Code)
	}
	c.Sleep(t.Context(), 2*time.Second)
	if w := send(h, "POST", upsert); w.Code != 204 {
		t.Errorf("after Retry-After: status %d", w.Code)
	}
}

func TestExecutionTimeLimit(t *testing.T) {
	g, c := newTestGate(t, Options{Costs: Costs{Request: Duration(30 * time.Millisecond), Row: Duration(10 * time.Millisecond)}})
	h := g.Wrap(&api{})
	target := upsert + "?rows=" + strings.Repeat("r", 97) // 1 s
	if got := send(h, "POST", target).Header().Get("x-ms-ratelimit-time-remaining-xrm-requests"); got != "1,199" {
		t.Errorf("time left after one call of a second: %q", got)
	}
	// One call at a time never fills more than 300 s of the window's 1,200: four users at
	// once are played by charging without sleeping.
	costs := g.Costs()
	costs.ChargeOnly = true
	g.SetCosts(costs)
	calls := 1
	for ; calls < 2000; calls++ {
		w := send(h, "POST", target)
		if w.Code == 429 {
			want429(t, w, "0x80072321", "Combined execution time of incoming requests exceeded limit of 1200000 milliseconds over time window of 300 seconds. "+
				"Decrease number of concurrent requests or reduce the duration of requests and try again later.")
			break
		}
		c.Sleep(t.Context(), 200*time.Millisecond)
	}
	if calls != 1200 {
		t.Errorf("throttled after %d seconds of execution", calls)
	}
	if got := g.Stats(t.Context()).ExecutionSeconds; got != 1200 {
		t.Errorf("execution_seconds = %v", got)
	}
}

func TestConcurrencyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Limits: &Limits{Concurrency: 52, Window: Duration(300 * time.Second)}})
		defer g.Close()
		release := make(chan struct{})
		h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		var group sync.WaitGroup
		for range 52 {
			group.Go(func() { send(h, "POST", upsert) })
		}
		synctest.Wait()
		w := send(h, "POST", upsert)
		want429(t, w, "0x80072326", "Number of concurrent requests exceeded the limit of 52.")
		if retryAfter(t, w) != 5 {
			t.Errorf("Retry-After %d", retryAfter(t, w))
		}
		for range 10 { // ignoring it: one a second, each told to wait longer
			time.Sleep(time.Second)
			w = send(h, "POST", upsert)
		}
		if got := retryAfter(t, w); got != 30 {
			t.Errorf("Retry-After %d after ignoring it, want 30", got)
		}
		close(release)
		group.Wait()
		if w := send(h, "POST", upsert); w.Code != 200 {
			t.Errorf("with places free: status %d", w.Code)
		}
		if s := g.Stats(t.Context()); s.PeakConcurrency != 52 || s.Throttled != 11 || s.Requests != 64 || s.InFlight != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestRetryAfterGrowsWhenIgnored(t *testing.T) {
	g, c := newTestGate(t, Options{Limits: &Limits{Requests: 100, Window: Duration(300 * time.Second), Recovery: 0.1}})
	h := g.Wrap(&api{})
	for range 100 {
		send(h, "POST", upsert)
		c.Sleep(t.Context(), 3*time.Second)
	}
	first := retryAfter(t, send(h, "POST", upsert))
	if first < 25 || first > 35 {
		t.Errorf("Retry-After %d under even load, want about 30", first)
	}
	c.Sleep(t.Context(), 2*time.Second)
	var last int
	for range 100 {
		last = retryAfter(t, send(h, "POST", upsert))
	}
	if last < first-2+8 || last > first-2+12 {
		t.Errorf("Retry-After %d after 100 requests that ignored %d", last, first)
	}
	for range 5000 {
		last = retryAfter(t, send(h, "POST", upsert))
	}
	if last != 300 {
		t.Errorf("Retry-After %d, want the whole window and no more", last)
	}
}

func TestUsersAndServersCountApart(t *testing.T) {
	users := func(r *http.Request) string { return r.Header.Get("From") }
	g, _ := newTestGate(t, Options{User: users, Limits: &Limits{Requests: 10, Window: Duration(5 * time.Second), Servers: 3}})
	h := g.Wrap(&api{})
	as := func(user string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("From", user) } }

	passed := 0
	for range 200 {
		if send(h, "POST", upsert, as("ann")).Code == 204 {
			passed++
		}
	}
	if passed != 30 {
		t.Errorf("%d requests passed without a cookie, want 10 on each of 3 servers", passed)
	}

	w := send(h, "POST", upsert, as("bob"))
	sticky := func(r *http.Request) {
		for _, cookie := range w.Result().Cookies() {
			r.AddCookie(cookie)
		}
	}
	for range 100 {
		if send(h, "POST", upsert, as("bob"), sticky).Code == 204 {
			passed++
		}
	}
	if passed != 39 {
		t.Errorf("%d requests passed with the affinity cookie, want 9 more of one server", passed-30)
	}
	for range 50 {
		if w := send(h, "POST", upsert); w.Code != 204 {
			t.Errorf("a request of nobody: status %d", w.Code)
		}
	}
}

func TestHeadersOfEveryResponse(t *testing.T) {
	g, _ := newTestGate(t, Options{})
	w := send(g.Wrap(&api{}), "POST", upsert)
	h := w.Header()
	id := h.Get("REQ_ID")
	if len(id) != 36 || id != h.Get("x-ms-service-request-id") {
		t.Errorf("REQ_ID %q, x-ms-service-request-id %q", id, h.Get("x-ms-service-request-id"))
	}
	if got := h.Get("x-ms-dop-hint"); got != "5" {
		t.Errorf("x-ms-dop-hint %q", got)
	}
	if got := h.Get("x-ms-ratelimit-time-remaining-xrm-requests"); got != "1,200" {
		t.Errorf("time remaining %q", got)
	}
	cookies := h.Values("Set-Cookie")
	if len(cookies) != 2 || !strings.HasPrefix(cookies[0], "ARRAffinity=") || !strings.HasPrefix(cookies[1], "ApplicationGatewayAffinity=") {
		t.Errorf("cookies %q", cookies)
	}
	if !strings.HasSuffix(cookies[0], "; path=/; secure; HttpOnly") {
		t.Errorf("cookie %q", cookies[0])
	}
}

func TestScaledLimits(t *testing.T) {
	l := DefaultLimits()
	l.Scale = 1.0 / 60
	e := l.effective()
	if e.Requests != 100 || e.Window != Duration(5*time.Second) || e.ExecutionTime != Duration(20*time.Second) || e.Concurrency != 52 {
		t.Errorf("scaled: %+v", e)
	}
	if got := e.refusal(byRequests).Message; got != "Number of requests exceeded the limit of 100 over time window of 5 seconds." {
		t.Error(got)
	}
}

func TestGrouped(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                 "0",
		-time.Second:                      "0",
		1199820 * time.Millisecond:        "1,199.82",
		1103500 * time.Millisecond:        "1,103.5",
		999999 * time.Millisecond:         "1,000",
		50 * time.Millisecond:             "0.05",
		1234567 * time.Second:             "1,234,567",
		20*time.Minute - time.Microsecond: "1,200",
	} {
		if got := grouped(d); got != want {
			t.Errorf("grouped(%v) = %q, want %q", d, got, want)
		}
	}
}

func want429(t *testing.T, w *httptest.ResponseRecorder, code, message string) {
	t.Helper()
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("%v in %q", err, w.Body)
	}
	if w.Code != 429 || body.Error.Code != code || body.Error.Message != message {
		t.Errorf("got %d %s %q, want 429 %s %q", w.Code, body.Error.Code, body.Error.Message, code, message)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json; odata.metadata=minimal" {
		t.Errorf("Content-Type %q", got)
	}
	retryAfter(t, w)
}

func retryAfter(t *testing.T, w *httptest.ResponseRecorder) int {
	t.Helper()
	n, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if err != nil || n < 1 {
		t.Fatalf("status %d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	return n
}
