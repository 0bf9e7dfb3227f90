package delivery

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// seen is a row as a test writes it down: nil cells are absent ones.
type seen struct {
	Number int64
	Line   int
	Cells  []string // text prefixed by its kind when it is not Text
	Raw    string
	Code   string
	Column string
	Why    string
}

var kindMarks = map[row.Kind]string{row.Absent: "absent", row.Null: "null", row.Text: "", row.Number: "number:", row.Bool: "bool:", row.Nested: "nested:"}

func noted(r *row.Row) seen {
	s := seen{Number: r.Number, Line: r.Line, Raw: string(r.Raw)}
	for _, cell := range r.Cells {
		s.Cells = append(s.Cells, kindMarks[cell.Kind]+string(cell.Text))
	}
	at := 0
	for i, cell := range r.Cells {
		end := at + len(cell.Text)
		if r.Packed && (end > len(r.Raw) || string(r.Raw[at:end]) != string(cell.Text) || i == len(r.Cells)-1 && end != len(r.Raw)) {
			s.Why = "the cells are not packed in Raw"
		}
		at = end + 1
	}
	if r.Reject != nil {
		s.Code, s.Column, s.Why = r.Reject.Code, r.Reject.Column, r.Reject.Message
	}
	return s
}

// readings are the ways in which the same bytes can arrive. All must give the same rows.
var readings = []struct {
	name string
	size int // of the window at first
	read func(io.Reader) io.Reader
}{
	{"at once", windowBytes, func(r io.Reader) io.Reader { return r }},
	{"byte by byte", windowBytes, iotest.OneByteReader},
	{"in halves", 16, iotest.HalfReader},
	{"last bytes with EOF", 16, iotest.DataErrReader},
	{"through a small window", 8, func(r io.Reader) io.Reader { return r }},
}

// all reads a file to its end, or to the error that ends it.
func all(reader Reader) (rows []seen, err error) {
	for {
		r, err := reader.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			if _, again := reader.Next(); again != err {
				return rows, errors.New("the error does not stay")
			}
			return rows, err
		}
		rows = append(rows, noted(r))
	}
}

func mustOpen(t testing.TB, format Format, text string) Reader {
	t.Helper()
	reader, err := Open(strings.NewReader(text), format, "people", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func wantFault(t *testing.T, err error, code string, line int) *fault.Error {
	t.Helper()
	e, ok := fault.As(err)
	if !ok {
		t.Fatalf("got error %v, want fault %s", err, code)
	}
	if e.Kind != fault.Refused || e.Code != code || e.File != "people" || e.Line != line {
		t.Fatalf("got %s %s at %s:%d, want Refused %s at people:%d\n%v", e.Kind, e.Code, e.File, e.Line, code, line, e)
	}
	return e
}
