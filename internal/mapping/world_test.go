package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// people is a world of accounts, contacts and activities.
type people struct{}

func (people) Table(name string) (*dataverse.Table, error) {
	switch name {
	case "account":
		return account(), nil
	case "contact":
		return contact(), nil
	case "systemuser":
		return &dataverse.Table{Name: "systemuser", Set: "systemusers", PrimaryID: "systemuserid", Columns: []dataverse.Column{
			{Name: "domainname", Type: dataverse.String, MaxLength: 1024},
		}}, nil
	}
	return nil, errors.New("there is no table " + name)
}

func (people) Collections() ([]dataverse.Collection, error) {
	return []dataverse.Collection{
		{Navigation: "accountleads_association", Table: "lead", Set: "leads"},
		{Navigation: "new_Account_Contact", Table: "contact", Set: "contacts"},
		{Navigation: "new_friends", Table: "account", Set: "accounts"},
	}, nil
}

// account is a table with lookups to itself and to others, and states.
func account() *dataverse.Table {
	state := func(n int) *int { return &n }
	both := func(name string, kind dataverse.Type) dataverse.Column {
		return dataverse.Column{Name: name, Type: kind, ForCreate: true, ForUpdate: true}
	}
	parent, customer, primary, owner := both("parentaccountid", dataverse.Lookup), both("new_payer", dataverse.Customer), both("primarycontactid", dataverse.Lookup), both("ownerid", dataverse.Owner)
	parent.Targets = []dataverse.Target{{Table: "account", Set: "accounts", Navigation: "parentaccountid"}}
	customer.Targets = []dataverse.Target{{Table: "account", Set: "accounts", Navigation: "new_Payer_account"}, {Table: "contact", Set: "contacts", Navigation: "new_Payer_contact"}}
	primary.Targets = []dataverse.Target{{Table: "contact", Set: "contacts", Navigation: "primarycontactid"}}
	owner.Targets = []dataverse.Target{{Table: "systemuser", Set: "systemusers", Navigation: "ownerid"}, {Table: "team", Set: "teams", Navigation: "ownerid"}}
	statecode, statuscode := both("statecode", dataverse.State), both("statuscode", dataverse.Status)
	statecode.ForCreate = false
	statecode.Options = []dataverse.Option{{Value: 0, Label: "Active"}, {Value: 1, Label: "Inactive"}}
	statuscode.Options = []dataverse.Option{{Value: 1, Label: "Open", State: state(0)}, {Value: 2, Label: "Closed", State: state(1)}, {Value: 3, Label: "Odd"}}
	source := both("new_source", dataverse.Picklist)
	source.Options = []dataverse.Option{{Value: 10, Label: "ERP"}, {Value: 11, Label: "Shop"}}
	name, number, size := both("name", dataverse.String), both("accountnumber", dataverse.String), both("new_no", dataverse.Integer)
	name.MaxLength, number.MaxLength = 160, 20
	once := both("new_once", dataverse.String)
	once.ForUpdate = false
	later := both("new_boss", dataverse.Lookup)
	later.ForUpdate, later.Targets = false, []dataverse.Target{{Table: "account", Set: "accounts", Navigation: "new_Boss"}}
	derived := both("new_upper", dataverse.String)
	derived.Derived, derived.ForCreate, derived.ForUpdate = true, false, false
	return &dataverse.Table{
		Name: "account", Set: "accounts", PrimaryID: "accountid", PrimaryName: "name", Type: "Standard",
		Columns: []dataverse.Column{both("accountid", dataverse.Uniqueidentifier), name, number, size, parent, customer, primary, owner, statecode, statuscode, source, once, later, derived,
			both("new_flag", dataverse.Boolean), both("new_day", dataverse.DateTime), both("new_topics", dataverse.MultiSelect)},
		Keys: []dataverse.Key{
			{Name: "number", Columns: []string{"accountnumber"}, Status: "Active"}, {Name: "no", Columns: []string{"new_no"}, Status: "Pending"},
			{Name: "sourced", Columns: []string{"new_source", "accountnumber"}, Status: "Active"},
			{Name: "under", Columns: []string{"parentaccountid", "name"}, Status: "Active"},
		},
	}
}

// email is an activity.
func email() *dataverse.Table {
	list := func(name string) dataverse.Column {
		return dataverse.Column{Name: name, Type: partyList, ForCreate: true, ForUpdate: true}
	}
	return &dataverse.Table{
		Name: "email", Set: "emails", PrimaryID: "activityid", Type: "Activity",
		Columns: []dataverse.Column{
			{Name: "activityid", Type: dataverse.Uniqueidentifier, ForCreate: true}, {Name: "subject", Type: dataverse.String, ForCreate: true, ForUpdate: true},
			list("from"), list("to"), list("cc"), list("new_people"),
			{Name: "regardingobjectid", Type: dataverse.Lookup, ForCreate: true, ForUpdate: true, Targets: []dataverse.Target{
				{Table: "account", Set: "accounts", Navigation: "regardingobjectid_account_email"}, {Table: "contact", Set: "contacts", Navigation: "regardingobjectid_contact_email"}}},
		},
	}
}

// sensor is an elastic table.
func sensor() *dataverse.Table {
	return &dataverse.Table{
		Name: "new_sensor", Set: "new_sensors", PrimaryID: "new_sensorid", Type: "Elastic",
		Columns: []dataverse.Column{
			{Name: "new_sensorid", Type: dataverse.Uniqueidentifier, ForCreate: true}, {Name: "partitionid", Type: dataverse.String, ForCreate: true},
			{Name: "new_value", Type: dataverse.Integer, ForCreate: true, ForUpdate: true},
		},
		Keys: []dataverse.Key{{Name: "KeyForNoSqlEntityWithPKPartitionId", Columns: []string{"new_sensorid", "partitionid"}, Status: "Active"}},
	}
}

func destination(mode config.Mode, key ...string) *config.Destination {
	return &config.Destination{Name: "d", Mode: mode, Key: key, Values: config.Values{Nulls: config.SkipNulls}}
}

func matching(mode config.Mode, columns ...string) *config.Destination {
	d := destination(mode)
	d.MatchOn = columns
	return d
}

func cleared(d *config.Destination) *config.Destination {
	d.Values.Nulls = config.ClearNulls
	return d
}

func filteredBy(d *config.Destination, filter ...config.Constant) *config.Destination {
	d.Filter = filter
	return d
}

const (
	idA = "aaaaaaaa-0000-4000-8000-00000000000a"
	idB = "bbbbbbbb-0000-4000-8000-00000000000b"
)

// found is a Finder that knows a few records.
func found(r Reference) []string {
	return map[string][]string{
		`account accountnumber "A-1"`: {idA}, `account accountnumber "a+b"`: {idB}, `account accountnumber "twin"`: {idA, idB}, `account name "Acme"`: {idA},
		`account new_no 7`: {idB}, `contact emailaddress1 "a@x.org"`: {idA}, `contact emailaddress1 "b@x.org"`: {idB}, `systemuser domainname "jo@corp"`: {idB},
	}[fmt.Sprintf("%s %s %s", r.Table.Name, r.Column, r.Value)]
}

// outcome is what becomes of a row: its operation and its links, a line each, or why it is rejected.
func outcome(t *testing.T, m *Mapping, r *row.Row) string {
	t.Helper()
	var op dataverse.Operation
	if reject := m.Map(r, &op); reject != nil {
		return reject.Column + ": " + reject.Code
	}
	const start = `{"row":7,"line":9,"do":`
	var lines []string
	for _, o := range append([]dataverse.Operation{op}, m.Links()...) {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		lines = append(lines, strings.TrimPrefix(string(text), start))
	}
	sameBriefly(t, m, r, start+lines[0])
	return strings.Join(lines, "\n")
}

// asked lists what a row's references are.
func asked(m *Mapping, r *row.Row) (list []string) {
	m.References(r, func(r Reference) { list = append(list, fmt.Sprintf("%s %s %s", r.Table.Name, r.Column, r.Value)) })
	return list
}
