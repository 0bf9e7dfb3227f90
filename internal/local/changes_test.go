package local_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/dataversetest/traffic"
	"penstock/internal/run"
)

const changesConfig = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  people: {connection: sales, table: contact, mode: upsert, key: emailaddress1, only_changes: true}
  mirrored: {connection: sales, table: contact, mode: mirror, key: emailaddress1, allow_whole_table: true, only_changes: true, max_deletes: 100}
  others: {connection: sales, table: contact, mode: upsert, key: emailaddress1}
  leads: {connection: sales, table: lead, mode: append}
`

// writes is how many rows the service has written so far.
func (s *stack) writes(table string) int64 {
	n := s.Emulator.Server.Traffic().Stats(context.Background()).Tables[table]
	if n == nil {
		return 0
	}
	return n.Created + n.Updated + n.Deleted
}

func (s *stack) notes(f run.Finished) string {
	s.t.Helper()
	r, err := s.Steps.Report(context.Background(), f.Destination, f.Run)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(r.Notes, " ")
}

// Rules H: an unchanged row is not sent, a changed one is, and any doubt sends.
func TestOnlyChangesAreSent(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return changesConfig }
	body := people(400)
	if f := s.drop("inbox/admin/people/1.csv", body); f.State != run.Succeeded || f.Written != 400 {
		t.Fatalf("the first load: %+v %+v", f, f.Reason)
	}
	before := s.writes("contact")
	f := s.drop("inbox/admin/people/2.csv", body)
	if f.State != run.Succeeded || f.Unchanged != 400 || s.writes("contact") != before {
		t.Fatalf("the same rows again: %+v, %d writes", f, s.writes("contact")-before)
	}
	if !strings.Contains(s.notes(f), "not compared with the table") {
		t.Errorf("the report does not say what unchanged means: %s", s.notes(f))
	}
	changed := strings.NewReplacer("First7,", "Seven,", "First350,", "Eleven hundred,", "p0003@example.org", "new@example.org").Replace(body)
	f = s.drop("inbox/admin/people/3.csv", changed)
	if f.State != run.Succeeded || f.Written != 3 || f.Unchanged != 397 || s.writes("contact") != before+3 {
		t.Fatalf("three rows changed: %+v", f)
	}
	// Back to what it was: what was loaded last counts, not what was loaded once.
	if f = s.drop("inbox/admin/people/4.csv", body); f.Written != 2 || f.Unchanged != 398 {
		t.Fatalf("and back: %+v", f)
	}
	// Another destination writes to the table.
	s.drop("inbox/admin/others/5.csv", strings.ReplaceAll(people(5), "Last", "Other"))
	f = s.drop("inbox/admin/people/6.csv", body)
	if f.Written != 400 || !strings.Contains(s.notes(f), "All rows were sent") {
		t.Fatalf("after another destination: %+v %s", f, s.notes(f))
	}
	if row := s.rows("contacts?$select=emailaddress1,lastname", "emailaddress1")["p0002@example.org"]; row["lastname"] != "Last2" {
		t.Errorf("what another destination wrote stays: %v", row)
	}
	// A run without only_changes in between writes and remembers nothing.
	s.config = func() string {
		return strings.Replace(changesConfig, "key: emailaddress1, only_changes: true}", "key: emailaddress1}", 1)
	}
	s.drop("inbox/admin/people/7.csv", strings.ReplaceAll(body, "Last", "Late"))
	s.config = func() string { return changesConfig }
	if f = s.drop("inbox/admin/people/8.csv", body); f.Written != 400 {
		t.Fatalf("after a run without only_changes: %+v", f)
	}
}

// Rows of JSON say the same in whatever order, and a column that only some files have concerns only the rows that have it.
func TestColumnsThatComeAndGo(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return changesConfig }
	for i, step := range []struct {
		name, body         string
		written, unchanged int64
	}{
		{"1.jsonl", `{"emailaddress1":"a@x.org","lastname":"A","firstname":"Ada"}
{"emailaddress1":"b@x.org","lastname":"B"}
{"emailaddress1":"c@x.org","lastname":"C"}`, 3, 0},
		{"2.jsonl", `{"lastname":"B","emailaddress1":"b@x.org"}
{"emailaddress1":"a@x.org","firstname":"Ada","lastname":"A"}
{"lastname":"C","jobtitle":"Captain","emailaddress1":"c@x.org"}`, 1, 2},
		{"3.jsonl", `{"emailaddress1":"b@x.org","lastname":"B"}
{"jobtitle":"Captain","emailaddress1":"c@x.org","lastname":"C"}`, 0, 2},
		// What was written last counts: without a job title the row says something else.
		{"4.csv", "lastname,emailaddress1\nB,b@x.org\nC,c@x.org\n", 1, 1},
		{"5.csv", "emailaddress1,lastname\nB@x.org,B\nc@x.org,C\n", 0, 2},
	} {
		f := s.drop("inbox/admin/people/"+step.name, step.body)
		if f.State != run.Succeeded || f.Written != step.written || f.Unchanged != step.unchanged || f.Read != f.Written+f.Unchanged {
			t.Fatalf("file %d: %+v %+v", i+1, f, f.Reason)
		}
	}
}

// A row that the service rejected is sent again, unchanged as it is.
func TestRejectedRowsAreSentAgain(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return changesConfig }
	body := "emailaddress1,lastname,preferredsystemuserid\na@x.org,A,\nb@x.org,B,7d9f3b52-0000-4000-8000-00000000dead\n"
	s.config = func() string {
		return strings.Replace(changesConfig, "only_changes: true}", "only_changes: true, rejects: {max_percent: 100}}", 1)
	}
	for range 2 {
		f := s.drop(fmt.Sprintf("inbox/admin/people/%d.csv", s.writes("contact")), body)
		if f.Rejected != 1 || f.Written+f.Unchanged != 1 {
			t.Fatalf("%+v %+v", f, f.Reason)
		}
	}
}

// Rule H3: a mirror reads the table, so what somebody else deleted is sent although it is unchanged.
func TestMirrorResendsWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return changesConfig }
	body := people(300)
	if f := s.drop("inbox/admin/mirrored/1.csv", body); f.State != run.Succeeded || f.Written != 300 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	s.deleteContact("p0100@example.org")
	f := s.drop("inbox/admin/mirrored/2.csv", body)
	if f.State != run.Succeeded || f.Written != 1 || f.Unchanged != 299 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	if n := len(s.rows("contacts?$select=emailaddress1", "emailaddress1")); n != 300 {
		t.Errorf("%d rows", n)
	}
	// A row that leaves the file and comes back was deleted in between.
	shorter := strings.Replace(body, "p0050@example.org,First50,Last50\n", "", 1)
	if f = s.drop("inbox/admin/mirrored/3.csv", shorter); f.Unchanged != 299 || f.Removed.Deleted != 1 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	if f = s.drop("inbox/admin/mirrored/4.csv", body); f.Written != 1 || f.Unchanged != 299 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
}

// deleteContact is somebody else at work in the table.
func (s *stack) deleteContact(email string) {
	s.t.Helper()
	cfg, err := s.Steps.Config(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := s.Steps.Connect(s.t.Context(), cfg.Connections["sales"])
	if err != nil {
		s.t.Fatal(err)
	}
	table, err := client.Table(s.t.Context(), "contact")
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := client.NewWriter(s.t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := w.Write(s.t.Context(), []dataverse.Operation{{Row: 1, Do: dataverse.Delete, Set: []byte(`{}`),
		Key: []dataverse.KeyPart{{Column: "emailaddress1", Value: []byte(`"` + email + `"`)}}}})
	if err != nil || out[0].Result != dataverse.Deleted {
		s.t.Fatalf("%+v, %v", out, err)
	}
}

// Records that are there are written by id where the destination wishes it, and
// nothing else is different: not for new ones, not for keys that no URL takes.
func TestUpsertsByIDWhereTheRecordIsKnown(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string {
		return strings.Replace(changesConfig, "others: {connection: sales, table: contact, mode: upsert, key: emailaddress1}",
			"others: {connection: sales, table: contact, mode: upsert, key: emailaddress1}\n  by-id: {connection: sales, table: contact, mode: upsert, key: emailaddress1, options: {by_id: true}}", 1)
	}
	half := people(3000) + "a+b@x.org,Plus,Old\n"
	if f := s.drop("inbox/admin/others/1.csv", half); f.Written != 3001 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	body := strings.ReplaceAll(people(6000), "Last", "New") + "a+b@x.org,Plus,New\nc+d@x.org,Plus,New\n"
	s.Emulator.Server.Traffic().ResetCounters()
	f := s.drop("inbox/admin/by-id/2.csv", strings.Replace(body, "p0001@", "P0001@", 1))
	if f.State != run.Succeeded || f.Written != 6002 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	read := 0
	for _, e := range s.Emulator.Server.Traffic().Requests() {
		if e.Method == "GET" && strings.Contains(e.URL, "/contacts?") && strings.Contains(e.URL, "emailaddress1") {
			read++
		}
	}
	if read == 0 {
		t.Error("the table's keys were not read")
	}
	rows := s.rows("contacts?$select=emailaddress1,lastname", "emailaddress1")
	for key, row := range rows {
		if !strings.HasPrefix(fmt.Sprint(row["lastname"]), "New") {
			t.Fatalf("%s is %v", key, row)
		}
	}
	if len(rows) != 6002 {
		t.Errorf("%d rows", len(rows))
	}
	// Now that all are known no call names a record by its key: where one does, each of its rows is charged a second.
	s.Emulator.Server.Traffic().SetCosts(traffic.Costs{Row: traffic.Duration(time.Millisecond), AlternateKey: 1000, ChargeOnly: true})
	charged := func(destination string) (calls int, perRow float64) {
		t.Helper()
		s.Emulator.Server.Traffic().ResetCounters()
		body = strings.ReplaceAll(body, ",New", ",New "+destination)
		if f := s.drop("inbox/admin/"+destination+"/3.csv", body); f.State != run.Succeeded || f.Written != 6002 {
			t.Fatalf("%+v %+v", f, f.Reason)
		}
		rows, cost := 0, 0.0
		for _, e := range s.Emulator.Server.Traffic().Requests() {
			if strings.HasPrefix(e.Verb, "Upsert") || strings.HasPrefix(e.Verb, "Update") {
				calls, rows, cost = calls+1, rows+e.Rows, cost+e.Execution
			}
		}
		if rows < 6002 {
			t.Fatalf("%d rows were sent in %d calls", rows, calls)
		}
		return calls, cost / float64(rows)
	}
	if calls, cost := charged("by-id"); calls < 6 || cost > 2 {
		t.Errorf("%d calls by id were charged %.1f ms a row", calls, cost)
	}
	if calls, cost := charged("others"); calls < 6 || cost < 900 {
		t.Errorf("%d calls by key were charged %.1f ms a row", calls, cost)
	}
}
