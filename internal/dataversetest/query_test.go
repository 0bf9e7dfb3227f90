package dataversetest_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

// farm has two accounts, five parcels, and a contact.
func farm(t *testing.T) *env {
	e := start(t, dataversetest.Options{Now: fixed})
	e.want(204, "POST", "accounts", `{"accountid":"`+id(101)+`","name":"Delta Farms","accountnumber":"D","revenue":1234567.5}`)
	e.want(204, "POST", "accounts", `{"accountid":"`+id(102)+`","name":"echo farms"}`)
	e.want(204, "POST", "contacts", `{"contactid":"`+id(201)+`","lastname":"Roe","parentcustomerid_account@odata.bind":"/accounts(`+id(101)+`)"}`)
	for n, row := range []string{
		`"cr1_name":"Alpha","cr1_areaha":9.5,"cr1_kind":727000002,"cr1_day":"2026-01-01","cr1_Owner_Account@odata.bind":"/accounts(` + id(101) + `)"`,
		`"cr1_name":"beta","cr1_areaha":10.25,"cr1_kind":727000000,"cr1_day":"2026-02-28","cr1_isleased":true,"cr1_crops":"727000000,727000001"`,
		`"cr1_name":"Gämma","cr1_areaha":100,"cr1_surveyedon":"2026-02-27T10:00:00Z","cr1_Owner_Account@odata.bind":"/accounts(` + id(102) + `)"`,
		`"cr1_name":"delta","cr1_visits":5`,
		`"cr1_name":"O'Neil","cr1_visits":6,"cr1_Tenant_contact@odata.bind":"/contacts(` + id(201) + `)"`,
	} {
		e.want(204, "POST", "cr1_parcels", fmt.Sprintf(`{"cr1_parcelid":"%s","cr1_no":%d,%s}`, id(n+1), n+1, row))
	}
	return e
}

func (e *env) names(path string, headers ...string) string {
	e.t.Helper()
	var out []string
	for _, row := range e.want(200, "GET", path, "", headers...).list(e.t) {
		out = append(out, fmt.Sprint(row["cr1_name"]))
	}
	return strings.Join(out, " ")
}

func TestFilters(t *testing.T) {
	e := farm(t)
	for filter, want := range map[string]string{
		"not (cr1_areaha ne null)":                "delta O'Neil",
		"cr1_isleased":                            "beta",
		"(cr1_name eq 'Alpha') and (cr1_no eq 1)": "Alpha",
		"Microsoft.Dynamics.CRM.LastXDays(PropertyName='cr1_surveyedon',PropertyValue=7)": "Gämma",
		"Microsoft.Dynamics.CRM.LastXDays(PropertyName='cr1_surveyedon',PropertyValue=1)": "",
		"Microsoft.Dynamics.CRM.Yesterday(PropertyName='cr1_day')":                        "beta",
		"cr1_name eq @p": "delta",
	} {
		if got := e.names("cr1_parcels?$filter=" + q(filter) + "&@p='delta'"); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
}

func TestFiltersAreRefused(t *testing.T) {
	e := farm(t)
	for filter, want := range map[string]struct {
		status int
		code   string
		text   string
	}{
		"nope eq 1":                {400, "0x0", "Could not find a property named 'nope' on type 'Microsoft.Dynamics.CRM.cr1_parcel'."},
		"Cr1_Name eq 'x'":          {400, "0x0", "Could not find a property named 'Cr1_Name'"},
		"cr1_no eq 'x'":            {400, "0x80060888", "A binary operator with incompatible types was detected."},
		"cr1_name eq 1":            {400, "0x80060888", "A binary operator with incompatible types was detected."},
		"cr1_name eq":              {400, "0x80060888", ""},
		"tolower(cr1_name) eq 'x'": {400, "0x80060888", "The query node SingleValueFunctionCall is not supported."},
		"length(cr1_name) gt 1":    {400, "0x80060888", "The query node SingleValueFunctionCall is not supported."},
		"cr1_no add 1 eq 2":        {400, "0x80060888", "The query node BinaryOperator is not supported."},
		"cr1_name in ('a','b')":    {400, "0x80060888", "The query node In is not supported."},
		"cr1_name eq @missing":     {400, "0x80060888", "@missing"},
		"Microsoft.Dynamics.CRM.Above(PropertyName='cr1_parcelid',PropertyValue='x')": {400, "", ""},
	} {
		a := e.send("GET", "cr1_parcels?$filter="+q(filter), "")
		if want.code == "" {
			if a.status < 400 {
				t.Errorf("%s: %d", filter, a.status)
			}
			continue
		}
		e.refused(want.status, want.code, want.text, "GET", "cr1_parcels?$filter="+q(filter), "")
	}
	e.refused(501, "0x80060888", "Skip Clause is not supported", "GET", "cr1_parcels?$skip=5", "")
	e.refused(400, "0x0", "Could not find a property named 'nope'", "GET", "cr1_parcels?$select=nope", "")
	e.refused(501, "0x80040219", "savedQuery", "GET", "cr1_parcels?savedQuery="+id(1), "")
}

func TestAnnotations(t *testing.T) {
	e := farm(t)
	v := e.want(200, "GET", "cr1_parcels("+id(1)+")?$select=cr1_name,cr1_kind,cr1_areaha,cr1_day,cr1_isleased,_cr1_owner_account_value", "",
		`Prefer: odata.include-annotations="*"`).values(t)
	has(t, v, map[string]any{
		"cr1_kind@OData.Community.Display.V1.FormattedValue":                           "Forest",
		"cr1_areaha@OData.Community.Display.V1.FormattedValue":                         "9.500",
		"cr1_day@OData.Community.Display.V1.FormattedValue":                            "1/1/2026",
		"cr1_isleased@OData.Community.Display.V1.FormattedValue":                       "Owned",
		"_cr1_owner_account_value":                                                     id(101),
		"_cr1_owner_account_value@OData.Community.Display.V1.FormattedValue":           "Delta Farms",
		"_cr1_owner_account_value@Microsoft.Dynamics.CRM.lookuplogicalname":            "account",
		"_cr1_owner_account_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "cr1_Owner_Account",
	})
	v = e.want(200, "GET", "accounts("+id(101)+")?$select=revenue", "", `Prefer: odata.include-annotations="OData.Community.Display.V1.FormattedValue"`).values(t)
	has(t, v, map[string]any{"revenue@OData.Community.Display.V1.FormattedValue": "$1,234,567.50", "revenue": "1234567.5"})
	v = e.want(200, "GET", "contacts("+id(201)+")?$select=_parentcustomerid_value", "", `Prefer: odata.include-annotations="Microsoft.Dynamics.CRM.*"`).values(t)
	has(t, v, map[string]any{"_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
		"_parentcustomerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "parentcustomerid_account",
		"_parentcustomerid_value@OData.Community.Display.V1.FormattedValue":           nil})
}
