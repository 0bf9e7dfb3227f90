package odata_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataversetest/odata"
)

func path(segments ...string) odata.Path { return odata.Path{Segments: segments} }

func text(s string) odata.Literal {
	return odata.Literal{Kind: odata.String, Text: "'" + strings.ReplaceAll(s, "'", "''") + "'", Value: s}
}

func number(s string, n int64) odata.Literal {
	return odata.Literal{Kind: odata.Integer, Text: s, Value: n}
}

func TestParseExpr(t *testing.T) {
	const id = "6F1F0D9E-6d0f-5c67-9a55-0f8c0b3f0001"
	for _, c := range []struct {
		in   string
		want odata.Expr
	}{
		{"name eq 'O''Neil'", odata.Binary{Op: "eq", Left: path("name"), Right: text("O'Neil")}},
		{"a eq 1 or b eq 2 and c eq 3", odata.Binary{Op: "or",
			Left: odata.Binary{Op: "eq", Left: path("a"), Right: number("1", 1)},
			Right: odata.Binary{Op: "and", Left: odata.Binary{Op: "eq", Left: path("b"), Right: number("2", 2)},
				Right: odata.Binary{Op: "eq", Left: path("c"), Right: number("3", 3)}}}},
		{"not (a ne null)", odata.Not{Of: odata.Binary{Op: "ne", Left: path("a"), Right: odata.Literal{Kind: odata.Null, Text: "null"}}}},
		{"_x_value eq " + id, odata.Binary{Op: "eq", Left: path("_x_value"),
			Right: odata.Literal{Kind: odata.GUID, Text: id, Value: strings.ToLower(id)}}},
		{"d ge 2026-01-02", odata.Binary{Op: "ge", Left: path("d"),
			Right: odata.Literal{Kind: odata.Date, Text: "2026-01-02", Value: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}}},
		{"d lt 2026-01-02T03:04:05+02:00", odata.Binary{Op: "lt", Left: path("d"),
			Right: odata.Literal{Kind: odata.Instant, Text: "2026-01-02T03:04:05+02:00", Value: time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC)}}},
		{"n gt -1.50", odata.Binary{Op: "gt", Left: path("n"), Right: odata.Literal{Kind: odata.Decimal, Text: "-1.50", Value: -1.5}}},
		{"sdkmessageid/name eq @m", odata.Binary{Op: "eq", Left: path("sdkmessageid", "name"), Right: text("CreateMultiple")}},
		{"contains(name,'a b')", odata.Call{Name: "contains", Args: []odata.Expr{path("name"), text("a b")}}},
		{"Microsoft.Dynamics.CRM.In(PropertyName='x',PropertyValues=['a',\"b\"])", odata.Call{Name: "Microsoft.Dynamics.CRM.In", Args: []odata.Expr{
			odata.Named{Name: "PropertyName", Value: text("x")},
			odata.Named{Name: "PropertyValues", Value: odata.List{Items: []odata.Expr{text("a"),
				odata.Literal{Kind: odata.String, Text: `"b"`, Value: "b"}}}}}}},
		{"OwnershipType eq Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'", odata.Binary{Op: "eq", Left: path("OwnershipType"),
			Right: odata.Literal{Kind: odata.Enum, Type: "Microsoft.Dynamics.CRM.OwnershipTypes",
				Text: "Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'", Value: "UserOwned"}}},
		{"tags/any(t:t/name eq 'x')", odata.Lambda{Over: path("tags"), Var: "t",
			Body: odata.Binary{Op: "eq", Left: path("t", "name"), Right: text("x")}}},
		{"n in (1,2)", odata.Binary{Op: "in", Left: path("n"), Right: odata.List{Items: []odata.Expr{number("1", 1), number("2", 2)}}}},
	} {
		got, err := odata.ParseExpr(c.in, map[string]string{"@m": "'CreateMultiple'"})
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.in, diff)
		}
	}
}

func TestParseExprRefuses(t *testing.T) {
	for _, in := range []string{"", "a eq", "a eq 'x", "(a eq 1", "a eq 1)", "a ! 1", "f(a,)", "a eq 1 2", "guid'x'",
		strings.Repeat("(", 1000), "a/b(1)", "x eq @loop"} {
		_, err := odata.ParseExpr(in, map[string]string{"@loop": "@loop"})
		var refused *odata.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Code != odata.CodeSyntax {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestParseQuery(t *testing.T) {
	q, err := odata.ParseQuery("$select=a,%20b&$top=3&$count=true&$orderby=a desc,b&tag=x&$filter=a+eq+@p&@p='v'" +
		"&$expand=nav($select=x;$filter=y eq ';,)';$top=2),other/$ref")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, q.Select); diff != "" {
		t.Error(diff)
	}
	if *q.Top != 3 || !q.Count || q.Other.Get("tag") != "x" {
		t.Errorf("got %+v", q)
	}
	if diff := cmp.Diff([]odata.Order{{By: path("a"), Desc: true}, {By: path("b")}}, q.OrderBy); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(odata.Expr(odata.Binary{Op: "eq", Left: path("a"), Right: text("v")}), q.Filter); diff != "" {
		t.Error(diff)
	}
	if len(q.Expand) != 2 || q.Expand[0].Name != "nav" || *q.Expand[0].Query.Top != 2 || !q.Expand[1].Ref || q.Expand[1].Name != "other" {
		t.Errorf("expand %+v", q.Expand)
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for in, status := range map[string]int{
		"$skip=5": 501, "$top=-1": 400, "$top=x": 400, "$foo=1": 400, "$top=1&$top=2": 400, "$select=a,,b": 400,
		"$expand=a(": 400, "$expand=a($select=b": 400, "$count=1": 400, "$filter=%zz": 400,
	} {
		_, err := odata.ParseQuery(in)
		var refused *odata.Error
		if !errors.As(err, &refused) || refused.Status != status {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestParsePath(t *testing.T) {
	const id = "00000000-0000-0000-0000-0000000000ab"
	segments, err := odata.ParsePath("contacts(firstname='Jo%20''X''',_owner_value=" + id + ",n=4,d=2026-01-02)/Microsoft.Dynamics.CRM.Do(P=@p)/$ref")
	if err != nil {
		t.Fatal(err)
	}
	if len(segments) != 3 || segments[2].Name != "$ref" || segments[1].Name != "Microsoft.Dynamics.CRM.Do" {
		t.Fatalf("got %+v", segments)
	}
	want := []odata.Argument{{Name: "firstname", Value: text("Jo 'X'")},
		{Name: "_owner_value", Value: odata.Literal{Kind: odata.GUID, Text: id, Value: id}},
		{Name: "n", Value: number("4", 4)},
		{Name: "d", Value: odata.Literal{Kind: odata.Date, Text: "2026-01-02", Value: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}}}
	if diff := cmp.Diff(want, segments[0].Args); diff != "" {
		t.Error(diff)
	}
	if v, err := segments[1].Arg("P", map[string]string{"@p": "['a']"}); err != nil || len(v.(odata.List).Items) != 1 {
		t.Errorf("%v %v", v, err)
	}
	byID, err := odata.ParsePath("/accounts(" + strings.ToUpper(id) + ")")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := byID[0].GUID(); !ok || got != id {
		t.Errorf("guid %q", got)
	}
}

// Values with any of / < > * % & : \ ? + cannot stand in a key, encoded or not.
func TestKeysRefuseReservedCharacters(t *testing.T) {
	for _, c := range []string{"%2F", "/", "%3C", "%3E", "*", "%25", "%26", ":", "%5C", "%3F", "+"} {
		_, err := odata.ParsePath("contacts(emailaddress1='a" + c + "b')")
		var refused *odata.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Message != "Bad Request - Error in query syntax." {
			t.Errorf("%s: %v", c, err)
		}
	}
	for _, in := range []string{"contacts(", "contacts('a)", "(x)", "a//b", "contacts(f(1))", "contacts(=1)", "contacts(a b)"} {
		if _, err := odata.ParsePath(in); err == nil {
			t.Errorf("%s parsed", in)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"contacts(a='b''c',d=4)/$ref", "x(y=@p)", "a/b/$count", "X(N=['a',\"b\"])", "%zz", "c(1-)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		segments, err := odata.ParsePath(in)
		if err != nil {
			return
		}
		for _, s := range segments {
			if s.Name == "" {
				t.Errorf("%q has a segment without name", in)
			}
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"$filter=a eq 'b' and not (c gt 1.5e3)&$top=1", "$expand=a($expand=b($select=c);$filter=x in (1))",
		"$filter=a/any(o:o/b eq @p)&@p=['x',{\"a\":1}]", "$orderby=a desc", "@a=@a&$filter=@a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		_, err := odata.ParseQuery(in)
		var refused *odata.Error
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%q: %T", in, err)
		}
	})
}
