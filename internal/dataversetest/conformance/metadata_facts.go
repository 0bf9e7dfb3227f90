package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
)

const parcelDefinition = "EntityDefinitions(LogicalName='cnf_parcel')"

// columnsOf casts the columns to a type and finds one.
func (p *probe) columnOf(kind, name, options string) map[string]any {
	p.t.Helper()
	for _, c := range p.rows(parcelDefinition+"/Attributes/Microsoft.Dynamics.CRM."+kind+"AttributeMetadata?"+options, "Consistency: Strong") {
		if c["LogicalName"] == name {
			return c
		}
	}
	p.t.Fatalf("no %s", name)
	return nil
}

var metadataFacts = []fact{
	{documented, "a table tells its set, its key and its name", func(p *probe) {
		v := p.read(parcelDefinition+"?$select=LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,TableType,OwnershipType,IsActivity", "Consistency: Strong")
		p.has(v, map[string]any{"LogicalName": "cnf_parcel", "SchemaName": "cnf_Parcel", "EntitySetName": "cnf_parcels", "PrimaryIdAttribute": "cnf_parcelid",
			"PrimaryNameAttribute": "cnf_name", "TableType": "Standard", "OwnershipType": "UserOwned", "IsActivity": false})
		if v["MetadataId"] == nil {
			p.t.Error("no MetadataId")
		}
	}},
	{inferred, "a table that does not exist is answered 404", func(p *probe) {
		p.want(404, "GET", "EntityDefinitions(LogicalName='cnf_nonsense')", "", "Consistency: Strong")
	}},
	{documented, "tables are filtered by typed values of enumerations", func(p *probe) {
		rows := p.rows("EntityDefinitions?$select=LogicalName&$filter="+escape("LogicalName eq 'cnf_parcel' and OwnershipType eq Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'"), "Consistency: Strong")
		p.equal("tables", len(rows), 1)
	}},
	{documented, "columns tell their type and whether they can be written", func(p *probe) {
		types := map[string]string{"cnf_name": "StringType", "cnf_no": "IntegerType", "cnf_areaha": "DecimalType", "cnf_slope": "DoubleType", "cnf_value": "MoneyType",
			"cnf_visits": "BigIntType", "cnf_isleased": "BooleanType", "cnf_day": "DateTimeType", "cnf_kind": "PicklistType", "cnf_crops": "MultiSelectPicklistType",
			"cnf_notes": "MemoType", "cnf_farm": "LookupType", "cnf_plan": "FileType", "cnf_parcelid": "UniqueidentifierType", "statecode": "StateType", "ownerid": "OwnerType"}
		for _, c := range p.rows(parcelDefinition+"/Attributes?$select=LogicalName,AttributeTypeName,IsValidForCreate,RequiredLevel", "Consistency: Strong") {
			name := fmt.Sprint(c["LogicalName"])
			if want := types[name]; want != "" {
				p.equal(name, c["AttributeTypeName"].(map[string]any)["Value"], want)
				delete(types, name)
			}
		}
		if len(types) > 0 {
			p.t.Errorf("missing %v", types)
		}
	}},
	{documented, "several choices and files have the type Virtual", func(p *probe) {
		p.has(p.read(parcelDefinition+"/Attributes(LogicalName='cnf_crops')?$select=AttributeType", "Consistency: Strong"), map[string]any{"AttributeType": "Virtual"})
	}},
	{documented, "a cast gives the lengths of texts", func(p *probe) {
		p.has(p.columnOf("String", "cnf_name", "$select=LogicalName,MaxLength"), map[string]any{"MaxLength": 100})
		p.has(p.columnOf("Memo", "cnf_notes", "$select=LogicalName,MaxLength"), map[string]any{"MaxLength": 2000})
	}},
	{documented, "a cast gives the ranges of numbers", func(p *probe) {
		p.has(p.columnOf("Integer", "cnf_no", "$select=LogicalName,MinValue,MaxValue"), map[string]any{"MinValue": 0, "MaxValue": 1000000000})
		p.has(p.columnOf("Decimal", "cnf_areaha", "$select=LogicalName,MinValue,MaxValue,Precision"), map[string]any{"MinValue": 0, "MaxValue": 100000, "Precision": 3})
		p.has(p.columnOf("Money", "cnf_value", "$select=LogicalName,MinValue,MaxValue,Precision,PrecisionSource"), map[string]any{"MaxValue": 1000000000, "Precision": 2, "PrecisionSource": 0})
	}},
	{documented, "a cast gives the behaviour of times", func(p *probe) {
		for name, want := range map[string]string{"cnf_day": "DateOnly", "cnf_surveyedon": "UserLocal", "cnf_harvestat": "TimeZoneIndependent"} {
			c := p.columnOf("DateTime", name, "$select=LogicalName,Format,DateTimeBehavior")
			p.equal(name, c["DateTimeBehavior"].(map[string]any)["Value"], want)
		}
	}},
	{documented, "a cast gives the choices with their labels", func(p *probe) {
		c := p.columnOf("Picklist", "cnf_kind", "$select=LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)")
		p.equal("global", c["GlobalOptionSet"], nil)
		options := c["OptionSet"].(map[string]any)["Options"].([]any)
		if len(options) != 3 {
			p.t.Fatalf("%d options", len(options))
		}
		third := options[2].(map[string]any)
		p.equal("value", third["Value"], 727000002)
		p.equal("label", third["Label"].(map[string]any)["UserLocalizedLabel"].(map[string]any)["Label"], "Forest")
	}},
	{documented, "a boolean has a true and a false option", func(p *probe) {
		set := p.columnOf("Boolean", "cnf_isleased", "$select=LogicalName&$expand=OptionSet")["OptionSet"].(map[string]any)
		p.equal("true", set["TrueOption"].(map[string]any)["Label"].(map[string]any)["UserLocalizedLabel"].(map[string]any)["Label"], "Leased")
		p.equal("false", set["FalseOption"].(map[string]any)["Value"], 0)
	}},
	{documented, "a status belongs to a state", func(p *probe) {
		options := p.columnOf("Status", "statuscode", "$select=LogicalName&$expand=OptionSet")["OptionSet"].(map[string]any)["Options"].([]any)
		states := map[string]string{}
		for _, o := range options {
			states[fmt.Sprint(o.(map[string]any)["Value"])] = fmt.Sprint(o.(map[string]any)["State"])
		}
		p.equal("states", states, map[string]string{"1": "0", "2": "1"})
	}},
	{documented, "a lookup tells its targets", func(p *probe) {
		p.equal("targets", p.columnOf("Lookup", "cnf_farm", "$select=LogicalName,Targets")["Targets"], "[cnf_farm]")
	}},
	{documented, "columns of any choice have no common cast", func(p *probe) {
		a := p.send("GET", parcelDefinition+"/Attributes/Microsoft.Dynamics.CRM.EnumAttributeMetadata", "")
		if a.status < 400 {
			p.t.Errorf("status %d", a.status)
		}
	}},
	{documented, "keys tell their columns and their index", func(p *probe) {
		for _, k := range p.rows(parcelDefinition+"/Keys?$select=SchemaName,LogicalName,KeyAttributes,EntityKeyIndexStatus", "Consistency: Strong") {
			if k["SchemaName"] == "cnf_ParcelPlace" {
				p.has(k, map[string]any{"LogicalName": "cnf_parcelplace", "KeyAttributes": "[cnf_code cnf_region]", "EntityKeyIndexStatus": "Active"})
				return
			}
		}
		p.t.Error("no key cnf_ParcelPlace")
	}},
	{documented, "relationships tell the navigation properties of both sides", func(p *probe) {
		for _, r := range p.rows(parcelDefinition+"/ManyToOneRelationships?$select=SchemaName,ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName,ReferencedEntityNavigationPropertyName", "Consistency: Strong") {
			if r["SchemaName"] == "cnf_farm_parcel" {
				p.has(r, map[string]any{"ReferencingAttribute": "cnf_farm", "ReferencedEntity": "cnf_farm",
					"ReferencingEntityNavigationPropertyName": "cnf_Farm", "ReferencedEntityNavigationPropertyName": "cnf_farm_parcel"})
				return
			}
		}
		p.t.Error("no relationship cnf_farm_parcel")
	}},
	{documented, "N:N relationships tell their intersect table", func(p *probe) {
		for _, r := range p.rows(parcelDefinition+"/ManyToManyRelationships?$select=SchemaName,IntersectEntityName", "Consistency: Strong") {
			if r["SchemaName"] == "cnf_parcel_tag" {
				p.has(r, map[string]any{"IntersectEntityName": "cnf_parcel_tag"})
				return
			}
		}
		p.t.Error("no relationship cnf_parcel_tag")
	}},
	{documented, "$metadata describes table, lookup and set", func(p *probe) {
		text := p.want(200, "GET", "$metadata", "", "Accept: application/xml").body
		for _, want := range []string{`<EntityType Name="cnf_parcel" BaseType="mscrm.crmbaseentity"`, `<PropertyRef Name="cnf_parcelid"`, `Name="_cnf_farm_value" Type="Edm.Guid"`,
			`<NavigationProperty Name="cnf_Farm" Type="mscrm.cnf_farm"`, `<EntitySet Name="cnf_parcels" EntityType="Microsoft.Dynamics.CRM.cnf_parcel"`} {
			if !strings.Contains(text, want) {
				p.t.Errorf("no %s", want)
			}
		}
	}},
	{documented, "a column is added, written, and removed again", func(p *probe) {
		body, err := json.Marshal(text("cnf_Added", "Added", 40))
		if err != nil {
			p.t.Fatal(err)
		}
		tags := "EntityDefinitions(LogicalName='cnf_tag')/Attributes"
		p.want(204, "POST", tags, string(body))
		p.until(p.t, "column cnf_added", func() bool {
			return p.send("PATCH", "cnf_tags("+p.id(1)+")", `{"cnf_added":"x"}`).status == 204
		})
		p.has(p.read("cnf_tags("+p.id(1)+")"), map[string]any{"cnf_added": "x"})
		p.want(204, "DELETE", tags+"(LogicalName='cnf_added')", "")
		p.until(p.t, "column cnf_added removed", func() bool {
			return p.send("PATCH", "cnf_tags("+p.id(1)+")", `{"cnf_added":"x"}`).status == 400
		})
	}},
	{documented, "a key over values that are there twice fails", func(p *probe) {
		p.want(204, "POST", "cnf_tags", `{"cnf_name":"twice"}`)
		p.want(204, "POST", "cnf_tags", `{"cnf_name":"twice"}`)
		body, err := json.Marshal(object{"@odata.type": "Microsoft.Dynamics.CRM.EntityKeyMetadata", "SchemaName": "cnf_TagName",
			"DisplayName": label("Tag Name"), "KeyAttributes": []string{"cnf_name"}})
		if err != nil {
			p.t.Fatal(err)
		}
		keys := "EntityDefinitions(LogicalName='cnf_tag')/Keys"
		p.want(204, "POST", keys, string(body))
		status := ""
		p.until(p.t, "key cnf_TagName", func() bool {
			for _, k := range p.rows(keys+"?$select=SchemaName,EntityKeyIndexStatus", "Consistency: Strong") {
				if k["SchemaName"] == "cnf_TagName" {
					status = fmt.Sprint(k["EntityKeyIndexStatus"])
				}
			}
			return status == "Failed" || status == "Active"
		})
		p.equal("index", status, "Failed")
		p.want(400, "GET", "cnf_tags(cnf_name='twice')", "")
		p.want(204, "DELETE", keys+"(LogicalName='cnf_tagname')", "")
	}},
}
