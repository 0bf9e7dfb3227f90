package schema

import (
	"strings"
	"testing"
)

const example = `
choices:
  cr1_soil: {727000000: Sand, 727000001: Clay}
groups:
  place: {cr1_City: text 80, cr1_Country: text 80}
tables:
  cr1_Field:
    set: cr1_fieldset
    name: cr1_Name
    uses: [place]
    columns:
      cr1_Name: text 100 required
      cr1_No: int 0..1000000 "Field Number"
      cr1_Kind: {type: choice, options: {727000000: Arable, 727000001: Pasture}, default: 727000000}
      cr1_Soil: {type: choice, global: cr1_soil}
      cr1_Owner_Account: {type: lookup >account, via: cr1_account_field, delete: Restrict}
      cr1_Worth: money 0..1000
    states:
      0 Active: {1: Active, 727000002: Let}
      1 Inactive: {2: Inactive}
    keys: {cr1_FieldNo: [cr1_no]}
many:
  cr1_field_contact: {tables: [cr1_field, contact]}
`

func TestLoadYAML(t *testing.T) {
	org, err := LoadYAML(strings.NewReader(example))
	if err != nil {
		t.Fatal(err)
	}
	field := org.Sets["cr1_fieldset"]
	if field == nil || field.LogicalName != "cr1_field" || field.PrimaryID != "cr1_fieldid" || field.OwnershipType != "UserOwned" {
		t.Fatalf("%+v", field)
	}
	no := field.Column("cr1_no")
	if no.DisplayName != "Field Number" || *no.Min != 0 || *no.Max != 1000000 {
		t.Errorf("%+v", no)
	}
	if r := field.Navigation("cr1_Owner_Account"); r == nil || r.SchemaName != "cr1_account_field" || r.Delete != "Restrict" {
		t.Errorf("%+v", r)
	}
	if o := field.Column("statuscode").Options.Option(727000002); o == nil || o.State != 0 || o.Label != "Let" {
		t.Errorf("%+v", o)
	}
	if !field.Column("cr1_soil").Options.IsGlobal || field.Column("cr1_kind").Default != 727000000 {
		t.Error("choices")
	}
	for _, name := range []string{"createdon", "ownerid", "versionnumber", "cr1_worth_base", "transactioncurrencyid", "cr1_kindname", "owneridtype", "cr1_city"} {
		if field.Column(name) == nil {
			t.Errorf("the column %s is missing", name)
		}
	}
}

func TestLoadYAMLRefuses(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"unknown field", "tables:\n  cr1_A:\n    sett: x", `line 3: table cr1_a has no field "sett"`},
		{"unknown part", "tabels: {}", `line 1: a schema has no field "tabels"`},
		{"unknown type", "tables:\n  cr1_A:\n    columns:\n      cr1_B: strng 10", `line 4: column cr1_B: "strng" is not a type`},
		{"unknown word", "tables:\n  cr1_A:\n    columns: {cr1_B: text ten}", `line 3: column cr1_B: "ten" is not understood`},
		{"lookup without target", "tables: {cr1_A: {columns: {cr1_B: lookup}}}", "a lookup names its tables"},
		{"choice without options", "tables: {cr1_A: {columns: {cr1_B: choice}}}", "a choice needs options or global"},
		{"unknown group", "tables: {cr1_A: {uses: [x]}}", `uses the group "x"`},
		{"key of nothing", "tables:\n  cr1_A:\n    keys: {cr1_K: [cr1_b]}", "line 3: key cr1_K: table cr1_a has no column cr1_b"},
		{"name of nothing", "tables: {cr1_A: {name: cr1_B}}", "the name column cr1_b is not declared"},
		{"bad option", "tables: {cr1_A: {columns: {cr1_B: {type: choice, options: {x: Y}}}}}", `the option "x" is not a whole number`},
		{"anchor", "tables: &a {}", "anchors, aliases and tags"},
		{"empty", "", "the document is empty"},
		{"list", "- a", "a schema must be a mapping"},
		{"bad name", "tables: {\"a b\": {}}", "is not a table name"},
		{"range upside down", "tables: {cr1_A: {columns: {cr1_B: int 5..1}}}", `"1" is not a number from 5 on`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := LoadYAML(strings.NewReader(c.source))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestSpaced(t *testing.T) {
	for in, want := range map[string]string{
		"FirstName": "First Name", "cr1_ParcelNo": "Parcel No", "Address1_City": "Address 1: City", "EMailAddress2": "EMail Address 2",
		"cr1_parcel": "Parcel",
	} {
		if got := spaced(in); got != want {
			t.Errorf("spaced(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzLoadYAML(f *testing.F) {
	f.Add(example)
	f.Add("tables: {cr1_A: {columns: {cr1_B: text 10}}}")
	f.Add("tables:\n  a: *x")
	f.Add("many: {x: {tables: [a, a]}}")
	f.Fuzz(func(t *testing.T, source string) {
		org, err := LoadYAML(strings.NewReader(source))
		if err == nil {
			org.Clone()
		}
	})
}
