package dataversetest_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

func label(text string) string {
	return `{"@odata.type":"Microsoft.Dynamics.CRM.Label","LocalizedLabels":[{"Label":"` + text + `","LanguageCode":1033}]}`
}

func stringColumn(name string, primary bool) string {
	return fmt.Sprintf(`{"@odata.type":"Microsoft.Dynamics.CRM.StringAttributeMetadata","SchemaName":"%s","IsPrimaryName":%t,"MaxLength":50,
		"AttributeType":"String","AttributeTypeName":{"Value":"StringType"},"DisplayName":%s,"FormatName":{"Value":"Text"},"RequiredLevel":{"Value":"None"}}`, name, primary, label(name))
}

func TestTablesMadeOverTheWebCanBeWrittenTo(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "EntityDefinitions", `{"@odata.type":"Microsoft.Dynamics.CRM.EntityMetadata","SchemaName":"new_Crop","DisplayName":`+label("Crop")+
		`,"DisplayCollectionName":`+label("Crops")+`,"OwnershipType":"UserOwned","HasActivities":false,"HasNotes":false,"Attributes":[`+stringColumn("new_Name", true)+`]}`)
	set := e.want(200, "GET", "EntityDefinitions(LogicalName='new_crop')?$select=EntitySetName", "").values(t)["EntitySetName"].(string)
	e.want(204, "POST", set, `{"new_name":"Wheat"}`)
	e.refused(400, "0x80048d19", "Invalid property 'new_code'", "POST", set, `{"new_code":"W"}`)
	e.want(204, "POST", "EntityDefinitions(LogicalName='new_crop')/Attributes", stringColumn("new_Code", false))
	e.want(204, "POST", set, `{"new_name":"Barley","new_code":"B"}`)

	key := func(name string, columns string) {
		e.want(204, "POST", "EntityDefinitions(LogicalName='new_crop')/Keys", `{"@odata.type":"Microsoft.Dynamics.CRM.EntityKeyMetadata","SchemaName":"`+name+
			`","DisplayName":`+label(name)+`,"KeyAttributes":[`+columns+`]}`)
	}
	status := func(name string) string {
		for {
			v := e.want(200, "GET", "EntityDefinitions(LogicalName='new_crop')/Keys?$select=SchemaName,EntityKeyIndexStatus", "").list(t)
			for _, k := range v {
				if k["SchemaName"] == name && k["EntityKeyIndexStatus"] != "Pending" {
					return k["EntityKeyIndexStatus"].(string)
				}
			}
		}
	}
	key("new_ByCode", `"new_code"`)
	if got := status("new_ByCode"); got != "Active" {
		t.Fatalf("key is %s", got)
	}
	e.want(200, "GET", set+"(new_code='b')", "")
	e.want(204, "POST", set+"/Microsoft.Dynamics.CRM.UpsertMultiple", `{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.new_crop","@odata.id":"`+set+`(new_code='B')","new_name":"Wheat"}]}`)
	key("new_ByName", `"new_name"`) // there are two records of that name
	if got := status("new_ByName"); got != "Failed" {
		t.Errorf("key is %s", got)
	}
	e.refused(400, "0x80060890", "Failed", "GET", set+"(new_name='Wheat')", "")

	e.want(204, "DELETE", "EntityDefinitions(LogicalName='new_crop')/Attributes(LogicalName='new_code')", "")
	rows := e.want(200, "GET", set, "").list(t)
	if _, there := rows[0]["new_code"]; there || len(rows) != 2 {
		t.Errorf("rows %v", rows)
	}
	e.want(204, "DELETE", "EntityDefinitions(LogicalName='new_crop')", "")
	e.want(404, "GET", set, "")
	if !strings.Contains(e.want(200, "GET", "$metadata", "").body, `EntityType Name="cr1_parcel"`) {
		t.Error("$metadata lacks cr1_parcel")
	}
	e.want(200, "GET", "", "")
}
