package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Why a change of the schema is refused.
var (
	ErrExists  = errors.New("already exists")
	ErrMissing = errors.New("does not exist")
	ErrInvalid = errors.New("is not valid")
)

// The functions below change an organisation in place, with the bodies that clients of the Web API send. To change one
// that is in use, Clone it first and put the clone in its place; Reindex after the last change.

// CreateTable adds a custom table: the body of POST EntityDefinitions.
func (o *Organization) CreateTable(body []byte) (*Table, error) {
	var item jsonItem
	if err := json.Unmarshal(body, &item); err != nil {
		return nil, fmt.Errorf("the table %w: %w", ErrInvalid, err)
	}
	logical := strings.ToLower(item.SchemaName)
	if err := o.checkNew(logical, o.Tables[logical] != nil, "entity"); err != nil {
		return nil, err
	}
	item.LogicalName, item.PrimaryIdAttribute = logical, logical+"id"
	if item.EntitySetName == "" {
		item.EntitySetName = plural(logical)
	}
	item.OwnershipType = orWord(item.OwnershipType, "UserOwned")
	item.TableType = orWord(item.TableType, Standard)
	if item.OwnershipType != "UserOwned" && item.OwnershipType != "OrganizationOwned" || item.TableType != Standard && item.TableType != Elastic {
		return nil, fmt.Errorf("a table of %s, %s %w", item.OwnershipType, item.TableType, ErrInvalid)
	}
	if o.Sets[item.EntitySetName] != nil {
		return nil, fmt.Errorf("the entity set %s %w", item.EntitySetName, ErrExists)
	}
	table, err := o.newTable(item)
	if err != nil {
		return nil, err
	}
	o.Tables[logical] = table
	return table, nil
}

func (o *Organization) newTable(item jsonItem) (*Table, error) {
	table := &Table{
		LogicalName: item.LogicalName, SchemaName: item.SchemaName, SetName: item.EntitySetName, DisplayName: orWord(item.DisplayName.text(), item.SchemaName),
		PrimaryID: item.PrimaryIdAttribute, TableType: item.TableType, OwnershipType: item.OwnershipType, IsActivity: item.IsActivity,
		ChangeTracking: item.ChangeTrackingEnabled, Concurrency: true, Messages: bulkMessages(item.TableType), states: defaultStates(),
	}
	table.add(primaryID(item.SchemaName+"Id", table.DisplayName))
	for _, a := range item.Attributes {
		column, err := o.newColumn(table, a)
		if err != nil {
			return nil, err
		}
		if column.IsPrimaryName {
			table.PrimaryName = column.LogicalName
		}
		table.Columns = append(table.Columns, column)
	}
	if table.PrimaryName == "" {
		return nil, fmt.Errorf("the table %s %w: it has no primary name attribute", table.SchemaName, ErrInvalid)
	}
	table.addStandard(nil, false)
	table.addShadows()
	return table, nil
}

// checkNew refuses names that are taken, and those without a publisher's prefix.
func (o *Organization) checkNew(logical string, taken bool, what string) error {
	if !validName(logical) || !strings.Contains(logical, "_") {
		return fmt.Errorf("the %s name %q %w: it must start with a customization prefix", what, logical, ErrInvalid)
	}
	if taken {
		return fmt.Errorf("an %s with the specified name %s %w", what, logical, ErrExists)
	}
	return nil
}

// CreateColumn adds a column: the body of POST EntityDefinitions(…)/Attributes.
func (o *Organization) CreateColumn(t *Table, body []byte) (*Column, error) {
	var a jsonAttribute
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("the attribute %w: %w", ErrInvalid, err)
	}
	column, err := o.newColumn(t, a)
	if err != nil {
		return nil, err
	}
	o.addColumn(t, column)
	return column, nil
}

// addColumn adds a column with all that comes along: labels, base currency, currency.
func (o *Organization) addColumn(t *Table, column *Column) {
	t.index = nil // it does not know what is being added
	t.Columns = append(t.Columns, column)
	if column.Type == TypeMoney && t.addBaseColumns() {
		t.addAll(currencyColumns, nil)
	}
	t.addShadows()
}

func (o *Organization) newColumn(t *Table, a jsonAttribute) (*Column, error) {
	a.LogicalName = strings.ToLower(a.SchemaName)
	if err := o.checkNew(a.LogicalName, t.Column(a.LogicalName) != nil, "attribute"); err != nil {
		return nil, err
	}
	d := &definitions{org: o}
	column := d.convert(a)
	if a.GlobalOptionSetBind != "" {
		set, err := o.bound(a.GlobalOptionSetBind)
		if err != nil {
			return nil, err
		}
		column.Options = set
	}
	column.DisplayName = orWord(column.DisplayName, spaced(column.SchemaName))
	column.ForRead = true
	switch column.Type {
	case TypeString, TypeMemo, TypeInteger, TypeBigInt, TypeDecimal, TypeDouble, TypeMoney, TypeBoolean, TypeDateTime, TypeImage, TypeFile:
	case TypePicklist, TypeMultiSelect:
		if column.Options == nil {
			return nil, fmt.Errorf("the attribute %s %w: it has no OptionSet", column.SchemaName, ErrInvalid)
		}
		column.Options.number()
	default:
		return nil, fmt.Errorf("an attribute of %s %w here", column.Type, ErrInvalid)
	}
	if column.Type == TypeString && column.MaxLength > maxString || column.Type == TypeMemo && column.MaxLength > maxMemo {
		return nil, fmt.Errorf("the length %d of the attribute %s %w", column.MaxLength, column.SchemaName, ErrInvalid)
	}
	return column, nil
}

// CreateKey adds an alternate key, whose index is still to be built: the body of POST EntityDefinitions(…)/Keys.
func (o *Organization) CreateKey(t *Table, body []byte) (*Key, error) {
	var k jsonKey
	if err := json.Unmarshal(body, &k); err != nil {
		return nil, fmt.Errorf("the key %w: %w", ErrInvalid, err)
	}
	logical := strings.ToLower(k.SchemaName)
	taken := slices.ContainsFunc(t.Keys, func(other *Key) bool {
		return other.LogicalName == logical || sameColumns(other.Columns, k.KeyAttributes)
	})
	if err := o.checkNew(logical, taken, "entity key"); err != nil {
		return nil, err
	}
	if t.TableType != Standard || len(k.KeyAttributes) == 0 || len(k.KeyAttributes) > 16 || len(t.Keys) >= 10 {
		return nil, fmt.Errorf("the key %s %w: a standard table has up to 10 keys of 1 to 16 attributes", k.SchemaName, ErrInvalid)
	}
	for _, name := range k.KeyAttributes {
		if column := t.Column(name); column == nil || !keyTypes[column.Type] || column.IsSecured {
			return nil, fmt.Errorf("the attribute %s of the key %s %w", name, k.SchemaName, ErrInvalid)
		}
	}
	key := &Key{LogicalName: logical, SchemaName: k.SchemaName, DisplayName: orWord(k.DisplayName.text(), k.SchemaName), Columns: k.KeyAttributes, Status: "Pending"}
	t.Keys = append(t.Keys, key)
	return key, nil
}

// keyTypes are the types of columns that a key may have.
var keyTypes = map[string]bool{
	TypeString: true, TypeInteger: true, TypeDecimal: true, TypeDateTime: true, TypeLookup: true, TypePicklist: true, TypeCustomer: true,
}

// CreateRelationship adds a lookup with its relationship, or a many-to-many relationship: the body of POST
// RelationshipDefinitions. It returns the MetadataId.
func (o *Organization) CreateRelationship(body []byte) (string, error) {
	var r struct {
		jsonLookup
		Lookup                                                       *jsonAttribute
		IntersectEntityName, Entity1LogicalName, Entity2LogicalName  string
		Entity1NavigationPropertyName, Entity2NavigationPropertyName *string
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return "", fmt.Errorf("the relationship %w: %w", ErrInvalid, err)
	}
	if r.Lookup == nil {
		return o.createMany(jsonMany{
			SchemaName: r.SchemaName, IntersectEntityName: r.IntersectEntityName, Entity1LogicalName: r.Entity1LogicalName, Entity2LogicalName: r.Entity2LogicalName,
			Entity1NavigationPropertyName: r.Entity1NavigationPropertyName, Entity2NavigationPropertyName: r.Entity2NavigationPropertyName,
		})
	}
	return o.createLookup(r.jsonLookup, *r.Lookup)
}

func (o *Organization) createLookup(r jsonLookup, lookup jsonAttribute) (string, error) {
	from, to := o.Tables[r.ReferencingEntity], o.Tables[r.ReferencedEntity]
	if from == nil || to == nil {
		return "", fmt.Errorf("the entity %s or %s %w", r.ReferencingEntity, r.ReferencedEntity, ErrMissing)
	}
	lookup.LogicalName = strings.ToLower(lookup.SchemaName)
	if err := o.checkNew(lookup.LogicalName, from.Column(lookup.LogicalName) != nil, "attribute"); err != nil {
		return "", err
	}
	if err := o.checkNew(strings.ToLower(r.SchemaName), o.hasRelationship(r.SchemaName), "entity relationship"); err != nil {
		return "", err
	}
	lookup.AttributeType, lookup.AttributeTypeName, lookup.Targets = "Lookup", nil, []string{to.LogicalName}
	column := (&definitions{org: o}).convert(lookup)
	column.DisplayName = orWord(column.DisplayName, spaced(column.SchemaName))
	r.ReferencingAttribute, r.ReferencedAttribute = column.LogicalName, to.PrimaryID
	relationship := r.convert(from.LogicalName)
	relationship.Navigation = orWord(relationship.Navigation, column.SchemaName)
	relationship.Collection = orWord(relationship.Collection, r.SchemaName)
	relationship.MetadataID = ID("relationship", r.SchemaName, from.LogicalName, column.LogicalName, to.LogicalName)
	from.Outgoing = append(from.Outgoing, relationship)
	o.addColumn(from, column)
	return relationship.MetadataID, nil
}

func (o *Organization) hasRelationship(name string) bool {
	for _, t := range o.Tables {
		if t.hasMany(name) || slices.ContainsFunc(t.Outgoing, func(r *Relationship) bool { return r.SchemaName == name }) {
			return true
		}
	}
	return false
}

func (o *Organization) createMany(m jsonMany) (string, error) {
	if o.Tables[m.Entity1LogicalName] == nil || o.Tables[m.Entity2LogicalName] == nil {
		return "", fmt.Errorf("the entity %s or %s %w", m.Entity1LogicalName, m.Entity2LogicalName, ErrMissing)
	}
	intersect := strings.ToLower(orWord(m.IntersectEntityName, m.SchemaName))
	if err := o.checkNew(intersect, o.Tables[intersect] != nil || o.hasRelationship(m.SchemaName), "entity relationship"); err != nil {
		return "", err
	}
	many := &Many{
		SchemaName: m.SchemaName, Intersect: intersect, Entity1: m.Entity1LogicalName, Entity2: m.Entity2LogicalName,
		Navigation1: value(m.Entity1NavigationPropertyName, m.SchemaName), Navigation2: value(m.Entity2NavigationPropertyName, m.SchemaName),
		MetadataID: ID("relationship", m.SchemaName, intersect),
	}
	o.addMany(many, "")
	return many.MetadataID, nil
}

// DropTable removes a table, its relationships, and the lookups that lead to it alone.
func (o *Organization) DropTable(t *Table) {
	delete(o.Tables, t.LogicalName)
	for _, other := range o.Tables {
		for _, r := range other.Outgoing {
			if column := other.Column(r.Column); r.Referenced == t.LogicalName && column != nil {
				column.Targets = without(column.Targets, func(target string) bool { return target == t.LogicalName })
				if len(column.Targets) == 0 {
					other.dropColumn(column.LogicalName)
				}
			}
		}
		other.Outgoing = without(other.Outgoing, func(r *Relationship) bool { return r.Referenced == t.LogicalName })
	}
	for _, many := range t.Many {
		o.dropMany(many)
	}
}

// DropColumn removes a column with what shadows it, its relationships, and the keys that it is part of.
func (o *Organization) DropColumn(t *Table, c *Column) { t.dropColumn(c.LogicalName) }

func (t *Table) dropColumn(name string) {
	t.index = nil
	t.Columns = without(t.Columns, func(c *Column) bool {
		return c.LogicalName == name || c.AttributeOf == name || c.Type == TypeMoney && c.LogicalName == name+"_base"
	})
	t.Outgoing = without(t.Outgoing, func(r *Relationship) bool { return r.Column == name })
	t.Keys = without(t.Keys, func(k *Key) bool { return slices.Contains(k.Columns, name) })
}

// DropKey removes an alternate key.
func (o *Organization) DropKey(t *Table, key *Key) {
	t.Keys = without(t.Keys, func(k *Key) bool { return k == key })
}

// DropRelationship removes a relationship by its MetadataId, with the lookup's column or the intersect table.
func (o *Organization) DropRelationship(id string) error {
	for _, t := range o.Tables {
		for _, r := range t.Outgoing {
			if strings.EqualFold(r.MetadataID, id) {
				t.dropColumn(r.Column)
				return nil
			}
		}
		for _, many := range t.Many {
			if strings.EqualFold(many.MetadataID, id) {
				o.dropMany(many)
				return nil
			}
		}
	}
	return fmt.Errorf("the relationship %s %w", id, ErrMissing)
}

func (o *Organization) dropMany(many *Many) {
	for _, t := range o.Tables {
		t.Many = without(t.Many, func(m *Many) bool { return m == many })
	}
	if link := o.Tables[many.Intersect]; link != nil && link.IsIntersect {
		delete(o.Tables, many.Intersect)
	}
}

// SetKeyStatus says how far the index of a key is: Pending, InProgress, Active or Failed.
func (o *Organization) SetKeyStatus(table, key, status string) {
	t := o.Tables[table]
	if t == nil {
		return
	}
	for _, k := range t.Keys {
		if k.LogicalName == key {
			k.Status = status
		}
	}
}

// plural makes the name of a set as the service does, by the rules of English.
func plural(name string) string {
	n := len(name)
	switch {
	case n > 1 && name[n-1] == 'y' && !strings.ContainsRune("aeiou_", rune(name[n-2])):
		return name[:n-1] + "ies"
	case strings.HasSuffix(name, "s"), strings.HasSuffix(name, "x"), strings.HasSuffix(name, "z"), strings.HasSuffix(name, "ch"), strings.HasSuffix(name, "sh"):
		return name + "es"
	}
	return name + "s"
}
