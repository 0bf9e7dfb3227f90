package dataversetest_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestSQL(t *testing.T) {
	e := farm(t)
	for sql, want := range map[string]string{
		"SELECT TOP 2 cr1_name, cr1_no FROM cr1_parcel WHERE cr1_no > 1 ORDER BY cr1_no DESC":                                           "[map[cr1_name:O'Neil cr1_no:5] map[cr1_name:delta cr1_no:4]]",
		"SELECT cr1_name FROM cr1_parcel p WHERE p.cr1_name LIKE '%LTA' OR (cr1_areaha BETWEEN 10 AND 11 AND cr1_kind = 727000000)":     "[map[cr1_name:beta] map[cr1_name:delta]]",
		"SELECT p.cr1_name, a.name AS owner FROM cr1_parcel p INNER JOIN account a ON p.cr1_owner_account = a.accountid ORDER BY owner": "[map[cr1_name:Alpha owner:Delta Farms] map[cr1_name:Gämma owner:echo farms]]",
		"SELECT p.cr1_name, a.name FROM cr1_parcel p LEFT JOIN account a ON p.cr1_owner_account = a.accountid WHERE cr1_no <= 2":        "[map[cr1_name:Alpha name:Delta Farms] map[cr1_name:beta name:<nil>]]",
		"SELECT COUNT(*) AS n, SUM(cr1_no) AS s FROM cr1_parcel WHERE cr1_name NOT IN ('alpha', 'x')":                                   "[map[n:4 s:14]]",
		"SELECT cr1_kind, COUNT(cr1_no) FROM cr1_parcel GROUP BY cr1_kind ORDER BY cr1_kind":                                            "[map[count:4 cr1_kind:727000000] map[count:1 cr1_kind:727000002]]",
		"SELECT DISTINCT cr1_kind FROM cr1_parcel ORDER BY cr1_kind DESC":                                                               "[map[cr1_kind:727000002] map[cr1_kind:727000000]]",
		"SELECT cr1_name FROM cr1_parcel WHERE cr1_areaha IS NULL AND NOT cr1_visits = 5":                                               "[map[cr1_name:O'Neil]]",
		"SELECT cr1_name FROM cr1_parcel WHERE cr1_owner_account = '" + id(101) + "' AND cr1_name <> 'x'":                               "[map[cr1_name:Alpha]]",
		"SELECT cr1_no FROM cr1_parcel ORDER BY cr1_no OFFSET 3 ROWS FETCH NEXT 1 ROWS ONLY":                                            "[map[cr1_no:4]]",
		"SELECT cr1_name FROM cr1_parcel WHERE cr1_name = 'nobody'":                                                                     "[]",
	} {
		if got := fmt.Sprint(e.want(200, "GET", "cr1_parcels?sql="+q(sql), "").list(t)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", sql, got, want)
		}
	}
	for sql, text := range map[string]string{
		"SELECT * FROM cr1_parcel":                  "SELECT * is not supported",
		"DELETE FROM cr1_parcel":                    "Only SELECT",
		"SELECT nope FROM cr1_parcel":               "doesn't contain attribute with Name = 'nope'",
		"SELECT name FROM account":                  "is not that of the set",
		"SELECT cr1_name, COUNT(*) FROM cr1_parcel": "GROUP BY",
		"SELECT cr1_name FROM cr1_parcel p JOIN account a ON p.cr1_owner_account = b.accountid":  "could not be bound",
		"SELECT createdon FROM cr1_parcel p JOIN account a ON p.cr1_owner_account = a.accountid": "ambiguous",
		"SELECT cr1_name FROM cr1_parcel WHERE cr1_no = 'x'":                                     "not valid",
	} {
		a := e.want(400, "GET", "cr1_parcels?sql="+q(sql), "")
		if !strings.Contains(a.body, text) {
			t.Errorf("%s: %s", sql, a.body)
		}
	}
	seen := 0
	for path := "cr1_parcels?sql=" + q("SELECT TOP 4 cr1_name FROM cr1_parcel ORDER BY cr1_name"); path != ""; {
		a := e.want(200, "GET", path, "", "Prefer: odata.maxpagesize=2")
		seen += len(a.list(t))
		path, _ = a.values(t)["@odata.nextLink"].(string)
	}
	if seen != 4 {
		t.Errorf("%d rows over all pages", seen)
	}
}

func TestFetchXMLAsQueryExpression(t *testing.T) {
	e := farm(t)
	fetch := `<fetch top="3"><entity name="cr1_parcel"><attribute name="cr1_name"/><order attribute="cr1_no"/><filter type="or"><condition attribute="cr1_no" operator="gt" value="3"/></filter></entity></fetch>`
	got := e.want(200, "GET", "FetchXmlToQueryExpression(FetchXml=@x)?@x="+q("'"+fetch+"'"), "").values(t)["Query"].(map[string]any)
	has(t, got, map[string]any{"EntityName": "cr1_parcel", "TopCount": 3})
	if text := fmt.Sprint(got["Criteria"]); !strings.Contains(text, "FilterOperator:Or") || !strings.Contains(text, "Operator:GreaterThan") || !strings.Contains(text, "Type:System.Int32 Value:3") {
		t.Errorf("criteria %s", text)
	}
}
