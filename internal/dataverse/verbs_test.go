package dataverse

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	noBulk     = map[string]bool{"CreateMultiple": true, "UpsertMultiple": true, "UpdateMultiple": true, "DeleteMultiple": true}
	restricted = refusal{405, "0x80040227", "The object you tried to delete is associated with another object and cannot be deleted."}
)

// have puts records with these numbers into the table: an id, a first name and a mail each.
func (s *service) have(numbers ...int) {
	for _, n := range numbers {
		s.rows[testID(n)] = map[string]any{"contactid": testID(n), "firstname": fmt.Sprintf("old%d", n), "emailaddress1": fmt.Sprintf("p%d@x.org", n)}
	}
}

// updateOps address records 1 and 3 and so on by id, the others by key, every fourth by an awkward one.
func updateOps(do Verb, n int) []Operation {
	ops := make([]Operation, n)
	for i := range ops {
		ops[i] = Operation{Row: int64(i + 1), Do: do, Set: setOf(fmt.Sprintf("n%d", i+1))}
		switch {
		case i%2 == 0:
			ops[i].ID = testID(i + 1)
		case i%4 == 1:
			ops[i].Key = mailKey(fmt.Sprintf("P%d@x.org ", i+1))
		default:
			ops[i].Key = mailKey(fmt.Sprintf("p%d/@x.org", i+1))
		}
	}
	return ops
}

// Rule C4: an update creates nothing; what is not there is rejected as not_found.
func TestUpdateOnlyExisting(t *testing.T) {
	for name, lacks := range map[string]map[string]bool{"in bulk": nil, "in batches": noBulk} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.lacks = lacks
			s.have(1, 2, 5, 6, 8)
			s.rows[testID(8)]["emailaddress1"] = "p8/@x.org"
			out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), updateOps(Update, 8))
			if err != nil {
				t.Fatal(err)
			}
			missing := Rejected
			want := []Result{Updated, Updated, missing, missing, Updated, Updated, missing, Updated}
			if diff := cmp.Diff(want, results(out)); diff != "" {
				t.Error(diff)
			}
			for _, i := range []int{2, 3, 6} {
				if out[i].Code != "not_found" {
					t.Errorf("row %d: %+v", i, out[i])
				}
			}
			if len(s.rows) != 5 {
				t.Errorf("stored %v", s.rows)
			}
			for n, id := range []int{1, 2, 5, 6, 8} {
				if got := s.rows[testID(id)]["firstname"]; got != fmt.Sprintf("n%d", id) {
					t.Errorf("%d: record %d is %v", n, id, got)
				}
			}
		})
	}
}

// Many missing records cost one look-up and one more call, not a search for each.
func TestUpdateOfManyMissing(t *testing.T) {
	s := newService(t)
	for n := 1; n <= 100; n += 2 {
		s.have(n)
	}
	ops := make([]Operation, 100)
	for i := range ops {
		ops[i] = Operation{Row: int64(i + 1), Do: Update, ID: testID(i + 1), Set: setOf("new")}
	}
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if want := map[bool]Result{true: Updated, false: Rejected}[i%2 == 0]; o.Result != want {
			t.Errorf("row %d: %+v", i, o)
		}
	}
	if diff := cmp.Diff([]int{100, 50}, s.sent("UpdateMultiple")); diff != "" {
		t.Error(diff)
	}
}

// A record that is there and points to one that is not is no missing record.
func TestUpdateWithMissingLookup(t *testing.T) {
	s := newService(t)
	s.have(1, 2, 3)
	s.wrong = refuseNames(refusal{404, "0x80040217", "Entity 'Account' With Id = " + testID(77) + " Does Not Exist"}, "n3")
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), []Operation{
		{Do: Update, ID: testID(1), Set: setOf("n1")}, {Do: Update, ID: testID(2), Set: setOf("n2")}, {Do: Update, ID: testID(3), Set: setOf("n3")}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{Updated, Updated, Rejected}, results(out)); diff != "" || out[2].Code != "0x80040217" {
		t.Errorf("%+v %s", out, diff)
	}
}

func TestDelete(t *testing.T) {
	s := newService(t)
	s.have(1, 2, 3, 4, 9)
	s.rows[testID(4)]["emailaddress1"] = "p4/@x.org"
	s.wrong = refuseNames(restricted, "old3")
	ops := updateOps(Delete, 8)
	for i := range ops {
		ops[i].Set = nil
		ops[i].Again = i >= 6
	}
	out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	// Rule C4: what is not there is gone already, unless an earlier attempt may have sent the delete.
	want := []Result{Deleted, Deleted, Rejected, Deleted, Unchanged, Unchanged, Deleted, Deleted}
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Outcome{Result: Rejected, Code: restricted.code, Message: restricted.text}, out[2]); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 2 || s.rows[testID(3)] == nil || s.rows[testID(9)] == nil {
		t.Errorf("left %v", s.rows)
	}
}

func TestAmbiguousDelete(t *testing.T) {
	tests := []struct {
		name  string
		fate  fate
		parts partFate
	}{
		{"cut after commit", fate{cutAfter: true}, partFate{}},
		{"502 after commit", fate{statusAfter: 502, body: "<html>"}, partFate{}},
		{"cut before", fate{cutBefore: true}, partFate{}},
		{"a part's 500 after commit", fate{}, partFate{refuse: refusal{status: 500}, after: true}},
		{"a part's deadlock", fate{}, partFate{refuse: refusal{500, "0x80044150", "Sql Number: 1205"}}},
		{"an answer that was cut", fate{}, partFate{cut: true}},
		{"a part's throttle", fate{}, partFate{refuse: refusal{429, "0x80072322", ""}, retryAfter: "7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t)
			s.have(1, 2, 3, 4)
			s.fate = func(in received) fate {
				if in.number == 1 {
					return tt.fate
				}
				return fate{}
			}
			s.partFate = func(n int, _, _ string) partFate {
				if n == 3 {
					return tt.parts
				}
				return partFate{}
			}
			ops := make([]Operation, 4)
			for i := range ops {
				ops[i] = Operation{Do: Delete, ID: testID(i + 1)}
			}
			start := s.clock.Now()
			out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), ops)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all(4, Deleted), results(out)); diff != "" {
				t.Error(diff)
			}
			if len(s.rows) != 0 {
				t.Errorf("left %v", s.rows)
			}
			if waited := s.clock.Now().Sub(start).Seconds(); tt.parts.retryAfter != "" && waited < 7 {
				t.Errorf("waited %.0f s for a part's Retry-After", waited)
			}
		})
	}
}

func TestWriteInBatches(t *testing.T) {
	s := newService(t)
	s.lacks = noBulk
	s.wrong = refuseNames(tooLong, "n4")
	ops := append(keyOps(5), createOps(9)[6:]...)
	ops = append(ops, Operation{Do: Upsert, ID: testID(20), Set: setOf("by id")}, Operation{Do: Upsert, Key: mailKey("a+b@x.org"), New: testID(21), Set: setOf("awkward")})
	out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{Upserted, Upserted, Upserted, Rejected, Upserted, Created, Created, Created, Upserted, Created}
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 9 || s.rows[testID(21)]["emailaddress1"] != "a+b@x.org" || s.rows[testID(20)]["firstname"] != "by id" {
		t.Errorf("stored %v", s.rows)
	}
	if n := len(s.sent("UpsertMultiple")) + len(s.sent("CreateMultiple")); n != 0 {
		t.Errorf("%d bulk calls", n)
	}
	if out[3].Code != tooLong.code {
		t.Errorf("%+v", out[3])
	}
}

func TestOldAPIWritesInBatches(t *testing.T) {
	s := newService(t)
	c := s.client(func(o *Options) { o.APIVersion = "v8.2" })
	if w := s.writer(c, WriteOptions{}); c.root[len(c.root)-5:] != "v8.2/" {
		t.Errorf("%+v", w)
	} else if yes, err := w.takes(t.Context(), upsertMultiple); yes || err != nil {
		t.Errorf("%v %v", yes, err)
	}
}

func TestCreateInBatchesIsSettled(t *testing.T) {
	for name, f := range map[string]partFate{
		"committed and lost": {refuse: refusal{status: 500}, after: true},
		"not committed":      {refuse: refusal{status: 503}},
		"answer cut":         {cut: true},
		"there already":      {refuse: refusal{412, "0x80040237", "A record with matching key values already exists."}, after: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.lacks = noBulk
			s.partFate = func(n int, _, _ string) partFate {
				if n == 2 {
					return f
				}
				return partFate{}
			}
			out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), createOps(4))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all(4, Created), results(out)); diff != "" {
				t.Error(diff)
			}
			if len(s.rows) != 4 {
				t.Errorf("stored %v", s.rows)
			}
		})
	}
}

func TestIgnoredClientIDsInBatches(t *testing.T) {
	s := newService(t)
	s.lacks, s.ignoreIDs = noBulk, true
	_, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), createOps(3))
	wantFault(t, err, "Refused", "client_ids_ignored")
}

// A table that says of itself that it takes no such message is written in batches from then on.
func TestFallsBackToBatches(t *testing.T) {
	s := newService(t)
	s.fate = func(in received) fate {
		if in.message == "UpsertMultiple" {
			return fate{status: 400, code: "0x80040800", text: "The message 'UpsertMultiple' is not enabled on the entity 'contact'."}
		}
		return fate{}
	}
	w := s.writer(s.client(), WriteOptions{})
	for range 2 {
		out, err := w.Write(t.Context(), keyOps(5))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all(5, Upserted), results(out)); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]int{1}, s.sent("UpsertMultiple")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{5, 5}, s.sent("$batch")); diff != "" || len(s.rows) != 5 {
		t.Error(len(s.rows), diff)
	}
}

// A call with many bad rows is not searched for each of them.
func TestManyBadRowsGoByBatch(t *testing.T) {
	s := newService(t)
	s.wrong = func(row map[string]any) *refusal {
		if name := fmt.Sprint(row["firstname"]); strings.HasSuffix(name, "3") || strings.HasSuffix(name, "7") {
			return &tooLong
		}
		return nil
	}
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), keyOps(400))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if bad := (i+1)%10 == 3 || (i+1)%10 == 7; bad != (o.Result == Rejected) || !bad && o.Result != Upserted {
			t.Errorf("row %d: %+v", i+1, o)
		}
	}
	if len(s.rows) != 320 || len(s.calls) > manyBad*(9+2)+2 {
		t.Errorf("%d rows stored by %d calls", len(s.rows), len(s.calls))
	}
}

// One part that the service cannot even read must not cost the others.
func TestBatchThatIsRefusedAsAWhole(t *testing.T) {
	s := newService(t)
	s.lacks = noBulk
	s.fate = func(in received) fate {
		if in.rows == 1 && in.number == 4 || in.rows > 1 && in.number < 4 {
			return fate{status: 400, code: "0x80048d19", text: "The stream of the batch request is not readable."}
		}
		return fate{}
	}
	out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), keyOps(8))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]Result{Rejected}, all(7, Upserted)...), results(out)); diff != "" {
		t.Error(diff)
	}
}

func TestDeniedPartStops(t *testing.T) {
	s := newService(t)
	s.have(1, 2)
	s.partFate = func(int, string, string) partFate {
		return partFate{refuse: refusal{403, "0x80040220", "Principal user is missing prvDeleteContact privilege"}}
	}
	_, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), []Operation{{Do: Delete, ID: testID(1)}, {Do: Delete, ID: testID(2)}})
	wantFault(t, err, "Denied", "missing_privilege")
}

// After every fault the table equals the truth, for each verb, by bulk actions and by batches.
func TestVerbsPropertyUnderFaults(t *testing.T) {
	for seed := range uint64(80) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { verbsUnderFaults(t, seed) })
	}
}

func verbsUnderFaults(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 11))
	s := newService(t)
	var dice sync.Mutex
	roll := func(n int) int { dice.Lock(); defer dice.Unlock(); return rnd.IntN(n) }
	if seed%2 == 0 {
		s.lacks = noBulk
	}
	s.fate = func(received) fate {
		return map[int]fate{0: {cutBefore: true}, 1: {cutAfter: true}, 2: {statusAfter: 502, body: "<html>"},
			3: {status: 429, code: "0x80072322", retryAfter: "27"}, 4: {status: 500, code: "0x80044150", text: "Sql Number: 1205"}}[roll(20)]
	}
	s.partFate = func(int, string, string) partFate {
		return map[int]partFate{0: {cut: true}, 1: {refuse: refusal{status: 500}, after: true}, 2: {refuse: refusal{500, "0x80044150", "Sql Number: 1205"}},
			3: {refuse: refusal{429, "0x80072322", ""}, retryAfter: "3"}, 4: {refuse: refusal{status: 503}},
			5: {refuse: refusal{500, "0x80044150", "already been rolled back or committed"}, after: true}}[roll(60)]
	}
	n := 1 + rnd.IntN(60)
	ops, bad, there := make([]Operation, n), make(map[int]bool), make(map[int]bool)
	verbs := []Verb{Create, Upsert, Update, Delete}
	for i := range ops {
		op := &ops[i]
		*op = Operation{Row: int64(i + 1), Do: verbs[rnd.IntN(4)], New: testID(i + 1), Set: setOf(fmt.Sprintf("n%d", i+1))}
		bad[i] = rnd.IntN(12) == 0
		if there[i] = op.Do != Create && rnd.IntN(3) > 0; there[i] {
			s.have(i + 1)
		}
		mail := []string{fmt.Sprintf("p%d@x.org", i+1), fmt.Sprintf("p+%d@x.org", i+1)}[rnd.IntN(2)]
		if there[i] {
			s.rows[testID(i+1)]["emailaddress1"] = mail
		}
		if op.Do == Create || rnd.IntN(2) == 0 {
			op.ID = testID(i + 1)
		} else {
			op.Key = mailKey(mail)
		}
	}
	s.wrong = func(row map[string]any) *refusal {
		var i int
		if _, err := fmt.Sscanf(strings.TrimLeft(fmt.Sprint(row["firstname"]), "nold"), "%d", &i); err == nil && bad[i-1] {
			return &tooLong
		}
		return nil
	}
	out := writeAll(t, s.writer(s.client(), WriteOptions{}), ops)
	for i, op := range ops {
		var row map[string]any
		for _, r := range s.rows {
			if name := r["firstname"]; name == fmt.Sprintf("n%d", i+1) || name == fmt.Sprintf("old%d", i+1) {
				row = r
			}
		}
		want, name := Upserted, any(fmt.Sprintf("n%d", i+1))
		switch {
		case op.Do == Update && !there[i]:
			want, name = Rejected, nil
		case op.Do == Delete && !there[i]:
			want, name = Unchanged, nil
		case bad[i] && !there[i]:
			want, name = Rejected, nil
		case bad[i]:
			want, name = Rejected, fmt.Sprintf("old%d", i+1)
		case op.Do == Delete:
			want, name = Deleted, nil
		case op.Do == Create:
			want = Created
		case op.Do == Update:
			want = Updated
		}
		got := out[i].Result
		if got == Created && op.Do == Upsert || got == Updated && op.Do == Upsert {
			got = Upserted
		}
		if got == Deleted && want == Unchanged {
			got = Unchanged // an answer that was lost may have been either
		}
		if got != want || row["firstname"] != name && !(row == nil && name == nil) {
			t.Errorf("row %d (%s, bad %v, there %v) ended as %+v and is stored as %v, want %d and %v", i+1, op.Do, bad[i], there[i], out[i], row, want, name)
		}
	}
}

func TestBatchOperationOnTheWire(t *testing.T) {
	w := &Writer{client: &Client{path: "/api/data/v9.2/"}, table: contactTable()}
	tests := []struct {
		name    string
		message *message
		record  record
		want    string
	}{
		{"create", createMultiple, record{id: "i", op: &Operation{Set: json.RawMessage(`{"a":1}`)}},
			"POST /api/data/v9.2/contacts HTTP/1.1\nAccept: application/json\nContent-Type: application/json\n\n{\"contactid\":\"i\",\"a\":1}\n"},
		{"upsert", upsertMultiple, record{op: &Operation{Key: mailKey("o'b@x.org"), Set: json.RawMessage(`{"a":1}`)}},
			"PATCH /api/data/v9.2/contacts(emailaddress1='o''b@x.org') HTTP/1.1\nAccept: application/json\nContent-Type: application/json\n\n{\"a\":1}\n"},
		{"update", updateMultiple, record{id: "i", op: &Operation{Set: json.RawMessage(`{}`)}},
			"PATCH /api/data/v9.2/contacts(i) HTTP/1.1\nAccept: application/json\nIf-Match: *\nContent-Type: application/json\n\n{}\n"},
		{"delete", deleteMultiple, record{id: "i", op: &Operation{}},
			"DELETE /api/data/v9.2/contacts(i) HTTP/1.1\nAccept: application/json\n\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.appendOperation(nil, "b", tt.message, &tt.record)
			if err != nil {
				t.Fatal(err)
			}
			head := "--b\nContent-Type: application/http\nContent-Transfer-Encoding: binary\n\n"
			if diff := cmp.Diff(crlf(head+tt.want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFewerPartsWhenCutAnywhere(t *testing.T) {
	c := &Client{clock: newTestClock()}
	header := http.Header{"Content-Type": {"multipart/mixed; boundary=batchresponse_1f"}}
	whole, err := c.parseBatch(&answer{header: header, body: []byte(batchAnswer)})
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(batchAnswer) {
		parts, err := c.parseBatch(&answer{header: header, body: []byte(batchAnswer[:n])})
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range parts {
			if p.status != whole[i].status || string(p.body) != string(whole[i].body) {
				t.Fatalf("cut at %d: part %d is %+v", n, i, p)
			}
		}
	}
}
