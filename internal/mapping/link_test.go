package mapping

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// TestStates: a state is written when the record is there (rule W4), by one update with whatever else waits.
func TestStates(t *testing.T) {
	const key, a2 = "accountnumber", `"key":[{"column":"accountnumber","value":"A-2"}],"set":`
	upsert := destination(config.Upsert, key)
	columns := []string{key, "statecode", "statuscode"}
	check(t, []worldCase{
		{"both", account(), upsert, columns, csvRow("A-2", "1", "2"), nil, `"upsert",` + a2 + `{}}` + "\n" + `"update","set":{"statecode":1,"statuscode":2}}`},
		{"by label", account(), upsert, columns, csvRow("A-2", "Inactive", "closed"), nil, `"upsert",` + a2 + `{}}` + "\n" + `"update","set":{"statecode":1,"statuscode":2}}`},
		{"a status implies its state", account(), upsert, columns, csvRow("A-2", "", "Closed"), nil, `"upsert",` + a2 + `{}}` + "\n" + `"update","set":{"statecode":1,"statuscode":2}}`},
		{"a status of no known state", account(), upsert, columns, csvRow("A-2", "", "3"), nil, `"upsert",` + a2 + `{}}` + "\n" + `"update","set":{"statuscode":3}}`},
		{"a state alone", account(), upsert, columns, csvRow("A-2", "1", ""), nil, `"upsert",` + a2 + `{}}` + "\n" + `"update","set":{"statecode":1}}`},
		{"neither", account(), cleared(destination(config.Upsert, key)), columns, csvRow("A-2", "", ""), nil, `"upsert",` + a2 + `{}}`},
		{"contradiction", account(), upsert, columns, csvRow("A-2", "Active", "Closed"), nil, `statuscode: state_contradiction`},
		{"unknown", account(), upsert, columns, csvRow("A-2", "9", ""), nil, `statecode: unknown_choice`},
		{"at once where records exist", account(), destination(config.Update, key), columns, csvRow("A-2", "", "2"), nil, `"update",` + a2 + `{"statecode":1,"statuscode":2}}`},
		{"contradiction where records exist", account(), destination(config.Update, key), columns, csvRow("A-2", "0", "2"), nil, `statuscode: state_contradiction`},
		{"not when deleting", account(), destination(config.Delete, key), columns, csvRow("A-2", "1", "2"), nil, `"delete",` + a2 + `{}}`},
		{"with a parent", account(), upsert, append([]string{"parentaccountid"}, columns...), csvRow(idA, "A-2", "1", ""), nil,
			`"upsert",` + a2 + `{}}` + "\n" + `"update","set":{"parentaccountid@odata.bind":"/accounts(` + idA + `)","statecode":1}}`},
		{"appended", account(), destination(config.Append), columns, csvRow("A-2", "1", ""), nil, `"create","set":{"accountnumber":"A-2"}}` + "\n" + `"update","set":{"statecode":1}}`},
	})
}

// TestLinksOfTheNextRow: what one row links says nothing of the next.
func TestLinksOfTheNextRow(t *testing.T) {
	m := compileIn(t, account(), destination(config.Append), "name", "parentaccountid")
	outcome(t, m, csvRow("A", idA))
	for _, r := range []*row.Row{csvRow("B", ""), csvRow("B", "nobody")} {
		var op dataverse.Operation
		if reject := m.Map(r, &op); reject == nil && len(m.Links()) > 0 {
			t.Errorf("%+v", m.Links())
		}
	}
	bad := csvRow("C", idA)
	bad.Reject = &row.Reject{Code: "ragged"}
	if m.Map(bad, &dataverse.Operation{}) == nil || len(m.Links()) > 0 || len(m.Key()) > 0 {
		t.Errorf("links %+v, key %q of a row that was not mapped", m.Links(), m.Key())
	}
}

func TestAssociations(t *testing.T) {
	rule := config.Column{From: "Friends", Associate: "new_Account_Contact", By: "emailaddress1"}
	byID := config.Column{From: "Friends", Associate: "new_Account_Contact", Table: "contact", Separator: "|"}
	own := config.Column{From: "Friends", Associate: "new_friends", By: "accountnumber"}
	key := config.Column{From: "No", To: "accountnumber"}
	into := func(mode config.Mode, rule config.Column) *config.Destination {
		return withRules(destination(mode, "accountnumber"), key, rule)
	}
	columns := []string{"No", "Friends"}
	const a2 = `"key":[{"column":"accountnumber","value":"A-2"}],"set":{}}`
	joined := func(navigation, to string) string {
		return "\n" + `"associate","set":null,"link":{"navigation":"` + navigation + `","to":"` + to + `"}}`
	}
	check(t, []worldCase{
		{"by column", account(), into(config.Upsert, rule), columns, csvRow("A-2", " a@x.org ;; b@x.org;a@x.org"),
			[]string{`contact emailaddress1 "a@x.org"`, `contact emailaddress1 "b@x.org"`, `contact emailaddress1 "a@x.org"`},
			`"upsert",` + a2 + joined("new_Account_Contact", "contacts("+idA+")") + joined("new_Account_Contact", "contacts("+idB+")")},
		{"by id, with another separator", account(), into(config.Update, byID), columns, csvRow("A-2", idA+"|"+idB), nil,
			`"update",` + a2 + joined("new_Account_Contact", "contacts("+idA+")") + joined("new_Account_Contact", "contacts("+idB+")")},
		{"none", account(), cleared(into(config.Upsert, rule)), columns, csvRow("A-2", ""), nil, `"upsert",` + a2},
		{"one not found", account(), into(config.Upsert, rule), columns, csvRow("A-2", "a@x.org;c@x.org"),
			[]string{`contact emailaddress1 "a@x.org"`, `contact emailaddress1 "c@x.org"`}, `Friends: lookup_not_found`},
		{"one not found, empty", account(), into(config.Upsert, orEmpty(rule)), columns, csvRow("A-2", "c@x.org;a@x.org"),
			[]string{`contact emailaddress1 "c@x.org"`, `contact emailaddress1 "a@x.org"`}, `"upsert",` + a2 + joined("new_Account_Contact", "contacts("+idA+")")},
		{"to rows of the same file", account(), into(config.Upsert, own), columns, csvRow("A-2", "A-9"), nil, `"upsert",` + a2 + joined("new_friends", "accounts(accountnumber='A-9')")},
		{"a list of JSON", account(), into(config.Upsert, rule), columns, jsonRow(`"A-2"`, "[]"), nil, `Friends: nested_value`},
	})
	m := compileIn(t, account(), into(config.Upsert, rule), columns...)
	if diff := cmp.Diff([]Used{{"No", "accountnumber"}, {"Friends", "new_Account_Contact"}}, m.Columns()); diff != "" {
		t.Error(diff)
	}
}

func TestParties(t *testing.T) {
	from := config.Column{From: "From", To: "from", Table: "systemuser", By: "domainname", Party: "from"}
	to := config.Column{From: "To", To: "to", Table: "contact", By: "emailaddress1"}
	accounts := config.Column{From: "Firms", To: "to", Table: "account", Party: "to", Separator: ","}
	subject := config.Column{From: "S", To: "subject"}
	dest := func(mode config.Mode) *config.Destination {
		return withRules(destination(mode), subject, from, orEmpty(to), accounts)
	}
	columns := []string{"Firms", "To", "S", "From"}
	party := func(table, set, id, mask string) string {
		return `{"partyid_` + table + `@odata.bind":"/` + set + `(` + id + `)","participationtypemask":` + mask + `}`
	}
	check(t, []worldCase{
		{"all roles are one list", email(), dest(config.Append), columns, csvRow(idB+", "+idB, "a@x.org; c@x.org", "Hi", "jo@corp"),
			[]string{`contact emailaddress1 "a@x.org"`, `contact emailaddress1 "c@x.org"`, `systemuser domainname "jo@corp"`},
			`"create","set":{"subject":"Hi","email_activity_parties":[` + party("account", "accounts", idB, "2") + `,` + party("contact", "contacts", idA, "2") + `,` + party("systemuser", "systemusers", idB, "1") + `]}}`},
		{"nobody", email(), dest(config.Truncate), columns, csvRow("", "c@x.org", "Hi", ""), []string{`contact emailaddress1 "c@x.org"`}, `"create","set":{"subject":"Hi"}}`},
		{"not there", email(), dest(config.Append), columns, csvRow("", "", "Hi", "who@corp"), []string{`systemuser domainname "who@corp"`}, `From: lookup_not_found`},
		{"no id", email(), dest(config.Append), columns, csvRow("Acme", "", "Hi", ""), nil, `Firms: not_a_guid`},
	})
	// Those of an activity that may exist are a call of their own.
	known := func(mode config.Mode) *config.Destination {
		id := config.Column{From: "Id", To: "activityid"}
		return withRules(destination(mode, "activityid"), id, subject, orEmpty(to), accounts)
	}
	columns = []string{"Firms", "To", "S", "Id"}
	record := func(verb string) string { return `"` + verb + `","id":"` + idA + `","set":{"subject":"Hi"}}` }
	replaced := func(list string) string {
		return "\n" + `"update","set":{"email_activity_parties":[` + list + `]}}`
	}
	check(t, []worldCase{
		{"replaced", email(), known(config.Upsert), columns, csvRow(idB, "a@x.org", "Hi", idA), []string{`contact emailaddress1 "a@x.org"`},
			record("upsert") + replaced(party("account", "accounts", idB, "2")+","+party("contact", "contacts", idA, "2"))},
		{"replaced by an update", email(), known(config.Update), columns, csvRow(idB, "", "Hi", idA), nil,
			record("update") + replaced(party("account", "accounts", idB, "2"))},
		{"left as they are", email(), known(config.Upsert), columns, csvRow("", "c@x.org", "Hi", idA), []string{`contact emailaddress1 "c@x.org"`}, record("upsert")},
		{"removed", email(), cleared(known(config.Upsert)), columns, csvRow("", "", "Hi", idA), nil, record("upsert") + replaced("")},
	})
}

// missing: empty of links that only the second pass can tell about.
func TestLenient(t *testing.T) {
	friends := func(from string, missing config.Missing) config.Column {
		return config.Column{From: from, Associate: "new_friends", By: "accountnumber", Missing: missing}
	}
	parent := by("Parent", "parentaccountid", "", "accountnumber")
	leads := config.Column{From: "Leads", Associate: "new_Account_Contact", By: "emailaddress1", Missing: config.MissingEmpty}
	for _, c := range []struct {
		name  string
		rules []config.Column
		want  []Lenient
	}{
		{"strict", []config.Column{parent, friends("F", "")}, nil},
		{"by key", []config.Column{orEmpty(parent)}, []Lenient{{Link: "parentaccountid@odata.bind"}}},
		{"by id", []config.Column{{From: "Parent", To: "parentaccountid", Missing: config.MissingEmpty}}, []Lenient{{Link: "parentaccountid@odata.bind"}}},
		{"association", []config.Column{friends("F", config.MissingEmpty), friends("G", config.MissingEmpty)}, []Lenient{{Link: "new_friends"}}},
		{"association that is strict too", []config.Column{friends("F", config.MissingEmpty), friends("G", "")}, nil},
		{"of another table: prepare has looked", []config.Column{leads}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := config.Column{From: "No", To: "accountnumber"}
			columns := []string{"No"}
			for _, rule := range c.rules {
				columns = append(columns, rule.From)
			}
			m := compileIn(t, account(), withRules(destination(config.Upsert, "accountnumber"), append([]config.Column{key}, c.rules...)...), columns...)
			if diff := cmp.Diff(c.want, m.Lenient()); diff != "" {
				t.Error(diff)
			}
		})
	}
	m := compileIn(t, account(), cleared(withRules(destination(config.Append), orEmpty(parent))), "Parent")
	if diff := cmp.Diff([]Lenient{{Link: "parentaccountid@odata.bind", Clears: true}}, m.Lenient()); diff != "" {
		t.Error(diff)
	}
}

// FuzzLinks: whatever stands in the cells, what is linked is valid JSON and names one record each.
func FuzzLinks(f *testing.F) {
	for _, s := range []string{"A-1", "a+b", "O'Neil", `"}`, "x;y", "\x00", "ä ö", "accounts(1)", "\\", "twin"} {
		f.Add(s, s)
	}
	rules := []config.Column{by("P", "parentaccountid", "", "accountnumber"), {From: "F", Associate: "new_friends", By: "accountnumber"}}
	m, err := Compile(withRules(destination(config.Append), rules...), account(), []string{"P", "F"}, people{})
	if err != nil {
		f.Fatal(err)
	}
	m.Find = found
	address := regexp.MustCompile(`^accounts\([^\x00-\x20"\\\x7f]+\)$`)
	f.Fuzz(func(t *testing.T, parent, friends string) {
		var op dataverse.Operation
		if reject := m.Map(csvRow(parent, friends), &op); reject != nil {
			return
		}
		for _, link := range m.Links() {
			if link.Link != nil && !address.MatchString(link.Link.To) || link.Link == nil && !json.Valid(link.Set) {
				t.Fatalf("%+v, %s", link.Link, link.Set)
			}
		}
	})
}
