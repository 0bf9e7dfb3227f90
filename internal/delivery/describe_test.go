package delivery

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func jsonOf(t testing.TB, src Source, hints Hints) string {
	t.Helper()
	rows := mustOpenAll(t, src, hints)
	var out []byte
	for {
		r, err := rows.Next()
		if err == io.EOF {
			return string(out)
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Reject == nil {
			out = append(AppendJSON(out, rows.Columns(), r), '\n')
		}
	}
}

func TestRowsAsJSON(t *testing.T) {
	for _, tc := range []struct {
		name string
		src  Source
		want string
	}{
		{"CSV", delivered("a.csv", "n,m\n1,\"x\n\"\"y\"\n,é\\N\n\\N,2\n"), "{\"n\":\"1\",\"m\":\"x\\n\\\"y\"}\n{\"n\":\"\",\"m\":\"é\\\\N\"}\n{\"n\":null,\"m\":\"2\"}\n"},
		{"JSON Lines", delivered("a.jsonl", "{\"a\":1e5,\"b\":[1, {\"c\":null}]}\n{\"c\":false,\"b\":null}\n"), "{\"a\":1e5,\"b\":[1,{\"c\":null}]}\n{\"b\":null,\"c\":false}\n"},
		{"Parquet", delivered("a", peopleParquet(t, 0, 3)), "{\"name\":\"Ada, \\\"0\\\"\",\"points\":0,\"since\":\"1970-01-01\"}\n" +
			"{\"name\":\"Ada, \\\"1\\\"\",\"points\":1,\"since\":\"1970-01-02\"}\n{\"name\":null,\"points\":2,\"since\":\"1970-01-03\"}\n"},
		{"Excel", delivered("a", sheetOf(t, []any{"n", "m"}, []any{1.5, true}, []any{"00"})), "{\"n\":1.5,\"m\":true}\n{\"n\":\"00\",\"m\":null}\n"},
	} {
		got := jsonOf(t, tc.src, Hints{})
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		for line := range strings.Lines(got) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: no JSON: %s", tc.name, line)
			}
		}
	}
}

func TestNumbersThatJSONLacks(t *testing.T) {
	for text, want := range map[string]bool{"1": true, "-1.5e+300": true, "NaN": false, "+Inf": false, "007": false, "": false, "1.": false} {
		if isNumber([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		src  Source
		want string
	}{
		{delivered("in/a.csv.gz", gzipped("n;_line\n1;2\n"), "in/b.csv", "n;_line\n3;4\n"), `{"objects":["a.csv.gz","b.csv"],"format":"csv","compression":"gzip","encoding":"UTF-8",` +
			`"dialect":"semicolon between cells, double quote around cells","settings":{"delimiter":";"},"header":"each","columns":[{"name":"n"}],"ignored":["_line"],"evidence":[` +
			`"Compression gzip: the file begins with its mark.","Encoding UTF-8: the first 12 bytes are plain ASCII.","Format CSV: it is text and does not begin as JSON.",` +
			`"Dialect semicolon between cells, double quote around cells: 2 of 2 sampled rows have 2 cells as the first one has.",` +
			`"Header: column 2 of the first row is a word and all below it are numbers.","Each of the 2 objects is taken to have the header: the second one has."]}`},
		{delivered("a.parquet", peopleParquet(t, 0, 1)), `{"objects":["a.parquet"],"format":"parquet","columns":[{"name":"name","type":"text"},{"name":"points","type":"int64"},{"name":"since","type":"date"}],` +
			`"evidence":["Format Parquet: the file begins with its mark."]}`},
		{delivered("a.xlsx", sheetOf(t, []any{"n"})), `{"objects":["a.xlsx"],"format":"xlsx","header":"each","sheet":"Sheet1","columns":[{"name":"n"}],` +
			`"evidence":["Format Excel: the file is a zip archive that holds a workbook.","Sheet \"Sheet1\": the first of 1 that is not hidden."]}`},
	} {
		rows := mustOpenAll(t, tc.src, Hints{})
		got, err := json.Marshal(rows.Describe())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Stored formats: a plan and a cursor of today must be read by the code of tomorrow.
func TestStoredFormats(t *testing.T) {
	how := Detected{Format: CSV, Compression: "gzip", Encoding: "utf-16le", Dialect: Dialect{Delimiter: ";", Quote: "'", Escape: MySQL, Null: "NULL"},
		Header: HeaderNone, Names: []string{"a"}, Sheet: "S", Evidence: []string{"x"}}
	cursor := Cursor{Object: 1, Row: 2, InObject: 3, Offset: 4, Skip: 5, Line: 6, Before: 7, State: 2, Columns: []string{"a"}, Ignored: []string{"_line"}}
	ended := Cursor{Row: 2, InObject: 2, Ended: true, Sums: []string{"x"}, Hashed: &Hashed{Object: 1, Bytes: 3, State: []byte("sha")}}
	for _, tc := range []struct {
		value, again any
		want         string
	}{
		{how, &Detected{}, `{"format":"csv","compression":"gzip","encoding":"utf-16le","dialect":{"delimiter":";","quote":"'","escape":"mysql","null":"NULL"},"header":"none","names":["a"],"sheet":"S","evidence":["x"]}`},
		{cursor, &Cursor{}, `{"object":1,"row":2,"in_object":3,"offset":4,"skip":5,"line":6,"before":7,"state":2,"columns":["a"],"ignored":["_line"]}`},
		{ended, &Cursor{}, `{"object":0,"row":2,"in_object":2,"ended":true,"sums":["x"],"hashed":{"object":1,"bytes":3,"state":"c2hh"}}`},
		{Frames{Part: 1, From: 2, End: 4, Whole: true, SHA256: "x"}, &Frames{}, `{"part":1,"from":2,"end":4,"whole":true,"sha256":"x"}`},
	} {
		text, err := json.Marshal(tc.value)
		if err != nil || string(text) != tc.want {
			t.Errorf("%s, %v", text, err)
		}
		if err := json.Unmarshal([]byte(tc.want), tc.again); err != nil {
			t.Error(err)
		}
		if again, _ := json.Marshal(tc.again); string(again) != tc.want {
			t.Errorf("read back: %s", again)
		}
	}
}
