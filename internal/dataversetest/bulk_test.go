package dataversetest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

const parcelType = `"@odata.type":"Microsoft.Dynamics.CRM.cr1_parcel"`

func targets(rows ...string) string { return `{"Targets":[` + strings.Join(rows, ",") + `]}` }

func parcel(members string) string { return "{" + parcelType + "," + members + "}" }

func TestCreateMultipleReturnsIdsInOrder(t *testing.T) {
	e := start(t, dataversetest.Options{})
	a := e.want(200, "POST", "cr1_parcels/Microsoft.Dynamics.CRM.CreateMultiple",
		targets(parcel(`"cr1_parcelid":"`+id(1)+`","cr1_name":"a","cr1_no":1`), parcel(`"cr1_name":"b","cr1_no":2`)))
	got := a.values(t)
	ids := got["Ids"].([]any)
	if len(ids) != 2 || ids[0] != id(1) || !strings.HasSuffix(got["@odata.context"].(string), "$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse") {
		t.Fatalf("got %v", got)
	}
	has(t, e.want(200, "GET", "cr1_parcels(cr1_no=2)", "").values(t), map[string]any{"cr1_parcelid": ids[1]})
}

func TestStandardTablesAreAllOrNothing(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.refused(400, "0x80044331", "exceeded the maximum allowed length of '100'", "POST", "cr1_parcels/Microsoft.Dynamics.CRM.CreateMultiple",
		targets(parcel(`"cr1_name":"a"`), parcel(`"cr1_name":"`+strings.Repeat("x", 101)+`"`)))
	if rows := e.want(200, "GET", "cr1_parcels", "").list(t); len(rows) != 0 {
		t.Errorf("%d rows stayed", len(rows))
	}
	e.refused(412, "0x80060892", "", "POST", "cr1_parcels/Microsoft.Dynamics.CRM.CreateMultiple",
		targets(parcel(`"cr1_no":1`), parcel(`"cr1_no":1`)))
	if got := e.want(200, "GET", "cr1_parcels/$count", "").body; got != "0" {
		t.Errorf("%s rows stayed", got)
	}
}

func TestUpdateMultiple(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "cr1_parcels", `{"cr1_parcelid":"`+id(1)+`","cr1_name":"a","cr1_no":1}`)
	e.want(204, "POST", "cr1_parcels/Microsoft.Dynamics.CRM.UpdateMultiple", targets(parcel(`"cr1_parcelid":"`+id(1)+`","cr1_name":"b","cr1_no":null`)))
	has(t, e.want(200, "GET", "cr1_parcels("+id(1)+")", "").values(t), map[string]any{"cr1_name": "b", "cr1_no": nil})
	e.refused(404, "0x80040217", "Does Not Exist", "POST", "cr1_parcels/Microsoft.Dynamics.CRM.UpdateMultiple", targets(parcel(`"cr1_parcelid":"`+id(2)+`"`)))
}

func TestUpsertMultipleByIdAndByKey(t *testing.T) {
	e := start(t, dataversetest.Options{})
	const path = "cr1_parcels/Microsoft.Dynamics.CRM.UpsertMultiple"
	body := targets(parcel(`"cr1_parcelid":"`+id(1)+`","cr1_name":"by id"`), parcel(`"@odata.id":"cr1_parcels(cr1_no=2)","cr1_name":"by key"`))
	for range 2 {
		if a := e.want(204, "POST", path, body); a.body != "" {
			t.Errorf("body %q", a.body)
		}
	}
	if rows := e.want(200, "GET", "cr1_parcels", "").list(t); len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
	has(t, e.want(200, "GET", "cr1_parcels(cr1_no=2)", "").values(t), map[string]any{"cr1_name": "by key"})
	// The key column in the body breaks the create, and is tolerated by the update.
	e.refused(400, "0x80040216", "An unexpected error occurred.", "POST", path, targets(parcel(`"@odata.id":"cr1_parcels(cr1_no=3)","cr1_no":3`)))
	e.want(204, "POST", path, targets(parcel(`"@odata.id":"cr1_parcels(cr1_no=2)","cr1_no":2,"cr1_name":"tolerated"`)))
}

func TestTargetsNeedTheirType(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.refused(400, "0x80048d19", "type name", "POST", "cr1_parcels/Microsoft.Dynamics.CRM.CreateMultiple", `{"Targets":[{"cr1_name":"a"}]}`)
	e.refused(400, "0x80048d19", "Microsoft.Dynamics.CRM.contact", "POST", "cr1_parcels/Microsoft.Dynamics.CRM.CreateMultiple",
		`{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.contact"}]}`)
}

// Records of one call cannot point to each other.
func TestLookupsWithinACallDoNotExistYet(t *testing.T) {
	e := start(t, dataversetest.Options{})
	row := func(n int, more string) string {
		return `{"@odata.type":"Microsoft.Dynamics.CRM.account","accountid":"` + id(n) + `","name":"x"` + more + `}`
	}
	e.refused(404, "0x80040217", "Entity 'Account' With Id = "+id(1)+" Does Not Exist", "POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple",
		targets(row(1, ""), row(2, `,"parentaccountid@odata.bind":"/accounts(`+id(1)+`)"`)))
}

func TestTablesWithoutBulkActions(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.refused(400, "0x80040800", "is not enabled on the entity", "POST", "teams/Microsoft.Dynamics.CRM.CreateMultiple", targets(`{"@odata.type":"Microsoft.Dynamics.CRM.team","name":"x"}`))
	e.refused(501, "0x80040219", "DeleteMultiple has not yet been implemented.", "POST", "cr1_parcels/Microsoft.Dynamics.CRM.DeleteMultiple", targets())
	for table, n := range map[string]int{"cr1_parcel": 1, "team": 0} {
		a := e.want(200, "GET", "sdkmessagefilters?$select=sdkmessagefilterid&$filter="+
			q("sdkmessageid/name eq @m and primaryobjecttypecode eq @t")+"&@m='CreateMultiple'&@t='"+table+"'", "")
		if rows := a.list(t); len(rows) != n {
			t.Errorf("%s: %d filters, want %d", table, len(rows), n)
		}
	}
}

func TestElasticTablesFailRowByRow(t *testing.T) {
	e := start(t, dataversetest.Options{})
	row := func(n int, more string) string {
		return `{"@odata.type":"Microsoft.Dynamics.CRM.cr1_reading","cr1_readingid":"` + id(n) + `","cr1_sensor":"s","partitionid":"p"` + more + `}`
	}
	path := "cr1_readings/Microsoft.Dynamics.CRM.CreateMultiple"
	body := targets(row(1, ""), row(2, `,"cr1_value":5000`), row(3, ""))
	a := e.refused(400, "0x80044330", "is outside the valid range", "POST", path, body, `Prefer: odata.include-annotations="*"`)
	var got struct{ Error map[string]string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`[{"RequestIndex":1,"Id":"%s","StatusCode":400}]`, id(2))
	if details := got.Error["@Microsoft.PowerApps.CDS.ErrorDetails.Plugin.BulkApiErrorDetails"]; details != want {
		t.Errorf("details %s, want %s", details, want)
	}
	if rows := e.want(200, "GET", "cr1_readings", "").list(t); len(rows) != 2 {
		t.Errorf("%d rows, want the two good ones", len(rows))
	}
	e.want(200, "GET", "cr1_readings(cr1_readingid="+id(1)+",partitionid='p')", "")
	e.want(200, "GET", "cr1_readings("+id(1)+")?partitionId=p", "")
	e.want(404, "GET", "cr1_readings("+id(1)+")", "")
	e.want(204, "POST", "cr1_readings/Microsoft.Dynamics.CRM.DeleteMultiple", targets(row(1, ""), row(3, "")))
	if got := e.want(200, "GET", "cr1_readings/$count", "").body; got != "0" {
		t.Errorf("%s rows left", got)
	}
}

func TestElasticUpsertReplacesTheWholeRow(t *testing.T) {
	e := start(t, dataversetest.Options{})
	path := "cr1_readings(" + id(1) + ")"
	e.want(204, "PATCH", path, `{"cr1_sensor":"s","cr1_value":1}`)
	e.want(204, "PATCH", path, `{"cr1_sensor":"t"}`)
	has(t, e.want(200, "GET", path, "").values(t), map[string]any{"cr1_sensor": "t", "cr1_value": nil, "partitionid": id(1)})
}

func BenchmarkUpsertMultiple(b *testing.B) {
	e := start(b, dataversetest.Options{})
	body := func(call int) string {
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
	for _, kind := range []string{"create", "update"} {
		b.Run(kind, func(b *testing.B) {
			bodies := make([]string, b.N)
			for i := range bodies {
				bodies[i] = body(i)
				if kind == "update" {
					bodies[i] = body(0)
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
