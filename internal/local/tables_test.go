package local_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/internal/dataversetest/schema"
	"penstock/internal/local"
	"penstock/internal/run"
)

const tablesConfig = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  tags: {connection: sales, table: cr1_tag, mode: upsert, key: cr1_name}
  parcels:
    connection: sales
    table: cr1_parcel
    mode: upsert
    key: cr1_no
    rejects: {max_percent: 50}
    columns:
      No: cr1_no
      Name: cr1_name
      Tags: {associate: cr1_parcel_tags, by: cr1_name, separator: "|"}
  readings: {connection: sales, table: cr1_reading, mode: upsert, key: cr1_readingid}
  gone: {connection: sales, table: cr1_reading, mode: delete, key: cr1_readingid}
  fresh: {connection: sales, table: cr1_reading, mode: truncate, allow_whole_table: true, key: cr1_readingid, max_deletes: 100}
  sound: {connection: sales, table: cr1_reading, mode: mirror, allow_whole_table: true, key: cr1_readingid, max_deletes: 100}
`

// A cell that names several records associates each of them, once, in the second pass.
func TestAssociationsAreMadeInTheSecondPass(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return tablesConfig }
	if f := s.drop("inbox/admin/tags/t.csv", "cr1_name\nwet\ndry\nstony\n"); f.Written != 3 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	file := "No,Name,Tags\n1,One,wet|stony\n2,Two,\n3,Three,dry\n4,Four,wet|nowhere\n"
	for n := range 2 { // an association that is there is no failure
		f := s.drop(fmt.Sprintf("inbox/admin/parcels/%d.csv", n), file)
		if f.State != run.Partial || f.Written != 3 || f.Rejected != 1 || f.Warned != 0 {
			t.Fatalf("%+v %+v", f, f.Reason)
		}
	}
	for name, want := range map[string]int{"one": 2, "two": 0, "three": 1} {
		row := s.rows("cr1_parcels?$select=cr1_name&$expand=cr1_parcel_tags($select=cr1_name)", "cr1_name")[name]
		if tags, _ := row["cr1_parcel_tags"].([]any); len(tags) != want {
			t.Errorf("parcel %s has the tags %v, want %d", name, row["cr1_parcel_tags"], want)
		}
	}
}

func readings(from, to int, sensor string) string {
	var b strings.Builder
	b.WriteString("cr1_readingid,partitionid,cr1_sensor,cr1_value\n")
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "7d9f3b52-0000-4000-8000-%012d,p%d,%s%d,%d\n", i, i%3, sensor, i, i)
	}
	return b.String()
}

// An elastic table: records have partitions, and an upsert replaces nothing that the row does not have (rule W1).
func TestElasticTable(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return tablesConfig }
	drop := func(destination, body string) run.Finished {
		t.Helper()
		f := s.drop(fmt.Sprintf("inbox/admin/%s/%d.csv", destination, len(body)), body)
		if f.State != run.Succeeded {
			t.Fatalf("%s: %+v %+v", destination, f, f.Reason)
		}
		return f
	}
	count := func(want int) map[string]map[string]any {
		t.Helper()
		rows := s.rows("cr1_readings?$select=cr1_sensor,cr1_value,partitionid", "cr1_readingid")
		if len(rows) != want {
			t.Fatalf("%d readings, want %d", len(rows), want)
		}
		return rows
	}
	if f := drop("readings", readings(0, 150, "A")); f.Written != 150 {
		t.Fatalf("%+v", f)
	}
	half := "cr1_readingid,partitionid,cr1_sensor\n7d9f3b52-0000-4000-8000-000000000007,p1,changed\n"
	drop("readings", half)
	row := count(150)["7d9f3b52-0000-4000-8000-000000000007"]
	if row["cr1_sensor"] != "changed" || fmt.Sprint(row["cr1_value"]) != "7" {
		t.Errorf("the upsert took more than it brought: %v", row)
	}
	if f := drop("gone", "cr1_readingid,partitionid\n7d9f3b52-0000-4000-8000-000000000007,p1\n7d9f3b52-0000-4000-8000-000000000999,p1\n"); f.Deleted != 1 || f.Unchanged != 1 {
		t.Fatalf("%+v", f)
	}
	count(149)
	if f := drop("sound", readings(100, 200, "B")); f.Written != 100 || f.Removed.Deleted != 99 {
		t.Fatalf("mirror: %+v", f)
	}
	count(100)
	if f := drop("fresh", readings(300, 310, "C")); f.Written != 10 || f.Removed.Deleted != 100 {
		t.Fatalf("truncate: %+v", f)
	}
	count(10)
}

const circleTables = `
tables:
  x1_Person:
    name: x1_Name
    columns:
      x1_Name: text 100
      x1_No: int
      x1_Boss: lookup >x1_person
      x1_Buddy: lookup >x1_person
      x1_Deputy: lookup >x1_person
    keys: {x1_PersonNo: [x1_no]}
many:
  x1_friends: {tables: [x1_person, x1_person], navigation: [x1_friends, x1_friendsof]}
`

const circleConfig = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  circle:
    connection: sales
    table: x1_person
    mode: upsert
    key: x1_no
    only_changes: CHANGES
    nulls: NULLS
    columns:
      No: x1_no
      Boss: {to: x1_boss, by: x1_no, missing: empty}
      Buddy: {to: x1_buddy, by: x1_no, missing: empty}
      Deputy: {to: x1_deputy, by: x1_no}
      Friends: {associate: x1_friends, by: x1_no, missing: empty, separator: "|"}
      State: {to: statecode, choice: label}
`

// circle is an organisation of people who name each other.
func circle(t *testing.T, onlyChanges string) (s *stack, drop func(nulls, body string) run.Finished) {
	t.Helper()
	org := schema.Default()
	own, err := schema.LoadYAML(strings.NewReader(circleTables))
	if err != nil {
		t.Fatal(err)
	}
	org.Merge(own)
	s = startStack(t, t.TempDir(), func(o *local.StackOptions) { o.Emulator.Schema = org })
	policy, n := "skip", 0
	s.config = func() string {
		return strings.NewReplacer("NULLS", policy, "CHANGES", onlyChanges).Replace(circleConfig)
	}
	return s, func(nulls, body string) run.Finished {
		t.Helper()
		policy, n = nulls, n+1
		return s.drop(fmt.Sprintf("inbox/admin/circle/%d.csv", n), "No,Boss,Buddy,Deputy,Friends,State\n"+body)
	}
}

// person is somebody's boss, buddy, deputy and friends by their numbers (0 is nobody), and state.
func (s *stack) person(no int) string {
	s.t.Helper()
	rows := s.rows("x1_persons?$select=x1_no,statecode,_x1_boss_value,_x1_buddy_value,_x1_deputy_value&$expand=x1_friends($select=x1_no)", "x1_no")
	numbers := map[any]string{nil: "0"}
	for no, row := range rows {
		numbers[row["x1_personid"]] = no
	}
	row := rows[fmt.Sprint(no)]
	var friends []string
	for _, f := range row["x1_friends"].([]any) {
		friends = append(friends, fmt.Sprint(f.(map[string]any)["x1_no"]))
	}
	slices.Sort(friends)
	return fmt.Sprintf("%s %s %s %s %v", numbers[row["_x1_boss_value"]], numbers[row["_x1_buddy_value"]], numbers[row["_x1_deputy_value"]], strings.Join(friends, "|"), row["statecode"])
}

func (s *stack) wantPeople(want map[int]string) {
	s.t.Helper()
	for no, text := range want {
		if got := s.person(no); got != text {
			s.t.Errorf("person %d is %q, want %q", no, got, text)
		}
	}
}

// missing: empty holds for records of the own table too, which are only found in
// the second pass: the rest of the row is linked, and no warning is due.
func TestMissingRecordsOfTheOwnTableCountAsEmpty(t *testing.T) {
	for _, text := range []string{"", "drop-after:every=2,times=6,path=Multiple|batch$", "status-after:status=502,every=3,times=6,path=Multiple|batch$"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s, drop := circle(t, "false")
			if text != "" {
				s.fault(text)
			}
			f := drop("skip", "1,,,,,\n2,1,99,,1|98,Inactive\n3,97,96,,,\n4,3,2,1,95,Inactive\n")
			if f.State != run.Succeeded || f.Written != 4 || f.Warned != 0 {
				t.Fatalf("%+v %+v", f, f.Reason)
			}
			s.wantPeople(map[int]string{1: "0 0 0  0", 2: "1 0 0 1 1", 3: "0 0 0  0", 4: "3 2 1  1"})
			if notes := s.notes(f); !strings.Contains(notes, "3 rows name records that are neither in the table nor in the file") {
				t.Errorf("notes %q", notes)
			}
			// Strict columns of the same row stay strict.
			f = drop("skip", "5,1,94,93,,Inactive\n")
			if f.State != run.Partial || f.Written != 1 || f.Warned != 1 {
				t.Fatalf("%+v %+v", f, f.Reason)
			}
			s.wantPeople(map[int]string{5: "1 0 0  0"})
			// An empty cell leaves what is there, or clears it: so does one that counts as empty.
			if f = drop("skip", "4,92,2,1,,\n"); f.State != run.Succeeded {
				t.Fatalf("%+v %+v", f, f.Reason)
			}
			s.wantPeople(map[int]string{4: "3 2 1  1"})
			if f = drop("clear", "4,92,2,1,,Inactive\n"); f.State != run.Succeeded {
				t.Fatalf("%+v %+v", f, f.Reason)
			}
			s.wantPeople(map[int]string{4: "0 2 1  1"})
		})
	}
}

// Rule H: a row whose link was left empty is not as its file says, and is sent again.
func TestLinksLeftEmptyAreMadeWhenTheirRecordComes(t *testing.T) {
	t.Parallel()
	s, drop := circle(t, "true")
	if f := drop("skip", "1,,,,,\n2,9,,,8,\n"); f.State != run.Succeeded || f.Written != 2 || f.Warned != 0 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	if f := drop("skip", "1,,,,,\n2,9,,,8,\n8,,,,,\n9,,,,,\n"); f.State != run.Succeeded || f.Written != 3 || f.Unchanged != 1 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	s.wantPeople(map[int]string{2: "9 0 0 8 0"})
}
