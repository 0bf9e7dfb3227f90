package delivery

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// rawMember holds a line in a reject file that is not JSON itself.
const rawMember = "_raw"

// jsonlReader reads JSON Lines: one object a line, strictly as RFC 8259 has it. Lines of white space are
// passed over; a file without any object has no rows. Names are taken as they are, and Penstock's own
// members are ignored wherever they stand.
type jsonlReader struct {
	in      *window
	limits  Limits
	style   Style
	columns []string
	index   map[string]int // of columns
	names   int            // bytes of all column names
	seen    []int64        // per column, the last row that had it
	ignored []string
	array   *arrayFrame // of a JSON array; nil for JSON Lines
	scan    objectScanner
	cells   []row.Cell
	raw     []byte // a row without Penstock's own members
	number  int64
	row     row.Row
	reject  row.Reject
	err     error // why there are no more rows
}

func newJSON(in *window, limits Limits, style Style) *jsonlReader {
	style.LineEnd = "\n"
	j := &jsonlReader{in: in, limits: limits, index: map[string]int{}, style: style}
	j.scan.nesting = limits.Nesting
	return j
}

// begin looks at the first line.
func (j *jsonlReader) begin() error {
	line, _, err := j.line()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	if err := j.refuseDocument(bytes.Trim(line, " \t\r")); err != nil {
		return err
	}
	if bytes.HasPrefix(j.in.rest()[len(line):], []byte("\r\n")) {
		j.style.LineEnd = "\r\n"
	}
	return nil
}

// refuseDocument recognises one JSON document laid out over many lines, of which each would be a reject.
func (j *jsonlReader) refuseDocument(first []byte) error {
	what := ""
	switch {
	case first[0] == '[':
		what = "the file looks like one JSON array"
	case len(first) == 1 && first[0] == '{':
		what = "the file looks like JSON laid out over several lines"
	default:
		return nil
	}
	return fault.New(fault.Refused, "not_json_lines", "%s, not like JSON Lines", what).
		Advise("write one object a line, without commas between them, or one array and the setting format: json").At(j.in.name, j.in.line, "")
}

func (j *jsonlReader) Columns() []string { return j.columns }
func (j *jsonlReader) Ignored() []string { return j.ignored }
func (j *jsonlReader) Style() Style      { return j.style }

func (j *jsonlReader) Next() (*row.Row, error) {
	if j.err != nil {
		return nil, j.err
	}
	text, next, err := j.frame()
	if err != nil {
		j.err = err
		return nil, err
	}
	j.number++
	j.row = row.Row{Number: j.number, Line: j.in.line, Raw: text}
	if err := j.judge(text); err != nil {
		j.err = err
		return nil, err
	}
	if j.array != nil {
		j.array.pass(j.in, next)
	} else {
		j.in.pass(next, 1)
	}
	return &j.row, nil
}

// frame finds the next row's text, at the beginning of the window.
func (j *jsonlReader) frame() (text []byte, next int, err error) {
	if j.array != nil {
		return j.array.element(j.in, j.limits)
	}
	return j.line()
}

// line finds the next line that has something on it. It leaves the window before the line.
func (j *jsonlReader) line() (line []byte, next int, err error) {
	for {
		rest := j.in.rest()
		end := bytes.IndexByte(rest, '\n')
		next = end + 1
		if end < 0 {
			end, next = len(rest), len(rest)
			if !j.in.ended && !beyond(end, j.limits) {
				if err := j.in.more(); err != nil {
					return nil, 0, err
				}
				continue
			}
		}
		line = trimCR(rest[:end])
		switch {
		case next == 0:
			return nil, 0, io.EOF
		case len(line) > j.limits.RowBytes:
			return nil, 0, j.limits.rowTooLong(j.in.name, j.in.line)
		case len(line) > 0 && (line[0] == '{' || !blank(line)):
			return line, next, nil
		}
		j.in.pass(next, 1)
	}
}

func blank(line []byte) bool {
	for _, b := range line {
		if b != ' ' && b != '\t' && b != '\r' {
			return false
		}
	}
	return true
}

// judge fills the row with its cells, or with the reason why it has none.
func (j *jsonlReader) judge(line []byte) error {
	scan := &j.scan
	if !scan.object(line) {
		switch scan.trouble {
		case tooDeep:
			return j.limits.nestedTooDeep(j.in.name, j.in.line)
		case notObject:
			it := "the line is "
			if j.array != nil {
				it = "the element is "
			}
			j.refuse(CodeNotAnObject, "", j.placed(scan.at, it+scan.what+", not an object"))
		default:
			j.refuse(CodeBadJSON, "", j.placed(scan.at, scan.what))
		}
		return nil
	}
	if scan.own > 0 {
		j.withoutOwn(line)
		if j.refuseAgain() {
			return nil
		}
	}
	if at, what := j.badByte(line); at >= 0 {
		j.refuse(CodeBadEncoding, j.columnAt(at), j.placed(at, unreadable(line[at], what, j.style.Encoding)))
		return nil
	}
	if scan.badText >= 0 {
		j.refuse(CodeBadEncoding, j.columnAt(scan.badText), j.placed(scan.badText, scan.what))
		return nil
	}
	return j.align()
}

// badByte finds the first byte that is no text, except in Penstock's own members, which do not matter.
func (j *jsonlReader) badByte(line []byte) (at int, what string) {
	from := 0
	for {
		at, what := badByte(line[from:])
		if at < 0 {
			return -1, ""
		}
		at += from
		own := slices.IndexFunc(j.scan.members, func(m member) bool { return m.own && m.start <= at && at < m.end })
		if own < 0 {
			return at, what
		}
		from = j.scan.members[own].end
	}
}

func (j *jsonlReader) placed(at int, what string) string {
	if j.array != nil {
		line, character := j.array.place(j.in, at)
		return fmt.Sprintf("line %d, character %d: %s", line, character, what)
	}
	return fmt.Sprintf("character %d: %s", utf8.RuneCount(j.in.rest()[:at])+1, what)
}

// columnAt names the member that holds a byte of the line, where the name itself is sound.
func (j *jsonlReader) columnAt(at int) string {
	for _, m := range j.scan.members {
		if m.start <= at && at < m.end && utf8.Valid(m.name) {
			return string(m.name)
		}
	}
	return ""
}

// align puts the members where their columns are and adds columns for new names.
func (j *jsonlReader) align() error {
	clear(j.cells)
	if column, code := j.clash(); code != "" {
		j.refuse(code, column, map[string]string{
			CodeDuplicateMember: "the object has this member twice",
			CodeEmptyName:       "a member has an empty name",
		}[code])
		return nil
	}
	width := 0
	for i := range j.scan.members {
		m := &j.scan.members[i]
		if m.own {
			continue
		}
		if len(m.cell.Text) > j.limits.FieldBytes {
			return j.limits.fieldTooLong(j.in.name, j.in.line, string(m.name))
		}
		if m.column < 0 {
			if err := j.addColumn(m); err != nil {
				return err
			}
		}
		j.cells[m.column] = m.cell
		width = max(width, m.column+1)
	}
	j.row.Cells = j.cells[:width]
	return nil
}

// clash finds a name that stands twice in the object, or none at all. It also looks up each member's
// column: objects of one file mostly have the same members in the same order, so the column
// behind the last one is tried first.
func (j *jsonlReader) clash() (column, code string) {
	fresh := 0
	guess := 0
	for i := range j.scan.members {
		m := &j.scan.members[i]
		if m.own {
			continue
		}
		if len(m.name) == 0 {
			return "", CodeEmptyName
		}
		if guess < len(j.columns) && j.columns[guess] == string(m.name) {
			m.column = guess
		} else if at, known := j.index[string(m.name)]; known {
			m.column = at
		} else {
			m.column = -1
			fresh++
			continue
		}
		if j.seen[m.column] == j.number {
			return string(m.name), CodeDuplicateMember
		}
		j.seen[m.column] = j.number
		guess = m.column + 1
	}
	if fresh > 1 {
		return j.clashOfNew(fresh)
	}
	return "", ""
}

func (j *jsonlReader) clashOfNew(fresh int) (column, code string) {
	names := make(map[string]bool, fresh)
	for i := range j.scan.members {
		m := &j.scan.members[i]
		if m.own || m.column >= 0 {
			continue
		}
		if names[string(m.name)] {
			return string(m.name), CodeDuplicateMember
		}
		names[string(m.name)] = true
	}
	return "", ""
}

// restore brings back the names that were seen before.
func (j *jsonlReader) restore(columns, ignored []string) error {
	j.columns, j.cells, j.seen, j.names = nil, nil, nil, 0
	clear(j.index)
	for _, name := range columns {
		if err := j.addColumn(&member{name: []byte(name)}); err != nil {
			return err
		}
	}
	clear(j.seen)
	j.ignored = slices.Clone(ignored)
	return nil
}

func (j *jsonlReader) addColumn(m *member) error {
	if len(j.columns) == j.limits.Columns {
		return j.limits.tooManyColumns(j.in.name, j.in.line)
	}
	if j.names += len(m.name); j.names > j.limits.HeaderBytes {
		return j.limits.headerTooLong(j.in.name, j.in.line)
	}
	name := string(m.name)
	m.column = len(j.columns)
	j.index[name] = m.column
	j.columns = append(j.columns, name)
	j.cells = append(j.cells, row.Cell{})
	j.seen = append(j.seen, j.number)
	return nil
}

func (j *jsonlReader) refuse(code, column, message string) {
	j.reject = row.Reject{Row: j.row.Number, Line: j.row.Line, Column: column, Code: code, Message: message}
	j.row.Reject = &j.reject
	j.row.Cells = nil
}
