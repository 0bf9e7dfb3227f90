package conformance

import (
	"fmt"
	"strings"
)

var keyFacts = []fact{
	{documented, "PATCH by an alternate key creates the record, then updates it", func(p *probe) {
		path := fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base)
		p.want(204, "PATCH", path, `{"cnf_name":"North","cnf_batch":"`+p.label+`"}`)
		p.want(204, "PATCH", path, `{"cnf_name":"South"}`)
		rows := p.rows(p.mine("", "$select=cnf_no,cnf_name"))
		if len(rows) != 1 {
			p.t.Fatalf("%d records", len(rows))
		}
		p.has(rows[0], map[string]any{"cnf_no": p.base, "cnf_name": "South"})
	}},
	{seen, "an upsert by key answers with the key's address, not the id's", func(p *probe) {
		path := fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base)
		p.equal("OData-EntityId", p.want(204, "PATCH", path, `{}`).header.Get("OData-EntityId"), p.root+path)
	}},
	{seen, "a key that no record has is answered 404", func(p *probe) {
		path := fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base)
		p.refused(404, "0x80060891", "A record with the specified key values does not exist in cnf_parcel entity", "GET", path, "")
		p.refused(404, "0x80060891", "", "DELETE", path, "")
		p.refused(404, "0x80060891", "", "PATCH", path, `{}`, "If-Match: *")
	}},
	{seen, "columns that are no key are no key", func(p *probe) {
		p.refused(400, "0x80060888", "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.cnf_parcel'.", "GET", "cnf_parcels(cnf_name='x')", "")
	}},
	{seen, "a second record with the key's values is answered 412 with key and columns", func(p *probe) {
		p.parcel(1, fmt.Sprintf(`"cnf_no":%d`, p.base))
		a := p.refused(412, "0x80060892", "Select one or more unique values and try again.", "POST", "cnf_parcels", p.body(2, fmt.Sprintf(`"cnf_no":%d`, p.base)))
		if text := a.problem(p.t).Message; !strings.Contains(text, "Entity Key Parcel Number violated.") || strings.Contains(text, "<") {
			p.t.Errorf("text %q", text)
		}
	}},
	{seen, "the refusal of a duplicate key lists the values as XML", func(p *probe) {
		p.parcel(1, fmt.Sprintf(`"cnf_no":%d`, p.base))
		a := p.want(412, "POST", "cnf_parcels", p.body(2, fmt.Sprintf(`"cnf_no":%d`, p.base)), `Prefer: odata.include-annotations="*"`)
		details, _ := a.values(p.t)["error"].(map[string]any)
		p.equal("duplicate attributes", details["@Microsoft.PowerApps.CDS.ErrorDetails.DuplicateAttributes"],
			fmt.Sprintf("<DuplicateAttributes><cnf_no>%d</cnf_no></DuplicateAttributes>", p.base))
	}},
	{documented, "an update may not take another record's key", func(p *probe) {
		p.parcel(1, fmt.Sprintf(`"cnf_no":%d`, p.base))
		p.parcel(2, fmt.Sprintf(`"cnf_no":%d`, p.base+1))
		p.refused(412, "0x80060892", "", "PATCH", p.at(2), fmt.Sprintf(`{"cnf_no":%d}`, p.base))
	}},
	{documented, "the parts of a composite key stand in any order", func(p *probe) {
		key := "cnf_parcels(cnf_code='" + p.label + "',cnf_region='r')"
		p.want(204, "PATCH", key, `{"cnf_name":"composite"}`)
		p.has(p.read("cnf_parcels(cnf_region='r',cnf_code='"+p.label+"')"), map[string]any{"cnf_name": "composite", "cnf_region": "r"})
	}},
	{documented, "a lookup is part of a key by its value property", func(p *probe) {
		p.farm(1, "F", "")
		key := "cnf_parcels(_cnf_farm_value=" + p.id(1) + ",cnf_row=7)"
		p.want(204, "PATCH", key, `{"cnf_name":"a"}`)
		p.want(204, "PATCH", key, `{"cnf_name":"b"}`)
		p.has(p.read(key), map[string]any{"cnf_name": "b", "_cnf_farm_value": p.id(1), "cnf_row": 7})
	}},
	{documented, "quotes in a key's text are doubled", func(p *probe) {
		p.parcel(1, `"cnf_code":"O'Neil `+p.label+`","cnf_region":"r"`)
		p.has(p.read("cnf_parcels(cnf_code='O''Neil%20"+p.label+"',cnf_region='r')"), map[string]any{"cnf_parcelid": p.id(1)})
	}},
	{seen, "a slash in a key's text is an error of the query's syntax", func(p *probe) {
		p.refused(400, "", "Bad Request - Error in query syntax.", "GET", "cnf_farms(cnf_code='a%2Fb')", "")
	}},
	{inferred, "keys are compared without regard to case and to blanks at the end", func(p *probe) {
		code := "k" + p.label[:15]
		p.farm(1, "F", code)
		p.want(200, "GET", "cnf_farms(cnf_code='"+strings.ToUpper(code)+"')", "")
		p.refused(412, "0x80060892", "", "POST", "cnf_farms", `{"cnf_name":"G","cnf_code":"`+strings.ToUpper(code)+`  "}`)
	}},
	{inferred, "keys are compared without regard to accents", func(p *probe) {
		code := p.label[:15]
		p.farm(1, "F", "é"+code)
		p.refused(412, "0x80060892", "", "POST", "cnf_farms", `{"cnf_name":"G","cnf_code":"e`+code+`"}`)
	}},
	{inferred, "records with a null in a key are not compared", func(p *probe) {
		p.parcel(1, `"cnf_region":"`+p.label+`"`)
		p.parcel(2, `"cnf_region":"`+p.label+`"`)
	}},
	{documented, "a lookup can be bound by an alternate key", func(p *probe) {
		p.farm(1, "F", p.label[:20])
		p.parcel(2, `"cnf_Farm@odata.bind":"/cnf_farms(cnf_code='`+p.label[:20]+`')"`)
		p.has(p.read(p.at(2)), map[string]any{"_cnf_farm_value": p.id(1)})
	}},
	{documented, "a record is deleted by its key", func(p *probe) {
		path := fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base)
		p.want(204, "PATCH", path, `{}`)
		p.want(204, "DELETE", path, "")
		p.want(404, "GET", path, "")
	}},
	{documented, "the primary key may be named", func(p *probe) {
		p.parcel(1, "")
		p.has(p.read("cnf_parcels(cnf_parcelid="+p.id(1)+")"), map[string]any{"cnf_parcelid": p.id(1)})
	}},
	{inferred, "users and teams call their primary key ownerid", func(p *probe) {
		me := p.read("WhoAmI")["UserId"].(string)
		p.has(p.read("systemusers(ownerid="+me+")?$select=systemuserid"), map[string]any{"systemuserid": me})
	}},
	{documented, "an upsert by key takes the body's value when it creates with another one", func(p *probe) {
		p.want(204, "PATCH", fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base), fmt.Sprintf(`{"cnf_no":%d}`, p.base+1))
		p.want(404, "GET", fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base), "")
		p.want(200, "GET", fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base+1), "")
	}},
	{documented, "an upsert by key leaves the key of a record that exists", func(p *probe) {
		p.parcel(1, fmt.Sprintf(`"cnf_no":%d`, p.base))
		p.want(204, "PATCH", fmt.Sprintf("cnf_parcels(cnf_no=%d)", p.base), fmt.Sprintf(`{"cnf_no":%d,"cnf_name":"x"}`, p.base+1))
		p.has(p.read(p.at(1)), map[string]any{"cnf_no": p.base, "cnf_name": "x"})
	}},
}
