package conformance

import (
	"fmt"
	"strings"
)

const api = "/api/data/v9.2/"

// misshapen is a fact about a batch that is refused as a whole.
func misshapen(m mark, name string, body func(*probe) string) fact {
	return fact{m, name, func(p *probe) {
		p.refused(400, "0x80048d19", "", "POST", "$batch", body(p), "Content-Type: multipart/mixed; boundary=batch_a1")
	}}
}

func whoAmI(n int) (parts [][]string) {
	for range n {
		parts = append(parts, read("GET "+api+"WhoAmI"))
	}
	return parts
}

var batchFacts = []fact{
	{documented, "operations run in order, and each has its answer", func(p *probe) {
		parts := p.batch(200, batchBody(
			write("PATCH "+api+p.at(1), `{"cnf_name":"A"}`),
			write("PATCH "+p.root+p.at(1), `{"cnf_name":"B"}`),
			read("GET "+api+p.at(1)+"?$select=cnf_name"),
			read("DELETE "+api+p.at(1))))
		if got := statuses(parts); got != "204 204 200 204" {
			p.t.Fatalf("got %s", got)
		}
		if !strings.Contains(parts[2].body, `"cnf_name":"B"`) {
			p.t.Errorf("read %s", parts[2].body)
		}
		p.equal("OData-EntityId", parts[0].header.Get("OData-EntityId"), p.root+p.at(1))
		p.equal("Location", parts[0].header.Get("Location"), p.root+p.at(1))
	}},
	{inferred, "the address of a part may begin at the set", func(p *probe) {
		p.equal("statuses", statuses(p.batch(200, batchBody(read("GET cnf_parcels?$top=1")))), "200")
	}},
	{documented, "after a failure nothing more runs, and what ran before stays", func(p *probe) {
		parts := p.batch(412, batchBody(write("POST "+api+"cnf_parcels", p.body(1, "")), write("POST "+api+"cnf_parcels", p.body(1, "")),
			write("POST "+api+"cnf_parcels", p.body(2, ""))))
		p.equal("statuses", statuses(parts), "204 412")
		p.want(200, "GET", p.at(1), "")
		p.want(404, "GET", p.at(2), "")
	}},
	{documented, "with continue-on-error everything runs and the whole is 200", func(p *probe) {
		p.parcel(1, "")
		parts := p.batch(200, batchBody(write("POST "+api+"cnf_parcels", p.body(1, "")), write("POST "+api+"cnf_parcels", `{"cnf_nope":1}`),
			write("POST "+api+"cnf_parcels", p.body(2, ""))), "Prefer: odata.continue-on-error")
		p.equal("statuses", statuses(parts), "412 400 204")
		if !strings.Contains(parts[0].body, `{"error":{"code":"0x80040237","message":"A record with matching key values already exists."`) {
			p.t.Errorf("part %s", parts[0].body)
		}
	}},
	{documented, "the members of a change set refer to earlier ones, in bindings and in addresses", func(p *probe) {
		parts := p.batch(200, batchBody(changeSet(
			write("POST "+api+"cnf_farms", `{"cnf_farmid":"`+p.id(1)+`","cnf_name":"F"}`),
			write("POST "+api+"cnf_parcels", p.body(2, `"cnf_Farm@odata.bind":"$1"`)),
			write("PATCH $1", `{"cnf_batch":"x"}`),
			write("PUT $2/cnf_name", `{"value":"n"}`))))
		p.equal("statuses", statuses(parts), "(204 204 204 204)")
		for i, m := range parts[0].set {
			p.equal("Content-ID", m.id, i+1)
		}
		v := p.read(p.at(2) + "?$select=cnf_name&$expand=cnf_Farm($select=cnf_batch)")
		p.has(v, map[string]any{"cnf_name": "n"})
		p.has(v["cnf_Farm"].(map[string]any), map[string]any{"cnf_batch": "x"})
	}},
	{documented, "a change set that fails leaves nothing", func(p *probe) {
		p.batch(412, batchBody(changeSet(write("POST "+api+"cnf_parcels", p.body(1, "")), write("POST "+api+"cnf_parcels", p.body(1, "")))))
		p.want(404, "GET", p.at(1), "")
	}},
	{seen, "a change set that fails answers with the culprit alone and its Content-ID", func(p *probe) {
		parts := p.batch(412, batchBody(changeSet(write("POST "+api+"cnf_parcels", p.body(1, "")), write("POST "+api+"cnf_parcels", p.body(1, "")),
			write("POST "+api+"cnf_parcels", p.body(2, "")))))
		if got := statuses(parts); got != "(412)" {
			p.t.Fatalf("got %s", got)
		}
		p.equal("Content-ID", parts[0].set[0].id, 2)
	}},
	{documented, "with continue-on-error a change set that fails does not keep the rest from running", func(p *probe) {
		parts := p.batch(200, batchBody(changeSet(write("POST "+api+"cnf_parcels", `{"cnf_no":-1}`)), read("GET "+api+"WhoAmI")), "Prefer: odata.continue-on-error")
		p.equal("statuses", statuses(parts), "(400) 200")
	}},
	{seen, "a reference to nothing is refused by its name", func(p *probe) {
		parts := p.batch(400, batchBody(changeSet(write("POST "+api+"cnf_parcels", p.body(1, `"cnf_Farm@odata.bind":"$7"`)))))
		if !strings.Contains(parts[0].set[0].body, "Content-ID Reference: '$7' does not exist in the batch context.") {
			p.t.Errorf("part %+v", parts[0])
		}
	}},
	{documented, "headers are each part's own", func(p *probe) {
		p.parcel(1, "")
		parts := p.batch(200, batchBody(
			operation("PATCH "+api+p.at(1), "Content-Type: application/json", "If-None-Match: *", "", `{}`),
			operation("PATCH "+api+p.at(1), "Content-Type: application/json", "Prefer: return=representation", "", `{"cnf_name":"r"}`)),
			"Prefer: odata.continue-on-error")
		p.equal("statuses", statuses(parts), "412 200")
	}},
	{documented, "a thousand operations are taken", func(p *probe) {
		p.equal("answers", len(p.batch(200, batchBody(whoAmI(1000)...))), 1000)
	}},
	misshapen(documented, "more than a thousand operations are refused", func(*probe) string { return batchBody(whoAmI(1001)...) }),
	misshapen(seen, "lines that end in a line feed only are refused", func(*probe) string {
		return strings.ReplaceAll(batchBody(whoAmI(1)...), "\r\n", "\n")
	}),
	misshapen(seen, "a last line without an end is refused", func(*probe) string { return strings.TrimRight(batchBody(whoAmI(1)...), "\r\n") }),
	misshapen(documented, "a batch without its closing boundary is refused", func(*probe) string {
		return strings.ReplaceAll(batchBody(whoAmI(1)...), "--batch_a1--", "")
	}),
	misshapen(documented, "there is no batch in a batch", func(*probe) string { return batchBody(write("POST "+api+"$batch", "{}")) }),
	misshapen(documented, "there is no GET in a change set", func(*probe) string { return batchBody(changeSet(read("GET " + api + "WhoAmI"))) }),
	misshapen(documented, "members of a change set have a Content-ID", func(p *probe) string {
		return strings.ReplaceAll(batchBody(changeSet(write("POST "+api+"cnf_parcels", p.body(1, "")))), "Content-ID: 1\r\n", "")
	}),
	misshapen(inferred, "a batch in JSON is refused", func(*probe) string { return `{"requests":[]}` }),
}

// targets is the body of a bulk action.
func targets(rows ...string) string { return `{"Targets":[` + strings.Join(rows, ",") + `]}` }

// target is a parcel in such a body.
func target(members string) string {
	return `{"@odata.type":"Microsoft.Dynamics.CRM.cnf_parcel",` + members + "}"
}

func (p *probe) target(n int, members string) string {
	return strings.Replace(p.body(n, members), "{", `{"@odata.type":"Microsoft.Dynamics.CRM.cnf_parcel",`, 1)
}

const (
	createMultiple = "cnf_parcels/Microsoft.Dynamics.CRM.CreateMultiple"
	updateMultiple = "cnf_parcels/Microsoft.Dynamics.CRM.UpdateMultiple"
	upsertMultiple = "cnf_parcels/Microsoft.Dynamics.CRM.UpsertMultiple"
)

var bulkFacts = []fact{
	{documented, "CreateMultiple answers with the ids in order", func(p *probe) {
		v := p.want(200, "POST", createMultiple, targets(p.target(1, ""), target(`"cnf_batch":"`+p.label+`","cnf_name":"b"`))).values(p.t)
		ids, _ := v["Ids"].([]any)
		if len(ids) != 2 || ids[0] != p.id(1) || !strings.HasSuffix(v["@odata.context"].(string), "$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse") {
			p.t.Fatalf("got %v", v)
		}
		p.has(p.read(fmt.Sprintf("cnf_parcels(%s)", ids[1])), map[string]any{"cnf_name": "b"})
	}},
	{documented, "CreateMultiple of a standard table is all or nothing", func(p *probe) {
		p.refused(400, "0x80044331", "exceeded the maximum allowed length of '100'", "POST", createMultiple,
			targets(p.target(1, ""), p.target(2, `"cnf_name":"`+strings.Repeat("x", 101)+`"`)))
		p.want(404, "GET", p.at(1), "")
	}},
	{seen, "a key that is used twice in one CreateMultiple is a duplicate", func(p *probe) {
		no := fmt.Sprintf(`"cnf_no":%d`, p.base)
		p.refused(412, "0x80060892", "", "POST", createMultiple, targets(p.target(1, no), p.target(2, no)))
		p.want(404, "GET", p.at(1), "")
	}},
	{documented, "UpdateMultiple changes the columns named, and clears by null", func(p *probe) {
		p.parcel(1, `"cnf_name":"a","cnf_code":"c"`)
		p.want(204, "POST", updateMultiple, targets(target(`"cnf_parcelid":"`+p.id(1)+`","cnf_name":"b"`)))
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "b", "cnf_code": "c"})
		p.want(204, "POST", updateMultiple, targets(target(`"cnf_parcelid":"`+p.id(1)+`","cnf_code":null`)))
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "b", "cnf_code": nil})
	}},
	{documented, "UpdateMultiple of a record that does not exist is answered 404", func(p *probe) {
		p.refused(404, "0x80040217", "Does Not Exist", "POST", updateMultiple, targets(target(`"cnf_parcelid":"`+p.id(1)+`","cnf_name":"b"`)))
	}},
	{documented, "UpsertMultiple by id answers 204 with no body, and is repeatable", func(p *probe) {
		for range 2 {
			if a := p.want(204, "POST", upsertMultiple, targets(p.target(1, ""), p.target(2, ""))); a.body != "" {
				p.t.Errorf("body %q", a.body)
			}
		}
		p.equal("records", len(p.rows(p.mine("", "$select=cnf_row"))), 2)
	}},
	{documented, "UpsertMultiple by key creates, then updates", func(p *probe) {
		row := target(fmt.Sprintf(`"@odata.id":"cnf_parcels(cnf_no=%d)","cnf_batch":"%s","cnf_name":"by key"`, p.base, p.label))
		p.want(204, "POST", upsertMultiple, targets(row))
		p.want(204, "POST", upsertMultiple, targets(row))
		rows := p.rows(p.mine("", "$select=cnf_no"))
		if len(rows) != 1 {
			p.t.Fatalf("%d records", len(rows))
		}
		p.has(rows[0], map[string]any{"cnf_no": p.base})
	}},
	{seen, "the key's column in the body of UpsertMultiple breaks the create and not the update", func(p *probe) {
		row := target(fmt.Sprintf(`"@odata.id":"cnf_parcels(cnf_no=%d)","cnf_no":%d,"cnf_name":"x"`, p.base, p.base))
		p.refused(400, "0x80040216", "An unexpected error occurred.", "POST", upsertMultiple, targets(row))
		p.parcel(1, fmt.Sprintf(`"cnf_no":%d`, p.base))
		p.want(204, "POST", upsertMultiple, targets(row))
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "x"})
	}},
	{documented, "every target says its type", func(p *probe) {
		p.want(400, "POST", createMultiple, targets(p.body(1, "")))
	}},
	{documented, "the targets are of the action's table", func(p *probe) {
		p.want(400, "POST", createMultiple, targets(`{"@odata.type":"Microsoft.Dynamics.CRM.cnf_farm","cnf_name":"F"}`))
	}},
	{seen, "records of one call cannot look each other up", func(p *probe) {
		p.refused(404, "0x80040217", "Does Not Exist", "POST", createMultiple,
			targets(p.target(1, ""), p.target(2, `"cnf_Parent@odata.bind":"/`+p.at(1)+`"`)))
	}},
	{seen, "standard tables have no DeleteMultiple", func(p *probe) {
		p.parcel(1, "")
		a := p.send("POST", "cnf_parcels/Microsoft.Dynamics.CRM.DeleteMultiple", targets(target(`"cnf_parcelid":"`+p.id(1)+`"`)))
		if a.status < 400 || !strings.Contains(a.body, "DeleteMultiple has not yet been implemented.") {
			p.t.Errorf("%d %s", a.status, a.body)
		}
	}},
	{seen, "teams have no CreateMultiple, and say so", func(p *probe) {
		a := p.send("POST", "teams/Microsoft.Dynamics.CRM.CreateMultiple", targets(`{"@odata.type":"Microsoft.Dynamics.CRM.team","name":"x"}`))
		if a.status < 400 || !strings.Contains(a.body, "is not enabled on the entity") {
			p.t.Errorf("%d %s", a.status, a.body)
		}
	}},
	{documented, "which tables have an action can be asked", func(p *probe) {
		for table, n := range map[string]int{"cnf_parcel": 1, "team": 0} {
			rows := p.rows("sdkmessagefilters?$select=sdkmessagefilterid&$filter=" + escape("sdkmessageid/name eq @m and primaryobjecttypecode eq @t") +
				"&@m='CreateMultiple'&@t='" + table + "'")
			p.equal(table, len(rows), n)
		}
	}},
}
