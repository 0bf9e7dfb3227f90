package conformance

import (
	"fmt"
	"strings"
)

// field are five parcels of two farms that the cases read and none changes. The caller becomes one that owns them.
func (p *probe) field() {
	p.t.Helper()
	if p.shared != nil {
		p.label, p.seed, p.base = p.shared.label, p.shared.seed, p.shared.base
		return
	}
	p.farm(101, "Delta Farms", "")
	p.farm(102, "echo farms", "")
	for n, row := range []string{
		`"cnf_name":"Alpha","cnf_areaha":9.5,"cnf_kind":727000002,"cnf_day":"2026-01-01","cnf_Farm@odata.bind":"/cnf_farms(` + p.id(101) + `)"`,
		`"cnf_name":"beta","cnf_areaha":10.25,"cnf_kind":727000000,"cnf_day":"2026-02-28","cnf_isleased":true,"cnf_crops":"727000000,727000001"`,
		`"cnf_name":"Gämma","cnf_areaha":100,"cnf_surveyedon":"2026-02-27T10:00:00Z","cnf_kind":727000000,"cnf_Farm@odata.bind":"/cnf_farms(` + p.id(102) + `)"`,
		`"cnf_name":"delta","cnf_visits":5,"cnf_kind":727000000`,
		`"cnf_name":"O'Neil","cnf_visits":6,"cnf_kind":727000000,"cnf_Parent@odata.bind":"/` + p.at(1) + `"`,
	} {
		p.parcel(n+1, row)
	}
	p.shared = &probe{label: p.label, seed: p.seed, base: p.base}
}

// chosen is a fact about the parcels that a filter chooses.
func chosen(m mark, name, filter, want string) fact {
	return fact{m, name + ": " + filter, func(p *probe) {
		p.field()
		got := p.names(p.mine(strings.ReplaceAll(filter, "{farm}", p.id(101)), "$orderby=cnf_row"))
		p.equal("chosen", got, want)
	}}
}

// unchosen is a fact about a filter that is refused.
func unchosen(m mark, name, filter string, status int, code, text string) fact {
	return fact{m, name + ": " + filter, func(p *probe) {
		p.refused(status, code, text, "GET", "cnf_parcels?$filter="+escape(filter), "")
	}}
}

const crm = "Microsoft.Dynamics.CRM."

var filterFacts = []fact{
	chosen(inferred, "text is compared without regard to case", "cnf_name eq 'ALPHA'", "Alpha"),
	chosen(inferred, "text is compared without regard to accents", "cnf_name eq 'gamma'", "Gämma"),
	chosen(documented, "not equal", "cnf_name ne 'alpha'", "beta Gämma delta O'Neil"),
	chosen(documented, "quotes are doubled", "cnf_name eq 'O''Neil'", "O'Neil"),
	chosen(documented, "greater", "cnf_areaha gt 9.5", "beta Gämma"),
	chosen(documented, "both", "cnf_areaha ge 9.5 and cnf_row lt 3", "Alpha beta"),
	chosen(documented, "either", "cnf_kind eq 727000002 or cnf_visits eq 6", "Alpha O'Neil"),
	chosen(documented, "nothing", "cnf_areaha eq null", "delta O'Neil"),
	chosen(documented, "something", "cnf_areaha ne null", "Alpha beta Gämma"),
	chosen(documented, "the contrary", "not contains(cnf_name,'a')", "O'Neil"),
	chosen(documented, "booleans", "cnf_isleased eq true", "beta"),
	chosen(documented, "days have no quotes", "cnf_day ge 2026-01-02", "beta"),
	chosen(documented, "times have no quotes", "cnf_surveyedon lt 2026-03-01T00:00:00Z", "Gämma"),
	chosen(documented, "part of a text", "contains(cnf_name,'ELT')", "delta"),
	chosen(documented, "the beginning of a text", "startswith(cnf_name,'a')", "Alpha"),
	chosen(documented, "the end of a text", "endswith(cnf_name,'TA')", "beta delta"),
	chosen(documented, "lookups by their value property", "_cnf_farm_value eq {farm}", "Alpha"),
	chosen(documented, "a column of a record looked up", "cnf_Farm/cnf_name eq 'echo FARMS'", "Gämma"),
	chosen(documented, "a column two lookups away", "cnf_Parent/cnf_Farm/cnf_name eq 'Delta Farms'", "O'Neil"),
	chosen(documented, "one of several numbers", crm+"In(PropertyName='cnf_row',PropertyValues=['1','3'])", "Alpha Gämma"),
	chosen(documented, "one of several texts", crm+"In(PropertyName='cnf_name',PropertyValues=['BETA','x'])", "beta"),
	chosen(documented, "none of several values", crm+"NotIn(PropertyName='cnf_row',PropertyValues=['4','5'])", "Alpha beta Gämma"),
	chosen(documented, "between two values", crm+"Between(PropertyName='cnf_row',PropertyValues=['2','3'])", "beta Gämma"),
	chosen(documented, "one of several choices", crm+"ContainValues(PropertyName='cnf_crops',PropertyValues=['727000001'])", "beta"),
	chosen(documented, "a day by itself", crm+"On(PropertyName='cnf_day',PropertyValue='2026-01-01')", "Alpha"),
	{documented, "the value of a parameter alias", func(p *probe) {
		p.field()
		p.equal("chosen", p.names(p.mine("cnf_name eq @p", "@p='delta'")), "delta")
	}},
	{documented, "a condition on the records of a collection", func(p *probe) {
		p.field()
		rows := p.rows("cnf_farms?$select=cnf_name&$filter=" + escape("cnf_farm_parcel/any(x:x/cnf_areaha gt 50 and x/cnf_batch eq '"+p.label+"')"))
		if len(rows) != 1 {
			p.t.Fatalf("%d farms", len(rows))
		}
		p.has(rows[0], map[string]any{"cnf_name": "echo farms"})
	}},
	unchosen(seen, "an unknown column is named", "cnf_nope eq 1", 400, "0x0", "Could not find a property named 'cnf_nope' on type 'Microsoft.Dynamics.CRM.cnf_parcel'."),
	unchosen(documented, "the names of columns are case-sensitive", "Cnf_Name eq 'x'", 400, "0x0", "Could not find a property named 'Cnf_Name'"),
	unchosen(inferred, "types have to agree", "cnf_row eq 'x'", 400, "", "A binary operator with incompatible types was detected."),
	unchosen(inferred, "an expression has to end", "cnf_name eq", 400, "", ""),
	unchosen(inferred, "functions that change text are not supported", "tolower(cnf_name) eq 'x'", 400, "", ""),
	unchosen(inferred, "there is no arithmetic", "cnf_row add 1 eq 2", 400, "", ""),
	unchosen(inferred, "the operator in is not supported", "cnf_name in ('a','b')", 400, "", ""),
}

var queryFacts = []fact{
	{documented, "records are sorted, also downwards and by several columns", func(p *probe) {
		p.field()
		for order, want := range map[string]string{
			"cnf_name desc":            "O'Neil Gämma delta beta Alpha",
			"cnf_areaha desc,cnf_row":  "Gämma beta Alpha delta O'Neil",
			"cnf_isleased desc,cnf_no": "beta",
		} {
			options := "$orderby=" + escape(order)
			if want == "beta" {
				options += "&$top=1"
			}
			p.equal(order, p.names(p.mine("", options)), want)
		}
	}},
	{documented, "choices are sorted by their labels", func(p *probe) {
		p.field()
		p.equal("order", p.names(p.mine("", "$orderby=cnf_kind,cnf_row")), "beta Gämma delta O'Neil Alpha") // Arable, Forest
	}},
	{documented, "$top limits the records", func(p *probe) {
		p.field()
		p.equal("two", p.names(p.mine("", "$orderby=cnf_row&$top=2")), "Alpha beta")
	}},
	{documented, "key and etag come whatever $select says", func(p *probe) {
		p.field()
		v := p.rows(p.mine("cnf_row eq 1", "$select=cnf_name"))[0]
		p.has(v, map[string]any{"cnf_name": "Alpha", "cnf_parcelid": p.id(1)})
		if _, there := v["cnf_row"]; there || v["@odata.etag"] == nil || len(v) != 3 {
			p.t.Errorf("got %v", v)
		}
	}},
	{seen, "an unknown column of $select is named", func(p *probe) {
		p.refused(400, "0x0", "Could not find a property named 'cnf_nope' on type 'Microsoft.Dynamics.CRM.cnf_parcel'.", "GET", "cnf_parcels?$select=cnf_nope", "")
	}},
	{documented, "there is no $skip", func(p *probe) {
		a := p.send("GET", "cnf_parcels?$skip=5", "")
		if (a.status != 400 && a.status != 501) || !strings.Contains(a.body, "Skip Clause is not supported") {
			p.t.Errorf("%d %s", a.status, a.body)
		}
	}},
	{documented, "pages are followed by opaque links, every record once", func(p *probe) {
		p.field()
		for _, order := range []string{"", "$orderby=cnf_row%20desc"} {
			seen := map[string]bool{}
			path := p.mine("", order)
			for pages := 1; path != ""; pages++ {
				v := p.want(200, "GET", path, "", "Prefer: odata.maxpagesize=2")
				for _, row := range v.list(p.t) {
					if name := fmt.Sprint(row["cnf_name"]); seen[name] {
						p.t.Errorf("%s comes twice", name)
					} else {
						seen[name] = true
					}
				}
				if pages > 3 {
					p.t.Fatal("no end")
				}
				path, _ = v.values(p.t)["@odata.nextLink"].(string)
				if path != "" && !strings.Contains(path, "$skiptoken=") {
					p.t.Errorf("next link %s", path)
				}
			}
			p.equal("records", len(seen), 5)
		}
	}},
	{documented, "a page size that is honoured is told", func(p *probe) {
		p.field()
		a := p.want(200, "GET", p.mine("", ""), "", "Prefer: odata.maxpagesize=2")
		p.equal("Preference-Applied", a.header.Get("Preference-Applied"), "odata.maxpagesize=2")
	}},
	{documented, "$count=true counts what the filter chooses", func(p *probe) {
		p.field()
		v := p.read(p.mine("cnf_areaha ne null", "$count=true&$top=1"), `Prefer: odata.include-annotations="*"`)
		p.has(v, map[string]any{"@odata.count": 3, "@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded": false})
	}},
	{documented, "/$count is a bare number", func(p *probe) {
		p.field()
		path := strings.Replace(p.mine("cnf_areaha ne null", ""), "cnf_parcels?", "cnf_parcels/$count?", 1)
		p.equal("count", strings.TrimPrefix(p.want(200, "GET", path, "").body, "\ufeff"), "3")
	}},
	{documented, "RetrieveTotalRecordCount answers for each table", func(p *probe) {
		v := p.read("RetrieveTotalRecordCount(EntityNames=['cnf_farm','cnf_parcel'])")
		c, _ := v["EntityRecordCountCollection"].(map[string]any)
		p.equal("keys", c["Keys"], "[cnf_farm cnf_parcel]")
		p.equal("count", c["Count"], 2)
	}},
	{documented, "a lookup is expanded with the columns asked for", func(p *probe) {
		p.field()
		rows := p.rows(p.mine("cnf_row le 2", "$select=cnf_name&$orderby=cnf_row&$expand=cnf_Farm($select=cnf_name)"))
		p.has(rows[0]["cnf_Farm"].(map[string]any), map[string]any{"cnf_name": "Delta Farms", "cnf_farmid": p.id(101)})
		p.equal("without a farm", rows[1]["cnf_Farm"], nil)
	}},
	{documented, "a collection is expanded", func(p *probe) {
		p.field()
		v := p.read("cnf_farms(" + p.id(101) + ")?$select=cnf_name&$expand=cnf_farm_parcel($select=cnf_name)")
		parcels, _ := v["cnf_farm_parcel"].([]any)
		if len(parcels) != 1 || parcels[0].(map[string]any)["cnf_name"] != "Alpha" {
			p.t.Errorf("got %v", v)
		}
	}},
	{seen, "an unknown navigation property of $expand is named", func(p *probe) {
		p.refused(400, "0x0", "Could not find a property named 'cnf_nope'", "GET", "cnf_parcels?$expand=cnf_nope", "")
	}},
	{documented, "$apply counts, sums and finds the greatest", func(p *probe) {
		p.field()
		rows := p.rows("cnf_parcels?$apply=" + escape("filter(cnf_batch eq '"+p.label+"')/aggregate($count as n,cnf_areaha with sum as area,cnf_row with max as last)"))
		p.has(rows[0], map[string]any{"n": 5, "area": 119.75, "last": 5})
	}},
	{documented, "$apply groups", func(p *probe) {
		p.field()
		rows := p.rows("cnf_parcels?$apply=" + escape("filter(cnf_batch eq '"+p.label+"' and cnf_row gt 1)/groupby((cnf_kind),aggregate($count as n))"))
		if len(rows) != 1 {
			p.t.Fatalf("groups %v", rows)
		}
		p.has(rows[0], map[string]any{"cnf_kind": 727000000, "n": 4})
	}},
	{seen, "a read-only SELECT is answered", func(p *probe) {
		p.field()
		sql := "SELECT TOP 2 cnf_name, cnf_row FROM cnf_parcel WHERE cnf_batch = '" + p.label + "' ORDER BY cnf_row DESC"
		p.equal("names", p.names("cnf_parcels?sql="+escape(sql)), "O'Neil delta")
	}},
}

// fetched is a fact about the parcels that a FetchXML query chooses; {mine} is the condition that they are the case's.
func fetched(m mark, name, fetch, want string) fact {
	return fact{m, name, func(p *probe) {
		p.field()
		p.equal("chosen", p.names("cnf_parcels?fetchXml="+escape(p.fetch(fetch))), want)
	}}
}

func (p *probe) fetch(text string) string {
	return strings.ReplaceAll(text, "{mine}", `<condition attribute="cnf_batch" operator="eq" value="`+p.label+`"/>`)
}

var fetchFacts = []fact{
	fetched(documented, "conditions and order", `<fetch><entity name="cnf_parcel"><attribute name="cnf_name"/><order attribute="cnf_row" descending="true"/><filter>{mine}
		<filter type="or"><condition attribute="cnf_name" operator="like" value="%lt%"/><condition attribute="cnf_row" operator="in"><value>1</value><value>2</value></condition></filter></filter></entity></fetch>`,
		"delta beta Alpha"),
	fetched(documented, "an inner join", `<fetch><entity name="cnf_parcel"><attribute name="cnf_name"/><filter>{mine}</filter>
		<link-entity name="cnf_farm" from="cnf_farmid" to="cnf_farm" alias="f"><filter><condition attribute="cnf_name" operator="like" value="echo%"/></filter></link-entity></entity></fetch>`,
		"Gämma"),
	{documented, "an outer join, whose columns carry the alias", func(p *probe) {
		p.field()
		rows := p.rows("cnf_parcels?fetchXml=" + escape(p.fetch(`<fetch><entity name="cnf_parcel"><attribute name="cnf_name"/><order attribute="cnf_row"/><filter>{mine}</filter>
			<link-entity name="cnf_farm" from="cnf_farmid" to="cnf_farm" alias="f" link-type="outer"><attribute name="cnf_name"/></link-entity></entity></fetch>`)))
		if len(rows) != 5 {
			p.t.Fatalf("%d rows", len(rows))
		}
		p.has(rows[0], map[string]any{"cnf_name": "Alpha", "f.cnf_name": "Delta Farms"})
		p.has(rows[1], map[string]any{"cnf_name": "beta", "f.cnf_name": nil})
	}},
	{documented, "aggregates under their aliases", func(p *probe) {
		p.field()
		rows := p.rows("cnf_parcels?fetchXml=" + escape(p.fetch(`<fetch aggregate="true"><entity name="cnf_parcel"><attribute name="cnf_parcelid" alias="n" aggregate="count"/>
			<attribute name="cnf_row" alias="last" aggregate="max"/><filter>{mine}</filter></entity></fetch>`)))
		p.has(rows[0], map[string]any{"n": 5, "last": 5})
	}},
	{documented, "distinct rows", func(p *probe) {
		p.field()
		rows := p.rows("cnf_parcels?fetchXml=" + escape(p.fetch(`<fetch distinct="true"><entity name="cnf_parcel"><attribute name="cnf_kind"/><filter>{mine}</filter></entity></fetch>`)))
		p.equal("rows", len(rows), 2)
	}},
	{documented, "pages by number, with a cookie for the next", func(p *probe) {
		p.field()
		a := p.read("cnf_parcels?fetchXml="+escape(p.fetch(`<fetch count="2" page="2"><entity name="cnf_parcel"><attribute name="cnf_name"/><order attribute="cnf_row"/><filter>{mine}</filter></entity></fetch>`)),
			`Prefer: odata.include-annotations="*"`)
		p.has(a, map[string]any{"@Microsoft.Dynamics.CRM.morerecords": true})
		if a["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"] == nil {
			p.t.Error("no paging cookie")
		}
	}},
	{documented, "FetchXML becomes a query expression", func(p *probe) {
		fetch := `<fetch><entity name="cnf_parcel"><attribute name="cnf_name"/><filter><condition attribute="cnf_row" operator="eq" value="1"/></filter></entity></fetch>`
		v := p.read("FetchXmlToQueryExpression(FetchXml=@x)?@x=" + escape("'"+fetch+"'"))
		query, _ := v["Query"].(map[string]any)
		p.has(query, map[string]any{"EntityName": "cnf_parcel"})
	}},
}
