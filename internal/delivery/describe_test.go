package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
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
			`"evidence":["Format Excel: the file is a zip archive that holds a workbook.","Sheet \"Sheet1\": the first of 1 that are not hidden."]}`},
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
	for _, tc := range []struct {
		value, again any
		want         string
	}{
		{how, &Detected{}, `{"format":"csv","compression":"gzip","encoding":"utf-16le","dialect":{"delimiter":";","quote":"'","escape":"mysql","null":"NULL"},"header":"none","names":["a"],"sheet":"S","evidence":["x"]}`},
		{cursor, &Cursor{}, `{"object":1,"row":2,"in_object":3,"offset":4,"skip":5,"line":6,"before":7,"state":2,"columns":["a"],"ignored":["_line"]}`},
		{Frames{Block: 1, Size: 2, Ends: []int64{3}, SHA256: "x"}, &Frames{}, `{"block":1,"size":2,"ends":[3],"sha256":"x"}`},
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

func TestReframe(t *testing.T) {
	const block = 64 << 10
	r := rand.New(rand.NewPCG(1, 4))
	var text strings.Builder
	text.WriteString("n,m\n")
	for text.Len() < 2*block+1000 {
		text.WriteString(strings.Repeat("x", r.IntN(30)) + ",\"a\nb\"\n")
	}
	src := delivered("a.csv.gz", gzipped(text.String()))
	how := detected(t, src, Hints{})
	var copied bytes.Buffer
	frames, err := reframe(t.Context(), src.From, src.Objects[0], &copied, Limits{}, block)
	if err != nil || frames.Size != int64(text.Len()) || len(frames.Ends) != 3 {
		t.Fatal(frames, err)
	}
	rows := mustOpenAll(t, src, Hints{})
	want, err := all(rows)
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := rows.Sum(t.Context()); err != nil || sum != frames.SHA256 {
		t.Errorf("the object's hash: %s, %s, %v", sum, frames.SHA256, err)
	}
	opened := int64(-1)
	framed := Source{Objects: []Object{frames.Object(src.Objects[0])}, From: Framed{Opener: src.From, Frames: map[string]*Frames{"a.csv.gz": frames},
		Copy: func(_ context.Context, _ Object, offset int64) (io.ReadCloser, error) {
			opened = offset
			return io.NopCloser(bytes.NewReader(copied.Bytes()[offset:])), nil
		}}}
	rows, err = OpenAll(t.Context(), framed, how, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for range len(want) - 3 {
		if _, err := rows.Next(); err != nil {
			t.Fatal(err)
		}
	}
	cursor := rows.Cursor()
	resumed, err := Resume(t.Context(), framed, how, Limits{}, &cursor)
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Close()
	got, err := all(resumed)
	if diff := cmp.Diff(want[len(want)-3:], got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if opened != frames.Ends[1] {
		t.Errorf("the copy was opened at byte %d, not at block 3", opened)
	}
	if _, err := framed.From.OpenFrom(t.Context(), framed.Objects[0], frames.Size); err != nil {
		t.Errorf("at the end: %v", err)
	}
	frames.Ends = nil
	if _, err := framed.From.OpenFrom(t.Context(), framed.Objects[0], 0); !fault.Is(err, fault.Broken) {
		t.Errorf("an index that is none: %v", err)
	}
}
