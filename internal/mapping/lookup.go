package mapping

import (
	"encoding/json"
	"fmt"
	"slices"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/near"
	"penstock/internal/row"
)

// reference is how the cells of a column name records by a column of their table.
type reference struct {
	table   *dataverse.Table
	column  *dataverse.Column
	convert convert
	missing config.Missing
	// direct: the record may come with this very file, so that only the service can
	// find it, by an alternate key, in the link phase.
	direct bool
	// gone: the table is cleared first, so what is in it now is no answer.
	gone bool
}

// finishLookup gives a lookup its converter, and a lookup of the key one that gives the bare id.
func (m *Mapping) finishLookup(c *column, target *dataverse.Target) error {
	c.self = target.Table == m.table.Name
	var err error
	if c.by, err = m.reference(c, target.Table); err != nil {
		return err
	}
	if c.isKey {
		c.convert = m.records(c.by, `"`, "", `"`)
	} else {
		c.convert = m.records(c.by, `"/`, target.Set, `"`)
	}
	return nil
}

// reference prepares to find records by the column that a rule names; nil is by id.
func (m *Mapping) reference(c *column, table string) (*reference, error) {
	rule := c.ruled()
	again := c.convert != nil // a copy of a finished column asks nobody
	if rule.By == "" || rule.By == "id" || again && c.by == nil {
		return nil, nil
	}
	t, err := m.other(c, table)
	if err != nil || rule.By == t.PrimaryID {
		return nil, err
	}
	to := t.Column(rule.By)
	if to == nil {
		problem := refuse(UnknownColumn, c.from, "records of table %s are to be found by %q, and the table has no such column", t.Name, rule.By)
		if like := near.Name(rule.By, columnsOf(t)); like != "" {
			return nil, problem.Advise("did you mean %q?", like)
		}
		return nil, problem.Advise("correct by: a column of table %s, or id", t.Name)
	}
	ref := &reference{table: t, column: to, missing: rule.Missing}
	found := &column{from: c.from, to: to, isKey: true}
	switch ref.convert, _ = m.converter(found, m.valuesOf(c)); {
	case !slices.Contains(findable, to.Type):
		return nil, refuse(WrongOption, c.from, "records cannot be found by %s, which has the type %s", to.Name, to.Type).Advise("choose another column of table %s", t.Name)
	case ref.convert == nil: // a lookup
		ref.convert = guids(`"`, `"`, true)
	}
	if !c.self {
		return ref, nil
	}
	ref.gone = m.dest.Mode == config.Truncate
	key := t.Key([]string{to.Name})
	ref.direct = !c.isKey && m.do != dataverse.Update && key != nil && key.Status == "Active"
	if ref.gone && !ref.direct {
		return nil, refuse(LookupNotKey, c.from, "table %s is cleared first, and records of the same file can only be named by id or by an active alternate key, which %s is not", t.Name, to.Name).
			Advise("choose another column for by, or define an alternate key over %s", to.Name)
	}
	return ref, nil
}

// other is the table that records are named from.
func (m *Mapping) other(c *column, table string) (*dataverse.Table, error) {
	switch {
	case c.by != nil && c.by.table.Name == table:
		return c.by.table, nil
	case table == m.table.Name:
		return m.table, nil
	case m.world == nil:
		return nil, refuse(WrongOption, c.from, "table %s is not known here, so its records can only be named by id", table).Advise("remove by")
	}
	t, err := m.world.Table(table)
	if err != nil {
		return nil, fmt.Errorf("column %q names records of another table: %w", c.from, err)
	}
	return t, nil
}

func columnsOf(t *dataverse.Table) []string {
	list := make([]string, len(t.Columns))
	for i := range t.Columns {
		list[i] = t.Columns[i].Name
	}
	return list
}

// records converts a cell to the address of the record that it names, accounts(GUID),
// between open and shut. Without an entity set it is the bare id.
func (m *Mapping) records(ref *reference, open, set, shut string) convert {
	before, after := open, shut
	if set != "" {
		before, after = open+set+"(", ")"+shut
	}
	if ref == nil {
		return guids(before, after, true)
	}
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		var p *problem
		if m.question, p = ref.convert(m.question[:0], cell); p != nil {
			return dst, p
		}
		if ref.direct {
			if address, ok := ref.address(m.question); ok {
				return append(append(append(dst, open...), address...), shut...), nil
			}
		}
		id, p := m.find(ref, m.question, cell)
		if p != nil {
			return dst, p
		}
		return append(append(append(dst, before...), id...), after...), nil
	}
}

// address is the record by alternate key, where the value can stand in a URL (rule I5).
func (ref *reference) address(value json.RawMessage) (string, bool) {
	return ref.table.Reference([]dataverse.KeyPart{{Column: ref.column.Name, Value: value}})
}

// find asks which record is meant, or says why there is no answer.
func (m *Mapping) find(ref *reference, value json.RawMessage, cell row.Cell) (string, *problem) {
	var ids []string
	if m.Find != nil && !ref.gone {
		ids = m.Find(Reference{Table: ref.table, Column: ref.column.Name, Value: value})
	}
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return "", complain(LookupAmbiguous, "several records of table %s have the %s %q: name one by a column that tells them apart, or by id", ref.table.Name, ref.column.Name, shown(cell.Text))
	case ref.missing == config.MissingEmpty:
		return "", none
	case ref.direct:
		return "", complain(LookupNotAddressable, "no record of table %s had the %s %q before this file, and one that comes with the file cannot be named by a value with any of / < > * %% & : \\ ? + #: name it by id", ref.table.Name, ref.column.Name, shown(cell.Text))
	}
	if ref.table == m.table && m.do != dataverse.Update {
		return "", complain(LookupNotFound, "no record of table %s had the %s %q before this file, and one that comes with the file is only found by id or by an active alternate key: correct the cell, or name it by one", ref.table.Name, ref.column.Name, shown(cell.Text))
	}
	return "", complain(LookupNotFound, "no record of table %s has the %s %q: load it first, or correct the cell", ref.table.Name, ref.column.Name, shown(cell.Text))
}

// References tells which records a row names by other than their id. The caller
// looks for them, for many rows at once, before it maps the row. A cell that
// cannot be read names none: Map says what is wrong with it.
func (m *Mapping) References(r *row.Row, want func(Reference)) {
	if len(m.named) == 0 || r.Reject != nil {
		return
	}
	for _, c := range m.named {
		cell, null := m.cell(c, r)
		if c.by.gone || null || cell.Kind == row.Nested {
			continue
		}
		if !c.isList() {
			c.by.ask(cell, want)
			continue
		}
		for part := range c.each(cell.Text) {
			c.by.ask(row.Cell{Kind: row.Text, Text: part}, want)
		}
	}
}

// ask tells of the record that a cell names, unless only the service can find it.
func (ref *reference) ask(cell row.Cell, want func(Reference)) {
	value, p := ref.convert(nil, cell)
	if p != nil {
		return
	}
	if ref.direct {
		if _, ok := ref.address(value); ok {
			return
		}
	}
	want(Reference{Table: ref.table, Column: ref.column.Name, Value: value})
}
