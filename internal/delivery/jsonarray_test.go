package delivery

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/row"
)

func TestJSONArrayRows(t *testing.T) {
	for _, tc := range []struct {
		name string
		file string
		want []seen
	}{
		{"one line", `[{"a":1},{"b":"x","a":[1,{"c":"]"}]} ,{}]`, []seen{
			{Number: 1, Line: 1, Cells: []string{"number:1"}, Raw: `{"a":1}`},
			{Number: 2, Line: 1, Cells: []string{`nested:[1,{"c":"]"}]`, "x"}, Raw: `{"b":"x","a":[1,{"c":"]"}]}`},
			{Number: 3, Line: 1, Raw: `{}`},
		}},
		{"laid out", "\ufeff\n[\n  {\n    \"a\": \"x \\\" ]\"\n  },\r\n  {\"a\":2}\n]\n\n", []seen{
			{Number: 1, Line: 3, Cells: []string{`x " ]`}, Raw: "{\n    \"a\": \"x \\\" ]\"\n  }"},
			{Number: 2, Line: 6, Cells: []string{"number:2"}, Raw: `{"a":2}`},
		}},
		{"empty", " [ ] ", nil},
		{"bad elements", "[{\"a\":1,\n  \"b\":nul}, 7, \"x, y\", null,[1], {\"a\":1,\"a\":2},{\"a\":2]\n]", []seen{
			{Number: 1, Line: 1, Raw: "{\"a\":1,\n  \"b\":nul}", Code: CodeBadJSON, Why: "line 2, character 7: expected a value"},
			{Number: 2, Line: 2, Raw: "7", Code: CodeNotAnObject, Why: "line 2, character 13: the element is a number, not an object"},
			{Number: 3, Line: 2, Raw: `"x, y"`, Code: CodeNotAnObject, Why: "line 2, character 16: the element is a string, not an object"},
			{Number: 4, Line: 2, Raw: "null", Code: CodeNotAnObject, Why: "line 2, character 24: the element is null, not an object"},
			{Number: 5, Line: 2, Raw: "[1]", Code: CodeNotAnObject, Why: "line 2, character 29: the element is an array, not an object"},
			{Number: 6, Line: 2, Raw: `{"a":1,"a":2}`, Code: CodeDuplicateMember, Column: "a", Why: "the object has this member twice"},
			{Number: 7, Line: 2, Raw: `{"a":2]`, Code: CodeBadJSON, Why: "line 2, character 54: expected a comma or the closing bracket"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := all(mustOpenAll(t, delivered("people", tc.file), Hints{Format: JSON}))
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestJSONArrayRefused(t *testing.T) {
	small := Limits{RowBytes: 20, FieldBytes: 8, Columns: 2, HeaderBytes: 12, Nesting: 3}
	for _, tc := range []struct {
		name   string
		file   string
		limits Limits
		code   string
		line   int
	}{
		{"no array", `{"a":1}`, Limits{}, "bad_json", 1},
		{"no comma", "[{\"a\":1}\n{\"a\":2}]", Limits{}, "bad_json", 2},
		{"a comma too many", `[{"a":1},]`, Limits{}, "bad_json", 1},
		{"two commas", `[{"a":1},,{}]`, Limits{}, "bad_json", 1},
		{"text behind", "[{\"a\":1}]\nx", Limits{}, "bad_json", 2},
		{"no end", "[{\"a\":1}\n", Limits{}, "cut_short", 2},
		{"no end of an element", "[\n{\"a\":1", Limits{}, "cut_short", 2},
		{"empty", " ", Limits{}, "cut_short", 1},
		{"a long element", "[\n{\"a\":\"" + strings.Repeat("x", 20) + "\"}]", small, "row_too_long", 2},
		{"a long cell", `[{"a":"123456789"}]`, small, "field_too_long", 1},
		{"many columns", `[{"a":1,"b":2,"c":3}]`, small, "too_many_columns", 1},
		{"deep", `[{"a":[[[[1]]]]}]`, small, "nested_too_deep", 1},
	} {
		rows, err := OpenAll(t.Context(), delivered("people", tc.file), &Detected{Format: JSON}, tc.limits)
		if err == nil {
			_, err = all(rows)
			rows.Close()
		}
		if err == nil {
			t.Errorf("%s: read", tc.name)
			continue
		}
		wantFault(t, err, tc.code, tc.line)
	}
}

func FuzzJSONArray(f *testing.F) {
	for _, seed := range []string{`[{"a":1},{"b":"x]\""}]`, "[\n{\"a\":[1,{}]},\n7 , null]\n", "[]", "[{\"a\":1}", `[{"a":1},]`, "[{}}", "[}]", "[\"", "\ufeff[{\"_line\":1,\"a\":2}]"} {
		f.Add(seed)
	}
	limits := Limits{RowBytes: 4 << 10, FieldBytes: 1 << 10, Columns: 20, HeaderBytes: 200, Nesting: 5}
	f.Fuzz(func(t *testing.T, file string) {
		src := delivered("people", file)
		rows, err := OpenAll(t.Context(), src, &Detected{Format: JSON}, limits)
		if err != nil {
			return
		}
		defer rows.Close()
		got, err := all(rows)
		checkResume(t, src, &Detected{Format: JSON}, limits)
		var theirs []json.RawMessage
		theirErr := json.Unmarshal([]byte(strings.TrimPrefix(file, byteOrderMark)), &theirs)
		bad := 0
		for _, r := range got {
			if r.Code != "" {
				bad++
			}
		}
		if theirErr == nil && err == nil && len(theirs) != len(got) {
			t.Fatalf("%d elements, theirs %d", len(got), len(theirs))
		}
		if err == nil && bad == 0 && theirErr != nil {
			t.Fatalf("they say %v", theirErr)
		}
		if err != nil && theirErr == nil && !strings.Contains(err.Error(), "more than") && !strings.Contains(err.Error(), "longer than") && strings.TrimSpace(file) != "null" {
			t.Fatalf("we say %v", err)
		}
		if err == nil && len(got) > 0 {
			written := rejectedAll(t, src, Hints{Format: JSON, Encoding: "utf-8"}, row.Reject{Code: "x"})
			if !json.Valid([]byte(strings.TrimPrefix(written, byteOrderMark))) && bad == 0 {
				t.Fatalf("the rejects are no JSON: %q", written)
			}
		}
	})
}
