package conformance

import (
	"fmt"
	"strings"
)

var rowFacts = []fact{
	{documented, "POST answers 204 with the record's address and no body", func(p *probe) {
		a := p.want(204, "POST", "cnf_parcels", p.body(1, `"cnf_name":"North 12"`))
		p.equal("OData-EntityId", a.header.Get("OData-EntityId"), p.root+p.at(1))
		if a.body != "" {
			p.t.Errorf("body %q", a.body)
		}
	}},
	{documented, "a record without an id of its own is given one", func(p *probe) {
		a := p.want(204, "POST", "cnf_parcels", `{"cnf_batch":"`+p.label+`"}`)
		p.has(p.read(a.header.Get("OData-EntityId")), map[string]any{"cnf_batch": p.label})
	}},
	{inferred, "ids may be written in capitals and come back in small letters", func(p *probe) {
		a := p.want(204, "POST", "cnf_parcels", `{"cnf_parcelid":"`+strings.ToUpper(p.id(1))+`"}`)
		p.equal("OData-EntityId", a.header.Get("OData-EntityId"), p.root+p.at(1))
		p.has(p.read("cnf_parcels("+strings.ToUpper(p.id(1))+")"), map[string]any{"cnf_parcelid": p.id(1)})
	}},
	{documented, "the caller owns what it creates, and state, status and times are filled in", func(p *probe) {
		v := p.read(p.parcel(1, ""))
		me := p.read("WhoAmI")["UserId"]
		p.has(v, map[string]any{"_ownerid_value": me, "_owninguser_value": me, "_createdby_value": me, "statecode": 0, "statuscode": 1})
		for _, name := range []string{"createdon", "modifiedon", "versionnumber", "@odata.etag"} {
			if v[name] == nil {
				p.t.Errorf("no %s", name)
			}
		}
	}},
	{inferred, "columns without a value are read as null, not left out", func(p *probe) {
		v := p.read(p.parcel(1, ""))
		if got, there := v["cnf_notes"]; !there || got != nil {
			p.t.Errorf("cnf_notes %v, %t", got, there)
		}
	}},
	{documented, "return=representation answers 201 with the columns of $select", func(p *probe) {
		a := p.want(201, "POST", "cnf_parcels?$select=cnf_name,cnf_no", p.body(1, `"cnf_name":"A"`), "Prefer: return=representation")
		p.equal("Preference-Applied", a.header.Get("Preference-Applied"), "return=representation")
		v := a.values(p.t)
		p.has(v, map[string]any{"cnf_name": "A", "cnf_no": nil, "cnf_parcelid": p.id(1)})
		if _, there := v["cnf_notes"]; there || v["@odata.etag"] == nil {
			p.t.Errorf("got %v", v)
		}
	}},
	{seen, "an id that is taken is answered 412", func(p *probe) {
		p.parcel(1, "")
		p.refused(412, "0x80040237", "A record with matching key values already exists.", "POST", "cnf_parcels", p.body(1, ""))
	}},
	{documented, "PATCH of an id that does not exist creates the record", func(p *probe) {
		a := p.want(204, "PATCH", p.at(1), `{"cnf_name":"New"}`)
		p.equal("OData-EntityId", a.header.Get("OData-EntityId"), p.root+p.at(1))
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "New"})
	}},
	{documented, "PATCH changes only the columns it names", func(p *probe) {
		p.parcel(1, `"cnf_name":"A","cnf_no":null,"cnf_code":"c"`)
		p.want(204, "PATCH", p.at(1), `{"cnf_name":"B"}`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "B", "cnf_code": "c"})
	}},
	{documented, "only a representation tells whether PATCH created or updated", func(p *probe) {
		p.want(201, "PATCH", p.at(1), `{"cnf_name":"New"}`, "Prefer: return=representation")
		p.want(200, "PATCH", p.at(1), `{"cnf_name":"Newer"}`, "Prefer: return=representation")
	}},
	{seen, "PATCH with If-Match: * of what does not exist is answered 404", func(p *probe) {
		p.refused(404, "0x80040217", "Does Not Exist", "PATCH", p.at(1), `{"cnf_name":"x"}`, "If-Match: *")
	}},
	{documented, "PATCH with If-None-Match: * of what exists is answered 412", func(p *probe) {
		p.parcel(1, "")
		p.refused(412, "0x80040237", "A record with matching key values already exists.", "PATCH", p.at(1), `{}`, "If-None-Match: *")
	}},
	{documented, "a write with an older etag is answered 412 and changes nothing", func(p *probe) {
		p.parcel(1, `"cnf_name":"A"`)
		tag := p.want(200, "GET", p.at(1), "").header.Get("ETag")
		p.want(204, "PATCH", p.at(1), `{"cnf_name":"B"}`, "If-Match: "+tag)
		p.refused(412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided.",
			"PATCH", p.at(1), `{"cnf_name":"C"}`, "If-Match: "+tag)
		p.refused(412, "0x80060882", "", "DELETE", p.at(1), "", "If-Match: "+tag)
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "B"})
	}},
	{documented, "a conditional read of what has not changed is answered 304", func(p *probe) {
		p.parcel(1, "")
		tag := p.want(200, "GET", p.at(1), "").header.Get("ETag")
		p.want(304, "GET", p.at(1), "", "If-None-Match: "+tag)
		p.want(200, "GET", p.at(1), "", "If-None-Match: null")
		p.want(204, "PATCH", p.at(1), `{"cnf_name":"B"}`)
		p.want(200, "GET", p.at(1), "", "If-None-Match: "+tag)
	}},
	{documented, "DELETE answers 204, and 404 when there is nothing", func(p *probe) {
		p.parcel(1, "")
		p.want(204, "DELETE", p.at(1), "")
		p.refused(404, "0x80040217", "Does Not Exist", "DELETE", p.at(1), "")
		p.refused(404, "0x80040217", "cnf_parcel With Id = "+p.id(1)+" Does Not Exist", "GET", p.at(1), "")
	}},
	{documented, "PUT sets a single column and DELETE clears it", func(p *probe) {
		p.parcel(1, `"cnf_name":"A","cnf_no":null,"cnf_code":"c"`)
		p.want(204, "PUT", p.at(1)+"/cnf_name", `{"value":"B"}`)
		p.has(p.read(p.at(1)+"/cnf_name"), map[string]any{"value": "B"})
		p.want(204, "DELETE", p.at(1)+"/cnf_code", "")
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "B", "cnf_code": nil})
	}},
	{documented, "$value reads the bare value of a column, and a null column has no content", func(p *probe) {
		p.parcel(1, `"cnf_name":"A"`)
		p.equal("$value", p.want(200, "GET", p.at(1)+"/cnf_name/$value", "").body, "A")
		p.want(204, "GET", p.at(1)+"/cnf_code", "")
	}},
	{documented, "null clears a column", func(p *probe) {
		p.parcel(1, fmt.Sprintf(`"cnf_no":%d,"cnf_notes":"n"`, p.base))
		p.want(204, "PATCH", p.at(1), `{"cnf_no":null,"cnf_notes":null}`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_no": nil, "cnf_notes": nil})
	}},
	{documented, "columns that cannot be written are ignored silently", func(p *probe) {
		p.parcel(1, `"createdon":"2001-01-01T00:00:00Z","modifiedon":"2001-01-01T00:00:00Z","versionnumber":1`)
		if v := p.read(p.at(1)); strings.HasPrefix(v["createdon"].(string), "2001") || strings.HasPrefix(v["modifiedon"].(string), "2001") {
			p.t.Errorf("created %v, modified %v", v["createdon"], v["modifiedon"])
		}
	}},
	{documented, "overriddencreatedon gives a record a past", func(p *probe) {
		p.parcel(1, `"overriddencreatedon":"2001-02-03T04:05:06Z"`)
		p.has(p.read(p.at(1)), map[string]any{"createdon": "2001-02-03T04:05:06Z"})
	}},
	{documented, "an update raises the version and the etag with it", func(p *probe) {
		p.parcel(1, "")
		before := p.read(p.at(1))
		p.want(204, "PATCH", p.at(1), `{"cnf_name":"B"}`)
		after := p.read(p.at(1))
		if fmt.Sprint(before["versionnumber"]) == fmt.Sprint(after["versionnumber"]) || before["@odata.etag"] == after["@odata.etag"] {
			p.t.Errorf("version %v, etag %v after an update", after["versionnumber"], after["@odata.etag"])
		}
		p.equal("etag", after["@odata.etag"], fmt.Sprintf(`W/"%v"`, after["versionnumber"]))
	}},
	{inferred, "a state brings its default status with it", func(p *probe) {
		p.parcel(1, "")
		p.want(204, "PATCH", p.at(1), `{"statecode":1}`)
		p.has(p.read(p.at(1)), map[string]any{"statecode": 1, "statuscode": 2})
		p.want(204, "PATCH", p.at(1), `{"statecode":0,"statuscode":1}`)
		p.has(p.read(p.at(1)), map[string]any{"statecode": 0, "statuscode": 1})
	}},
	{documented, "automatic numbers count up, and give way to a value of one's own", func(p *probe) {
		number := func(more string) string {
			a := p.want(201, "POST", "cnf_parcels", `{"cnf_batch":"`+p.label+`"`+more+`}`, "Prefer: return=representation")
			return fmt.Sprint(a.values(p.t)["cnf_ticket"])
		}
		first, second := number(""), number("")
		if !strings.HasPrefix(first, "P-") || len(first) != 8 || first >= second {
			p.t.Errorf("numbers %q and %q", first, second)
		}
		p.equal("own value", number(`,"cnf_ticket":"own"`), "own")
	}},
	{documented, "related records nested in a POST are created with it, or none of them", func(p *probe) {
		p.want(204, "POST", "cnf_farms", `{"cnf_farmid":"`+p.id(1)+`","cnf_name":"F","cnf_farm_parcel":[{"cnf_name":"p1","cnf_Parent":{"cnf_name":"p0"}},{"cnf_name":"p2"}]}`)
		p.equal("of the child", p.names("cnf_parcels?$filter="+escape("_cnf_farm_value eq "+p.id(1)+" and cnf_Parent/cnf_name eq 'p0'")), "p1")
		p.equal("children", p.names("cnf_farms("+p.id(1)+")/cnf_farm_parcel?$orderby=cnf_name"), "p1 p2")
		p.want(400, "POST", "cnf_farms", `{"cnf_farmid":"`+p.id(2)+`","cnf_name":"G","cnf_farm_parcel":[{"cnf_name":"p3"},{"cnf_row":-5}]}`)
		p.want(404, "GET", "cnf_farms("+p.id(2)+")", "")
	}},
	{documented, "the owner can be a team", func(p *probe) {
		team, unit := p.id(2), p.read("WhoAmI")["BusinessUnitId"].(string)
		p.want(204, "POST", "teams", `{"teamid":"`+team+`","name":"`+p.label+`","businessunitid@odata.bind":"/businessunits(`+unit+`)"}`)
		p.later("teams(" + team + ")")
		if a := p.send("POST", "cnf_parcels", p.body(1, `"ownerid@odata.bind":"/teams(`+team+`)"`)); a.status != 204 {
			p.t.Skipf("a team without a role cannot own records: %s", a.body)
		}
		p.later(p.at(1))
		p.has(p.read(p.at(1), `Prefer: odata.include-annotations="*"`), map[string]any{"_ownerid_value": team, "_owningteam_value": team, "_owninguser_value": nil,
			"_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "team"})
	}},
}
