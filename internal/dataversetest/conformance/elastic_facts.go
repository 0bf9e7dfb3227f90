package conformance

import (
	"fmt"
	"strings"
)

// onElastic is a fact about the elastic table, which not every organisation can have.
func onElastic(m mark, name string, run func(p *probe, set string)) fact {
	return fact{m, name, func(p *probe) {
		if why := p.missing["cnf_reading"]; why != "" {
			p.t.Skipf("no elastic table could be made: %s", why)
		}
		run(p, p.set("cnf_reading"))
	}}
}

func (p *probe) reading(n int, more string) string {
	return `{"@odata.type":"Microsoft.Dynamics.CRM.cnf_reading","cnf_readingid":"` + p.id(n) + `","cnf_sensor":"s","partitionid":"` + p.label + `"` + more + `}`
}

var elasticFacts = []fact{
	onElastic(documented, "a record is found by its id and its partition", func(p *probe, set string) {
		p.want(204, "POST", set, p.reading(1, ""))
		p.want(200, "GET", set+"(cnf_readingid="+p.id(1)+",partitionid='"+p.label+"')", "")
		p.want(200, "GET", set+"("+p.id(1)+")?partitionId="+p.label, "")
		p.want(404, "GET", set+"("+p.id(1)+")", "")
	}),
	onElastic(documented, "the partition is the id where none is given", func(p *probe, set string) {
		p.want(204, "POST", set, `{"cnf_readingid":"`+p.id(1)+`","cnf_sensor":"s"}`)
		p.has(p.read(set+"("+p.id(1)+")"), map[string]any{"partitionid": p.id(1)})
	}),
	onElastic(documented, "an upsert replaces the whole record", func(p *probe, set string) {
		p.want(204, "PATCH", set+"("+p.id(1)+")", `{"cnf_sensor":"s","cnf_amount":1}`)
		p.want(204, "PATCH", set+"("+p.id(1)+")", `{"cnf_sensor":"t"}`)
		p.has(p.read(set+"("+p.id(1)+")"), map[string]any{"cnf_sensor": "t", "cnf_amount": nil})
	}),
	onElastic(documented, "CreateMultiple fails record by record and keeps the good ones", func(p *probe, set string) {
		p.want(400, "POST", set+"/Microsoft.Dynamics.CRM.CreateMultiple", targets(p.reading(1, ""), p.reading(2, `,"cnf_amount":5000`), p.reading(3, "")))
		for n, status := range map[int]int{1: 200, 2: 404, 3: 200} {
			p.want(status, "GET", set+"("+p.id(n)+")?partitionId="+p.label, "")
		}
	}),
	onElastic(documented, "the refusal lists the records that failed", func(p *probe, set string) {
		a := p.want(400, "POST", set+"/Microsoft.Dynamics.CRM.CreateMultiple", targets(p.reading(1, ""), p.reading(2, `,"cnf_amount":5000`)),
			`Prefer: odata.include-annotations="*"`)
		problem, _ := a.values(p.t)["error"].(map[string]any)
		for name, v := range problem {
			if strings.HasSuffix(name, "Plugin.BulkApiErrorDetails") {
				p.equal("details", v, fmt.Sprintf(`[{"RequestIndex":1,"Id":"%s","StatusCode":400}]`, p.id(2)))
				return
			}
		}
		p.t.Errorf("no details in %s", a.body)
	}),
	onElastic(documented, "DeleteMultiple deletes", func(p *probe, set string) {
		p.want(204, "POST", set, p.reading(1, ""))
		p.want(204, "POST", set+"/Microsoft.Dynamics.CRM.DeleteMultiple", targets(p.reading(1, "")))
		p.want(404, "GET", set+"("+p.id(1)+")?partitionId="+p.label, "")
	}),
}
