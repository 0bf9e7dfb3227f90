package dataversetest_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

const parcelType = `"@odata.type":"Microsoft.Dynamics.CRM.cr1_parcel"`

func targets(rows ...string) string { return `{"Targets":[` + strings.Join(rows, ",") + `]}` }

func parcel(members string) string { return "{" + parcelType + "," + members + "}" }

// thousand is an UpsertMultiple of contacts that only this call has.
func thousand(call int) string {
	var s strings.Builder
	s.WriteString(`{"Targets":[`)
	for i := range 1000 {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"@odata.type":"Microsoft.Dynamics.CRM.contact","@odata.id":"contacts(emailaddress1='p%d-%d@example.org')",`+
			`"firstname":"First %d","lastname":"Last %d","telephone1":"+49 30 %d","address1_city":"Berlin","gendercode":2,"donotemail":false,"birthdate":"1980-01-02"}`,
			call, i, i, i, i)
	}
	return s.String() + "]}"
}

func BenchmarkUpsertMultiple(b *testing.B) {
	e := start(b, dataversetest.Options{})
	for _, kind := range []string{"create", "update"} {
		b.Run(kind, func(b *testing.B) {
			bodies := make([]string, b.N)
			for i := range bodies {
				bodies[i] = thousand(i)
				if kind == "update" {
					bodies[i] = thousand(0)
				}
			}
			e.server.Reset(b.Context())
			if kind == "update" {
				e.want(204, "POST", "contacts/Microsoft.Dynamics.CRM.UpsertMultiple", bodies[0])
			}
			b.ResetTimer()
			for i := range b.N {
				e.want(204, "POST", "contacts/Microsoft.Dynamics.CRM.UpsertMultiple", bodies[i])
			}
			b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
