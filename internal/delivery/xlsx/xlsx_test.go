package xlsx

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"penstock/internal/fault"
	"penstock/internal/row"
)

var (
	bounds = Bounds{Columns: 1000, FieldBytes: 1 << 20, StringBytes: 32 << 20, SheetBytes: 1 << 30}
	codes  = Codes{RaggedRow: "ragged_row", CellError: "cell_error", NoDate: "no_date", BadEncoding: "bad_encoding", Merged: "merged_cell"}
)

// made is a workbook as excelize writes it.
func made(t testing.TB, fill func(f *excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f)
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(data []byte, o Options) (*Reader, error) {
	return Open(bytes.NewReader(data), int64(len(data)), "people", o, bounds, codes)
}

var kinds = map[row.Kind]string{row.Null: "null", row.Text: "", row.Number: "number:", row.Bool: "bool:"}

func readAll(x *Reader) (rows [][]string, err error) {
	for {
		r, err := x.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		cells := []string{fmt.Sprint(r.Line)}
		for _, c := range r.Cells {
			cells = append(cells, kinds[c.Kind]+string(c.Text))
		}
		if r.Reject != nil {
			cells = append(cells, fmt.Sprintf("!%d %s %s: %s", r.Reject.Line, r.Reject.Column, r.Reject.Code, r.Reject.Message))
		}
		rows = append(rows, cells)
	}
}

func rowsOf(t testing.TB, data []byte, o Options) ([]string, [][]string) {
	t.Helper()
	x, err := open(data, o)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	rows, err := readAll(x)
	if err != nil {
		t.Fatal(err)
	}
	return x.Columns(), rows
}

func set(f *excelize.File, cells ...any) {
	for i := 0; i < len(cells); i += 2 {
		if err := f.SetCellValue("Sheet1", cells[i].(string), cells[i+1]); err != nil {
			panic(err)
		}
	}
}

func TestCells(t *testing.T) {
	data := made(t, func(f *excelize.File) {
		set(f, "A2", " name ", "B2", "age", "C2", "member", "D2", 2024, "A3", "Zoë <&> \"日本\"", "B3", 36, "C3", true, "D3", 0.1+0.2,
			"B5", -1.5e-9, "C5", false, "D5", "last")
		_ = f.SetCellRichText("Sheet1", "A5", []excelize.RichTextRun{{Text: "two "}, {Text: "runs\nof text"}})
	})
	columns, rows := rowsOf(t, data, Options{})
	if diff := cmp.Diff([]string{"name", "age", "member", "2024"}, columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	want := [][]string{
		{"3", "Zoë <&> \"日本\"", "number:36", "bool:true", "number:0.3"},
		{"5", "two runs\nof text", "number:-0.0000000015", "bool:false", "last"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDates(t *testing.T) {
	at := time.Date(2026, 3, 1, 14, 30, 15, 0, time.UTC)
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		format any // a built-in number or a code
		value  any
		want   string
	}{
		{14, day, "2026-03-01"},
		{14, at, "2026-03-01T14:30:15"},
		{22, at, "2026-03-01T14:30:15"},
		{22, day, "2026-03-01T00:00:00"},
		{20, 0.5, "12:00:00"},
		{20, at, "2026-03-01T14:30:15"},
		{"yyyy-mm-dd", day, "2026-03-01"},
		{`[$-407]d. mmmm yyyy;@`, day, "2026-03-01"},
		{`dd"T"hh:mm:ss.000`, at.Add(250 * time.Millisecond), "2026-03-01T14:30:15.25"},
		{"mmm-yy", day, "2026-03-01"},
		{"h:mm AM/PM", 0.25, "06:00:00"},
		{"[h]:mm", 1.5, "number:1.5"},
		{`#,##0.00 "days"`, 12.5, "number:12.5"},
		{"0.00%", 0.5, "number:0.5"},
		{`[Red]0.0`, 7.0, "number:7"},
		{14, 1.0, "1900-01-01"},
		{14, 59.0, "1900-02-28"},
		{14, 61.0, "1900-03-01"},
		{14, 60.0, "60 !2 when no_date: cell A2 is shown as a date and its number is none"},
		{14, -1.0, "-1 !2 when no_date: cell A2 is shown as a date and its number is none"},
		{14, 3e6, "3e+06 !2 when no_date: cell A2 is shown as a date and its number is none"},
	} {
		data := made(t, func(f *excelize.File) {
			style := &excelize.Style{}
			switch format := tc.format.(type) {
			case int:
				style.NumFmt = format
			case string:
				style.CustomNumFmt = &format
			}
			id, err := f.NewStyle(style)
			if err != nil {
				t.Fatal(err)
			}
			set(f, "A1", "when", "A2", tc.value)
			_ = f.SetCellStyle("Sheet1", "A2", "A2", id)
		})
		_, rows := rowsOf(t, data, Options{})
		if got := strings.ReplaceAll(strings.Join(rows[0][1:], " "), "3000000", "3e+06"); got != tc.want {
			t.Errorf("%v of %v: %q, want %q", tc.format, tc.value, got, tc.want)
		}
	}
	if got, ok := appendMoment(nil, 1, dateOnly, true); !ok || string(got) != "1904-01-02" {
		t.Errorf("a day since 1904: %s", got)
	}
}

func TestBadCells(t *testing.T) {
	data := made(t, func(f *excelize.File) {
		set(f, "A1", "a", "B1", "b", "A2", "x", "C2", "beyond", "A3", "y", "A4", "z", "A5", "m", "A6", "last")
		_ = f.SetCellFormula("Sheet1", "B3", "1/0")
		_ = f.MergeCell("Sheet1", "A4", "B5")
	})
	_, rows := rowsOf(t, data, Options{})
	want := [][]string{
		{"2", "x", "null", "!2  ragged_row: cell C2 is beyond the header's 2 columns"},
		{"3", "y", "", "!3 b cell_error: the formula in cell B3 has no stored result: open the file in Excel and save it"},
		{"4", "z", "null", "!4 a merged_cell: cells of the row are merged: separate them and fill each"},
		{"6", "last", "null"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSheetsAndHeaders(t *testing.T) {
	data := made(t, func(f *excelize.File) {
		set(f, "A1", "hidden")
		_, _ = f.NewSheet("People")
		_, _ = f.NewSheet("Other")
		f.SetActiveSheet(1)
		_ = f.SetSheetVisible("Sheet1", false)
		_ = f.SetSheetRow("People", "A1", &[]any{"name"})
		_ = f.SetSheetRow("Other", "A1", &[]any{"n", "m"})
		_ = f.SetSheetRow("Other", "A2", &[]any{"1", "2"})
	})
	if names, err := Sheets(bytes.NewReader(data), int64(len(data)), "people", bounds); err != nil || cmp.Diff([]string{"People", "Other"}, names) != "" {
		t.Errorf("sheets %q, %v", names, err)
	}
	for _, tc := range []struct {
		o       Options
		columns []string
		rows    int
	}{
		{Options{}, []string{"name"}, 0},
		{Options{Sheet: "Other"}, []string{"n", "m"}, 1},
		{Options{Sheet: "Sheet1"}, []string{"hidden"}, 0},
		{Options{Sheet: "Other", NoHeader: true}, []string{"1", "2"}, 2},
		{Options{Sheet: "Other", NoHeader: true, Names: []string{"x", "y"}}, []string{"x", "y"}, 2},
	} {
		columns, rows := rowsOf(t, data, tc.o)
		if cmp.Diff(tc.columns, columns) != "" || len(rows) != tc.rows {
			t.Errorf("%+v: %q, %q", tc.o, columns, rows)
		}
	}
}

func wantRefused(t *testing.T, what string, err error, code string) {
	t.Helper()
	if e, ok := fault.As(err); !ok || e.Kind != fault.Refused || e.Code != code || e.File != "people" {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestRefused(t *testing.T) {
	merged := made(t, func(f *excelize.File) {
		set(f, "A1", "a", "A2", 1)
		_ = f.MergeCell("Sheet1", "A1", "B1")
	})
	_, err := open(merged, Options{})
	wantRefused(t, "a merged header", err, "merged_header")
	empty := made(t, func(*excelize.File) {})
	_, err = open(empty, Options{})
	wantRefused(t, "an empty sheet", err, "empty_file")
	_, err = open(empty, Options{Sheet: "No"})
	wantRefused(t, "no such sheet", err, "no_sheet")
	large := made(t, func(f *excelize.File) {
		set(f, "A1", "a", "A2", strings.Repeat("x", 30000), "A3", strings.Repeat("y", 30000))
	})
	for code, b := range map[string]Bounds{
		"strings_too_large": {Columns: 10, FieldBytes: 1 << 20, StringBytes: 40000, SheetBytes: 1 << 20},
		"field_too_long":    {Columns: 10, FieldBytes: 20000, StringBytes: 1 << 20, SheetBytes: 1 << 20},
		"object_too_large":  {Columns: 10, FieldBytes: 1 << 20, StringBytes: 1 << 20, SheetBytes: 100},
		"too_many_columns":  {Columns: 0, FieldBytes: 1 << 20, StringBytes: 1 << 20, SheetBytes: 1 << 20},
	} {
		x, err := Open(bytes.NewReader(large), int64(len(large)), "people", Options{}, b, codes)
		if err == nil {
			_, err = readAll(x)
			x.Close()
		}
		wantRefused(t, code, err, code)
	}
	_, err = open(large[:len(large)/2], Options{})
	wantRefused(t, "cut short", err, "broken_file")
}

// book writes a workbook by hand.
func bookOf(t testing.TB, sheetXML, sharedXML string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"xl/workbook.xml":            `<x:workbook xmlns:x="m" xmlns:r="r"><x:sheets><x:sheet name="S" sheetId="1" r:id="rId1"/></x:sheets></x:workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="rId1" Type="http://x/worksheet" Target="/xl/worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml":   sheetXML,
		"xl/sharedStrings.xml":       sharedXML,
	} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, text)
	}
	_ = w.Close()
	return b.Bytes()
}

func TestOtherWritersFiles(t *testing.T) {
	shared := `<sst><si><t>a</t></si><si><t>x_x000D_y_x005F_</t><rPh><t>phonetic</t></rPh></si></sst>`
	for _, tc := range []struct {
		name, sheet string
		want        [][]string
		code        string
	}{
		{"no references", `<x:worksheet><x:sheetData><x:row><x:c t="s"><x:v>0</x:v></x:c></x:row><x:row><x:c t="s"><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>`,
			[][]string{{"2", "x\ry_"}}, ""},
		{"inline, formula and error", `<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row><row r="2"><c r="A2" t="str"><f>X</f><v>y</v></c></row>` +
			`<row r="3"><c r="A3" t="e"><v>#N/A</v></c></row><row r="4"><c r="A4" t="d"><v>2026-03-01</v></c></row></sheetData></worksheet>`,
			[][]string{{"2", "y"}, {"3", "#N/A", "!3 a cell_error: cell A3 holds the error #N/A"}, {"4", "2026-03-01"}}, ""},
		{"a text that is not there", `<worksheet><sheetData><row><c t="s"><v>7</v></c></row></sheetData></worksheet>`, nil, "broken_file"},
		{"a row beyond Excel's last", `<worksheet><sheetData><row><c t="s"><v>0</v></c></row><row r="1048576"><c t="s"><v>0</v></c></row><row><c><v>1</v></c></row></sheetData></worksheet>`, nil, "too_many_rows"},
		{"no number", `<worksheet><sheetData><row><c><v>x</v></c></row></sheetData></worksheet>`, nil, "broken_file"},
		{"rows out of order", `<worksheet><sheetData><row r="2"><c><v>1</v></c></row><row r="1"><c><v>1</v></c></row></sheetData></worksheet>`, nil, "broken_file"},
		{"no end", `<worksheet><sheetData><row r="2"><c><v>1</v></c></row>`, nil, "broken_file"},
		{"no XML", `<worksheet><sheetData><row r="2"<`, nil, "broken_file"},
	} {
		x, err := open(bookOf(t, tc.sheet, shared), Options{})
		var rows [][]string
		if err == nil {
			rows, err = readAll(x)
			x.Close()
		}
		if tc.code != "" {
			wantRefused(t, tc.name, err, tc.code)
			continue
		}
		if diff := cmp.Diff(tc.want, rows); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
	}
}

// Texts are found wherever they stand in the table.
func TestManyTexts(t *testing.T) {
	var sheet, shared strings.Builder
	const texts = 2*blockStrings + 7
	sheet.WriteString("<worksheet><sheetData>")
	shared.WriteString("<sst>")
	for i := range texts {
		fmt.Fprintf(&sheet, `<row><c t="s"><v>%d</v></c></row>`, texts-1-i)
		fmt.Fprintf(&shared, "<si><t>text %d</t></si>", i)
	}
	sheet.WriteString("</sheetData></worksheet>")
	shared.WriteString("</sst>")
	columns, rows := rowsOf(t, bookOf(t, sheet.String(), shared.String()), Options{})
	if len(rows) != texts-1 || columns[0] != fmt.Sprint("text ", texts-1) {
		t.Fatalf("%d rows below %q", len(rows), columns)
	}
	for i, r := range rows {
		if want := fmt.Sprint("text ", texts-2-i); r[1] != want {
			t.Fatalf("row %d holds %q, not %q", i+1, r[1], want)
		}
	}
}

// What excelize writes, cell by cell or as a stream, is read back.
func TestWhatExcelizeWrites(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		width := 1 + r.IntN(6)
		header := []any{"c1", "c2", "c3", "c4", "c5", "c6"}[:width]
		var want [][]string
		var values [][]any
		for line := range r.IntN(20) {
			cells, texts := make([]any, width), []string{fmt.Sprint(line + 2)}
			for i := range cells {
				var text string
				switch r.IntN(5) {
				case 0:
					n := r.IntN(1 << 30)
					cells[i], text = n, fmt.Sprint("number:", n)
				case 1:
					cells[i], text = r.IntN(2) == 0, ""
					text = fmt.Sprint("bool:", cells[i])
				case 2:
					x := float64(r.IntN(1<<20)) / 1024
					cells[i] = x
					out, _ := appendNumber(nil, []byte(fmt.Sprint(x)))
					text = "number:" + string(out)
				default:
					text = []string{"a", " b ", "é日🙂", "x\ny", "=1", "<&>", "0042"}[r.IntN(7)]
					cells[i] = text
				}
				texts = append(texts, text)
			}
			values, want = append(values, cells), append(want, texts)
		}
		stream := r.IntN(2) == 0
		data := made(t, func(f *excelize.File) {
			if stream {
				w, _ := f.NewStreamWriter("Sheet1")
				_ = w.SetRow("A1", header)
				for i, cells := range values {
					_ = w.SetRow(fmt.Sprint("A", i+2), cells)
				}
				_ = w.Flush()
				return
			}
			_ = f.SetSheetRow("Sheet1", "A1", &header)
			for i, cells := range values {
				_ = f.SetSheetRow("Sheet1", fmt.Sprint("A", i+2), &cells)
			}
		})
		_, rows := rowsOf(t, data, Options{})
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Fatalf("seed %d, stream %v (-want +got):\n%s", seed, stream, diff)
		}
	}
}

func FuzzSheet(f *testing.F) {
	f.Add(`<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="3"><c r="B3"><v>1.5</v></c></row></sheetData><mergeCells><mergeCell ref="A2:B3"/></mergeCells></worksheet>`, `<sst><si><t>a</t></si></sst>`)
	f.Fuzz(func(t *testing.T, sheetXML, sharedXML string) {
		data := bookOf(t, sheetXML, sharedXML)
		x, err := Open(bytes.NewReader(data), int64(len(data)), "people", Options{}, Bounds{Columns: 50, FieldBytes: 1 << 10, StringBytes: 1 << 16, SheetBytes: 1 << 20}, codes)
		if err == nil {
			last := 0
			for err == nil {
				var r *row.Row
				if r, err = x.Next(); err == nil && r.Line <= last {
					t.Fatalf("row %d after row %d", r.Line, last)
				} else if err == nil {
					last = r.Line
				}
			}
			x.Close()
		}
		if err != io.EOF && !fault.Is(err, fault.Refused) {
			t.Fatalf("no refusal: %v", err)
		}
	})
}
