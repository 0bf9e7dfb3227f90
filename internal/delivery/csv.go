package delivery

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// csvReader reads CSV as RFC 4180 has it, in any Dialect: cells with delimiters between them, in quotes where
// they need it, lines that end with CRLF or LF, also mixed. What the RFC leaves open:
//
//   - Empty lines are passed over; they count as lines, not as rows.
//   - Cells are kept as they are, white space included. Only header names are trimmed.
//   - A line end inside quotes stays as the file has it, and so does a CR that stands alone.
//   - A row that breaks the quoting rules is rejected up to the end of the line on which it breaks them.
type csvReader struct {
	in      *window
	limits  Limits
	style   Style
	columns []string
	ignored []string // the names of Penstock's own columns, all behind the others
	split   splitter
	number  int64
	row     row.Row
	reject  row.Reject
	err     error // why there are no more rows
}

func newCSV(in *window, limits Limits, style Style) *csvReader {
	return &csvReader{in: in, limits: limits, style: style, split: newSplitter(style.Dialect)}
}

func (c *csvReader) Columns() []string { return c.columns }
func (c *csvReader) Ignored() []string { return c.ignored }
func (c *csvReader) Style() Style      { return c.style }

func (c *csvReader) Next() (*row.Row, error) {
	if c.err != nil {
		return nil, c.err
	}
	raw, found, err := c.scan()
	if err != nil {
		c.err = err
		return nil, err
	}
	c.number++
	c.row = row.Row{Number: c.number, Line: c.in.line, Raw: raw}
	if err := c.judge(raw, found); err != nil {
		c.err = err
		return nil, err
	}
	c.in.pass(found.next, found.lines)
	return &c.row, nil
}

// scan finds the next row that is no empty line. It leaves the window before the row.
func (c *csvReader) scan() (raw []byte, found split, err error) {
	for {
		rest := c.in.rest()
		if len(rest) == 0 && c.in.ended {
			return nil, split{}, io.EOF
		}
		found = c.split.row(rest, c.in.ended)
		switch {
		case found.verdict == empty:
			c.in.pass(found.next, found.lines)
		case found.verdict == incomplete && !beyond(found.size, c.limits):
			if err := c.in.more(); err != nil {
				return nil, split{}, err
			}
		case found.size > c.limits.RowBytes:
			return nil, split{}, c.tooLong(rest, found)
		case found.verdict == unclosed:
			return nil, split{}, c.unclosedQuote(rest, found)
		default:
			return rest[:found.size], found, nil
		}
	}
}

// judge fills the row with its cells, or with the reason why it has none.
func (c *csvReader) judge(raw []byte, found split) error {
	expected := len(c.columns) + len(c.ignored)
	switch {
	case found.verdict == strayQuote:
		line, character := place(raw, found.at, c.in.line)
		c.row.Raw = c.withoutReport(raw, CodeBadQuoting)
		c.refuse(CodeBadQuoting, "", fmt.Sprintf("line %d, character %d: %s", line, character, found.what))
		return nil
	case found.cells != expected:
		c.row.Raw = c.withoutReport(raw, CodeRaggedRow)
		if len(c.row.Raw) < len(raw) {
			found.cells -= len(c.ignored)
		}
		c.refuse(CodeRaggedRow, "", c.ragged(found.cells, len(c.row.Raw) < len(raw)))
		return nil
	}
	c.row.Cells = c.split.cells[:len(c.columns)]
	c.row.Packed = !c.split.quoted && !c.split.nulls
	if len(c.ignored) > 0 {
		c.row.Raw = raw[:c.split.rawEnd(len(c.columns))]
	}
	if err := c.checkFields(); err != nil {
		return err
	}
	c.checkEncoding()
	return nil
}

func (c *csvReader) ragged(found int, reported bool) string {
	if len(c.ignored) == 0 || reported {
		return fmt.Sprintf("expected %s, found %d", fault.Count(len(c.columns), "cell"), found)
	}
	return fmt.Sprintf("expected %d cells (%d of them Penstock's own), found %d",
		len(c.columns)+len(c.ignored), len(c.ignored), found)
}

func (c *csvReader) checkFields() error {
	if len(c.row.Raw) <= c.limits.FieldBytes {
		return nil
	}
	for i, cell := range c.row.Cells {
		if len(cell.Text) > c.limits.FieldBytes {
			return c.limits.fieldTooLong(c.in.name, c.in.line, c.columns[i])
		}
	}
	return nil
}

func (c *csvReader) checkEncoding() {
	at, what := badByte(c.row.Raw)
	if at < 0 {
		c.checkEscapes()
		return
	}
	column := ""
	for i, cell := range c.row.Cells {
		if bad, _ := badByte(cell.Text); bad >= 0 {
			column = c.columns[i]
			break
		}
	}
	line, character := place(c.row.Raw, at, c.in.line)
	c.refuse(CodeBadEncoding, column, fmt.Sprintf("line %d, character %d: %s", line, character, unreadable(c.row.Raw[at], what, c.style.Encoding)))
}

// checkEscapes finds a NUL that is written as an escape.
func (c *csvReader) checkEscapes() {
	if c.split.escape != MySQL || !c.split.quoted {
		return
	}
	for i, cell := range c.row.Cells {
		if bytes.IndexByte(cell.Text, 0) >= 0 {
			c.refuse(CodeBadEncoding, c.columns[i], `\0 is a NUL character`)
			return
		}
	}
}

func (c *csvReader) refuse(code, column, message string) {
	c.reject = row.Reject{Row: c.row.Number, Line: c.row.Line, Column: column, Code: code, Message: message}
	c.row.Reject = &c.reject
	c.row.Cells = nil
}

// withoutReport takes off the reason that Penstock appended to a malformed row, so that a reject
// file that is dropped uncorrected does not grow. Such a row cannot be cut by counting its cells;
// but what we appended holds no line end, no column's name and exactly this code.
func (c *csvReader) withoutReport(raw []byte, code string) []byte {
	if !isReport(c.ignored) {
		return raw
	}
	comma := c.split.delim
	end := bytes.LastIndex(raw, slices.Concat([]byte{comma, comma}, []byte(code), []byte{comma}))
	if end < 0 {
		return raw
	}
	start := end
	for start > 0 && '0' <= raw[start-1] && raw[start-1] <= '9' {
		start--
	}
	if start == end || start == 0 || raw[start-1] != comma {
		return raw
	}
	return raw[:start-1]
}

func (c *csvReader) tooLong(rest []byte, found split) error {
	e := c.limits.rowTooLong(c.in.name, c.in.line)
	if found.open >= 0 {
		line, _ := place(rest, found.open, c.in.line)
		return e.Advise("a quote that opens on line %d does not close before that", line)
	}
	if bytes.IndexByte(rest, '\n') < 0 && bytes.IndexByte(rest, '\r') >= 0 {
		return e.Advise("its lines seem to end with CR alone: save it with LF or CRLF line ends")
	}
	return e
}

func (c *csvReader) unclosedQuote(rest []byte, found split) error {
	line, character := place(rest, found.open, c.in.line)
	return fault.New(fault.Refused, "unclosed_quote", "a quote opens at character %d and never closes", character).
		Advise("close it, or double it where the text itself has a quote; a file without quotes needs the setting quote: none").At(c.in.name, line, "")
}
