package tsql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataversetest/tsql"
)

func col(name string) tsql.Column {
	if table, column, ok := strings.Cut(name, "."); ok {
		return tsql.Column{Table: table, Name: column}
	}
	return tsql.Column{Name: name}
}

func TestParse(t *testing.T) {
	account := tsql.Table{Name: "account", Alias: "account"}
	for sql, want := range map[string]*tsql.Select{
		"SELECT TOP 10 accountid, Name FROM account WHERE statecode = 0": {Top: 10, From: account,
			Items: []tsql.Item{{Column: col("accountid")}, {Column: col("name")}},
			Where: tsql.Compare{Column: col("statecode"), Op: "=", Value: tsql.Value{Text: "0", Number: true}}},
		"select distinct [name] as n from account as a where not (a.name like 'x%' or 5 < a.numberofemployees) -- why\norder by n desc": {
			Distinct: true, From: tsql.Table{Name: "account", Alias: "a"}, Items: []tsql.Item{{Column: col("name"), Alias: "n"}},
			Where: tsql.Not{Of: tsql.Or{Left: tsql.Like{Column: col("a.name"), Pattern: "x%"},
				Right: tsql.Compare{Column: col("a.numberofemployees"), Op: ">", Value: tsql.Value{Text: "5", Number: true}}}},
			OrderBy: []tsql.Order{{Column: col("n"), Desc: true}}},
		"SELECT a.name, COUNT(*) AS n, COUNT(DISTINCT c.lastname) d FROM account a LEFT OUTER JOIN contact c ON a.accountid = c.parentcustomerid GROUP BY a.name;": {
			From:    tsql.Table{Name: "account", Alias: "a"},
			Items:   []tsql.Item{{Column: col("a.name")}, {Function: "COUNT", Alias: "n"}, {Column: col("c.lastname"), Function: "COUNT", Distinct: true, Alias: "d"}},
			Joins:   []tsql.Join{{Table: tsql.Table{Name: "contact", Alias: "c"}, Left: true, On: [][2]tsql.Column{{col("a.accountid"), col("c.parentcustomerid")}}}},
			GroupBy: []tsql.Column{col("a.name")}},
		"SELECT name FROM account WHERE name IN ('a', N'O''Neil') AND revenue NOT BETWEEN -1.5 AND 2 AND fax IS NOT NULL ORDER BY name OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY": {
			From: account, Items: []tsql.Item{{Column: col("name")}}, OrderBy: []tsql.Order{{Column: col("name")}}, Offset: 5, Fetch: 10,
			Where: tsql.And{Left: tsql.And{Left: tsql.In{Column: col("name"), Values: []tsql.Value{{Text: "a"}, {Text: "O'Neil"}}},
				Right: tsql.Not{Of: tsql.Between{Column: col("revenue"), Low: tsql.Value{Text: "-1.5", Number: true}, High: tsql.Value{Text: "2", Number: true}}}},
				Right: tsql.Not{Of: tsql.IsNull{Column: col("fax")}}}},
	} {
		got, err := tsql.Parse(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for sql, unsupported := range map[string]bool{
		"DELETE FROM account": true, "SELECT * FROM account": true, "SELECT a.* FROM account a": true, "SELECT name FROM account UNION SELECT name FROM contact": true,
		"SELECT name FROM account HAVING name = 'x'": true, "SELECT name FROM account WHERE name IN (SELECT name FROM contact)": true,
		"SELECT name FROM account RIGHT JOIN contact ON a = b": true, "SELECT UPPER(name) FROM account": true, "SELECT name FROM a, b": true,
		"SELECT name FROM account WHERE name = fax": true, "SELECT TOP 5 PERCENT name FROM account": true, "WITH x AS (SELECT 1) SELECT 1": true,
		"SELECT 1 FROM account": true, "SELECT name FROM (SELECT name FROM account) x": true,
		"SELECT": false, "SELECT name": false, "SELECT name FROM": false, "SELECT name FROM account WHERE": false, "SELECT name FROM account WHERE name =": false,
		"SELECT name FROM account WHERE name = 'x": false, "SELECT name FROM account ORDER BY": false, "SELECT TOP x name FROM account": false,
		"SELECT name FROM account OFFSET 5 ROWS": false, "SELECT name FROM account; SELECT name FROM account": true, "SELECT name FROM account /* x": false,
		"SELECT name FROM account WHERE " + strings.Repeat("(", 1000): false,
	} {
		_, err := tsql.Parse(sql)
		var refusal *tsql.Error
		if !errors.As(err, &refusal) || refusal.Unsupported != unsupported {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, sql := range []string{"SELECT a.b, COUNT(*) AS [x y] FROM t a JOIN u ON a.b = u.c WHERE NOT a.d LIKE '%x' AND 1 <= e GROUP BY a.b ORDER BY a.b DESC OFFSET 1 ROWS",
		"select top (3) \"n\" from t /* c */ where x in (1,'a') or y between 1 and 2.5", "SELECT n FROM t -- c", "SELECT n'x"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		s, err := tsql.Parse(sql)
		var refusal *tsql.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q: %T", sql, err)
		}
		if err == nil && (s.From.Name == "" || len(s.Items) == 0) {
			t.Errorf("%q: %+v", sql, s)
		}
	})
}
