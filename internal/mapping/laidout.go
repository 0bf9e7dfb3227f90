package mapping

import (
	"slices"
	"strings"

	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// A Layout is what the Sets of rows have in common: members that the filter
// fixes, and names in an order that does not change. Whoever stores many rows
// stores it once, and of each row its values.
type Layout struct {
	Fixed string   // `"statecode":0`, members of every Set; may be empty
	Names []string // `"firstname":`, one for each value of Values
}

// Nothing stands among values for that of a column of which the row says nothing. No column has such a value.
const Nothing = "{}"

// extent is a part of Set. An empty one is that of a column of which the row says nothing.
type extent struct{ from, to int }

// Layout is how the Sets of rows are laid out that are mapped from now on, until Extend.
func (m *Mapping) Layout() Layout {
	l := Layout{Fixed: string(m.fixed), Names: make([]string, len(m.laid))}
	for i, c := range m.laid {
		l.Names[i] = string(c.prefix)
	}
	return l
}

// Values are those of the last mapped row in the order of Layout, with commas between them. It is false for
// a row that has more in its Set than Layout says: parties, a state. Valid until the next call of Map.
func (m *Mapping) Values() (list []byte, all bool) {
	if m.listed || !m.bare {
		return m.list, m.bare
	}
	m.list, m.listed = m.list[:0], true
	for i, v := range m.extents {
		if i > 0 {
			m.list = append(m.list, ',')
		}
		if v.from == v.to {
			m.list = append(m.list, Nothing...)
		} else {
			m.list = append(m.list, m.set[v.from:v.to]...)
		}
	}
	return m.list, true
}

// brief tells whether Set may be left out: nobody asks for it, and nothing can stand in it but what is laid.
func (m *Mapping) brief() bool {
	return m.Brief && len(m.parties) == 0 && len(m.linked) == 0 && !m.state.known()
}

// listColumns renders the values of a row without the names that all rows have in common.
func (m *Mapping) listColumns(r *row.Row) *row.Reject {
	list := m.list[:0]
	for i, c := range m.laid {
		if i > 0 {
			list = append(list, ',')
		}
		start := len(list)
		var p *problem
		if list, p = m.value(list, c, r); p != nil {
			m.list = list
			return c.reject(r, p)
		}
		if len(list) == start {
			list = append(list, Nothing...)
		}
	}
	m.list, m.listed = list, true
	return nil
}

// arrange finds the columns that are one member of Set for one cell. They have the
// file's order, in which its reader looks for what is wrong; where rows are
// compared with earlier files' they have the same order for every file (rule H1).
func (m *Mapping) arrange() {
	m.laid = m.laid[:0:0]
	for _, c := range slices.Concat(m.columns, m.made) {
		if c.to != nil && !c.isKey && !c.apart && m.do != dataverse.Delete {
			m.laid = append(m.laid, c)
		}
	}
	if m.dest.OnlyChanges {
		slices.SortStableFunc(m.laid, func(a, b *column) int { return strings.Compare(a.to.Name, b.to.Name) })
	}
	m.extents = make([]extent, len(m.laid))
}
