package delivery

import (
	"bytes"
	"encoding/json"

	"penstock/internal/delivery/parquet"
	"penstock/internal/row"
)

// Description is what Penstock sees in a delivery, before any destination: the first JSON object of
// `penstock rows --json`.
type Description struct {
	Objects     []string          `json:"objects"`
	Format      Format            `json:"format"`
	Compression string            `json:"compression,omitempty"`
	Encoding    string            `json:"encoding,omitempty"`
	Dialect     string            `json:"dialect,omitempty"` // in words
	Settings    *Dialect          `json:"settings,omitempty"`
	Header      Header            `json:"header,omitempty"`
	Sheet       string            `json:"sheet,omitempty"`
	Columns     []DescribedColumn `json:"columns"` // JSON: those seen so far
	Ignored     []string          `json:"ignored,omitempty"`
	Evidence    []string          `json:"evidence"`
}

// DescribedColumn is a column of the delivery.
type DescribedColumn struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"` // Parquet
}

// Describe tells how the delivery is written.
func (r *Rows) Describe() Description {
	d := Description{Format: r.how.Format, Compression: string(r.how.Compression), Sheet: r.how.Sheet, Ignored: r.Ignored(),
		Evidence: append([]string{}, r.how.Evidence...), Columns: []DescribedColumn{}}
	for _, o := range r.src.Objects {
		d.Objects = append(d.Objects, o.Name())
	}
	for _, name := range r.Columns() {
		d.Columns = append(d.Columns, DescribedColumn{Name: name})
	}
	switch r.how.Format {
	case CSV:
		d.Dialect, d.Settings, d.Header = r.how.Dialect.String(), &r.how.Dialect, r.how.Header
		d.Encoding = r.how.Encoding.String()
	case JSON, JSONL:
		d.Encoding = r.how.Encoding.String()
	case XLSX:
		d.Header = r.how.Header
	case Parquet:
		if t, ok := r.reader.(*tableReader); ok {
			t.describe(d.Columns)
		}
	}
	return d
}

// describe adds the columns' types.
func (t *tableReader) describe(columns []DescribedColumn) {
	file, ok := t.table.(*parquet.Reader)
	if !ok {
		return
	}
	for i, kind := range file.Types()[:len(columns)] {
		columns[i].Type = kind.String()
	}
}

// AppendJSON appends a row as one JSON object on one line: names of the file, and texts, or values of their own
// type where the format has types. A column that the row does not have is left out.
func AppendJSON(dst []byte, columns []string, r *row.Row) []byte {
	dst = append(dst, '{')
	first := true
	for i, cell := range r.Cells {
		if cell.Kind == row.Absent {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendJSONText(dst, columns[i]), ':')
		dst = appendJSONCell(dst, cell)
	}
	return append(dst, '}')
}

func appendJSONCell(dst []byte, cell row.Cell) []byte {
	switch cell.Kind {
	case row.Null:
		return append(dst, "null"...)
	case row.Bool:
		return append(dst, cell.Text...)
	case row.Number:
		if isNumber(cell.Text) {
			return append(dst, cell.Text...)
		}
	case row.Nested:
		var line bytes.Buffer
		if json.Compact(&line, cell.Text) == nil {
			return append(dst, line.Bytes()...)
		}
	}
	return appendJSONText(dst, string(cell.Text))
}

// isNumber says that text is a number as JSON has it; NaN is none.
func isNumber(text []byte) bool {
	s := objectScanner{line: text}
	return s.number() && s.pos == len(text)
}
