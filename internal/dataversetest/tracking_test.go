package dataversetest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/internal/dataversetest"
)

func TestChangeTracking(t *testing.T) {
	now := fixedTime
	e := start(t, dataversetest.Options{Now: func() time.Time { return now }, TokenLifetime: 1000 * time.Hour})
	for n := range 5 {
		e.want(204, "POST", "cr1_parcels", fmt.Sprintf(`{"cr1_parcelid":"%s","cr1_name":"p%d","cr1_no":%d}`, id(n+1), n+1, n+1))
	}
	const tracked = "Prefer: odata.track-changes,odata.maxpagesize=2"
	var delta string
	rows := 0
	for path := "cr1_parcels?$select=cr1_name"; path != ""; {
		a := e.want(200, "GET", path, "", tracked)
		v := a.values(t)
		rows += len(a.list(t))
		path, _ = v["@odata.nextLink"].(string)
		delta, _ = v["@odata.deltaLink"].(string)
		if rows == 2 { // a change while the client pages belongs to the next delta
			e.want(204, "PATCH", "cr1_parcels("+id(1)+")", `{"cr1_name":"changed"}`)
		}
		if !strings.Contains(a.header.Get("Preference-Applied"), "odata.track-changes") {
			t.Errorf("applied %q", a.header.Get("Preference-Applied"))
		}
	}
	if rows != 5 || !strings.Contains(delta, "$select=cr1_name") || !strings.Contains(delta, "$deltatoken=") || strings.Contains(delta, "skiptoken") {
		t.Fatalf("%d rows, delta %s", rows, delta)
	}
	e.want(204, "DELETE", "cr1_parcels("+id(2)+")", "")
	e.want(204, "POST", "cr1_parcels", `{"cr1_parcelid":"`+id(6)+`","cr1_name":"new"}`)
	a := e.want(200, "GET", delta, "")
	changed := a.list(t)
	if len(changed) != 3 || changed[0]["cr1_name"] != "changed" || changed[1]["cr1_name"] != "new" {
		t.Fatalf("changes %v", changed)
	}
	has(t, changed[2], map[string]any{"id": id(2), "reason": "deleted", "@odata.context": e.web.URL + "/api/data/v9.2/$metadata#cr1_parcels/$deletedEntity"})
	_, token, _ := strings.Cut(delta, "$deltatoken=")
	if got := e.want(200, "GET", "cr1_parcels/$count?$deltatoken="+token, "").body; got != "3" {
		t.Errorf("count %s", got)
	}
	next := a.values(t)["@odata.deltaLink"].(string)
	if rows := e.want(200, "GET", next, "").list(t); len(rows) != 0 {
		t.Errorf("again %v", rows)
	}
	e.refused(400, "0x80060888", "not supported with change tracking", "GET", "cr1_parcels?$top=1", "", tracked)
	e.refused(400, "0x80044353", "", "GET", "cr1_tags", "", tracked)
	e.refused(400, "0x80060888", "delta token", "GET", "cr1_parcels?$deltatoken=x", "")
	now = now.Add(8 * 24 * time.Hour)
	e.refused(400, "0x80044352", "", "GET", next, "")
}

func TestDuplicateRules(t *testing.T) {
	e := start(t, dataversetest.Options{})
	if err := e.server.SetDuplicateRules([]dataversetest.DuplicateRule{{Table: "lead", Columns: []string{"lastname", "emailaddress1"}}}); err != nil {
		t.Fatal(err)
	}
	const ask = "MSCRM.SuppressDuplicateDetection: false"
	e.want(204, "POST", "leads", `{"leadid":"`+id(1)+`","lastname":"Roe","emailaddress1":"a@x.org"}`, ask)
	e.refused(412, "0x80040333", "duplicate", "POST", "leads", `{"lastname":"ROE","emailaddress1":"A@x.org"}`, ask)
	e.want(204, "POST", "leads", `{"leadid":"`+id(2)+`","lastname":"Roe","emailaddress1":"b@x.org"}`, ask)
	e.refused(412, "0x80040333", "", "PATCH", "leads("+id(2)+")", `{"emailaddress1":"a@x.org"}`, ask)
	e.want(204, "PATCH", "leads("+id(1)+")", `{"firstname":"x"}`, ask)
	e.want(204, "POST", "leads", `{"lastname":"Roe","emailaddress1":"a@x.org"}`) // the default is not to look
	e.want(204, "POST", "leads", `{"lastname":"Roe"}`, ask)
	if err := e.server.SetDuplicateRules([]dataversetest.DuplicateRule{{Table: "lead", Columns: []string{"nope"}}}); err == nil {
		t.Error("a rule over nothing was taken")
	}
}
