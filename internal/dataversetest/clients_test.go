package dataversetest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

// sdk sends requests as Microsoft's SDK for Python does: its headers, and parameters encoded as the library requests
// encodes them, with + for blanks. Params are names and values in turn.
type sdk struct{ *env }

func (c sdk) params(path string, params []string) string {
	var list []string
	for i := 0; i < len(params); i += 2 {
		list = append(list, url.QueryEscape(params[i])+"="+url.QueryEscape(params[i+1]))
	}
	if len(list) == 0 {
		return path
	}
	return path + "?" + strings.Join(list, "&")
}

var sdkHeaders = []string{"Accept: application/json", "Content-Type: application/json", "OData-MaxVersion: 4.0", "OData-Version: 4.0",
	"User-Agent: DataverseSvcPythonClient:0.1.0b7", "x-ms-client-request-id: 4d4d4f5c-7a5d-4f0b-9a5c-1f0b6b0b6b0b", "x-ms-correlation-id: 4d4d4f5c-7a5d-4f0b-9a5c-1f0b6b0b6b0c"}

func (c sdk) get(path string, params ...string) map[string]any {
	c.t.Helper()
	return c.want(200, "GET", c.params(path, params), "", sdkHeaders...).values(c.t)
}

func (c sdk) post(status int, path string, body any, headers ...string) answer {
	c.t.Helper()
	return c.body(status, "POST", path, body, headers...)
}

func (c sdk) body(status int, method, path string, body any, headers ...string) answer {
	c.t.Helper()
	text, isText := body.(string)
	if !isText {
		data, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		text = string(data)
	}
	return c.want(status, method, path, text, append(append([]string{}, sdkHeaders...), headers...)...)
}

type object = map[string]any

func sdkLabel(text string) object {
	return object{"@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": []any{
		object{"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": text, "LanguageCode": 1033}}}
}

func sdkColumn(kind, name string, more object) object {
	c := object{"@odata.type": "Microsoft.Dynamics.CRM." + kind + "AttributeMetadata", "SchemaName": name, "DisplayName": sdkLabel(name), "RequiredLevel": object{"Value": "None"}}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// create makes a table as tables.create does, and finds it again as the SDK does.
func (c sdk) create(name string, columns ...object) string {
	c.t.Helper()
	attributes := []object{sdkColumn("String", "new_Name", object{"MaxLength": 200, "FormatName": object{"Value": "Text"}, "IsPrimaryName": true})}
	c.post(204, "EntityDefinitions?SolutionUniqueName=Crops", object{"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": name, "DisplayName": sdkLabel(name),
		"DisplayCollectionName": sdkLabel(name + "s"), "Description": sdkLabel("Custom entity for " + name), "OwnershipType": "UserOwned", "HasActivities": false,
		"HasNotes": true, "IsActivity": false, "Attributes": append(attributes, columns...)})
	found := c.get("EntityDefinitions", "$select", "MetadataId,LogicalName,SchemaName,EntitySetName,PrimaryNameAttribute,PrimaryIdAttribute", "$filter", "SchemaName eq '"+name+"'")
	value := found["value"].([]any)
	if len(value) != 1 {
		c.t.Fatalf("%d tables %s", len(value), name)
	}
	return value[0].(map[string]any)["MetadataId"].(string)
}

func cropTable(c sdk) string {
	c.post(204, "publishers", object{"publisherid": id(901), "friendlyname": "Crops", "uniquename": "crops", "customizationprefix": "new", "customizationoptionvalueprefix": 10000})
	c.post(204, "solutions", object{"friendlyname": "Crops", "uniquename": "Crops", "version": "1.0", "publisherid@odata.bind": "/publishers(" + id(901) + ")"})
	return c.create("new_Crop",
		sdkColumn("Integer", "new_Quantity", object{"Format": "None", "MinValue": -2147483648, "MaxValue": 2147483647}),
		sdkColumn("Decimal", "new_Amount", object{"MinValue": -100000000000.0, "MaxValue": 100000000000.0, "Precision": 2}),
		sdkColumn("Double", "new_Weight", object{"MinValue": -100000000000.0, "MaxValue": 100000000000.0, "Precision": 2}),
		sdkColumn("DateTime", "new_When", object{"Format": "DateOnly", "ImeMode": "Inactive"}),
		sdkColumn("Memo", "new_Notes", object{"MaxLength": 4000, "FormatName": object{"Value": "Text"}, "ImeMode": "Auto"}),
		sdkColumn("String", "new_Code", object{"MaxLength": 200, "FormatName": object{"Value": "Text"}, "IsPrimaryName": false}),
		sdkColumn("Boolean", "new_Active", object{"OptionSet": object{"@odata.type": "Microsoft.Dynamics.CRM.BooleanOptionSetMetadata", "IsGlobal": false,
			"TrueOption": object{"Value": 1, "Label": sdkLabel("True")}, "FalseOption": object{"Value": 0, "Label": sdkLabel("False")}}}),
		sdkColumn("Picklist", "new_Kind", object{"OptionSet": object{"@odata.type": "Microsoft.Dynamics.CRM.OptionSetMetadata", "IsGlobal": false, "Options": []any{
			object{"@odata.type": "Microsoft.Dynamics.CRM.OptionMetadata", "Value": 1, "Label": sdkLabel("Wheat")},
			object{"@odata.type": "Microsoft.Dynamics.CRM.OptionMetadata", "Value": 2, "Label": sdkLabel("Rye")}}}}),
		sdkColumn("File", "new_Plan", nil))
}

func TestPythonRecords(t *testing.T) {
	c := sdk{start(t, dataversetest.Options{})}
	cropTable(c)
	v := c.get("EntityDefinitions", "$select", "LogicalName,EntitySetName,PrimaryIdAttribute", "$filter", "LogicalName eq 'new_crop'")
	set := v["value"].([]any)[0].(map[string]any)["EntitySetName"].(string)
	v = c.get("EntityDefinitions(LogicalName='new_crop')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata", "$select", "LogicalName", "$expand",
		"OptionSet($select=Options),GlobalOptionSet($select=Options)")
	if text := fmt.Sprint(v["value"]); !strings.Contains(text, "new_kind") || !strings.Contains(text, "Rye") {
		t.Errorf("choices %s", text)
	}

	a := c.post(204, set, object{"new_name": "A", "new_quantity": 5, "new_active": true, "new_kind": 2, "new_when": "2026-01-02T00:00:00Z"})
	first := a.header.Get("OData-EntityId")[len(c.web.URL+"/api/data/v9.2/"+set)+1:][:36]
	const kind = "Microsoft.Dynamics.CRM.new_crop"
	made := c.post(200, set+"/Microsoft.Dynamics.CRM.CreateMultiple", object{"Targets": []object{{"new_name": "B", "new_quantity": 7, "@odata.type": kind},
		{"new_name": "C", "new_quantity": 9, "@odata.type": kind}}}).values(t)["Ids"].([]any)
	c.body(204, "PATCH", set+"("+first+")", object{"new_name": "A2"}, "If-Match: *")
	c.post(204, set+"/Microsoft.Dynamics.CRM.UpdateMultiple", object{"Targets": []object{{"new_cropid": made[0], "new_active": true, "@odata.type": kind},
		{"new_cropid": made[1], "new_active": true, "@odata.type": kind}}})
	has(t, c.get(set+"("+first+")", "$select", "new_name,new_quantity"), object{"new_name": "A2", "new_quantity": 5})

	// Pages: the next link is followed with the same headers and no parameters.
	var names []string
	path := c.params(set, []string{"$select", "new_name", "$filter", "new_quantity gt 4 and new_active eq true", "$orderby", "new_name desc", "$top", "100"})
	for path != "" {
		page := c.want(200, "GET", path, "", append([]string{`Prefer: odata.maxpagesize=2,odata.include-annotations="OData.Community.Display.V1.FormattedValue"`}, sdkHeaders...)...)
		for _, row := range page.list(t) {
			names = append(names, row["new_name"].(string))
		}
		path, _ = page.values(t)["@odata.nextLink"].(string)
	}
	if got := strings.Join(names, " "); got != "C B A2" {
		t.Errorf("pages %q", got)
	}
	v = c.get(set, "sql", "SELECT TOP 2 new_name, new_quantity FROM new_crop WHERE new_quantity > 5 ORDER BY new_quantity DESC")
	if text := fmt.Sprint(v["value"]); !strings.Contains(text, "new_name:C") || !strings.Contains(text, "new_quantity:7") {
		t.Errorf("sql %s", text)
	}
	c.want(204, "DELETE", set+"("+first+")", "", append([]string{"If-Match: *"}, sdkHeaders...)...)
	c.bulkDelete(made)
	if rows := c.get(set)["value"].([]any); len(rows) != 0 {
		t.Errorf("left %v", rows)
	}
}

// bulkDelete is the SDK's way to delete several records; it asks for them without a list of filters.
func (c sdk) bulkDelete(ids []any) {
	c.t.Helper()
	values := []object{}
	for _, one := range ids {
		values = append(values, object{"Value": one, "Type": "System.Guid"})
	}
	job := c.post(200, "BulkDelete", object{"JobName": "Bulk delete new_Crop records @ 2026-01-02T03:04:05Z", "SendEmailNotification": false, "ToRecipients": []any{},
		"CCRecipients": []any{}, "RecurrencePattern": "", "StartDateTime": "2026-01-02T03:04:05Z", "QuerySet": []object{{
			"@odata.type": "Microsoft.Dynamics.CRM.QueryExpression", "EntityName": "new_crop",
			"ColumnSet": object{"@odata.type": "Microsoft.Dynamics.CRM.ColumnSet", "AllColumns": false, "Columns": []any{}},
			"Criteria": object{"@odata.type": "Microsoft.Dynamics.CRM.FilterExpression", "FilterOperator": "And", "Conditions": []object{{
				"@odata.type": "Microsoft.Dynamics.CRM.ConditionExpression", "AttributeName": "new_cropid", "Operator": "In", "Values": values}}}}}}).values(c.t)["JobId"]
	for fmt.Sprint(c.get(fmt.Sprintf("asyncoperations(%s)", job), "$select", "statecode")["statecode"]) != "3" {
	}
}

func TestPythonAlternateKeys(t *testing.T) {
	c := sdk{start(t, dataversetest.Options{})}
	cropTable(c)
	c.post(204, "EntityDefinitions(LogicalName='new_crop')/Keys", object{"SchemaName": "new_CropCode", "KeyAttributes": []string{"new_code", "new_quantity"}, "DisplayName": sdkLabel("Crop Code")})
	var keyID string
	for status := ""; status != "Active"; {
		k := c.get("EntityDefinitions(LogicalName='new_crop')/Keys")["value"].([]any)[0].(map[string]any)
		status, keyID = k["EntityKeyIndexStatus"].(string), k["MetadataId"].(string)
	}
	// The SDK does not encode keys; the library requests encodes blanks.
	key := "new_crops(new_code='a%20''b',new_quantity=3)"
	c.body(204, "PATCH", key, object{"new_name": "A"})
	c.body(204, "PATCH", key, object{"new_name": "B"})
	c.post(204, "new_crops/Microsoft.Dynamics.CRM.UpsertMultiple", object{"Targets": []object{
		{"new_name": "C", "@odata.type": "Microsoft.Dynamics.CRM.new_crop", "@odata.id": "new_crops(new_code='a ''b',new_quantity=3)"},
		{"new_name": "D", "@odata.type": "Microsoft.Dynamics.CRM.new_crop", "@odata.id": "new_crops(new_code='d',new_quantity=4)"}}})
	v := c.get("new_crops", "$select", "new_name", "$orderby", "new_name asc")
	if text := fmt.Sprint(v["value"]); !strings.Contains(text, "new_name:C") || !strings.Contains(text, "new_name:D") || len(v["value"].([]any)) != 2 {
		t.Errorf("records %s", text)
	}
	c.want(204, "DELETE", "EntityDefinitions(LogicalName='new_crop')/Keys("+keyID+")", "", sdkHeaders...)
	if keys := c.get("EntityDefinitions(LogicalName='new_crop')/Keys")["value"].([]any); len(keys) != 0 {
		t.Errorf("keys left %v", keys)
	}
}

func TestPythonTables(t *testing.T) {
	c := sdk{start(t, dataversetest.Options{})}
	table := cropTable(c)
	c.post(204, "EntityDefinitions("+table+")/Attributes", sdkColumn("String", "new_Added", object{"MaxLength": 200, "FormatName": object{"Value": "Text"}, "IsPrimaryName": false}))
	v := c.get("EntityDefinitions("+table+")/Attributes", "$select", "MetadataId,LogicalName,SchemaName", "$filter", "SchemaName eq 'new_Added'")
	column := v["value"].([]any)[0].(map[string]any)["MetadataId"].(string)
	c.want(204, "DELETE", "EntityDefinitions("+table+")/Attributes("+column+")", "", append([]string{"If-Match: *"}, sdkHeaders...)...)

	c.create("new_Field")
	a := c.post(204, "RelationshipDefinitions", object{"@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata", "SchemaName": "new_field_crop", "ReferencedEntity": "new_field",
		"ReferencingEntity": "new_crop", "ReferencedAttribute": "new_fieldid",
		"CascadeConfiguration": object{"Assign": "NoCascade", "Delete": "RemoveLink", "Merge": "NoCascade", "Reparent": "NoCascade", "Share": "NoCascade", "Unshare": "NoCascade"},
		"Lookup":               object{"@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata", "SchemaName": "new_FieldId", "DisplayName": sdkLabel("Field"), "RequiredLevel": object{"Value": "None"}}},
		"MSCRM.SolutionUniqueName: Crops")
	if !strings.Contains(a.header.Get("OData-EntityId"), "/RelationshipDefinitions(") {
		t.Errorf("OData-EntityId %q", a.header.Get("OData-EntityId"))
	}
	c.post(204, "RelationshipDefinitions", object{"@odata.type": "Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata", "SchemaName": "new_crop_account",
		"Entity1LogicalName": "new_crop", "Entity2LogicalName": "account", "IntersectEntityName": "new_crop_account"})
	for _, name := range []string{"new_field_crop", "new_crop_account"} {
		v = c.get("RelationshipDefinitions", "$filter", "SchemaName eq '"+name+"'")
		relationship := v["value"].([]any)[0].(map[string]any)["MetadataId"].(string)
		c.want(204, "DELETE", "RelationshipDefinitions("+relationship+")", "", append([]string{"If-Match: *"}, sdkHeaders...)...)
	}
	if tables := c.get("EntityDefinitions", "$filter", "IsPrivate eq false", "$select", "LogicalName,SchemaName")["value"].([]any); len(tables) < 20 {
		t.Errorf("%d tables", len(tables))
	}
	c.want(204, "DELETE", "EntityDefinitions("+table+")", "", append([]string{"If-Match: *"}, sdkHeaders...)...)
	if tables := c.get("EntityDefinitions", "$filter", "SchemaName eq 'new_Crop'")["value"].([]any); len(tables) != 0 {
		t.Errorf("left %v", tables)
	}
}

func TestPythonFiles(t *testing.T) {
	c := sdk{start(t, dataversetest.Options{})}
	cropTable(c)
	c.post(204, "new_crops", object{"new_cropid": id(1), "new_name": "A"})
	at := "new_crops(" + id(1) + ")/new_plan"
	c.body(204, "PATCH", at, "small", "If-None-Match: null", "Content-Type: application/octet-stream", "x-ms-file-name: plan.txt")
	if got := c.want(200, "GET", at+"/$value", "").body; got != "small" {
		t.Errorf("content %q", got)
	}
	content := strings.Repeat("x", 5<<20)
	a := c.body(200, "PATCH", at+"?x-ms-file-name=large%20plan.txt", "", "If-Match: *", "x-ms-transfer-mode: chunked")
	for from := 0; from < len(content); from += 4 << 20 {
		to, status := min(len(content), from+4<<20), 206
		if to == len(content) {
			status = 204
		}
		c.body(status, "PATCH", a.header.Get("Location"), content[from:to], "Content-Type: application/octet-stream", "x-ms-file-name: large plan.txt",
			fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, to-1, len(content)))
	}
	if got := c.want(200, "GET", at+"/$value", "").body; got != content {
		t.Errorf("%d bytes", len(got))
	}
}

// The SDK's batches have addresses with blanks in them, a quoted boundary, and change sets that refer to $n.
func TestPythonBatch(t *testing.T) {
	c := sdk{start(t, dataversetest.Options{})}
	cropTable(c)
	api := c.web.URL + "/api/data/v9.2/"
	entry := func(method, path, body string, headers ...string) []string {
		return operation(method+" "+path, append(append([]string{"Content-Type: application/json; type=entry"}, headers...), "", body)...)
	}
	body := batchBody(
		entry("POST", api+"new_crops/Microsoft.Dynamics.CRM.CreateMultiple", `{"Targets": [{"new_name": "A", "@odata.type": "Microsoft.Dynamics.CRM.new_crop"}]}`),
		changeSetPart(entry("POST", api+"new_crops", `{"new_name": "B"}`), entry("PATCH", "$1", `{"new_quantity": 3}`, "If-Match: *"),
			entry("POST", api+"new_crops", `{"new_name": "C"}`), operation("DELETE $3", "If-Match: *", "")),
		operation("GET "+api+"new_crops?$select=new_name,new_quantity&$filter=new_quantity eq 3&$orderby=new_name asc", "Accept: application/json", ""),
		operation("GET "+api+"new_crops?sql="+url.QueryEscape("SELECT new_name FROM new_crop WHERE new_name <> 'B'"), ""),
		operation("GET "+api+"EntityDefinitions?$select=LogicalName&$filter=LogicalName eq 'new_crop'", ""))
	parts := c.batch(200, body, "OData-MaxVersion: 4.0", "OData-Version: 4.0", "Prefer: odata.continue-on-error")
	if len(parts) != 5 || len(parts[1].set) != 4 {
		t.Fatalf("parts %+v", parts)
	}
	for n, want := range map[int]string{0: `"Ids":[`, 2: `"new_quantity":3`, 3: `"new_name":"A"`, 4: `"LogicalName":"new_crop"`} {
		if parts[n].status != 200 || !strings.Contains(parts[n].body, want) {
			t.Errorf("part %d: %d %s", n, parts[n].status, parts[n].body)
		}
	}
	for n, p := range parts[1].set {
		if p.status != 204 {
			t.Errorf("member %d: %d %s", n+1, p.status, p.body)
		}
	}
	if rows := c.get("new_crops")["value"].([]any); len(rows) != 2 {
		t.Errorf("%d records", len(rows))
	}
}

func TestPythonFetch(t *testing.T) {
	c := sdk{start(t, dataversetest.Options{})}
	cropTable(c)
	for n := range 5 {
		c.post(204, "new_crops", object{"new_name": fmt.Sprint("n", n), "new_quantity": n})
	}
	var names []string
	cookie := ""
	for page := 1; ; page++ {
		a := c.want(200, "GET", c.params("new_crops", []string{"fetchXml", fmt.Sprintf(
			`<fetch count="2" page="%d"%s><entity name="new_crop"><attribute name="new_name" /><order attribute="new_name" /></entity></fetch>`, page, cookie)}), "",
			append([]string{`Prefer: odata.include-annotations="Microsoft.Dynamics.CRM.fetchxmlpagingcookie,Microsoft.Dynamics.CRM.morerecords"`}, sdkHeaders...)...)
		for _, row := range a.list(t) {
			names = append(names, row["new_name"].(string))
		}
		v := a.values(t)
		if v["@Microsoft.Dynamics.CRM.morerecords"] != true {
			break
		}
		// The cookie stands, encoded twice, in an attribute of an XML element.
		outer, _ := v["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"].(string)
		_, rest, _ := strings.Cut(outer, `pagingcookie="`)
		inner, _, _ := strings.Cut(rest, `"`)
		inner, err := url.QueryUnescape(inner)
		if err == nil {
			inner, err = url.QueryUnescape(inner)
		}
		if err != nil || inner == "" {
			t.Fatalf("paging cookie %q: %v", outer, err)
		}
		cookie = ` paging-cookie="` + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(inner) + `"`
		if page > 5 {
			t.Fatal("no end")
		}
	}
	if got := strings.Join(names, " "); got != "n0 n1 n2 n3 n4" {
		t.Errorf("pages %q", got)
	}
}
