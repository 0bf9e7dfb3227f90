package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/row"
)

func TestModes(t *testing.T) {
	const a2 = `"key":[{"column":"accountnumber","value":"A-2"}],"set":`
	columns := []string{"accountnumber", "name"}
	r := csvRow("A-2", "Acme")
	check(t, []worldCase{
		{"append", account(), destination(config.Append), columns, r, nil, `"create","set":{"accountnumber":"A-2","name":"Acme"}}`},
		{"upsert", account(), destination(config.Upsert, "accountnumber"), columns, r, nil, `"upsert",` + a2 + `{"name":"Acme"}}`},
		{"mirror", account(), destination(config.Mirror, "accountnumber"), columns, r, nil, `"upsert",` + a2 + `{"name":"Acme"}}`},
		{"truncate", account(), destination(config.Truncate), columns, r, nil, `"create","set":{"accountnumber":"A-2","name":"Acme"}}`},
		{"truncate with a key", account(), destination(config.Truncate, "accountnumber"), columns, r, nil, `"upsert",` + a2 + `{"name":"Acme"}}`},
		{"update", account(), destination(config.Update, "accountnumber"), columns, r, nil, `"update",` + a2 + `{"name":"Acme"}}`},
		{"delete", account(), destination(config.Delete, "accountnumber"), append(columns, "no column of the table"), r, nil, `"delete",` + a2 + `{}}`},
		{"delete by id", account(), destination(config.Delete, "accountid"), []string{"accountid", "name"}, csvRow(idA, "Acme"), nil, `"delete","id":"` + idA + `","set":{}}`},
		{"update what may only be changed", contact(), destination(config.Update, "emailaddress1"), []string{"emailaddress1", "new_later"}, csvRow("a@x.org", "x"), nil,
			`"update","key":[{"column":"emailaddress1","value":"a@x.org"}],"set":{"new_later":"x"}}`},
		{"match_on, update", account(), matching(config.Update, "new_upper", "new_day"), []string{"new_upper", "name", "new_day"}, csvRow("ACME", "Acme", "2026-01-02T00:00:00Z"), nil,
			`"update","key":[{"column":"new_upper","value":"ACME"},{"column":"new_day","value":"2026-01-02T00:00:00Z"}],"set":{"name":"Acme"}}`},
		{"match_on, upsert", account(), matching(config.Upsert, "name"), columns, r, nil, `"upsert","key":[{"column":"name","value":"Acme"}],"set":{"accountnumber":"A-2","name":"Acme"}}`},
		{"match_on, a column that is set once", account(), matching(config.Upsert, "new_once"), []string{"new_once"}, csvRow("x"), nil, `"upsert","key":[{"column":"new_once","value":"x"}],"set":{"new_once":"x"}}`},
		{"match_on, empty", account(), matching(config.Upsert, "name", "new_source"), []string{"name", "new_source"}, csvRow("Acme", ""), nil, `new_source: key_missing`},
		{"match_on, delete", account(), matching(config.Delete, "name"), columns, r, nil, `"delete","key":[{"column":"name","value":"Acme"}],"set":{}}`},
	})
}

// TestElastic: a record of an elastic table is its id and its partition (rule W1).
func TestElastic(t *testing.T) {
	const p1 = `","set":{"new_value":5},"partition":"p1"}`
	columns := []string{"new_sensorid", "partitionid", "new_value"}
	r := csvRow(idA, "p1", "5")
	check(t, []worldCase{
		{"by id", sensor(), destination(config.Upsert, "new_sensorid"), columns, r, nil, `"upsert","id":"` + idA + p1},
		{"by id and partition", sensor(), destination(config.Update, "partitionid", "new_sensorid"), columns, r, nil, `"update","id":"` + idA + p1},
		{"append", sensor(), destination(config.Append), columns, csvRow("", "p1", "5"), nil, `"create","set":{"new_value":5},"partition":"p1"}`},
		{"delete", sensor(), destination(config.Delete, "new_sensorid"), columns, r, nil, `"delete","id":"` + idA + `","set":{},"partition":"p1"}`},
		{"no partition", sensor(), cleared(destination(config.Upsert, "new_sensorid")), columns, csvRow(idA, "", "5"), nil, `"upsert","id":"` + idA + `","set":{"new_value":5}}`},
		{"all in one", sensor(), filteredBy(destination(config.Mirror, "new_sensorid"), config.Constant{Column: "partitionid", Value: "p1"}), []string{"new_sensorid", "new_value"}, csvRow(idA, "5"), nil,
			`"upsert","id":"` + idA + p1},
		{"too long", sensor(), destination(config.Upsert, "new_sensorid"), columns, csvRow(idA, strings.Repeat("é", 513), "5"), nil, `partitionid: too_long`},
	})
	m := compileIn(t, sensor(), destination(config.Upsert, "new_sensorid"), columns...)
	key := func(partition string) string {
		outcome(t, m, csvRow(idA, partition, "5"))
		return string(m.Key())
	}
	if key("p1") == key("p2") || key("p1") == key("") || key(idA) != key("") {
		t.Errorf("keys %q, %q, %q, %q", key("p1"), key("p2"), key(""), key(idA))
	}
}

// TestKeyOfARejectedRow: mirror must know which record a rejected row means (rule D4).
func TestKeyOfARejectedRow(t *testing.T) {
	var op dataverse.Operation
	m := compileIn(t, account(), destination(config.Mirror, "new_source", "accountnumber"), "name", "accountnumber", "new_source")
	for _, c := range []struct {
		row   *row.Row
		known bool
	}{
		{csvRow(strings.Repeat("x", 200), "A-2", "10"), true}, {csvRow("Acme", "A-2", "77"), false}, {csvRow("Acme", "", "10"), false}, {csvRow("Acme", "  ", "10"), false},
	} {
		reject := m.Map(c.row, &op)
		if reject == nil || len(m.Key()) > 0 != c.known {
			t.Errorf("%+v, key %q", reject, m.Key())
		}
	}
}

// TestRecordKey: the key of a record is that of the row that means it.
func TestRecordKey(t *testing.T) {
	text := func(list ...string) (out []json.RawMessage) {
		for _, s := range list {
			out = append(out, json.RawMessage(s))
		}
		return out
	}
	flag := matching(config.Mirror, "new_flag", "name")
	for _, c := range []struct {
		table   *dataverse.Table
		dest    *config.Destination
		columns []string
		row     *row.Row
		values  []json.RawMessage
	}{
		{account(), destination(config.Mirror, "accountnumber", "new_source"), []string{"accountnumber", "new_source"}, csvRow("Ä\"1 ", "ERP"), text(`"A\u0308\"1"`, `10`)},
		{account(), destination(config.Mirror, "accountid"), []string{"accountid"}, csvRow(strings.ToUpper(idA)), text(`"` + idA + `"`)},
		{account(), flag, []string{"name", "new_flag"}, csvRow("Acme", "yes"), text(`true`, `"ACME"`)},
		{contact(), matching(config.Mirror, "new_score"), []string{"new_score"}, csvRow("1.5"), text(`1.5000000000`)},
		{contact(), matching(config.Mirror, "lastonholdtime"), []string{"lastonholdtime"}, csvRow("2026-01-02T05:04:05+02:00"), text(`"2026-01-02T03:04:05Z"`)},
		{account(), withRules(matching(config.Mirror, "primarycontactid"), by("P", "primarycontactid", "", "emailaddress1")), []string{"P"}, csvRow("a@x.org"), text(`"` + strings.ToUpper(idA) + `"`)},
	} {
		m := compileIn(t, c.table, c.dest, c.columns...)
		var op dataverse.Operation
		if reject := m.Map(c.row, &op); reject != nil {
			t.Fatalf("%+v", reject)
		}
		columns := append(c.dest.Key, c.dest.MatchOn...)
		if key := RecordKey(c.table, columns, c.values); string(key) != string(m.Key()) || len(key) == 0 {
			t.Errorf("%v: the record's key is %q, the row's %q", columns, key, m.Key())
		}
	}
	m := compileIn(t, sensor(), destination(config.Mirror, "new_sensorid"), "new_sensorid", "partitionid")
	outcome(t, m, csvRow(idA, "p"))
	if key := InPartition(RecordKey(sensor(), []string{"new_sensorid"}, text(`"`+idA+`"`)), idA, "p"); string(key) != string(m.Key()) {
		t.Errorf("the record's key is %q, the row's %q", key, m.Key())
	}
}

func TestIncludeAndSkip(t *testing.T) {
	only, but := destination(config.Append), destination(config.Append)
	only.Include, but.Skip = []string{"name"}, []string{"Notes"}
	check(t, []worldCase{
		{"include", account(), only, []string{"Name", "Notes"}, csvRow("Acme", "x"), nil, `"create","set":{"name":"Acme"}}`},
		{"skip", account(), but, []string{"name", "notes"}, csvRow("Acme", "x"), nil, `"create","set":{"name":"Acme"}}`},
	})
}

// TestConstantsHaveNoColumn: what the configuration makes is bound without a column of the file.
func TestConstantsHaveNoColumn(t *testing.T) {
	erp := "ERP"
	rules := []config.Column{{From: "No", To: "accountnumber"}, {From: "Source", To: "new_source", Value: &erp}, {From: "Label", To: "name", Template: "{No}!"}}
	check(t, []worldCase{
		{"in Set", account(), withRules(destination(config.Upsert, "accountnumber"), rules...), []string{"No"}, csvRow("A-2"), nil,
			`"upsert","key":[{"column":"accountnumber","value":"A-2"}],"set":{"new_source":10,"name":"A-2!"}}`},
		{"in the key", account(), withRules(destination(config.Upsert, "accountnumber", "new_source"), rules...), []string{"No"}, csvRow("A-2"), nil,
			`"upsert","key":[{"column":"new_source","value":10},{"column":"accountnumber","value":"A-2"}],"set":{"name":"A-2!"}}`},
	})
}

// TestWorldErrors: what is said when keys, lookups, lists or filters do not fit the tables stands in a golden file.
func TestWorldErrors(t *testing.T) {
	text := "x"
	number := config.Column{From: "No", To: "accountnumber"}
	with := func(rules ...config.Column) *config.Destination {
		return withRules(destination(config.Append), rules...)
	}
	filter := func(column, value string) *config.Destination {
		return filteredBy(destination(config.Mirror, "accountnumber"), config.Constant{Column: column, Value: value})
	}
	null := func(column string) *config.Destination {
		return filteredBy(destination(config.Mirror, "accountnumber"), config.Constant{Column: column, Null: true})
	}
	included := destination(config.Append)
	included.Include = []string{"name", "city"}
	var got strings.Builder
	for _, c := range []struct {
		name    string
		table   *dataverse.Table
		dest    *config.Destination
		columns []string
		codes   []string
	}{
		{"update what is set once", account(), destination(config.Update, "accountnumber"), []string{"accountnumber", "new_once"}, []string{NotWritable}},
		{"update nothing", account(), destination(config.Update, "accountnumber"), []string{"accountnumber"}, []string{NoColumns}},
		{"delete without the key", account(), destination(config.Delete, "accountnumber"), []string{"name"}, []string{MissingColumn}},
		{"link what is set once", account(), destination(config.Append), []string{"new_boss"}, []string{NotWritable}},
		{"match_on an unknown column", account(), matching(config.Upsert, "nam"), []string{"name"}, []string{UnknownColumn}},
		{"match_on choices", account(), matching(config.Upsert, "new_topics"), []string{"new_topics"}, []string{KeyUnknown}},
		{"match_on the id", account(), matching(config.Upsert, "accountid"), []string{"accountid"}, []string{KeyUnknown}},
		{"match_on in another order", account(), matching(config.Upsert, "accountnumber", "new_source"), []string{"accountnumber", "new_source"}, []string{WrongOption}},
		{"match_on what is calculated", account(), matching(config.Upsert, "new_upper"), []string{"new_upper"}, []string{NotWritable}},
		{"match_on in an elastic table", sensor(), matching(config.Upsert, "new_value"), []string{"new_value"}, []string{KeyUnknown}},
		{"partition not in the file", sensor(), destination(config.Upsert, "new_sensorid", "partitionid"), []string{"new_sensorid", "new_value"}, []string{MissingColumn}},
		{"by an unknown column", contact(), with(by("C", "parentcustomerid", "account", "acountnumber")), []string{"C"}, []string{UnknownColumn}},
		{"by a column that is nothing like it", contact(), with(by("C", "parentcustomerid", "account", "vat")), []string{"C"}, []string{UnknownColumn}},
		{"by choices", contact(), with(by("C", "parentcustomerid", "account", "new_topics")), []string{"C"}, []string{WrongOption}},
		{"missing on a text", account(), with(config.Column{From: "N", To: "name", Missing: config.MissingEmpty}), []string{"N"}, []string{WrongOption}},
		{"party on a text", account(), with(config.Column{From: "N", To: "name", Party: "to"}), []string{"N"}, []string{WrongOption}},
		{"own rows by no key, cleared", account(), withRules(destination(config.Truncate), by("P", "parentaccountid", "", "name")), []string{"P"}, []string{LookupNotKey}},
		{"own rows by an inactive key, cleared", account(), withRules(destination(config.Truncate), by("P", "parentaccountid", "", "new_no")), []string{"P"}, []string{LookupNotKey}},
		{"unknown relationship", account(), with(config.Column{From: "F", Associate: "new_account_contact"}), []string{"F"}, []string{UnknownRelationship}},
		{"unlike any relationship", account(), with(config.Column{From: "F", Associate: "members"}), []string{"F"}, []string{UnknownRelationship}},
		{"relationship to another table", account(), with(config.Column{From: "F", Associate: "new_friends", Table: "contact"}), []string{"F"}, []string{TableNeeded}},
		{"relationship and column", account(), with(config.Column{From: "F", Associate: "new_friends", To: "name"}), []string{"F"}, []string{WrongOption}},
		{"people of no table", email(), with(config.Column{From: "To", To: "to"}), []string{"To"}, []string{TableNeeded}},
		{"people without a role", email(), with(config.Column{From: "To", To: "new_people", Table: "contact"}), []string{"To"}, []string{WrongOption}},
		{"people in another role", email(), with(config.Column{From: "To", To: "to", Party: "cc", Table: "contact"}), []string{"To"}, []string{WrongOption}},
		{"filter by an unknown column", account(), filter("new_sorce", "x"), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by the id", account(), filter("accountid", idA), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by choices", account(), filter("new_topics", "1"), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by an unknown choice", account(), filter("new_source", "SAP"), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by a lookup that is no id", account(), filter("primarycontactid", "Jo"), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by a lookup to several tables", account(), filter("new_payer", idA), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by an empty text", account(), filter("name", ""), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by no state", account(), null("statecode"), []string{"accountnumber"}, []string{BadFilter}},
		{"filter by no key", account(), null("accountnumber"), []string{"name"}, []string{BadFilter, MissingColumn}},
		{"filter by what is set once", account(), filter("new_once", "x"), []string{"accountnumber"}, []string{NotWritable}},
		{"filter by no partition", sensor(), filteredBy(destination(config.Mirror, "new_sensorid"), config.Constant{Column: "partitionid", Null: true}), []string{"new_sensorid"}, []string{BadFilter}},
		{"column of the filter in the file", account(), filter("new_source", "ERP"), []string{"accountnumber", "new_source"}, []string{FilteredColumn}},
		{"included column not in the file", account(), included, []string{"name", "notes"}, []string{MissingColumn}},
		{"constant with the name of a column of the file", account(), with(number, config.Column{From: "N", To: "name", Value: &text}), []string{"No", "N"}, []string{DuplicateColumn}},
	} {
		_, err := Compile(c.dest, c.table, c.columns, people{})
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		var codes []string
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			f, ok := fault.As(e)
			if !ok || f.Kind != fault.Refused || f.Advice == "" {
				t.Fatalf("%s: %v", c.name, e)
			}
			codes = append(codes, f.Code)
		}
		if diff := cmp.Diff(c.codes, codes); diff != "" {
			t.Errorf("%s: %s\n%v", c.name, diff, err)
		}
		fmt.Fprintf(&got, "## %s\n%v\n\n", c.name, err)
	}
	golden(t, "world.golden", got.String())
}

// golden compares a text with a file, which -update writes anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("no %s: run the test with -update", path)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}
