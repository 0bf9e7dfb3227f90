package metadata

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"

	"github.com/google/go-cmp/cmp"
)

const root = "https://acme.crm4.dynamics.com/api/data/v9.2/"

// get asks as a client would, with the URL below the service root.
func get(t testing.TB, org *schema.Organization, address string) (map[string]any, error) {
	t.Helper()
	path, query, _ := strings.Cut(address, "?")
	segments, err := odata.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	escaped := strings.NewReplacer(" ", "%20", "'", "%27").Replace(query)
	q, err := odata.ParseQuery(escaped)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	data, err := Get(org, Request{Root: root, Path: segments, Query: q})
	if err != nil {
		return nil, err
	}
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return body, nil
}

// read expects success, and follows a path of members and indexes through the answer.
func read(t testing.TB, address string) map[string]any {
	t.Helper()
	body, err := get(t, shared, address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return body
}

var shared = schema.Default()

// at follows names and indexes; nil where they lead nowhere.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func TestTable(t *testing.T) {
	got := read(t, "EntityDefinitions(LogicalName='cr1_parcel')?$select=LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,TableType,OwnershipType,IsActivity,ChangeTrackingEnabled,IsOptimisticConcurrencyEnabled,ObjectTypeCode")
	table := shared.Tables["cr1_parcel"]
	want := map[string]any{
		"@odata.context": root + "$metadata#EntityDefinitions(LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,TableType,OwnershipType,IsActivity,ChangeTrackingEnabled,IsOptimisticConcurrencyEnabled,ObjectTypeCode)/$entity",
		"LogicalName":    "cr1_parcel", "SchemaName": "cr1_Parcel", "EntitySetName": "cr1_parcels", "PrimaryIdAttribute": "cr1_parcelid",
		"PrimaryNameAttribute": "cr1_name", "TableType": "Standard", "OwnershipType": "UserOwned", "IsActivity": false,
		"ChangeTrackingEnabled": true, "IsOptimisticConcurrencyEnabled": true, "ObjectTypeCode": float64(table.ObjectTypeCode), "MetadataId": table.MetadataID,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, address := range []string{"EntityDefinitions(" + table.MetadataID + ")", "EntityDefinitions(" + strings.ToUpper(table.MetadataID) + ")", "EntityDefinitions(SchemaName='cr1_Parcel')"} {
		if body := read(t, address); body["LogicalName"] != "cr1_parcel" || at(body, "DisplayName", "UserLocalizedLabel", "Label") != "Parcel" {
			t.Errorf("%s = %v", address, body["LogicalName"])
		}
	}
}

func TestFilters(t *testing.T) {
	names := func(address string) []string {
		var list []string
		for _, v := range read(t, address)["value"].([]any) {
			list = append(list, at(v, "LogicalName").(string))
		}
		return list
	}
	for _, c := range []struct {
		address string
		want    []string
	}{
		{"EntityDefinitions?$select=LogicalName&$filter=IsIntersect eq true and startswith(LogicalName,'team')", []string{"teammembership", "teamroles"}},
		{"EntityDefinitions?$select=LogicalName&$filter=LogicalName in ('contact','account')", []string{"account", "contact"}},
		{"EntityDefinitions?$select=LogicalName&$filter=EntitySetName eq 'contacts'", []string{"contact"}},
		{"EntityDefinitions?$filter=ObjectTypeCode le 2", []string{"account", "contact"}},
		{"EntityDefinitions?$filter=TableType eq 'Elastic' and OwnershipType eq Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'", []string{"cr1_reading"}},
		{"EntityDefinitions?$filter=IsCustomizable/Value eq true and not (PrimaryNameAttribute ne null) and LogicalName eq 'listmember'", []string{"listmember"}},
		{"EntityDefinitions(LogicalName='contact')/Attributes?$filter=AttributeType eq Microsoft.Dynamics.CRM.AttributeTypeCode'Customer'", []string{"parentcustomerid"}},
		{"EntityDefinitions(LogicalName='contact')/Attributes?$filter=IsPrimaryName eq true", []string{"fullname"}},
	} {
		if got := names(c.address); !slices.Equal(got, c.want) {
			t.Errorf("%s = %v", c.address, got)
		}
	}
}

func TestColumns(t *testing.T) {
	body := read(t, "EntityDefinitions(LogicalName='cr1_parcel')/Attributes?$select=LogicalName,AttributeType,AttributeTypeName,AttributeOf,IsValidForCreate,RequiredLevel,SourceType")
	byName := map[string]any{}
	for _, v := range body["value"].([]any) {
		byName[at(v, "LogicalName").(string)] = v
	}
	want := map[string]any{
		"@odata.type": "#Microsoft.Dynamics.CRM.StringAttributeMetadata", "LogicalName": "cr1_name", "AttributeType": "String",
		"AttributeTypeName": map[string]any{"Value": "StringType"}, "AttributeOf": nil, "IsValidForCreate": true, "SourceType": float64(0),
		"RequiredLevel": map[string]any{"Value": "ApplicationRequired", "CanBeChanged": true, "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings"},
		"MetadataId":    shared.Tables["cr1_parcel"].Column("cr1_name").MetadataID,
	}
	if diff := cmp.Diff(want, byName["cr1_name"]); diff != "" {
		t.Error(diff)
	}
	for column, path := range map[string][3]string{
		"cr1_crops": {"#Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata", "Virtual", "MultiSelectPicklistType"},
		"cr1_photo": {"#Microsoft.Dynamics.CRM.ImageAttributeMetadata", "Virtual", "ImageType"},
		"ownerid":   {"#Microsoft.Dynamics.CRM.LookupAttributeMetadata", "Owner", "OwnerType"},
		"statecode": {"#Microsoft.Dynamics.CRM.StateAttributeMetadata", "State", "StateType"},
	} {
		v := byName[column]
		if at(v, "@odata.type") != path[0] || at(v, "AttributeType") != path[1] || at(v, "AttributeTypeName", "Value") != path[2] {
			t.Errorf("%s = %v", column, v)
		}
	}
	if at(byName["cr1_kindname"], "AttributeOf") != "cr1_kind" {
		t.Errorf("cr1_kindname = %v", byName["cr1_kindname"])
	}
}

func TestCasts(t *testing.T) {
	for cast, c := range map[string]struct {
		column string
		want   map[string]any
	}{
		"StringAttributeMetadata":           {"cr1_website", map[string]any{"MaxLength": 200.0, "Format": "Url", "DatabaseLength": 400.0}},
		"MemoAttributeMetadata":             {"cr1_notes", map[string]any{"MaxLength": 5000.0}},
		"IntegerAttributeMetadata":          {"cr1_no", map[string]any{"MinValue": 0.0, "MaxValue": 1e9}},
		"BigIntAttributeMetadata":           {"cr1_visits", map[string]any{"MinValue": -9223372036854775808.0}},
		"DecimalAttributeMetadata":          {"cr1_areaha", map[string]any{"Precision": 3.0, "MaxValue": 100000.0}},
		"DoubleAttributeMetadata":           {"cr1_slopedegrees", map[string]any{"MinValue": -90.0}},
		"MoneyAttributeMetadata":            {"cr1_value_base", map[string]any{"IsBaseCurrency": true, "CalculationOf": "cr1_value"}},
		"LookupAttributeMetadata":           {"cr1_tenant", map[string]any{"Targets": []any{"account", "contact"}}},
		"BooleanAttributeMetadata":          {"cr1_isleased", map[string]any{"DefaultValue": false}},
		"ImageAttributeMetadata":            {"cr1_photo", map[string]any{"MaxSizeInKB": 10240.0}},
		"FileAttributeMetadata":             {"cr1_deed", map[string]any{"MaxSizeInKB": 32768.0}},
		"UniqueIdentifierAttributeMetadata": {"cr1_externalid", nil},
		"EntityNameAttributeMetadata":       {"owneridtype", nil},
	} {
		base := "EntityDefinitions(LogicalName='cr1_parcel')/Attributes"
		full := "/Microsoft.Dynamics.CRM." + cast
		found := false
		for _, v := range read(t, base+full)["value"].([]any) {
			if at(v, "@odata.type") != nil {
				t.Errorf("%s: a cast collection says its type again", cast)
			}
			found = found || at(v, "LogicalName") == c.column
		}
		if !found {
			t.Errorf("%s does not list %s", cast, c.column)
		}
		one := read(t, base+"(LogicalName='"+c.column+"')"+full)
		for name, want := range c.want {
			if diff := cmp.Diff(want, one[name]); diff != "" {
				t.Errorf("%s.%s: %s", c.column, name, diff)
			}
		}
	}
	dates := read(t, "EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='lastusedincampaign')/Microsoft.Dynamics.CRM.DateTimeAttributeMetadata?$select=Format,DateTimeBehavior")
	if dates["Format"] != "DateOnly" || at(dates, "DateTimeBehavior", "Value") != "UserLocal" {
		t.Errorf("%v", dates)
	}
}

func TestOptions(t *testing.T) {
	body := read(t, "EntityDefinitions(LogicalName='cr1_parcel')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)")
	values := body["value"].([]any)
	if len(values) != 2 {
		t.Fatalf("%v", values)
	}
	kind, soil := values[0], values[1]
	if at(kind, "OptionSet", "Options", 0, "Value") != 727000000.0 || at(kind, "OptionSet", "Options", 0, "Label", "UserLocalizedLabel", "Label") != "Arable" ||
		at(kind, "OptionSet", "Options", 0, "Label", "LocalizedLabels", 0, "LanguageCode") != 1033.0 || at(kind, "GlobalOptionSet") != nil || at(kind, "OptionSet", "Name") != nil {
		t.Errorf("%v", kind)
	}
	if _, present := kind.(map[string]any)["GlobalOptionSet"]; !present {
		t.Error("a choice of its own says GlobalOptionSet: null")
	}
	if at(soil, "GlobalOptionSet", "Options", 3, "Label", "UserLocalizedLabel", "Label") != "Peat" {
		t.Errorf("%v", soil)
	}
	flag := read(t, "EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='donotemail')/Microsoft.Dynamics.CRM.BooleanAttributeMetadata?$expand=OptionSet")
	if at(flag, "OptionSet", "TrueOption", "Label", "UserLocalizedLabel", "Label") != "Do Not Allow" || at(flag, "OptionSet", "FalseOption", "Value") != 0.0 {
		t.Errorf("%v", flag["OptionSet"])
	}
	status := read(t, "EntityDefinitions(LogicalName='lead')/Attributes/Microsoft.Dynamics.CRM.StatusAttributeMetadata?$expand=OptionSet")
	if at(status, "value", 0, "OptionSet", "Options", 3, "State") != 2.0 {
		t.Errorf("%v", at(status, "value", 0, "OptionSet"))
	}
	state := read(t, "EntityDefinitions(LogicalName='lead')/Attributes(LogicalName='statecode')/Microsoft.Dynamics.CRM.StateAttributeMetadata/OptionSet")
	if at(state, "Options", 0, "InvariantName") != "Open" || at(state, "Options", 0, "DefaultStatus") != 1.0 {
		t.Errorf("%v", state)
	}
	global := read(t, "GlobalOptionSetDefinitions(Name='cr1_soil')")
	if at(global, "Options", 0, "Value") != 727000000.0 || global["@odata.type"] != "#Microsoft.Dynamics.CRM.OptionSetMetadata" {
		t.Errorf("%v", global)
	}
}

func TestKeysAndRelationships(t *testing.T) {
	keys := read(t, "EntityDefinitions(LogicalName='contact')/Keys?$select=SchemaName,LogicalName,KeyAttributes,EntityKeyIndexStatus")
	want := map[string]any{"SchemaName": "EMailAddress1", "LogicalName": "emailaddress1", "KeyAttributes": []any{"emailaddress1"}, "EntityKeyIndexStatus": "Active", "MetadataId": shared.Tables["contact"].Keys[0].MetadataID}
	if diff := cmp.Diff([]any{want}, keys["value"]); diff != "" {
		t.Error(diff)
	}
	many := read(t, "EntityDefinitions(LogicalName='contact')/ManyToOneRelationships?$select=SchemaName,ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName,ReferencedEntityNavigationPropertyName,CascadeConfiguration&$filter=ReferencingAttribute eq 'parentcustomerid'")
	if at(many, "value", 0, "ReferencingEntityNavigationPropertyName") != "parentcustomerid_account" || at(many, "value", 1, "ReferencedEntity") != "contact" ||
		at(many, "value", 0, "CascadeConfiguration", "Delete") != "RemoveLink" {
		t.Errorf("%v", many)
	}
	expanded := read(t, "EntityDefinitions(LogicalName='list')?$select=LogicalName&$expand=ManyToManyRelationships($select=IntersectEntityName,Entity2LogicalName),OneToManyRelationships($select=SchemaName),Attributes($select=LogicalName;$filter=IsPrimaryId eq true),Keys,Privileges")
	if at(expanded, "ManyToManyRelationships", 0, "IntersectEntityName") != "listmember" || at(expanded, "Attributes", 0, "LogicalName") != "listid" ||
		at(expanded, "Privileges", 0, "Name") != "prvCreateList" || at(expanded, "Privileges", 0, "CanBeBasic") != true || len(expanded["Keys"].([]any)) != 0 {
		t.Errorf("%v", expanded)
	}
	all := read(t, "RelationshipDefinitions/Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata?$select=SchemaName")
	if len(all["value"].([]any)) != 10 {
		t.Errorf("%v", all)
	}
	one := read(t, "RelationshipDefinitions(SchemaName='contact_customer_accounts')")
	if one["@odata.type"] != "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata" || one["ReferencedEntity"] != "account" {
		t.Errorf("%v", one)
	}
	privileges := read(t, "EntityDefinitions(LogicalName='task')/Privileges")
	if at(privileges, "value", 0, "Name") != "prvCreateActivity" || at(privileges, "value", 0, "PrivilegeType") != "Create" {
		t.Errorf("%v", privileges)
	}
	if name := read(t, "EntityDefinitions(LogicalName='task')/LogicalName"); name["value"] != "task" {
		t.Errorf("%v", name)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		address string
		status  int
		code    string
		text    string
	}{
		{"EntityDefinitions(LogicalName='nothing')", 404, "0x80040217", "'nothing'"},
		{"EntityDefinitions(00000000-0000-0000-0000-000000000001)", 404, "0x80040217", "MetadataCache"},
		{"EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='shoe')", 404, "0x80040217", "shoe"},
		{"EntityDefinitions(LogicalName='contact')/Shoes", 404, "0x8006088a", "Resource not found for the segment 'Shoes'."},
		{"EntityDefinitions?$select=Shoe", 400, "0x0", "Could not find a property named 'Shoe' on type 'Microsoft.Dynamics.CRM.EntityMetadata'."},
		{"EntityDefinitions?$expand=Shoe", 400, "0x0", "Could not find a property named 'Shoe'"},
		{"EntityDefinitions(LogicalName='contact')/Attributes?$select=MaxLength", 400, "0x0", "Could not find a property named 'MaxLength' on type 'Microsoft.Dynamics.CRM.AttributeMetadata'."},
		{"EntityDefinitions(LogicalName='contact')/Attributes?$expand=OptionSet", 400, "0x0", "'OptionSet'"},
		{"EntityDefinitions(LogicalName='team')/Keys?$select=Shoe", 400, "0x0", "'Shoe'"},
		{"EntityDefinitions(LogicalName='contact')/Attributes/Microsoft.Dynamics.CRM.EnumAttributeMetadata", 400, "0x0", "EnumAttributeMetadata"},
		{"EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='firstname')/Microsoft.Dynamics.CRM.MemoAttributeMetadata", 404, "0x8006088a", "MemoAttributeMetadata"},
		{"EntityDefinitions?$filter=OwnershipType eq 'UserOwned'", 400, "0x80060888", "Found operand types 'Microsoft.Dynamics.CRM.OwnershipTypes' and 'Edm.String'"},
		{"EntityDefinitions?$filter=IsActivity eq 'yes'", 400, "0x80060888", "incompatible types"},
		{"EntityDefinitions?$top=1", 400, "0x80060888", "$top"},
		{"EntityDefinitions?$orderby=LogicalName", 400, "0x80060888", "$orderby"},
		{"GlobalOptionSetDefinitions(Name='nothing')", 404, "0x80040217", "nothing"},
	} {
		_, err := get(t, shared, c.address)
		var refused *odata.Error
		if !errors.As(err, &refused) || refused.Status != c.status || refused.Code != c.code || !strings.Contains(refused.Message, c.text) {
			t.Errorf("%s: %v", c.address, err)
		}
	}
}

func TestServiceDocument(t *testing.T) {
	data, err := ServiceDocument(shared, root)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"name": "cr1_parcels", "kind": "EntitySet", "url": "cr1_parcels"}
	if !slices.ContainsFunc(body["value"].([]any), func(v any) bool { return cmp.Equal(v, any(want)) }) || body["@odata.context"] != root+"$metadata" {
		t.Errorf("%s", data)
	}
}

// carried is what CSDL can say about a table.
type carried struct {
	Set, ID, TableType string
	Activity           bool
	Columns            map[string]string
	ReadOnly           []string
	Lookups            map[string]string
	Collections        []string
	Many               []string
	Keys               []string
	Messages           map[string]bool
}

func carry(org *schema.Organization, t *schema.Table) carried {
	c := carried{Set: t.SetName, ID: t.PrimaryID, TableType: t.TableType, Activity: t.IsActivity, Columns: map[string]string{}, Lookups: map[string]string{}, Messages: t.Messages}
	for _, column := range t.Columns {
		property := t.PropertyName(column)
		if property == "" {
			continue
		}
		c.Columns[property] = column.EdmType()
		if !column.ForCreate && !column.ForUpdate && !column.IsLookup() && !column.IsPrimaryID {
			c.ReadOnly = append(c.ReadOnly, property)
		}
	}
	for _, r := range t.Outgoing {
		c.Lookups[r.Navigation] = r.Column + ">" + r.Referenced + "." + r.ReferencedColumn
	}
	for _, r := range t.Incoming {
		c.Collections = append(c.Collections, r.Collection+"<"+r.Referencing+"."+r.Column)
	}
	for _, m := range t.Many {
		c.Many = append(c.Many, m.SchemaName+" "+m.Other(t.LogicalName, m.SchemaName))
	}
	for _, k := range t.Keys {
		columns := slices.Clone(k.Columns)
		slices.Sort(columns)
		c.Keys = append(c.Keys, strings.Join(columns, "+"))
	}
	slices.Sort(c.Collections)
	slices.Sort(c.Many)
	slices.Sort(c.Keys)
	slices.Sort(c.ReadOnly)
	return c
}

func TestCSDLRoundTrip(t *testing.T) {
	var document bytes.Buffer
	if err := WriteCSDL(&document, shared, true); err != nil {
		t.Fatal(err)
	}
	loaded, err := schema.LoadCSDL(bytes.NewReader(document.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range shared.Names() {
		other := loaded.Tables[name]
		if other == nil {
			t.Errorf("%s was lost", name)
			continue
		}
		want := carry(shared, shared.Tables[name])
		if name == "owner" {
			want.Columns, want.ReadOnly = map[string]string{"ownerid": "Edm.Guid"}, nil // the type principal declares its key only
		}
		if diff := cmp.Diff(want, carry(loaded, other)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if len(loaded.Tables) != len(shared.Tables) {
		t.Errorf("%d tables became %d", len(shared.Tables), len(loaded.Tables))
	}
}

// TestCSDLIsConsistent checks what any OData client relies on: names are unique within a type with its bases, and every
// type, base, constraint and set that is named is declared.
func TestCSDLIsConsistent(t *testing.T) {
	for _, annotations := range []bool{false, true} {
		var document bytes.Buffer
		if err := WriteCSDL(&document, shared, annotations); err != nil {
			t.Fatal(err)
		}
		if annotations != strings.Contains(document.String(), "Org.OData.Core.V1.Description") {
			t.Error("annotations come when asked for")
		}
		checkCSDL(t, &document)
	}
}

type csdlDocument struct {
	Types []struct {
		Name       string `xml:",attr"`
		BaseType   string `xml:",attr"`
		Properties []struct {
			Name string `xml:",attr"`
			Type string `xml:",attr"`
		} `xml:"Property"`
		Navigation []struct {
			Name       string `xml:",attr"`
			Type       string `xml:",attr"`
			Constraint *struct {
				Property string `xml:",attr"`
			} `xml:"ReferentialConstraint"`
		} `xml:"NavigationProperty"`
	} `xml:"DataServices>Schema>EntityType"`
	Sets []struct {
		Name       string `xml:",attr"`
		EntityType string `xml:",attr"`
		Bindings   []struct {
			Target string `xml:",attr"`
		} `xml:"NavigationPropertyBinding"`
	} `xml:"DataServices>Schema>EntityContainer>EntitySet"`
}

func checkCSDL(t *testing.T, r io.Reader) {
	t.Helper()
	var doc csdlDocument
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	members := map[string]map[string]bool{}
	for _, kind := range doc.Types {
		members[kind.Name] = map[string]bool{}
		for _, p := range kind.Properties {
			if members[kind.Name][p.Name] {
				t.Errorf("%s.%s is declared twice", kind.Name, p.Name)
			}
			members[kind.Name][p.Name] = true
		}
		for _, n := range kind.Navigation {
			if members[kind.Name][n.Name] {
				t.Errorf("%s.%s is declared twice", kind.Name, n.Name)
			}
			members[kind.Name][n.Name] = true
		}
	}
	for _, kind := range doc.Types {
		base := members[strings.TrimPrefix(kind.BaseType, "mscrm.")]
		if kind.BaseType != "" && base == nil {
			t.Errorf("%s derives from %s", kind.Name, kind.BaseType)
		}
		for name := range members[kind.Name] {
			if base[name] {
				t.Errorf("%s.%s is declared in the base type", kind.Name, name)
			}
		}
		for _, n := range kind.Navigation {
			target := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(n.Type, "Collection("), "mscrm."), ")")
			if members[target] == nil {
				t.Errorf("%s.%s leads to %s", kind.Name, n.Name, n.Type)
			}
			if n.Constraint != nil && !members[kind.Name][n.Constraint.Property] && !base[n.Constraint.Property] {
				t.Errorf("%s.%s is constrained by %s", kind.Name, n.Name, n.Constraint.Property)
			}
		}
	}
	sets := map[string]bool{}
	for _, set := range doc.Sets {
		sets[set.Name] = true
		if members[strings.TrimPrefix(set.EntityType, odata.Namespace)] == nil {
			t.Errorf("the set %s is of %s", set.Name, set.EntityType)
		}
	}
	for _, set := range doc.Sets {
		for _, b := range set.Bindings {
			if !sets[b.Target] {
				t.Errorf("%s is bound to %s", set.Name, b.Target)
			}
		}
	}
}

// TestExport saves the whole of EntityDefinitions, as a person would, and loads it again.
func TestExport(t *testing.T) {
	var saved bytes.Buffer
	for _, address := range []string{
		"EntityDefinitions?$expand=Attributes,Keys,ManyToOneRelationships,ManyToManyRelationships",
		"EntityDefinitions(LogicalName='contact')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$expand=OptionSet,GlobalOptionSet",
		"EntityDefinitions(LogicalName='lead')/Attributes/Microsoft.Dynamics.CRM.StatusAttributeMetadata?$expand=OptionSet",
	} {
		data, err := json.Marshal(read(t, address))
		if err != nil {
			t.Fatal(err)
		}
		saved.Write(data)
	}
	loaded, err := schema.LoadEntityDefinitions(&saved)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range shared.Names() {
		if diff := cmp.Diff(carry(shared, shared.Tables[name]), carry(loaded, loaded.Tables[name]), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Messages" }, cmp.Ignore())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	email := loaded.Tables["contact"].Column("emailaddress1")
	if email.MaxLength != 100 || email.Format != "Email" || email.SchemaName != "EMailAddress1" || email.DisplayName != "Email" {
		t.Errorf("%+v", email)
	}
	if o := loaded.Tables["contact"].Column("gendercode").Options.Option(2); o == nil || o.Label != "Female" {
		t.Errorf("gendercode 2 = %+v", o)
	}
	if o := loaded.Tables["lead"].Column("statuscode").Options.Option(5); o == nil || o.State != 2 {
		t.Errorf("lead status 5 = %+v", o)
	}
}

func FuzzGet(f *testing.F) {
	for _, seed := range []string{
		"EntityDefinitions?$filter=IsActivity eq true", "EntityDefinitions(LogicalName='cr1_tag')/Attributes/Microsoft.Dynamics.CRM.LookupAttributeMetadata?$select=Targets",
		"GlobalOptionSetDefinitions", "RelationshipDefinitions(SchemaName='x')/SchemaName", "EntityDefinitions(LogicalName='cr1_tag')?$expand=Keys($filter=a/b eq 1)",
	} {
		path, query, _ := strings.Cut(seed, "?")
		f.Add(path, url.QueryEscape(query))
		f.Add(path, query)
	}
	small, err := schema.LoadYAML(strings.NewReader("choices: {cr1_c: {1: A}}\ntables: {cr1_Tag: {columns: {cr1_Kind: {type: choice, global: cr1_c}}}}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		segments, err := odata.ParsePath(path)
		if err != nil {
			return
		}
		q, err := odata.ParseQuery(query)
		if err != nil {
			return
		}
		data, err := Get(small, Request{Root: root, Path: segments, Query: q})
		var refused *odata.Error
		if err != nil && !errors.As(err, &refused) || err == nil && !json.Valid(data) {
			t.Errorf("%s?%s: %v %s", path, query, err, data)
		}
	})
}

// TestRealDocumentsAgain renders what was loaded from real documents: it must be consistent, and mean the same.
func TestRealDocumentsAgain(t *testing.T) {
	for _, name := range []string{"dataverse-metadata-v9.1.xml.gz", "dynamics-crm-metadata-v8-de.xml.gz"} {
		t.Run(name, func(t *testing.T) {
			file, err := os.Open("../schema/testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			unpacked, err := gzip.NewReader(file)
			if err != nil {
				t.Fatal(err)
			}
			org, err := schema.LoadCSDL(unpacked)
			if err != nil {
				t.Fatal(err)
			}
			var document bytes.Buffer
			if err := WriteCSDL(&document, org, true); err != nil {
				t.Fatal(err)
			}
			checkCSDL(t, bytes.NewReader(document.Bytes()))
			again, err := schema.LoadCSDL(&document)
			if err != nil {
				t.Fatal(err)
			}
			contact := org.Tables["contact"]
			if diff := cmp.Diff(carry(org, contact), carry(again, again.Tables["contact"])); diff != "" {
				t.Error(diff)
			}
			if _, err := get(t, org, "EntityDefinitions(LogicalName='contact')?$expand=Attributes,Keys,ManyToOneRelationships,OneToManyRelationships,ManyToManyRelationships"); err != nil {
				t.Error(err)
			}
		})
	}
}
