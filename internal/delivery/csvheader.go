package delivery

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// readHeader reads the first row that is no empty line: the column names, white space around them trimmed.
func (c *csvReader) readHeader() error {
	raw, found, names, err := c.firstRow()
	if err != nil {
		return err
	}
	return c.takeHeader(raw, found, names)
}

// firstRow reads the first row as a header. It leaves the window before it.
func (c *csvReader) firstRow() (raw []byte, found split, names []string, err error) {
	c.split.keep(c.limits.Columns + len(row.ExtraColumns) + 1)
	raw, found, err = c.scan()
	if err == io.EOF {
		return nil, found, nil, fault.New(fault.Refused, emptyFile, "the file is empty: not even a header row").At(c.in.name, 0, "").Advise(emptyAdvice)
	}
	if err != nil {
		return nil, found, nil, err
	}
	if err := c.checkHeader(raw, found); err != nil {
		return nil, found, nil, err
	}
	names = make([]string, found.cells)
	for i, cell := range c.split.cells[:found.cells] {
		names[i] = string(bytes.TrimSpace(cell.Text))
	}
	return raw, found, names, nil
}

const (
	emptyFile   = "empty_file"
	emptyAdvice = "export it again; a file that is meant to hold no rows still needs its header"
)

// takeHeader makes the names the columns and passes over the row.
func (c *csvReader) takeHeader(raw []byte, found split, names []string) error {
	c.columns, c.ignored = partOwn(names)
	if err := c.checkNames(c.columns); err != nil {
		return err
	}
	if len(c.columns) == 0 {
		return c.badHeader("no_columns", "the header has only Penstock's own columns")
	}
	if len(c.columns) > c.limits.Columns {
		return c.limits.tooManyColumns(c.in.name, c.in.line)
	}
	c.style.Header = bytes.Clone(raw[:c.split.rawEnd(len(c.columns))])
	c.style.LineEnd = lineEnd(c.in.rest()[:found.next])
	c.in.pass(found.next, found.lines)
	c.split.keep(len(names))
	return nil
}

// positional opens a file without a header: its columns have the names given, or are numbered from 1. A file
// of its rejects has a header all the same, which shows by Penstock's own columns at its end.
func (c *csvReader) positional(names []string) error {
	raw, found, first, err := c.firstRow()
	if err != nil {
		return err
	}
	if n := len(first) - len(row.ExtraColumns); n > 0 && isReport(first[n:]) {
		return c.takeHeader(raw, found, first)
	}
	if len(names) == 0 {
		names = numbered(found.cells)
	}
	if err := c.checkNames(names); err != nil {
		return err
	}
	if len(names) > c.limits.Columns {
		return c.limits.tooManyColumns(c.in.name, c.in.line)
	}
	c.columns = names
	c.style.LineEnd = lineEnd(c.in.rest()[:found.next])
	c.split.keep(len(names))
	cells := make([]row.Cell, len(names))
	for i, name := range names {
		cells[i] = row.Cell{Kind: row.Text, Text: []byte(name)}
	}
	c.style.Header = c.split.appendCells(nil, cells)
	return nil
}

// numbered names columns by their place.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i + 1)
	}
	return names
}

// goOn reads on in the next object. Its header, where it has one, must be the first one's.
func (c *csvReader) goOn(in *window, header bool) error {
	c.in, c.err = in, nil
	if !header {
		return nil
	}
	kept := len(c.split.cells)
	_, found, names, err := c.firstRow()
	if e, ok := fault.As(err); ok && e.Code == emptyFile {
		err = nil // an empty part has no rows
	}
	if err != nil {
		return err
	}
	if names != nil && !slices.Equal(names, slices.Concat(c.columns, c.ignored)) {
		return c.badHeader("header_differs", "the header is not that of the delivery's first object").
			Advise("deliver objects with the same columns in the same order, or say header: first when only the first has a header")
	}
	in.pass(found.next, found.lines)
	c.split.keep(kept)
	return nil
}

// lineEnd is the line end at the end of some bytes; "\n" when they have none.
func lineEnd(data []byte) string {
	if bytes.HasSuffix(data, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

func (c *csvReader) checkHeader(raw []byte, found split) error {
	if bytes.IndexByte(raw, '\r') >= 0 && !c.split.quoted {
		return c.badHeader("unsupported_dialect", "the lines of the file end with CR alone").
			Advise("save it with LF or CRLF line ends")
	}
	if len(raw) > c.limits.HeaderBytes {
		return c.limits.headerTooLong(c.in.name, c.in.line)
	}
	if at, what := badByte(raw); at >= 0 {
		_, character := place(raw, at, c.in.line)
		return c.badHeader("bad_encoding", fmt.Sprintf("character %d of the header: byte 0x%02X is %s", character, raw[at], what)).
			Advise("save the file as UTF-8")
	}
	if found.verdict == strayQuote {
		line, character := place(raw, found.at, c.in.line)
		return fault.New(fault.Refused, "bad_quoting", "character %d of the header: %s", character, found.what).At(c.in.name, line, "")
	}
	if found.cells > len(c.split.cells) {
		return c.limits.tooManyColumns(c.in.name, c.in.line)
	}
	return nil
}

func (c *csvReader) checkNames(names []string) error {
	return checkNames(names, c.in.name, c.in.line)
}

func checkNames(names []string, file string, line int) error {
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		if name == "" {
			return fault.New(fault.Refused, "empty_column_name", "column %d of the header has no name", i+1).At(file, line, "").
				Advise("name it, or take it out of the file; of a file without a header say header: none")
		}
		if seen[name] {
			return fault.New(fault.Refused, "duplicate_column", "the header has this column twice").At(file, line, name).Advise("rename one of them where the file is made")
		}
		seen[name] = true
	}
	return nil
}

func (c *csvReader) badHeader(code, message string) *fault.Error {
	return fault.New(fault.Refused, code, "%s", message).At(c.in.name, c.in.line, "")
}

// partOwn takes Penstock's own columns off the end of a header: any of them, in any order. The same
// name before another column is a column like any other, for it is not where a reject file has it.
func partOwn(names []string) (columns, own []string) {
	n := len(names)
	for n > 0 && isOwn(names[n-1]) {
		n--
	}
	return names[:n:n], names[n:]
}

func isOwn(name string) bool {
	return strings.HasPrefix(name, "_") && slices.Contains(row.ExtraColumns[:], name)
}

// isReport says whether names are Penstock's own columns just as a reject file has them.
func isReport(names []string) bool { return slices.Equal(names, row.ExtraColumns[:]) }
