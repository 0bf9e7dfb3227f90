package dataversetest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
)

func (e *env) fault(f traffic.Fault) {
	e.t.Helper()
	if _, err := e.server.Traffic().AddFaults(f); err != nil {
		e.t.Fatal(err)
	}
}

func TestDeadlocksStrikeOneOperation(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.fault(traffic.Fault{What: traffic.Deadlock, Table: "account", After: 1, Times: 1})
	parts := e.batch(200, batchBody(
		jsonPart("POST /api/data/v9.2/accounts", `{"accountid":"`+id(1)+`","name":"a"}`),
		jsonPart("POST /api/data/v9.2/accounts", `{"accountid":"`+id(2)+`","name":"b"}`),
		jsonPart("POST /api/data/v9.2/accounts", `{"accountid":"`+id(3)+`","name":"c"}`)), "Prefer: odata.continue-on-error")
	if len(parts) != 3 || parts[0].status != 204 || parts[1].status != 500 || parts[2].status != 204 {
		t.Fatalf("parts %+v", parts)
	}
	if !strings.Contains(parts[1].body, `"code":"0x80044150","message":" Sql error: Generic SQL error.`) {
		t.Errorf("deadlock %s", parts[1].body)
	}
	e.want(404, "GET", "accounts("+id(2)+")", "")

	e.fault(traffic.Fault{What: traffic.Deadlock, Table: "contact", After: 1, Times: 1})
	parts = e.batch(500, batchBody(changeSetPart(
		jsonPart("POST /api/data/v9.2/contacts", `{"contactid":"`+id(4)+`","lastname":"a"}`),
		jsonPart("POST /api/data/v9.2/contacts", `{"contactid":"`+id(5)+`","lastname":"b"}`))))
	if len(parts[0].set) != 1 || parts[0].set[0].id != "2" {
		t.Fatalf("parts %+v", parts)
	}
	e.want(404, "GET", "contacts("+id(4)+")", "")
}

func TestAnswersLostAfterTheCommit(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.fault(traffic.Fault{What: traffic.DropAfter, Method: "POST", Times: 1})
	req, err := http.NewRequest("POST", e.web.URL+"/api/data/v9.2/accounts", strings.NewReader(`{"accountid":"`+id(1)+`","name":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+e.token)
	if resp, err := e.web.Client().Do(req); err == nil {
		t.Fatalf("an answer arrived: %d", resp.StatusCode)
	}
	e.want(200, "GET", "accounts("+id(1)+")", "")
}

func TestStatisticsCountWhatWasKept(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "PATCH", "cr1_parcels(cr1_no=1)", `{"cr1_name":"a"}`)
	e.want(204, "PATCH", "cr1_parcels(cr1_no=1)", `{"cr1_name":"b"}`)
	e.want(400, "POST", "cr1_parcels/Microsoft.Dynamics.CRM.CreateMultiple", targets(parcel(`"cr1_no":2`), parcel(`"cr1_no":-1`)))
	e.want(200, "POST", "cr1_parcels/Microsoft.Dynamics.CRM.CreateMultiple", targets(parcel(`"cr1_no":2`), parcel(`"cr1_no":3`)))
	e.want(204, "DELETE", "cr1_parcels(cr1_no=2)", "")
	stats := e.want(200, "GET", e.web.URL+"/_emulator/stats", "").values(t)
	has(t, stats["tables"].(map[string]any)["cr1_parcel"].(map[string]any), map[string]any{"rows": 2, "created": 3, "updated": 1, "deleted": 1})
	e.want(204, "POST", e.web.URL+"/_emulator/reset", "")
	if got := e.want(200, "GET", "cr1_parcels/$count", "").body; got != "0" {
		t.Errorf("%s rows after the reset", got)
	}
	e.want(204, "POST", "contacts", `{"lastname":"a"}`)
}

// Many writers that meet in the same records leave each of them once.
func TestWritersAtTheSameTime(t *testing.T) {
	e := start(t, dataversetest.Options{})
	var rows []string
	for n := range 50 {
		rows = append(rows, fmt.Sprintf(`{%s,"@odata.id":"cr1_parcels(cr1_no=%d)","cr1_name":"x"}`, parcelType, n))
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if a := e.send("POST", "cr1_parcels/Microsoft.Dynamics.CRM.UpsertMultiple", targets(rows...)); a.status != 204 {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a := e.send("GET", "cr1_parcels?$filter=cr1_no%20lt%2010", ""); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if got := e.want(200, "GET", "cr1_parcels/$count", "").body; got != "50" {
		t.Errorf("%s rows", got)
	}
}
