package mapping

import (
	"bytes"
	"strconv"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// partyList is the type of an activity's columns that list people. All of them
// are one collection of the activity, in which each person has a role.
const partyList dataverse.Type = "PartyList"

// partyRoles are the values of participationtypemask.
var partyRoles = map[string]int{
	"from": 1, "sender": 1, "to": 2, "cc": 3, "bcc": 4, "required": 5, "optional": 6, "organizer": 7,
	"regarding": 8, "owner": 9, "resource": 10, "customer": 11,
}

// partyColumns are the roles that the names of columns tell.
var partyColumns = map[string]string{
	"from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "requiredattendees": "required", "optionalattendees": "optional",
	"organizer": "organizer", "resources": "resource", "customers": "customer", "customer": "customer",
}

// finishParties gives a column of people its converter: one entry of the collection.
func (m *Mapping) finishParties(c *column) error {
	rule := c.ruled()
	role, usual := rule.Party, partyColumns[c.to.Name]
	switch {
	case role == "":
		role = usual
	case usual != "" && partyRoles[usual] != partyRoles[role]:
		return refuse(WrongOption, c.from, "column %s is for people in the role %s, and party says %s", c.to.Name, usual, role).Advise("remove party, or name another column")
	}
	if c.role = partyRoles[role]; c.role == 0 {
		return refuse(WrongOption, c.from, "the role of the people in column %s is not known", c.to.Name).
			Advise("say which: party: from, to, cc, bcc, required, optional, organizer, resource, customer, regarding or owner")
	}
	if rule.Table == "" {
		return refuse(TableNeeded, c.from, "column %s takes people of several tables", c.to.Name).
			Advise("say which in the destination's columns: {to: %s, table: contact}", c.to.Name)
	}
	table, err := m.peopled(c, rule.Table)
	if err != nil {
		return err
	}
	if c.by, err = m.reference(c, table.Name); err != nil {
		return err
	}
	open := `{"partyid_` + table.Name + `@odata.bind":"/`
	shut := `","participationtypemask":` + strconv.Itoa(c.role) + `}`
	c.people, c.convert = table, m.records(c.by, open, table.Set, shut)
	return nil
}

// peopled is the table of the people that a column lists.
func (m *Mapping) peopled(c *column, name string) (*dataverse.Table, error) {
	if c.people != nil {
		return c.people, nil
	}
	if m.world == nil {
		return nil, refuse(WrongOption, c.from, "table %s is not known here", name).Advise(skipIt)
	}
	return m.other(c, name)
}

// mapParties writes the people of all roles as one collection. A new activity
// brings them along. Those of one that may exist are replaced by a call of their
// own, in the second pass: an update does not change them. As that call puts the
// whole collection, a row that names anybody names all.
func (m *Mapping) mapParties(r *row.Row, op *dataverse.Operation) *row.Reject {
	set := &m.set
	if m.do != dataverse.Create {
		m.people = append(m.people[:0], '{')
		set = &m.people
	}
	before := len(*set)
	if (*set)[before-1] != '{' {
		*set = append(*set, ',')
	}
	*set = append(append(append(*set, '"'), m.table.Parties()...), `":[`...)
	first := len(*set)
	for _, c := range m.parties {
		reject := m.eachRecord(c, r, func(entry []byte) {
			if bytes.Contains((*set)[first:], entry) { // named twice in one role
				return
			}
			if len(*set) > first {
				*set = append(*set, ',')
			}
			*set = append(*set, entry...)
		})
		if reject != nil {
			return reject
		}
	}
	switch nobody := len(*set) == first; {
	case nobody && (m.do == dataverse.Create || !m.dismisses(r)):
		*set = (*set)[:before]
	case m.do == dataverse.Create:
		*set = append(*set, ']')
	default:
		*set = append(*set, "]}"...)
		m.links = append(m.links, dataverse.Operation{Row: op.Row, Line: op.Line, Do: dataverse.Update, Set: *set})
	}
	return nil
}

// dismisses tells whether a row that names nobody leaves the activity without people.
func (m *Mapping) dismisses(r *row.Row) bool {
	for _, c := range m.parties {
		if cell, _ := m.cell(c, r); cell.Kind != row.Absent && m.nulls(c) == config.ClearNulls {
			return true
		}
	}
	return false
}
