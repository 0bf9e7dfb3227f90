package delivery

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// readHeader reads the first row that is no empty line: the column names, white space around them trimmed.
func (c *csvReader) readHeader() error {
	c.split.keep(c.limits.Columns + len(row.ExtraColumns) + 1)
	raw, found, err := c.scan()
	if err == io.EOF {
		return fault.New(fault.Refused, "empty_file", "the file is empty: not even a header row").At(c.in.name, 0, "")
	}
	if err != nil {
		return err
	}
	if err := c.checkHeader(raw, found); err != nil {
		return err
	}
	names := make([]string, found.cells)
	for i, cell := range c.split.cells[:found.cells] {
		names[i] = string(bytes.TrimSpace(cell.Text))
	}
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
	return c.checkDialect(raw, found)
}

// checkDialect recognises a header of another dialect, which would otherwise be one column of a strange name.
func (c *csvReader) checkDialect(raw []byte, found split) error {
	if found.cells > 1 {
		return nil
	}
	for _, other := range []struct{ mark, name string }{{";", "semicolons"}, {"\t", "tabs"}, {"|", "vertical bars"}} {
		if bytes.Contains(bytes.TrimSpace(raw), []byte(other.mark)) {
			return c.badHeader("unsupported_dialect", "the columns look separated by "+other.name+"; only commas can be read yet").
				Advise("export the file with commas")
		}
	}
	return nil
}

func (c *csvReader) checkNames(names []string) error {
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		if name == "" {
			return c.badHeader("empty_column_name", fmt.Sprintf("column %d of the header has no name", i+1))
		}
		if seen[name] {
			return fault.New(fault.Refused, "duplicate_column", "the header has this column twice").At(c.in.name, c.in.line, name)
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
