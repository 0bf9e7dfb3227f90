package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func one(t *testing.T, doc string) *Destination {
	t.Helper()
	c, err := Parse([]byte(doc), "penstock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c.Destinations["d"]
}

func pointer(s string) *string { return &s }

func TestDestinationThatClears(t *testing.T) {
	got := one(t, conn+`destinations:
  d:
    connection: sales
    table: new_offer
    mode: mirror
    match_on: [new_code, new_year]
    filter:
      new_source: shop
      new_share: -1.50
      new_active: true
      new_parent: ~
    max_deletes: {count: 500}
    leave_undeletable: true
    duplicates: reject
    on_error: stop
    parallel: 8
    pii: true
    audiences: [business]
    options: {detect_duplicates: true, bypass_logic: all, suppress_flows: true, caller_id: `+aGUID+`, tag: x, replace: true}
    skip: [remark]
`)
	want := &Destination{Name: "d", Line: 4, Connection: "sales", Table: "new_offer", Mode: Mirror, MatchOn: []string{"new_code", "new_year"},
		Audiences: []string{"business"}, PII: true, Parallel: 8, Duplicates: RejectBoth,
		Options: Options{DetectDuplicates: true, BypassLogic: "CustomSync,CustomAsync", SuppressFlows: true, CallerID: aGUID, Tag: "x", Replace: true},
		Filter: []Constant{{Column: "new_source", Value: "shop", Line: 10}, {Column: "new_share", Value: "-1.50", Line: 11},
			{Column: "new_active", Value: "true", Line: 12}, {Column: "new_parent", Null: true, Line: 13}},
		Clear: ClearRows, MaxDeletes: MaxDeletes{Percent: 20, Count: 500}, LeaveUndeletable: true,
		Values: Values{Nulls: SkipNulls}, Skip: []string{"remark"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDestinationOfFiles(t *testing.T) {
	got := one(t, conn+`destinations:
  d:
    connection: sales
    table: contact
    mode: truncate
    allow_whole_table: true
    clear: bulkdelete
    max_deletes: 75
    format: csv
    encoding: CP1252
    delimiter: "\t"
    quote: none
    escape: mysql
    null: 'null'
    header: false
    names: [a, b]
    nulls: clear
    empty: "-"
    decimal: ","
    thousands: " "
    true: [Ja, 1]
    false: nein
    dates: [DD.MM.YYYY HH:mm, DD-MMM-YYYY hh:mm:ss.SSS A Z]
    zone: Europe/Zurich
    trim: both
    normalise: nfkc
    include: [a]
`)
	want := &Destination{Name: "d", Line: 4, Connection: "sales", Table: "contact", Mode: Truncate, Audiences: []string{"admin"},
		AllowWholeTable: true, Clear: ClearJob, MaxDeletes: MaxDeletes{Percent: 75}, Duplicates: LastWins, Rejects: Rejects{MaxPercent: 10},
		Files: Files{Format: "csv", Encoding: "cp1252", Delimiter: "\t", Quote: "none", Escape: "mysql", Null: "null", Header: "none", Names: []string{"a", "b"}},
		Values: Values{Nulls: ClearNulls, Empty: "-", Decimal: ",", Thousands: " ", True: []string{"Ja", "1"}, False: []string{"nein"},
			Dates: []string{"DD.MM.YYYY HH:mm", "DD-MMM-YYYY hh:mm:ss.SSS A Z"}, Zone: "Europe/Zurich", Trim: "both", Normalise: "nfkc"},
		Include: []string{"a"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestColumnsOfADestination(t *testing.T) {
	got := one(t, conn+`destinations:
  d:
    connection: sales
    table: contact
    mode: append
    columns:
      Owner: {to: ownerid, table: team, by: name, missing: empty, pii: true}
      Lists: {associate: contactlist_Association, separator: comma}
      Guests: {to: required, party: required}
      Year: {to: new_year, value: 1.10}
      Full: {to: fullname, template: "{First} {{{Last}}}", default: true}
      true: {to: new_yes, true: y, false: [n], decimal: ",", nulls: clear}
      null: {skip: true}
`).Columns
	want := []Column{
		{From: "Owner", Line: 9, To: "ownerid", Table: "team", By: "name", Missing: MissingEmpty, PII: true},
		{From: "Lists", Line: 10, Associate: "contactlist_Association", Separator: ","},
		{From: "Guests", Line: 11, To: "required", Party: "required"},
		{From: "Year", Line: 12, To: "new_year", Value: pointer("1.10")},
		{From: "Full", Line: 13, To: "fullname", Template: "{First} {{{Last}}}", Default: pointer("true")},
		{From: "true", Line: 14, To: "new_yes", Values: Values{True: []string{"y"}, False: []string{"n"}, Decimal: ",", Nulls: ClearNulls}},
		{From: "null", Line: 15, Skip: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestConnectionIsAMapKey: connections that say the same are the same.
func TestConnectionIsAMapKey(t *testing.T) {
	seen := map[Connection]int{{Name: "a", InFlight: 3}: 1}
	if seen[Connection{Name: "a", InFlight: 3}] != 1 || seen[Connection{Name: "a"}] != 0 {
		t.Error("connections are not compared by what they say")
	}
}

func TestLayouts(t *testing.T) {
	const part = "has a part of a time without the larger one: hours, minutes, seconds, fractions; Z needs hours"
	for layout, complaint := range map[string]string{
		"ISO":                        "",
		"YYYY-MM-DD":                 "",
		"YYYYMMDD":                   "",
		"YYYYMMDDTHHmmssZ":           "",
		"YYYY-MM-DDTHH:mm:ss.SSSZ":   "",
		"YYYY-MM-DD HH:mm:ss.SSSSSS": "",
		"D.M.YYYY H:m:s":             "",
		"M/D/YYYY h:mm A":            "",
		"DDMMMYYYY":                  "",
		"DD/MMM/YYYY hh:mm A":        "",
		"DD [de] MMM [de] YYYY":      "",
		"YYYY年MM月DD日 HH时":            "",
		"\u00a0DD.MM.YYYY":           "",
		"DD.MM.YYYY HH":              "",
		"DD.MM.YY":                   "has YY: a year of two digits could be of any century, so the file must hold all four, YYYY",
		"dd.MM.yyyy":                 "has dd, which is no part of a date",
		"DD MMMM YYYY":               "has MMMM, which is no part of a date",
		"DD de MM YYYY":              "has d, which is no part of a date",
		"DD.MM.YYYY HH:mm [Uhr":      "has a [ that is not closed",
		"DD.MM.YYYY DD":              "has D in two places",
		"DD.M.MMM.YYYY":              "has M in two places",
		"DMYYYY":                     "has nothing between D and M, so it is not clear where one ends",
		"DD.MM.YYYY HH:mm:ss.SSS0":   "has nothing between SSS and 0, so it is not clear where one ends",
		"DD.MM":                      "has no YYYY, the year in four digits",
		"HH:mm":                      "has no YYYY, the year in four digits",
		"DD.YYYY":                    "has no MM, the month",
		"MM/YYYY":                    "has no DD, the day",
		"DD.MM.YYYY HH hh A":         "has hours twice over: H counts to 23, h with A to 12",
		"DD.MM.YYYY HH:mm A":         "has hours twice over: H counts to 23, h with A to 12",
		"DD.MM.YYYY hh:mm":           "needs h and A together: hours to 12, and AM or PM",
		"DD.MM.YYYY A":               "needs h and A together: hours to 12, and AM or PM",
		"DD.MM.YYYY mm":              part,
		"DD.MM.YYYY HH ss":           part,
		"DD.MM.YYYY HH:mm.SSS":       part,
		"DD.MM.YYYY Z":               part,
	} {
		_, err := Parse([]byte(withDestination(`mode: append, dates: "`+layout+`"`)), "penstock.yaml")
		switch {
		case complaint == "" && err != nil:
			t.Errorf("%s: %v", layout, err)
		case complaint != "" && (err == nil || !strings.Contains(err.Error(), `dates: "`+layout+`" `+complaint+" (YYYY")):
			t.Errorf("%s: %v, want: %s", layout, err, complaint)
		}
	}
}

func TestLayoutsThatContradict(t *testing.T) {
	for list, want := range map[string]bool{
		"[DD/MM/YYYY, YYYY-MM-DD, MM/DD/YYYY]": false,
		"[DD/MM/YYYY, M/D/YYYY]":               false,
		"[ISO, DD/MM/YYYY, DD.MM.YYYY]":        true,
		"[DD/MMM/YYYY, MMM/DD/YYYY]":           true,
		"[DD/MM/YYYY, D/M/YYYY]":               true,
	} {
		_, err := Parse([]byte(withDestination("mode: append, dates: "+list)), "penstock.yaml")
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "read one text as two days") {
			t.Errorf("%s: %v", list, err)
		}
	}
}

func TestTemplates(t *testing.T) {
	for template, want := range map[string][]string{
		"{First} {Last}": {"First", "Last"},
		"{A}{B}{A}":      {"A", "B", "A"},
		"{{{A}}}":        {"A"},
		"{{ {a b:c} }}":  {"a b:c"},
		"plain":          nil,
		"{{A}}":          nil,
	} {
		if got, complaint := columnsOf(template); complaint != "" || !cmp.Equal(got, want) {
			t.Errorf("%s: %q, %s", template, got, complaint)
		}
	}
	for _, template := range []string{"{", "}", "{}", "{ }", "a{b", "{a{b}", "{a}}", "{{a}", "}{"} {
		if got, complaint := columnsOf(template); complaint == "" {
			t.Errorf("%s: accepted with %q", template, got)
		}
	}
}
