package traffic

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFault(t *testing.T) {
	for text, want := range map[string]Fault{
		"drop-after":                             {What: DropAfter},
		"drop-after:every=7,path=UpsertMultiple": {What: DropAfter, Every: 7, Path: "UpsertMultiple"},
		"first-use:racing":                       {What: FirstUse, Racing: true},
		`latency: delay=1m30s, path="a{1,2}\"b"`: {What: Latency, Delay: Duration(90 * time.Second), Path: `a{1,2}"b`},
		"status-after:status=502,probability=0.5,seed=3,times=2,after=9": {
			What: StatusAfter, Status: 502, Probability: 0.5, Seed: 3, Times: 2, After: 9},
		"throttle:retry_after=7,limit=time,user=u,method=POST": {
			What: Throttle, RetryAfter: 7, Limit: "time", User: "u", Method: "POST"},
		"sql-timeout:min_rows=500,table=contact,verb=CreateMultiple,first=2": {
			What: SQLTimeout, MinRows: 500, Table: "contact", Verb: "CreateMultiple", First: 2},
	} {
		got, err := ParseFault(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		if again, err := ParseFault(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s and read as %+v, %v", text, got, again, err)
		}
	}
}

func TestParseFaultErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "unknown fault",
		"drop-aftr":                  `did you mean "drop-after"?`,
		"drop-after:evry=7":          `unknown option "evry", did you mean "every"?`,
		"drop-after:every=x":         "every: ",
		"drop-after:every=-1":        "every: is never negative",
		"drop-after:every=1,every=2": "every is given twice",
		"drop-after:status=502":      "status: drop-after has no such option",
		"drop-after:path=(":          "path: error parsing regexp",
		`drop-after:path="x`:         "the quotation mark is not closed",
		`drop-after:path="x"y`:       "a comma is missing",
		"latency":                    "delay: is missing",
		"latency:delay=5":            "is not a duration",
		"status-before:status=200":   "status: is between 400 and 599",
		"throttle:limit=speed":       "none of requests, time, concurrency",
		"deadlock:probability=2":     "probability: is between 0 and 1",
		"deadlock:probability=NaN":   "probability: is between 0 and 1",
	} {
		_, err := ParseFault(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, seed := range []string{
		"drop-after:every=7,path=UpsertMultiple", `status-before:status=400,code=0x80040265,message="no, \"sorry\""`,
		"first-use:racing", "latency:delay=200ms,probability=0.25,seed=9", "cut:bytes=10,after=3,first=2,times=1",
		"sql-timeout:min_rows=500,table=contact", `throttle:limit=time,retry_after=3,user="a,b"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseFault(text)
		if err != nil {
			return
		}
		again, err := ParseFault(parsed.String())
		if err != nil || again != parsed {
			t.Errorf("%q: written as %q and read as %+v, %v", text, parsed, again, err)
		}
	})
}

// Which of twelve requests does a rule strike?
func TestCounters(t *testing.T) {
	for text, want := range map[string]string{
		"drop-before":                                "xxxxxxxxxxxx",
		"drop-before:every=5":                        "....x....x..",
		"drop-before:first=2":                        "xx..........",
		"drop-before:after=10":                       "..........xx",
		"drop-before:after=2,first=6,every=3":        "....x..x....",
		"drop-before:every=2,times=2":                ".x.x........",
		"drop-before:method=GET":                     "............",
		"drop-before:path=/contacts/.*Upsert":        "xxxxxxxxxxxx",
		"drop-before:path=^/contacts":                "............",
		"drop-before:table=CONTACT":                  "xxxxxxxxxxxx",
		"drop-before:table=account":                  "............",
		"drop-before:verb=upsertmultiple,every=6":    ".....x.....x",
		"drop-before:min_rows=4":                     "............",
		"drop-before:min_rows=3,first=1":             "x...........",
		"drop-before:user=somebody":                  "............",
		"drop-before:racing":                         "............",
		"drop-before:probability=0.5,seed=1,times=1": "x...........",
	} {
		a := &api{}
		g, _ := newTestGate(t, Options{})
		fault(t, g, text)
		h := g.Wrap(a)
		got := ""
		for range 12 {
			if send(h, "POST", upsert+"?rows=abc").Code == 0 {
				got += "x"
			} else {
				got += "."
			}
		}
		if got != want {
			t.Errorf("%s: struck %s, want %s", text, got, want)
		}
		if struck := strings.Count(got, "x"); a.count() != 12-struck || g.Faults()[0].Struck != struck {
			t.Errorf("%s: %d commits, %d counted strikes", text, a.count(), g.Faults()[0].Struck)
		}
	}
}

func TestProbability(t *testing.T) {
	struck := func(seed int) string {
		g, _ := newTestGate(t, Options{})
		fault(t, g, fmt.Sprintf("drop-before:probability=0.2,seed=%d", seed))
		h, text := g.Wrap(&api{}), ""
		for range 1000 {
			text += fmt.Sprint(min(1, send(h, "POST", upsert).Code))
		}
		return text
	}
	one := struck(1)
	if n := strings.Count(one, "0"); n < 150 || n > 250 {
		t.Errorf("%d of 1000 struck with probability 0.2", n)
	}
	if struck(1) != one || struck(2) == one {
		t.Error("the same seed must strike the same requests, and another others")
	}
}

func TestFirstRuleDecides(t *testing.T) {
	g, c := newTestGate(t, Options{})
	fault(t, g, "status-before:status=503,first=1", "latency:delay=2s,first=1", "drop-before:first=1", "latency:delay=3s,first=1")
	h := g.Wrap(&api{})
	if code := send(h, "POST", upsert).Code; code != 503 || c.slept != 5*time.Second {
		t.Errorf("status %d after %v; latencies add up and the first other fault decides", code, c.slept)
	}
	if code := send(h, "POST", upsert).Code; code != 0 {
		t.Errorf("status %d; the drop has its turn when the status is used up", code)
	}
}

func TestSQLErrors(t *testing.T) {
	for text, want := range map[string]string{
		"deadlock":               `500 {"error":{"code":"0x80044150","message":" Sql error: Generic SQL error. CRM ErrorCode: -2147204784 Sql ErrorCode: -2146232060 Sql Number: 1205"}}`,
		"sql-timeout:min_rows=2": `500 {"error":{"code":"0x80044151","message":"SQL timeout expired. CRM ErrorCode: -2147204783 Sql ErrorCode: -2146232060 Sql Number: -2"}}`,
		"first-use":              `500 {"error":{"code":"0x80044150","message":" Sql error: Generic SQL error. CRM ErrorCode: -2147204784 Sql ErrorCode: -2146232060 Sql Number: 3732"}}`,
	} {
		a := &api{}
		g, _ := newTestGate(t, Options{})
		fault(t, g, text)
		w := send(g.Wrap(a), "POST", upsert+"?rows=ab")
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != want {
			t.Errorf("%s: %s", text, got)
		}
		if a.count() != 0 {
			t.Errorf("%s: committed", text)
		}
		if e := g.Requests()[0]; !strings.HasPrefix(e.Fault, strings.SplitN(text, ":", 2)[0]+"#") || !strings.HasPrefix(e.Code, "0x8004415") {
			t.Errorf("%s: logged %+v", text, e)
		}
	}
}

// Two first bulk actions on a table at the same time collide; later ones do not.
func TestFirstUseRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Costs: Costs{Request: Duration(time.Second)}, Limits: &Limits{}})
		defer g.Close()
		fault(t, g, "first-use:racing")
		h := g.Wrap(&api{})
		both := func() string {
			codes, group := make([]int, 2), sync.WaitGroup{}
			for i := range 2 {
				group.Go(func() {
					time.Sleep(time.Duration(i) * 500 * time.Millisecond)
					codes[i] = send(h, "POST", upsert+"?rows=ab").Code
				})
			}
			group.Wait()
			return fmt.Sprint(codes)
		}
		// The handler commits at once after Begin, so the first is held there.
		g.SetCosts(Costs{Operation: Duration(time.Second)})
		if got := both(); got != "[204 500]" {
			t.Errorf("at first: %s", got)
		}
		if got := both(); got != "[204 204]" {
			t.Errorf("later: %s", got)
		}
		g.Altered("contact")
		if got := both(); got != "[204 500]" {
			t.Errorf("after a change of the table: %s", got)
		}
	})
}

func TestUnauthorizedAndThrottle(t *testing.T) {
	a := &api{}
	g, _ := newTestGate(t, Options{Limits: &Limits{}})
	fault(t, g, "unauthorized:first=1", "throttle:first=1,retry_after=7,limit=time", "throttle")
	h := g.Wrap(a)
	w := send(h, "POST", upsert)
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || !strings.HasPrefix(got, "Bearer authorization_uri=https://") || w.Body.Len() != 0 {
		t.Errorf("%d %q %q", w.Code, got, w.Body)
	}
	w = send(h, "POST", upsert)
	if retryAfter(t, w) != 7 {
		t.Errorf("Retry-After %d", retryAfter(t, w))
	}
	want429(t, w, "0x80072321", "Combined execution time of incoming requests exceeded limit of 1200000 milliseconds over time window of 300 seconds. "+
		"Decrease number of concurrent requests or reduce the duration of requests and try again later.")
	w = send(h, "POST", upsert)
	want429(t, w, "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds.")
	if retryAfter(t, w) != 30 || a.count() != 0 || g.Stats(t.Context()).Throttled != 2 {
		t.Errorf("Retry-After %d, %d commits, %+v", retryAfter(t, w), a.count(), g.Stats(t.Context()))
	}
}

func TestStatusBeforeAndAfter(t *testing.T) {
	for text, want := range map[string]struct {
		status, commits int
		body            string
	}{
		"status-before:status=502":                                {502, 0, "<h1>502 Bad Gateway</h1>"},
		"status-after:status=504":                                 {504, 1, "<h1>504 Gateway Time-out</h1>"},
		"status-before:status=503,retry_after=9":                  {503, 0, "<h1>503 Service Unavailable</h1>"},
		"status-after:status=500":                                 {500, 1, `{"error":{"code":"0x80040216","message":"An unexpected error occurred."}}`},
		"status-before:status=503,code=0x80048551":                {503, 0, `{"error":{"code":"0x80048551","message":"An unexpected error occurred."}}`},
		"status-after:status=502,table=contact":                   {502, 1, "<h1>502 Bad Gateway</h1>"},
		"status-before:status=400,message=no,verb=UpsertMultiple": {400, 0, `{"error":{"code":"","message":"no"}}`},
	} {
		a := &api{}
		g, _ := newTestGate(t, Options{})
		fault(t, g, text)
		w := send(g.Wrap(a), "POST", upsert+"?body=secret")
		if w.Code != want.status || a.count() != want.commits || !strings.Contains(w.Body.String(), want.body) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: status %d, %d commits, body %q", text, w.Code, a.count(), w.Body)
		}
		html := strings.HasPrefix(want.body, "<")
		if html != (w.Header().Get("Content-Type") == "text/html") || html == (w.Header().Get("REQ_ID") != "") {
			t.Errorf("%s: headers %v", text, w.Header())
		}
		if e := g.Requests()[0]; e.Status != want.status || want.commits == 1 && e.HandlerStatus != 200 {
			t.Errorf("%s: logged %+v", text, e)
		}
	}
}

func TestLatencyIsNotExecutionTime(t *testing.T) {
	g, c := newTestGate(t, Options{Costs: Costs{Network: Duration(time.Second), Request: Duration(2 * time.Second)}})
	fault(t, g, "latency:delay=10s", "latency:delay=20s,table=contact", "latency-after:delay=40s")
	if w := send(g.Wrap(&api{}), "POST", upsert); w.Code != 204 {
		t.Errorf("status %d", w.Code)
	}
	if c.slept != 73*time.Second {
		t.Errorf("took %v", c.slept)
	}
	if got := g.Stats(t.Context()).ExecutionSeconds; got != 2 {
		t.Errorf("execution_seconds %v", got)
	}
	if got := g.Requests()[0]; got.Milliseconds != 73_000 || got.Execution != 2000 || got.Fault != "latency#1 latency-after#3 latency#2" {
		t.Errorf("logged %+v", got)
	}
}
