package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// UpdateTable takes over what can be changed of a table: the body of PUT EntityDefinitions(…). What a table is, such as
// its names and its ownership, stays.
func (o *Organization) UpdateTable(t *Table, body []byte) error {
	var item jsonItem
	if err := json.Unmarshal(body, &item); err != nil {
		return fmt.Errorf("the table %w: %w", ErrInvalid, err)
	}
	if item.LogicalName != "" && item.LogicalName != t.LogicalName {
		return fmt.Errorf("the name %s of the table %s %w", item.LogicalName, t.LogicalName, ErrInvalid)
	}
	t.DisplayName = orWord(item.DisplayName.text(), t.DisplayName)
	t.ChangeTracking = t.ChangeTracking || item.ChangeTrackingEnabled // cannot be switched off again
	return nil
}

// UpdateColumn takes over what can be changed of a column: the body of PUT EntityDefinitions(…)/Attributes(…).
func (o *Organization) UpdateColumn(t *Table, c *Column, body []byte) error {
	var a jsonAttribute
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("the attribute %w: %w", ErrInvalid, err)
	}
	given := (&definitions{org: o}).convert(a)
	typed := a.AttributeTypeName != nil || a.AttributeType != "" && a.AttributeType != "Virtual"
	switch {
	case a.LogicalName != "" && a.LogicalName != c.LogicalName:
		return fmt.Errorf("the name %s of the attribute %s %w", a.LogicalName, c.LogicalName, ErrInvalid)
	case typed && given.Type != c.Type:
		return fmt.Errorf("the type %s of the attribute %s %w", given.Type, c.LogicalName, ErrInvalid)
	case a.MaxLength != nil && (*a.MaxLength < 1 || c.Type == TypeString && *a.MaxLength > maxString || *a.MaxLength > maxMemo):
		return fmt.Errorf("the length %d of the attribute %s %w", *a.MaxLength, c.LogicalName, ErrInvalid)
	}
	c.DisplayName = orWord(given.DisplayName, c.DisplayName)
	if a.RequiredLevel != nil {
		c.RequiredLevel = a.RequiredLevel.Value
	}
	c.MaxLength, c.Precision = value(a.MaxLength, c.MaxLength), value(a.Precision, c.Precision)
	if a.MinValue != nil {
		c.Min = a.MinValue
	}
	if a.MaxValue != nil {
		c.Max = a.MaxValue
	}
	return nil
}

// UpdateRelationship takes over what deleting does: the body of PUT RelationshipDefinitions(…).
func (o *Organization) UpdateRelationship(id string, body []byte) error {
	var given jsonLookup
	if err := json.Unmarshal(body, &given); err != nil {
		return fmt.Errorf("the relationship %w: %w", ErrInvalid, err)
	}
	for _, t := range o.Tables {
		for _, r := range t.Outgoing {
			if strings.EqualFold(r.MetadataID, id) {
				r.Delete = orWord(given.CascadeConfiguration.Delete, r.Delete)
				r.IsHierarchical = given.IsHierarchical
				return nil
			}
		}
		if slices.ContainsFunc(t.Many, func(m *Many) bool { return strings.EqualFold(m.MetadataID, id) }) {
			return nil // a many-to-many relationship has nothing of that kind
		}
	}
	return fmt.Errorf("the relationship %s %w", id, ErrMissing)
}

// CreateTables adds several tables at once: the body of POST CreateEntities, where types are called Complex….
func (o *Organization) CreateTables(body []byte) ([]*Table, error) {
	var all struct{ Entities []json.RawMessage }
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("the tables %w: %w", ErrInvalid, err)
	}
	if len(all.Entities) == 0 {
		return nil, fmt.Errorf("the parameter Entities %w: it is missing or empty", ErrInvalid)
	}
	var tables []*Table
	for _, one := range all.Entities {
		table, err := o.CreateTable(one)
		if err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, nil
}
