package mapping

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
)

// TestFilter: every row that is loaded satisfies the filter (rule D2).
func TestFilter(t *testing.T) {
	erp := config.Constant{Column: "new_source", Value: "erp"}
	noParent := config.Constant{Column: "parentaccountid", Null: true}
	contact := config.Constant{Column: "primarycontactid", Value: "{" + idA + "}"}
	active := config.Constant{Column: "statecode", Value: "Active"}
	closed := config.Constant{Column: "statuscode", Value: "Closed"}
	const a2 = `"key":[{"column":"accountnumber","value":"A-2"}],"set":`
	by := func(mode config.Mode, filter ...config.Constant) *config.Destination {
		return filteredBy(destination(mode, "accountnumber"), filter...)
	}
	columns := []string{"accountnumber", "name"}
	check(t, []worldCase{
		{"written with every row", account(), by(config.Mirror, erp, noParent, contact), columns, csvRow("A-2", "Acme"), nil,
			`"upsert",` + a2 + `{"new_source":10,"parentaccountid@odata.bind":null,"primarycontactid@odata.bind":"/contacts(` + idA + `)","name":"Acme"}}`},
		{"new records have no value", account(), filteredBy(destination(config.Truncate), noParent, erp), columns, csvRow("A-2", "Acme"), nil,
			`"create","set":{"new_source":10,"accountnumber":"A-2","name":"Acme"}}`},
		{"new ones are active", account(), by(config.Mirror, active), columns, csvRow("A-2", "Acme"), nil, `"upsert",` + a2 + `{"name":"Acme","statecode":0}}`},
		{"another state comes later", account(), by(config.Mirror, closed), columns, csvRow("A-2", "Acme"), nil,
			`"upsert",` + a2 + `{"name":"Acme"}}` + "\n" + `"update","set":{"statecode":1,"statuscode":2}}`},
		{"a row that contradicts it", account(), by(config.Mirror, active), append(columns, "statuscode"), csvRow("A-2", "Acme", "2"), nil, `statuscode: state_contradiction`},
		{"a row that agrees", account(), by(config.Mirror, active), append(columns, "statuscode"), csvRow("A-2", "Acme", "1"), nil,
			`"upsert",` + a2 + `{"name":"Acme"}}` + "\n" + `"update","set":{"statecode":0,"statuscode":1}}`},
		{"part of the key", account(), filteredBy(destination(config.Mirror, "accountnumber", "new_source"), erp), columns, csvRow("A-2", "Acme"), nil,
			`"upsert","key":[{"column":"new_source","value":10},{"column":"accountnumber","value":"A-2"}],"set":{"name":"Acme"}}`},
		{"part of match_on", account(), filteredBy(matching(config.Mirror, "name", "new_source"), erp), columns, csvRow("A-2", "Acme"), nil,
			`"upsert","key":[{"column":"name","value":"Acme"},{"column":"new_source","value":10}],"set":{"new_source":10,"accountnumber":"A-2","name":"Acme"}}`},
		{"the file's notation says nothing about it", account(), filteredBy(withRules(destination(config.Mirror, "accountnumber"), config.Column{From: "accountnumber", To: "accountnumber"}, config.Column{From: "name", To: "name"}),
			config.Constant{Column: "new_no", Value: "1000"}), columns, csvRow("A-2", "Acme"), nil, `"upsert",` + a2 + `{"new_no":1000,"name":"Acme"}}`},
	})
	m := compileIn(t, account(), by(config.Mirror, erp, noParent, contact, active), columns...)
	got, _ := json.Marshal(m.Filter())
	want := `[{"column":"new_source","value":10},{"column":"parentaccountid","value":null},{"column":"primarycontactid","value":"` + idA + `"},{"column":"statecode","value":0}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if m.Clone().Filter() == nil || m.Hash() == compileIn(t, account(), by(config.Mirror, erp), columns...).Hash() {
		t.Error("the filter is part of the mapping")
	}
}
