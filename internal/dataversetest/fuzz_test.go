package dataversetest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
)

// Whatever a client asks, the emulator answers it or refuses it; it never stumbles.
func FuzzQuery(f *testing.F) {
	serve := fuzzed(f)
	for _, q := range []string{
		"cr1_name eq 'a' and (cr1_no gt 1.5 or not contains(cr1_name,'x'))", "cr1_parcel_tags/any(t:t/cr1_name eq 'x' and cr1_no eq 1)",
		"cr1_Tenant_contact/parentcustomerid_account/name ne null", "Microsoft.Dynamics.CRM.In(PropertyName='cr1_no',PropertyValues=['1','x'])",
		"Microsoft.Dynamics.CRM.LastXDays(PropertyName='cr1_day',PropertyValue=7)", "cr1_areaha le 1e3", "cr1_photo eq null", "cr1_deed ne null",
		"Microsoft.Dynamics.CRM.Between(PropertyName='cr1_areaha',PropertyValues=[1,2.5])", "cr1_crops eq '1'", "versionnumber gt -1",
	} {
		f.Add(q, "cr1_name desc,cr1_Owner_Account/name", "aggregate($count as n)")
	}
	f.Add("", "cr1_kind", "groupby((cr1_kind,cr1_name),aggregate(cr1_no with sum as s,cr1_areaha with max as m))")
	f.Fuzz(func(t *testing.T, filter, order, apply string) {
		serve(t, http.MethodGet, "cr1_parcels?$filter="+url.QueryEscape(filter)+"&$orderby="+url.QueryEscape(order), "")
		serve(t, http.MethodGet, "cr1_parcels?$apply="+url.QueryEscape(apply), "")
		serve(t, http.MethodGet, "cr1_parcels?fetchXml="+url.QueryEscape(apply), "")
	})
}

// The address, its options, SELECT and FetchXML.
func FuzzAddress(f *testing.F) {
	serve := fuzzed(f)
	for _, path := range []string{
		"cr1_parcels?$select=cr1_name,_cr1_owner_account_value&$expand=cr1_Owner_Account($select=name;$expand=primarycontactid),cr1_parcel_tags($filter=cr1_name ne null;$top=1)&$count=true",
		"cr1_parcels(cr1_code='a''b',cr1_region='c')/cr1_Owner_Account/$ref", "accounts(accountnumber='x')/cr1_account_parcel?$top=1", "cr1_parcels/$count?$filter=cr1_no eq 1",
		"EntityDefinitions(LogicalName='cr1_parcel')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$expand=OptionSet&$select=LogicalName",
		"RetrieveTotalRecordCount(EntityNames=['account'])", "cr1_parcels(6f1f0d9e-6d0f-5c67-9a55-000000000001)/cr1_name/$value", "GlobalOptionSetDefinitions(Name='x')",
		"cr1_parcels?sql=SELECT TOP 3 p.cr1_name n, COUNT(*) FROM cr1_parcel p LEFT JOIN account a ON p.cr1_owner_account = a.accountid WHERE a.name LIKE 'x%' GROUP BY p.cr1_name ORDER BY n DESC",
		"cr1_parcels?sql=SELECT DISTINCT cr1_kind FROM cr1_parcel WHERE cr1_no BETWEEN 1 AND 2 OR cr1_name IN ('a','b') AND cr1_day IS NOT NULL OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY",
		`cr1_parcels?fetchXml=<fetch distinct="true" count="2" page="2"><entity name="cr1_parcel"><all-attributes/><link-entity name="account" from="accountid" to="cr1_owner_account" alias="a" link-type="outer"><attribute name="name"/><filter><condition attribute="name" operator="like" value="x%25"/></filter></link-entity></entity></fetch>`,
		`cr1_parcels?fetchXml=<fetch aggregate="true"><entity name="cr1_parcel"><attribute name="cr1_day" groupby="true" dategrouping="month" alias="m"/><attribute name="cr1_no" aggregate="avg" alias="n"/><order alias="m"/></entity></fetch>`,
		"FetchXmlToQueryExpression(FetchXml=@x)?@x='<fetch><entity name=\"account\"/></fetch>'", "cr1_parcels?$skiptoken=<cookie pagenumber=\"2\" pagingcookie=\"x\"/>",
		"cr1_parcels?$deltatoken=1!01/02/2026 03:04:05", "sdkmessagefilters?$filter=sdkmessageid/name eq @m&@m='CreateMultiple'", "cr1_parcels?savedQuery=1", "$metadata", "",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u := &url.URL{}
		u.Path, u.RawQuery, _ = strings.Cut(path, "?")
		address := u.EscapedPath()
		if u.RawQuery != "" {
			address += "?" + strings.NewReplacer(" ", "%20", "#", "%23").Replace(u.RawQuery)
		}
		if _, err := url.ParseRequestURI("/api/data/v9.2/" + address); err != nil || strings.ContainsAny(address, "\r\n\t\x00") {
			t.Skip("no address that a client could send")
		}
		serve(t, http.MethodGet, address, "")
	})
}

func FuzzBody(f *testing.F) {
	serve := fuzzed(f)
	for _, body := range []string{
		`{"cr1_name":"a","cr1_no":1,"cr1_areaha":1.5,"cr1_Owner_Account@odata.bind":"/accounts(accountnumber='x')"}`,
		`{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.cr1_parcel","@odata.id":"cr1_parcels(cr1_no=2)","cr1_day":"2026-01-02"}]}`,
		`{"cr1_Owner_Account":{"name":"x"},"cr1_parcel_tags":[{"cr1_name":"t"}],"cr1_photo":"AAAA","cr1_value":1e5,"cr1_crops":"1,2"}`,
		`{"statecode":1,"statuscode":2,"ownerid@odata.bind":null,"cr1_Tenant_contact":null,"cr1_parcel_tags@odata.bind":["/cr1_tags(cr1_name='t')"]}`,
		`{"QuerySet":[{"EntityName":"cr1_tag","Criteria":{"Conditions":[{"AttributeName":"cr1_name","Operator":"Like","Values":[{"Value":"x"}]}]}}]}`,
		`<fetch><entity name="cr1_parcel"><attribute name="cr1_no"/><filter><condition attribute="cr1_day" operator="ge" value="x"/></filter></entity></fetch>`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"cr1_parcels", "cr1_parcels/Microsoft.Dynamics.CRM.UpsertMultiple", "cr1_readings/Microsoft.Dynamics.CRM.CreateMultiple",
			"BulkDelete", "AddListMembersList"} {
			serve(t, http.MethodPost, path, body)
		}
		serve(t, http.MethodPatch, "cr1_parcels(cr1_no=1)", body)
	})
}

// fuzzed starts a server and returns what sends it a request.
func fuzzed(f *testing.F) func(t *testing.T, method, path, body string) {
	s, err := dataversetest.New(dataversetest.Options{Traffic: traffic.Options{Limits: &traffic.Limits{}, LogSize: -1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	token, err := s.Entra().Issue(dataversetest.DefaultUser.ClientID, "t", "http://example.com")
	if err != nil {
		f.Fatal(err)
	}
	return func(t *testing.T, method, path, body string) {
		t.Helper()
		r := httptest.NewRequest(method, "/api/data/v9.2/"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token.Value)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 501 || strings.Contains(w.Body.String(), "(emulator:") {
			t.Errorf("%s %s %q: %d %s", method, path, body, w.Code, w.Body)
		}
	}
}
