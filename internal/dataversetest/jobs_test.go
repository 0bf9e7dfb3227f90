package dataversetest_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

func TestMarketingLists(t *testing.T) {
	e := start(t, dataversetest.Options{})
	for n := range 4 {
		e.want(204, "POST", "contacts", fmt.Sprintf(`{"contactid":"%s","lastname":"c%d"}`, id(n+1), n+1))
	}
	e.want(204, "POST", "accounts", `{"accountid":"`+id(50)+`","name":"a"}`)
	e.want(204, "POST", "lists", `{"listid":"`+id(9)+`","listname":"VIP","createdfromcode":2,"type":false}`)
	list := "lists(" + id(9) + ")"
	first := e.want(200, "POST", list+"/Microsoft.Dynamics.CRM.AddMemberList", `{"EntityId":"`+id(1)+`"}`).values(t)
	again := e.want(200, "POST", list+"/Microsoft.Dynamics.CRM.AddMemberList", `{"EntityId":"`+id(1)+`"}`).values(t)
	if first["Id"] != again["Id"] || first["Id"] == "" {
		t.Errorf("ids %v and %v", first["Id"], again["Id"])
	}
	member := func(table string, n int) string {
		return `{"@odata.type":"Microsoft.Dynamics.CRM.` + table + `","` + table + `id":"` + id(n) + `"}`
	}
	body := func(members ...string) string {
		return `{"List":{"@odata.type":"Microsoft.Dynamics.CRM.list","listid":"` + id(9) + `"},"Members":[` + strings.Join(members, ",") + `]}`
	}
	e.want(204, "POST", "AddListMembersList", body(member("contact", 1), member("contact", 2), member("contact", 3)))
	e.refused(400, "0x80040301", "", "POST", "AddListMembersList", body(member("contact", 4), member("account", 50)))
	e.want(204, "POST", list+"/Microsoft.Dynamics.CRM.RemoveMemberList", `{"EntityId":"`+id(2)+`"}`)
	rows := e.want(200, "GET", list+"/listcontact_association?$select=lastname", "").list(t)
	if len(rows) != 2 || rows[0]["lastname"] != "c1" || rows[1]["lastname"] != "c3" {
		t.Errorf("members %v", rows)
	}
	has(t, e.want(200, "GET", list, "").values(t), map[string]any{"membercount": 2})
	has(t, e.want(200, "GET", "listmembers", "").list(t)[0], map[string]any{"_listid_value": id(9), "_entityid_value": id(1), "entitytype": "contact"})
	e.want(204, "POST", "lists", `{"listid":"`+id(8)+`","listname":"Copy","createdfromcode":2}`)
	e.want(204, "POST", "CopyMembersList", `{"SourceListId":"`+id(9)+`","TargetListId":"`+id(8)+`"}`)
	has(t, e.want(200, "GET", "lists("+id(8)+")", "").values(t), map[string]any{"membercount": 2})
	e.want(204, "PATCH", list, `{"lockstatus":true}`)
	e.refused(400, "0x80040302", "", "POST", "AddListMembersList", body(member("contact", 4)))
}

func TestFetchXML(t *testing.T) {
	e := farm(t)
	fetch := func(text string) string { return "cr1_parcels?fetchXml=" + q(text) }
	if got := e.names(fetch(`<fetch><entity name="cr1_parcel"><attribute name="cr1_name"/><order attribute="cr1_no" descending="true"/>
		<filter type="or"><condition attribute="cr1_name" operator="like" value="%lt%"/><condition attribute="cr1_no" operator="in"><value>1</value><value>2</value></condition></filter></entity></fetch>`)); got != "delta beta Alpha" {
		t.Errorf("got %q", got)
	}
	rows := e.want(200, "GET", fetch(`<fetch aggregate="true"><entity name="cr1_parcel"><attribute name="cr1_parcelid" alias="n" aggregate="count"/></entity></fetch>`), "").list(t)
	has(t, rows[0], map[string]any{"n": 5})
	v := e.want(200, "GET", fetch(`<fetch count="2" page="2"><entity name="cr1_parcel"><attribute name="cr1_no"/><order attribute="cr1_no"/></entity></fetch>`), "").values(t)
	has(t, v, map[string]any{"@Microsoft.Dynamics.CRM.morerecords": true})
	rows = e.want(200, "GET", fetch(`<fetch><entity name="cr1_parcel"><attribute name="cr1_name"/><order attribute="cr1_no"/>
		<link-entity name="account" from="accountid" to="cr1_owner_account" alias="a" link-type="outer"><attribute name="name"/><attribute name="revenue" alias="r"/></link-entity></entity></fetch>`), "").list(t)
	has(t, rows[0], map[string]any{"cr1_name": "Alpha", "a.name": "Delta Farms", "r": "1234567.5"})
	has(t, rows[1], map[string]any{"cr1_name": "beta", "a.name": nil})
	if got := e.names(fetch(`<fetch><entity name="cr1_parcel"><attribute name="cr1_name"/><filter><condition entityname="o" attribute="name" operator="like" value="echo%"/></filter>
		<link-entity name="account" from="accountid" to="cr1_owner_account" alias="o"><filter><condition attribute="statecode" operator="eq" value="0"/></filter></link-entity></entity></fetch>`)); got != "Gämma" {
		t.Errorf("inner join %q", got)
	}
	rows = e.want(200, "GET", fetch(`<fetch distinct="true"><entity name="cr1_parcel"><attribute name="cr1_kind"/><order attribute="cr1_kind"/></entity></fetch>`), "").list(t)
	if len(rows) != 2 || len(rows[0]) != 1 {
		t.Errorf("distinct %v", rows)
	}
	rows = e.want(200, "GET", fetch(`<fetch aggregate="true"><entity name="cr1_parcel"><attribute name="cr1_day" groupby="true" dategrouping="month" alias="month"/>
		<attribute name="cr1_no" aggregate="sum" alias="total"/><order alias="month" descending="true"/><filter><condition attribute="cr1_day" operator="not-null"/></filter></entity></fetch>`), "").list(t)
	has(t, rows[0], map[string]any{"month": 2, "total": 2})
	if got := e.names(fetch(`<fetch><entity name="cr1_parcel"><attribute name="cr1_name"/><filter><condition attribute="cr1_surveyedon" operator="last-x-days" value="7"/></filter></entity></fetch>`)); got != "Gämma" {
		t.Errorf("last-x-days %q", got)
	}
	e.refused(501, "0x80040219", "link-type", "GET", fetch(`<fetch><entity name="cr1_parcel"><link-entity name="account" from="accountid" to="cr1_owner_account" link-type="exists"/></entity></fetch>`), "")
	e.refused(400, "0x80041103", "", "GET", fetch(`<fetch><entity name="cr1_parcel"><link-entity name="account"/></entity></fetch>`), "")
}
