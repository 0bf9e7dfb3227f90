package mapping

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

func compileIn(t testing.TB, table *dataverse.Table, dest *config.Destination, columns ...string) *Mapping {
	t.Helper()
	m, err := Compile(dest, table, columns, people{})
	if err != nil {
		t.Fatal(err)
	}
	m.Find = found
	return m
}

// worldCase is a row of a file, what is asked about it beforehand, and what becomes of it.
type worldCase struct {
	name    string
	table   *dataverse.Table
	dest    *config.Destination
	columns []string
	row     *row.Row
	asked   []string
	want    string
}

func check(t *testing.T, cases []worldCase) {
	t.Helper()
	for _, c := range cases {
		m := compileIn(t, c.table, c.dest, c.columns...)
		for _, m := range []*Mapping{m, m.Clone()} {
			if diff := cmp.Diff(c.asked, asked(m, c.row)); diff != "" {
				t.Errorf("%s, references: %s", c.name, diff)
			}
			if diff := cmp.Diff(c.want, outcome(t, m, c.row)); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
	}
}

// by is a rule that finds records by a column.
func by(from, to, table, by string) config.Column {
	return config.Column{From: from, To: to, Table: table, By: by}
}

func orEmpty(c config.Column) config.Column { c.Missing = config.MissingEmpty; return c }

func TestLookups(t *testing.T) {
	company, customer := by("C", "parentcustomerid", "account", "accountnumber"), []string{"C"}
	owner := by("O", "ownerid", "", "domainname")
	check(t, []worldCase{
		{"by column", contact(), withRules(destination(config.Append), company), customer, csvRow("A-1"), []string{`account accountnumber "A-1"`},
			`"create","set":{"parentcustomerid_account@odata.bind":"/accounts(` + idA + `)"}}`},
		{"as the column's type", contact(), withRules(destination(config.Append), by("C", "parentcustomerid", "account", "new_no")), customer, csvRow(" 007 "), []string{`account new_no 7`},
			`"create","set":{"parentcustomerid_account@odata.bind":"/accounts(` + idB + `)"}}`},
		{"not of the column's type", contact(), withRules(destination(config.Append), by("C", "parentcustomerid", "account", "new_no")), customer, csvRow("seven"), nil, `C: not_a_number`},
		{"not found", contact(), withRules(destination(config.Append), company), customer, csvRow("A-2"), []string{`account accountnumber "A-2"`}, `C: lookup_not_found`},
		{"not found, empty", contact(), withRules(destination(config.Append), orEmpty(company)), customer, csvRow("A-2"), []string{`account accountnumber "A-2"`}, `"create","set":{}}`},
		{"not found, empty and cleared", contact(), cleared(withRules(destination(config.Append), orEmpty(company))), customer, csvRow("A-2"), []string{`account accountnumber "A-2"`},
			`"create","set":{"parentcustomerid_account@odata.bind":null}}`},
		{"several", contact(), withRules(destination(config.Append), orEmpty(company)), customer, csvRow("twin"), []string{`account accountnumber "twin"`}, `C: lookup_ambiguous`},
		{"an empty cell", contact(), withRules(destination(config.Append), company), customer, csvRow("  "), nil, `"create","set":{}}`},
		{"a nested cell", contact(), withRules(destination(config.Append), company), customer, jsonRow("{}"), nil, `C: nested_value`},
		{"by the word id", contact(), withRules(destination(config.Append), by("C", "parentcustomerid", "account", "id")), customer, csvRow(idB), nil,
			`"create","set":{"parentcustomerid_account@odata.bind":"/accounts(` + idB + `)"}}`},
		{"by the name of the id", contact(), withRules(destination(config.Append), by("C", "parentcustomerid", "account", "accountid")), customer, csvRow(idB), nil,
			`"create","set":{"parentcustomerid_account@odata.bind":"/accounts(` + idB + `)"}}`},
		{"owner", contact(), withRules(destination(config.Append), owner), []string{"O"}, csvRow("jo@corp"), []string{`systemuser domainname "jo@corp"`},
			`"create","set":{"ownerid@odata.bind":"/systemusers(` + idB + `)"}}`},
		{"regarding", email(), withRules(destination(config.Append), by("R", "regardingobjectid", "contact", "emailaddress1")), []string{"R"}, csvRow("a@x.org"), []string{`contact emailaddress1 "a@x.org"`},
			`"create","set":{"regardingobjectid_contact_email@odata.bind":"/contacts(` + idA + `)"}}`},
	})
}

// TestOwnTable: rows of one file that refer to one another are linked when all are there (rule W4).
func TestOwnTable(t *testing.T) {
	parent := by("P", "parentaccountid", "", "accountnumber")
	byName := by("P", "parentaccountid", "", "name")
	columns := []string{"accountnumber", "P"}
	number := config.Column{From: "accountnumber", To: "accountnumber"}
	keyed := func(mode config.Mode, rules ...config.Column) *config.Destination {
		return withRules(destination(mode, "accountnumber"), append(rules, number)...)
	}
	const a1 = `"key":[{"column":"accountnumber","value":"A-2"}],"set":`
	check(t, []worldCase{
		{"by id", account(), keyed(config.Upsert, config.Column{From: "P", To: "parentaccountid"}), columns, csvRow("A-2", idA), nil,
			`"upsert",` + a1 + `{}}` + "\n" + `"update","set":{"parentaccountid@odata.bind":"/accounts(` + idA + `)"}}`},
		{"by key", account(), keyed(config.Upsert, parent), columns, csvRow("A-2", "O'Neil"), nil,
			`"upsert",` + a1 + `{}}` + "\n" + `"update","set":{"parentaccountid@odata.bind":"/accounts(accountnumber='O''Neil')"}}`},
		{"by key, customer", account(), keyed(config.Upsert, by("P", "new_payer", "account", "accountnumber")), columns, csvRow("A-2", "A 1"), nil,
			`"upsert",` + a1 + `{}}` + "\n" + `"update","set":{"new_Payer_account@odata.bind":"/accounts(accountnumber='A%201')"}}`},
		{"a value that no URL takes, known", account(), keyed(config.Upsert, parent), columns, csvRow("A-2", "a+b"), []string{`account accountnumber "a+b"`},
			`"upsert",` + a1 + `{}}` + "\n" + `"update","set":{"parentaccountid@odata.bind":"/accounts(` + idB + `)"}}`},
		{"a value that no URL takes", account(), keyed(config.Upsert, parent), columns, csvRow("A-2", "a/b"), []string{`account accountnumber "a/b"`}, `P: lookup_not_addressable`},
		{"a value that no URL takes, empty", account(), keyed(config.Upsert, orEmpty(parent)), columns, csvRow("A-2", "a/b"), []string{`account accountnumber "a/b"`}, `"upsert",` + a1 + `{}}`},
		{"by a column that is no key", account(), keyed(config.Mirror, byName), columns, csvRow("A-2", "Acme"), []string{`account name "Acme"`},
			`"upsert",` + a1 + `{}}` + "\n" + `"update","set":{"parentaccountid@odata.bind":"/accounts(` + idA + `)"}}`},
		{"by a column that is no key, not there", account(), keyed(config.Mirror, byName), columns, csvRow("A-2", "New"), []string{`account name "New"`}, `P: lookup_not_found`},
		{"into a cleared table", account(), withRules(destination(config.Truncate), parent, number), columns, csvRow("A-2", "A-1"), nil,
			`"create","set":{"accountnumber":"A-2"}}` + "\n" + `"update","set":{"parentaccountid@odata.bind":"/accounts(accountnumber='A-1')"}}`},
		{"into a cleared table what no URL takes", account(), withRules(destination(config.Truncate), parent, number), columns, csvRow("A-2", "a+b"), nil, `P: lookup_not_addressable`},
		{"no parent", account(), keyed(config.Upsert, parent), columns, csvRow("A-2", ""), nil, `"upsert",` + a1 + `{}}`},
		{"no parent, cleared", account(), cleared(keyed(config.Upsert, parent)), columns, csvRow("A-2", ""), nil, `"upsert",` + a1 + `{"parentaccountid@odata.bind":null}}`},
		{"records that exist are changed at once", account(), keyed(config.Update, parent), columns, csvRow("A-2", "A-1"), []string{`account accountnumber "A-1"`},
			`"update",` + a1 + `{"parentaccountid@odata.bind":"/accounts(` + idA + `)"}}`},
		{"to another table at once", account(), keyed(config.Upsert, by("P", "new_payer", "contact", "emailaddress1")), columns, csvRow("A-2", "a@x.org"), []string{`contact emailaddress1 "a@x.org"`},
			`"upsert",` + a1 + `{"new_Payer_contact@odata.bind":"/contacts(` + idA + `)"}}`},
	})
}

func TestKeysWithLookups(t *testing.T) {
	rules := []config.Column{by("P", "parentaccountid", "", "accountnumber"), {From: "N", To: "name"}}
	dest := withRules(destination(config.Upsert, "parentaccountid", "name"), rules...)
	byFlag := withRules(matching(config.Upsert, "primarycontactid", "new_flag"), by("P", "primarycontactid", "", "emailaddress1"), config.Column{From: "N", To: "new_flag"})
	columns := []string{"P", "N"}
	check(t, []worldCase{
		{"part of an alternate key", account(), dest, columns, csvRow("A-1", "Acme"), []string{`account accountnumber "A-1"`},
			`"upsert","key":[{"column":"parentaccountid","value":"` + idA + `"},{"column":"name","value":"Acme"}],"set":{}}`},
		{"not found", account(), dest, columns, csvRow("A-9", "Acme"), []string{`account accountnumber "A-9"`}, `P: lookup_not_found`},
		{"match_on", account(), byFlag, columns, csvRow("a@x.org", "yes"), []string{`contact emailaddress1 "a@x.org"`},
			`"upsert","key":[{"column":"primarycontactid","value":"` + idA + `"},{"column":"new_flag","value":true}],"set":{"primarycontactid@odata.bind":"/contacts(` + idA + `)","new_flag":true}}`},
	})
	m := compileIn(t, account(), withRules(destination(config.Upsert, "parentaccountid", "name"), orEmpty(rules[0]), rules[1]), columns...)
	if got := outcome(t, m, csvRow("A-9", "Acme")); got != "P: key_missing" || len(m.Key()) > 0 {
		t.Errorf("a key of a record that is not there: %s, %q", got, m.Key())
	}
}

func TestPlainMappingAsksNothing(t *testing.T) {
	m, r := benchmarkMapping(t)
	if n := testing.AllocsPerRun(100, func() { m.References(r, func(Reference) { t.Fatal("asked") }); m.Links() }); n > 0 {
		t.Errorf("%v allocations a row", n)
	}
}

// TestReferencesOutliveTheRow: a caller collects those of a block of rows.
func TestReferencesOutliveTheRow(t *testing.T) {
	m := compileIn(t, contact(), withRules(destination(config.Append), by("C", "parentcustomerid", "account", "accountnumber")), "C")
	var all []Reference
	for _, text := range []string{"A-1", "B-2"} {
		r := csvRow(text)
		m.References(r, func(r Reference) { all = append(all, r) })
		copy(r.Cells[0].Text, "zzzz")
	}
	if len(all) != 2 || string(all[0].Value) != `"A-1"` || string(all[1].Value) != `"B-2"` {
		t.Errorf("%+v", all)
	}
	bad := csvRow("A-1")
	bad.Reject = &row.Reject{Code: "ragged"}
	if got := asked(m, bad); got != nil {
		t.Errorf("a row that cannot be mapped asks for %q", got)
	}
}

func TestLookupMessages(t *testing.T) {
	m := compileIn(t, contact(), withRules(destination(config.Append), by("C", "parentcustomerid", "account", "accountnumber")), "C")
	var op dataverse.Operation
	for text, want := range map[string]string{
		"A-2":  `no record of table account has the accountnumber "A-2": load it first, or correct the cell`,
		"twin": `several records of table account have the accountnumber "twin": name one by a column that tells them apart, or by id`,
	} {
		if got := m.Map(csvRow(text), &op); got == nil || got.Message != want {
			t.Errorf("%+v", got)
		}
	}
}

type brokenWorld struct{}

func (brokenWorld) Table(string) (*dataverse.Table, error) { return nil, errors.New("no connection") }
func (brokenWorld) Collections() ([]dataverse.Collection, error) {
	return nil, errors.New("no connection")
}

func TestCompileTellsWhatTheWorldSays(t *testing.T) {
	for _, rule := range []config.Column{by("C", "parentcustomerid", "account", "accountnumber"), {From: "C", Associate: "new_friends"}} {
		_, err := Compile(withRules(destination(config.Append), rule), contact(), []string{"C"}, brokenWorld{})
		if err == nil || !strings.Contains(err.Error(), "no connection") {
			t.Errorf("%+v: %v", rule, err)
		}
	}
}

// TestClonesShareNothing is for the race detector: converters have buffers.
func TestClonesShareNothing(t *testing.T) {
	rules := []config.Column{by("C", "parentcustomerid", "account", "accountnumber"), {From: "K", To: "emailaddress1"}, {From: "N", To: "new_score"}, {From: "G", To: "gendercode"},
		{From: "T", To: "new_topics"}, {From: "S", To: "statuscode"}, {From: "L", Associate: "new_Account_Contact", By: "emailaddress1"}, {From: "F", To: "donotemail"}}
	m := compileIn(t, contact(), withRules(destination(config.Upsert, "emailaddress1"), rules...), "C", "K", "N", "G", "T", "S", "L", "F")
	var all sync.WaitGroup
	clones := []*Mapping{m.Clone(), m.Clone().Clone(), m.Clone()}
	for i, mine := range clones {
		rows := []*row.Row{csvRow("A-1", "Ä@x.org", "1.50", "female", "Wine;Travel", "1", "a@x.org;b@x.org", "yes"), csvRow("a+b", "b@x.org", "22.25", "male", "Travel", "", "b@x.org", "no")}
		r := rows[i%2]
		want := outcome(t, m, r)
		all.Go(func() {
			for range 100 {
				if got := outcome(t, mine, r); got != want {
					t.Errorf("got %s, want %s", got, want)
					return
				}
			}
		})
	}
	all.Wait()
}

// asking counts what the world is asked.
type asking struct {
	people
	times int
}

func (a *asking) Table(name string) (*dataverse.Table, error) {
	a.times++
	return a.people.Table(name)
}

func (a *asking) Collections() ([]dataverse.Collection, error) {
	a.times++
	return a.people.Collections()
}

// TestClonesAskNobody: each goroutine has a clone, and metadata were read once.
func TestClonesAskNobody(t *testing.T) {
	world := &asking{}
	dest := withRules(destination(config.Append), by("A", "parentcustomerid", "account", "accountid"), by("O", "ownerid", "", "domainname"), config.Column{From: "F", Associate: "new_friends", By: "name"})
	m, err := Compile(dest, contact(), []string{"A", "O", "F"}, world)
	if err != nil || world.times == 0 {
		t.Fatal(err, world.times)
	}
	world.times = 0
	r := csvRow(idA, "jo@corp", "Acme")
	m.Find = found
	if got, want := outcome(t, m.Clone(), r), outcome(t, m, r); got != want || world.times > 0 {
		t.Errorf("asked %d times, got %s, want %s", world.times, got, want)
	}
}
