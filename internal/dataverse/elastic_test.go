package dataverse

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (s *service) elasticWriter(opts WriteOptions) *Writer {
	s.t.Helper()
	s.elastic = true
	s.headers = http.Header{"X-Ms-Session-Token": {"0:-1#" + "42"}}
	table := contactTable()
	table.Type = "Elastic"
	w, err := s.client().NewWriter(s.t.Context(), table, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

// Rule W1: what is there is updated, what is not is created; a row is never replaced unasked.
func TestElasticUpsertIsUpdateOrCreate(t *testing.T) {
	s := newService(t)
	w := s.elasticWriter(WriteOptions{Warm: true})
	create := Operation{Do: Create, ID: testID(1), Partition: "it's p1", Set: json.RawMessage(`{"firstname":"old","lastname":"kept"}`)}
	if _, err := w.Write(t.Context(), []Operation{create}); err != nil {
		t.Fatal(err)
	}
	key, _ := json.Marshal(strings.ToUpper(testID(3)))
	out, err := w.Write(t.Context(), []Operation{
		{Do: Upsert, ID: testID(1), Partition: "it's p1", Set: setOf("new")},
		{Do: Upsert, ID: testID(2), Set: setOf("two")},
		{Do: Upsert, Key: []KeyPart{{"contactid", key}, {"partitionid", json.RawMessage(`"p3"`)}}, Set: setOf("three")},
		{Do: Update, ID: testID(9), Partition: "p1", Set: setOf("nobody")},
		{Do: Delete, ID: testID(8), Partition: "p1"},
		{Do: Delete, ID: testID(7), Partition: "p1", Again: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{Updated, Created, Created, Rejected, Unchanged, Deleted}, results(out)); diff != "" || out[3].Code != "not_found" {
		t.Error(out, diff)
	}
	if row := s.rows[testID(1)]; row["firstname"] != "new" || row["lastname"] != "kept" {
		t.Errorf("%v", row)
	}
	if s.rows[testID(2)]["partitionid"] != testID(2) || s.rows[testID(3)]["partitionid"] != "p3" || len(s.rows) != 3 {
		t.Errorf("%v", s.rows)
	}
	if n := len(s.sent("UpsertMultiple")); n != 0 {
		t.Errorf("%d upserts", n)
	}
	// Reads are of our session: they see what was written before.
	if diff := cmp.Diff([]string{"0:-1#42"}, s.tokens); diff != "" {
		t.Error(diff)
	}
	if token := s.calls[len(s.calls)-1].header.Get("MSCRM.SessionToken"); token != "0:-1#42" {
		t.Errorf("a write carries %q", token)
	}
}

func TestElasticUpsertReplacesWhenAsked(t *testing.T) {
	s := newService(t)
	w := s.elasticWriter(WriteOptions{Warm: true, Replace: true})
	if _, err := w.Write(t.Context(), []Operation{{Do: Upsert, ID: testID(1), Set: setOf("x")}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1}, s.sent("UpsertMultiple")); diff != "" {
		t.Error(diff)
	}
}

// A row that comes up between the look and the create is updated.
func TestElasticUpsertRace(t *testing.T) {
	s := newService(t)
	w := s.elasticWriter(WriteOptions{Warm: true})
	s.fate = func(in received) fate {
		if in.message == "CreateMultiple" {
			s.mu.Lock()
			s.rows[testID(2)] = map[string]any{"contactid": testID(2), "partitionid": testID(2), "firstname": "theirs"}
			s.mu.Unlock()
		}
		return fate{}
	}
	out, err := w.Write(t.Context(), []Operation{{Do: Upsert, ID: testID(1), Set: setOf("one")}, {Do: Upsert, ID: testID(2), Set: setOf("two")}})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Result != Created || out[1].Result == Rejected || s.rows[testID(2)]["firstname"] != "two" {
		t.Errorf("%+v %v", out, s.rows)
	}
}

// Rows that fail in passing are sent again by index, the others not.
func TestElasticPassingRows(t *testing.T) {
	s := newService(t)
	w := s.elasticWriter(WriteOptions{Warm: true})
	first := true
	s.wrong = func(row map[string]any) *refusal {
		if first && (row["firstname"] == "n2" || row["firstname"] == "n4") {
			return &refusal{status: 429}
		}
		return nil
	}
	s.fate = func(in received) fate {
		first = in.number == 1
		return fate{}
	}
	out, err := w.Write(t.Context(), createOps(6))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(6, Created), results(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{6, 2}, s.sent("CreateMultiple")); diff != "" {
		t.Error(diff)
	}
}
