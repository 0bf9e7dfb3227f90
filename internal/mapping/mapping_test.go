package mapping

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// rendered is an operation as it is stored.
func rendered(t *testing.T, m *Mapping, r *row.Row) string {
	t.Helper()
	var op dataverse.Operation
	if reject := m.Map(r, &op); reject != nil {
		return reject.Column + ": " + reject.Code
	}
	text, err := json.Marshal(op)
	if err != nil {
		t.Fatalf("%+v: %v", op, err)
	}
	sameBriefly(t, m, r, string(text))
	return string(text)
}

// sameBriefly holds what Layout and Values say of a row, also without a Set, against the operation as it is stored.
func sameBriefly(t *testing.T, m *Mapping, r *row.Row, want string) {
	t.Helper()
	for _, brief := range []bool{false, true} {
		var op dataverse.Operation
		m.Brief = brief
		if reject := m.Map(r, &op); reject != nil {
			t.Errorf("brief %t: %+v", brief, reject)
		}
		if list, all := m.Values(); all {
			var members []string
			if fixed := m.Layout().Fixed; fixed != "" {
				members = append(members, fixed)
			}
			var values []json.RawMessage
			if err := json.Unmarshal([]byte("["+string(list)+"]"), &values); err != nil || len(values) != len(m.Layout().Names) {
				t.Errorf("brief %t: %s: %v", brief, list, err)
				continue
			}
			for i, name := range m.Layout().Names {
				if string(values[i]) != Nothing {
					members = append(members, name+string(values[i]))
				}
			}
			op.Set = json.RawMessage("{" + strings.Join(members, ",") + "}")
		} else if op.Set == nil {
			t.Errorf("brief %t: neither Set nor Values", brief)
		}
		if text, err := json.Marshal(op); err != nil || string(text) != want {
			t.Errorf("brief %t: %s, want %s (%v)", brief, text, want, err)
		}
	}
	m.Brief = false
}

func TestMap(t *testing.T) {
	clear := func(d *config.Destination) *config.Destination { d.Values.Nulls = config.ClearNulls; return d }
	pair := []string{"new_no", "lastname", "firstname"}
	for _, c := range []struct {
		name    string
		dest    *config.Destination
		columns []string
		row     *row.Row
		want    string
	}{
		{"by alternate key", upsert("emailaddress1"), []string{"firstname", "EmailAddress1", "gendercode"}, csvRow("Jo", "a+b@x.org", "2"),
			`{"row":7,"line":9,"do":"upsert","key":[{"column":"emailaddress1","value":"a+b@x.org"}],"set":{"firstname":"Jo","gendercode":2}}`},
		{"key parts in the table's order", upsert("new_no", "lastname"), pair, csvRow("007", "O'Neil", "Jo"),
			`{"row":7,"line":9,"do":"upsert","key":[{"column":"lastname","value":"O'Neil"},{"column":"new_no","value":7}],"set":{"firstname":"Jo"}}`},
		{"lookup and date in the key", upsert("preferredsystemuserid", "birthdate"), []string{"preferredsystemuserid", "birthdate"}, csvRow(strings.ToUpper(someID), "2026-01-02"),
			`{"row":7,"line":9,"do":"upsert","key":[{"column":"preferredsystemuserid","value":"` + someID + `"},{"column":"birthdate","value":"2026-01-02"}],"set":{}}`},
		{"by primary id", upsert("contactid"), []string{"contactid", "firstname"}, csvRow("{"+strings.ToUpper(someID)+"}", "Jo"),
			`{"row":7,"line":9,"do":"upsert","id":"` + someID + `","set":{"firstname":"Jo"}}`},
		{"append", appendTo(), []string{"firstname"}, csvRow("Jo"), `{"row":7,"line":9,"do":"create","set":{"firstname":"Jo"}}`},
		{"append with id", appendTo(), []string{"firstname", "contactid"}, csvRow("Jo", someID),
			`{"row":7,"line":9,"do":"create","id":"` + someID + `","set":{"firstname":"Jo"}}`},
		{"append with empty id", appendTo(), []string{"firstname", "contactid"}, csvRow("Jo", ""), `{"row":7,"line":9,"do":"create","set":{"firstname":"Jo"}}`},
		{"only a key", upsert("emailaddress1"), []string{"emailaddress1"}, csvRow("a@x.org"),
			`{"row":7,"line":9,"do":"upsert","key":[{"column":"emailaddress1","value":"a@x.org"}],"set":{}}`},
		{"nulls left out", upsert("contactid"), []string{"contactid", "firstname", "gendercode", "lastname", "ownerid"}, csvRow(someID, "", " ", " ", ""),
			`{"row":7,"line":9,"do":"upsert","id":"` + someID + `","set":{"lastname":" "}}`},
		{"nulls cleared", clear(upsert("contactid")), []string{"contactid", "firstname", "gendercode", "ownerid"}, csvRow(someID, "", " ", ""),
			`{"row":7,"line":9,"do":"upsert","id":"` + someID + `","set":{"firstname":null,"gendercode":null,"ownerid@odata.bind":null}}`},
		{"absent is not null", clear(upsert("contactid")), []string{"contactid", "firstname", "lastname", "gendercode"}, jsonRow(`"`+someID+`"`, "-", "null"),
			`{"row":7,"line":9,"do":"upsert","id":"` + someID + `","set":{"lastname":null}}`},
		{"lookups", withRules(appendTo(), config.Column{From: "O", To: "ownerid", Table: "team"}, config.Column{From: "P", To: "parentcustomerid", Table: "account"}),
			[]string{"O", "P"}, csvRow(someID, someID),
			`{"row":7,"line":9,"do":"create","set":{"ownerid@odata.bind":"/teams(` + someID + `)","parentcustomerid_account@odata.bind":"/accounts(` + someID + `)"}}`},
		{"key empty", upsert("emailaddress1"), []string{"firstname", "emailaddress1"}, csvRow("Jo", ""), "emailaddress1: key_missing"},
		{"key of spaces", upsert("emailaddress1"), []string{"firstname", "emailaddress1"}, csvRow("Jo", "  "), "emailaddress1: key_missing"},
		{"part of the key empty", upsert("lastname", "new_no"), pair, csvRow("", "Doe", "Jo"), "new_no: key_missing"},
		{"id empty", upsert("contactid"), []string{"contactid"}, csvRow(""), "contactid: key_missing"},
		{"id of zeros", upsert("contactid"), []string{"contactid"}, csvRow("00000000-0000-0000-0000-000000000000"), "contactid: not_a_guid"},
		{"first problem wins", upsert("emailaddress1"), []string{"emailaddress1", "gendercode", "birthdate"}, csvRow("a@x.org", "9", "x"), "gendercode: unknown_choice"},
	} {
		if diff := cmp.Diff(c.want, rendered(t, compile(t, c.dest, c.columns...), c.row)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestMapPassesARejectedRowOn(t *testing.T) {
	r := csvRow("Jo")
	r.Reject = &row.Reject{Row: 7, Line: 9, Code: "ragged"}
	var op dataverse.Operation
	if got := compile(t, appendTo(), "firstname").Map(r, &op); got != r.Reject {
		t.Errorf("%+v", got)
	}
}

// TestExtend: a JSON Lines file shows its columns as it is read, and each row may lack some.
func TestExtend(t *testing.T) {
	m, err := Compile(upsert("emailaddress1"), contact(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	step := func(want string, columns []string, cells ...string) {
		t.Helper()
		if err := m.Extend(columns); err != nil {
			t.Fatal(err)
		}
		if got := rendered(t, m, jsonRow(cells...)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	step("emailaddress1: key_missing", []string{"firstname"}, `"Jo"`)
	step(`{"row":7,"line":9,"do":"upsert","key":[{"column":"emailaddress1","value":"a@x.org"}],"set":{"firstname":"Jo"}}`,
		[]string{"firstname", "emailaddress1"}, `"Jo"`, `"a@x.org"`)
	step(`{"row":7,"line":9,"do":"upsert","key":[{"column":"emailaddress1","value":"b@x.org"}],"set":{"gendercode":1}}`,
		[]string{"firstname", "emailaddress1", "gendercode"}, "-", `"b@x.org"`, "1")
	if err := m.Extend([]string{"firstname", "emailaddress1", "gendercode", "colour", "FirstName"}); err == nil ||
		!strings.Contains(err.Error(), "colour") || !strings.Contains(err.Error(), "FirstName") {
		t.Errorf("unknown and doubled columns: %v", err)
	}
}

func TestKey(t *testing.T) {
	key := func(m *Mapping, cells ...string) string {
		t.Helper()
		var op dataverse.Operation
		if reject := m.Map(csvRow(cells...), &op); reject != nil {
			t.Fatalf("%q: %+v", cells, reject)
		}
		return string(m.Key())
	}
	email := compile(t, upsert("emailaddress1"), "emailaddress1")
	if a, b := key(email, "Jo.Müller@X.org "), key(email, "jo.muller@x.ORG"); a != b {
		t.Errorf("%q and %q are one key", a, b)
	}
	id := compile(t, upsert("contactid"), "contactid")
	if a, b := key(id, strings.ToUpper(someID)), key(id, "{"+someID+"}"); a != b || a == "" {
		t.Errorf("%q and %q are one id", a, b)
	}
	pair := compile(t, upsert("lastname", "new_no"), "lastname", "new_no")
	if a, b := key(pair, "DOE ", "007"), key(pair, "doe", "7.0"); a != b {
		t.Errorf("%q and %q are one key", a, b)
	}
	if a, b := key(pair, "doe1", "2"), key(pair, "doe", "12"); a == b {
		t.Errorf("two keys are both %q", a)
	}
	if got := key(compile(t, appendTo(), "firstname"), "Jo"); got != "" {
		t.Errorf("append without ids has the key %q", got)
	}
}

func TestNormaliseKey(t *testing.T) {
	for _, c := range [][2]string{
		{"ABC", "abc"}, {"abc  ", "abc"}, {" abc", " abc"}, {"a b", "a b"}, {"", ""}, {"   ", ""},
		{"Müller", "muller"}, {"MÜLLER", "muller"}, {"Mu\u0308ller", "muller"}, {"Straße", "strasse"}, {"ÉÈ ", "ee"},
		{"ＡＢＣ１", "abc1"}, {"ｶﾞ", "カ"}, {"İstanbul", "istanbul"}, {"ΣΑΣ", "σασ"}, {"σας", "σασ"}, {"日本", "日本"}, {"ẞ", "ss"},
	} {
		if got := string(NormaliseKey(c[0])); got != c[1] {
			t.Errorf("NormaliseKey(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}

// FuzzNormaliseKey: a normal form is its own normal form, and case, accents and trailing spaces make no difference.
func FuzzNormaliseKey(f *testing.F) {
	for _, s := range []string{"", "a+b@x.org", "O'Neil", "ä ", "İ", "ＡＢＣ", "ß", "\u0345", "a\u0301", "ﬁ", "\xff", "Ω"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		once := NormaliseKey(s)
		if again := NormaliseKey(string(once)); !bytes.Equal(once, again) {
			t.Fatalf("%q: %q and then %q", s, once, again)
		}
		if spaced := NormaliseKey(s + "  "); !bytes.Equal(once, spaced) {
			t.Fatalf("%q: %q, with spaces %q", s, once, spaced)
		}
	})
}

func TestMapAllocatesNothing(t *testing.T) {
	m, r := benchmarkMapping(t)
	var op dataverse.Operation
	if n := testing.AllocsPerRun(100, func() {
		if reject := m.Map(r, &op); reject != nil {
			t.Fatal(reject)
		}
	}); n > 0 {
		t.Errorf("%v allocations a row", n)
	}
}

func benchmarkMapping(t testing.TB) (*Mapping, *row.Row) {
	m := compile(t, upsert("emailaddress1"), "emailaddress1", "firstname", "lastname", "description", "gendercode",
		"birthdate", "creditlimit", "donotemail", "numberofchildren", "lastonholdtime")
	return m, csvRow("jo.doe+news@example.org", "Jo", "Döe", "met at the fair, \"stand 4\"", "Female", "1990-02-28", "1234.50", "no", "2", "2026-01-02T03:04:05+02:00")
}

func BenchmarkMap(b *testing.B) {
	m, r := benchmarkMapping(b)
	benchmarkMap(b, m, r)
}

// What most rows are: texts and a little else, of which nobody wants more than the values.
func BenchmarkMapToValues(b *testing.B) {
	table := contact()
	columns := []string{"emailaddress1", "firstname", "lastname", "new_title", "new_phone", "new_street", "new_city", "birthdate", "numberofchildren", "gendercode", "donotemail"}
	for _, name := range columns[3:7] {
		table.Columns = append(table.Columns, dataverse.Column{Name: name, Type: dataverse.String, MaxLength: 100, ForCreate: true, ForUpdate: true})
	}
	m, err := Compile(upsert("emailaddress1"), table, columns, nil)
	if err != nil {
		b.Fatal(err)
	}
	m.Brief = true
	benchmarkMap(b, m, csvRow("person.0001234@example.org", "First123", "Last, 1234", "Clerk", "+49 30 0001234",
		"Some Street 34", "Berlin", "1956-03-12", "3", "Female", "no"))
}

func benchmarkMap(b *testing.B, m *Mapping, r *row.Row) {
	var op dataverse.Operation
	b.ReportAllocs()
	for b.Loop() {
		if reject := m.Map(r, &op); reject != nil {
			b.Fatal(reject)
		}
	}
}
