package schema

import (
	"maps"
	"slices"
	"sort"
	"strings"
)

// index finds parts of a table by name; Reindex builds it, so a table must not be shared before that.
type index struct {
	columns    map[string]*Column
	properties map[string]*Column
	lookups    map[string]*Relationship
	sets       map[string]*Relationship
	many       map[string]*Many
}

// Reindex rebuilds everything that is derived from the tables: the map of sets, both ends of the relationships,
// the indexes behind Column, Property, Navigation and Collection, and the ids and codes that are still missing.
// Sources call it; callers that change an organisation call it before they share the organisation.
func (o *Organization) Reindex() {
	o.Sets = make(map[string]*Table, len(o.Tables))
	for _, table := range o.Tables {
		table.Incoming = nil
		if table.SetName != "" {
			o.Sets[table.SetName] = table
		}
	}
	names := o.Names()
	for _, name := range names {
		table := o.Tables[name]
		for _, relationship := range table.Outgoing {
			if referenced := o.Tables[relationship.Referenced]; referenced != nil {
				if relationship.ReferencedColumn == "" || referenced.Column(relationship.ReferencedColumn) == nil {
					relationship.ReferencedColumn = referenced.PrimaryID // of an email this is activityid
				}
				referenced.Incoming = append(referenced.Incoming, relationship)
			}
		}
	}
	for _, name := range names {
		o.Tables[name].identify()
	}
	o.numberTables(names)
	for _, name := range names {
		o.Tables[name].reindex()
	}
	for _, name := range names {
		o.inherit(o.Tables[name])
	}
}

// inherit lets a table use the navigation properties of its base type, as the service's types do: every activity has
// those of activitypointer, users and teams have those of owner.
func (o *Organization) inherit(t *Table) {
	base := o.base(t)
	if base == nil {
		return
	}
	for _, r := range base.Outgoing {
		if r.Navigation != "" && t.index.lookups[r.Navigation] == nil && t.Column(r.Column) != nil {
			own := *r
			own.Referencing, own.Collection = t.LogicalName, ""
			t.index.lookups[r.Navigation] = &own
		}
	}
	for _, r := range base.Incoming {
		if r.Collection != "" && t.index.sets[r.Collection] == nil {
			own := *r
			own.Referenced, own.ReferencedColumn = t.LogicalName, t.PrimaryID
			t.index.sets[r.Collection] = &own
		}
	}
}

// base is the table whose type the table's type derives from, or nil.
func (o *Organization) base(t *Table) *Table {
	switch {
	case t.IsActivity && t.LogicalName != "activitypointer":
		return o.Tables["activitypointer"]
	case t.LogicalName == "systemuser" || t.LogicalName == "team":
		return o.Tables["owner"]
	}
	return nil
}

// Names returns the logical names of the tables in order.
func (o *Organization) Names() []string {
	names := make([]string, 0, len(o.Tables))
	for name := range o.Tables {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (t *Table) reindex() {
	i := &index{
		columns:    make(map[string]*Column, len(t.Columns)),
		properties: make(map[string]*Column, len(t.Columns)),
		lookups:    make(map[string]*Relationship, len(t.Outgoing)),
		sets:       make(map[string]*Relationship, len(t.Incoming)),
		many:       make(map[string]*Many, len(t.Many)),
	}
	for _, column := range t.Columns {
		i.columns[column.LogicalName] = column
	}
	for _, column := range t.Columns {
		if property := t.property(column, i.columns); property != "" {
			i.properties[property] = column
		}
	}
	for _, relationship := range t.Outgoing {
		if relationship.Navigation != "" {
			i.lookups[relationship.Navigation] = relationship
		}
	}
	for _, relationship := range t.Incoming {
		if relationship.Collection != "" {
			i.sets[relationship.Collection] = relationship
		}
	}
	for _, many := range t.Many {
		if many.Entity1 == t.LogicalName && many.Navigation1 != "" {
			i.many[many.Navigation1] = many
		}
		if many.Entity2 == t.LogicalName && many.Navigation2 != "" {
			i.many[many.Navigation2] = many
		}
	}
	t.index = i
}

// Column returns the column with this logical name, or nil.
func (t *Table) Column(name string) *Column {
	if t.index != nil {
		return t.index.columns[name]
	}
	for _, column := range t.Columns {
		if column.LogicalName == name {
			return column
		}
	}
	return nil
}

// Property returns the column that a row's JSON property stands for, or nil: `firstname` is a column's own name, and a
// lookup is read through `_primarycontactid_value`. Columns that rows never show, such as label shadows, have no property.
func (t *Table) Property(name string) *Column {
	if t.index != nil {
		return t.index.properties[name]
	}
	for _, column := range t.Columns {
		if t.PropertyName(column) == name && name != "" {
			return column
		}
	}
	return nil
}

// PropertyName is the JSON property of a row that carries the column; empty for columns that rows never show.
func (t *Table) PropertyName(column *Column) string {
	if t.index != nil {
		return t.property(column, t.index.columns)
	}
	columns := map[string]*Column{}
	if column.AttributeOf != "" {
		columns[column.AttributeOf] = t.Column(column.AttributeOf)
	}
	return t.property(column, columns)
}

func (t *Table) property(column *Column, columns map[string]*Column) string {
	if column.AttributeOf != "" {
		// The labels, names and types that shadow a column are annotations of its value; what an image or a file
		// brings along (entityimage_url, entityimageid) are properties of their own.
		parent := columns[column.AttributeOf]
		if parent == nil || (parent.Type != TypeImage && parent.Type != TypeFile) {
			return ""
		}
	}
	switch column.Type {
	case TypeLookup, TypeCustomer, TypeOwner:
		return "_" + column.LogicalName + "_value"
	case TypePartyList, TypeVirtual, TypeCalendarRules:
		return ""
	}
	return column.LogicalName
}

// Key returns the alternate key over exactly these columns, in any order, or nil. A lookup column may be named by its
// value property, as a key in a URL names it.
func (t *Table) Key(columns []string) *Key {
	for _, key := range t.Keys {
		if sameColumns(key.Columns, columns) {
			return key
		}
	}
	return nil
}

func sameColumns(key, columns []string) bool {
	if len(key) != len(columns) {
		return false
	}
	for i, name := range columns {
		name = lookupColumn(name)
		found := false
		for _, column := range key {
			found = found || column == name
		}
		for _, earlier := range columns[:i] {
			if lookupColumn(earlier) == name {
				return false
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// lookupColumn turns the value property of a lookup into the name of its column.
func lookupColumn(property string) string {
	if rest, ok := strings.CutPrefix(property, "_"); ok {
		if name, ok := strings.CutSuffix(rest, "_value"); ok {
			return name
		}
	}
	return property
}

// Navigation returns the lookup behind a single-valued navigation property of this table, or nil. Case counts.
func (t *Table) Navigation(name string) *Relationship {
	if t.index != nil {
		return t.index.lookups[name]
	}
	for _, relationship := range t.Outgoing {
		if relationship.Navigation == name && name != "" {
			return relationship
		}
	}
	return nil
}

// Navigations are the lookups behind the single-valued navigation properties of this table, those of its base type included.
func (t *Table) Navigations() []*Relationship {
	if t.index == nil {
		return t.Outgoing
	}
	return slices.Collect(maps.Values(t.index.lookups))
}

// Collection returns the one-to-many relationship behind a collection-valued navigation property of this table, or nil.
func (t *Table) Collection(name string) *Relationship {
	if t.index != nil {
		return t.index.sets[name]
	}
	for _, relationship := range t.Incoming {
		if relationship.Collection == name && name != "" {
			return relationship
		}
	}
	return nil
}

// ManyNavigation returns the many-to-many relationship behind a navigation property of this table, or nil.
func (t *Table) ManyNavigation(name string) *Many {
	if t.index != nil {
		return t.index.many[name]
	}
	for _, many := range t.Many {
		if name != "" && (many.Entity1 == t.LogicalName && many.Navigation1 == name || many.Entity2 == t.LogicalName && many.Navigation2 == name) {
			return many
		}
	}
	return nil
}

// Other is the table at the far end of the relationship, seen from table through this navigation property.
func (m *Many) Other(table, navigation string) string {
	if m.Entity1 == table && m.Navigation1 == navigation {
		return m.Entity2
	}
	return m.Entity1
}

// IsLookup says whether the column holds a reference to another row.
func (c *Column) IsLookup() bool {
	return c.Type == TypeLookup || c.Type == TypeCustomer || c.Type == TypeOwner
}

// Option returns the option with this value, or nil.
func (s *OptionSet) Option(value int) *Option {
	if s == nil {
		return nil
	}
	for i := range s.Options {
		if s.Options[i].Value == value {
			return &s.Options[i]
		}
	}
	return nil
}
