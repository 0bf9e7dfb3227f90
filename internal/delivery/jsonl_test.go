package delivery

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSONLRows(t *testing.T) {
	for _, tc := range []struct {
		name    string
		file    string
		columns []string
		want    []seen
	}{
		{"every kind of value", `{"a":"x","b":-1.50e+3,"c":true,"d":false,"e":null,"f":{"g":[1, {}]},"h":[]}` + "\n",
			[]string{"a", "b", "c", "d", "e", "f", "h"}, []seen{
				{Number: 1, Line: 1, Cells: []string{"x", "number:-1.50e+3", "bool:true", "bool:false", "null", `nested:{"g":[1, {}]}`, "nested:[]"},
					Raw: `{"a":"x","b":-1.50e+3,"c":true,"d":false,"e":null,"f":{"g":[1, {}]},"h":[]}`},
			}},
		{"names as they come", "{\"a\":1}\n{\"b\":2,\"a\":3}\r\n{\"c\":4}\n{}", []string{"a", "b", "c"}, []seen{
			{Number: 1, Line: 1, Cells: []string{"number:1"}, Raw: `{"a":1}`},
			{Number: 2, Line: 2, Cells: []string{"number:3", "number:2"}, Raw: `{"b":2,"a":3}`},
			{Number: 3, Line: 3, Cells: []string{"absent", "absent", "number:4"}, Raw: `{"c":4}`},
			{Number: 4, Line: 4, Raw: `{}`},
		}},
		{"a file of nothing has no rows", "", nil, nil},
		{"blank lines", "\n \t\r\n{\"a\":1}\n\n  \n{\"a\":2}\n\n", []string{"a"}, []seen{
			{Number: 1, Line: 3, Cells: []string{"number:1"}, Raw: `{"a":1}`},
			{Number: 2, Line: 6, Cells: []string{"number:2"}, Raw: `{"a":2}`},
		}},
		{"a byte order mark", "\xef\xbb\xbf{\"a\":1}\n", []string{"a"}, []seen{{Number: 1, Line: 1, Cells: []string{"number:1"}, Raw: `{"a":1}`}}},
		{"white space", " { \"a\" : 1 , \"b\":\t[ ] } \r\n", []string{"a", "b"}, []seen{
			{Number: 1, Line: 1, Cells: []string{"number:1", "nested:[ ]"}, Raw: " { \"a\" : 1 , \"b\":\t[ ] } "},
		}},
		{"escapes", `{"a\u0062":"\"\\\/\b\f\n\r\t\u00e4\uD83D\uDE42 and plain","c":"\ufffd\uFFFD"}`, []string{"ab", "c"}, []seen{
			{Number: 1, Line: 1, Cells: []string{"\"\\/\b\f\n\r\tä🙂 and plain", "\ufffd\ufffd"}, Raw: `{"a\u0062":"\"\\\/\b\f\n\r\t\u00e4\uD83D\uDE42 and plain","c":"\ufffd\uFFFD"}`},
		}},
		{"an escaped name is the same name", `{"a":1}` + "\n" + `{"\u0061":2}`, []string{"a"}, []seen{
			{Number: 1, Line: 1, Cells: []string{"number:1"}, Raw: `{"a":1}`},
			{Number: 2, Line: 2, Cells: []string{"number:2"}, Raw: `{"\u0061":2}`},
		}},
		{"numbers", `{"a":0,"b":-0,"c":10,"d":0.5,"e":1E5,"f":123456789012345678901234567890}`, []string{"a", "b", "c", "d", "e", "f"}, []seen{
			{Number: 1, Line: 1, Cells: []string{"number:0", "number:-0", "number:10", "number:0.5", "number:1E5", "number:123456789012345678901234567890"},
				Raw: `{"a":0,"b":-0,"c":10,"d":0.5,"e":1E5,"f":123456789012345678901234567890}`},
		}},
		{"the same name twice", "{\"a\":1,\"b\":2,\"a\":3}\n{\"b\":4}\n{\"b\":5,\"x\":1,\"x\":2}\n{\"b\":6,\"b\":7}", []string{"b"}, []seen{
			{Number: 1, Line: 1, Raw: `{"a":1,"b":2,"a":3}`, Code: CodeDuplicateMember, Column: "a", Why: "the object has this member twice"},
			{Number: 2, Line: 2, Cells: []string{"number:4"}, Raw: `{"b":4}`},
			{Number: 3, Line: 3, Raw: `{"b":5,"x":1,"x":2}`, Code: CodeDuplicateMember, Column: "x", Why: "the object has this member twice"},
			{Number: 4, Line: 4, Raw: `{"b":6,"b":7}`, Code: CodeDuplicateMember, Column: "b", Why: "the object has this member twice"},
		}},
		{"an empty name", `{"":1}`, nil, []seen{{Number: 1, Line: 1, Raw: `{"":1}`, Code: CodeEmptyName, Why: "a member has an empty name"}}},
		{"no objects", "{}\n\"x\"\n12\nnull\ntrue\n [1]\n", nil, []seen{
			{Number: 1, Line: 1, Raw: `{}`},
			{Number: 2, Line: 2, Raw: `"x"`, Code: CodeNotAnObject, Why: "character 1: the line is a string, not an object"},
			{Number: 3, Line: 3, Raw: `12`, Code: CodeNotAnObject, Why: "character 1: the line is a number, not an object"},
			{Number: 4, Line: 4, Raw: `null`, Code: CodeNotAnObject, Why: "character 1: the line is null, not an object"},
			{Number: 5, Line: 5, Raw: `true`, Code: CodeNotAnObject, Why: "character 1: the line is true or false, not an object"},
			{Number: 6, Line: 6, Raw: ` [1]`, Code: CodeNotAnObject, Why: "character 2: the line is an array, not an object"},
		}},
		{"bytes that are no text", "{\"ä\":\"\xff\",\"_line\":3}\n{\"a\xff\":1}\n", nil, []seen{
			{Number: 1, Line: 1, Raw: "{\"ä\":\"\xff\"}", Code: CodeBadEncoding, Column: "ä", Why: "character 7: byte 0xFF is not UTF-8"},
			{Number: 2, Line: 2, Raw: "{\"a\xff\":1}", Code: CodeBadEncoding, Why: "character 4: byte 0xFF is not UTF-8"},
		}},
		{"escapes that are no character", `{"a":"\ud83d"}` + "\n" + `{"a":"\ude42\ud83d"}` + "\n" + `{"a":"\ud83d\u0041"}` + "\n" + `{"a":"x\u0000"}` + "\n" + `{"a":["\ud83dx"]}`, nil, []seen{
			{Number: 1, Line: 1, Raw: `{"a":"\ud83d"}`, Code: CodeBadEncoding, Column: "a", Why: "character 7: half a surrogate pair"},
			{Number: 2, Line: 2, Raw: `{"a":"\ude42\ud83d"}`, Code: CodeBadEncoding, Column: "a", Why: "character 7: half a surrogate pair"},
			{Number: 3, Line: 3, Raw: `{"a":"\ud83d\u0041"}`, Code: CodeBadEncoding, Column: "a", Why: "character 7: half a surrogate pair"},
			{Number: 4, Line: 4, Raw: `{"a":"x\u0000"}`, Code: CodeBadEncoding, Column: "a", Why: "character 8: a NUL character"},
			{Number: 5, Line: 5, Raw: `{"a":["\ud83dx"]}`, Code: CodeBadEncoding, Column: "a", Why: "character 8: half a surrogate pair"},
		}},
		{"Penstock's own members, wherever they stand",
			`{"_line":1,"a":1}` + "\n" + `{"a":1,"_line":1}` + "\n" + `{ "a" : 1 , "_code" : "x" , "b" : 2 , "_message":"m", "_column":null}` + "\n" + `{"_line":1}` + "\n" + `{"_line":1,"_code":2,"a":3,"_line":4}`,
			[]string{"a", "b"}, []seen{
				{Number: 1, Line: 1, Cells: []string{"number:1"}, Raw: `{"a":1}`},
				{Number: 2, Line: 2, Cells: []string{"number:1"}, Raw: `{"a":1}`},
				{Number: 3, Line: 3, Cells: []string{"number:1", "number:2"}, Raw: `{ "a" : 1  , "b" : 2 }`},
				{Number: 4, Line: 4, Raw: `{}`},
				{Number: 5, Line: 5, Cells: []string{"number:3"}, Raw: `{"a":3}`},
			}},
		{"a line of a reject file that was not JSON", `{"_raw":"{oops \u00e4","_line":7,"_column":"","_code":"bad_json","_message":"character 2: oops"}` + "\n" + `{"_raw":"mine"}`,
			[]string{"_raw"}, []seen{
				{Number: 1, Line: 1, Raw: `{oops ä`, Code: CodeBadJSON, Why: "character 2: oops"},
				{Number: 2, Line: 2, Cells: []string{"mine"}, Raw: `{"_raw":"mine"}`},
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, reading := range readings {
				reader, err := open(reading.read(strings.NewReader(tc.file)), JSONL, "people", Limits{}, reading.size)
				if err != nil {
					t.Fatalf("%s: %v", reading.name, err)
				}
				got, err := all(reader)
				if err != nil {
					t.Fatalf("%s: %v", reading.name, err)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", reading.name, diff)
				}
				if diff := cmp.Diff(tc.columns, reader.Columns()); diff != "" {
					t.Errorf("%s: columns (-want +got):\n%s", reading.name, diff)
				}
			}
		})
	}
}

func TestJSONLBadLines(t *testing.T) {
	for line, want := range map[string]string{
		`{"a":1`:                     "character 7: expected a comma or the closing bracket, but the line ends here",
		`{"a":1]`:                    "character 7: expected a comma or the closing bracket",
		`{"a":1,}`:                   "character 8: expected a name in double quotes",
		`{"a":1,,"b":2}`:             "character 8: expected a name in double quotes",
		`{,"a":1}`:                   "character 2: expected a name in double quotes",
		`{a:1}`:                      "character 2: expected a name in double quotes",
		`{'a':1}`:                    "character 2: expected a name in double quotes",
		`{"a" 1}`:                    "character 6: expected a colon after the name",
		`{"ä":}`:                     "character 6: expected a value",
		`{"a":nul}`:                  "character 6: expected a value",
		`{"a":nulls}`:                "character 10: expected a comma or the closing bracket",
		`{"a":NaN}`:                  "character 6: expected a value",
		`{"a":+1}`:                   "character 6: expected a value",
		`{"a":01}`:                   "character 7: a number must not begin with 0",
		`{"a":-}`:                    "character 7: expected a digit",
		`{"a":.5}`:                   "character 6: expected a value",
		`{"a":1.}`:                   "character 8: expected a digit after the decimal point",
		`{"a":1e}`:                   "character 8: expected a digit in the exponent",
		`{"a":1e+}`:                  "character 9: expected a digit in the exponent",
		`{"a":1} x`:                  "character 9: text behind the object",
		`{"a":1},`:                   "character 8: text behind the object",
		`{"a":"x`:                    "character 8: a string does not end, but the line ends here",
		"{\"a\":\"x\ty\"}":           "character 8: a control character in a string must be escaped",
		"{\"a\":\"x\x00 01234567\"}": "character 8: a control character in a string must be escaped",
		`{"a":"\x41"}`:               "character 8: an unknown escape in a string",
		`{"a":"\u12g4"}`:             "character 11: expected four hexadecimal digits",
		`{"a":"\ud83d\u12"}`:         "character 17: expected four hexadecimal digits",
		`{"a":[1,2}`:                 "character 10: expected a comma or the closing bracket",
		`{"a":{"b" 1}}`:              "character 11: expected a colon after the name",
		`{"a":{b:1}}`:                "character 7: expected a name in double quotes",
		`{"a":[1,]}`:                 "character 9: expected a value",
		`oops`:                       "character 1: expected a value",
		`"x" y`:                      "character 5: text behind the object",
	} {
		reader := mustOpen(t, JSONL, "{\"z\":0}\n"+line+"\n{\"z\":1}\n")
		rows, err := all(reader)
		if err != nil || len(rows) != 3 {
			t.Fatalf("%s: %v, %v", line, rows, err)
		}
		wanted := seen{Number: 2, Line: 2, Raw: line, Code: CodeBadJSON, Why: want}
		if diff := cmp.Diff(wanted, rows[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
		if got := reader.Columns(); len(got) != 1 {
			t.Errorf("%s: a line that is not JSON added a column: %q", line, got)
		}
	}
}

func TestJSONLRefused(t *testing.T) {
	small := Limits{RowBytes: 40, FieldBytes: 8, Columns: 3, HeaderBytes: 12, Nesting: 3}
	for _, tc := range []struct {
		name   string
		file   string
		limits Limits
		code   string
		line   int
		text   string
	}{
		{"an array", "\n[\n{\"a\":1}\n]\n", Limits{}, "not_json_lines", 2, "JSON array"},
		{"an array on one line", ` [{"a":1},{"a":2}]`, Limits{}, "not_json_lines", 1, "JSON array"},
		{"a pretty object", "{\n  \"a\": 1\n}\n", Limits{}, "not_json_lines", 1, "several lines"},
		{"a long line", "{\"a\":1}\n" + strings.Repeat(" ", 41) + "\n", small, "row_too_long", 2, "40 bytes"},
		{"a long line without an end", "{\"a\":1}\n{\"a\":\"" + strings.Repeat("x", 200), small, "row_too_long", 2, ""},
		{"a long cell", "{\"a\":1}\n{\"a\":\"123456789\"}", small, "field_too_long", 2, `"a"`},
		{"many names", "{\"a\":1,\"b\":2}\n{\"c\":1,\"d\":2}", small, "too_many_columns", 2, "3 columns"},
		{"long names", "{\"aaaaaaa\":1}\n{\"bbbbbb\":1}", small, "header_too_long", 2, "12 bytes"},
		{"deep nesting", "{\"a\":[[1]]}\n{\"a\":[[[1]]]}", small, "nested_too_deep", 2, "3 deep"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, reading := range readings {
				reader, err := open(reading.read(strings.NewReader(tc.file)), JSONL, "people", tc.limits, reading.size)
				if err == nil {
					_, err = all(reader)
				}
				if e := wantFault(t, err, tc.code, tc.line); !strings.Contains(e.Error(), tc.text) {
					t.Errorf("%s: %q does not say %q", reading.name, e, tc.text)
				}
			}
		})
	}
}

func TestJSONLIgnoredAndStyle(t *testing.T) {
	reader := mustOpen(t, JSONL, "\xef\xbb\xbf\r\n{\"a\":1,\"_code\":1}\r\n{\"_line\":2,\"_code\":1}\n")
	if _, err := all(reader); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"_code", "_line"}, reader.Ignored()); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Style{Format: JSONL, LineEnd: "\r\n", BOM: true}, reader.Style()); diff != "" {
		t.Errorf("style (-want +got):\n%s", diff)
	}
}

func TestJSONLLongRow(t *testing.T) {
	text := strings.Repeat(`0123456789\n`, 100<<10)
	reader := mustOpen(t, JSONL, `{"a":"`+text+`"}`+"\n{\"a\":1}\n")
	first, err := reader.Next()
	if err != nil || string(first.Cells[0].Text) != strings.ReplaceAll(text, `\n`, "\n") {
		t.Fatalf("the long row is not read: %v", err)
	}
	if rows, err := all(reader); err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
}

func TestJSONLAllocatesNothingPerRow(t *testing.T) {
	var file bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&file, `{"a":"Z\u006f\u00eb %d","b":%d,"c":[{"d":null}],"_line":%d}`+"\n", i, i, i)
	}
	reader, err := Open(&file, JSONL, "people", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = reader.Next()
	if n := testing.AllocsPerRun(1000, func() {
		if r, err := reader.Next(); err != nil || r.Reject != nil {
			t.Fatal(r, err)
		}
	}); n > 0.1 {
		t.Errorf("%v allocations a row", n)
	}
}
