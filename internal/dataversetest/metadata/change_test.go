package metadata

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
)

func apply(t *testing.T, org *schema.Organization, method, address, body string) (*Changed, error) {
	t.Helper()
	path, err := odata.ParsePath(address)
	if err != nil {
		t.Fatal(err)
	}
	return Apply(org, Change{Method: method, Path: path, Body: []byte(body)})
}

func mustApply(t *testing.T, org *schema.Organization, method, address, body string) *Changed {
	t.Helper()
	changed, err := apply(t, org, method, address, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	return changed
}

const newTable = `{"@odata.type":"Microsoft.Dynamics.CRM.EntityMetadata","SchemaName":"new_Category","OwnershipType":"UserOwned","HasNotes":true,"HasActivities":false,
 "DisplayName":{"@odata.type":"Microsoft.Dynamics.CRM.Label","LocalizedLabels":[{"@odata.type":"Microsoft.Dynamics.CRM.LocalizedLabel","Label":"Category","LanguageCode":1033}]},
 "Attributes":[
  {"@odata.type":"Microsoft.Dynamics.CRM.StringAttributeMetadata","SchemaName":"new_Name","IsPrimaryName":true,"RequiredLevel":{"Value":"None"},"MaxLength":200,"FormatName":{"Value":"Text"}},
  {"@odata.type":"Microsoft.Dynamics.CRM.DecimalAttributeMetadata","SchemaName":"new_Price","MinValue":0,"MaxValue":1000,"Precision":2},
  {"@odata.type":"Microsoft.Dynamics.CRM.PicklistAttributeMetadata","SchemaName":"new_Kind","OptionSet":{"@odata.type":"Microsoft.Dynamics.CRM.OptionSetMetadata","IsGlobal":false,
    "Options":[{"Value":100000000,"Label":{"LocalizedLabels":[{"Label":"One","LanguageCode":1033}]}}]}},
  {"@odata.type":"Microsoft.Dynamics.CRM.BooleanAttributeMetadata","SchemaName":"new_Flag","OptionSet":{"TrueOption":{"Value":1,"Label":{"LocalizedLabels":[{"Label":"On"}]}},"FalseOption":{"Value":0,"Label":{"LocalizedLabels":[{"Label":"Off"}]}}}}]}`

func TestCreateTable(t *testing.T) {
	org := schema.Default()
	changed := mustApply(t, org, http.MethodPost, "EntityDefinitions", newTable)
	if org.Tables["new_category"] != nil {
		t.Fatal("the organisation in use was changed")
	}
	table := changed.Organization.Sets["new_categories"]
	if table == nil || changed.Entity != "EntityDefinitions("+table.MetadataID+")" || table.PrimaryName != "new_name" || table.DisplayName != "Category" || table.ObjectTypeCode < 10000 {
		t.Fatalf("%+v", table)
	}
	for column, kind := range map[string]string{
		"new_categoryid": schema.TypeUniqueidentifier, "new_name": schema.TypeString, "new_price": schema.TypeDecimal, "new_kind": schema.TypePicklist,
		"new_flag": schema.TypeBoolean, "ownerid": schema.TypeOwner, "statecode": schema.TypeState, "new_kindname": schema.TypeVirtual,
	} {
		if c := table.Column(column); c == nil || c.Type != kind {
			t.Errorf("%s = %+v", column, c)
		}
	}
	if table.Column("new_kind").Options.Option(100000000).Label != "One" || table.Navigation("createdby") == nil || !table.Messages["CreateMultiple"] {
		t.Error("options, relationships or messages are missing")
	}
	if _, err := get(t, changed.Organization, "EntityDefinitions?$filter=SchemaName eq 'new_Category' and IsPrivate eq false"); err != nil {
		t.Error(err)
	}
}

func TestCreateParts(t *testing.T) {
	org := mustApply(t, schema.Default(), http.MethodPost, "EntityDefinitions", newTable).Organization
	base := "EntityDefinitions(LogicalName='new_category')"
	org = mustApply(t, org, http.MethodPost, base+"/Attributes", `{"@odata.type":"Microsoft.Dynamics.CRM.MoneyAttributeMetadata","SchemaName":"new_Worth"}`).Organization
	table := org.Tables["new_category"]
	if table.Column("new_worth_base") == nil || table.Column("transactioncurrencyid") == nil || table.Property("new_worth") == nil {
		t.Error("money comes with its base value and a currency")
	}
	made := mustApply(t, org, http.MethodPost, base+"/Keys", `{"SchemaName":"new_PriceKey","KeyAttributes":["new_price"]}`)
	key := made.Organization.Tables["new_category"].Key([]string{"new_price"})
	if key == nil || key.Status != "Pending" || made.Key != "new_pricekey" || !strings.HasSuffix(made.Entity, "/Keys("+key.MetadataID+")") {
		t.Fatalf("%+v %+v", key, made)
	}
	org = made.Organization.Clone()
	org.SetKeyStatus("new_category", "new_pricekey", "Active")
	if key.Status != "Pending" || org.Tables["new_category"].Keys[0].Status != "Active" {
		t.Error("the status of the key")
	}
	linked := mustApply(t, org, http.MethodPost, "RelationshipDefinitions", `{"@odata.type":"Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata","SchemaName":"new_account_category",
		"ReferencedEntity":"account","ReferencingEntity":"new_category","ReferencedAttribute":"accountid","CascadeConfiguration":{"Delete":"Restrict"},
		"Lookup":{"@odata.type":"Microsoft.Dynamics.CRM.LookupAttributeMetadata","SchemaName":"new_AccountId","DisplayName":{"LocalizedLabels":[]}}}`)
	org = linked.Organization
	r := org.Tables["new_category"].Navigation("new_AccountId")
	if r == nil || r.Delete != "Restrict" || org.Tables["account"].Collection("new_account_category") != r || linked.Entity != "RelationshipDefinitions("+r.MetadataID+")" {
		t.Fatalf("%+v %s", r, linked.Entity)
	}
	org = mustApply(t, org, http.MethodPost, "RelationshipDefinitions", `{"SchemaName":"new_category_contact","IntersectEntityName":"new_category_contact","Entity1LogicalName":"new_category","Entity2LogicalName":"contact"}`).Organization
	if org.Tables["contact"].ManyNavigation("new_category_contact") == nil || !org.Tables["new_category_contact"].IsIntersect {
		t.Error("the many-to-many relationship")
	}
	org = mustApply(t, org, http.MethodDelete, "RelationshipDefinitions("+r.MetadataID+")", "").Organization
	if org.Tables["new_category"].Column("new_accountid") != nil || org.Tables["account"].Collection("new_account_category") != nil {
		t.Error("the lookup outlived its relationship")
	}
	org = mustApply(t, org, http.MethodDelete, base+"/Attributes(LogicalName='new_price')", "").Organization
	if org.Tables["new_category"].Column("new_price") != nil || len(org.Tables["new_category"].Keys) != 0 {
		t.Error("a key outlived its column")
	}
	org = mustApply(t, org, http.MethodDelete, "EntityDefinitions("+org.Tables["new_category"].MetadataID+")", "").Organization
	if org.Tables["new_category"] != nil || org.Tables["new_category_contact"] != nil || org.Tables["contact"].ManyNavigation("new_category_contact") != nil {
		t.Error("something of the table is left")
	}
}

func TestChangesRefused(t *testing.T) {
	for _, c := range []struct {
		name, method, address, body string
		status                      int
	}{
		{"not JSON", http.MethodPost, "EntityDefinitions", "{", 400},
		{"no prefix", http.MethodPost, "EntityDefinitions", strings.ReplaceAll(newTable, "new_Category", "Category"), 400},
		{"table again", http.MethodPost, "EntityDefinitions", strings.ReplaceAll(newTable, "new_Category", "cr1_Parcel"), 400},
		{"no primary name", http.MethodPost, "EntityDefinitions", `{"SchemaName":"new_A"}`, 400},
		{"column again", http.MethodPost, "EntityDefinitions(LogicalName='cr1_parcel')/Attributes", `{"@odata.type":"x.StringAttributeMetadata","SchemaName":"cr1_No"}`, 400},
		{"choice without options", http.MethodPost, "EntityDefinitions(LogicalName='cr1_parcel')/Attributes", `{"@odata.type":"x.PicklistAttributeMetadata","SchemaName":"cr1_New"}`, 400},
		{"text too long", http.MethodPost, "EntityDefinitions(LogicalName='cr1_parcel')/Attributes", `{"@odata.type":"x.StringAttributeMetadata","SchemaName":"cr1_New","MaxLength":4001}`, 400},
		{"key again", http.MethodPost, "EntityDefinitions(LogicalName='cr1_parcel')/Keys", `{"SchemaName":"cr1_K","KeyAttributes":["cr1_no"]}`, 400},
		{"key of a memo", http.MethodPost, "EntityDefinitions(LogicalName='cr1_parcel')/Keys", `{"SchemaName":"cr1_K","KeyAttributes":["cr1_notes"]}`, 400},
		{"key of an elastic table", http.MethodPost, "EntityDefinitions(LogicalName='cr1_reading')/Keys", `{"SchemaName":"cr1_K","KeyAttributes":["cr1_sensor"]}`, 400},
		{"unknown table", http.MethodPost, "EntityDefinitions(LogicalName='nothing')/Keys", `{}`, 404},
		{"system table", http.MethodDelete, "EntityDefinitions(LogicalName='contact')", "", 400},
		{"system column", http.MethodDelete, "EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='firstname')", "", 400},
		{"relationship to nothing", http.MethodPost, "RelationshipDefinitions", `{"SchemaName":"new_a","ReferencedEntity":"x","ReferencingEntity":"y","Lookup":{"SchemaName":"new_B"}}`, 404},
		{"no such end point", http.MethodPost, "EntityDefinitions(LogicalName='contact')/Shoes", `{}`, 405},
		{"another method", http.MethodPatch, "EntityDefinitions(LogicalName='contact')", `{}`, 405},
		{"another type", http.MethodPut, "EntityDefinitions(LogicalName='cr1_parcel')/Attributes(LogicalName='cr1_no')", `{"AttributeType":"String"}`, 400},
		{"choice in use", http.MethodDelete, "GlobalOptionSetDefinitions(Name='cr1_soil')", "", 400},
		{"choice again", http.MethodPost, "GlobalOptionSetDefinitions", `{"Name":"cr1_soil"}`, 400},
		{"unknown choice", http.MethodPost, "EntityDefinitions(LogicalName='cr1_parcel')/Attributes",
			`{"@odata.type":"x.PicklistAttributeMetadata","SchemaName":"cr1_New","GlobalOptionSet@odata.bind":"/GlobalOptionSetDefinitions(Name='cr1_none')"}`, 404},
		{"no tables", http.MethodPost, "CreateEntities", `{"Entities":[]}`, 400},
	} {
		_, err := apply(t, shared, c.method, c.address, c.body)
		var refused *odata.Error
		if !errors.As(err, &refused) || refused.Status != c.status {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzApply(f *testing.F) {
	f.Add("EntityDefinitions", newTable)
	f.Add("EntityDefinitions(LogicalName='cr1_tag')/Attributes", `{"@odata.type":"x.MoneyAttributeMetadata","SchemaName":"cr1_New"}`)
	f.Add("EntityDefinitions(LogicalName='cr1_tag')/Keys", `{"SchemaName":"cr1_K","KeyAttributes":["cr1_kind"]}`)
	f.Add("RelationshipDefinitions", `{"SchemaName":"cr1_a","ReferencedEntity":"cr1_tag","ReferencingEntity":"cr1_tag","Lookup":{"SchemaName":"cr1_B"}}`)
	small, err := schema.LoadYAML(strings.NewReader("tables: {cr1_Tag: {columns: {cr1_Kind: {type: choice, options: {1: A}}}}}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address, body string) {
		path, err := odata.ParsePath(address)
		if err != nil {
			return
		}
		changed, err := Apply(small, Change{Method: http.MethodPost, Path: path, Body: []byte(body)})
		var refused *odata.Error
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if err == nil {
			if _, err := Get(changed.Organization, Request{Path: []odata.Segment{{Name: "EntityDefinitions"}}, Query: &odata.Query{Expand: []odata.Expand{{Name: "Attributes"}}}}); err != nil {
				t.Error(err)
			}
		}
	})
}
