package conformance

// ref is the body that names a record.
func (p *probe) ref(path string) string { return `{"@odata.id":"` + p.root + path + `"}` }

var linkFacts = []fact{
	{documented, "POST to a collection's $ref adds, and DELETE takes away, in both forms", func(p *probe) {
		farm := p.farm(1, "F", "")
		p.parcel(2, `"cnf_name":"a"`)
		p.parcel(3, `"cnf_name":"b"`)
		p.want(204, "POST", farm+"/cnf_farm_parcel/$ref", p.ref(p.at(2)))
		p.want(204, "POST", farm+"/cnf_farm_parcel/$ref", p.ref(p.at(3)))
		p.equal("parcels", p.names(farm+"/cnf_farm_parcel?$orderby=cnf_name"), "a b")
		p.want(204, "DELETE", farm+"/cnf_farm_parcel("+p.id(2)+")/$ref", "")
		p.want(204, "DELETE", farm+"/cnf_farm_parcel/$ref?$id="+p.root+p.at(3), "")
		p.equal("parcels left", p.names(farm+"/cnf_farm_parcel"), "")
	}},
	{documented, "PUT to a lookup's $ref sets it, and DELETE clears it", func(p *probe) {
		farm := p.farm(1, "F", "")
		parcel := p.parcel(2, "")
		p.want(204, "PUT", parcel+"/cnf_Farm/$ref", p.ref(farm))
		p.has(p.read(parcel), map[string]any{"_cnf_farm_value": p.id(1)})
		p.want(204, "DELETE", parcel+"/cnf_Farm/$ref", "")
		p.has(p.read(parcel), map[string]any{"_cnf_farm_value": nil})
	}},
	{documented, "a lookup is set by @odata.bind and cleared by null", func(p *probe) {
		farm := p.farm(1, "F", "")
		parcel := p.parcel(2, `"cnf_Farm@odata.bind":"/`+farm+`"`)
		p.has(p.read(parcel), map[string]any{"_cnf_farm_value": p.id(1)})
		p.want(204, "PATCH", parcel, `{"cnf_Farm@odata.bind":null}`)
		p.has(p.read(parcel), map[string]any{"_cnf_farm_value": nil})
		p.want(204, "PATCH", parcel, `{"cnf_Farm@odata.bind":"`+p.root+farm+`"}`)
		p.has(p.read(parcel), map[string]any{"_cnf_farm_value": p.id(1)})
	}},
	{documented, "a lookup to several tables has a navigation property for each", func(p *probe) {
		p.want(204, "POST", "accounts", `{"accountid":"`+p.id(1)+`","name":"`+p.label+`"}`)
		p.later("accounts(" + p.id(1) + ")")
		p.want(204, "POST", "contacts", `{"contactid":"`+p.id(2)+`","lastname":"`+p.label+`","parentcustomerid_account@odata.bind":"/accounts(`+p.id(1)+`)"}`)
		p.later("contacts(" + p.id(2) + ")")
		v := p.read("contacts("+p.id(2)+")?$select=_parentcustomerid_value", `Prefer: odata.include-annotations="*"`)
		p.has(v, map[string]any{"_parentcustomerid_value": p.id(1), "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
			"_parentcustomerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "parentcustomerid_account"})
	}},
	{documented, "N:N links are made and taken away, and seen from both sides", func(p *probe) {
		p.want(204, "POST", "cnf_tags", `{"cnf_tagid":"`+p.id(1)+`","cnf_name":"wet"}`)
		parcel := p.parcel(2, `"cnf_name":"a"`)
		p.want(204, "POST", parcel+"/cnf_parcel_tag/$ref", p.ref("cnf_tags("+p.id(1)+")"))
		p.equal("tags", p.names(parcel+"/cnf_parcel_tag"), "wet")
		p.equal("parcels", p.names("cnf_tags("+p.id(1)+")/cnf_parcel_tag"), "a")
		p.equal("filtered", p.names("cnf_parcels?$filter="+escape("cnf_parcel_tag/any(t:t/cnf_tagid eq "+p.id(1)+")")), "a")
		p.want(204, "DELETE", parcel+"/cnf_parcel_tag("+p.id(1)+")/$ref", "")
		p.equal("tags left", p.names(parcel+"/cnf_parcel_tag"), "")
	}},
	{inferred, "an N:N link that exists is a duplicate", func(p *probe) {
		p.want(204, "POST", "cnf_tags", `{"cnf_tagid":"`+p.id(1)+`","cnf_name":"wet"}`)
		parcel := p.parcel(2, "")
		p.want(204, "POST", parcel+"/cnf_parcel_tag/$ref", p.ref("cnf_tags("+p.id(1)+")"))
		p.refused(412, "0x80040237", "", "POST", parcel+"/cnf_parcel_tag/$ref", p.ref("cnf_tags("+p.id(1)+")"))
	}},
	{documented, "a record that others need cannot be deleted", func(p *probe) {
		p.parcel(1, "")
		p.parcel(2, `"cnf_Parent@odata.bind":"/`+p.at(1)+`"`)
		p.refused(405, "0x80040227", "", "DELETE", p.at(1), "")
		p.want(204, "DELETE", p.at(2), "")
		p.want(204, "DELETE", p.at(1), "")
	}},
	{documented, "a lookup to a record that is deleted becomes null where the relationship says so", func(p *probe) {
		farm := p.farm(1, "F", "")
		p.parcel(2, `"cnf_Farm@odata.bind":"/`+farm+`"`)
		p.want(204, "DELETE", farm, "")
		p.has(p.read(p.at(2)), map[string]any{"_cnf_farm_value": nil})
	}},
	{documented, "a lookup is followed in the address", func(p *probe) {
		farm := p.farm(1, "Delta Farms", "")
		p.parcel(2, `"cnf_Farm@odata.bind":"/`+farm+`"`)
		p.parcel(3, "")
		p.has(p.read(p.at(2)+"/cnf_Farm?$select=cnf_name"), map[string]any{"cnf_name": "Delta Farms", "cnf_farmid": p.id(1)})
		p.want(204, "GET", p.at(3)+"/cnf_Farm", "")
	}},
	{seen, "a link to a record that does not exist is refused", func(p *probe) {
		p.parcel(1, "")
		p.refused(404, "0x80040217", "Does Not Exist", "PUT", p.at(1)+"/cnf_Farm/$ref", p.ref("cnf_farms("+p.id(9)+")"))
	}},
}
