package schema

import (
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readReal(t testing.TB, name string) *Organization {
	t.Helper()
	file, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	org, err := LoadCSDL(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return org
}

const (
	v9 = "dataverse-metadata-v9.1.xml.gz"
	v8 = "dynamics-crm-metadata-v8-de.xml.gz"
)

func TestLoadCSDLInFull(t *testing.T) {
	for _, c := range []struct {
		name                string
		tables, keys, manys int
		sets                int
	}{
		// 299 and 280 types, of which 31 and 29 describe metadata; crmbaseentity is no table; some many-to-many tables are not declared.
		{v9, 268, 19, 28, 267},
		{v8, 255, 0, 66, 254},
	} {
		t.Run(c.name, func(t *testing.T) {
			org := readReal(t, c.name)
			var keys, manys int
			for _, name := range org.Names() {
				table := org.Tables[name]
				keys += len(table.Keys)
				manys += len(table.Many)
				if table.PrimaryID == "" || table.Column(table.PrimaryID) == nil {
					t.Errorf("%s has no id", name)
				}
				for _, r := range table.Outgoing {
					if org.Tables[r.Referenced] == nil || table.Column(r.Column) == nil {
						t.Errorf("%s: %+v leads nowhere", name, r)
					}
				}
			}
			if len(org.Tables) != c.tables || keys != c.keys || manys != c.manys || len(org.Sets) != c.sets {
				t.Errorf("%d tables, %d sets, %d keys, %d ends of many-to-many", len(org.Tables), len(org.Sets), keys, manys)
			}
		})
	}
}

func TestLoadCSDLContact(t *testing.T) {
	for _, name := range []string{v9, v8} {
		t.Run(name, func(t *testing.T) {
			org := readReal(t, name)
			contact := org.Sets["contacts"]
			if contact == nil || contact.PrimaryID != "contactid" || contact.PrimaryName != "fullname" || contact.OwnershipType != "UserOwned" {
				t.Fatalf("%+v", contact)
			}
			customer := contact.Column("parentcustomerid")
			if customer == nil || customer.Type != TypeCustomer || len(customer.Targets) != 2 || contact.Property("_parentcustomerid_value") != customer {
				t.Errorf("parentcustomerid = %+v", customer)
			}
			for navigation, target := range map[string]string{"parentcustomerid_account": "account", "parentcustomerid_contact": "contact", "ownerid": "owner"} {
				if r := contact.Navigation(navigation); r == nil || r.Referenced != target {
					t.Errorf("%s = %+v", navigation, r)
				}
			}
			for column, want := range map[string]string{
				"createdon": TypeDateTime, "statecode": TypeState, "statuscode": TypeStatus, "donotemail": TypeBoolean, "birthdate": TypeDateTime,
				"annualincome": TypeMoney, "annualincome_base": TypeMoney, "address1_latitude": TypeDouble, "versionnumber": TypeBigInt,
				"ownerid": TypeOwner, "entityimage": TypeImage, "exchangerate": TypeDecimal,
			} {
				if c := contact.Column(column); c == nil || c.Type != want {
					t.Errorf("%s = %+v, want %s", column, c, want)
				}
			}
			for column, writable := range map[string]bool{"createdon": false, "versionnumber": false, "firstname": true, "ownerid": true, "annualincome_base": false, "transactioncurrencyid": true} {
				if c := contact.Column(column); c.ForCreate != writable {
					t.Errorf("%s writable: %t", column, c.ForCreate)
				}
			}
			user := org.Sets["systemusers"]
			if user == nil || user.PrimaryID != "systemuserid" || user.Column("ownerid") != nil {
				t.Errorf("systemuser: %+v", user)
			}
		})
	}
}

func TestLoadCSDLInheritance(t *testing.T) {
	org := readReal(t, v8)
	response := org.Sets["campaignresponses"]
	if response == nil || !response.IsActivity || response.PrimaryID != "activityid" || response.Column("subject") == nil || response.Column("ownerid") == nil {
		t.Fatalf("%+v", response)
	}
	for navigation, target := range map[string]string{
		"regardingobjectid_campaign_campaignresponse": "campaign", "createdby_campaignresponse": "systemuser",
		"originatingactivityid_phonecall": "phonecall", // no constraint: the key of phonecall is inherited
	} {
		if r := response.Navigation(navigation); r == nil || r.Referenced != target {
			t.Errorf("%s = %+v", navigation, r)
		}
	}
	if many := org.Tables["contact"].ManyNavigation("listcontact_association"); many == nil || many.Other("contact", "listcontact_association") != "list" {
		t.Errorf("listcontact_association = %+v", many)
	}
}

func TestLoadCSDLNames(t *testing.T) {
	org := readReal(t, v9)
	if r := org.Tables["canvasapp"].Navigation("FK_CanvasApp_Solution"); r == nil || r.Column != "solutionid" || r.Referenced != "solution" {
		t.Errorf("FK_CanvasApp_Solution = %+v", r)
	}
	for _, set := range []string{"activityparties", "applicationuserroleset", "appmodulerolescollection"} {
		if org.Sets[set] == nil {
			t.Errorf("the set %s is missing", set)
		}
	}
	if key := org.Tables["canvasapp"].Key([]string{"componentstate", "name", "overwritetime"}); key == nil {
		t.Errorf("keys of canvasapp: %+v", org.Tables["canvasapp"].Keys)
	}
}

func TestEnrich(t *testing.T) {
	org := readReal(t, v9)
	before := org.Tables["contact"].Navigation("parentcustomerid_account")
	org.Enrich(Default())
	contact := org.Tables["contact"]
	if c := contact.Column("emailaddress1"); c.MaxLength != 100 || c.SchemaName != "EMailAddress1" {
		t.Errorf("%+v", c)
	}
	if c := contact.Column("gendercode"); c.Type != TypePicklist || c.Options.Option(2) == nil {
		t.Errorf("%+v", c)
	}
	if r := contact.Navigation("parentcustomerid_account"); r == nil || r.Collection != before.Collection {
		t.Errorf("%+v", r)
	}
	if contact.Column("originatingleadid") != nil {
		t.Error("the environment has no leads")
	}
}

const small = `<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="crmbaseentity" Abstract="true"/>
<EntityType Name="cr1_parcel" BaseType="mscrm.crmbaseentity"><Key><PropertyRef Name="cr1_parcelid"/></Key>
<Property Name="cr1_parcelid" Type="Edm.Guid"/><Property Name="_cr1_owner_account_value" Type="Edm.Guid"/>
<Property Name="cr1_total" Type="Edm.Decimal"><Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/>
<Annotation Term="Org.OData.Core.V1.Permissions"><EnumMember>Org.OData.Core.V1.PermissionType/Read</EnumMember></Annotation></Property>
<NavigationProperty Name="cr1_Owner_Account" Type="mscrm.cr1_parcel" Nullable="false" Partner="x"><ReferentialConstraint Property="_cr1_owner_account_value" ReferencedProperty="cr1_parcelid"/></NavigationProperty>
</EntityType>
<Action Name="CreateMultiple" IsBound="true"><Parameter Name="entityset" Type="Collection(mscrm.cr1_parcel)"/></Action>
<EntityContainer Name="System"><EntitySet Name="cr1_parcelset" EntityType="Microsoft.Dynamics.CRM.cr1_parcel"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>`

func TestLoadCSDLSmall(t *testing.T) {
	org, err := LoadCSDL(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	parcel := org.Sets["cr1_parcelset"]
	if parcel == nil || parcel.Column("cr1_total").ForCreate || parcel.Navigation("cr1_Owner_Account") == nil {
		t.Fatalf("%+v", parcel)
	}
	if diff := cmp.Diff(map[string]bool{"CreateMultiple": true}, parcel.Messages); diff != "" {
		t.Error(diff)
	}
}

func TestLoadCSDLRefuses(t *testing.T) {
	for name, source := range map[string]string{
		"not XML":        "{}",
		"another page":   "<html><body>Sign in</body></html>",
		"cut off":        small[:len(small)/2],
		"unnamed type":   strings.Replace(small, `Name="cr1_parcel"`, "", 1),
		"unnamed column": strings.Replace(small, `<Property Name="cr1_total"`, "<Property", 1),
	} {
		if _, err := LoadCSDL(strings.NewReader(source)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLoadCSDLCycle(t *testing.T) {
	source := strings.Replace(small, `BaseType="mscrm.crmbaseentity"`, `BaseType="mscrm.cr1_parcel"`, 1)
	if _, err := LoadCSDL(strings.NewReader(source)); err != nil {
		t.Error(err)
	}
}

func BenchmarkLoadCSDL(b *testing.B) {
	file, err := os.Open("testdata/" + v8)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		b.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := LoadCSDL(strings.NewReader(string(data))); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzLoadCSDL(f *testing.F) {
	f.Add(small)
	f.Add(small[:len(small)/2])
	f.Add(`<Schema Namespace="x"><EntityType Name="a" BaseType="x.a"><NavigationProperty Name="n" Partner="n" Type="Collection(x.a)"/></EntityType></Schema>`)
	f.Fuzz(func(t *testing.T, source string) {
		org, err := LoadCSDL(strings.NewReader(source))
		if err == nil {
			org.Enrich(org)
		}
	})
}
