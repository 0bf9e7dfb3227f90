// Package parquet reads Parquet files with a flat schema row by row, holding one page of each column at a time.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// Bounds are what a file may make a reader hold.
type Bounds struct {
	Columns    int
	FieldBytes int
	GroupBytes int64 // of one row group, unpacked
	PageBytes  int64 // of the pages and dictionaries that are held at a time, one of each for every column, unpacked
}

// Codes of the rejects that Reader gives; they are the caller's.
type Codes struct{ BadEncoding string }

// footerBytes bounds the file's own description of itself.
const footerBytes = 32 << 20

const (
	readBuffer = 256 << 10 // of each column
	batch      = 128       // values of a column that are decoded at once
)

// Reader reads the rows of one file, in order.
type Reader struct {
	source  io.ReaderAt
	file    *pq.File
	name    string
	bounds  Bounds
	codes   Codes
	names   []string
	columns []column
	group   int // that is being read; -1 before the first
	left    int64
	read    int64
	scratch []byte
	row     row.Row
	reject  row.Reject
	cells   []row.Cell
}

// column is one column of the row group that is being read.
type column struct {
	Type
	pages  pq.Pages
	check  pageCheck
	page   pq.Page
	values pq.ValueReader
	buf    []pq.Value
	pos, n int
}

// Open reads a file's footer. name is what messages call the file.
func Open(r io.ReaderAt, size int64, name string, bounds Bounds, codes Codes) (*Reader, error) {
	f := &Reader{source: r, name: name, bounds: bounds, codes: codes, group: -1}
	if err := f.checkFooter(r, size); err != nil {
		return nil, err
	}
	err := f.guard("open", func() (err error) {
		f.file, err = pq.OpenFile(r, size, pq.SkipPageIndex(true), pq.SkipBloomFilters(true), pq.ReadBufferSize(readBuffer))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := f.describe(); err != nil {
		return nil, err
	}
	return f, f.checkGroups()
}

// guard makes errors of the library, and its panics on damaged files, refusals.
func (f *Reader) guard(doing string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = f.refuse("broken_file", "the Parquet file is damaged (%s)", doing).Because(fmt.Errorf("%v", p))
		}
	}()
	err = do()
	if err == nil || err == io.EOF {
		return err
	}
	if _, ours := fault.As(err); ours {
		return err
	}
	return f.refuse("broken_file", "the Parquet file is damaged (%s)", doing).Advise("write it again").Because(err)
}

func (f *Reader) refuse(code, format string, args ...any) *fault.Error {
	return fault.New(fault.Refused, code, format, args...).At(f.name, 0, "")
}

// checkFooter reads the file's last eight bytes: the footer's length and the mark.
func (f *Reader) checkFooter(r io.ReaderAt, size int64) error {
	if size < 12 {
		return f.refuse("cut_short", "the Parquet file ends before its footer").Advise("deliver it again, whole")
	}
	var tail [8]byte
	if n, err := r.ReadAt(tail[:], size-8); n < len(tail) {
		return fmt.Errorf("read the footer of %s: %w", f.name, err)
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	switch {
	case string(tail[4:]) == "PARE":
		return f.refuse("encrypted", "the Parquet file is encrypted").Advise("write it without encryption")
	case string(tail[4:]) != "PAR1":
		return f.refuse("cut_short", "the Parquet file ends before its footer").Advise("deliver it again, whole")
	case length > size-12:
		return f.refuse("broken_file", "the Parquet file's footer is longer than the file").Advise("write it again")
	case length > footerBytes:
		return f.refuse("footer_too_large", "the Parquet file's footer has more than %d MiB", footerBytes>>20).
			Advise("write fewer row groups or columns")
	}
	return nil
}

// checkGroups refuses row groups that are larger than any page should make them.
func (f *Reader) checkGroups() error {
	for i, group := range f.file.Metadata().RowGroups {
		size, unpacked := group.TotalByteSize, int64(0)
		for _, chunk := range group.Columns {
			if n := chunk.MetaData.TotalUncompressedSize; n >= 0 && n <= f.bounds.GroupBytes {
				unpacked += n
			} else {
				unpacked = f.bounds.GroupBytes + 1
			}
		}
		size = max(size, unpacked)
		if size > f.bounds.GroupBytes {
			return f.refuse("row_group_too_large", "row group %d of the Parquet file has %d MiB unpacked, and at most %d can be read", i+1, size>>20, f.bounds.GroupBytes>>20).
				Advise("write smaller row groups (ROW_GROUP_SIZE, parquet.block.size), or more and smaller files")
		}
		if group.NumRows < 0 {
			return f.refuse("broken_file", "the Parquet file is damaged (row group %d has a negative number of rows)", i+1)
		}
	}
	return nil
}

// Columns are the columns' names.
func (f *Reader) Columns() []string { return f.names }

// Types are the columns' types.
func (f *Reader) Types() []Type {
	types := make([]Type, len(f.columns))
	for i := range f.columns {
		types[i] = f.columns[i].Type
	}
	return types
}

// NumRows is how many rows the file says it has.
func (f *Reader) NumRows() int64 { return f.file.NumRows() }

// Next returns the next row; io.EOF behind the last. Its Line is its place in the file. A row that is
// rejected keeps its cells: there is no other text of it.
func (f *Reader) Next() (*row.Row, error) {
	for f.left == 0 {
		if err := f.nextGroup(); err != nil {
			return nil, err
		}
	}
	f.left--
	f.read++
	f.row = row.Row{Line: int(f.read), Cells: f.cells}
	f.scratch = f.scratch[:0]
	for i := range f.columns {
		c := &f.columns[i]
		if c.pos == c.n {
			if err := f.fill(c, i); err != nil {
				return nil, err
			}
		}
		v := &c.buf[c.pos]
		c.pos++
		if v.IsNull() {
			f.cells[i] = row.Cell{Kind: row.Null}
			continue
		}
		if err := f.cell(i, v); err != nil {
			return nil, err
		}
	}
	return &f.row, nil
}

// cell converts a value.
func (f *Reader) cell(i int, v *pq.Value) error {
	c := &f.columns[i]
	if c.as == asText {
		text := v.ByteArray()
		f.cells[i] = row.Cell{Kind: row.Text, Text: text}
		return f.checkText(i, text)
	}
	start := len(f.scratch)
	out, kind := c.append(f.scratch, v)
	f.scratch = out
	f.cells[i] = row.Cell{Kind: kind, Text: out[start:len(out):len(out)]}
	return nil
}

func (f *Reader) checkText(i int, text []byte) error {
	if len(text) > f.bounds.FieldBytes {
		return fault.New(fault.Refused, "field_too_long", "the cell is longer than %d bytes", f.bounds.FieldBytes).At(f.name, f.row.Line, f.names[i]).
			Advise("no column of a table takes so much: shorten it, or leave the column out of the file")
	}
	ascii := true
	for _, b := range text {
		if b >= utf8.RuneSelf || b == 0 {
			ascii = false
			break
		}
	}
	if ascii {
		return nil
	}
	what := ""
	switch {
	case !utf8.Valid(text):
		what = "not UTF-8"
	case containsNUL(text):
		what = "text with a NUL byte"
	default:
		return nil
	}
	if f.row.Reject == nil {
		f.reject = row.Reject{Line: f.row.Line, Column: f.names[i], Code: f.codes.BadEncoding, Message: "the value is " + what}
		f.row.Reject = &f.reject
	}
	return nil
}

func containsNUL(text []byte) bool {
	for _, b := range text {
		if b == 0 {
			return true
		}
	}
	return false
}

// nextGroup opens the next row group; io.EOF behind the last.
func (f *Reader) nextGroup() error {
	groups := f.file.RowGroups()
	f.closePages()
	if f.group+1 >= len(groups) {
		f.group = len(groups)
		return io.EOF
	}
	f.group++
	group := groups[f.group]
	f.left = group.NumRows()
	return f.guard(fmt.Sprintf("row group %d", f.group+1), func() error {
		chunks := group.ColumnChunks()
		if len(chunks) != len(f.columns) {
			return errors.New("a row group has other columns than the schema")
		}
		for i, chunk := range chunks {
			f.columns[i].openPages(f.source, chunk, &f.file.Metadata().RowGroups[f.group].Columns[i], f.left)
		}
		return nil
	})
}

// fill decodes the next values of a column.
func (f *Reader) fill(c *column, i int) error {
	return f.guard(fmt.Sprintf("row group %d, column %q", f.group+1, f.names[i]), func() error {
		for {
			if c.values != nil {
				n, err := c.values.ReadValues(c.buf)
				if n > 0 {
					c.pos, c.n = 0, n
					return nil
				}
				if err != nil && err != io.EOF {
					return err
				}
			}
			c.release()
			if err := f.checkPage(c); err != nil {
				return err
			}
			page, err := c.pages.ReadPage()
			if err == io.EOF {
				return errors.New("the column has fewer values than the row group has rows")
			}
			if err != nil {
				return err
			}
			c.page, c.values = page, page.Values()
		}
	})
}

// checkPage looks at the column's next page before the library makes room for it. Engines end a page at
// about a megabyte, but some write all of a row group into one, or a dictionary of all its values.
func (f *Reader) checkPage(c *column) error {
	if err := c.check.next(); err != nil {
		return err
	}
	held := int64(0)
	for i := range f.columns {
		held += f.columns[i].check.held()
	}
	if held <= f.bounds.PageBytes {
		return nil
	}
	return f.refuse("pages_too_large", "row group %d of the Parquet file has pages and dictionaries of %d MiB side by side, unpacked, and at most %d can be read",
		f.group+1, held>>20, f.bounds.PageBytes>>20).
		Advise("write pages of a megabyte (parquet.page.size, data_page_size) and no dictionary of values that do not repeat, or smaller row groups")
}

func (c *column) release() {
	if c.page != nil {
		pq.Release(c.page)
	}
	c.page, c.values = nil, nil
	c.pos, c.n = 0, 0
}

func (f *Reader) closePages() {
	for i := range f.columns {
		c := &f.columns[i]
		c.release()
		if c.pages != nil {
			c.pages.Close()
			c.pages = nil
		}
	}
}

// Skip passes over rows from the file's beginning, whole row groups without reading them.
func (f *Reader) Skip(n int64) error {
	for n > 0 {
		if f.left == 0 {
			if err := f.nextGroup(); err != nil {
				return err
			}
		}
		step := min(n, f.left)
		n, f.left, f.read = n-step, f.left-step, f.read+step
		if f.left == 0 {
			continue
		}
		if err := f.seek(step); err != nil {
			return err
		}
	}
	return nil
}

func (f *Reader) seek(in int64) error {
	return f.guard(fmt.Sprintf("row group %d", f.group+1), func() error {
		for i := range f.columns {
			c := &f.columns[i]
			if err := c.check.all(); err != nil {
				return err
			}
			if err := c.pages.SeekToRow(in); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close gives back what the reader holds.
func (f *Reader) Close() error {
	f.closePages()
	return nil
}
