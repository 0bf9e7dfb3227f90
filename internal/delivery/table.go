package delivery

import (
	"context"
	"io"
	"slices"
	"sync"

	"penstock/internal/delivery/parquet"
	"penstock/internal/delivery/xlsx"
	"penstock/internal/fault"
	"penstock/internal/row"
)

// table is a file that is no text: a Parquet file or a sheet.
type table interface {
	Columns() []string
	// Next returns the next row without its number, valid until the following call; io.EOF at the end.
	Next() (*row.Row, error)
	// Skip passes over rows at the beginning.
	Skip(n int64) error
	Close() error
}

// tableReader reads the tables of a delivery one after the other.
type tableReader struct {
	r       *Rows
	file    *remembering
	table   table
	columns []string
	ignored []string
	style   Style
	number  int64
}

func beginTable(r *Rows, object int) (partReader, error) {
	t := &tableReader{r: r}
	if err := t.enter(object); err != nil {
		return nil, err
	}
	name := r.src.Objects[object].Name()
	names := t.table.Columns()
	if err := checkNames(names, name, 0); err != nil {
		t.left()
		return nil, err
	}
	t.columns, t.ignored = partOwn(names)
	if len(t.columns) == 0 {
		t.left()
		return nil, fault.New(fault.Refused, "no_columns", "the file has only Penstock's own columns").At(name, 0, "")
	}
	split := newSplitter(Dialect{})
	cells := make([]row.Cell, len(t.columns))
	for i, column := range t.columns {
		cells[i].Text = []byte(column)
	}
	t.style = Style{Format: r.how.Format, Header: split.appendCells(nil, cells), LineEnd: "\n"}
	return t, nil
}

// enter opens an object.
func (t *tableReader) enter(object int) error {
	o := t.r.src.Objects[object]
	if o.Size == 0 {
		return fault.New(fault.Refused, emptyFile, "the file is empty").At(o.Name(), 0, "").Advise("export it again")
	}
	file, err := openRemembering(t.r.ctx, t.r.src.From, o)
	if err != nil {
		return err
	}
	t.file = file
	t.table, err = openTable(file, o, &t.r.how, t.r.limits)
	if err != nil {
		file.Close()
		t.table = nil
		return t.told(err)
	}
	return nil
}

func openTable(file io.ReaderAt, o Object, how *Detected, limits Limits) (table, error) {
	if how.Format == XLSX {
		options := xlsx.Options{Sheet: how.Sheet, NoHeader: how.Header == HeaderNone, Names: how.Names}
		codes := xlsx.Codes{RaggedRow: CodeRaggedRow, CellError: CodeCellError, NoDate: CodeNoDate, BadEncoding: CodeBadEncoding, Merged: CodeMergedCell}
		return xlsx.Open(file, o.Size, o.Name(), options, limits.workbook(), codes)
	}
	bounds := parquet.Bounds{Columns: limits.Columns, FieldBytes: limits.FieldBytes, GroupBytes: limits.GroupBytes, PageBytes: limits.PageBytes}
	return parquet.Open(file, o.Size, o.Name(), bounds, parquet.Codes{BadEncoding: CodeBadEncoding})
}

func (l Limits) workbook() xlsx.Bounds {
	return xlsx.Bounds{Columns: l.Columns, FieldBytes: l.FieldBytes, StringBytes: l.StringBytes, SheetBytes: l.ObjectBytes}
}

// told prefers what reading the object said to what came of it.
func (t *tableReader) told(err error) error {
	if source := t.file.failed(); source != nil {
		return source
	}
	return err
}

func (t *tableReader) Columns() []string { return t.columns }
func (t *tableReader) Ignored() []string { return t.ignored }
func (t *tableReader) Style() Style      { return t.style }

func (t *tableReader) Next() (*row.Row, error) {
	if t.table == nil {
		return nil, io.EOF
	}
	r, err := t.table.Next()
	if err == io.EOF {
		return nil, io.EOF
	}
	if err != nil {
		return nil, t.told(err)
	}
	t.number++
	r.Number = t.number
	r.Cells = r.Cells[:min(len(r.Cells), len(t.columns))]
	if r.Reject != nil {
		r.Reject.Row = t.number
	}
	return r, nil
}

func (t *tableReader) goOnWith(r *Rows, object int, at *Cursor) error {
	t.left()
	if r.src.Objects[object].Size == 0 {
		return nil // no rows
	}
	if err := t.enter(object); err != nil {
		return err
	}
	if !slices.Equal(t.table.Columns(), slices.Concat(t.columns, t.ignored)) {
		return fault.New(fault.Refused, "header_differs", "the columns are not those of the delivery's first object").
			At(r.src.Objects[object].Name(), 0, "").Advise("deliver objects with the same columns in the same order")
	}
	if at == nil {
		return nil
	}
	t.number = at.Row
	if err := t.table.Skip(at.InObject); err != nil && err != io.EOF {
		return t.told(err)
	}
	return nil
}

func (t *tableReader) cursor(*Cursor) {} // the number of rows says it

func (t *tableReader) restore(*Cursor) error { return nil }

func (t *tableReader) left() {
	if t.table != nil {
		t.table.Close()
		t.file.Close()
		t.table = nil
	}
}

// remembering keeps the first error of reading an object, which libraries bury in their own.
type remembering struct {
	RandomAccess
	mu  sync.Mutex
	err error
}

func openRemembering(ctx context.Context, from Opener, o Object) (*remembering, error) {
	file, err := from.OpenAt(ctx, o)
	if err != nil {
		return nil, err
	}
	return &remembering{RandomAccess: file}, nil
}

func (r *remembering) ReadAt(p []byte, offset int64) (int, error) {
	n, err := r.RandomAccess.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		r.mu.Lock()
		if r.err == nil {
			r.err = err
		}
		r.mu.Unlock()
	}
	return n, err
}

func (r *remembering) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
