package local_test

import (
	"fmt"
	"strings"
	"testing"

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
