package mapping

import (
	"bytes"
	"iter"

	"penstock/internal/row"
)

// each gives the values of a cell that lists several, without white space around them and without empty ones.
func (c *column) each(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for part := range bytes.SplitSeq(text, c.separator()) {
			if part = bytes.TrimSpace(part); len(part) > 0 && !yield(part) {
				return
			}
		}
	}
}

// eachRecord renders the records that a row's cell lists, one after the other.
func (m *Mapping) eachRecord(c *column, r *row.Row, take func(rendered []byte)) *row.Reject {
	cell, null := m.cell(c, r)
	if null {
		return nil
	}
	if cell.Kind == row.Nested {
		return c.reject(r, complain(NestedValue, "the cell is a JSON object or array, and the column takes a text with %q between the records", string(c.separator())))
	}
	for part := range c.each(cell.Text) {
		var p *problem
		m.scratch, p = c.convert(m.scratch[:0], row.Cell{Kind: row.Text, Text: part})
		if p == none {
			continue
		}
		if p != nil {
			return c.reject(r, p)
		}
		take(m.scratch)
	}
	return nil
}

// separator stands between the values of a cell that lists several.
func (c *column) separator() []byte {
	if s := c.ruled().Separator; s != "" {
		return []byte(s)
	}
	return []byte(";")
}
