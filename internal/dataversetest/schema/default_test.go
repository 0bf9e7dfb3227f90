package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultColumns(t *testing.T) {
	org := Default()
	for _, c := range []struct {
		table, column, kind, level string
		length                     int
	}{
		{"contact", "emailaddress1", TypeString, "None", 100},
		{"contact", "firstname", TypeString, "Recommended", 50},
		{"contact", "lastname", TypeString, "ApplicationRequired", 50},
		{"contact", "description", TypeMemo, "None", 2000},
		{"contact", "telephone1", TypeString, "None", 50},
		{"contact", "address1_city", TypeString, "None", 80},
		{"contact", "address3_line1", TypeString, "None", 250},
		{"contact", "parentcustomerid", TypeCustomer, "None", 0},
		{"contact", "annualincome_base", TypeMoney, "None", 0},
		{"contact", "ownerid", TypeOwner, "SystemRequired", 0},
		{"account", "name", TypeString, "ApplicationRequired", 160},
		{"account", "accountnumber", TypeString, "None", 20},
		{"account", "websiteurl", TypeString, "None", 200},
		{"account", "primarycontactid", TypeLookup, "None", 0},
		{"lead", "subject", TypeString, "ApplicationRequired", 300},
		{"list", "listname", TypeString, "ApplicationRequired", 128},
		{"list", "createdfromcode", TypePicklist, "SystemRequired", 0},
		{"campaignresponse", "subject", TypeString, "ApplicationRequired", 200},
		{"email", "to", TypePartyList, "None", 0},
		{"cr1_parcel", "cr1_crops", TypeMultiSelect, "None", 0},
		{"cr1_reading", "partitionid", TypeString, "None", 100},
		{"account", "versionnumber", TypeBigInt, "None", 0},
	} {
		column := org.Tables[c.table].Column(c.column)
		if column == nil {
			t.Errorf("%s.%s is missing", c.table, c.column)
			continue
		}
		if column.Type != c.kind || column.RequiredLevel != c.level || c.length > 0 && column.MaxLength != c.length {
			t.Errorf("%s.%s = %s %s %d", c.table, c.column, column.Type, column.RequiredLevel, column.MaxLength)
		}
	}
}

func TestDefaultChoices(t *testing.T) {
	org := Default()
	labels := func(table, column string) map[int]string {
		m := map[int]string{}
		for _, o := range org.Tables[table].Column(column).Options.Options {
			m[o.Value] = o.Label
		}
		return m
	}
	if diff := cmp.Diff(map[int]string{1: "Male", 2: "Female"}, labels("contact", "gendercode")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int]string{1: "Any", 2: "Email", 3: "Phone", 4: "Fax", 5: "Mail"}, labels("contact", "preferredcontactmethodcode")); diff != "" {
		t.Error(diff)
	}
	lead := org.Tables["lead"].Column("statecode").Options
	if o := lead.Option(2); o == nil || o.DefaultStatus != 4 || o.InvariantName != "Disqualified" {
		t.Errorf("lead state 2 = %+v", o)
	}
	if o := org.Tables["lead"].Column("statuscode").Options.Option(7); o == nil || o.State != 2 {
		t.Errorf("lead status 7 = %+v", o)
	}
	if d := org.Tables["list"].Column("statuscode").Default; d != 0 {
		t.Errorf("the default status of list is %v", d)
	}
}

func TestDefaultDates(t *testing.T) {
	contact := Default().Tables["contact"]
	birth, campaign := contact.Column("birthdate"), contact.Column("lastusedincampaign")
	if birth.DateTimeBehavior != "DateOnly" || birth.EdmType() != "Edm.Date" {
		t.Errorf("birthdate: %s %s", birth.DateTimeBehavior, birth.EdmType())
	}
	if campaign.Format != "DateOnly" || campaign.DateTimeBehavior != "UserLocal" || campaign.EdmType() != "Edm.DateTimeOffset" {
		t.Errorf("lastusedincampaign: %s %s %s", campaign.Format, campaign.DateTimeBehavior, campaign.EdmType())
	}
}

func TestDefaultNavigation(t *testing.T) {
	org := Default()
	for _, c := range []struct{ table, navigation, column, referenced, referencedColumn string }{
		{"contact", "parentcustomerid_account", "parentcustomerid", "account", "accountid"},
		{"contact", "parentcustomerid_contact", "parentcustomerid", "contact", "contactid"},
		{"contact", "ownerid", "ownerid", "owner", "ownerid"},
		{"account", "primarycontactid", "primarycontactid", "contact", "contactid"},
		{"cr1_parcel", "cr1_Owner_Account", "cr1_owner_account", "account", "accountid"},
		{"cr1_parcel", "cr1_Tenant_contact", "cr1_tenant", "contact", "contactid"},
		{"email", "regardingobjectid_contact_email", "regardingobjectid", "contact", "contactid"},
		{"email", "regardingobjectid_contact", "regardingobjectid", "contact", "contactid"}, // from activitypointer
		{"email", "ownerid_email", "ownerid", "owner", "ownerid"},
		{"activityparty", "activityid_email", "activityid", "email", "activityid"},
		{"activityparty", "partyid_systemuser", "partyid", "systemuser", "systemuserid"},
	} {
		r := org.Tables[c.table].Navigation(c.navigation)
		if r == nil || r.Column != c.column || r.Referenced != c.referenced || r.ReferencedColumn != c.referencedColumn || r.Referencing != c.table {
			t.Errorf("%s.%s = %+v", c.table, c.navigation, r)
		}
	}
	if r := org.Tables["contact"].Navigation("OwnerId"); r != nil {
		t.Error("navigation names are case-sensitive")
	}
	if r := org.Tables["account"].Collection("contact_customer_accounts"); r == nil || r.Referencing != "contact" {
		t.Errorf("account.contact_customer_accounts = %+v", r)
	}
	if r := org.Tables["systemuser"].Collection("owner_contacts"); r == nil || r.ReferencedColumn != "systemuserid" {
		t.Errorf("systemuser.owner_contacts = %+v", r)
	}
	if m := org.Tables["contact"].ManyNavigation("listcontact_association"); m == nil || m.Other("contact", "listcontact_association") != "list" || m.Column2 != "entityid" {
		t.Errorf("listcontact_association = %+v", m)
	}
}

func TestDefaultHoldsTogether(t *testing.T) {
	org := Default()
	ids, codes := map[string]string{}, map[int]string{}
	unique := func(id, what string) {
		if other, taken := ids[id]; taken || id == "" {
			t.Errorf("%s and %s have the MetadataId %q", what, other, id)
		}
		ids[id] = what
	}
	for _, name := range org.Names() {
		table := org.Tables[name]
		unique(table.MetadataID, name)
		if other, taken := codes[table.ObjectTypeCode]; taken {
			t.Errorf("%s and %s have the code %d", name, other, table.ObjectTypeCode)
		}
		codes[table.ObjectTypeCode] = name
		if table.Column(table.PrimaryID) == nil || table.PrimaryName != "" && table.Column(table.PrimaryName) == nil {
			t.Errorf("%s: primary columns %q, %q", name, table.PrimaryID, table.PrimaryName)
		}
		navigation := map[string]bool{}
		for _, column := range table.Columns {
			unique(column.MetadataID, name+"."+column.LogicalName)
			if column.AttributeOf != "" && table.Column(column.AttributeOf) == nil {
				t.Errorf("%s.%s shadows %s", name, column.LogicalName, column.AttributeOf)
			}
			if property := table.PropertyName(column); property != "" && table.Property(property) != column {
				t.Errorf("%s.%s is not found by its property %s", name, column.LogicalName, property)
			}
		}
		for _, r := range table.Outgoing {
			unique(r.MetadataID, r.SchemaName)
			if org.Tables[r.Referenced] == nil || table.Column(r.Column) == nil || r.SchemaName == "" || strings.Contains(r.SchemaName, "{") {
				t.Errorf("%s: relationship %+v", name, r)
			}
			if navigation[r.Navigation] {
				t.Errorf("%s has the navigation property %s twice", name, r.Navigation)
			}
			navigation[r.Navigation] = true
		}
		for _, many := range table.Many {
			link := org.Tables[many.Intersect]
			if link == nil || link.Column(many.Column1) == nil || link.Column(many.Column2) == nil {
				t.Errorf("%s: %+v", name, many)
			}
		}
	}
}

func TestKey(t *testing.T) {
	parcel := Default().Tables["cr1_parcel"]
	for _, c := range []struct {
		columns []string
		want    string
	}{
		{[]string{"cr1_no"}, "cr1_parcelno"},
		{[]string{"cr1_code", "cr1_region"}, "cr1_parcelcode"},
		{[]string{"_cr1_owner_account_value", "cr1_no"}, "cr1_ownerno"},
		{[]string{"cr1_no", "cr1_no"}, ""},
		{[]string{"cr1_code"}, ""},
		{nil, ""},
	} {
		key := parcel.Key(c.columns)
		if got := keyName(key); got != c.want {
			t.Errorf("Key(%v) = %q, want %q", c.columns, got, c.want)
		}
	}
}

func keyName(k *Key) string {
	if k == nil {
		return ""
	}
	return k.LogicalName
}

func TestPrivilege(t *testing.T) {
	org := Default()
	for table, want := range map[string]string{
		"contact": "prvCreateContact", "email": "prvCreateActivity", "task": "prvCreateActivity", "systemuser": "prvCreateUser",
		"cr1_parcel": "prvCreatecr1_Parcel", "listmember": "prvCreateList",
	} {
		if name, id := org.Tables[table].Privilege("Create"); name != want || len(id) != 36 {
			t.Errorf("%s: %s %s", table, name, id)
		}
	}
}

func TestMessages(t *testing.T) {
	org := Default()
	for table, want := range map[string]int{"contact": 3, "cr1_reading": 4, "team": 0, "listmember": 0, "cr1_parcel": 3, "cr1_parcel_tags": 0} {
		if got := len(org.Tables[table].Messages); got != want {
			t.Errorf("%s has %d bulk messages, want %d", table, got, want)
		}
	}
}

func TestStandardColumnsParse(t *testing.T) {
	for _, list := range [][]struct{ name, spec string }{standardColumns, ownerColumns, currencyColumns, elasticColumns} {
		for _, c := range list {
			if _, err := parseColumn(c.name, c.spec); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCloneIsApart(t *testing.T) {
	org := Default()
	other := org.Clone()
	if diff := cmp.Diff(org.Tables["cr1_parcel"].Columns, other.Tables["cr1_parcel"].Columns); diff != "" {
		t.Fatal(diff)
	}
	other.Tables["contact"].Column("firstname").MaxLength = 1
	other.Tables["contact"].Messages["CreateMultiple"] = false
	other.Tables["cr1_parcel"].Column("cr1_kind").Options.Options[0].Label = "changed"
	other.Tables["cr1_parcel"].Keys[0].Status = "Pending"
	if org.Tables["contact"].Column("firstname").MaxLength != 50 || !org.Tables["contact"].Messages["CreateMultiple"] ||
		org.Tables["cr1_parcel"].Column("cr1_kind").Options.Options[0].Label != "Arable" || org.Tables["cr1_parcel"].Keys[0].Status != "Active" {
		t.Error("a change of the clone shows in the original")
	}
	if other.Tables["account"].Collection("contact_customer_accounts") == org.Tables["account"].Collection("contact_customer_accounts") {
		t.Error("relationships are shared")
	}
}

func TestMerge(t *testing.T) {
	org := Default()
	added, err := LoadYAML(strings.NewReader(`
tables:
  Contact: {name: LastName, columns: {LastName: text 10}}
  x1_Visit: {columns: {x1_Contact: lookup >contact}}
many: {x1_visits: {tables: [x1_visit, account]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	org.Merge(added)
	contact := org.Tables["contact"]
	if contact.Column("firstname") != nil || contact.Column("lastname").MaxLength != 10 {
		t.Error("contact was not replaced")
	}
	if org.Tables["account"].ManyNavigation("x1_visits") == nil || org.Sets["x1_visits"] == nil {
		t.Error("the new relationship is not at both ends")
	}
	if contact.ManyNavigation("listcontact_association") == nil || contact.Collection("x1_visit_x1_contact_contact") == nil {
		t.Error("what leads to contact was lost")
	}
}
