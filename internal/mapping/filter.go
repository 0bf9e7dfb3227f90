package mapping

import (
	"slices"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/row"
)

// Filter is the destination's, with typed constants: which records are ours.
func (m *Mapping) Filter() dataverse.Filter { return m.filter }

// filtered tells whether the filter gives a column its value in every row.
func (m *Mapping) filtered(name string) bool {
	return slices.ContainsFunc(m.dest.Filter, func(f config.Constant) bool { return f.Column == name })
}

// compileFilter reads the filter's constants and has every row write them: what
// is loaded is ours then, so that a later run finds it under the same filter. Rule D2.
func (m *Mapping) compileFilter() (all []error) {
	for _, f := range m.dest.Filter {
		if err := m.promise(f); err != nil {
			all = append(all, err)
		}
	}
	return all
}

func badFilter(f config.Constant, format string, args ...any) *fault.Error {
	return refuse(BadFilter, f.Column, "the destination's filter "+format, args...)
}

// promise has every row write one constant of the filter.
func (m *Mapping) promise(f config.Constant) error {
	if m.inPartitions() && f.Column == partitionID {
		return m.promisePartition(f)
	}
	to := m.table.Column(f.Column)
	switch {
	case f.Column == m.table.PrimaryID:
		return badFilter(f, "names the primary id, which differs in every record").Advise("name columns that say whose the records are")
	case to == nil:
		problem := badFilter(f, "names a column that table %s does not have", m.table.Name)
		if like := m.nearest(f.Column); like != "" {
			return problem.Advise("did you mean %q?", like)
		}
		return problem.Advise("correct the filter")
	case !slices.Contains(findable, to.Type):
		return badFilter(f, "names a column of the type %s, by which records cannot be chosen", to.Type).Advise("choose another column")
	}
	cell := &row.Cell{Kind: row.Text, Text: []byte(f.Value)}
	if f.Null {
		cell = &row.Cell{Kind: row.Null}
	}
	c := &column{from: f.Column, index: -1, to: to, fixed: cell, matched: m.matches(f.Column)}
	part := dataverse.KeyPart{Column: f.Column, Value: []byte("null")}
	if !f.Null {
		value, err := m.constant(f, to, *cell)
		if err != nil {
			return err
		}
		part.Value = value
	}
	m.filter = append(m.filter, part)
	if at := slices.IndexFunc(m.key, func(k *column) bool { return k.to.Name == f.Column }); at >= 0 {
		if err := m.promiseKey(f, m.key[at], cell); err != nil || !m.inSet() {
			return err
		}
	}
	if m.do == dataverse.Delete {
		return nil
	}
	return m.promiseColumn(f, c)
}

// matches tells whether records are found by a column that no key covers.
func (m *Mapping) matches(name string) bool { return slices.Contains(m.dest.MatchOn, name) }

// constant is a value of the filter as the service compares it: of a lookup the bare id.
func (m *Mapping) constant(f config.Constant, to *dataverse.Column, cell row.Cell) ([]byte, error) {
	convert, _ := m.converter(&column{from: f.Column, index: -1, to: to, isKey: true}, m.values.configured())
	if convert == nil { // a lookup
		convert = guids(`"`, `"`, true)
	}
	value, p := convert(nil, cell)
	if p != nil {
		return nil, badFilter(f, "has a constant that does not suit the column: %s", p.message).Advise("correct the filter")
	}
	if string(value) == `""` {
		return nil, badFilter(f, "has an empty constant").Advise("null is for records without a value")
	}
	return value, nil
}

// promiseKey lets a constant be a part of the key that no column of the file has.
func (m *Mapping) promiseKey(f config.Constant, k *column, cell *row.Cell) error {
	if f.Null {
		return badFilter(f, "wants no value in a column of the key").Advise("a record without it cannot be found by the key: choose another column")
	}
	k.fixed = cell
	return m.settle(k)
}

// promiseColumn puts a constant where rows write it.
func (m *Mapping) promiseColumn(f config.Constant, c *column) error {
	isState := c.to.Type == dataverse.State || c.to.Type == dataverse.Status
	switch {
	case isState && f.Null:
		return badFilter(f, "wants no value in %s, and every record has one", f.Column).Advise("correct the filter")
	case c.isLookup() && len(c.to.Targets) > 1 && c.to.Type != dataverse.Owner:
		return badFilter(f, "names %s, a lookup to several tables, and cannot say to which", f.Column).Advise("choose another column")
	case f.Null && m.do == dataverse.Create:
		return nil // new records have no value there
	}
	if err := m.finish(c); err != nil {
		return err
	}
	if isState {
		c.fixed.Text, _ = c.convert(nil, *c.fixed)
		m.place(c)
		return nil
	}
	if len(m.fixed) > 0 {
		m.fixed = append(m.fixed, ',')
	}
	m.fixed = append(m.fixed, c.prefix...)
	if f.Null {
		m.fixed = append(m.fixed, "null"...)
		return nil
	}
	m.fixed, _ = c.convert(m.fixed, *c.fixed) // constant has converted it already
	return nil
}

// promisePartition keeps all records of an elastic table in one partition.
func (m *Mapping) promisePartition(f config.Constant) error {
	if f.Null || f.Value == "" || len(f.Value) > maxPartition {
		return badFilter(f, "names no partition that there can be").Advise("a text of at most %d bytes", maxPartition)
	}
	c := &column{from: f.Column, index: -1, to: m.partitionColumn(), fixed: &row.Cell{Kind: row.Text, Text: []byte(f.Value)}}
	if err := m.settle(c); err != nil {
		return err
	}
	m.filter = append(m.filter, dataverse.KeyPart{Column: f.Column, Value: appendString(nil, c.fixed.Text)})
	return nil
}
