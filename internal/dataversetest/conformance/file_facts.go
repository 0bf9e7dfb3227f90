package conformance

import (
	"fmt"
	"strings"
)

var fileFacts = []fact{
	{documented, "a small file is sent as it is, read as it is, and has a name", func(p *probe) {
		p.parcel(1, "")
		p.want(204, "PATCH", p.at(1)+"/cnf_plan", "plan\x00of\xffbytes", "Content-Type: application/octet-stream", "x-ms-file-name: plan.bin")
		p.equal("content", p.want(200, "GET", p.at(1)+"/cnf_plan/$value", "").body, "plan\x00of\xffbytes")
		v := p.read(p.at(1) + "?$select=cnf_plan,cnf_plan_name")
		p.has(v, map[string]any{"cnf_plan_name": "plan.bin"})
		if v["cnf_plan"] == nil {
			p.t.Error("no id of the file")
		}
	}},
	{documented, "a large file is sent in chunks", func(p *probe) {
		p.parcel(1, "")
		a := p.want(200, "PATCH", p.at(1)+"/cnf_plan?x-ms-file-name=large.txt", "", "x-ms-transfer-mode: chunked")
		if a.header.Get("x-ms-chunk-size") == "" {
			p.t.Error("no x-ms-chunk-size")
		}
		location := a.header.Get("Location")
		if !strings.Contains(location, "sessiontoken") {
			p.t.Fatalf("Location %q", location)
		}
		size := 0
		if _, err := fmt.Sscan(a.header.Get("x-ms-chunk-size"), &size); err != nil {
			p.t.Fatal(err)
		}
		content := strings.Repeat("0123456789abcdef", size/16) + "the end"
		chunk := func(status, from, to int) {
			p.want(status, "PATCH", location, content[from:to], "Content-Type: application/octet-stream", "x-ms-file-name: large.txt",
				fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, to-1, len(content)))
		}
		chunk(206, 0, size)
		chunk(204, size, len(content))
		if got := p.want(200, "GET", p.at(1)+"/cnf_plan/$value", "").body; got != content {
			p.t.Errorf("%d bytes, want %d", len(got), len(content))
		}
	}},
	{documented, "a file is deleted as a column is", func(p *probe) {
		p.parcel(1, "")
		p.want(204, "PATCH", p.at(1)+"/cnf_plan", "x", "Content-Type: application/octet-stream", "x-ms-file-name: x")
		p.want(204, "DELETE", p.at(1)+"/cnf_plan", "")
		p.has(p.read(p.at(1)+"?$select=cnf_plan"), map[string]any{"cnf_plan": nil})
	}},
}

var changeFacts = []fact{
	{documented, "a delta link tells what has changed and what is gone", func(p *probe) {
		p.farm(1, "before", "")
		path, link := "cnf_farms?$select=cnf_name", ""
		for path != "" {
			v := p.read(path, "Prefer: odata.track-changes,odata.maxpagesize=500")
			path, _ = v["@odata.nextLink"].(string)
			link, _ = v["@odata.deltaLink"].(string)
		}
		if !strings.Contains(link, "$deltatoken=") {
			p.t.Fatalf("delta link %q", link)
		}
		p.farm(2, "new", "")
		p.want(204, "DELETE", "cnf_farms("+p.id(1)+")", "")
		got := map[string]string{}
		for _, row := range p.rows(link) {
			if row["reason"] != nil {
				got[fmt.Sprint(row["id"])] = fmt.Sprint(row["reason"])
				continue
			}
			got[fmt.Sprint(row["cnf_farmid"])] = fmt.Sprint(row["cnf_name"])
		}
		p.equal("of the new one", got[p.id(2)], "new")
		p.equal("of the one that is gone", got[p.id(1)], "deleted")
	}},
	{documented, "a filter cannot stand with change tracking", func(p *probe) {
		a := p.send("GET", "cnf_farms?$filter=cnf_name%20eq%20'x'", "", "Prefer: odata.track-changes")
		if a.status < 400 {
			p.t.Errorf("status %d", a.status)
		}
	}},
	{documented, "a table without change tracking refuses it", func(p *probe) {
		a := p.send("GET", "cnf_tags", "", "Prefer: odata.track-changes")
		if a.status < 400 {
			p.t.Errorf("status %d", a.status)
		}
	}},
}
