package traffic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func control(g *Gate, method, path, body string) (int, string) {
	w := httptest.NewRecorder()
	g.Control().ServeHTTP(w, httptest.NewRequest(method, "/_emulator/"+path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestStats(t *testing.T) {
	g, _ := newTestGate(t, Options{
		Limits: &Limits{Requests: 2, Window: Duration(time.Minute)},
		Costs:  Costs{Request: Duration(1500 * time.Millisecond)},
		Rows:   func(context.Context) map[string]int64 { return map[string]int64{"contact": 7, "account": 1} },
	})
	h := g.Wrap(&api{})
	for range 3 {
		send(h, "POST", upsert+"?rows=ab")
	}
	status, body := control(g, "GET", "stats", "")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	delete(got, "users")
	want := map[string]any{
		"requests": 3., "throttled": 1., "peak_concurrency": 1., "execution_seconds": 3., "in_flight": 0., "faults": 0.,
		"statuses": map[string]any{"204": 2., "429": 1.},
		"tables": map[string]any{
			"contact": map[string]any{"rows": 7., "created": 4., "updated": 0., "deleted": 0.},
			"account": map[string]any{"rows": 1., "created": 0., "updated": 0., "deleted": 0.},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestControlFaults(t *testing.T) {
	a := &api{}
	g, _ := newTestGate(t, Options{})
	status, body := control(g, "POST", "faults",
		`["drop-after:every=2,path=UpsertMultiple", {"what":"status-before","status":503,"table":"contact","first":1}, {"what":"latency","delay":"20ms"}]`)
	if status != 200 || strings.Join(strings.Fields(body), "") != `{"ids":[1,2,3]}` {
		t.Fatalf("%d %s", status, body)
	}
	h := g.Wrap(a)
	var codes []int
	for range 4 {
		codes = append(codes, send(h, "POST", upsert).Code)
	}
	if fmt.Sprint(codes) != "[503 0 204 0]" || a.count() != 3 {
		t.Errorf("statuses %v, %d commits", codes, a.count())
	}
	_, body = control(g, "GET", "faults", "")
	var states []RuleState
	if err := json.Unmarshal([]byte(body), &states); err != nil {
		t.Fatal(err)
	}
	want := []RuleState{
		{1, 4, 2, Fault{What: DropAfter, Every: 2, Path: "UpsertMultiple"}},
		{2, 4, 1, Fault{What: StatusBefore, Status: 503, Table: "contact", First: 1}},
		{3, 4, 4, Fault{What: Latency, Delay: Duration(20 * time.Millisecond)}},
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
	for _, step := range []struct {
		path         string
		status, left int
	}{{"faults/2", 204, 2}, {"faults/2", 404, 2}, {"faults/x", 404, 2}, {"faults/0", 404, 2}, {"faults", 204, 0}} {
		if status, _ := control(g, "DELETE", step.path, ""); status != step.status || len(g.Faults()) != step.left {
			t.Errorf("DELETE %s: status %d, %d left", step.path, status, len(g.Faults()))
		}
	}
}

func TestControlRefuses(t *testing.T) {
	g, _ := newTestGate(t, Options{})
	for _, test := range []struct{ method, path, body, want string }{
		{"POST", "faults", `[{"what":"deadlock","tabel":"contact"}]`, `fault 1: unknown member \"tabel\", did you mean \"table\"?`},
		{"POST", "faults", `["deadlock",{"what":"deadlok"}]`, `fault 2: what: unknown fault \"deadlok\", did you mean \"deadlock\"?`},
		{"POST", "faults", `["deadlock:evry=2"]`, `did you mean \"every\"?`},
		{"POST", "faults", `["deadlock"] []`, `more than one JSON value`},
		{"POST", "faults", ``, `the body is empty`},
		{"POST", "faults", `7`, `fault 1: `},
		{"POST", "limits", `{"request":5}`, `unknown member \"request\", did you mean \"requests\"?`},
		{"POST", "limits", `{"requests":-5}`, `never negative`},
		{"POST", "limits", `{"scale":2}`, `scale is between 0 and 1`},
		{"POST", "limits", `{"window":"5"}`, `\"5\" is not a duration`},
		{"POST", "limits", `{}{}`, `more than one JSON value`},
		{"POST", "latency", `{"tables":{"contact":{"plugin":"1s"}}}`, `unknown member \"plugin\", did you mean \"plug_in\"?`},
		{"POST", "latency", `{"row":"-1s"}`, `between 0s and 1h`},
		{"POST", "latency", `{"verbs":{"create":-1}}`, `a factor is between`},
		{"POST", "reset?keep=rows", ``, `keep=rows: data or counters can be kept`},
		{"POST", "reset?kep=data", ``, `unknown parameter \"kep\", did you mean \"keep\"?`},
		{"GET", "requests?last=none", ``, `is not a number`},
		{"GET", "requests?stats=200", ``, `did you mean \"status\"?`},
		{"GET", "requests?status=200&status=201", ``, `status is given twice`},
	} {
		status, body := control(g, test.method, test.path, test.body)
		if status != 400 || !strings.Contains(body, test.want) {
			t.Errorf("%s %s %s: %d %s", test.method, test.path, test.body, status, body)
		}
	}
	if len(g.Faults()) != 0 || g.Limits() != DefaultLimits() {
		t.Error("a refused request changed something")
	}
	if status, body := control(g, "GET", "nothing", ""); status != 404 || !strings.Contains(body, "GET /_emulator/ lists") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := control(g, "POST", "reset", ""); status != 501 || !strings.Contains(body, "?keep=data") {
		t.Errorf("%d %s", status, body)
	}
}

// Every end point that the guide names answers.
func TestGuide(t *testing.T) {
	g, _ := newTestGate(t, Options{Reset: func(context.Context) error { return nil }})
	status, text := control(g, "GET", "", "")
	if status != 200 {
		t.Fatal(status)
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "/_emulator/") {
			continue
		}
		path, _, _ := strings.Cut(strings.TrimPrefix(fields[1], "/_emulator/"), "[")
		body := map[string]string{"faults": "[]"}[path]
		if body == "" {
			body = "{}"
		}
		if status, answer := control(g, fields[0], path, body); status >= 300 {
			t.Errorf("%s: %d %s", line, status, answer)
		}
	}
}

func TestControlLimits(t *testing.T) {
	g, _ := newTestGate(t, Options{})
	h := g.Wrap(&api{})
	if status, body := control(g, "POST", "limits", `{"requests":300,"scale":0.01,"servers":1}`); status != 200 || !strings.Contains(body, `"window": "5m0s"`) {
		t.Fatal(status, body)
	}
	codes := fmt.Sprint(send(h, "POST", upsert).Code, send(h, "POST", upsert).Code, send(h, "POST", upsert).Code, send(h, "POST", upsert).Code)
	if codes != "204 204 204 429" {
		t.Errorf("statuses %s", codes)
	}
	control(g, "PUT", "limits", `{}`)
	w := send(h, "POST", upsert)
	for name := range w.Header() {
		if strings.HasPrefix(name, "X-Ms-Ratelimit") || name == "X-Ms-Dop-Hint" {
			t.Errorf("limits are off, but %s: %s", name, w.Header().Get(name))
		}
	}
}

func TestControlLatency(t *testing.T) {
	g, c := newTestGate(t, Options{})
	h := g.Wrap(&api{})
	control(g, "POST", "latency", `{"request":"30ms","row":"10ms","verbs":{"upsert":2}}`)
	control(g, "POST", "latency", `{"verbs":{"Upsert":3},"tables":{"account":{"row":"1s"}}}`)
	send(h, "POST", upsert+"?rows=ab")
	if c.slept != 90*time.Millisecond {
		t.Errorf("slept %v", c.slept)
	}
	_, body := control(g, "GET", "latency", "")
	var got Costs
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Verbs["upsert"] != 3 || len(got.Verbs) != 1 || got.Tables["account"].Row != Duration(time.Second) {
		t.Errorf("costs %s", body)
	}
	control(g, "PUT", "latency", `{}`)
	send(h, "POST", upsert+"?rows=ab")
	if c.slept != 90*time.Millisecond {
		t.Errorf("slept %v with no costs", c.slept)
	}
}

func TestReset(t *testing.T) {
	cleared, broken := 0, error(nil)
	g, _ := newTestGate(t, Options{Reset: func(context.Context) error { cleared++; return broken }})
	fault(t, g, "status-before:status=503,first=1")
	h := g.Wrap(&api{})
	send(h, "POST", upsert)
	for _, step := range []struct {
		path              string
		cleared, requests int
	}{{"reset?keep=counters", 1, 1}, {"reset?keep=data", 1, 0}, {"reset", 2, 0}} {
		status, _ := control(g, "POST", step.path, "")
		if s := g.Stats(t.Context()); status != 204 || cleared != step.cleared || s.Requests != int64(step.requests) || len(g.Requests()) != step.requests {
			t.Errorf("%s: status %d, %d times cleared, %+v", step.path, status, cleared, s)
		}
	}
	if code := send(h, "POST", upsert).Code; code != 503 {
		t.Errorf("status %d; a fault stays in force and counts anew", code)
	}
	broken = errors.New("disk full")
	if status, body := control(g, "POST", "reset", ""); status != 500 || !strings.Contains(body, "disk full") {
		t.Errorf("%d %s", status, body)
	}
}

func TestRequestLog(t *testing.T) {
	var lines strings.Builder
	g, _ := newTestGate(t, Options{LogSize: 5, Log: &lines, Costs: Costs{Request: Duration(12 * time.Millisecond)},
		User: func(*http.Request) string { return "ann" }})
	fault(t, g, "deadlock:after=3,table=account")
	h := g.Wrap(&api{})
	for i := range 8 {
		set := []string{"contacts", "accounts"}[i/4]
		send(h, "POST", strings.Replace(upsert, "contacts", set, 1)+"?rows=abc"[:min(9, 6+i)])
	}
	for query, want := range map[string]string{
		"":                       "4 5 6 7 8",
		"?last=2":                "7 8",
		"?last=2&table=contact":  "4",
		"?table=Account":         "5 6 7 8",
		"?status=500":            "8",
		"?status=204&path=conta": "4",
		"?user=bob":              "",
		"?verb=upsertmultiple&method=post&user=ANN&last=1": "8",
		"?fault=": "8", "?fault=deadlock": "8", "?fault=drop": "",
	} {
		_, body := control(g, "GET", "requests"+query, "")
		var got []string
		for line := range strings.Lines(body) {
			var e Entry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(e.Number))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	last := lines.String()[strings.LastIndexByte(strings.TrimSpace(lines.String()), '\n')+1:]
	want := "02:00:05.084 POST /api/data/v9.2/accounts/Microsoft.Dynamics.CRM.UpsertMultiple?rows=abc 500 0x80044150 account UpsertMultiple rows=3 ms=12.0 server=0 user=ann fault=deadlock#1\n"
	if last != want {
		t.Errorf("line %q, want %q", last, want)
	}
}

func FuzzDecodeFaults(f *testing.F) {
	for _, seed := range []string{
		`["drop-after:every=7"]`, `[{"what":"deadlock","table":"contact","racing":true}]`, `{"what":"cut","bytes":3}`,
		`"latency:delay=1s"`, `[]`, `null`, `[{"what":"status-after","status":502,"probability":1e-3}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		faults, err := decodeFaults(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(faults)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeFaults(written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if diff := cmp.Diff(faults, again); diff != "" {
			t.Error(diff)
		}
	})
}
