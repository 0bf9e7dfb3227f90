package delivery

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCSVRows(t *testing.T) {
	for _, tc := range []struct {
		name string
		file string
		want []seen
	}{
		{"plain", "a,b\n1,2\n3,4\n", []seen{
			{Number: 1, Line: 2, Cells: []string{"1", "2"}, Raw: "1,2"},
			{Number: 2, Line: 3, Cells: []string{"3", "4"}, Raw: "3,4"},
		}},
		{"no line end after the last row", "a,b\n1,2", []seen{{Number: 1, Line: 2, Cells: []string{"1", "2"}, Raw: "1,2"}}},
		{"CR after the last row", "a,b\n1,2\r", []seen{{Number: 1, Line: 2, Cells: []string{"1", "2"}, Raw: "1,2"}}},
		{"CRLF and LF mixed", "a,b\r\n1,2\n3,4\r\n\"5\",\"6\"\r\n7,\"8\"\n", []seen{
			{Number: 1, Line: 2, Cells: []string{"1", "2"}, Raw: "1,2"},
			{Number: 2, Line: 3, Cells: []string{"3", "4"}, Raw: "3,4"},
			{Number: 3, Line: 4, Cells: []string{"5", "6"}, Raw: `"5","6"`},
			{Number: 4, Line: 5, Cells: []string{"7", "8"}, Raw: `7,"8"`},
		}},
		{"a byte order mark", "\xef\xbb\xbfa\n1\n", []seen{{Number: 1, Line: 2, Cells: []string{"1"}, Raw: "1"}}},
		{"header only", "a,b\n", nil},
		{"empty lines count as lines, not as rows", "\n\r\na,b\n\n1,2\n\r\n\n3,4\n\n", []seen{
			{Number: 1, Line: 5, Cells: []string{"1", "2"}, Raw: "1,2"},
			{Number: 2, Line: 8, Cells: []string{"3", "4"}, Raw: "3,4"},
		}},
		{"white space is kept in cells", "a,b\n 1 ,\t2\n  \t,\n", []seen{
			{Number: 1, Line: 2, Cells: []string{" 1 ", "\t2"}, Raw: " 1 ,\t2"},
			{Number: 2, Line: 3, Cells: []string{"  \t", ""}, Raw: "  \t,"},
		}},
		{"empty cells", "a,b,c\n,,\n\"\",,\"\"\n", []seen{
			{Number: 1, Line: 2, Cells: []string{"", "", ""}, Raw: ",,"},
			{Number: 2, Line: 3, Cells: []string{"", "", ""}, Raw: `"",,""`},
		}},
		{"quotes", "a,b\n\"x,y\",\"say \"\"hi\"\"\"\n\"\"\"\",\"\"\"\"\"\"\n", []seen{
			{Number: 1, Line: 2, Cells: []string{"x,y", `say "hi"`}, Raw: `"x,y","say ""hi"""`},
			{Number: 2, Line: 3, Cells: []string{`"`, `""`}, Raw: `"""",""""""`},
		}},
		{"lines after embedded newlines", "a,b\n1,\"x\ny\r\nz\"\n2,w\n\"p\n\n\",q\r\n3,\"last\"", []seen{
			{Number: 1, Line: 2, Cells: []string{"1", "x\ny\r\nz"}, Raw: "1,\"x\ny\r\nz\""},
			{Number: 2, Line: 5, Cells: []string{"2", "w"}, Raw: "2,w"},
			{Number: 3, Line: 6, Cells: []string{"p\n\n", "q"}, Raw: "\"p\n\n\",q"},
			{Number: 4, Line: 9, Cells: []string{"3", "last"}, Raw: `3,"last"`},
		}},
		{"a header of two lines", "a,\"b\nc\"\n1,2\n", []seen{{Number: 1, Line: 3, Cells: []string{"1", "2"}, Raw: "1,2"}}},
		{"a CR alone is text", "a,b\n1\r,2\r3\n", []seen{{Number: 1, Line: 2, Cells: []string{"1\r", "2\r3"}, Raw: "1\r,2\r3"}}},
		{"other scripts", "a\nZoë Grünwald 日本 🙂\n", []seen{{Number: 1, Line: 2, Cells: []string{"Zoë Grünwald 日本 🙂"}, Raw: "Zoë Grünwald 日本 🙂"}}},
		{"too few and too many cells", "a,b\n1\n1,2,3\n\"1\"\n\"1\",2,\"3\"\nx,y\n", []seen{
			{Number: 1, Line: 2, Raw: "1", Code: CodeRaggedRow, Why: "expected 2 cells, found 1"},
			{Number: 2, Line: 3, Raw: "1,2,3", Code: CodeRaggedRow, Why: "expected 2 cells, found 3"},
			{Number: 3, Line: 4, Raw: `"1"`, Code: CodeRaggedRow, Why: "expected 2 cells, found 1"},
			{Number: 4, Line: 5, Raw: `"1",2,"3"`, Code: CodeRaggedRow, Why: "expected 2 cells, found 3"},
			{Number: 5, Line: 6, Cells: []string{"x", "y"}, Raw: "x,y"},
		}},
		{"a quote inside an unquoted cell", "a,b\n5\" pipe,x\n1,2\n", []seen{
			{Number: 1, Line: 2, Raw: `5" pipe,x`, Code: CodeBadQuoting, Why: "line 2, character 2: a quote inside an unquoted cell"},
			{Number: 2, Line: 3, Cells: []string{"1", "2"}, Raw: "1,2"},
		}},
		{"text after a closing quote", "a,b\r\n\"ä\nb\" c,x\r\n1,2\r\n\"x\"\ry,z", []seen{
			{Number: 1, Line: 2, Raw: "\"ä\nb\" c,x", Code: CodeBadQuoting, Why: "line 3, character 3: text after a closing quote"},
			{Number: 2, Line: 4, Cells: []string{"1", "2"}, Raw: "1,2"},
			{Number: 3, Line: 5, Raw: "\"x\"\ry,z", Code: CodeBadQuoting, Why: "line 5, character 4: text after a closing quote"},
		}},
		{"a quote that closes rows later", "a,b\n1,\"x\n2,\"y\"\n3,z\n", []seen{
			{Number: 1, Line: 2, Raw: "1,\"x\n2,\"y\"", Code: CodeBadQuoting, Why: "line 3, character 4: text after a closing quote"},
			{Number: 2, Line: 4, Cells: []string{"3", "z"}, Raw: "3,z"},
		}},
		{"bytes that are no text", "a,b\nä,M\xfcller\n1,2\x003\n4,5\n\"x\n\xff\",6\n", []seen{
			{Number: 1, Line: 2, Raw: "ä,M\xfcller", Code: CodeBadEncoding, Column: "b", Why: "line 2, character 4: byte 0xFC is not UTF-8"},
			{Number: 2, Line: 3, Raw: "1,2\x003", Code: CodeBadEncoding, Column: "b", Why: "line 3, character 4: byte 0x00 is a NUL byte"},
			{Number: 3, Line: 4, Cells: []string{"4", "5"}, Raw: "4,5"},
			{Number: 4, Line: 5, Raw: "\"x\n\xff\",6", Code: CodeBadEncoding, Column: "a", Why: "line 6, character 1: byte 0xFF is not UTF-8"},
		}},
		{"the replacement character is text", "a\n\ufffd\n", []seen{{Number: 1, Line: 2, Cells: []string{"\ufffd"}, Raw: "\ufffd"}}},
		{"Penstock's own columns", "a,b,_line,_column,_code,_message\n1,2,7,,x,\"y, z\"\n\"3\",\"4\",8,,,\n5,6\n", []seen{
			{Number: 1, Line: 2, Cells: []string{"1", "2"}, Raw: "1,2"},
			{Number: 2, Line: 3, Cells: []string{"3", "4"}, Raw: `"3","4"`},
			{Number: 3, Line: 4, Raw: "5,6", Code: CodeRaggedRow, Why: "expected 6 cells (4 of them Penstock's own), found 2"},
		}},
		{"text that cannot be read in an own column does not matter", "a,_message\n1,\xff\n", []seen{
			{Number: 1, Line: 2, Cells: []string{"1"}, Raw: "1"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, reading := range readings {
				reader, err := open(reading.read(strings.NewReader(tc.file)), CSV, "people", Limits{}, reading.size)
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
			}
		})
	}
}

func TestCSVHeader(t *testing.T) {
	for _, tc := range []struct {
		name             string
		file             string
		columns, ignored []string
		header, lineEnd  string
		bom              bool
	}{
		{"trimmed names", "a , b,\" c \"\r\n", []string{"a", "b", "c"}, nil, `a , b," c "`, "\r\n", false},
		{"without a line end", "a,b", []string{"a", "b"}, nil, "a,b", "\n", false},
		{"byte order mark", "\xef\xbb\xbfa\n", []string{"a"}, nil, "a", "\n", true},
		{"own columns", "a,b,_line,_column,_code,_message\n", []string{"a", "b"}, []string{"_line", "_column", "_code", "_message"}, "a,b", "\n", false},
		{"some of them, in another order", "\"a\",b,_message, _line\n", []string{"a", "b"}, []string{"_message", "_line"}, `"a",b`, "\n", false},
		{"not at the end", "a,_code,b,_line\n", []string{"a", "_code", "b"}, []string{"_line"}, "a,_code,b", "\n", false},
		{"at the end and elsewhere", "_code,b,_line,_column,_code,_message\n", []string{"_code", "b"}, []string{"_line", "_column", "_code", "_message"}, "_code,b", "\n", false},
		{"other cases are other names", "a,A,_LINE\n", []string{"a", "A", "_LINE"}, nil, "a,A,_LINE", "\n", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reader, err := Open(strings.NewReader(tc.file), CSV, "people", Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.columns, reader.Columns()); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.ignored, append([]string(nil), reader.Ignored()...)); diff != "" {
				t.Errorf("ignored (-want +got):\n%s", diff)
			}
			want := Style{Format: CSV, Header: []byte(tc.header), LineEnd: tc.lineEnd, BOM: tc.bom}
			if diff := cmp.Diff(want, reader.Style()); diff != "" {
				t.Errorf("style (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCSVRefused(t *testing.T) {
	small := Limits{RowBytes: 20, FieldBytes: 8, Columns: 3, HeaderBytes: 12}
	for _, tc := range []struct {
		name   string
		file   string
		limits Limits
		code   string
		line   int
		text   string // part of the message or the advice
	}{
		{"empty", "", Limits{}, "empty_file", 0, "empty"},
		{"a byte order mark and nothing else", "\xef\xbb\xbf", Limits{}, "empty_file", 0, ""},
		{"only empty lines", "\n\r\n\n", Limits{}, "empty_file", 0, ""},
		{"a quote that never closes", "a,b\n1,2\n3,\"x\n4,5\n6,7\n", Limits{}, "unclosed_quote", 3, "opens at character 3"},
		{"a quote that never closes in a later line", "a,b\n\"1\n2\",\"x\"\"\n4,5", Limits{}, "unclosed_quote", 3, "opens at character 4"},
		{"a header that never closes", "\n\"a,b\n1,2\n", Limits{}, "unclosed_quote", 2, ""},
		{"the same name twice", "a,b, a\n", Limits{}, "duplicate_column", 1, `"a"`},
		{"no name", "a,,b\n", Limits{}, "empty_column_name", 1, "column 2"},
		{"a name of white space", "a, \n", Limits{}, "empty_column_name", 1, "column 2"},
		{"a NUL in the header", "aaaa,b\x00\n", Limits{}, "bad_encoding", 1, "character 7"},
		{"Latin-1 in the header", "Stra\xdfe,b\n", Limits{}, "bad_encoding", 1, "0xDF"},
		{"bad quoting in the header", "a,b\"c\n", Limits{}, "bad_quoting", 1, "character 4"},
		{"only own columns", "_line,_code\n1,2\n", Limits{}, "no_columns", 1, ""},
		{"CR alone", "a,b\r1,2\r3,4\r", Limits{}, "unsupported_dialect", 1, "CR"},
		{"CR alone and long", "a,b\r1,2\r3,4\r1,2\r3,4\r1,2\r3,4\r", small, "row_too_long", 1, "CR alone"},
		{"a long row", "a,b\n1,2\n" + strings.Repeat("x", 21) + "\n", small, "row_too_long", 3, "20 bytes"},
		{"a long row without an end", "a,b\n1,2\n" + strings.Repeat("x", 50), small, "row_too_long", 3, "20 bytes"},
		{"a quote that does not close in time", "a,b\n\"1\n2\",\"" + strings.Repeat("x\n", 50), small, "row_too_long", 2, "opens on line 3"},
		{"a long cell", "a,b\n1,123456789\n", small, "field_too_long", 2, `"b"`},
		{"many columns", "a,b,c,d\n", small, "too_many_columns", 1, "3 columns"},
		{"very many columns", strings.Repeat("a,", 5000) + "a\n", Limits{}, "too_many_columns", 1, "1000 columns"},
		{"a long header", "aaaaaa,bbbbbb\n", small, "header_too_long", 1, "12 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, reading := range readings {
				reader, err := open(reading.read(strings.NewReader(tc.file)), CSV, "people", tc.limits, reading.size)
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

func TestCSVRowsAtTheLimitAreRead(t *testing.T) {
	limits := Limits{RowBytes: 20, FieldBytes: 20, Columns: 4, HeaderBytes: 7}
	for _, end := range []string{"\n", "\r\n", ""} {
		long := `"` + strings.Repeat("x\n", 9) + `"`
		for _, r := range []string{strings.Repeat("x", 17) + ",,,", long} {
			reader, err := open(strings.NewReader("a,b,c,d\n"+r+end), CSV, "people", limits, 8)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := all(reader)
			if err != nil || len(rows) != 1 || rows[0].Raw != r {
				t.Errorf("row of %d bytes and end %q: %v, %v", len(r), end, rows, err)
			}
		}
	}
}

func TestCSVMemoryIsBoundedByTheRow(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 64<<10) // 1 MiB
	file := "a,b\n1,\"" + text + "\"\n" + strings.Repeat(",", 1<<20) + "\n2,x\n"
	reader := mustOpen(t, CSV, file)
	first, err := reader.Next()
	if err != nil || string(first.Cells[1].Text) != text || first.Line != 2 {
		t.Fatalf("the long row is not read: %v", err)
	}
	ragged, err := reader.Next()
	if err != nil || ragged.Reject == nil || ragged.Line != 3+64<<10 {
		t.Fatalf("the row of commas: %+v, %v", ragged, err)
	}
	if last, err := reader.Next(); err != nil || string(last.Raw) != "2,x" {
		t.Fatalf("the row behind: %+v, %v", last, err)
	}
	c := reader.(*csvReader)
	if held := cap(c.in.buf) + cap(c.split.scratch) + 32*cap(c.split.cells); held > 4<<20 {
		t.Errorf("the reader holds %d bytes", held)
	}
}

func TestCSVAllocatesNothingPerRow(t *testing.T) {
	for _, file := range [][]byte{people(2000), quotedPeople(2000)} {
		reader, err := Open(bytes.NewReader(file), CSV, "people", Limits{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = reader.Next()
		if n := testing.AllocsPerRun(1000, func() {
			if r, err := reader.Next(); err != nil || r.Reject != nil {
				t.Fatal(r, err)
			}
		}); n > 0 {
			t.Errorf("%v allocations a row", n)
		}
	}
}
