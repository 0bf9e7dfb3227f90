package dataverse

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
