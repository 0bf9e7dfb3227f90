package delivery

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/row"
)

var csvSeeds = []string{
	"a,b\n1,2\n", "a,b\r\n1,\"x\r\ny\"\r\n\r\n3,4", "a\n\"\"\n\"\"\"\"\n", "a,b\n1\n1,2,3\n\"x\"y,z\n5\",6\n7,8\n",
	"\xef\xbb\xbfa,_line\n1,2\n", "a,b\n1,\"\n\n", "a\n\xff\n\x00\n", "a,b,_line,_column,_code,_message\n1,2,3,,x,\"y,\"\n1,2,,ragged_row,m\n", "a\r\"b\r\n",
	"a,b\n\"1\"\r\r\n2,\r\n", "a,b\n12345678,\"12345678901234567890123456789012345678901234567890\"\n",
}

var jsonlSeeds = []string{
	"{\"a\":1}\n{\"b\":\"x\"}\n", "{\"a\":[{\"b\":null}],\"c\":-1.5e+3}\r\n\r\n{}\n", "{\"a\":\"\\u00e4\\ud83d\\ude42\\n\"}", "{\"a\":1,\"a\":2}\nx\n[1]\n",
	"\xef\xbb\xbf{\"_line\":1,\"a\":true,\"_code\":\"x\"}\n", "{\"_raw\":\"x\",\"_code\":\"bad_json\",\"_line\":1}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}\n{\"\":0}", "{\"a\":01}\n{\"a\":1e5}",
}

// checkReading holds for every file: it reads alike however its bytes arrive, rows and lines
// ascend, a row's bytes stand in the file where its line is, and memory stays within the limits.
func checkReading(t *testing.T, format Format, file string) {
	t.Helper()
	limits := Limits{RowBytes: 4 << 10, FieldBytes: 1 << 10, Columns: 20, HeaderBytes: 200, Nesting: 5}
	read := func(r io.Reader, size int) (rows []seen, text string) {
		reader, err := open(r, format, "people", limits, size)
		if err == nil {
			rows, err = all(reader)
			checkMemory(t, reader, limits)
		}
		if err != nil {
			text = err.Error()
		}
		return rows, text
	}
	rows, text := read(strings.NewReader(file), windowBytes)
	slow, slowText := read(iotest.HalfReader(strings.NewReader(file)), 8)
	if strings.Contains(text+slowText, "looks like") { // eight bytes are few to tell an encoding by
		return
	}
	if diff := cmp.Diff(rows, slow); diff != "" || text != slowText {
		t.Fatalf("reads otherwise in small pieces: %q, %q\n%s", text, slowText, diff)
	}
	text = strings.TrimPrefix(file, byteOrderMark)
	line, last := 1, 0 // text begins on line
	for i, r := range rows {
		if r.Number != int64(i+1) || r.Line <= last {
			t.Fatalf("row %d has number %d, line %d after line %d", i, r.Number, r.Line, last)
		}
		for last = r.Line; line < r.Line; line++ {
			_, rest, found := strings.Cut(text, "\n")
			if !found {
				t.Fatalf("row %d is on line %d of %d", r.Number, r.Line, line)
			}
			text = rest
		}
		if format == CSV && !strings.HasPrefix(text, r.Raw) {
			t.Fatalf("row %d is not at its line: %q, %q", r.Number, r.Raw, text)
		}
		if len(r.Raw) > limits.RowBytes {
			t.Fatalf("row %d has %d bytes", r.Number, len(r.Raw))
		}
	}
}

func checkMemory(t *testing.T, reader Reader, limits Limits) {
	t.Helper()
	var held int
	switch r := reader.(type) {
	case *csvReader:
		held = cap(r.in.buf) + cap(r.split.scratch)
	case *jsonlReader:
		held = cap(r.in.buf) + cap(r.scan.scratch) + cap(r.raw)
	}
	if held > windowBytes+4*limits.RowBytes {
		t.Fatalf("the reader holds %d bytes", held)
	}
}

func FuzzCSV(f *testing.F) {
	for _, seed := range csvSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		checkReading(t, CSV, file)
		checkRoundTrip(t, CSV, file)
		checkAgainstEncodingCSV(t, file)
	})
}

// checkAgainstEncodingCSV compares with another reader of RFC 4180 up to the first row that either refuses.
// That one makes CRLF inside quotes LF.
func checkAgainstEncodingCSV(t *testing.T, file string) {
	file = "x,y\n" + file
	reader, err := Open(strings.NewReader(file), CSV, "people", Limits{})
	if err != nil {
		return
	}
	other := csv.NewReader(strings.NewReader(file))
	other.FieldsPerRecord = -1
	_, _ = other.Read()
	for {
		theirs, theirErr := other.Read()
		ours, ourErr := reader.Next()
		if theirErr != nil {
			refused := ourErr != nil || ours.Reject != nil && ours.Reject.Code == CodeBadQuoting
			if !refused || (theirErr == io.EOF) != (ourErr == io.EOF) {
				t.Fatalf("they say %v, we say %v, %v", theirErr, ours, ourErr)
			}
			return
		}
		if ourErr != nil {
			t.Fatalf("they read %q, we say %v", theirs, ourErr)
		}
		if line, _ := other.FieldPos(0); line != ours.Line {
			t.Fatalf("row %d: line %d, theirs %d", ours.Number, ours.Line, line)
		}
		compareCells(t, theirs, ours)
	}
}

func compareCells(t *testing.T, theirs []string, ours *row.Row) {
	t.Helper()
	switch {
	case len(theirs) != 2:
		if ours.Reject == nil || ours.Reject.Code != CodeRaggedRow {
			t.Fatalf("row %d: they have %q, we %+v", ours.Number, theirs, ours)
		}
	case !utf8.ValidString(strings.Join(theirs, ",")) || strings.Contains(strings.Join(theirs, ""), "\x00"):
		if ours.Reject == nil || ours.Reject.Code != CodeBadEncoding {
			t.Fatalf("row %d: they have %q, we %+v", ours.Number, theirs, ours)
		}
	case ours.Reject != nil:
		t.Fatalf("row %d: they have %q, we %+v", ours.Number, theirs, ours.Reject)
	default:
		for i, cell := range ours.Cells {
			if text := strings.ReplaceAll(string(cell.Text), "\r\n", "\n"); text != theirs[i] {
				t.Fatalf("row %d: they have %q, we %q", ours.Number, theirs[i], text)
			}
		}
	}
}

func FuzzJSONL(f *testing.F) {
	for _, seed := range jsonlSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		checkReading(t, JSONL, file)
		checkRoundTrip(t, JSONL, file)
		checkAgainstEncodingJSON(t, file)
	})
}

// checkAgainstEncodingJSON compares line by line with another reader of JSON.
func checkAgainstEncodingJSON(t *testing.T, file string) {
	for _, line := range strings.Split(file, "\n") {
		reader, err := Open(strings.NewReader("{\"a\":0}\n"+line), JSONL, "people", Limits{})
		if err != nil {
			return
		}
		_, _ = reader.Next()
		ours, ourErr := reader.Next()
		if ourErr != nil {
			return
		}
		var theirs map[string]any
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		theirErr := decoder.Decode(&theirs)
		if theirErr == nil && !json.Valid([]byte(line)) {
			theirErr = io.ErrUnexpectedEOF // something behind the object
		}
		if ours.Reject != nil {
			if ours.Reject.Code == CodeBadJSON && theirErr == nil && !strings.Contains(line, rawMember) && !strings.Contains(line, `\u`) {
				t.Fatalf("%q: we say %v, they read it", line, ours.Reject)
			}
			continue
		}
		if theirErr != nil {
			t.Fatalf("%q: they say %v", line, theirErr)
		}
		compareMembers(t, line, reader.Columns(), ours, theirs)
	}
}

func compareMembers(t *testing.T, line string, columns []string, ours *row.Row, theirs map[string]any) {
	t.Helper()
	for i, cell := range ours.Cells {
		value, there := theirs[columns[i]]
		if there != (cell.Kind != row.Absent) {
			t.Fatalf("%q: member %q: %v, %v", line, columns[i], cell, value)
		}
		same := false
		switch v := value.(type) {
		case nil:
			same = cell.Kind == row.Null || cell.Kind == row.Absent
		case string:
			same = cell.Kind == row.Text && string(cell.Text) == v
		case json.Number:
			same = cell.Kind == row.Number && string(cell.Text) == v.String()
		case bool:
			same = cell.Kind == row.Bool && (string(cell.Text) == "true") == v
		default:
			same = cell.Kind == row.Nested && json.Valid(cell.Text)
		}
		if !same {
			t.Fatalf("%q: member %q: we have %q, they %v", line, columns[i], cell.Text, value)
		}
	}
	for name := range theirs {
		if !isOwn(name) && !bytes.Contains(ours.Raw, []byte(name)) && utf8.ValidString(name) && !strings.Contains(line, `\`) {
			t.Fatalf("%q: member %q is lost", line, name)
		}
	}
}
