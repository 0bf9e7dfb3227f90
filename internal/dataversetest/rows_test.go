package dataversetest_test

import (
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

func TestCreateAnswers204WithTheRecordsURL(t *testing.T) {
	e := start(t, dataversetest.Options{Now: fixed})
	a := e.want(204, "POST", "contacts", `{"contactid":"`+strings.ToUpper(id(1))+`","firstname":"Jo","lastname":"Roe","emailaddress1":"jo@x.org"}`)
	if got, want := a.header.Get("OData-EntityId"), e.web.URL+"/api/data/v9.2/contacts("+id(1)+")"; got != want {
		t.Errorf("OData-EntityId %s, want %s", got, want)
	}
	if a.body != "" || a.header.Get("OData-Version") != "4.0" {
		t.Errorf("body %q, version %q", a.body, a.header.Get("OData-Version"))
	}
	got := e.want(200, "GET", "contacts("+id(1)+")", "").values(t)
	has(t, got, map[string]any{"contactid": id(1), "firstname": "Jo", "fullname": "Jo Roe", "statecode": 0, "statuscode": 1,
		"createdon": "2026-03-01T02:00:05Z", "modifiedon": "2026-03-01T02:00:05Z", "description": nil, "address1_city": nil})
	if got["_ownerid_value"] == nil || got["_createdby_value"] == nil || got["versionnumber"] == nil || got["@odata.etag"] == nil {
		t.Errorf("system columns missing: %v", got)
	}
	if got["_ownerid_value"] != got["_owninguser_value"] {
		t.Errorf("owner %v, owning user %v", got["_ownerid_value"], got["_owninguser_value"])
	}
}

func TestCreateWithRepresentation(t *testing.T) {
	e := start(t, dataversetest.Options{})
	a := e.want(201, "POST", "accounts?$select=name,revenue", `{"name":"Delta","revenue":12.5}`, "Prefer: return=representation")
	if a.header.Get("Preference-Applied") != "return=representation" || a.header.Get("ETag") == "" {
		t.Errorf("headers %v", a.header)
	}
	got := a.values(t)
	has(t, got, map[string]any{"name": "Delta", "revenue": "12.5"})
	if got["accountid"] == nil || got["@odata.etag"] == nil || len(got) != 5 {
		t.Errorf("got %v", got)
	}
}

func TestPrimaryKeyConflict(t *testing.T) {
	e := start(t, dataversetest.Options{})
	body := `{"accountid":"` + id(1) + `","name":"A"}`
	e.want(204, "POST", "accounts", body)
	e.refused(412, "0x80040237", "A record with matching key values already exists.", "POST", "accounts", body)
	e.refused(412, "0x80040237", "A record with matching key values already exists.", "PATCH", "accounts("+id(1)+")", `{"name":"B"}`, "If-None-Match: *")
}

func TestPatchIsUpsert(t *testing.T) {
	e := start(t, dataversetest.Options{})
	path := "accounts(" + id(7) + ")"
	e.want(201, "PATCH", path, `{"name":"New"}`, "Prefer: return=representation")
	e.want(200, "PATCH", path, `{"name":"Newer"}`, "Prefer: return=representation")
	a := e.want(204, "PATCH", path, `{"name":"Newest"}`)
	if !strings.HasSuffix(a.header.Get("OData-EntityId"), path) {
		t.Errorf("OData-EntityId %s", a.header.Get("OData-EntityId"))
	}
	has(t, e.want(200, "GET", path, "").values(t), map[string]any{"name": "Newest"})
	e.refused(404, "0x80040217", "account With Id = "+id(8)+" Does Not Exist", "PATCH", "accounts("+id(8)+")", `{"name":"x"}`, "If-Match: *")
	e.refused(404, "0x80040217", "Does Not Exist", "GET", "accounts("+id(8)+")", "")
}

func TestEtags(t *testing.T) {
	e := start(t, dataversetest.Options{})
	path := "accounts(" + id(1) + ")"
	e.want(204, "POST", "accounts", `{"accountid":"`+id(1)+`","name":"A"}`)
	tag := e.want(200, "GET", path, "").header.Get("ETag")
	e.want(304, "GET", path, "", "If-None-Match: "+tag)
	e.want(200, "GET", path, "", "If-None-Match: null")
	e.want(204, "PATCH", path, `{"name":"B"}`, "If-Match: "+tag)
	e.refused(412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided.",
		"PATCH", path, `{"name":"C"}`, "If-Match: "+tag)
	e.refused(412, "0x80060882", "", "DELETE", path, "", "If-Match: "+tag)
	e.want(204, "DELETE", path, "", "If-Match: *")
	e.refused(404, "0x80040217", "Does Not Exist", "DELETE", path, "")
}

func TestSingleProperties(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "accounts", `{"accountid":"`+id(1)+`","name":"A","numberofemployees":5}`)
	path := "accounts(" + id(1) + ")/"
	e.want(204, "PUT", path+"name", `{"value":"B"}`)
	has(t, e.want(200, "GET", path+"name", "").values(t), map[string]any{"value": "B"})
	if got := e.want(200, "GET", path+"name/$value", "").body; got != "B" {
		t.Errorf("$value %q", got)
	}
	e.want(204, "DELETE", path+"numberofemployees", "")
	e.want(204, "GET", path+"numberofemployees", "")
	e.refused(404, "0x8006088a", "Resource not found for the segment 'nope'.", "GET", path+"nope", "")
}

func TestUnknownPaths(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.refused(404, "0x8006088a", "Resource not found for the segment 'account'.", "GET", "account", "")
	e.refused(404, "0x8006088a", "Resource not found for the segment 'Accounts'.", "POST", "Accounts", `{}`)
	e.refused(404, "", "No HTTP resource was found that matches the request URI '", "POST", "WhoAmI", `{}`)
	e.want(404, "GET", e.web.URL+"/api/data/v7.0/accounts", "")
	e.want(200, "GET", e.web.URL+"/api/data/v8.2/WhoAmI", "")
}

func TestAlternateKeys(t *testing.T) {
	e := start(t, dataversetest.Options{})
	byCode := "cr1_parcels(cr1_no=42)"
	a := e.want(204, "PATCH", byCode, `{"cr1_name":"North"}`)
	if got, want := a.header.Get("OData-EntityId"), e.web.URL+"/api/data/v9.2/"+byCode; got != want {
		t.Errorf("keyed upsert answers %s, want the key's URL %s", got, want)
	}
	e.want(204, "PATCH", byCode, `{"cr1_name":"South"}`)
	rows := e.want(200, "GET", "cr1_parcels?$select=cr1_no,cr1_name", "").list(t)
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	has(t, rows[0], map[string]any{"cr1_no": 42, "cr1_name": "South"})
	has(t, e.want(200, "GET", byCode, "").values(t), map[string]any{"cr1_name": "South"})
	e.refused(404, "0x80060891", "A record with the specified key values does not exist in cr1_parcel entity", "GET", "cr1_parcels(cr1_no=43)", "")
	e.refused(404, "0x80060891", "", "DELETE", "cr1_parcels(cr1_no=43)", "")
	e.refused(404, "0x80060891", "", "PATCH", "cr1_parcels(cr1_no=43)", `{}`, "If-Match: *")
	e.refused(400, "0x80060888", "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.cr1_parcel'.", "GET", "cr1_parcels(cr1_name='x')", "")
	e.refused(412, "0x80060892", "Entity Key Parcel", "POST", "cr1_parcels", `{"cr1_no":42,"cr1_name":"Again"}`)
	e.want(204, "DELETE", byCode, "")
}

func TestKeyConflictNamesKeyAndColumns(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "cr1_parcels", `{"cr1_no":42,"cr1_name":"a"}`)
	a := e.want(412, "POST", "cr1_parcels", `{"cr1_no":42,"cr1_name":"b"}`)
	for _, want := range []string{`"@Microsoft.PowerApps.CDS.ErrorDetails.0":`, `"@Microsoft.PowerApps.CDS.ErrorDetails.DuplicateAttributes":"<DuplicateAttributes><cr1_no>42</cr1_no></DuplicateAttributes>"`,
		"Select one or more unique values and try again."} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
}
