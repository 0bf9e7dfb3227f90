package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"penstock/internal/fault"
	"penstock/internal/row"
)

type person struct {
	Name   *string `parquet:"name,optional"`
	Points int64   `parquet:"points"`
	Since  int32   `parquet:"since,date"`
}

func parquetOf(t testing.TB, people []person, options ...pq.WriterOption) string {
	t.Helper()
	var b bytes.Buffer
	w := pq.NewGenericWriter[person](&b, options...)
	if _, err := w.Write(people); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func peopleParquet(t testing.TB, from, n int) string {
	var people []person
	for i := range n {
		name := fmt.Sprintf("Ada, \"%d\"", from+i)
		p := person{Name: &name, Points: int64(from + i), Since: int32(from + i)}
		if i%3 == 2 {
			p.Name = nil
		}
		if i%5 == 4 {
			bad := "\xff"
			p.Name = &bad
		}
		people = append(people, p)
	}
	return parquetOf(t, people, pq.MaxRowsPerRowGroup(4))
}

func sheetOf(t testing.TB, rows ...[]any) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i := range rows {
		if err := f.SetSheetRow("Sheet1", fmt.Sprint("A", i+1), &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTables(t *testing.T) {
	parts := delivered("a.parquet", peopleParquet(t, 0, 6), "b", "", "c", peopleParquet(t, 6, 1))
	if diff := cmp.Diff([][]string{
		{`Ada, "0"`, "number:0", "1970-01-01"}, {`Ada, "1"`, "number:1", "1970-01-02"}, {"null", "number:2", "1970-01-03"}, {`Ada, "3"`, "number:3", "1970-01-04"},
		{"!bad_encoding"}, {"null", "number:5", "1970-01-06"}, {`Ada, "6"`, "number:6", "1970-01-07"},
	}, cellsOf(t, parts, Hints{})); diff != "" {
		t.Errorf("Parquet (-want +got):\n%s", diff)
	}
	sheets := delivered("a.xlsx", sheetOf(t, []any{"n", "m", "_line"}, []any{"Zoë", 1, 5}, []any{"x", 2, nil}), "b.xlsx", sheetOf(t, []any{"n", "m", "_line"}, []any{"y"}))
	if diff := cmp.Diff([][]string{{"Zoë", "number:1"}, {"x", "number:2"}, {"y", "null"}}, cellsOf(t, sheets, Hints{})); diff != "" {
		t.Errorf("Excel (-want +got):\n%s", diff)
	}
	for _, src := range []Source{parts, sheets} {
		checkResume(t, src, detected(t, src, Hints{}), Limits{})
	}
	positional := delivered("a.xlsx", sheetOf(t, []any{"Zoë", 1}, []any{"x", 2}))
	rows := mustOpenAll(t, positional, Hints{Header: HeaderNone})
	if got, _ := all(rows); len(got) != 2 || strings.Join(rows.Columns(), ",") != "1,2" {
		t.Errorf("without a header: %+v, %q", got, rows.Columns())
	}
}

func TestTablesRefused(t *testing.T) {
	other := sheetOf(t, []any{"other"}, []any{"x"})
	for _, tc := range []struct {
		name  string
		files []string
		code  string
	}{
		{"other columns", []string{"a", sheetOf(t, []any{"n"}, []any{"x"}), "people", other}, "header_differs"},
		{"text among workbooks", []string{"a", other, "people", "other\nx\n"}, "broken_file"},
		{"text among Parquet", []string{"a", peopleParquet(t, 0, 1), "people", "other\nx\nand more\n"}, "cut_short"},
		{"a name twice", []string{"people", sheetOf(t, []any{"n", "n"})}, "duplicate_column"},
		{"a column without a name", []string{"people", sheetOf(t, []any{"n", nil, "m"})}, "empty_column_name"},
		{"nothing but own columns", []string{"people", sheetOf(t, []any{"_line"})}, "no_columns"},
	} {
		src := delivered(tc.files...)
		rows, err := OpenAll(t.Context(), src, detected(t, src, Hints{}), Limits{})
		if err == nil {
			_, err = all(rows)
			rows.Close()
		}
		if e, ok := fault.As(err); !ok || e.Code != tc.code || e.File != "people" {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// Rejects of what is no text are CSV, which a corrected file can be made of.
func TestRejectsOfTables(t *testing.T) {
	for _, src := range []Source{delivered("a.parquet", peopleParquet(t, 0, 3)), delivered("a.xlsx", sheetOf(t, []any{"name", "points", "since"},
		[]any{`Ada, "0"`, 0, "1970-01-01"}, []any{`Ada, "1"`, 1, "1970-01-02"}, []any{nil, 2, "1970-01-03"}))} {
		how := detected(t, src, Hints{})
		first := 1
		if how.Format == XLSX {
			first = 2
		}
		want := fmt.Sprintf("name,points,since,_line,_column,_code,_message\n\"Ada, \"\"0\"\"\",0,1970-01-01,%d,name,too_long,m\n\"Ada, \"\"1\"\"\",1,1970-01-02,%d,name,too_long,m\n,2,1970-01-03,%d,name,too_long,m\n",
			first, first+1, first+2)
		written := rejectedAll(t, src, Hints{}, row.Reject{Column: "name", Code: "too_long", Message: "m"})
		if diff := cmp.Diff(want, written); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how.Format, diff)
		}
		if f := (Style{Format: how.Format}).RejectFormat(); f != CSV {
			t.Errorf("%s: rejects are %s", how.Format, f)
		}
		if got := cellsOf(t, delivered("rejects.csv", written), Hints{}); len(got) != 3 || got[1][0] != `Ada, "1"` || len(got[2]) != 3 {
			t.Errorf("read again: %q", got)
		}
	}
}

func TestErrorsOfRandomAccessComeThrough(t *testing.T) {
	broken := fault.New(fault.Interrupted, "inbox_unreachable", "reset")
	data := peopleParquet(t, 0, 100)
	for name, data := range map[string]string{"parquet": data, "xlsx": sheetOf(t, []any{"n"}, []any{"x"})} {
		m := delivered("a", data).From.(*memory)
		for limit := range 6 {
			src := Source{Objects: []Object{{Key: "a", Size: int64(len(data))}}, From: &flaky{memory: m, left: limit, err: broken}}
			how, err := Detect(t.Context(), src, Hints{}, Limits{})
			var rows *Rows
			if err == nil {
				rows, err = OpenAll(t.Context(), src, how, Limits{})
			}
			if err == nil {
				_, err = all(rows)
				rows.Close()
			}
			if err != nil && !fault.Is(err, fault.Interrupted) {
				t.Errorf("%s, after %d reads: %v", name, limit, err)
			}
			if err == nil && limit < 2 {
				t.Errorf("%s, after %d reads: no error", name, limit)
			}
		}
	}
}

// flaky gives an error after some reads.
type flaky struct {
	*memory
	left int
	err  error
}

func (f *flaky) ReadAt(p []byte, offset int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return bytes.NewReader([]byte(f.data["a"])).ReadAt(p, offset)
}

func (f *flaky) OpenAt(ctx context.Context, o Object) (RandomAccess, error) { return closing{f}, nil }

func TestBlocks(t *testing.T) {
	data := make([]byte, 5*blockBytes+77)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	fetched := 0
	b := newBlocks(int64(len(data)), func(from, to int64) ([]byte, error) {
		fetched++
		return bytes.Clone(data[from:to]), nil
	})
	for _, at := range []struct{ from, n int }{{0, 10}, {blockBytes - 3, 6}, {5 * blockBytes, 77}, {100, 3 * blockBytes}, {0, len(data)}} {
		p := make([]byte, at.n)
		if n, err := b.ReadAt(p, int64(at.from)); n != at.n || err != nil || !bytes.Equal(p, data[at.from:at.from+at.n]) {
			t.Errorf("%+v: %d, %v", at, n, err)
		}
	}
	if fetched != 6 {
		t.Errorf("fetched %d blocks of 6", fetched)
	}
	if n, err := b.ReadAt(make([]byte, 10), int64(len(data)-4)); n != 4 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	for i := range int64(3 * blockCount) { // never more than so many are kept
		if _, err := b.block(i % 6); err != nil {
			t.Fatal(err)
		}
		if len(b.kept) > blockCount {
			t.Fatalf("%d blocks are kept", len(b.kept))
		}
	}
}
