package mapping

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/row"
)

func ptr(s string) *string { return &s }

// refusals are the codes of a refusal and its whole text.
func refusals(t *testing.T, err error) (codes, all string) {
	t.Helper()
	if err == nil {
		return "", ""
	}
	var list []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		f, ok := fault.As(e)
		if !ok || f.Kind != fault.Refused || f.Advice == "" {
			t.Fatalf("%v", e)
		}
		list = append(list, f.Code)
	}
	return strings.Join(list, " "), err.Error()
}

// TestTexts: white space, normal forms, the word for an empty text, and empty cells.
func TestTexts(t *testing.T) {
	for _, c := range []struct {
		set        config.Values
		cell, want string
	}{
		{config.Values{}, " Jo ", `" Jo "`},
		{config.Values{}, "  ", `"  "`},
		{config.Values{}, "", "null"},
		{config.Values{Trim: "none"}, " Jo ", `" Jo "`},
		{config.Values{Trim: "both"}, " \tJo Doe\u00a0\n", `"Jo Doe"`},
		{config.Values{Trim: "both"}, "  ", "null"},
		{config.Values{Empty: "-"}, "-", `""`},
		{config.Values{Empty: "-"}, " -", `" -"`},
		{config.Values{Empty: "-", Trim: "both"}, " -", `"-"`}, // exactly
		{config.Values{Empty: "-"}, "", "null"},
		{config.Values{Empty: `""`}, `""`, `""`},
		{config.Values{Normalise: "nfc"}, "Mu\u0308ller", `"Müller"`},
		{config.Values{Normalise: "nfc"}, "Müller", `"Müller"`},
		{config.Values{Normalise: "nfc"}, "ＡＢ ﬁ", `"ＡＢ ﬁ"`},
		{config.Values{Normalise: "nfkc"}, "ＡＢ ﬁ", `"AB fi"`},
		{config.Values{Normalise: "nfc"}, strings.Repeat("u\u0308", 50), `"` + strings.Repeat("ü", 50) + `"`}, // and then measured
		{config.Values{Normalise: "nfc"}, "a\xff", InvalidText},
		{config.Values{Trim: "both", Normalise: "nfkc"}, " Ａ ", `"A"`},
	} {
		if got, message := read(t, c.set, config.Column{From: "T", To: "firstname"}, text(c.cell)); got != c.want {
			t.Errorf("%q with %+v: %s (%s), want %s", c.cell, c.set, got, message, c.want)
		}
	}
	own := config.Column{From: "T", To: "firstname", Values: config.Values{Trim: "none", Empty: "N/A"}}
	for cell, want := range map[string]string{" Jo ": `" Jo "`, "N/A": `""`, "-": `"-"`} {
		if got, _ := read(t, config.Values{Trim: "both", Empty: "-"}, own, text(cell)); got != want {
			t.Errorf("a column's own: %q is %s, want %s", cell, got, want)
		}
	}
	if got, _ := read(t, config.Values{Empty: "-"}, config.Column{From: "N", To: "new_no"}, text("-")); got != NotANumber {
		t.Errorf("the word for an empty text is none for a number: %s", got)
	}
}

// TestNulls: what an empty cell does is said for the destination and for a column.
func TestNulls(t *testing.T) {
	for _, c := range []struct {
		general, own config.Nulls
		want         string
	}{
		{config.SkipNulls, "", `{"lastname":"Doe"}`},
		{config.ClearNulls, "", `{"firstname":null,"lastname":"Doe"}`},
		{config.SkipNulls, config.ClearNulls, `{"firstname":null,"lastname":"Doe"}`},
		{config.ClearNulls, config.SkipNulls, `{"lastname":"Doe"}`},
	} {
		dest := withRules(appendTo(), config.Column{From: "F", To: "firstname", Values: config.Values{Nulls: c.own}}, config.Column{From: "L", To: "lastname"})
		dest.Values.Nulls = c.general
		var op dataverse.Operation
		if reject := compile(t, dest, "F", "L").Map(csvRow("", "Doe"), &op); reject != nil || string(op.Set) != c.want {
			t.Errorf("%s and %q: %s %v, want %s", c.general, c.own, op.Set, reject, c.want)
		}
	}
}

// TestKeysAsRead: keys are compared as they are written, not as the file has them.
func TestKeysAsRead(t *testing.T) {
	dest := withRules(upsert("emailaddress1"), config.Column{From: "E", To: "emailaddress1"})
	dest.Values = config.Values{Nulls: config.SkipNulls, Trim: "both", Empty: "-"}
	m := compile(t, dest, "E")
	var op dataverse.Operation
	key := func(cell string) string {
		if reject := m.Map(csvRow(cell), &op); reject != nil {
			return reject.Code
		}
		return string(m.Key()) + " " + string(op.Key[0].Value)
	}
	for cell, want := range map[string]string{" A@x.org ": `a@x.org "A@x.org"`, "-": KeyMissing, "  ": KeyMissing} {
		if got := key(cell); got != want {
			t.Errorf("%q: %s, want %s", cell, got, want)
		}
	}
}

// TestConstants: every row gets them, whatever the file's notation.
func TestConstants(t *testing.T) {
	dest := withRules(upsert("lastname", "new_no"),
		config.Column{From: "L", To: "lastname"},
		config.Column{From: "number", To: "new_no", Value: ptr("007")},
		config.Column{From: "amount", To: "creditlimit", Value: ptr("1234.5")},
		config.Column{From: "since", To: "birthdate", Value: ptr("2026-01-02")},
		config.Column{From: "tier", To: "new_tier", Value: ptr("Österreich")},
		config.Column{From: "mail", To: "donotemail", Value: ptr("ja")},
		config.Column{From: "account", To: "parentcustomerid", Table: "account", Value: ptr(strings.ToUpper(someID))},
		config.Column{From: "empty", To: "description", Value: ptr("")},
		config.Column{From: "held", To: "lastonholdtime", Value: ptr("2026-01-02 03:04")})
	dest.Values = config.Values{Nulls: config.SkipNulls, Decimal: ",", Thousands: ".", Dates: []string{"DD.MM.YYYY"}, Zone: "Europe/Berlin", True: []string{"ja"}}
	m := compile(t, dest, "L")
	want := `{"row":7,"line":9,"do":"upsert","key":[{"column":"lastname","value":"Doe"},{"column":"new_no","value":7}],"set":{"creditlimit":1234.5,"birthdate":"2026-01-02","new_tier":100000002,"donotemail":true,"parentcustomerid_account@odata.bind":"/accounts(` + someID + `)","description":"","lastonholdtime":"2026-01-02T02:04:00Z"}}`
	for _, mapping := range []*Mapping{m, m.Clone()} {
		if got := rendered(t, mapping, csvRow("Doe")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if used := m.Columns(); len(used) != 1 || used[0] != (Used{"L", "lastname"}) {
		t.Errorf("%+v: no column of the file", used)
	}
}

func TestBadConstants(t *testing.T) {
	for _, c := range []struct {
		rule config.Column
		want string
	}{
		{config.Column{To: "new_no", Value: ptr("1,5")}, `line 12 of the configuration: its value cannot be written to new_no: "1,5" is not a number`},
		{config.Column{To: "new_no", Default: ptr("x")}, `its default cannot be written to new_no: "x" is not a number`},
		{config.Column{To: "new_no", Value: ptr("")}, "it is empty, and the column takes no empty text"},
		{config.Column{To: "new_no", Value: ptr(" ")}, "it is empty"},
		{config.Column{To: "birthdate", Value: ptr("02.01.2026")}, "write 2026-01-02"},
		{config.Column{To: "gendercode", Value: ptr("Diverse")}, "none of the column's choices: 1 (Male), 2 (Female)"},
		{config.Column{To: "firstname", Value: ptr(strings.Repeat("a", 51))}, "has 51 characters and the column takes 50"},
		{config.Column{To: "parentcustomerid", Table: "account", Value: ptr("Contoso")}, "is not a GUID"},
	} {
		c.rule.From, c.rule.Line = "C", 12
		_, err := Compile(withRules(appendTo(), c.rule, config.Column{From: "F", To: "lastname"}), contact(), []string{"C", "F"}[boolInt(c.rule.Value != nil):], nil)
		if codes, all := refusals(t, err); codes != BadValue || !strings.Contains(all, c.want) || !strings.Contains(all, `column "C"`) {
			t.Errorf("%s %s, want %s", codes, all, c.want)
		}
	}
	both := withRules(appendTo(), config.Column{From: "C", To: "firstname", Value: ptr("a"), Default: ptr("b")}, config.Column{From: "F", To: "lastname"})
	if codes, _ := refusals(t, second(Compile(both, contact(), []string{"F"}, nil))); codes != WrongOption {
		t.Errorf("value and default: %s", codes)
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func second[T any](_ T, err error) error { return err }

func TestDefaults(t *testing.T) {
	rule := config.Column{From: "N", To: "creditlimit", Default: ptr("1.5")}
	for cell, want := range map[string]string{"": "1.5", "  ": "1.5", "2,5": "2.5", "x": NotANumber} {
		if got, _ := read(t, german, rule, text(cell)); got != want {
			t.Errorf("%q: %s, want %s", cell, got, want)
		}
	}
	if got, _ := read(t, german, rule, row.Cell{Kind: row.Null}); got != "1.5" {
		t.Errorf("a null: %s", got)
	}
	named := config.Column{From: "T", To: "firstname", Default: ptr("unknown")}
	for cell, want := range map[string]string{"": `"unknown"`, "-": `""`, " ": `" "`} {
		if got, _ := read(t, config.Values{Empty: "-"}, named, text(cell)); got != want {
			t.Errorf("%q: %s, want %s", cell, got, want)
		}
	}
	if got, _ := read(t, config.Values{Trim: "both"}, named, text(" ")); got != `"unknown"` {
		t.Errorf("white space that is trimmed is empty: %s", got)
	}
	keyed := withRules(upsert("emailaddress1"), config.Column{From: "E", To: "emailaddress1", Default: ptr("A@x.org")})
	m := compile(t, keyed, "E")
	first := rendered(t, m, csvRow("")) + string(m.Key())
	if again := rendered(t, m, csvRow("A@x.org")) + string(m.Key()); first != again || !strings.HasSuffix(first, "}a@x.org") {
		t.Errorf("by default %s, stated %s", first, again)
	}
}

func TestTemplates(t *testing.T) {
	full := func(template string) config.Column {
		return config.Column{From: "Full", To: "description", Template: template, Default: nil}
	}
	for _, c := range []struct {
		set         config.Values
		template    string
		first, last string
		want        string
	}{
		{config.Values{}, "{First} {Last}", "Jo", "Doe", `"Jo Doe"`},
		{config.Values{}, "{First} {Last}", "", "Doe", `" Doe"`},
		{config.Values{Trim: "both"}, "{First} {Last}", "", " Doe ", `"Doe"`},
		{config.Values{Trim: "both"}, "{First} {Last}", " Jo ", " Doe ", `"Jo Doe"`},
		{config.Values{}, "{First} {Last}", "", "", "null"},
		{config.Values{Empty: "-"}, "{First}/{Last}", "-", "Doe", `"/Doe"`},
		{config.Values{Empty: "-"}, "{First}{Last}", "-", "-", "null"},
		{config.Values{Normalise: "nfc"}, "{First}{Last}", "u", "\u0308", `"ü"`},
		{config.Values{}, "{{{First}}} {Last}{Last}", "Jo", "Doe", `"{Jo} DoeDoe"`},
		{config.Values{}, "{First}", "a\x00", "", ControlCharacter},
	} {
		dest := withRules(appendTo(), full(c.template))
		if dest.Values = c.set; true {
			dest.Values.Nulls = config.ClearNulls
		}
		columns := []string{"First", "Last"}
		if !strings.Contains(c.template, "{Last}") {
			columns = columns[:1]
		}
		m := compile(t, dest, columns...)
		for _, m := range []*Mapping{m, m.Clone()} {
			var op dataverse.Operation
			got := ""
			if reject := m.Map(csvRow(c.first, c.last), &op); reject != nil {
				got = reject.Code
			} else {
				got = valueOf(t, op.Set)
			}
			if got != c.want {
				t.Errorf("%s of %q and %q: %s, want %s", c.template, c.first, c.last, got, c.want)
			}
		}
	}
}

// TestTemplatesAreConverted like cells, also into keys, numbers and dates.
func TestTemplatesAreConverted(t *testing.T) {
	dest := withRules(upsert("emailaddress1"),
		config.Column{From: "Mail", To: "emailaddress1", Template: "{User}@{Host}"},
		config.Column{From: "Day", To: "birthdate", Template: "{Y}-{M}-{D}"},
		config.Column{From: "User", To: "firstname"},
		config.Column{From: "Code", To: "lastname", Template: "{Y}/{User}", Default: ptr("none")})
	m := compile(t, dest, "User", "Host", "Y", "M", "D")
	got := rendered(t, m, csvRow("jo", "x.org", "2026", "01", "02"))
	want := `{"row":7,"line":9,"do":"upsert","key":[{"column":"emailaddress1","value":"jo@x.org"}],"set":{"firstname":"jo","birthdate":"2026-01-02","lastname":"2026/jo"}}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if diff := cmp.Diff([]Used{{"User", "firstname"}, {"Host", "emailaddress1"}, {"Y", "birthdate"}, {"M", "birthdate"}, {"D", "birthdate"}}, m.Columns()); diff != "" {
		t.Error(diff)
	}
	if got := rendered(t, m, csvRow("jo", "x.org", "2026", "02", "30")); got != "Day: "+NotADate {
		t.Error(got)
	}
}

func TestTemplateRefusals(t *testing.T) {
	for _, c := range []struct {
		template, codes, want string
	}{
		{"{First} {Lats}", MissingColumn, `its template names the column "Lats", and the file has none of that name (did you mean "Last"?`},
		{"First", WrongOption, "names no column"},
		{"{First", WrongOption, "brace"},
		{"First}", WrongOption, "brace"},
		{"{}", WrongOption, "brace"},
		{"{{First}}", UnmappedColumn + " " + UnmappedColumn + " " + WrongOption, "names no column"},
	} {
		dest := withRules(appendTo(), config.Column{From: "Full", Line: 12, To: "description", Template: c.template})
		if c.codes == MissingColumn || c.codes == WrongOption {
			dest.Columns = append(dest.Columns, config.Column{From: "Last", Skip: true}, config.Column{From: "First", To: "firstname"})
		}
		_, err := Compile(dest, contact(), []string{"First", "Last"}, nil)
		if codes, all := refusals(t, err); codes != c.codes || !strings.Contains(all, c.want) {
			t.Errorf("%q: %s %s, want %s", c.template, codes, all, c.want)
		}
	}
}

// TestNamesakes: a template may be called like a column that it uses; anything else that has two meanings is refused.
func TestNamesakes(t *testing.T) {
	m := compile(t, withRules(appendTo(), config.Column{From: "Name", To: "lastname", Template: "{Name} ({City})"}), "Name", "City")
	if got := rendered(t, m, csvRow("Doe", "Ulm")); !strings.Contains(got, `{"lastname":"Doe (Ulm)"}`) {
		t.Error(got)
	}
	dest := withRules(appendTo(), config.Column{From: "Name", To: "lastname"}, config.Column{From: "Source", To: "firstname", Value: ptr("web")})
	if codes, all := refusals(t, second(Compile(dest, contact(), []string{"Name", "Source"}, nil))); codes != DuplicateColumn {
		t.Error(all)
	}
}

// TestJSONTemplates: absent columns are empty; a row that has none of them has no template.
func TestJSONTemplates(t *testing.T) {
	dest := withRules(appendTo(), config.Column{From: "Full", To: "description", Template: "{First} {Last}"}, config.Column{From: "Age", To: "new_no"},
		config.Column{From: "Tier", To: "firstname", Default: ptr("none")})
	dest.Values.Nulls = config.ClearNulls
	m, err := Compile(dest, contact(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	set := func(columns []string, cells ...string) string {
		t.Helper()
		if err := m.Extend(columns); err != nil {
			t.Fatal(err)
		}
		var op dataverse.Operation
		if reject := m.Clone().Map(jsonRow(cells...), &op); reject != nil {
			return reject.Column + " " + reject.Code
		}
		return string(op.Set)
	}
	for _, c := range []struct {
		columns []string
		cells   []string
		want    string
	}{
		{[]string{"Age"}, []string{"1"}, `{"new_no":1,"firstname":"none"}`},
		{[]string{"Age", "Last"}, []string{"1", `"Doe"`}, `{"new_no":1,"description":" Doe","firstname":"none"}`},
		{[]string{"Age", "Last", "First"}, []string{"-", `"Doe"`, "5"}, `{"description":"5 Doe","firstname":"none"}`},
		{[]string{"Age", "Last", "First"}, []string{"-", "null", `""`}, `{"description":null,"firstname":"none"}`},
		{[]string{"Age", "Last", "First"}, []string{"-", "null", "-"}, `{"description":null,"firstname":"none"}`},
		{[]string{"Age", "Last", "First"}, []string{"-", "{}", `"Jo"`}, "Full " + NestedValue},
		{[]string{"Age", "Last", "First", "Tier"}, []string{"-", "-", "-", `"gold"`}, `{"firstname":"gold"}`},
		{[]string{"Age", "Last", "First", "Tier"}, []string{"-", "-", "-", "-"}, `{"firstname":"none"}`},
	} {
		if got := set(c.columns, c.cells...); got != c.want {
			t.Errorf("%v: %s, want %s", c.cells, got, c.want)
		}
	}
	if err := m.Extend([]string{"Age", "Last", "First", "Tier", "Full"}); err == nil {
		t.Error("a column called like the template is taken")
	}
}

// TestJSONDefaultOfTheKey: the key has its default before the file shows the column, and after.
func TestJSONDefaultOfTheKey(t *testing.T) {
	m, err := Compile(withRules(upsert("emailaddress1"), config.Column{From: "E", To: "emailaddress1", Default: ptr("a@x.org")}, config.Column{From: "F", To: "firstname"}), contact(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ columns, cells []string }{
		{[]string{"F"}, []string{`"Jo"`}}, {[]string{"F", "E"}, []string{`"Jo"`, "-"}}, {[]string{"F", "E"}, []string{`"Jo"`, `"a@x.org"`}},
	} {
		if err := m.Extend(c.columns); err != nil {
			t.Fatal(err)
		}
		want := `{"row":7,"line":9,"do":"upsert","key":[{"column":"emailaddress1","value":"a@x.org"}],"set":{"firstname":"Jo"}}`
		if got := rendered(t, m, jsonRow(c.cells...)); got != want {
			t.Errorf("%v: %s", c.cells, got)
		}
	}
}

// TestSettingsOfLookups: cells that name records are built and read like those of other columns.
func TestSettingsOfLookups(t *testing.T) {
	company := func(change func(*config.Column)) *config.Destination {
		c := by("C", "parentcustomerid", "account", "accountnumber")
		change(&c)
		return withRules(appendTo(), c, config.Column{From: "F", To: "firstname"})
	}
	asks, want := []string{`account accountnumber "A-1"`}, `"create","set":{"firstname":"Jo","parentcustomerid_account@odata.bind":"/accounts(`+idA+`)"}}`
	turned := `"create","set":{"parentcustomerid_account@odata.bind":"/accounts(` + idA + `)","firstname":"Jo"}}`
	byNumber := withRules(appendTo(), by("C", "parentcustomerid", "account", "new_no"), config.Column{From: "F", To: "firstname"})
	byNumber.Values = german
	check(t, []worldCase{
		{"value", contact(), company(func(c *config.Column) { c.Value = ptr("A-1") }), []string{"F"}, csvRow("Jo"), asks, want},
		{"template", contact(), company(func(c *config.Column) { c.Template = "A-{No}" }), []string{"F", "No"}, csvRow("Jo", "1"), asks, want},
		{"default", contact(), company(func(c *config.Column) { c.Default = ptr("A-1") }), []string{"C", "F"}, csvRow("", "Jo"), asks, turned},
		{"trimmed", contact(), company(func(c *config.Column) { c.Trim = "both" }), []string{"C", "F"}, csvRow(" A-1 ", "Jo"), asks, turned},
		{"number", contact(), byNumber, []string{"C", "F"}, csvRow("7,0", "Jo"), []string{"account new_no 7"}, strings.Replace(turned, idA, idB, 1)},
	})
}

func TestIncludedColumns(t *testing.T) {
	for _, c := range []struct {
		include, skip []string
		want          string
		codes         string
	}{
		{nil, nil, "firstname lastname new_no", ""},
		{[]string{"FirstName", "new_no"}, nil, "firstname  new_no", ""},
		{nil, []string{"lastname"}, "firstname  new_no", ""},
		{nil, []string{"elsewhere"}, "firstname lastname new_no", ""},
		{[]string{"firstname", "elsewhere"}, nil, "", MissingColumn},
	} {
		dest := appendTo()
		dest.Include, dest.Skip = c.include, c.skip
		m, err := Compile(dest, contact(), []string{"firstname", "LastName", "new_no"}, nil)
		codes, all := refusals(t, err)
		if codes != c.codes {
			t.Errorf("%v %v: %s %s", c.include, c.skip, codes, all)
		}
		if err != nil {
			continue
		}
		var used []string
		for _, u := range m.Columns() {
			used = append(used, u.To)
		}
		if got := strings.Join(used, " "); got != c.want {
			t.Errorf("%v %v: %s, want %s", c.include, c.skip, got, c.want)
		}
	}
	dest := appendTo()
	dest.Include = []string{"firstname"}
	m, err := Compile(dest, contact(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Extend([]string{"anything", "firstname"}); err != nil {
		t.Fatal(err)
	}
	if got := rendered(t, m, jsonRow("1", `"Jo"`)); !strings.Contains(got, `"set":{"firstname":"Jo"}`) {
		t.Error(got)
	}
}

// TestClonesMapAtOnce: clones share nothing that a row changes (run with -race).
func TestClonesMapAtOnce(t *testing.T) {
	m, r := settledMapping(t)
	want := rendered(t, m, r)
	var all sync.WaitGroup
	for range 4 {
		clone := m.Clone()
		all.Go(func() {
			var op dataverse.Operation
			for range 50 {
				if reject := clone.Map(r, &op); reject != nil {
					t.Errorf("%+v", reject)
				}
			}
			if !strings.Contains(want, string(op.Set)) {
				t.Errorf("%s, want %s", op.Set, want)
			}
		})
	}
	all.Wait()
}

// settledMapping is a mapping with a setting for everything.
func settledMapping(t testing.TB) (*Mapping, *row.Row) {
	dest := withRules(upsert("emailaddress1"),
		config.Column{From: "E", To: "emailaddress1"}, config.Column{From: "F", To: "firstname"}, config.Column{From: "L", To: "lastname"},
		config.Column{From: "D", To: "birthdate"}, config.Column{From: "H", To: "lastonholdtime"}, config.Column{From: "C", To: "creditlimit"},
		config.Column{From: "B", To: "donotemail"}, config.Column{From: "T", To: "new_topics", Separator: "|"},
		config.Column{From: "Full", To: "description", Template: "{F} {L}"}, config.Column{From: "Const", To: "new_score", Value: ptr("1.5")},
		config.Column{From: "N", To: "numberofchildren", Default: ptr("0")})
	dest.Values = config.Values{Nulls: config.ClearNulls, Decimal: ",", Thousands: ".", Dates: []string{"DD.MM.YYYY HH:mm", "DD.MM.YYYY"}, Zone: "Europe/Berlin",
		True: []string{"ja"}, False: []string{"nein"}, Trim: "both", Normalise: "nfc", Empty: "-"}
	return compile(t, dest, "E", "F", "L", "D", "H", "C", "B", "T", "N"),
		csvRow("jo.doe+news@example.org", " Jo ", "Döe", "28.02.1990", "02.01.2026 03:04", "1.234,50", "Nein", "Wine|3", "")
}

// TestSettingsAllocateNothing: but for texts that are not normal, which are rare.
func TestSettingsAllocateNothing(t *testing.T) {
	m, r := settledMapping(t)
	var op dataverse.Operation
	if n := testing.AllocsPerRun(100, func() {
		if reject := m.Map(r, &op); reject != nil {
			t.Fatal(reject)
		}
	}); n > 0 {
		t.Errorf("%v allocations a row", n)
	}
}

func BenchmarkMapWithSettings(b *testing.B) {
	m, r := settledMapping(b)
	var op dataverse.Operation
	b.ReportAllocs()
	for b.Loop() {
		if reject := m.Map(r, &op); reject != nil {
			b.Fatal(reject)
		}
	}
}
