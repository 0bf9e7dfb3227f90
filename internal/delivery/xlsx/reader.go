package xlsx

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// Reader reads the rows of one sheet.
type Reader struct {
	book    *book
	codes   Codes
	sheet   sheet
	body    io.ReadCloser
	decoder *xml.Decoder
	merged  []area
	columns []string
	first   bool // the row that was read for its width comes next
	line    int
	cells   []cell // of the row that was read
	scratch []byte
	value   []byte // of the cell that is read
	out     []row.Cell
	row     row.Row
	reject  row.Reject
}

// cell is one cell of a row as the sheet has it.
type cell struct {
	column int
	kind   row.Kind
	start  int // in scratch
	end    int
	wrong  string // a reject's code
	why    string
}

// area is cells that were merged into one.
type area struct{ fromLine, toLine, fromColumn, toColumn int }

// Open finds the sheet and reads its header, the first row that has anything in it.
func Open(r io.ReaderAt, size int64, name string, o Options, bounds Bounds, codes Codes) (*Reader, error) {
	b, err := openBook(r, size, name, bounds)
	if err != nil {
		return nil, err
	}
	x := &Reader{book: b, codes: codes}
	if x.sheet, err = b.pick(o.Sheet); err != nil {
		return nil, err
	}
	if err := b.readStyles(); err != nil {
		return nil, err
	}
	if err := b.readStrings(); err != nil {
		return nil, err
	}
	if err := x.readMerged(); err != nil {
		return nil, err
	}
	if x.body, err = b.open(x.sheet.part); err != nil {
		return nil, err
	}
	x.decoder = newDecoder(x.body, bounds)
	if err := x.begin(o); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// begin reads the columns' names.
func (x *Reader) begin(o Options) error {
	err := x.readRow()
	if err == io.EOF {
		return x.book.refuse("empty_file", "the sheet %q is empty: not even a header row", x.sheet.name).
			Advise("save the workbook with its rows on the first sheet, or say which one has them: sheet")
	}
	if err != nil {
		return err
	}
	width := x.cells[len(x.cells)-1].column + 1
	if width > x.book.bounds.Columns {
		return x.book.refuse("too_many_columns", "the file has more than %d columns", x.book.bounds.Columns).
			Advise("no table has so many: leave out those that are not loaded")
	}
	if o.NoHeader {
		x.first, x.columns = true, o.Names
		for i := 0; len(o.Names) == 0 && i < width; i++ {
			x.columns = append(x.columns, strconv.Itoa(i+1))
		}
	} else if err := x.header(width); err != nil {
		return err
	}
	x.out = make([]row.Cell, len(x.columns))
	return nil
}

func (x *Reader) header(width int) error {
	for _, m := range x.merged {
		if m.fromLine <= x.line && x.line <= m.toLine {
			return x.book.refuse("merged_header", "cells of the header row are merged").At(x.book.name, x.line, "").
				Advise("give every column a header cell of its own")
		}
	}
	x.columns = make([]string, width)
	for _, c := range x.cells {
		if c.wrong != "" {
			return x.book.refuse(c.wrong, "a cell of the header: %s", c.why).At(x.book.name, x.line, "")
		}
		x.columns[c.column] = string(bytes.TrimSpace(x.scratch[c.start:c.end]))
	}
	return nil
}

// Columns are the columns' names; a header cell without text gives an empty one.
func (x *Reader) Columns() []string { return x.columns }

// Close gives back what the reader holds.
func (x *Reader) Close() error { return x.body.Close() }

// Skip passes over rows.
func (x *Reader) Skip(n int64) error {
	for ; n > 0; n-- {
		if _, err := x.Next(); err != nil {
			return err
		}
	}
	return nil
}

// Next returns the next row that has anything in it; io.EOF behind the last. Its Line is the row's number
// in Excel. A row that is rejected keeps its cells: there is no other text of it.
func (x *Reader) Next() (*row.Row, error) {
	if x.first {
		x.first = false
	} else if err := x.readRow(); err != nil {
		return nil, err
	}
	x.row = row.Row{Line: x.line, Cells: x.out}
	for i := range x.out {
		x.out[i] = row.Cell{Kind: row.Null}
	}
	for _, c := range x.cells {
		text := x.scratch[c.start:c.end:c.end]
		if c.column >= len(x.out) {
			x.refuse(x.codes.RaggedRow, "", fmt.Sprintf("cell %s is beyond the header's %s", place(c.column, x.line), fault.Count(len(x.out), "column")))
			continue
		}
		x.out[c.column] = row.Cell{Kind: c.kind, Text: text}
		if c.wrong != "" {
			x.refuse(c.wrong, x.columns[c.column], c.why)
		}
	}
	x.checkMerged()
	return &x.row, nil
}

func (x *Reader) refuse(code, column, why string) {
	if x.row.Reject != nil {
		return
	}
	x.reject = row.Reject{Line: x.line, Column: column, Code: code, Message: why}
	x.row.Reject = &x.reject
}

// checkMerged rejects rows in which cells are merged: only the first of them holds the value, and
// nobody can tell whether it is meant for the others.
func (x *Reader) checkMerged() {
	for len(x.merged) > 0 && x.merged[0].toLine < x.line {
		x.merged = x.merged[1:]
	}
	for _, m := range x.merged {
		if m.fromLine > x.line {
			return
		}
		if m.toLine >= x.line && m.fromColumn < len(x.columns) {
			x.refuse(x.codes.Merged, x.columns[m.fromColumn], "cells of the row are merged: separate them and fill each")
			return
		}
	}
}

// readRow reads the next row that has anything in it.
func (x *Reader) readRow() error {
	for {
		token, err := x.decoder.RawToken()
		if err == io.EOF {
			return x.wrong(io.ErrUnexpectedEOF)
		}
		if err != nil {
			return x.wrong(err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			if t.Name.Local == "sheetData" {
				return io.EOF
			}
		case xml.StartElement:
			if t.Name.Local != "row" {
				continue
			}
			if err := x.rowCells(t); err != nil {
				return x.wrong(err)
			}
			if len(x.cells) > 0 {
				return nil
			}
		}
	}
}

func (x *Reader) wrong(err error) error {
	if errors.Is(err, errTooLong) {
		return x.book.refuse("field_too_long", "a cell is longer than %d bytes", x.book.bounds.FieldBytes).At(x.book.name, x.line, "")
	}
	return x.book.broken(x.sheet.part, err)
}

// maxLine is the last row that a sheet has in Excel. Other programs write on, and Excel would not show it.
const maxLine = 1 << 20

// rowCells reads a row from behind its opening tag to its closing one.
func (x *Reader) rowCells(start xml.StartElement) error {
	line := x.line + 1
	if text := attribute(start, "r"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= x.line {
			return fmt.Errorf("row %q follows row %d", text, x.line)
		}
		line = n
	}
	if line > maxLine {
		return x.book.refuse("too_many_rows", "the sheet has more than %d rows, which is what Excel can hold", maxLine).At(x.book.name, line, "").Advise(asCSV)
	}
	x.line = line
	x.cells, x.scratch = x.cells[:0], x.scratch[:0]
	column := 0
	for {
		token, err := x.decoder.RawToken()
		if err != nil {
			return unexpected(err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			if t.Name.Local == "row" {
				return nil
			}
		case xml.StartElement:
			if t.Name.Local != "c" {
				continue
			}
			if at, _, ok := parsePlace(attribute(t, "r")); ok {
				if at < column {
					return fmt.Errorf("cell %s is out of order", attribute(t, "r"))
				}
				column = at
			}
			if err := x.cell(column, t); err != nil {
				return err
			}
			column++
		}
	}
}

// cell reads a cell from behind its opening tag to its closing one.
func (x *Reader) cell(column int, start xml.StartElement) error {
	c := cell{column: column, start: len(x.scratch), kind: row.Text}
	valued, formula := false, false
	value := x.value[:0]
	inValue := false
	for {
		token, err := x.decoder.RawToken()
		if err != nil {
			return unexpected(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "v":
				inValue, valued = true, true
			case "f":
				formula = true
			case "is":
				text, err := richText(nil, x.decoder, "is")
				if err != nil {
					return err
				}
				value, valued = text, true
			}
		case xml.CharData:
			if inValue {
				value = append(value, t...)
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "v":
				inValue = false
			case "c":
				x.value = value
				return x.keep(c, start, value, valued, formula)
			}
		}
	}
}

// keep makes a cell of a value as the sheet writes it.
func (x *Reader) keep(c cell, start xml.StartElement, value []byte, valued, formula bool) error {
	kind := attribute(start, "t")
	switch {
	case !valued && formula:
		c.wrong, c.why = x.codes.CellError, "the formula in cell "+place(c.column, x.line)+" has no stored result: open the file in Excel and save it"
	case !valued || len(value) == 0 && kind != "str" && kind != "inlineStr":
		return nil
	case kind == "s":
		i, err := strconv.Atoi(string(value))
		text, there := x.book.strings.at(i)
		if err != nil || !there {
			return fmt.Errorf("cell %s refers to a text that is not there", place(c.column, x.line))
		}
		x.scratch = append(x.scratch, text...)
	case kind == "inlineStr":
		x.scratch = append(x.scratch, value...)
	case kind == "str":
		x.scratch = append(x.scratch, unescape(value)...)
	case kind == "b":
		c.kind = row.Bool
		x.scratch = strconv.AppendBool(x.scratch, truthy(string(value)))
	case kind == "e":
		x.scratch = append(x.scratch, value...)
		c.wrong, c.why = x.codes.CellError, "cell "+place(c.column, x.line)+" holds the error "+string(value)
	case kind == "d":
		x.scratch = append(x.scratch, value...)
	default:
		if err := x.keepNumber(&c, attribute(start, "s"), value); err != nil {
			return err
		}
	}
	c.end = len(x.scratch)
	text := x.scratch[c.start:c.end]
	if len(text) > x.book.bounds.FieldBytes {
		return errTooLong
	}
	if c.wrong == "" && (!utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0) {
		c.wrong, c.why = x.codes.BadEncoding, "cell "+place(c.column, x.line)+" holds a character that is none"
	}
	x.cells = append(x.cells, c)
	return nil
}

func (x *Reader) keepNumber(c *cell, styled string, value []byte) error {
	s := plainNumber
	if i, err := strconv.Atoi(styled); err == nil && i >= 0 && i < len(x.book.styles) {
		s = x.book.styles[i]
	}
	var ok bool
	if s == plainNumber {
		c.kind = row.Number
		if x.scratch, ok = appendNumber(x.scratch, bytes.TrimSpace(value)); !ok {
			return fmt.Errorf("cell %s holds no number", place(c.column, x.line))
		}
		return nil
	}
	serial, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
	if err != nil {
		return fmt.Errorf("cell %s holds no number", place(c.column, x.line))
	}
	if x.scratch, ok = appendMoment(x.scratch, serial, s, x.book.since1904); !ok {
		x.scratch = append(x.scratch[:c.start], value...)
		c.wrong, c.why = x.codes.NoDate, "cell "+place(c.column, x.line)+" is shown as a date and its number is none"
	}
	return nil
}

// maxMerged bounds how many merged areas are kept.
const maxMerged = 100000

// readMerged reads which cells are merged. The sheet says so behind its rows, so it is read twice;
// this time only its tags are looked at.
func (x *Reader) readMerged() error {
	body, err := x.book.open(x.sheet.part)
	if err != nil {
		return err
	}
	defer body.Close()
	in := bufio.NewReaderSize(body, 64<<10)
	for {
		tag, err := in.ReadSlice('<')
		if err == bufio.ErrBufferFull {
			continue // a long text
		}
		if bytes.HasPrefix(tag, []byte("mergeCell ")) || bytes.Contains(tag[:min(len(tag), 20)], []byte(":mergeCell ")) {
			if err := x.addMerged(string(tag)); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return x.book.broken(x.sheet.part, err)
		}
	}
	slices.SortFunc(x.merged, func(a, b area) int { return a.fromLine - b.fromLine })
	return nil
}

func (x *Reader) addMerged(tag string) error {
	_, ref, _ := strings.Cut(tag, `ref="`)
	ref, _, _ = strings.Cut(ref, `"`)
	from, to, _ := strings.Cut(ref, ":")
	var m area
	var ok, also bool
	m.fromColumn, m.fromLine, ok = parsePlace(from)
	m.toColumn, m.toLine, also = parsePlace(to)
	if !ok || !also {
		return nil // one cell, or nothing
	}
	if len(x.merged) == maxMerged {
		return x.book.refuse("too_many_merged", "the sheet has more than %d merged areas", maxMerged).Advise(asCSV)
	}
	x.merged = append(x.merged, m)
	return nil
}
