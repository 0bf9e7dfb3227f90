package conformance

import "fmt"

// person creates the case's nth contact, and deletes it at the end.
func (p *probe) person(n int) string {
	p.t.Helper()
	p.want(204, "POST", "contacts", `{"contactid":"`+p.id(n)+`","lastname":"`+p.label+`"}`)
	p.later("contacts(" + p.id(n) + ")")
	return "contacts(" + p.id(n) + ")"
}

// call creates the case's nth phone call, and deletes it at the end.
func (p *probe) call(n int, members string) string {
	p.t.Helper()
	p.want(204, "POST", "phonecalls", `{"activityid":"`+p.id(n)+`","subject":"`+p.label+`"`+members+`}`)
	p.later("phonecalls(" + p.id(n) + ")")
	return "phonecalls(" + p.id(n) + ")"
}

// party is one entry of a party list.
func party(contact string, role int) string {
	return fmt.Sprintf(`{"partyid_contact@odata.bind":"/%s","participationtypemask":%d}`, contact, role)
}

// people are the contacts of a call by their roles. The service adds the owner and the regarding record by itself.
func (p *probe) people(call string) string {
	p.t.Helper()
	text := ""
	for _, row := range p.rows(call + "/phonecall_activity_parties?$select=participationtypemask,_partyid_value&$orderby=participationtypemask") {
		role := fmt.Sprint(row["participationtypemask"])
		if role == "8" || role == "9" {
			continue
		}
		for n := range 10 {
			if row["_partyid_value"] == p.id(n) {
				text += fmt.Sprintf("%s:%d ", role, n)
			}
		}
	}
	return text
}

var activityFacts = []fact{
	{documented, "an activity is created with its people in the collection that bears its name", func(p *probe) {
		a, b := p.person(1), p.person(2)
		call := p.call(3, `,"phonecall_activity_parties":[`+party(a, 1)+`,`+party(b, 2)+`]`)
		p.equal("people", p.people(call), "1:1 2:2 ")
	}},
	{documented, "PUT to that collection replaces the people", func(p *probe) {
		a, b := p.person(1), p.person(2)
		call := p.call(3, `,"phonecall_activity_parties":[`+party(a, 1)+`,`+party(a, 2)+`]`)
		for range 2 {
			p.want(204, "PUT", call+"/phonecall_activity_parties", `{"value":[`+party(a, 1)+`,`+party(b, 2)+`]}`)
			p.equal("people", p.people(call), "1:1 2:2 ")
		}
	}},
	{inferred, "PUT of nobody removes the people", func(p *probe) {
		call := p.call(3, `,"phonecall_activity_parties":[`+party(p.person(1), 2)+`]`)
		p.want(204, "PUT", call+"/phonecall_activity_parties", `{"value":[]}`)
		p.equal("people", p.people(call), "")
	}},
	{inferred, "PATCH with people replaces them too", func(p *probe) {
		a, b := p.person(1), p.person(2)
		call := p.call(3, `,"phonecall_activity_parties":[`+party(a, 2)+`]`)
		p.want(204, "PATCH", call, `{"description":"x","phonecall_activity_parties":[`+party(b, 2)+`]}`)
		p.equal("people", p.people(call), "2:2 ")
	}},
	{inferred, "CreateMultiple takes people along", func(p *probe) {
		a := p.person(1)
		p.want(200, "POST", "phonecalls/Microsoft.Dynamics.CRM.CreateMultiple", `{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.phonecall","activityid":"`+p.id(3)+
			`","subject":"`+p.label+`","phonecall_activity_parties":[`+party(a, 2)+`]}]}`)
		p.later("phonecalls(" + p.id(3) + ")")
		p.equal("people", p.people("phonecalls("+p.id(3)+")"), "2:1 ")
	}},
	{seen, "somebody who does not exist is refused, and the activity with it", func(p *probe) {
		p.refused(404, "0x80040217", "Does Not Exist", "POST", "phonecalls",
			`{"activityid":"`+p.id(3)+`","subject":"x","phonecall_activity_parties":[`+party("contacts("+p.id(9)+")", 2)+`]}`)
		p.want(404, "GET", "phonecalls("+p.id(3)+")", "")
	}},
	{documented, "what an activity is about has a navigation property for each table", func(p *probe) {
		p.person(1)
		call := p.call(3, `,"regardingobjectid_contact_phonecall@odata.bind":"/contacts(`+p.id(1)+`)"`)
		p.has(p.read(call+"?$select=_regardingobjectid_value", `Prefer: odata.include-annotations="*"`), map[string]any{
			"_regardingobjectid_value": p.id(1), "_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "contact"})
	}},
	{documented, "an activity is one record of activitypointer with the same id", func(p *probe) {
		call := p.call(3, "")
		p.has(p.read("activitypointers("+p.id(3)+")?$select=subject,activitytypecode,statecode"), map[string]any{
			"subject": p.label, "activitytypecode": "phonecall", "statecode": 0})
		p.want(204, "PATCH", call, `{"statecode":1,"statuscode":2}`)
		p.has(p.read("activitypointers("+p.id(3)+")?$select=statecode"), map[string]any{"statecode": 1})
		p.want(204, "DELETE", call, "")
		p.want(404, "GET", "activitypointers("+p.id(3)+")", "")
	}},
	{documented, "people are written by way of their activity only", func(p *probe) {
		p.refused(400, "0x80040800", "does not support entities of type 'activityparty'", "POST", "activityparties", `{"participationtypemask":2}`)
	}},
	{documented, "people go with their activity", func(p *probe) {
		call := p.call(3, `,"phonecall_activity_parties":[`+party(p.person(1), 2)+`]`)
		p.want(204, "DELETE", call, "")
		p.equal("people left", len(p.rows("activityparties?$filter="+escape("_activityid_value eq "+p.id(3)))), 0)
	}},
}
