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
	for _, q := range []string{
		"cr1_name eq 'a' and (cr1_no gt 1.5 or not contains(cr1_name,'x'))", "cr1_parcel_tags/any(t:t/cr1_name eq 'x' and cr1_no eq 1)",
		"cr1_Tenant_contact/parentcustomerid_account/name ne null", "Microsoft.Dynamics.CRM.In(PropertyName='cr1_no',PropertyValues=['1','x'])",
		"Microsoft.Dynamics.CRM.LastXDays(PropertyName='cr1_day',PropertyValue=7)", "cr1_areaha le 1e3", "cr1_photo eq null", "cr1_deed ne null",
		"Microsoft.Dynamics.CRM.Between(PropertyName='cr1_areaha',PropertyValues=[1,2.5])", "cr1_crops eq '1'", "versionnumber gt -1",
	} {
		f.Add(q, "cr1_name desc,cr1_Owner_Account/name", "aggregate($count as n)")
	}
	f.Add("", "cr1_kind", "groupby((cr1_kind,cr1_name),aggregate(cr1_no with sum as s,cr1_areaha with max as m))")
	s, err := dataversetest.New(dataversetest.Options{Traffic: traffic.Options{Limits: &traffic.Limits{}, LogSize: -1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	token, err := s.Entra().Issue(dataversetest.DefaultUser.ClientID, "t", "http://example.com")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, filter, order, apply string) {
		for _, query := range []string{"$filter=" + url.QueryEscape(filter) + "&$orderby=" + url.QueryEscape(order), "$apply=" + url.QueryEscape(apply)} {
			r := httptest.NewRequest(http.MethodGet, "/api/data/v9.2/cr1_parcels?"+query, nil)
			r.Header.Set("Authorization", "Bearer "+token.Value)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != 501 || strings.Contains(w.Body.String(), "(emulator:") {
				t.Errorf("%s: %d %s", query, w.Code, w.Body)
			}
		}
	})
}
