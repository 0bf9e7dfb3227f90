package schema

import "maps"

// Clone returns a copy that shares nothing that changes with the original: to change a running organisation, change a
// clone, Reindex it, and put it in the original's place.
func (o *Organization) Clone() *Organization {
	copied := &Organization{Tables: make(map[string]*Table, len(o.Tables)), GlobalChoices: make(map[string]*OptionSet, len(o.GlobalChoices))}
	for name, set := range o.GlobalChoices {
		copied.GlobalChoices[name] = set.clone()
	}
	manies := map[*Many]*Many{}
	for name, table := range o.Tables {
		copied.Tables[name] = table.clone(copied.GlobalChoices, manies)
	}
	copied.Reindex()
	return copied
}

func (s *OptionSet) clone() *OptionSet {
	if s == nil {
		return nil
	}
	copied := *s
	copied.Options = append([]Option(nil), s.Options...)
	return &copied
}

func (t *Table) clone(global map[string]*OptionSet, manies map[*Many]*Many) *Table {
	copied := *t
	copied.Messages = maps.Clone(t.Messages)
	copied.index, copied.Incoming = nil, nil
	copied.Columns = make([]*Column, len(t.Columns))
	for i, column := range t.Columns {
		copied.Columns[i] = column.clone(global)
	}
	copied.Keys = make([]*Key, len(t.Keys))
	for i, key := range t.Keys {
		k := *key
		k.Columns = append([]string(nil), key.Columns...)
		copied.Keys[i] = &k
	}
	copied.Outgoing = make([]*Relationship, len(t.Outgoing))
	for i, relationship := range t.Outgoing {
		r := *relationship
		copied.Outgoing[i] = &r
	}
	copied.Many = make([]*Many, len(t.Many))
	for i, many := range t.Many {
		if manies[many] == nil {
			m := *many
			manies[many] = &m
		}
		copied.Many[i] = manies[many]
	}
	return &copied
}

func (c *Column) clone(global map[string]*OptionSet) *Column {
	copied := *c
	copied.Targets = append([]string(nil), c.Targets...)
	if c.Options != nil && c.Options.IsGlobal && global[c.Options.Name] != nil {
		copied.Options = global[c.Options.Name]
	} else {
		copied.Options = c.Options.clone()
	}
	return &copied
}

// Merge puts the tables and global choices of other into o: a table that o has already is replaced as a whole, others
// are added. Relationships and many-to-many relationships of o that lead to a replaced table stay.
func (o *Organization) Merge(other *Organization) {
	added := other.Clone()
	for name, set := range added.GlobalChoices {
		o.GlobalChoices[name] = set
	}
	for name, table := range added.Tables {
		if old := o.Tables[name]; old != nil {
			keepMany(table, old)
		}
		o.Tables[name] = table
	}
	for _, name := range added.Names() {
		for _, many := range added.Tables[name].Many {
			for _, end := range []string{many.Entity1, many.Entity2} {
				if table := o.Tables[end]; table != nil && !table.hasMany(many.SchemaName) {
					table.Many = append(table.Many, many)
				}
			}
		}
	}
	o.Reindex()
}

func keepMany(table, old *Table) {
	for _, many := range old.Many {
		if !table.hasMany(many.SchemaName) {
			table.Many = append(table.Many, many)
		}
	}
}

// Enrich fills what the source of o could not know, such as lengths, choices and required levels after LoadCSDL, with
// what known says about the same column of the same table. Columns and relationships stay those of o.
func (o *Organization) Enrich(known *Organization) {
	known = known.Clone()
	for name, table := range o.Tables {
		from := known.Tables[name]
		if from == nil {
			continue
		}
		table.SchemaName, table.DisplayName = from.SchemaName, from.DisplayName
		if from.PrimaryName != "" && table.Column(from.PrimaryName) != nil {
			table.namedBy(from.PrimaryName)
		}
		for i, column := range table.Columns {
			if richer := from.Column(column.LogicalName); richer != nil && sameWire(column, richer) {
				table.Columns[i] = column.enriched(richer)
			}
		}
		table.enrichRelationships(from)
		table.addShadows()
	}
	for name, set := range known.GlobalChoices {
		if o.GlobalChoices[name] == nil {
			o.GlobalChoices[name] = set
		}
	}
	o.Reindex()
}

func (t *Table) namedBy(column string) {
	t.PrimaryName = column
	for _, c := range t.Columns {
		c.IsPrimaryName = c.LogicalName == column
	}
}

// sameWire says whether two columns look alike in CSDL, so that one may explain the other.
func sameWire(a, b *Column) bool {
	return a.EdmType() == b.EdmType() && a.IsLookup() == b.IsLookup() && a.IsPrimaryID == b.IsPrimaryID &&
		(a.DateTimeBehavior == "DateOnly") == (b.DateTimeBehavior == "DateOnly")
}

// enriched takes the known column, but leads where c leads and is called as c is in this environment.
func (c *Column) enriched(known *Column) *Column {
	copied := *known
	copied.MetadataID = c.MetadataID
	copied.IsPrimaryName = c.IsPrimaryName
	if len(c.Targets) > 0 {
		copied.Targets = c.Targets
	}
	if c.IsLookup() {
		copied.Type = c.Type
	}
	return &copied
}

// enrichRelationships learns what deleting a row does to the rows that refer to it.
func (t *Table) enrichRelationships(from *Table) {
	for _, r := range t.Outgoing {
		for _, known := range from.Outgoing {
			if known.Column == r.Column && known.Referenced == r.Referenced {
				r.Delete, r.IsHierarchical = known.Delete, known.IsHierarchical
			}
		}
	}
}

// EdmType is the type that $metadata declares for the column.
func (c *Column) EdmType() string {
	switch c.Type {
	case TypeBigInt:
		return "Edm.Int64"
	case TypeBoolean:
		return "Edm.Boolean"
	case TypeDateTime:
		if c.DateTimeBehavior == "DateOnly" {
			return "Edm.Date"
		}
		return "Edm.DateTimeOffset"
	case TypeDecimal, TypeMoney:
		return "Edm.Decimal"
	case TypeDouble:
		return "Edm.Double"
	case TypeImage:
		return "Edm.Binary"
	case TypeInteger, TypePicklist, TypeState, TypeStatus:
		return "Edm.Int32"
	case TypeLookup, TypeCustomer, TypeOwner, TypeUniqueidentifier, TypeFile:
		return "Edm.Guid"
	case TypeManagedProperty:
		return "mscrm.BooleanManagedProperty"
	}
	return "Edm.String"
}
