package dataverse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

var tooLong = refusal{400, "0x80044331", "A validation error occurred.  The length is too long."}

func TestWriteBodyIsSpliced(t *testing.T) {
	table := contactTable()
	w := &Writer{table: table, odata: `{"@odata.type":"Microsoft.Dynamics.CRM.contact"`}
	day := Operation{Do: Upsert, Set: json.RawMessage(`{}`), Key: []KeyPart{
		{Column: "cr1_day", Value: json.RawMessage(`"2026-01-02"`)}, {Column: "cr1_no", Value: json.RawMessage(`42`)},
		{Column: "parentid", Value: json.RawMessage(`"2b0d4b5e-0000-0000-0000-000000000001"`)}}}
	tests := []struct {
		name   string
		record record
		want   string
	}{
		{"by id", record{id: "i", op: &Operation{Set: json.RawMessage(`{"a":1}`)}}, `,"contactid":"i","a":1}`},
		{"nothing to set", record{id: "i", op: &Operation{Set: json.RawMessage("{ \n}")}}, `,"contactid":"i"}`},
		{"by key", record{op: &Operation{Key: mailKey("o'ä b@x.org"), Set: json.RawMessage(`{"a":1}`)}},
			`,"@odata.id":"contacts(emailaddress1='o''%C3%A4%20b@x.org')","a":1}`},
		{"composite key", record{op: &day}, `,"@odata.id":"contacts(cr1_day=2026-01-02,cr1_no=42,_parentid_value=2b0d4b5e-0000-0000-0000-000000000001)"}`},
		{"key columns", record{id: "i", withKey: true, op: &day},
			`,"contactid":"i","cr1_day":"2026-01-02","cr1_no":42,"cr1_Parent@odata.bind":"/accounts(2b0d4b5e-0000-0000-0000-000000000001)"}`},
		{"key column as given", record{id: "i", withKey: true, op: &Operation{Key: mailKey("a+b@x.org"), Set: json.RawMessage(`{"a":1}`)}},
			`,"contactid":"i","emailaddress1":"a+b@x.org","a":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.appendTarget(nil, tt.record)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w.odata+tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if !json.Valid(got) {
				t.Error("no JSON")
			}
		})
	}
}

func TestWriteRefusesWhatItCannotDoSafely(t *testing.T) {
	s := newService(t)
	w := s.writer(s.client(), WriteOptions{})
	tests := []struct {
		name string
		op   Operation
	}{
		{"create without an id", Operation{Do: Create, Set: setOf("x")}},
		{"absent key without an id to create with", Operation{Do: Upsert, Key: mailKey("a+b"), Set: setOf("x")}},
		{"columns that are no object", Operation{Do: Create, ID: testID(1), Set: json.RawMessage(`[1]`)}},
		{"an id that is none", Operation{Do: Delete, ID: "x) HTTP/1.1"}},
		{"an id in upper case", Operation{Do: Delete, ID: "6F1F0D9E-6D0F-4C67-9A55-000000000001"}},
		{"no verb at all", Operation{ID: testID(1), Set: json.RawMessage(`{}`)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := w.Write(t.Context(), []Operation{{Do: Create, ID: testID(9), Set: setOf("good")}, tt.op})
			if !fault.Is(err, fault.Broken) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(all(2, NotAttempted), results(out)); diff != "" {
				t.Error(diff)
			}
		})
	}
	w.table.Type = "Elastic"
	if _, err := w.Write(t.Context(), keyOps(1)); !fault.Is(err, fault.Broken) {
		t.Errorf("elastic table by a key that it cannot have: %v", err)
	}
	if len(s.calls) != 0 {
		t.Errorf("calls %v", s.calls)
	}
}

func TestBadRowsAreIsolated(t *testing.T) {
	s := newService(t)
	s.wrong = refuseNames(tooLong, "n17", "n18", "n64")
	var bisected atomic.Int32
	w := s.writer(s.client(), WriteOptions{Warm: true, Observer: Observer{Bisected: func() { bisected.Add(1) }}})
	out, err := w.Write(t.Context(), keyOps(64))
	if err != nil {
		t.Fatal(err)
	}
	want := all(64, Upserted)
	want[16], want[17], want[63] = Rejected, Rejected, Rejected
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Outcome{Result: Rejected, Code: tooLong.code, Message: tooLong.text}, out[63]); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 61 {
		t.Errorf("%d rows stored", len(s.rows))
	}
	if n := bisected.Load(); n == 0 || n > 3*8 {
		t.Errorf("%d calls to find 3 rows among 64", n)
	}
}

// After every fault the table equals the truth, whatever happened on the way.
func TestWritePropertyUnderFaults(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { writeUnderFaults(t, seed) })
	}
}

func writeUnderFaults(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	s := newService(t)
	var dice sync.Mutex
	s.fate = func(received) fate {
		dice.Lock()
		defer dice.Unlock()
		switch rnd.IntN(16) {
		case 0:
			return fate{cutBefore: true}
		case 1:
			return fate{cutAfter: true}
		case 2:
			return fate{statusAfter: 502, body: "<html>Bad Gateway</html>"}
		case 3:
			return fate{status: 503, body: "<html>", retryAfter: "2"}
		case 4:
			return fate{status: 500, code: "0x80044150", text: " Sql error: Generic SQL error. Sql Number: 1205"}
		case 5:
			return fate{status: 429, code: "0x80072322", retryAfter: "27"}
		case 6:
			return fate{status: 500, code: "0x80044151", text: "SQL timeout expired. Sql Number: -2"}
		}
		return fate{}
	}
	n := 1 + rnd.IntN(80)
	ops, bad := make([]Operation, n), make(map[string]bool)
	for i := range ops {
		ops[i] = Operation{Row: int64(i + 1), Set: setOf(fmt.Sprintf("n%d", i))}
		switch op := &ops[i]; rnd.IntN(4) {
		case 0:
			op.Do, op.ID = Create, testID(i+1)
		case 1:
			op.Do, op.ID = Upsert, testID(i+1)
		case 2:
			op.Do, op.New, op.Key = Upsert, testID(i+1), mailKey(fmt.Sprintf("p%d@x.org", i))
		default:
			op.Do, op.New, op.Key = Upsert, testID(i+1), mailKey(fmt.Sprintf("p+%d/@x.org", i))
		}
		if rnd.IntN(12) == 0 {
			bad[fmt.Sprintf("n%d", i)] = true
		}
	}
	s.wrong = func(row map[string]any) *refusal {
		if name, _ := row["firstname"].(string); bad[name] {
			return &tooLong
		}
		return nil
	}
	w := s.writer(s.client(), WriteOptions{})
	out := writeAll(t, w, ops)
	for i, o := range out {
		name := fmt.Sprintf("n%d", i)
		if want := bad[name]; want != (o.Result == Rejected) || o.Result == NotAttempted {
			t.Errorf("row %d (bad: %v) ended as %+v", i, want, o)
		}
		found := 0
		for _, row := range s.rows {
			if row["firstname"] == name {
				found++
			}
		}
		if want := map[bool]int{true: 0, false: 1}[bad[name]]; found != want {
			t.Errorf("row %d is stored %d times, want %d", i, found, want)
		}
	}
	if want := n - len(bad); len(s.rows) != want {
		t.Errorf("%d records stored, want %d", len(s.rows), want)
	}
}

// writeAll does what a worker does: what an interruption left over is written by the next attempt.
func writeAll(t *testing.T, w *Writer, ops []Operation) []Outcome {
	t.Helper()
	out := make([]Outcome, len(ops))
	for attempt := 0; attempt < 50; attempt++ {
		var left []Operation
		var at []int
		for i := range ops {
			if out[i].Result == NotAttempted {
				left, at = append(left, ops[i]), append(at, i)
				left[len(left)-1].Again = attempt > 0
			}
		}
		if len(left) == 0 {
			return out
		}
		got, err := w.Write(t.Context(), left)
		if err != nil && !fault.Is(err, fault.Interrupted) {
			t.Fatal(err)
		}
		for i, o := range got {
			if err == nil && o.Result == NotAttempted {
				t.Fatal("no error and no outcome")
			}
			out[at[i]] = o
		}
	}
	t.Fatal("never finished")
	return nil
}

func TestElasticRowsFailByIndex(t *testing.T) {
	s := newService(t)
	s.elastic = true
	s.wrong = refuseNames(refusal{status: 400}, "n3", "n5")
	c := s.client()
	table := contactTable()
	table.Type = "Elastic"
	w, err := c.NewWriter(t.Context(), table, WriteOptions{Warm: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.Write(t.Context(), createOps(6))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{Created, Created, Rejected, Created, Rejected, Created}, results(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{6}, s.sent("CreateMultiple")); diff != "" {
		t.Error(diff)
	}
	// Again, as after a lost answer: what is there was created by us.
	s.wrong = nil
	if out, err = w.Write(t.Context(), createOps(6)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(6, Created), results(out)); diff != "" {
		t.Error(diff)
	}
}

func TestBeforeFencesEachCall(t *testing.T) {
	s := newService(t)
	s.wrong = refuseNames(tooLong, "n3")
	lost := fault.New(fault.LostTurn, "lost_turn", "another run holds the turn")
	asked := 0
	w := s.writer(s.client(), WriteOptions{Warm: true, Before: func(context.Context) error {
		if asked++; asked > 2 {
			return lost
		}
		return nil
	}})
	out, err := w.Write(t.Context(), keyOps(4))
	if !errors.Is(err, lost) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff([]Result{Upserted, Upserted, NotAttempted, NotAttempted}, results(out)); diff != "" {
		t.Error(diff)
	}
	if len(s.calls) != 2 {
		t.Errorf("%d calls", len(s.calls))
	}
}

func TestConcurrentWrites(t *testing.T) {
	s := newService(t)
	s.wrong = refuseNames(tooLong, "n7", "n1003")
	w := s.writer(s.client(), WriteOptions{})
	ops := keyOps(40)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			out, err := w.Write(t.Context(), ops[i*4:i*4+4])
			if err != nil {
				t.Error(err)
			}
			for j, o := range out {
				if (o.Result == Rejected) != (i*4+j == 6) {
					t.Errorf("row %d: %+v", i*4+j, o)
				}
			}
		}()
	}
	wg.Wait()
	if len(s.rows) != 39 {
		t.Errorf("%d rows", len(s.rows))
	}
	if first := s.calls[0]; first.rows != 1 {
		t.Errorf("the first call had %d rows", first.rows)
	}
	if s.mostSeen > firstInFlight {
		t.Errorf("%d calls in flight", s.mostSeen)
	}
}

func TestNoCookiesAndHint(t *testing.T) {
	s := newService(t)
	s.headers = http.Header{"Set-Cookie": {"ARRAffinity=abc; path=/"}, "X-Ms-Dop-Hint": {"17"}}
	c := s.client()
	w := s.writer(c, WriteOptions{})
	if _, err := w.Write(t.Context(), keyOps(3)); err != nil {
		t.Fatal(err)
	}
	for _, in := range s.calls {
		if in.cookie != "" {
			t.Errorf("cookie sent back: %q", in.cookie)
		}
	}
	if got := c.InFlight(); got != 17 {
		t.Errorf("in flight %d after the hint", got)
	}
	if got := s.client(func(o *Options) { o.InFlight = 3 }).InFlight(); got != 3 {
		t.Errorf("in flight %d with a bound", got)
	}
}
