package conformance

import (
	"strconv"
	"strings"
)

var serviceFacts = []fact{
	{seen, "a call without a token is challenged with the authority to ask", func(p *probe) {
		a := p.want(401, "GET", "WhoAmI", "", "Authorization: ")
		got := a.header.Get("WWW-Authenticate")
		if !strings.HasPrefix(got, "Bearer authorization_uri=") || !strings.Contains(got, "/oauth2/authorize, resource_id=") {
			p.t.Errorf("WWW-Authenticate %q", got)
		}
	}},
	{documented, "a token that nobody issued is answered 401", func(p *probe) {
		p.want(401, "GET", "WhoAmI", "", "Authorization: Bearer nonsense")
	}},
	{documented, "WhoAmI names user, business unit and organisation", func(p *probe) {
		who := p.read("WhoAmI")
		if who["UserId"] == nil || who["BusinessUnitId"] == nil || who["OrganizationId"] == nil {
			p.t.Errorf("got %v", who)
		}
		if context, _ := who["@odata.context"].(string); !strings.HasSuffix(context, "/api/data/v9.2/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse") {
			p.t.Errorf("context %q", context)
		}
	}},
	{documented, "the service document lists the sets", func(p *probe) {
		for _, set := range p.rows("") {
			if set["name"] == "cnf_parcels" {
				p.has(set, map[string]any{"kind": "EntitySet", "url": "cnf_parcels"})
				return
			}
		}
		p.t.Error("no cnf_parcels")
	}},
	{documented, "RetrieveVersion names the version", func(p *probe) {
		if v := p.read("RetrieveVersion"); !strings.HasPrefix(v["Version"].(string), "9.") {
			p.t.Errorf("got %v", v)
		}
	}},
	{documented, "older versions of the address still answer", func(p *probe) {
		for _, version := range []string{"v8.2", "v9.0", "v9.1"} {
			p.want(200, "GET", p.service.URL+"/api/data/"+version+"/WhoAmI", "")
		}
	}},
	{seen, "answers say what is left of the limits and how parallel to be", func(p *probe) {
		a := p.want(200, "GET", "WhoAmI", "")
		if a.header.Get("OData-Version") != "4.0" || a.header.Get("x-ms-service-request-id") == "" {
			p.t.Errorf("headers %v", a.header)
		}
		if _, err := strconv.Atoi(a.header.Get("x-ms-ratelimit-burst-remaining-xrm-requests")); err != nil {
			p.t.Errorf("burst remaining: %v", err)
		}
		left := strings.ReplaceAll(a.header.Get("x-ms-ratelimit-time-remaining-xrm-requests"), ",", "")
		if _, err := strconv.ParseFloat(left, 64); err != nil {
			p.t.Errorf("time remaining: %v", err)
		}
	}},
	{seen, "an unknown segment is answered 404 with its name", func(p *probe) {
		p.refused(404, "0x8006088a", "Resource not found for the segment 'cnf_nonsense'.", "GET", "cnf_nonsense", "")
	}},
	{documented, "the names of sets are case-sensitive", func(p *probe) {
		p.refused(404, "0x8006088a", "Resource not found for the segment 'CNF_Parcels'.", "GET", "CNF_Parcels", "")
	}},
	{seen, "a function takes no POST", func(p *probe) {
		p.refused(404, "", "No HTTP resource was found that matches the request URI '", "POST", "WhoAmI", `{}`)
	}},
	{documented, "an impersonated user has to exist", func(p *probe) {
		a := p.send("GET", "WhoAmI", "", "MSCRMCallerID: "+p.id(1))
		if a.status != 400 && a.status != 403 {
			p.t.Errorf("status %d: %s", a.status, a.body)
		}
	}},
	{documented, "a user can be impersonated", func(p *probe) {
		me := p.read("WhoAmI")["UserId"].(string)
		p.has(p.read("WhoAmI", "MSCRMCallerID: "+me), map[string]any{"UserId": me})
	}},
}
