package mapping

import (
	"strings"

	"penstock/internal/config"
	"penstock/internal/dataverse"
)

const skipIt = "ignore it with {skip: true} in the destination's columns"

// finish checks that a column can be written and gives it its converter.
func (m *Mapping) finish(c *column) error {
	if err := m.writable(c); err != nil {
		return err
	}
	if err := c.options(); err != nil {
		return err
	}
	property := c.to.Name
	rule := config.Column{}
	if c.rule != nil {
		rule = *c.rule
	}
	switch c.to.Type {
	case dataverse.String, dataverse.Memo:
		c.convert, c.isText = texts(c.to), true
	case dataverse.Integer, dataverse.BigInt, dataverse.Decimal, dataverse.Double, dataverse.Money:
		c.convert = numbers(c.to, rule.Round)
	case dataverse.Boolean:
		c.convert = booleans(c.to)
	case dataverse.DateTime:
		c.convert = dates(c.to)
	case dataverse.Picklist:
		c.convert = oneChoice(c.to, rule.Choice)
	case dataverse.MultiSelect:
		c.convert = manyChoices(c.to, rule.Choice)
	case dataverse.Uniqueidentifier:
		c.convert = guids(`"`, `"`, c.isKey)
	case dataverse.Lookup, dataverse.Customer, dataverse.Owner:
		target, err := c.target(rule.Table)
		if err != nil {
			return err
		}
		property, c.convert = target.Navigation+"@odata.bind", lookups(target)
		if c.isKey { // a key names a record by its bare id
			c.convert = guids(`"`, `"`, true)
		}
	default:
		return c.unsupported()
	}
	c.prefix = append(appendString(nil, []byte(property)), ':')
	return nil
}

// writable refuses what the service would silently ignore. Rule W3.
func (m *Mapping) writable(c *column) error {
	to, create := c.to, m.do == dataverse.Create
	switch {
	case to.Type == dataverse.State || to.Type == dataverse.Status:
		return c.unsupported()
	case to.Derived:
		return refuse(NotWritable, c.from, "column %s of table %s is calculated by Dataverse", to.Name, m.table.Name).
			Advise(skipIt)
	case !to.ForCreate && !to.ForUpdate:
		return refuse(NotWritable, c.from, "column %s of table %s is read-only", to.Name, m.table.Name).Advise(skipIt)
	case !to.ForCreate:
		return refuse(NotWritable, c.from, "column %s of table %s cannot be set when a record is created, and mode %s creates records", to.Name, m.table.Name, m.dest.Mode).
			Advise(skipIt)
	case !create && !c.isKey && !to.ForUpdate:
		return refuse(NotWritable, c.from, "column %s of table %s cannot be changed once a record exists, and mode upsert updates records", to.Name, m.table.Name).
			Advise(skipIt + ", or use mode: append")
	}
	return nil
}

// unsupported explains why columns of a type are not written.
func (c *column) unsupported() error {
	problem := refuse(UnsupportedType, c.from, "column %s has the type %s, which this version does not write", c.to.Name, c.to.Type)
	switch c.to.Type {
	case dataverse.State, dataverse.Status:
		problem.Advise(skipIt + "; records keep their state, new ones get the table's default")
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
	if c.rule.Choice != "" && c.to.Type != dataverse.Picklist && c.to.Type != dataverse.MultiSelect {
		return refuse(WrongOption, c.from, "choice is for choice columns, and %s has the type %s", c.to.Name, c.to.Type).Advise("remove choice")
	}
	if (c.rule.Table != "" || c.rule.By != "") && !c.isLookup() {
		return refuse(WrongOption, c.from, "table and by are for lookups, and %s has the type %s", c.to.Name, c.to.Type).Advise("remove them")
	}
	if c.rule.Round && c.to.Type != dataverse.Decimal && c.to.Type != dataverse.Double && c.to.Type != dataverse.Money {
		return refuse(WrongOption, c.from, "round is for numbers with decimal places, and %s has the type %s", c.to.Name, c.to.Type).Advise("remove round")
	}
	return nil
}

func (c *column) isLookup() bool {
	return c.to.Type == dataverse.Lookup || c.to.Type == dataverse.Customer || c.to.Type == dataverse.Owner
}

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
