package mapping

import (
	"errors"
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
func Compile(dest *config.Destination, table *dataverse.Table, columns []string, world World) (*Mapping, error) {
	m := &Mapping{dest: dest, table: table, world: world, open: len(columns) == 0, do: verb(dest)}
	all := m.compileValues()
	all = append(all, m.compileKey()...)
	all = append(all, m.compileFilter()...)
	all = append(all, m.add(columns)...)
	all = append(all, m.make()...)
	all = append(all, m.missing(columns)...)
	if len(all) == 0 && !m.open && !m.writes() {
		all = append(all, m.nothing())
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	m.arrange()
	return m, nil
}

// writes tells whether anything comes of a row. A record that must exist only
// changes by columns beside its key.
func (m *Mapping) writes() bool {
	return slices.ContainsFunc(slices.Concat(m.columns, m.made), func(c *column) bool {
		return c.to != nil && !(c.isKey && m.do == dataverse.Update)
	})
}

func (m *Mapping) nothing() error {
	if m.do == dataverse.Update {
		return fault.New(fault.Refused, NoColumns, "no column of the file but those of the key leads to the table, so nothing would change").Advise("map at least one more")
	}
	return fault.New(fault.Refused, NoColumns, "no column of the file leads to the table").Advise("map at least one")
}

// verb is what is done to the record of each row. A table that was cleared takes
// creates, unless a key says which rows are one record.
func verb(dest *config.Destination) dataverse.Verb {
	switch {
	case dest.Mode == config.Update:
		return dataverse.Update
	case dest.Mode == config.Delete:
		return dataverse.Delete
	case dest.Mode == config.Append, dest.Mode == config.Truncate && len(dest.Key) == 0 && len(dest.MatchOn) == 0:
		return dataverse.Create
	}
	return dataverse.Upsert
}

// Clone is a mapping like m for another goroutine: it shares nothing with m that
// changes. It knows the columns that m knows now; after Extend, clone anew.
func (m *Mapping) Clone() *Mapping {
	twin := &Mapping{Find: m.Find, dest: m.dest, table: m.table, world: m.world, open: m.open, do: m.do, byID: m.byID, filter: m.filter, fixed: m.fixed, values: m.values}
	copies := map[*column]*column{}
	again := func(list []*column) []*column {
		out := make([]*column, len(list))
		for i, c := range list {
			if copies[c] == nil {
				own := *c
				copies[c] = &own
				twin.enlist(&own)
			}
			out[i] = copies[c]
		}
		return out
	}
	twin.key, twin.columns, twin.made = again(m.key), again(m.columns), again(m.made)
	for _, c := range []*column{m.partition, m.state.state, m.state.status} {
		if c != nil && copies[c] == nil { // the filter's
			again([]*column{c})
		}
	}
	twin.arrange()
	return twin
}

// Extend takes the file's columns when there are more of them than before: the
// old ones come first, in their order.
func (m *Mapping) Extend(columns []string) error {
	err := errors.Join(m.add(columns[len(m.columns):])...)
	for _, c := range slices.Concat(m.key, m.made) {
		if c.source != nil {
			c.source.template.find(m.columns)
		}
	}
	m.arrange()
	return err
}

// refuse is a fault about one column of the file.
func refuse(code, column, format string, args ...any) *fault.Error {
	return fault.New(fault.Refused, code, format, args...).At("", 0, column)
}

// add binds further columns of the file.
func (m *Mapping) add(columns []string) (all []error) {
	for _, from := range columns {
		name, rule, err := m.destined(from)
		c := m.promised(rule)
		if err == nil && c == nil {
			c, err = m.bind(from, name, rule, len(m.columns))
		}
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

// made tells whether a rule writes something that no column of the file has.
func made(rule *config.Column) bool { return rule.Value != nil || rule.Template != "" }

// make binds constants and templates, and columns with a default that a file may
// show later or never.
func (m *Mapping) make() (all []error) {
	for i := range m.dest.Columns {
		rule := &m.dest.Columns[i]
		if rule.Skip || !made(rule) && !(m.open && rule.Default != nil) {
			continue
		}
		c, err := m.bind(rule.From, rule.To, rule, -1)
		if err != nil {
			all = append(all, err)
		}
		if c != nil {
			m.made = append(m.made, c)
		}
	}
	return all
}

// promised is the column that has had its default until the file showed it, now
// that it is the next one of the file's.
func (m *Mapping) promised(rule *config.Column) (found *column) {
	if rule == nil {
		return nil
	}
	for _, c := range slices.Concat(m.key, m.made) {
		if c.rule == rule && c.index < 0 {
			c.index, found = len(m.columns), c
		}
	}
	m.made = slices.DeleteFunc(m.made, func(c *column) bool { return c == found })
	return found
}

// bind decides where a column of the file, a constant or a template goes: nil means nowhere.
func (m *Mapping) bind(from, name string, rule *config.Column, index int) (*column, error) {
	if rule != nil && rule.Associate != "" {
		return m.bindAssociation(from, rule, index)
	}
	if name == "" {
		return nil, nil
	}
	if err := m.once(from, name); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(m.key, func(k *column) bool { return k.to.Name == name })
	if at >= 0 {
		k := m.key[at]
		k.from, k.index, k.rule = from, index, rule
		if err := m.settle(k); err != nil || !m.inSet() {
			return k, err
		}
	}
	to := m.table.Column(name)
	c := &column{from: from, index: index, to: to, rule: rule, matched: at >= 0}
	switch {
	case m.inPartitions() && name == partitionID:
		c.to = m.partitionColumn()
	case m.do == dataverse.Delete:
		return nil, nil // only the key is needed; lists of what to delete often show more
	case to == nil:
		return nil, m.unknown(from, name)
	case name == m.table.PrimaryID && !m.matches(name):
		return nil, refuse(NotWritable, from, "it leads to the primary id %s, but records are found by %s", name, names(slices.Concat(m.dest.Key, m.dest.MatchOn))).
			Advise("say key: %s, or %s", name, skipIt)
	}
	return c, m.settle(c)
}

// once refuses a second way to a column of the table. Several columns may fill a party list.
func (m *Mapping) once(from, name string) error {
	if m.filtered(name) {
		return refuse(FilteredColumn, from, "it leads to %s, which the destination's filter gives every row", name).
			Advise("remove the column from the file, or %s", skipIt)
	}
	for _, other := range slices.Concat(m.columns, m.made) {
		if other.to == nil || other.from != from && (other.to.Name != name || other.isList()) {
			continue
		}
		return refuse(DuplicateColumn, from, "the file has a second column for %s, beside %q", name, other.from).
			Advise("keep one of them")
	}
	return nil
}

// settle finishes a column and puts it where Map looks for it.
func (m *Mapping) settle(c *column) error {
	if err := m.finish(c); err != nil {
		return err
	}
	if err := m.supply(c); err != nil {
		return err
	}
	m.place(c)
	return nil
}

// enlist does for a copy of a column what settle did for the original. What was
// right then is right now, and tables that were looked up are known.
func (m *Mapping) enlist(c *column) {
	if c.to != nil && (c.convert != nil || c.isList()) {
		_, _ = m.finish(c), m.supply(c)
	}
	m.place(c)
}

// place puts a column where Map looks for it, unless it is one member of Set like most.
func (m *Mapping) place(c *column) {
	if c.to == nil {
		return
	}
	if c.by != nil && !c.matched { // the key's asks already
		m.named = append(m.named, c)
	}
	if c.isKey {
		return
	}
	c.apart = true
	switch {
	case m.inPartitions() && c.to.Name == partitionID:
		m.partition = c
	case c.to.Type == dataverse.State:
		m.state.state = c
	case c.to.Type == dataverse.Status:
		m.state.status = c
	case c.to.Type == association:
		m.joined = append(m.joined, c)
	case c.to.Type == partyList:
		m.parties = append(m.parties, c)
	case m.later(c):
		m.linked = append(m.linked, c)
	default:
		c.apart = false
	}
}

// destined is the logical name that a column of the file leads to; "" when it is skipped.
func (m *Mapping) destined(from string) (string, *config.Column, error) {
	if m.dest.Columns == nil {
		named := func(name string) bool { return strings.EqualFold(name, from) }
		if m.dest.Include != nil && !slices.ContainsFunc(m.dest.Include, named) || slices.ContainsFunc(m.dest.Skip, named) {
			return "", nil, nil
		}
		return strings.ToLower(from), nil, nil
	}
	configured := make([]string, len(m.dest.Columns))
	namesake := false
	for i := range m.dest.Columns {
		rule := &m.dest.Columns[i]
		if rule.From == from && !made(rule) {
			return rule.To, rule, nil
		}
		configured[i] = rule.From
		namesake = namesake || rule.From == from
	}
	switch {
	case m.templated(from):
		return "", nil, nil
	case namesake:
		return "", nil, refuse(DuplicateColumn, from, "the file has a column of this name, and the destination's columns make it of something else").
			Advise("give the line in columns a name of its own, and map the file's column or ignore it: {skip: true}")
	}
	if slices.Contains(configured, from) {
		return "", nil, refuse(DuplicateColumn, from, "the file has this column, and the destination's columns make one of this name without it").
			Advise("give the line in columns a name of its own, and map the file's column or ignore it: {skip: true}")
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
	lacks := func(column string) {
		all = append(all, refuse(MissingColumn, column, "the destination maps this column, and the file has none of that name").
			Advise("%s: correct the destination's columns or the file", has))
	}
	for i := range m.dest.Columns {
		rule := &m.dest.Columns[i]
		if !m.open && !rule.Skip && !made(rule) && !slices.Contains(columns, rule.From) {
			lacks(rule.From)
		}
	}
	for _, name := range m.dest.Include {
		if !m.open && !slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, name) }) {
			lacks(name)
		}
	}
	for _, k := range m.identifying() {
		// What a rule leads to is reported above, or may still come.
		if k.index >= 0 || k.fixed != nil || m.do == dataverse.Create || m.ruleTo(k.to.Name) != nil || m.open && m.dest.Columns == nil {
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
