package traffic

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCosts(t *testing.T) {
	ms := func(n int) Duration { return Duration(time.Duration(n) * time.Millisecond) }
	costs := Costs{
		Operation: ms(5), Row: ms(10), AlternateKey: 2.4, Timeout: ms(3000),
		Verbs:  map[string]float64{"Upsert": 2, "UpdateMultiple": 3, "retrieve": 0.1},
		Tables: map[string]TableCost{"Contact": {Row: ms(50), PlugIn: ms(20)}, "cr1_parcel": {Factor: 0.5}},
	}
	for _, test := range []struct {
		work   Work
		bypass bool
		want   int
	}{
		{Work{Table: "account", Verb: "CreateMultiple", Rows: 100}, false, 1005},
		{Work{Table: "account", Verb: "UpsertMultiple", Rows: 100}, false, 2005},
		{Work{Table: "account", Verb: "Upsert", Rows: 1}, false, 25},
		{Work{Table: "account", Verb: "UpdateMultiple", Rows: 10}, false, 305},
		{Work{Table: "account", Verb: "Update", Rows: 10}, false, 105},
		{Work{Table: "account", Verb: "UpsertMultiple", Rows: 10, AlternateKey: true}, false, 485},
		{Work{Table: "contact", Verb: "CreateMultiple", Rows: 10}, false, 705},
		{Work{Table: "contact", Verb: "CreateMultiple", Rows: 10}, true, 505},
		{Work{Table: "CONTACT", Verb: "Retrieve", Rows: 10}, false, 55},
		{Work{Table: "cr1_parcel", Verb: "Create", Rows: 2}, false, 15},
		{Work{Table: "account", Verb: "WhoAmI"}, false, 5},
		{Work{Table: "account", Verb: "UpsertMultiple", Rows: 1000}, false, -3000},
	} {
		got, timedOut := newModel(costs).operation(test.work, test.bypass)
		if want := time.Duration(max(test.want, -test.want)) * time.Millisecond; got != want || timedOut != (test.want < 0) {
			t.Errorf("%+v: %v, timed out %t, want %v", test.work, got, timedOut, want)
		}
	}
	costs.Scale = 0.1
	if got, _ := newModel(costs).operation(Work{Verb: "Create", Rows: 100}, false); got != 100500*time.Microsecond {
		t.Errorf("scaled: %v", got)
	}
	if got, timedOut := newModel(costs).operation(Work{Verb: "Create", Rows: 1000}, false); got != 300*time.Millisecond || !timedOut {
		t.Errorf("scaled time-out: %v %t", got, timedOut)
	}
}

func TestTimeoutRollsBack(t *testing.T) {
	a := &api{}
	g, c := newTestGate(t, Options{Costs: Costs{Row: Duration(time.Second), Timeout: Duration(5 * time.Second)}})
	h := g.Wrap(a)
	if w := send(h, "POST", upsert+"?rows=12345"); w.Code != 204 {
		t.Errorf("five rows: status %d", w.Code)
	}
	w := send(h, "POST", upsert+"?rows=123456")
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"0x80044151"`) || a.count() != 1 {
		t.Errorf("six rows: status %d, %d commits, %s", w.Code, a.count(), w.Body)
	}
	if got := g.Stats(t.Context()); got.ExecutionSeconds != 10 || c.slept != 10*time.Second || got.Tables["contact"].Created != 5 {
		t.Errorf("slept %v, %+v", c.slept, got)
	}
}

// A $batch is one request of many operations; Begin answers each for itself.
func TestBatch(t *testing.T) {
	g, c := newTestGate(t, Options{Costs: Costs{
		Request: Duration(30 * time.Millisecond), Operation: Duration(2 * time.Millisecond), Row: Duration(10 * time.Millisecond)}})
	fault(t, g, "deadlock:every=4")
	var failed []int
	h := g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for i := range 10 {
			if From(r.Context()).Begin("contact", "Create", 1) != nil {
				failed = append(failed, i)
			}
		}
	}))
	send(h, "POST", "/api/data/v9.2/$batch")
	if len(failed) != 2 || failed[0] != 3 || failed[1] != 7 {
		t.Errorf("failed parts: %v", failed)
	}
	if c.slept != (30+8*12)*time.Millisecond {
		t.Errorf("took %v", c.slept)
	}
	if e := g.Requests()[0]; e.Rows != 10 || e.Fault != "deadlock#1 deadlock#1" || e.Status != 200 {
		t.Errorf("logged %+v", e)
	}
}

// A fault of the whole request in the middle of a $batch: what was committed stays,
// nothing more is.
func TestBatchDropped(t *testing.T) {
	g, _ := newTestGate(t, Options{})
	fault(t, g, "drop-before:after=3,first=1,verb=Create")
	committed := 0
	h := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 10 {
			if From(r.Context()).Begin("contact", "Create", 1) == nil {
				committed++
			}
		}
		w.Write([]byte("never seen"))
	}))
	if w := send(h, "POST", "/api/data/v9.2/$batch"); w.Code != 0 || w.Body.Len() != 0 || committed != 3 {
		t.Errorf("status %d, body %q, %d commits", w.Code, w.Body, committed)
	}
}

func TestBypassHeaders(t *testing.T) {
	g, c := newTestGate(t, Options{Costs: Costs{Tables: map[string]TableCost{"contact": {PlugIn: Duration(time.Second)}}}})
	h := g.Wrap(&api{})
	for header, want := range map[[2]string]time.Duration{
		{"MSCRM.BypassCustomPluginExecution", "true"}:                    0,
		{"MSCRM.BypassCustomPluginExecution", "false"}:                   time.Second,
		{"MSCRM.BypassBusinessLogicExecution", "CustomSync,CustomAsync"}: 0,
		{"MSCRM.BypassBusinessLogicExecution", "CustomAsync"}:            time.Second,
		{"MSCRM.SuppressCallbackRegistrationExpanderJob", "true"}:        time.Second,
	} {
		before := c.slept
		send(h, "POST", upsert+"?rows=1", func(r *http.Request) { r.Header.Set(header[0], header[1]) })
		if got := c.slept - before; got != want {
			t.Errorf("%v: %v, want %v", header, got, want)
		}
	}
}

// A handler without a gate works as well.
func TestNilCall(t *testing.T) {
	call := From(context.Background())
	if call != nil {
		t.Fatal("a call from nowhere")
	}
	call.SetUser("u")
	call.Spend(time.Hour)
	call.Wrote("contact", 1, 1, 1)
	if err := call.Begin("contact", "Create", 1); err != nil || call.RequestID() != "" {
		t.Error(err)
	}
}

func TestSpendAndSetUser(t *testing.T) {
	g, c := newTestGate(t, Options{})
	h := g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		call := From(r.Context())
		call.SetUser("flow")
		call.Spend(3 * time.Second)
	}))
	send(h, "POST", upsert)
	if e := g.Requests()[0]; e.User != "flow" || e.Execution != 3000 || c.slept != 3*time.Second {
		t.Errorf("slept %v, logged %+v", c.slept, e)
	}
}
