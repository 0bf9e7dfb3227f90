package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/near"
)

// Compile checks a destination's columns against the file's and the live table,
// and returns everything that is wrong at once (errors.Join of faults), each
// naming a column and a cure.
//
// Without a section columns a header is a logical name; its letter case does
// not count, because logical names are lower case and people write
// EmailAddress1. With the section, headers are matched exactly.
//
// Without any columns the file's are not known yet (JSON Lines): Extend tells
// them as they come, and a row may lack some.
func Compile(dest *config.Destination, table *dataverse.Table, columns []string) (*Mapping, error) {
	m := &Mapping{dest: dest, table: table, open: len(columns) == 0, do: dataverse.Create}
	if dest.Mode == config.Upsert {
		m.do = dataverse.Upsert
	}
	var all []error
	all = append(all, m.compileKey()...)
	all = append(all, m.add(columns)...)
	all = append(all, m.missing(columns)...)
	if len(all) == 0 && !m.open && !slices.ContainsFunc(m.columns, func(c *column) bool { return c.to != nil }) {
		all = append(all, fault.New(fault.Refused, NoColumns, "no column of the file leads to the table").Advise("map at least one"))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return m, nil
}

// Extend takes the file's columns when there are more of them than before: the
// old ones come first, in their order.
func (m *Mapping) Extend(columns []string) error {
	return errors.Join(m.add(columns[len(m.columns):])...)
}

// refuse is a fault about one column of the file.
func refuse(code, column, format string, args ...any) *fault.Error {
	return fault.New(fault.Refused, code, format, args...).At("", 0, column)
}

// compileKey finds out what identifies a record.
func (m *Mapping) compileKey() (all []error) {
	t, key := m.table, m.dest.Key
	switch {
	case m.do == dataverse.Create:
		// The file may bring its own ids.
		m.key, m.byID = []*column{m.keyColumn(t.PrimaryID)}, true
		return nil
	case len(key) == 1 && key[0] == t.PrimaryID:
		m.key, m.byID = []*column{m.keyColumn(t.PrimaryID)}, true
		return nil
	}
	found := t.Key(key)
	switch {
	case found == nil:
		return []error{fault.New(fault.Refused, KeyUnknown, "table %s has no alternate key over %s", t.Name, names(key)).Advise("%s", keyAdvice(t))}
	case found.Status != "Active":
		return []error{fault.New(fault.Refused, KeyInactive, "the index of the alternate key %s of table %s is not active but %s", found.Name, t.Name, found.Status).
			Advise("wait until it is built, or reactivate it in the maker portal; it fails while the table holds duplicates")}
	}
	for _, name := range found.Columns {
		c := m.keyColumn(name)
		if c == nil {
			all = append(all, refuse(UnknownColumn, name, "it belongs to the key, and table %s has no such column", t.Name))
			continue
		}
		m.key = append(m.key, c)
	}
	return all
}

func keyAdvice(t *dataverse.Table) string {
	advice := "name the primary id " + t.PrimaryID
	for _, k := range t.Keys {
		if k.Status != "Active" {
			continue
		}
		advice += fmt.Sprintf(", or [%s]", strings.Join(k.Columns, ", "))
	}
	return advice
}

// keyColumn prepares a column of the key; the file's column follows in bind.
func (m *Mapping) keyColumn(name string) *column {
	c := &column{from: name, index: -1, to: m.table.Column(name), isKey: true}
	if rule := m.ruleTo(name); rule != nil {
		c.from = rule.From
	}
	switch {
	case name == m.table.PrimaryID:
		id := dataverse.Column{Name: name, ForCreate: true}
		if c.to != nil {
			id = *c.to
		}
		id.Type = dataverse.Uniqueidentifier
		c.to = &id
	case c.to == nil:
		return nil
	}
	return c
}

// add binds further columns of the file.
func (m *Mapping) add(columns []string) (all []error) {
	for _, from := range columns {
		c, err := m.bind(from)
		if err != nil {
			all = append(all, err)
		}
		if c == nil {
			c = &column{from: from}
		}
		m.columns = append(m.columns, c)
	}
	return all
}

// bind decides where one column of the file goes: nil means nowhere.
func (m *Mapping) bind(from string) (*column, error) {
	name, rule, err := m.destined(from)
	if err != nil || name == "" {
		return nil, err
	}
	for _, other := range m.columns {
		if other.from == from || other.to != nil && other.to.Name == name {
			return nil, refuse(DuplicateColumn, from, "the file has a second column for %s, beside %q", name, other.from).
				Advise("keep one of them")
		}
	}
	to := m.table.Column(name)
	for _, k := range m.key {
		if k.to.Name == name {
			k.from, k.index, k.rule = from, len(m.columns), rule
			return k, m.finish(k)
		}
	}
	if to == nil {
		return nil, m.unknown(from, name)
	}
	if name == m.table.PrimaryID {
		return nil, refuse(NotWritable, from, "it leads to the primary id %s, but records are found by %s", name, names(m.dest.Key)).
			Advise("say key: %s, or %s", name, skipIt)
	}
	c := &column{from: from, index: len(m.columns), to: to, rule: rule}
	return c, m.finish(c)
}

// destined is the logical name that a column of the file leads to; "" when it is skipped.
func (m *Mapping) destined(from string) (string, *config.Column, error) {
	if m.dest.Columns == nil {
		return strings.ToLower(from), nil, nil
	}
	configured := make([]string, len(m.dest.Columns))
	for i := range m.dest.Columns {
		rule := &m.dest.Columns[i]
		if rule.From == from {
			return rule.To, rule, nil
		}
		configured[i] = rule.From
	}
	problem := refuse(UnmappedColumn, from, "the file has this column, and the destination's columns do not mention it")
	if like := near.Name(from, configured); like != "" {
		return "", nil, problem.Advise("did you mean %q? Otherwise map it, or ignore it: {skip: true}", like)
	}
	return "", nil, problem.Advise("map it, or ignore it: {skip: true}")
}

func (m *Mapping) unknown(from, name string) error {
	problem := refuse(UnknownColumn, from, "table %s has no column %q", m.table.Name, name)
	cure := "correct the name, or describe the file in the destination's columns, where {skip: true} ignores a column"
	if like := m.nearest(name); like != "" {
		return problem.Advise("did you mean %q? Otherwise %s", like, cure)
	}
	return problem.Advise("%s", cure)
}

// nearest looks among the columns that can be written. _x_value is how a lookup x is read.
func (m *Mapping) nearest(name string) string {
	if inner, ok := strings.CutPrefix(name, "_"); ok {
		name = strings.TrimSuffix(inner, "_value")
	}
	var known []string
	for _, c := range m.table.Columns {
		if !c.Derived && (c.ForCreate || c.ForUpdate) {
			known = append(known, c.Name)
		}
	}
	return near.Name(name, known)
}

// missing reports columns that the configuration or the key needs and the file lacks.
func (m *Mapping) missing(columns []string) (all []error) {
	has := "map a column of the file to it"
	if !m.open {
		has = "the file has " + names(columns)
	}
	for _, rule := range m.dest.Columns {
		if m.open || rule.Skip || slices.Contains(columns, rule.From) {
			continue
		}
		all = append(all, refuse(MissingColumn, rule.From, "the destination maps this column, and the file has none of that name").
			Advise("%s: correct the destination's columns or the file", has))
	}
	for _, k := range m.key {
		// What a rule leads to is reported above, or may still come.
		if k.index >= 0 || m.do == dataverse.Create || m.ruleTo(k.to.Name) != nil || m.open && m.dest.Columns == nil {
			continue
		}
		all = append(all, refuse(MissingColumn, k.to.Name, "it belongs to the key, and no column of the file leads there").
			Advise("%s", has))
	}
	return all
}

// ruleTo is the configured column that leads to a column of the table.
func (m *Mapping) ruleTo(name string) *config.Column {
	for i, rule := range m.dest.Columns {
		if rule.To == name {
			return &m.dest.Columns[i]
		}
	}
	return nil
}
