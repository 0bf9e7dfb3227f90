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

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// Mapping maps the rows of one file to one table. It belongs to one goroutine.
type Mapping struct {
	dest  *config.Destination
	table *dataverse.Table
	open  bool // more columns may follow, and a row may lack some
	do    dataverse.Verb

	columns []*column // aligned with the file's; nil where one is skipped
	key     []*column // in the order of the table's key; the primary id alone; or empty
	byID    bool      // the key is the primary id

	// Buffers of the last mapped row.
	set     []byte
	parts   []byte
	ends    []int // of the parts
	norm    []byte
	scratch []byte
}

// column is one column of the file and how it gets into the table's.
type column struct {
	from    string
	index   int // in the file; -1 while it has not been seen
	to      *dataverse.Column
	rule    *config.Column // nil without a section columns
	prefix  []byte         // `"firstname":`
	convert convert
	isText  bool // white space is a value
	isKey   bool // goes into the key, not into Set
}

// convert appends a cell's value as JSON, or says what is wrong with it. It is never called with a null.
type convert func(dst []byte, cell row.Cell) ([]byte, *problem)

// problem is why a cell cannot be converted.
type problem struct{ code, message string }

func complain(code, format string, args ...any) *problem {
	return &problem{code, fmt.Sprintf(format, args...)}
}

// Used is a column of the file and the table's column that it leads to; To is empty for one that is skipped.
type Used struct{ From, To string }

// Columns lists what becomes of the file's columns, in their order.
func (m *Mapping) Columns() []Used {
	used := make([]Used, len(m.columns))
	for i, c := range m.columns {
		used[i].From = c.from
		if c.to != nil {
			used[i].To = c.to.Name
		}
	}
	return used
}

// Hash tells mappings apart that would write different things for the same
// rows: table, mode, key, null policy and each column's rule. The order of the
// file's columns does not count.
func (m *Mapping) Hash() string {
	var rules []string
	for _, c := range m.columns {
		if c.to == nil {
			continue
		}
		rule := config.Column{}
		if c.rule != nil {
			rule = *c.rule
		}
		rules = append(rules, fmt.Sprintf("%q %q %q %q %q %t", c.from, c.to.Name, c.to.Type, rule.Choice, rule.Table, rule.Round))
	}
	slices.Sort(rules)
	text, _ := json.Marshal([]any{"mapping/1", m.table.Name, m.dest.Mode, m.dest.Key, m.dest.Nulls, rules}) // strings always marshal
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Key is the normalised key of the last mapped row: equal for rows that the
// database takes for one record (rules I5, I6). It is empty for rows without a
// key of their own (append), and valid until the next call of Map.
func (m *Mapping) Key() []byte { return m.norm }

// Map renders a row. Either it fills op and returns nil, or it returns why the
// row is rejected: the first thing wrong with it. op shares memory with m and
// is valid until the next call.
func (m *Mapping) Map(r *row.Row, op *dataverse.Operation) *row.Reject {
	if r.Reject != nil {
		return r.Reject
	}
	m.set, m.parts, m.ends, m.norm = m.set[:0], m.parts[:0], m.ends[:0], m.norm[:0]
	*op = dataverse.Operation{Row: r.Number, Line: r.Line, Do: m.do, Key: op.Key[:0]}
	if reject := m.mapKey(r, op); reject != nil {
		return reject
	}
	m.set = append(m.set, '{')
	for i, c := range m.columns {
		if c.to == nil || c.isKey {
			continue
		}
		cell := cellAt(r, i)
		null := c.null(cell)
		if cell.Kind == row.Absent || null && m.dest.Nulls != config.ClearNulls {
			continue
		}
		if len(m.set) > 1 {
			m.set = append(m.set, ',')
		}
		m.set = append(m.set, c.prefix...)
		if null {
			m.set = append(m.set, "null"...)
			continue
		}
		var p *problem
		if m.set, p = c.render(m.set, cell); p != nil {
			return c.reject(r, p)
		}
	}
	m.set = append(m.set, '}')
	op.Set = m.set
	return nil
}

// mapKey renders the columns that identify the record.
func (m *Mapping) mapKey(r *row.Row, op *dataverse.Operation) *row.Reject {
	for _, c := range m.key {
		cell := cellAt(r, c.index)
		if c.null(cell) {
			if m.do == dataverse.Create {
				return nil
			}
			return c.reject(r, complain(KeyMissing, "the cell is empty, and without it the record cannot be found: fill it in"))
		}
		start := len(m.parts)
		var p *problem
		if m.parts, p = c.render(m.parts, cell); p != nil {
			return c.reject(r, p)
		}
		m.ends = append(m.ends, len(m.parts))
		m.scratch = c.normalised(m.scratch[:0], cell, m.parts[start:])
		if len(m.scratch) == 0 {
			return c.reject(r, complain(KeyMissing, "the cell holds nothing but spaces, and without it the record cannot be found: fill it in"))
		}
		if len(m.key) == 1 {
			m.norm = append(m.norm, m.scratch...)
		} else {
			m.norm = appendPart(m.norm, m.scratch)
		}
	}
	m.placeKey(op)
	return nil
}

// placeKey hands the rendered parts over once their buffer does not move any more.
func (m *Mapping) placeKey(op *dataverse.Operation) {
	if m.byID && len(m.ends) > 0 {
		op.ID = string(bytes.Trim(m.parts, `"`))
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
		return len(cell.Text) == 0 || !c.isText && len(bytes.TrimSpace(cell.Text)) == 0
	}
	return false
}

func (c *column) render(dst []byte, cell row.Cell) ([]byte, *problem) {
	if cell.Kind == row.Nested {
		return dst, complain(NestedValue, "the cell is a JSON object or array, and the column takes one plain value")
	}
	return c.convert(dst, cell)
}

// normalised is a part of the key as the database compares it: texts by
// NormaliseKey, anything else by its rendered form, which is canonical.
func (c *column) normalised(dst []byte, cell row.Cell, rendered []byte) []byte {
	if c.isText {
		return appendNormalised(dst, cell.Text)
	}
	return append(dst, rendered...)
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
