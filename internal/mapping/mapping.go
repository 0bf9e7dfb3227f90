// Package mapping turns rows of a file into typed operations on a table, by rules compiled against live metadata.
package mapping

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// Mapping maps the rows of one file to one table. It belongs to one goroutine.
type Mapping struct {
	// Find resolves what References asks for. It must know it by the time Map is called.
	Find Finder
	// Brief says that nobody needs Set where Values says it all.
	Brief bool

	dest  *config.Destination
	table *dataverse.Table
	world World
	open  bool // more columns may follow, and a row may lack some
	do    dataverse.Verb

	columns []*column // aligned with the file's
	made    []*column // of constants and templates, which no column of the file leads to
	key     []*column // in the order of the table's key; the primary id alone; or empty
	byID    bool      // the key is the primary id
	values  *values   // the destination's
	filter  dataverse.Filter
	fixed   []byte    // members of every row's Set: what the filter promises (rule D2)
	laid    []*column // of columns and made, those that are one member of Set for one cell

	// Columns of m.columns and m.made that are written in another way than into Set.
	partition *column   // of an elastic table
	state     states    // state and status
	linked    []*column // lookups to the table itself, written in the link phase
	parties   []*column // of an activity
	joined    []*column // many-to-many relationships
	named     []*column // those, lookups and keys that name records by other than their id

	// Buffers of the last mapped row.
	set      []byte
	extents  []extent // in set, of the values of each of laid
	bare     bool     // nothing stands in set but what is fixed and laid
	list     []byte   // values of laid
	listed   bool     // they are in list
	parts    []byte
	ends     []int // of the parts
	norm     []byte
	scratch  []byte
	linkSet  []byte
	people   []byte
	links    []dataverse.Operation
	question []byte
}

// column is one column of the file and how it gets into the table's.
type column struct {
	from    string
	index   int // in the file; -1 while it has not been seen, and for constants and templates
	to      *dataverse.Column
	rule    *config.Column // nil without a section columns
	prefix  []byte         // `"firstname":`
	convert convert
	source  *source               // nil: the file's cell as it is
	isText  bool                  // white space is a value
	isKey   bool                  // goes into the key, not into Set
	matched bool                  // goes into Set because records are found by it (match_on)
	apart   bool                  // is not written into Set like others; see Mapping
	fixed   *row.Cell             // the constant of the filter, whatever the file says
	by      *reference            // how its cells name records, when not by id
	joins   *dataverse.Collection // of an association
	people  *dataverse.Table      // of a party list
	self    bool                  // it leads to the destination's own table
	role    int                   // of people
}

// convert appends a cell's value as JSON, or says what is wrong with it. It is never called with a null.
type convert func(dst []byte, cell row.Cell) ([]byte, *problem)

// problem is why a cell cannot be converted.
type problem struct{ code, message string }

// none is no problem: the cell names a record that is not there, and counts as empty.
var none = &problem{}

func complain(code, format string, args ...any) *problem {
	return &problem{code, fmt.Sprintf(format, args...)}
}

// Used is a column of the file and the table's column that it leads to, by itself
// or in a template; To is empty for one that is skipped.
type Used struct{ From, To string }

// Columns lists what becomes of the file's columns, in their order.
func (m *Mapping) Columns() []Used {
	used := make([]Used, len(m.columns))
	for i, c := range m.columns {
		used[i].From = c.from
		if c.to == nil {
			c = m.templateOf(c.from)
		}
		if c != nil {
			used[i].To = c.to.Name
		}
	}
	return used
}

// Hash tells mappings apart that would write different things for the same
// rows: table, mode, key, filter, how cells are read and each column's rule. Which
// columns the file has, and in which order, does not count: what each row says of
// them is in its mark, and a file of JSON has those that its rows happen to name.
func (m *Mapping) Hash() string {
	var rules []string
	for _, rule := range m.dest.Columns {
		rule.Line, rule.PII = 0, false
		text, _ := json.Marshal(rule) // of texts and flags: always marshals
		rules = append(rules, string(text))
	}
	slices.Sort(rules)
	text, _ := json.Marshal([]any{"mapping/3", m.table.Name, m.dest.Mode, m.dest.Key, m.dest.MatchOn, m.filter, m.dest.Values, rules})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Key is the normalised key of the last mapped row: equal for rows that the
// database takes for one record (rules I5, I6). It is empty for rows without a
// key of their own (append) and for rejected rows whose key cannot be read; a
// row that is rejected for another column has it (rule D4). Valid until the next
// call of Map.
func (m *Mapping) Key() []byte { return m.norm }

// Map renders a row. Either it fills op and returns nil, or it returns why the
// row is rejected: the first thing wrong with it. op shares memory with m and
// is valid until the next call.
func (m *Mapping) Map(r *row.Row, op *dataverse.Operation) *row.Reject {
	m.set, m.parts, m.ends, m.norm = m.set[:0], m.parts[:0], m.ends[:0], m.norm[:0]
	m.links, m.listed = m.links[:0], false
	if r.Reject != nil {
		return r.Reject
	}
	*op = dataverse.Operation{Row: r.Number, Line: r.Line, Do: m.do, Key: op.Key[:0]}
	if reject := m.mapKey(r, op); reject != nil {
		m.norm = m.norm[:0]
		return reject
	}
	if m.bare = true; m.brief() {
		if reject := m.listColumns(r); reject != nil {
			return reject
		}
		return m.mapApart(r, op)
	}
	m.set = append(append(m.set, '{'), m.fixed...)
	if m.do != dataverse.Delete {
		if reject := m.mapColumns(r); reject != nil {
			return reject
		}
		end := len(m.set)
		if reject := m.mapApart(r, op); reject != nil {
			return reject
		}
		m.bare = len(m.set) == end
	}
	m.set = append(m.set, '}')
	op.Set = m.set
	return nil
}

// mapColumns renders what stands in Set as one member for one cell, and notes where the values are.
func (m *Mapping) mapColumns(r *row.Row) *row.Reject {
	for i, c := range m.laid {
		before := len(m.set)
		set, p := m.member(m.set, c, r)
		if p != nil {
			return c.reject(r, p)
		}
		m.set, m.extents[i] = set, extent{}
		if len(set) > before {
			if set[before] == ',' {
				before++
			}
			m.extents[i] = extent{before + len(c.prefix), len(set)}
		}
	}
	return nil
}

// member appends a column and its value to the members of a JSON object; nothing where the row says nothing.
func (m *Mapping) member(dst []byte, c *column, r *row.Row) ([]byte, *problem) {
	before := len(dst)
	if dst[before-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, c.prefix...)
	start := len(dst)
	dst, p := m.value(dst, c, r)
	if len(dst) == start {
		dst = dst[:before]
	}
	return dst, p
}

// value appends the value of a column; nothing where the row says nothing.
func (m *Mapping) value(dst []byte, c *column, r *row.Row) ([]byte, *problem) {
	start, p := len(dst), none
	if cell := c.filled(r); cell != nil {
		dst, p = c.convert(dst, *cell)
	} else {
		cell, null := m.cell(c, r)
		if cell.Kind == row.Absent {
			return dst, nil
		}
		if !null {
			dst, p = c.render(dst, cell)
		}
	}
	switch {
	case p == nil:
		return dst, nil
	case p != none:
		return dst[:start], p
	case m.nulls(c) == config.ClearNulls:
		return append(dst[:start], "null"...), nil
	}
	return dst[:start], nil
}

// filled is the file's cell where it has a value to convert just as it is, as most cells have; nil
// where that takes a closer look.
func (c *column) filled(r *row.Row) *row.Cell {
	if c.source != nil || c.fixed != nil || uint(c.index) >= uint(len(r.Cells)) {
		return nil
	}
	cell := &r.Cells[c.index]
	if cell.Kind != row.Text || len(cell.Text) == 0 || !c.isText && !dark(cell.Text[0]) {
		return nil
	}
	return cell
}

// nulls is what an empty cell of a column does.
func (m *Mapping) nulls(c *column) config.Nulls {
	if c.rule != nil && c.rule.Nulls != "" {
		return c.rule.Nulls
	}
	return m.dest.Values.Nulls
}

// mapApart renders what is not one member for one cell.
func (m *Mapping) mapApart(r *row.Row, op *dataverse.Operation) *row.Reject {
	if len(m.parties) > 0 {
		if reject := m.mapParties(r, op); reject != nil {
			return reject
		}
	}
	if len(m.linked) > 0 || m.state.known() {
		if reject := m.mapSecondPass(r, op); reject != nil {
			return reject
		}
	}
	if len(m.joined) > 0 {
		return m.mapAssociations(r, op)
	}
	return nil
}

// mapKey renders the columns that identify the record.
func (m *Mapping) mapKey(r *row.Row, op *dataverse.Operation) *row.Reject {
	if m.partition != nil {
		if reject := m.mapPartition(r, op); reject != nil {
			return reject
		}
	}
	for _, c := range m.key {
		start := len(m.parts)
		p := none
		if cell := c.filled(r); cell != nil {
			m.parts, p = c.convert(m.parts, *cell)
		} else if cell, null := m.cell(c, r); !null {
			m.parts, p = c.render(m.parts, cell)
		}
		if p == none {
			if m.do == dataverse.Create {
				return nil
			}
			return c.reject(r, complain(KeyMissing, "the cell is empty, and without it the record cannot be found: fill it in"))
		}
		if p != nil {
			return c.reject(r, p)
		}
		m.ends = append(m.ends, len(m.parts))
		if !m.normalise(c, m.parts[start:]) {
			return c.reject(r, complain(KeyMissing, "the cell holds nothing but spaces, and without it the record cannot be found: fill it in"))
		}
	}
	m.placeKey(op)
	return nil
}

// normalise appends a rendered part to the normalised key, and tells whether anything is left of it.
func (m *Mapping) normalise(c *column, rendered []byte) bool {
	if len(m.key) == 1 {
		m.norm = c.normalised(m.norm, rendered)
		return len(m.norm) > 0
	}
	m.scratch = c.normalised(m.scratch[:0], rendered)
	m.norm = appendPart(m.norm, m.scratch)
	return len(m.scratch) > 0
}

// placeKey hands the rendered parts over once their buffer does not move any more.
func (m *Mapping) placeKey(op *dataverse.Operation) {
	if m.byID && len(m.ends) > 0 {
		op.ID = string(bytes.Trim(m.parts, `"`))
		m.norm = InPartition(m.norm, op.ID, op.Partition)
		return
	}
	start := 0
	for i, end := range m.ends {
		op.Key = append(op.Key, dataverse.KeyPart{Column: m.key[i].to.Name, Value: m.parts[start:end:end]})
		start = end
	}
}

func cellAt(r *row.Row, i int) row.Cell {
	if i < 0 || i >= len(r.Cells) {
		return row.Cell{}
	}
	return r.Cells[i]
}

// null tells whether a cell has no value. An empty text is none, for CSV knows
// no other null; so is white space where the column holds no text.
func (c *column) null(cell row.Cell) bool {
	switch cell.Kind {
	case row.Absent, row.Null:
		return true
	case row.Text:
		return len(cell.Text) == 0 || !c.isText && !dark(cell.Text[0]) && len(bytes.TrimSpace(cell.Text)) == 0
	}
	return false
}

// dark tells whether a byte certainly is no white space, nor part of any.
func dark(b byte) bool { return b > ' ' && b < utf8.RuneSelf }

func (c *column) render(dst []byte, cell row.Cell) ([]byte, *problem) {
	if cell.Kind == row.Nested {
		return dst, complain(NestedValue, "the cell is a JSON object or array, and the column takes one plain value")
	}
	if cell.Kind == configured {
		return append(dst, c.source.rendered...), nil
	}
	return c.convert(dst, cell)
}

// normalised is a part of the key as the database compares it: texts by
// NormaliseKey, anything else by its rendered form, which is canonical.
func (c *column) normalised(dst, rendered []byte) []byte {
	switch {
	case !c.isText:
		return append(dst, rendered...)
	case bytes.IndexByte(rendered, '\\') < 0:
		return appendNormalised(dst, rendered[1:len(rendered)-1])
	}
	return appendNormalised(dst, []byte(unquoted(rendered)))
}

func (c *column) reject(r *row.Row, p *problem) *row.Reject {
	return &row.Reject{Row: r.Number, Line: r.Line, Column: c.from, Code: p.code, Message: p.message}
}

// names joins quoted names for a message, the first of many.
func names(list []string) string {
	const most = 20
	var quoted []string
	for i, s := range list {
		if i == most {
			quoted = append(quoted, "…")
			break
		}
		quoted = append(quoted, fmt.Sprintf("%q", s))
	}
	return strings.Join(quoted, ", ")
}
