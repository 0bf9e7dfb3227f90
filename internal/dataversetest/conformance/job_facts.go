package conformance

import (
	"fmt"
	"strings"
)

func (p *probe) bulkDelete() string {
	return `{"QuerySet":[{"@odata.type":"Microsoft.Dynamics.CRM.QueryExpression","EntityName":"cnf_parcel",
		"ColumnSet":{"@odata.type":"Microsoft.Dynamics.CRM.ColumnSet","AllColumns":false,"Columns":["cnf_parcelid"]},
		"Criteria":{"@odata.type":"Microsoft.Dynamics.CRM.FilterExpression","FilterOperator":"And","Conditions":[
			{"@odata.type":"Microsoft.Dynamics.CRM.ConditionExpression","AttributeName":"cnf_batch","Operator":"Equal","Values":[{"Value":"` + p.label + `","Type":"System.String"}]},
			{"@odata.type":"Microsoft.Dynamics.CRM.ConditionExpression","AttributeName":"cnf_row","Operator":"LessEqual","Values":[{"Value":"2","Type":"System.Int32"}]}],
			"Filters":[]},"Distinct":false}],
		"JobName":"conformance","SendEmailNotification":false,"ToRecipients":[],"CCRecipients":[],"RecurrencePattern":"","StartDateTime":"2026-01-02T03:04:05Z"}`
}

// list creates a marketing list, where there are such.
func (p *probe) list(n, memberType int) string {
	p.t.Helper()
	if a := p.send("GET", "lists?$top=1&$select=listname", ""); a.status == 404 {
		p.t.Skip("the organisation has no table list")
	}
	p.want(204, "POST", "lists", fmt.Sprintf(`{"listid":"%s","listname":"%s","createdfromcode":%d,"type":false}`, p.id(n), p.label, memberType))
	p.later("lists(" + p.id(n) + ")")
	return "lists(" + p.id(n) + ")"
}

func (p *probe) contact(n int) {
	p.t.Helper()
	p.want(204, "POST", "contacts", fmt.Sprintf(`{"contactid":"%s","lastname":"c%d"}`, p.id(n), n))
	p.later("contacts(" + p.id(n) + ")")
}

func (p *probe) members(list int, table string, ids ...int) string {
	var members []string
	for _, n := range ids {
		members = append(members, `{"@odata.type":"Microsoft.Dynamics.CRM.`+table+`","`+table+`id":"`+p.id(n)+`"}`)
	}
	return `{"List":{"@odata.type":"Microsoft.Dynamics.CRM.list","listid":"` + p.id(list) + `"},"Members":[` + strings.Join(members, ",") + `]}`
}

var jobFacts = []fact{
	{documented, "BulkDelete is a job to wait for, which counts what it deletes", func(p *probe) {
		for n := range 3 {
			p.parcel(n+1, "")
		}
		job := p.want(200, "POST", "BulkDelete", p.bulkDelete()).values(p.t)["JobId"].(string)
		p.until(p.t, "BulkDelete", func() bool {
			return fmt.Sprint(p.read("asyncoperations(" + job + ")?$select=statecode,statuscode")["statecode"]) == "3"
		})
		p.has(p.read("asyncoperations("+job+")"), map[string]any{"statuscode": 30, "name": "conformance", "operationtype": 13})
		rows := p.rows("bulkdeleteoperations?$filter=" + escape("_asyncoperationid_value eq "+job) + "&$select=successcount,failurecount,statecode")
		if len(rows) != 1 {
			p.t.Fatalf("%d operations", len(rows))
		}
		p.has(rows[0], map[string]any{"successcount": 2, "failurecount": 0, "statecode": 3})
		p.want(404, "GET", p.at(1), "")
		p.want(200, "GET", p.at(3), "")
	}},
	{documented, "BulkDelete needs all of its parameters", func(p *probe) {
		p.want(400, "POST", "BulkDelete", strings.Replace(p.bulkDelete(), "JobName", "Name", 1))
	}},
	{inferred, "a member is added to a list once, however often", func(p *probe) {
		list := p.list(1, 2)
		p.contact(2)
		first := p.want(200, "POST", list+"/Microsoft.Dynamics.CRM.AddMemberList", `{"EntityId":"`+p.id(2)+`"}`).values(p.t)
		again := p.want(200, "POST", list+"/Microsoft.Dynamics.CRM.AddMemberList", `{"EntityId":"`+p.id(2)+`"}`).values(p.t)
		p.equal("id of the member", again["Id"], first["Id"])
		p.equal("members", len(p.rows(list+"/listcontact_association?$select=lastname")), 1)
	}},
	{documented, "members are added many at a time, and removed", func(p *probe) {
		list := p.list(1, 2)
		p.contact(2)
		p.contact(3)
		p.want(204, "POST", "AddListMembersList", p.members(1, "contact", 2, 3))
		p.want(204, "POST", list+"/Microsoft.Dynamics.CRM.RemoveMemberList", `{"EntityId":"`+p.id(2)+`"}`)
		rows := p.rows(list + "/listcontact_association?$select=lastname")
		if len(rows) != 1 || rows[0]["lastname"] != "c3" {
			p.t.Errorf("members %v", rows)
		}
	}},
	{documented, "a list takes members of its kind only", func(p *probe) {
		p.list(1, 1)
		p.contact(2)
		p.refused(400, "0x80040301", "", "POST", "AddListMembersList", p.members(1, "contact", 2))
	}},
	{documented, "a list that is locked takes no members", func(p *probe) {
		list := p.list(1, 2)
		p.contact(2)
		p.want(204, "PATCH", list, `{"lockstatus":true}`)
		p.refused(400, "0x80040302", "", "POST", "AddListMembersList", p.members(1, "contact", 2))
	}},
}
