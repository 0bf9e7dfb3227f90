package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/near"
	"penstock/internal/row"
)

// What a row says about other records of its file, about its state and about
// many-to-many relationships is written when all rows are there. Rule W4: a
// lookup to a record of the same call fails, and a state other than the default
// is often refused on create.

// Links are the second-pass operations of the last mapped row (rule W4): at most
// one update of its record, and an association for each record that it is joined
// to. They name no record themselves: the caller copies ID, Key, New and Partition
// of the row's operation into each of them when these are final. Valid as long as that.
func (m *Mapping) Links() []dataverse.Operation { return m.links }

// later tells whether a column is written in the link phase. Where records only
// change, they are all there and in a state that may change at once.
func (m *Mapping) later(c *column) bool {
	if c.isKey || c.fixed != nil || m.do != dataverse.Create && m.do != dataverse.Upsert {
		return false
	}
	if c.to.Type == dataverse.State || c.to.Type == dataverse.Status {
		return true
	}
	if !c.isLookup() {
		return false
	}
	target, err := c.target(c.ruled().Table)
	return err == nil && target.Table == m.table.Name
}

// Lenient is a link of the second pass that is left out where its record is
// neither in the table nor in the file: missing: empty, which only the second pass can tell.
type Lenient struct {
	Link   string `json:"link"`             // the member of an update's Set, or the navigation property of an association
	Clears bool   `json:"clears,omitempty"` // an empty cell clears the column
}

// Lenient are those of the columns known so far.
func (m *Mapping) Lenient() (list []Lenient) {
	for _, c := range m.linked {
		if c.ruled().Missing == config.MissingEmpty {
			name := string(c.prefix[1 : len(c.prefix)-len(`":`)])
			list = append(list, Lenient{Link: name, Clears: m.nulls(c) == config.ClearNulls})
		}
	}
	strict := func(c *column) bool { return c.ruled().Missing != config.MissingEmpty }
	for i, c := range m.joined {
		alike := func(other *column) bool { return other.to.Name == c.to.Name }
		if c.self && !slices.ContainsFunc(m.joined[:i], alike) &&
			!slices.ContainsFunc(m.joined, func(other *column) bool { return alike(other) && strict(other) }) {
			list = append(list, Lenient{Link: c.to.Name})
		}
	}
	return list
}

// mapSecondPass renders lookups to the table itself and the record's state.
func (m *Mapping) mapSecondPass(r *row.Row, op *dataverse.Operation) *row.Reject {
	m.linkSet = append(m.linkSet[:0], '{')
	for _, c := range m.linked {
		set := &m.linkSet
		if _, null := m.cell(c, r); null {
			set = &m.set // to have no parent is possible at once
		}
		var p *problem
		if *set, p = m.member(*set, c, r); p != nil {
			return c.reject(r, p)
		}
	}
	if m.state.known() {
		if reject := m.mapState(r); reject != nil {
			return reject
		}
	}
	if len(m.linkSet) > 1 {
		m.linkSet = append(m.linkSet, '}')
		m.links = append(m.links, dataverse.Operation{Row: op.Row, Line: op.Line, Do: dataverse.Update, Set: m.linkSet})
	}
	return nil
}

// states are the columns that say in which state a record is. A status belongs to one state.
type states struct{ state, status *column }

func (s *states) known() bool { return s.state != nil || s.status != nil }

// mapState writes state and status. One that the row does not say follows from
// the other: a status implies its state, and a state gets its default status.
func (m *Mapping) mapState(r *row.Row) *row.Reject {
	state, reject := m.option(m.state.state, r)
	if reject != nil {
		return reject
	}
	status, reject := m.option(m.state.status, r)
	if reject != nil {
		return reject
	}
	if status != "" {
		of := m.state.status.stateOf(status)
		if state != "" && of != "" && of != state {
			return m.state.contradiction(r, state, status, of)
		}
		state = cmp.Or(state, of)
	}
	set := &m.linkSet
	if m.do == dataverse.Update || status == "" && m.state.fixedActive() {
		set = &m.set
	}
	*set = appendMember(*set, "statecode", state)
	*set = appendMember(*set, "statuscode", status)
	return nil
}

// fixedActive tells whether the filter says that all records are active, as new
// ones are: an update sets it, and a create ignores it.
func (s *states) fixedActive() bool {
	return s.state != nil && s.state.fixed != nil && string(s.state.fixed.Text) == "0"
}

func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(append(dst, '"'), name...), `":`...), value...)
}

// option is the value that a row has for a state or status; "" where it says nothing.
func (m *Mapping) option(c *column, r *row.Row) (string, *row.Reject) {
	if c == nil {
		return "", nil
	}
	cell, null := m.cell(c, r)
	if null {
		return "", nil
	}
	var p *problem
	if m.scratch, p = c.render(m.scratch[:0], cell); p != nil {
		return "", c.reject(r, p)
	}
	return string(m.scratch), nil
}

// stateOf is the state that a status belongs to; "" where metadata do not say.
func (c *column) stateOf(status string) string {
	for _, o := range c.to.Options {
		if o.State != nil && strconv.Itoa(o.Value) == status {
			return strconv.Itoa(*o.State)
		}
	}
	return ""
}

func (s *states) contradiction(r *row.Row, state, status, of string) *row.Reject {
	blamed := s.status
	if blamed.fixed != nil {
		blamed = s.state
	}
	return blamed.reject(r, complain(StateContradiction, "status %s belongs to state %s, and the record is to have state %s: correct one of them", status, of, state))
}

// association is the type that columns get which join records by a many-to-many relationship.
const association dataverse.Type = "association"

// bindAssociation binds a column whose cells list records to join.
func (m *Mapping) bindAssociation(from string, rule *config.Column, index int) (*column, error) {
	switch {
	case rule.To != "":
		return nil, refuse(WrongOption, from, "to is for columns, and associate for many-to-many relationships").Advise("keep one of them")
	case m.do == dataverse.Delete:
		return nil, nil
	}
	c := &column{from: from, index: index, rule: rule, to: &dataverse.Column{Name: rule.Associate, Type: association}}
	return c, m.settle(c)
}

// finishAssociation checks the relationship and gives the column its converter: the address of a record.
func (m *Mapping) finishAssociation(c *column) error {
	if c.joins == nil {
		found, err := m.collection(c)
		if err != nil {
			return err
		}
		c.joins = found
	}
	table := c.ruled().Table
	if table != "" && table != c.joins.Table {
		return refuse(TableNeeded, c.from, "%s joins records of table %s, not of %s", c.joins.Navigation, c.joins.Table, table).Advise("correct table, or remove it")
	}
	c.self = c.joins.Table == m.table.Name
	var err error
	if c.by, err = m.reference(c, c.joins.Table); err != nil {
		return err
	}
	c.convert = m.records(c.by, "", c.joins.Set, "")
	return nil
}

// collection finds the relationship by its navigation property, whose letter case counts.
func (m *Mapping) collection(c *column) (*dataverse.Collection, error) {
	if m.world == nil {
		return nil, refuse(UnknownRelationship, c.from, "the relationships of table %s are not known here", m.table.Name).Advise(skipIt)
	}
	all, err := m.world.Collections()
	if err != nil {
		return nil, fmt.Errorf("column %q joins records: %w", c.from, err)
	}
	known := make([]string, len(all))
	for i := range all {
		if known[i] = all[i].Navigation; known[i] == c.to.Name {
			return &all[i], nil
		}
	}
	problem := refuse(UnknownRelationship, c.from, "table %s has no many-to-many relationship with the navigation property %q", m.table.Name, c.to.Name)
	switch like := near.Name(c.to.Name, known); {
	case like != "":
		return nil, problem.Advise("did you mean %q? Letter case counts", like)
	case len(known) > 0:
		return nil, problem.Advise("it has %s", names(known))
	}
	return nil, problem.Advise("it has none: " + skipIt)
}

// mapAssociations makes an operation for each record that a cell lists, once.
func (m *Mapping) mapAssociations(r *row.Row, op *dataverse.Operation) *row.Reject {
	for _, c := range m.joined {
		first := len(m.links)
		reject := m.eachRecord(c, r, func(address []byte) {
			to := string(address)
			if !slices.ContainsFunc(m.links[first:], func(l dataverse.Operation) bool { return l.Link.To == to }) {
				m.links = append(m.links, dataverse.Operation{Row: op.Row, Line: op.Line, Do: dataverse.Associate, Link: &dataverse.Link{Navigation: c.to.Name, To: to}})
			}
		})
		if reject != nil {
			return reject
		}
	}
	return nil
}
