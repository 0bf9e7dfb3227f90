package dataversetest_test

import (
	"testing"

	"penstock/internal/dataversetest"
)

func TestNamesAndTimesAreFilledIn(t *testing.T) {
	e := start(t, dataversetest.Options{Now: fixed})
	e.want(204, "POST", "contacts", `{"contactid":"`+id(1)+`","firstname":"Jo","lastname":"Roe","emailaddress1":"jo@x.org"}`)
	has(t, e.want(200, "GET", "contacts("+id(1)+")", "").values(t), map[string]any{"contactid": id(1), "firstname": "Jo", "fullname": "Jo Roe", "statecode": 0, "statuscode": 1,
		"createdon": "2026-03-01T02:00:05Z", "modifiedon": "2026-03-01T02:00:05Z", "description": nil, "address1_city": nil})
}

func TestUnknownPaths(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.refused(404, "0x8006088a", "Resource not found for the segment 'Accounts'.", "POST", "Accounts", `{}`)
	e.want(404, "GET", e.web.URL+"/api/data/v7.0/accounts", "")
	e.refused(501, "0x80040219", "does not support Merge.", "POST", "Merge", `{}`)
	e.refused(501, "0x80040219", "does not support QualifyLead.", "POST", "leads("+id(1)+")/Microsoft.Dynamics.CRM.QualifyLead", `{}`)
	e.refused(501, "0x80040219", "does not support searchquery.", "POST", "searchquery", `{}`)
}
