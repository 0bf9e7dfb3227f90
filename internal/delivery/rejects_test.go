package delivery

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/row"
)

// rejected reads a file and writes every row as a reject: with the reader's reason, or the given one.
func rejected(t testing.TB, format Format, file string, why row.Reject) string {
	t.Helper()
	reader := mustOpen(t, format, file)
	var out bytes.Buffer
	writer := NewRejectWriter(&out, reader.Style())
	for {
		r, err := reader.Next()
		if err != nil {
			break
		}
		reason := why
		if r.Reject != nil {
			reason = *r.Reject
		}
		if err := writer.Write(r, &reason); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestRejectFiles(t *testing.T) {
	why := row.Reject{Column: "b", Code: "too_long", Message: `"x" is longer than 3, at most`}
	for _, tc := range []struct {
		name   string
		format Format
		file   string
		want   string
	}{
		{"csv", CSV, "a ,\"b\"\n\n 1,\"2\n\"\n3,\n",
			"a ,\"b\",_line,_column,_code,_message\n" +
				" 1,\"2\n\",3,b,too_long,\"\"\"x\"\" is longer than 3, at most\"\n" +
				"3,,5,b,too_long,\"\"\"x\"\" is longer than 3, at most\"\n"},
		{"csv with the file's line ends and byte order mark", CSV, "\xef\xbb\xbfa,b\r\n1,2\n",
			"\xef\xbb\xbfa,b,_line,_column,_code,_message\r\n1,2,2,b,too_long,\"\"\"x\"\" is longer than 3, at most\"\r\n"},
		{"csv of malformed rows", CSV, "a,b\n1\nx\"y,2\n\xff,2\n",
			"a,b,_line,_column,_code,_message\n" +
				"1,2,,ragged_row,\"expected 2 cells, found 1\"\n" +
				"x\"y,2,3,,bad_quoting,\"line 3, character 2: a quote inside an unquoted cell\"\n" +
				"\xff,2,4,a,bad_encoding,\"line 4, character 1: byte 0xFF is not UTF-8\"\n"},
		{"csv that was a reject file", CSV, "a,b,_line,_column,_code,_message\n1,2,9,c,old,reason\n",
			"a,b,_line,_column,_code,_message\n1,2,2,b,too_long,\"\"\"x\"\" is longer than 3, at most\"\n"},
		{"csv with some own columns, where a row lacks as many cells", CSV, "a,b,_line\n1,9\n",
			"a,b,_line,_column,_code,_message\n1,9,2,,ragged_row,\"expected 3 cells (1 of them Penstock's own), found 2\",\n"},
		{"csv without rejects", CSV, "a,b\n", ""},
		{"jsonl", JSONL, "{\"a\":1}\r\n{ \"b\":\"}\" } \r\n{ }\n",
			`{"a":1,"_line":1,"_column":"b","_code":"too_long","_message":"\"x\" is longer than 3, at most"}` + "\r\n" +
				`{ "b":"}" ,"_line":2,"_column":"b","_code":"too_long","_message":"\"x\" is longer than 3, at most"} ` + "\r\n" +
				`{ "_line":3,"_column":"b","_code":"too_long","_message":"\"x\" is longer than 3, at most"}` + "\r\n"},
		{"jsonl of malformed rows", JSONL, "{\"a\":1}}\n<12>\n{\"a\":1,\"a\":2}\n",
			`{"_raw":"{\"a\":1}}","_line":1,"_column":"","_code":"bad_json","_message":"character 8: text behind the object"}` + "\n" +
				`{"_raw":"<12>","_line":2,"_column":"","_code":"bad_json","_message":"character 1: expected a value"}` + "\n" +
				`{"a":1,"a":2,"_line":3,"_column":"a","_code":"duplicate_member","_message":"the object has this member twice"}` + "\n"},
		{"jsonl that was a reject file", JSONL, `{"_raw":"x","_line":1,"_code":"bad_json","_message":"character 1: expected a value"}` + "\n" + `{"_line":1,"a":1}`,
			`{"_raw":"x","_line":1,"_column":"","_code":"bad_json","_message":"character 1: expected a value"}` + "\n" +
				`{"a":1,"_line":2,"_column":"b","_code":"too_long","_message":"\"x\" is longer than 3, at most"}` + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rejected(t, tc.format, tc.file, why)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Rule S3.
func TestRejectCellsAreNoFormulas(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1":            "'=1+1",
		"+1":              "'+1",
		"-1":              "'-1",
		"@SUM(A1)":        "'@SUM(A1)",
		"\t=1+1":          "'=1+1",
		"\r\n=1+1":        "'=1+1",
		" \x00=1":         "'=1",
		"=a,\"b\"":        `"'=a,""b"""`,
		"two\r\nlines":    "two  lines",
		"a = b":           "a = b",
		"bad \xff\xfe!":   "bad \ufffd!",
		"'=1+1":           "'=1+1",
		"":                "",
		"0x80040265 -":    "0x80040265 -",
		"\u00a0=HYPERLIN": "'=HYPERLIN",
	} {
		got := rejected(t, CSV, "=a\n=x\n", row.Reject{Column: text, Code: text, Message: text})
		if want := "=a,_line,_column,_code,_message\n=x,2," + want + "," + want + "," + want + "\n"; got != want {
			t.Errorf("%q:\n got %q\nwant %q", text, got, want)
		}
	}
}

// A reject file that is read uncorrected gives the same rows again, and writes the same file again.
func checkRoundTrip(t *testing.T, format Format, file string) {
	t.Helper()
	reader, err := Open(strings.NewReader(file), format, "people", Limits{})
	if err != nil {
		return
	}
	source, err := all(reader)
	if err != nil || len(source) == 0 {
		return
	}
	for i, r := range source {
		if r.Code == CodeBadJSON || r.Code == CodeNotAnObject { // written as JSON text, which holds UTF-8 only
			source[i].Raw = string([]rune(r.Raw))
		}
	}
	written := rejected(t, format, file, row.Reject{Column: "a,b", Code: "0x80040265", Message: "=no \"good\", really"})
	reader = mustOpen(t, format, written)
	again, err := all(reader)
	if err != nil {
		t.Fatalf("%v\n%q", err, written)
	}
	if diff := cmp.Diff(source, again, cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".Line" || name == ".Why"
	}, cmp.Ignore())); diff != "" {
		t.Fatalf("rows of the reject file (-source +again):\n%s\n%q", diff, written)
	}
	if len(reader.Ignored()) != len(row.ExtraColumns) {
		t.Fatalf("ignored %q", reader.Ignored())
	}
}

func TestRejectFilesRoundTrip(t *testing.T) {
	for _, file := range []string{
		"a,b\n1,2\n\"x,\"\"y\"\"\n\",z\n,\n",
		"a,b\r\n1\r\n1,2,3\r\n",
		"a\n\"x\"y\nz\"\n\xff\n",
		"a,b,_line,_column,_code,_message\n1,2,,ragged_row,\"expected 2 cells, found 1\"\nx\"y,2,3,,bad_quoting,m\n",
	} {
		checkRoundTrip(t, CSV, file)
	}
	for _, file := range []string{
		"{\"a\":1}\n{}\n{ \"b\" : [1] }\n", "{\"a\":1\n[1]\n{\"a\":1,\"a\":2}\nx\n", "{\"\":1}\n{\"a\":\"\\ud800\"}\n{\"a\":\"\xff\"}\n",
	} {
		checkRoundTrip(t, JSONL, file)
	}
}

func TestRejectWriterReportsErrors(t *testing.T) {
	broken := errors.New("disk full")
	writer := NewRejectWriter(writerFunc(func([]byte) (int, error) { return 0, broken }), Style{Format: CSV, Header: []byte("a")})
	r := &row.Row{Number: 7, Raw: bytes.Repeat([]byte("x"), 1<<20)}
	if err := writer.Write(r, &row.Reject{}); !errors.Is(err, broken) {
		t.Errorf("write: %v", err)
	}
	if err := writer.Flush(); !errors.Is(err, broken) {
		t.Errorf("flush: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
