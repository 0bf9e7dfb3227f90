package mapping

import (
	"slices"
	"strings"

	"penstock/internal/dataverse"
)

// A Layout is what the Sets of rows have in common: members that the filter
// fixes, and names in an order that does not change. Whoever stores many rows
// stores it once, and of each row its values.
type Layout struct {
	Fixed string   // `"statecode":0`, members of every Set; may be empty
	Names []string // `"firstname":`, one for each value of Values
}

// Extent is a part of Set. An empty one is that of a column of which the row says nothing.
type Extent struct{ From, To int }

// Layout is how the Sets of rows are laid out that are mapped from now on, until Extend.
func (m *Mapping) Layout() Layout {
	l := Layout{Fixed: string(m.fixed), Names: make([]string, len(m.laid))}
	for i, c := range m.laid {
		l.Names[i] = string(c.prefix)
	}
	return l
}

// Values are where in Set the values of the last mapped row are. It is false for
// a row that has more in its Set than Layout says: parties, a state. Valid until
// the next call of Map.
func (m *Mapping) Values() ([]Extent, bool) { return m.extents, m.bare }

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
	m.extents = make([]Extent, len(m.laid))
}
