package dataverse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

var tooLong = refusal{400, "0x80044331", "A validation error occurred.  The length is too long."}

func TestWriteUpsertsByKeyAndCreates(t *testing.T) {
	s := newService(t)
	w := s.writer(s.client(), WriteOptions{})
	ops := append(keyOps(5), Operation{Row: 6, Do: Create, ID: testID(6), Set: json.RawMessage(` { } `)},
		Operation{Row: 7, Do: Upsert, ID: testID(7), Set: setOf("by id")})
	out, err := w.Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{Upserted, Upserted, Upserted, Upserted, Upserted, Created, Upserted}
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 7 || s.rows[testID(6)] == nil || s.rows[testID(7)]["firstname"] != "by id" {
		t.Errorf("stored %v", s.rows)
	}
	// Rule W2: a single row first, then the rest at once.
	if diff := cmp.Diff([]int{1, 5}, s.sent("UpsertMultiple")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1}, s.sent("CreateMultiple")); diff != "" {
		t.Error(diff)
	}
}

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

// Rule I5: keys that cannot stand in a URL are resolved, as the service compares.
func TestWriteResolvesAwkwardKeys(t *testing.T) {
	s := newService(t)
	s.rows[testID(100)] = map[string]any{"emailaddress1": "A+B@x.org "}
	s.rows[testID(101)] = map[string]any{"emailaddress1": "twice/x"}
	s.rows[testID(102)] = map[string]any{"emailaddress1": "TWICE/x"}
	w := s.writer(s.client(), WriteOptions{Warm: true})
	ops := []Operation{
		{Row: 1, Do: Upsert, Key: mailKey("a+b@x.org"), New: testID(1), Set: setOf("found")},
		{Row: 2, Do: Upsert, Key: mailKey("O'Neil/50%@x.org"), New: testID(2), Set: setOf("absent")},
		{Row: 3, Do: Upsert, Key: mailKey("twice/x"), New: testID(3), Set: setOf("doubtful")},
		{Row: 4, Do: Upsert, Key: mailKey("plain@x.org"), New: testID(4), Set: setOf("plain")},
		{Row: 5, Do: Upsert, Key: []KeyPart{{Column: "emailaddress1", Value: json.RawMessage("null")}}, New: testID(5), Set: setOf("none")},
	}
	out, err := w.Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{Updated, Created, Rejected, Upserted, Rejected}, results(out)); diff != "" {
		t.Error(diff)
	}
	if out[2].Code != "ambiguous_key" || out[4].Code != "bad_key" {
		t.Errorf("codes %q %q", out[2].Code, out[4].Code)
	}
	if s.rows[testID(100)]["firstname"] != "found" || s.rows[testID(2)]["emailaddress1"] != "O'Neil/50%@x.org" || len(s.rows) != 5 {
		t.Errorf("stored %v", s.rows)
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

func TestAmbiguousCreateIsSettledFirst(t *testing.T) {
	tests := []struct {
		name    string
		fate    fate
		creates []int // rows of the CreateMultiple calls
	}{
		{"cut before", fate{cutBefore: true}, []int{10, 10}},
		{"cut after commit", fate{cutAfter: true}, []int{10}},
		{"no answer in time", fate{hang: true}, []int{10}},
		{"502 after commit", fate{statusAfter: 502, body: "<html>"}, []int{10}},
		{"500 without an answer", fate{status: 500, body: ""}, []int{10, 10}},
		{"deadlock", fate{status: 500, code: "0x80044150", text: "Sql Number: 1205"}, []int{10, 10}},
		{"SQL timeout", fate{status: 500, code: "0x80044151"}, []int{10, 5, 5}},
		{"too large", fate{status: 413, body: "<html>"}, []int{10, 5, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t)
			first := true
			s.fate = func(in received) fate {
				if first && in.message == "CreateMultiple" {
					first = false
					return tt.fate
				}
				return fate{}
			}
			timeout := func(o *Options) {
				if tt.fate.hang {
					o.Timeout = 200 * time.Millisecond
				}
			}
			w := s.writer(s.client(timeout), WriteOptions{Warm: true})
			out, err := w.Write(t.Context(), createOps(10))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all(10, Created), results(out)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.creates, s.sent("CreateMultiple")); diff != "" {
				t.Error(diff)
			}
			if len(s.rows) != 10 {
				t.Errorf("%d rows", len(s.rows))
			}
		})
	}
}

// A worker that died after its call leaves records behind: the next attempt finds them by their ids.
func TestCreateOfWhatAnEarlierAttemptCreated(t *testing.T) {
	s := newService(t)
	c := s.client()
	if _, err := s.writer(c, WriteOptions{Warm: true}).Write(t.Context(), createOps(4)); err != nil {
		t.Fatal(err)
	}
	out, err := s.writer(c, WriteOptions{Warm: true}).Write(t.Context(), createOps(10))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(10, Created), results(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{4, 10, 6}, s.sent("CreateMultiple")); diff != "" {
		t.Error(diff)
	}
}

// Two upserts of one missing key race: the loser sends the same call once more.
func TestUpsertRace(t *testing.T) {
	s := newService(t)
	first := true
	s.fate = func(received) fate {
		if first {
			first = false
			return fate{status: 412, code: "0x80060892"}
		}
		return fate{}
	}
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), keyOps(8))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(8, Upserted), results(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{8, 8}, s.sent("UpsertMultiple")); diff != "" {
		t.Error(diff)
	}
}

// A clash that stays is the row's own fault.
func TestUpsertThatClashesWithAnotherRecord(t *testing.T) {
	s := newService(t)
	s.rows[testID(500)] = map[string]any{"emailaddress1": "taken@x.org"}
	ops := make([]Operation, 8)
	for i := range ops {
		ops[i] = Operation{Row: int64(i + 1), Do: Upsert, ID: testID(i + 1), Set: json.RawMessage(fmt.Sprintf(`{"emailaddress1":"p%d@x.org"}`, i))}
	}
	ops[5].Set = json.RawMessage(`{"emailaddress1":"Taken@x.org"}`)
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	want := all(8, Upserted)
	want[5] = Rejected
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
	if out[5].Code != "0x80060892" || len(s.rows) != 8 {
		t.Errorf("%+v, %d rows", out[5], len(s.rows))
	}
	// Only the whole call and the single row get a second chance.
	if diff := cmp.Diff([]int{8, 8, 4, 2, 1, 1, 1, 2}, s.sent("UpsertMultiple")); diff != "" {
		t.Error(diff)
	}
}

// A record that comes up between resolving its key and creating it is found by resolving again.
func TestCreateRaceOnAwkwardKey(t *testing.T) {
	s := newService(t)
	first := true
	s.fate = func(in received) fate {
		if first && in.message == "CreateMultiple" {
			first = false
			s.mu.Lock()
			s.rows[testID(500)] = map[string]any{"emailaddress1": "p+2@x.org"}
			s.mu.Unlock()
		}
		return fate{}
	}
	ops := keyOps(4)
	for i := range ops {
		ops[i].Key = mailKey(fmt.Sprintf("p+%d@x.org", i))
	}
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{Created, Created, Updated, Created}, results(out)); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 4 || s.rows[testID(500)]["firstname"] != "n3" {
		t.Errorf("stored %v", s.rows)
	}
}

func TestIgnoredClientIDsStopWithOneRow(t *testing.T) {
	s := newService(t)
	s.ignoreIDs = true
	out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), createOps(10))
	if f, ok := fault.As(err); !ok || f.Kind != fault.Refused || f.Code != "client_ids_ignored" {
		t.Fatalf("error %v", err)
	}
	want := all(10, NotAttempted)
	want[0] = Created
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 1 {
		t.Errorf("%d rows", len(s.rows))
	}
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

func TestThrottleStorm(t *testing.T) {
	s := newService(t)
	var until time.Time
	var early, refused atomic.Int32
	var mu sync.Mutex
	s.fate = func(in received) fate {
		mu.Lock()
		defer mu.Unlock()
		if s.clock.Now().Before(until) {
			early.Add(1)
		}
		if in.number%2 == 1 && refused.Load() < 30 {
			refused.Add(1)
			until = s.clock.Now().Add(27 * time.Second)
			return fate{status: 429, code: "0x80072321", retryAfter: "27"}
		}
		return fate{}
	}
	var throttled, waited atomic.Int64
	w := s.writer(s.client(), WriteOptions{Warm: true, Observer: Observer{Throttled: func(d time.Duration) {
		throttled.Add(1)
		waited.Add(int64(d))
	}}})
	out, err := w.Write(t.Context(), keyOps(3))
	for range 29 {
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all(3, Upserted), results(out)); diff != "" {
			t.Fatal(diff)
		}
		out, err = w.Write(t.Context(), keyOps(3))
	}
	if early.Load() != 0 {
		t.Errorf("%d calls while throttled", early.Load())
	}
	if throttled.Load() != 30 || time.Duration(waited.Load()) != 30*27*time.Second {
		t.Errorf("heard of %d throttles, %s", throttled.Load(), time.Duration(waited.Load()))
	}
}

func TestThrottleLongerThanTheStep(t *testing.T) {
	s := newService(t)
	s.fate = func(received) fate { return fate{status: 429, code: "0x80072321", retryAfter: "3600"} }
	w := s.writer(s.client(func(o *Options) { o.Clock = nil }), WriteOptions{Warm: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := w.Write(ctx, keyOps(3))
	if !fault.Is(err, fault.Throttled) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(all(3, NotAttempted), results(out)); diff != "" {
		t.Error(diff)
	}
}

func TestOutageEndsInterruptedWithWhatIsKnown(t *testing.T) {
	s := newService(t)
	s.fate = func(in received) fate {
		if in.message == "CreateMultiple" {
			return fate{status: 503, body: "<html>"}
		}
		return fate{}
	}
	var retried atomic.Int32
	w := s.writer(s.client(), WriteOptions{Warm: true, Observer: Observer{Retried: func() { retried.Add(1) }}})
	out, err := w.Write(t.Context(), append(keyOps(3), createOps(3)...))
	if f, ok := fault.As(err); !ok || f.Kind != fault.Interrupted || f.Code != "service_unavailable" {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(append(all(3, Upserted), all(3, NotAttempted)...), results(out)); diff != "" {
		t.Error(diff)
	}
	if got := len(s.sent("CreateMultiple")); got != maxAttempts || retried.Load() != maxAttempts-1 {
		t.Errorf("%d attempts, %d retries heard of", got, retried.Load())
	}
}

func TestDeniedStops(t *testing.T) {
	tests := []struct {
		fate       fate
		kind       fault.Kind
		code, says string
	}{
		{fate{status: 403, code: "0x80040220", text: "Principal user (Id=1, type=8) is missing prvCreateContact privilege (Id=2) on OTC=2 for entity 'contact'. secret value"},
			fault.Denied, "missing_privilege", "prvCreateContact"},
		{fate{status: 403, code: "0x80072560", text: "The user is not a member of the organization."}, fault.Denied, "not_a_user", "application user"},
		{fate{status: 403, code: "0x80042F09"}, fault.Denied, "no_role", "role"},
		{fate{status: 403, body: "<html>secret value</html>"}, fault.Denied, "forbidden", "403"},
		{fate{status: 404, body: "<html>secret value</html>"}, fault.Broken, "unexpected_answer", "404"},
		{fate{status: 404, code: "0x8006088a", text: "Resource not found for the segment 'secret value'."}, fault.Broken, "unexpected_answer", "404"},
		{fate{status: 400, code: "0x80040203", text: "UpsertMultiple is not enabled on the entity secret value"}, fault.Refused, "unsupported_call", "400"},
		{fate{status: 401}, fault.Denied, "token_refused", "token"},
		{fate{status: 302, body: "secret value"}, fault.Refused, "redirected", "url"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.fate.status, tt.code), func(t *testing.T) {
			s := newService(t)
			s.fate = func(received) fate { return tt.fate }
			out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), keyOps(4))
			f, ok := fault.As(err)
			if !ok || f.Kind != tt.kind || f.Code != tt.code || !strings.Contains(f.Safe(), tt.says) {
				t.Fatalf("error %v", err)
			}
			if strings.Contains(f.Safe(), "secret value") { // rule S2
				t.Errorf("the server's text crosses: %s", f.Safe())
			}
			if diff := cmp.Diff(all(4, NotAttempted), results(out)); diff != "" {
				t.Error(diff)
			}
			if want := map[bool]int{false: 1, true: 2}[tt.code == unsupportedCall]; len(s.calls) != want { // then by $batch
				t.Errorf("%d calls, want %d", len(s.calls), want)
			}
		})
	}
}

func TestCancellation(t *testing.T) {
	s := newService(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.fate = func(in received) fate {
		if in.number == 2 {
			cancel()
			return fate{cutAfter: true}
		}
		return fate{}
	}
	out, err := s.writer(s.client(), WriteOptions{}).Write(ctx, keyOps(4))
	if !errors.Is(err, context.Canceled) || !fault.Is(err, fault.Interrupted) {
		t.Fatalf("error %v", err)
	}
	want := all(4, NotAttempted)
	want[0] = Upserted
	if diff := cmp.Diff(want, results(out)); diff != "" {
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
