package dataverse

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func phonecalls() *Table {
	return &Table{Name: "phonecall", Set: "phonecalls", PrimaryID: "activityid", Type: "Activity"}
}

func TestPeopleOnTheWire(t *testing.T) {
	w := &Writer{client: &Client{root: "https://x/api/data/v9.2/", path: "/api/data/v9.2/"}, table: phonecalls(), query: "?tag=a"}
	op := &Operation{Do: Update, ID: testID(1), Set: json.RawMessage(`{"phonecall_activity_parties":[{"participationtypemask":2}]}`)}
	r := &record{op: op, id: op.ID}
	m, err := w.check(op, r)
	if err != nil || m != peopling || r.result != Updated {
		t.Fatalf("%+v, %v", m, err)
	}
	got, err := w.appendOperation(nil, "b", m, r)
	if err != nil {
		t.Fatal(err)
	}
	want := crlf("--b\nContent-Type: application/http\nContent-Transfer-Encoding: binary\n\n" +
		"PUT /api/data/v9.2/phonecalls(" + testID(1) + ")/phonecall_activity_parties?tag=a HTTP/1.1\nAccept: application/json\n" +
		"Content-Type: application/json\n\n{\"value\":[{\"participationtypemask\":2}]}\n")
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// What an update of people may look like, and what only looks like one.
func TestUpdatesOfPeople(t *testing.T) {
	w := &Writer{table: phonecalls()}
	other := &Writer{table: contactTable()}
	for _, tt := range []struct {
		name string
		w    *Writer
		set  string
		want *message
	}{
		{"people", w, `{"phonecall_activity_parties":[]}`, peopling},
		{"with white space", w, ` { "phonecall_activity_parties":[ ] } `, peopling},
		{"columns", w, `{"subject":"x"}`, updateMultiple},
		{"a text that names them", w, `{"subject":"\"phonecall_activity_parties\":[]"}`, updateMultiple},
		{"another table", other, `{"phonecall_activity_parties":[]}`, updateMultiple},
		{"and a column", w, `{"phonecall_activity_parties":[],"subject":"x"}`, nil},
		{"after a column", w, `{"subject":"x","phonecall_activity_parties":[]}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := tt.w.check(&Operation{Do: Update, ID: testID(1), Set: json.RawMessage(tt.set)}, &record{})
			if m != tt.want || (m == nil) != fault.Is(err, fault.Broken) {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// Only records with people go one by one: an activity without is as fast as any record.
func TestRecordsWithPeopleGoAlone(t *testing.T) {
	w := &Writer{table: phonecalls()}
	with := record{op: &Operation{Do: Create, Set: json.RawMessage(`{"subject":"x","phonecall_activity_parties":[{}]}`)}}
	without := record{op: &Operation{Do: Create, Set: json.RawMessage(`{"subject":"x"}`)}}
	rest, alone := w.withPeople(call{message: createMultiple, records: []record{with, without, with}})
	if len(rest.records) != 1 || len(alone.records) != 2 || rest.message != createMultiple || alone.message != createMultiple {
		t.Errorf("%d in bulk, %d alone", len(rest.records), len(alone.records))
	}
}
