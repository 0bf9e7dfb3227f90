package mapping

import (
	"strings"

	"penstock/internal/config"
	"penstock/internal/dataverse"
)

const skipIt = "ignore it with {skip: true} in the destination's columns"

// finish checks that a column can be written and gives it its converter. It may
// be called again for a copy of a finished column, which then has buffers of its own.
func (m *Mapping) finish(c *column) error {
	if err := m.writable(c); err != nil {
		return err
	}
	if err := c.options(); err != nil {
		return err
	}
	property := c.to.Name
	switch c.to.Type {
	case dataverse.Lookup, dataverse.Customer, dataverse.Owner:
		target, err := c.target(c.ruled().Table)
		if err != nil {
			return err
		}
		property = target.Navigation + "@odata.bind"
		if err := m.finishLookup(c, target); err != nil {
			return err
		}
	case association:
		return m.finishAssociation(c)
	case partyList:
		return m.finishParties(c)
	default:
		c.convert, c.isText = m.converter(c, m.valuesOf(c))
		if c.convert == nil {
			return c.unsupported()
		}
	}
	c.prefix = append(appendString(nil, []byte(property)), ':')
	return nil
}

// converter is how values of a column are written, and whether they are texts;
// nil for a type that is not plainly written.
func (m *Mapping) converter(c *column, set *values) (convert, bool) {
	rule := c.ruled()
	switch c.to.Type {
	case dataverse.String, dataverse.Memo:
		return texts(c.to), true
	case dataverse.Integer, dataverse.BigInt, dataverse.Decimal, dataverse.Double, dataverse.Money:
		return numbers(c.to, rule.Round, set.numbers), false
	case dataverse.Boolean:
		return booleans(c.to, set.words), false
	case dataverse.DateTime:
		return dates(c.to, &set.calendar), false
	case dataverse.Picklist, dataverse.State, dataverse.Status:
		return oneChoice(c.to, rule.Choice), false
	case dataverse.MultiSelect:
		return manyChoices(c.to, rule.Choice, rule.Separator), false
	case dataverse.Uniqueidentifier:
		return guids(`"`, `"`, c.isKey), false
	}
	return nil, false
}

// ruled is the column's rule; without one, the rule that says nothing.
func (c *column) ruled() config.Column {
	if c.rule == nil {
		return config.Column{}
	}
	return *c.rule
}

// writable refuses what the service would silently ignore. Rule W3. What is
// written in the link phase is written by an update; a key of records that must
// exist is not written at all.
func (m *Mapping) writable(c *column) error {
	to := c.to
	isState := to.Type == dataverse.State || to.Type == dataverse.Status
	creates := (m.do == dataverse.Create || m.do == dataverse.Upsert) && !m.later(c) && !isState
	updates := (m.do == dataverse.Update || m.do == dataverse.Upsert || m.later(c)) && !c.isKey && !c.matched
	switch {
	case c.isList() || m.inPartitions() && to.Name == partitionID || !creates && !updates:
		return nil
	case to.Derived:
		return refuse(NotWritable, c.from, "column %s of table %s is calculated by Dataverse", to.Name, m.table.Name).
			Advise(skipIt)
	case !to.ForCreate && !to.ForUpdate:
		return refuse(NotWritable, c.from, "column %s of table %s is read-only", to.Name, m.table.Name).Advise(skipIt)
	case creates && !to.ForCreate:
		return refuse(NotWritable, c.from, "column %s of table %s cannot be set when a record is created, and mode %s creates records", to.Name, m.table.Name, m.dest.Mode).
			Advise(skipIt)
	case updates && !to.ForUpdate && m.do == dataverse.Create:
		return refuse(NotWritable, c.from, "column %s of table %s cannot be changed once a record exists, and it is written in a second pass", to.Name, m.table.Name).
			Advise(skipIt)
	case updates && !to.ForUpdate && m.do == dataverse.Update:
		return refuse(NotWritable, c.from, "column %s of table %s cannot be changed once a record exists, and mode %s updates records", to.Name, m.table.Name, m.dest.Mode).
			Advise(skipIt)
	case updates && !to.ForUpdate:
		return refuse(NotWritable, c.from, "column %s of table %s cannot be changed once a record exists, and mode %s updates records", to.Name, m.table.Name, m.dest.Mode).
			Advise(skipIt + ", or use mode: append")
	}
	return nil
}

// unsupported explains why columns of a type are not written.
func (c *column) unsupported() error {
	problem := refuse(UnsupportedType, c.from, "column %s has the type %s, which this version does not write", c.to.Name, c.to.Type)
	switch c.to.Type {
	case "Image", "File":
		problem.Advise(skipIt + "; files and images are uploaded, not written with a row")
	default:
		problem.Advise(skipIt)
	}
	return problem
}

// options refuses settings that do not fit the column's type, as they would be silently ignored.
func (c *column) options() error {
	if c.rule == nil {
		return nil
	}
	kind, isLookup := c.to.Type, c.isLookup()
	if c.rule.Choice != "" && kind != dataverse.Picklist && kind != dataverse.MultiSelect && kind != dataverse.State && kind != dataverse.Status {
		return refuse(WrongOption, c.from, "choice is for choice columns, and %s has the type %s", c.to.Name, kind).Advise("remove choice")
	}
	if (c.rule.Table != "" || c.rule.By != "") && !isLookup && !c.isList() {
		return refuse(WrongOption, c.from, "table and by are for lookups, and %s has the type %s", c.to.Name, kind).Advise("remove them")
	}
	if c.rule.Missing != "" && !isLookup && !c.isList() {
		return refuse(WrongOption, c.from, "missing is for lookups, and %s has the type %s", c.to.Name, kind).Advise("remove missing")
	}
	if c.rule.Party != "" && kind != partyList {
		return refuse(WrongOption, c.from, "party is for party lists, and %s has the type %s", c.to.Name, kind).Advise("remove party")
	}
	if c.rule.Round && c.to.Type != dataverse.Decimal && c.to.Type != dataverse.Double && c.to.Type != dataverse.Money {
		return refuse(WrongOption, c.from, "round is for numbers with decimal places, and %s has the type %s", c.to.Name, c.to.Type).Advise("remove round")
	}
	return nil
}

func (c *column) isLookup() bool {
	return c.to.Type == dataverse.Lookup || c.to.Type == dataverse.Customer || c.to.Type == dataverse.Owner
}

// isList tells whether a cell lists records.
func (c *column) isList() bool { return c.to.Type == association || c.to.Type == partyList }

// target is the table that a lookup's cells point to. Owners are users unless the configuration says otherwise.
func (c *column) target(table string) (*dataverse.Target, error) {
	if table == "" && c.to.Type == dataverse.Owner {
		table = "systemuser"
	}
	var known []string
	for i, t := range c.to.Targets {
		if t.Table == table || table == "" && len(c.to.Targets) == 1 {
			return &c.to.Targets[i], nil
		}
		known = append(known, t.Table)
	}
	if len(known) == 0 {
		return nil, refuse(UnsupportedType, c.from, "lookup %s points to no table that can be written to", c.to.Name).Advise(skipIt)
	}
	problem := refuse(TableNeeded, c.from, "lookup %s may point to %s", c.to.Name, strings.Join(known, ", "))
	if table != "" {
		problem = refuse(TableNeeded, c.from, "lookup %s does not point to %s but to %s", c.to.Name, table, strings.Join(known, ", "))
	}
	return nil, problem.Advise("say which in the destination's columns: {to: %s, table: %s}", c.to.Name, known[0])
}
