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
		"cr1_name eq 'ALPHA'":                      "Alpha",
		"cr1_name eq 'gamma'":                      "Gämma",
		"cr1_name ne 'alpha'":                      "beta Gämma delta O'Neil",
		"cr1_name eq 'O''Neil'":                    "O'Neil",
		"cr1_areaha gt 9.5":                        "beta Gämma",
		"cr1_areaha ge 9.5 and cr1_no lt 3":        "Alpha beta",
		"cr1_areaha eq null":                       "delta O'Neil",
		"cr1_areaha ne null":                       "Alpha beta Gämma",
		"not (cr1_areaha ne null)":                 "delta O'Neil",
		"cr1_kind eq 727000002 or cr1_visits eq 6": "Alpha O'Neil",
		"cr1_isleased eq true":                     "beta",
		"cr1_isleased":                             "beta",
		"cr1_day ge 2026-01-02":                    "beta",
		"cr1_surveyedon lt 2026-03-01T00:00:00Z":   "Gämma",
		"contains(cr1_name,'ELT')":                 "delta",
		"startswith(cr1_name,'a')":                 "Alpha",
		"endswith(cr1_name,'TA')":                  "beta delta",
		"not contains(cr1_name,'a')":               "O'Neil",
		"_cr1_owner_account_value eq " + id(101):   "Alpha",
		"cr1_Owner_Account/name eq 'echo FARMS'":   "Gämma",
		"cr1_Tenant_contact/lastname eq 'roe'":     "O'Neil",
		"cr1_Tenant_contact/parentcustomerid_account/name eq 'Delta Farms'":                           "O'Neil",
		"Microsoft.Dynamics.CRM.In(PropertyName='cr1_no',PropertyValues=['1','3'])":                   "Alpha Gämma",
		"Microsoft.Dynamics.CRM.In(PropertyName='cr1_name',PropertyValues=['BETA','x'])":              "beta",
		"Microsoft.Dynamics.CRM.NotIn(PropertyName='cr1_visits',PropertyValues=['5'])":                "Alpha beta Gämma O'Neil",
		"Microsoft.Dynamics.CRM.Between(PropertyName='cr1_no',PropertyValues=['2','3'])":              "beta Gämma",
		"Microsoft.Dynamics.CRM.ContainValues(PropertyName='cr1_crops',PropertyValues=['727000001'])": "beta",
		"Microsoft.Dynamics.CRM.LastXDays(PropertyName='cr1_surveyedon',PropertyValue=7)":             "Gämma",
		"Microsoft.Dynamics.CRM.LastXDays(PropertyName='cr1_surveyedon',PropertyValue=1)":             "",
		"Microsoft.Dynamics.CRM.Yesterday(PropertyName='cr1_day')":                                    "beta",
		"cr1_name eq @p": "delta",
		"(cr1_name eq 'Alpha') and (cr1_no eq 1)": "Alpha",
	} {
		if got := e.names("cr1_parcels?$filter=" + q(filter) + "&@p='delta'"); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
	rows := e.want(200, "GET", "accounts?$select=name&$filter="+q("cr1_account_parcel/any(p:p/cr1_areaha gt 50)"), "").list(t)
	if len(rows) != 1 || rows[0]["name"] != "echo farms" {
		t.Errorf("any: %v", rows)
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
		"tolower(cr1_name) eq 'x'": {501, "0x80040219", "does not support"},
		"length(cr1_name) gt 1":    {501, "0x80040219", "does not support"},
		"cr1_name in ('a','b')":    {501, "0x80040219", "does not support"},
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

func TestOrderAndTop(t *testing.T) {
	e := farm(t)
	for query, want := range map[string]string{
		"$orderby=cr1_name desc&$top=2":               "O'Neil Gämma",
		"$orderby=cr1_areaha desc,cr1_no":             "Gämma beta Alpha delta O'Neil",
		"$orderby=cr1_kind,cr1_no":                    "beta Gämma delta O'Neil Alpha", // by label: Arable, Forest
		"$orderby=cr1_Owner_Account/name desc&$top=1": "Gämma",
		"$top=0": "",
	} {
		if got := e.names("cr1_parcels?" + strings.ReplaceAll(query, " ", "%20")); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestPaging(t *testing.T) {
	e := farm(t)
	for _, order := range []string{"", "&$orderby=cr1_no%20desc"} {
		path := "cr1_parcels?$select=cr1_no&$count=true" + order
		var got []string
		for pages := 0; path != ""; pages++ {
			a := e.want(200, "GET", path, "", "Prefer: odata.maxpagesize=2")
			v := a.values(t)
			if fmt.Sprint(v["@odata.count"]) != "5" || a.header.Get("Preference-Applied") != "odata.maxpagesize=2" {
				t.Fatalf("count %v, applied %q", v["@odata.count"], a.header.Get("Preference-Applied"))
			}
			for _, row := range a.list(t) {
				got = append(got, fmt.Sprint(row["cr1_no"]))
			}
			path, _ = v["@odata.nextLink"].(string)
			if path != "" && (!strings.Contains(path, "$skiptoken=%3Ccookie%20pagenumber%3D%22") || !strings.HasPrefix(path, e.web.URL)) {
				t.Fatalf("next link %s", path)
			}
			if pages > 3 {
				t.Fatal("no end")
			}
		}
		want := "1 2 3 4 5"
		if order != "" {
			want = "5 4 3 2 1"
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v", order, got)
		}
	}
	e.refused(400, "0x80060888", "Paging Cookie", "GET", "cr1_parcels?$skiptoken=nonsense", "")
}

func TestCounts(t *testing.T) {
	e := farm(t)
	if got := e.want(200, "GET", "cr1_parcels/$count?$filter="+q("cr1_areaha ne null"), "").body; got != "3" {
		t.Errorf("$count %q", got)
	}
	v := e.want(200, "GET", "cr1_parcels?$count=true&$top=1", "", `Prefer: odata.include-annotations="*"`).values(t)
	has(t, v, map[string]any{"@odata.count": 5, "@Microsoft.Dynamics.CRM.totalrecordcount": 5, "@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded": false})
	v = e.want(200, "GET", "RetrieveTotalRecordCount(EntityNames=['account','cr1_parcel'])", "").values(t)
	if got := fmt.Sprint(v["EntityRecordCountCollection"]); got != "map[Count:2 IsReadOnly:false Keys:[account cr1_parcel] Values:[2 5]]" {
		t.Errorf("got %s", got)
	}
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

func TestExpandBothWays(t *testing.T) {
	e := farm(t)
	v := e.want(200, "GET", "accounts("+id(101)+")?$select=name&$expand=cr1_account_parcel($select=cr1_name;$orderby=cr1_no),primarycontactid($select=fullname)", "").values(t)
	parcels := v["cr1_account_parcel"].([]any)
	if len(parcels) != 1 || parcels[0].(map[string]any)["cr1_name"] != "Alpha" || v["primarycontactid"] != nil {
		t.Errorf("got %v", v)
	}
	rows := e.want(200, "GET", "cr1_parcels?$select=cr1_name&$expand=cr1_Owner_Account($select=name)&$filter=cr1_no%20le%202", "").list(t)
	has(t, rows[0]["cr1_Owner_Account"].(map[string]any), map[string]any{"name": "Delta Farms", "accountid": id(101)})
	if rows[1]["cr1_Owner_Account"] != nil {
		t.Errorf("got %v", rows[1])
	}
	e.refused(400, "0x0", "Could not find a property named 'nope'", "GET", "accounts?$expand=nope", "")
	if got := e.names("accounts(" + id(102) + ")/cr1_account_parcel?$select=cr1_name"); got != "Gämma" {
		t.Errorf("collection: %q", got)
	}
	has(t, e.want(200, "GET", "cr1_parcels("+id(1)+")/cr1_Owner_Account?$select=name", "").values(t), map[string]any{"name": "Delta Farms"})
	e.want(204, "GET", "cr1_parcels("+id(2)+")/cr1_Owner_Account", "")
}

func TestAggregates(t *testing.T) {
	e := farm(t)
	rows := e.want(200, "GET", "cr1_parcels?$apply=aggregate("+q("$count as n,cr1_areaha with sum as area,cr1_no with max as last")+")", "").list(t)
	has(t, rows[0], map[string]any{"n": 5, "area": "119.75", "last": 5})
	rows = e.want(200, "GET", "cr1_parcels?$apply=filter("+q("cr1_no gt 1")+")/groupby((cr1_kind),aggregate("+q("$count as n")+"))", "").list(t)
	if len(rows) != 1 {
		t.Fatalf("groups %v", rows)
	}
	has(t, rows[0], map[string]any{"cr1_kind": 727000000, "n": 4})
}
