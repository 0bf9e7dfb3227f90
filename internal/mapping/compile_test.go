package mapping

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

func withRules(dest *config.Destination, rules ...config.Column) *config.Destination {
	dest.Columns = rules
	return dest
}

// TestCompileErrors: every problem at once, each with its column and cure. What is said stands in a golden file.
func TestCompileErrors(t *testing.T) {
	var got strings.Builder
	for _, c := range []struct {
		name    string
		dest    *config.Destination
		columns []string
		codes   []string
	}{
		{"unknown column with a near name", upsert("emailaddress1"), []string{"emailaddress1", "firstnme"}, []string{UnknownColumn}},
		{"unknown column", upsert("emailaddress1"), []string{"emailaddress1", "Loyalty"}, []string{UnknownColumn}},
		{"lookup as it is read", upsert("emailaddress1"), []string{"emailaddress1", "_preferredsystemuserid_value"}, []string{UnknownColumn}},
		{"same column twice", upsert("emailaddress1"), []string{"emailaddress1", "firstname", "FirstName"}, []string{DuplicateColumn}},
		{"key not in the file", upsert("emailaddress1"), []string{"firstname"}, []string{MissingColumn}},
		{"primary id not in the file", upsert("contactid"), []string{"firstname"}, []string{MissingColumn}},
		{"no such key", upsert("firstname"), []string{"firstname"}, []string{KeyUnknown}},
		{"key not active", upsert("new_no"), []string{"new_no"}, []string{KeyInactive}},
		{"primary id beside another key", upsert("emailaddress1"), []string{"emailaddress1", "contactid"}, []string{NotWritable}},
		{"calculated", upsert("emailaddress1"), []string{"emailaddress1", "fullname"}, []string{NotWritable}},
		{"read-only", upsert("emailaddress1"), []string{"emailaddress1", "createdon"}, []string{NotWritable}},
		{"only for create, in upsert", upsert("emailaddress1"), []string{"emailaddress1", "new_once"}, []string{NotWritable}},
		{"only for update, in append", appendTo(), []string{"new_later"}, []string{NotWritable}},
		{"image", appendTo(), []string{"entityimage"}, []string{UnsupportedType}},
		{"lookup to several tables", appendTo(), []string{"parentcustomerid"}, []string{TableNeeded}},
		{"lookup to another table", withRules(appendTo(), config.Column{From: "P", To: "parentcustomerid", Table: "lead"}), []string{"P"}, []string{TableNeeded}},
		{"choice on a text", withRules(appendTo(), config.Column{From: "P", To: "firstname", Choice: "label"}), []string{"P"}, []string{WrongOption}},
		{"table on a text", withRules(appendTo(), config.Column{From: "P", To: "firstname", Table: "account"}), []string{"P"}, []string{WrongOption}},
		{"column not mentioned", withRules(appendTo(), config.Column{From: "First Name", To: "firstname"}), []string{"First Name", "Frist Name"}, []string{UnmappedColumn}},
		{"header in other case with rules", withRules(appendTo(), config.Column{From: "First", To: "firstname"}), []string{"first"}, []string{UnmappedColumn, MissingColumn}},
		{"configured column missing", withRules(appendTo(), config.Column{From: "A", To: "firstname"}, config.Column{From: "B", To: "lastname"}, config.Column{From: "C", Skip: true}), []string{"A"}, []string{MissingColumn}},
		{"key not mapped, JSON Lines", withRules(upsert("emailaddress1"), config.Column{From: "A", To: "firstname"}), nil, []string{MissingColumn}},
		{"everything skipped", withRules(appendTo(), config.Column{From: "A", Skip: true}), []string{"A"}, []string{NoColumns}},
		{"many at once", upsert("emailaddress1"), []string{"emial", "fullname", "entityimage", "Notes"}, []string{UnknownColumn, NotWritable, UnsupportedType, UnknownColumn, MissingColumn}},
	} {
		_, err := Compile(c.dest, contact(), c.columns, nil)
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
	golden := filepath.Join("testdata", "compile.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}

// TestOwnIDsNeedAColumnForCreate: a primary id that the service would ignore is refused (rules I2, W3).
func TestOwnIDsNeedAColumnForCreate(t *testing.T) {
	table := contact()
	table.Column("contactid").ForCreate = false
	for _, dest := range []*config.Destination{appendTo(), upsert("contactid")} {
		if _, err := Compile(dest, table, []string{"contactid", "firstname"}, nil); err == nil {
			t.Errorf("mode %s accepts an id that would be ignored", dest.Mode)
		}
	}
}

func TestColumns(t *testing.T) {
	rules := []config.Column{{From: "Mail", To: "emailaddress1"}, {From: "Notes", Skip: true}, {From: "First", To: "firstname"}}
	m := compile(t, withRules(upsert("emailaddress1"), rules...), "First", "Notes", "Mail")
	want := []Used{{"First", "firstname"}, {"Notes", ""}, {"Mail", "emailaddress1"}}
	if diff := cmp.Diff(want, m.Columns()); diff != "" {
		t.Error(diff)
	}
}

// TestHash: which columns a file has does not count, because what they say is in each row's mark; rules that
// change what is written do (rule H1).
func TestHash(t *testing.T) {
	hash := func(dest *config.Destination, columns ...string) string { return compile(t, dest, columns...).Hash() }
	base := hash(upsert("emailaddress1"), "emailaddress1", "firstname")
	for name, h := range map[string]string{
		"another order":   hash(upsert("emailaddress1"), "firstname", "emailaddress1"),
		"another column":  hash(upsert("emailaddress1"), "emailaddress1", "lastname"),
		"one column more": hash(upsert("emailaddress1"), "emailaddress1", "firstname", "lastname"),
		"none yet":        hash(upsert("emailaddress1")),
	} {
		if h != base {
			t.Errorf("%s counts", name)
		}
	}
	cleared := upsert("emailaddress1")
	cleared.Values.Nulls = config.ClearNulls
	seen := map[string]string{base: "base"}
	for name, h := range map[string]string{
		"null policy":     hash(cleared, "emailaddress1", "firstname"),
		"key":             hash(upsert("contactid"), "contactid", "firstname", "emailaddress1"),
		"mode":            hash(appendTo(), "emailaddress1", "firstname"),
		"choice by label": hash(withRules(appendTo(), config.Column{From: "T", To: "new_tier", Choice: "label"}), "T"),
		"choice by value": hash(withRules(appendTo(), config.Column{From: "T", To: "new_tier", Choice: "value"}), "T"),
	} {
		if other := seen[h]; other != "" {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}
