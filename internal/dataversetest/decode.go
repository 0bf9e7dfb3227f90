package dataversetest

import (
	"database/sql/driver"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/payload"
	"penstock/internal/dataversetest/schema"
)

// change is what a payload says of one record, read and typed as far as the OData layer does it.
type change struct {
	table  *table
	id     string     // primary id in the body
	part   string     // partition id in the body, of an elastic table
	ref    *reference // of @odata.id
	sets   []set
	binds  []bind
	nested []nested
}

type set struct {
	column *column
	value  driver.Value
}

// bind is a lookup to be set, or with a nil ref to be cleared.
type bind struct {
	field field
	ref   *reference
	child *change // a record to be created first, and pointed to
}

// nested are records to be created with the one they belong to, or to be associated with it.
type nested struct {
	field field
	rows  []*change
	refs  []*reference
}

// decodeRow reads the JSON of one record.
func (s *Server) decodeRow(r *request, t *table, v *payload.Value) (*change, error) {
	if v.Kind != payload.Object {
		return nil, errPayload(t.SetName, "An unexpected '%s' node was found when reading from the JSON reader. A 'StartObject' node was expected.", nodeName(v))
	}
	c := &change{table: t, sets: make([]set, 0, len(v.Items))}
	for i := range v.Items {
		if err := s.decodeMember(r, c, &v.Items[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (s *Server) decodeMember(r *request, c *change, m *payload.Member) error {
	f, known := c.table.fields[m.Name]
	switch {
	case !known:
		return s.decodeUnknown(r, c, m)
	case f.value:
		return failf(400, "0x80048d19", "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.")
	case f.column != nil && f.lookup == nil:
		return c.decodeColumn(f.column, &m.Value)
	case f.lookup != nil:
		return s.decodeLookup(r, c, f, m)
	}
	return s.decodeCollection(r, c, f, m)
}

// decodeUnknown deals with annotations, and refuses everything else.
func (s *Server) decodeUnknown(r *request, c *change, m *payload.Member) error {
	property, annotation, annotated := strings.Cut(m.Name, "@")
	switch {
	case !annotated:
		return errPayload(c.table.SetName, "An error occurred while validating input parameters: Microsoft.OData.ODataException: "+
			"Invalid property '%s' was found in entity 'Microsoft.Dynamics.CRM.%s'.", m.Name, c.table.LogicalName)
	case annotation == "odata.bind":
		return errPayload(c.table.SetName, "An undeclared property '%s' which only has property annotations in the payload but no property value "+
			"was found in the payload. In OData, only declared navigation properties and declared named streams can be represented as properties without values.", property)
	case !strings.Contains(annotation, "."):
		return errPayload(c.table.SetName, "The name '%s' is not valid for an instance annotation: it must contain a period.", m.Name)
	case property != "":
		return nil
	case annotation == "odata.type":
		if typeName(m.Text) != c.table.LogicalName {
			return errPayload(c.table.SetName, "A resource with type '%s' was found, but it is not assignable to the expected type 'Microsoft.Dynamics.CRM.%s'.",
				strings.TrimPrefix(m.Text, "#"), c.table.LogicalName)
		}
	case annotation == "odata.id":
		ref, err := s.parseReference(r, m.Text)
		if err != nil {
			return err
		}
		if ref.table != c.table {
			return errPayload(c.table.SetName, "The id '%s' does not belong to the entity set '%s'.", m.Text, c.table.SetName)
		}
		c.ref = ref
	}
	return nil
}

// typeName is the logical name that an @odata.type stands for.
func typeName(s string) string { return odata.Unqualified(strings.TrimPrefix(s, "#")) }

func (c *change) decodeColumn(col *column, v *payload.Value) error {
	value, err := col.decode(c.table, v)
	if err != nil {
		return err
	}
	switch {
	case col == c.table.id && value != nil:
		c.id = value.(string)
	case col == c.table.partition && value != nil:
		c.part = value.(string)
		c.sets = append(c.sets, set{col, value})
	case col != c.table.id:
		if c.has(col) {
			return errPayload(c.table.SetName, "Multiple properties with the name '%s' were detected in a resource or a complex value. "+
				"In OData, duplicate property names are not allowed.", col.property)
		}
		c.sets = append(c.sets, set{col, value})
	}
	return nil
}

func (s *Server) decodeLookup(r *request, c *change, f field, m *payload.Member) error {
	b := bind{field: f}
	switch {
	case m.Kind == payload.Null:
	case f.bind && m.Kind == payload.String:
		ref, err := s.parseReference(r, m.Text)
		if err != nil {
			return err
		}
		if !s.leadsTo(f.lookup, ref.table) {
			return errPayload(c.table.SetName, "The value of '%s' is a reference to '%s', but '%s' was expected.", m.Name, ref.table.LogicalName, f.lookup.Referenced)
		}
		b.ref = ref
	case !f.bind && m.Kind == payload.Object:
		target := s.nestedTable(f.lookup.Referenced, &m.Value)
		if target == nil {
			return errPayload(c.table.SetName, "The type of the value of '%s' is not known.", m.Name)
		}
		child, err := s.decodeRow(r, target, &m.Value)
		if err != nil {
			return err
		}
		b.child = child
	default:
		return errPayload(c.table.SetName, "A 'PrimitiveValue' node with non-null value was found when trying to read the value of the property '%s'; "+
			"however, a 'StartArray' node, a 'StartObject' node, or a 'PrimitiveValue' node with null value was expected.", strings.TrimSuffix(m.Name, "@odata.bind"))
	}
	c.binds = append(c.binds, b)
	return nil
}

// nestedTable is the table of a nested record: the relationship's, or a more special one that the record names.
func (s *Server) nestedTable(name string, v *payload.Value) *table {
	if t := v.Get("@odata.type"); t != nil && t.Kind == payload.String {
		name = typeName(t.Text)
	}
	return s.table(name)
}

func (s *Server) decodeCollection(r *request, c *change, f field, m *payload.Member) error {
	if m.Kind != payload.Array {
		return errPayload(c.table.SetName, "An unexpected '%s' node was found when reading from the JSON reader. A 'StartArray' node was expected.", nodeName(&m.Value))
	}
	n := nested{field: f}
	other := f.other(c.table)
	for i := range m.Items {
		item := &m.Items[i].Value
		if f.bind {
			ref, err := s.parseReference(r, item.Text)
			if err != nil {
				return err
			}
			n.refs = append(n.refs, ref)
			continue
		}
		target := s.nestedTable(other, item)
		if target == nil {
			return errPayload(c.table.SetName, "The type of a value of '%s' is not known.", m.Name)
		}
		child, err := s.decodeRow(r, target, item)
		if err != nil {
			return err
		}
		n.rows = append(n.rows, child)
	}
	c.nested = append(c.nested, n)
	return nil
}

// other is the table at the far end of a collection-valued navigation property.
func (f *field) other(t *table) string {
	if f.collection != nil {
		return f.collection.Referencing
	}
	return f.many.Other(t.LogicalName, f.name)
}

func nodeName(v *payload.Value) string {
	switch v.Kind {
	case payload.Object:
		return "StartObject"
	case payload.Array:
		return "StartArray"
	}
	return "PrimitiveValue"
}

// decode turns a JSON value into what the database keeps, or refuses it as the OData layer does: by type alone, without
// naming the column.
func (c *column) decode(t *table, v *payload.Value) (driver.Value, error) {
	if v.Kind == payload.Null {
		return nil, nil
	}
	switch c.Type {
	case schema.TypeString, schema.TypeMemo, schema.TypeEntityName, schema.TypeMultiSelect:
		if v.Kind == payload.String {
			return v.Text, nil
		}
		return nil, errLiteral(t, v, "String")
	case schema.TypeInteger, schema.TypePicklist, schema.TypeState, schema.TypeStatus:
		return decodeInt32(t, v)
	case schema.TypeBigInt:
		n, err := strconv.ParseInt(v.Text, 10, 64)
		if v.Kind != payload.Number || err != nil {
			return nil, errLiteral(t, v, "Int64")
		}
		return n, nil
	case schema.TypeDecimal, schema.TypeMoney:
		if v.Kind != payload.Number || strings.ContainsAny(v.Text, "eE") || len(v.Text) > 60 {
			return nil, errLiteral(t, v, "Decimal")
		}
		return v.Text, nil
	case schema.TypeDouble:
		f, err := strconv.ParseFloat(v.Text, 64)
		if v.Kind != payload.Number || err != nil {
			return nil, errLiteral(t, v, "Double")
		}
		return f, nil
	case schema.TypeBoolean, schema.TypeManagedProperty:
		switch v.Kind {
		case payload.True:
			return int64(1), nil
		case payload.False:
			return int64(0), nil
		}
		return nil, errLiteral(t, v, "Boolean")
	case schema.TypeDateTime:
		return c.decodeTime(t, v)
	case schema.TypeImage:
		b, err := base64.StdEncoding.DecodeString(v.Text)
		if v.Kind != payload.String || err != nil {
			return nil, errLiteral(t, v, "Binary")
		}
		return b, nil
	}
	if v.Kind != payload.String || !odata.IsGUID(v.Text) {
		return nil, errLiteral(t, v, "Guid")
	}
	return strings.ToLower(v.Text), nil
}

func errLiteral(t *table, v *payload.Value, edm string) error {
	switch v.Kind {
	case payload.Object, payload.Array:
		return errPayload(t.SetName, "An unexpected '%s' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected.", nodeName(v))
	}
	return errPayload(t.SetName, "Cannot convert the literal '%s' to the expected type 'Edm.%s'.", v.Text, edm)
}

func decodeInt32(t *table, v *payload.Value) (driver.Value, error) {
	n, err := strconv.ParseInt(v.Text, 10, 64)
	if v.Kind != payload.Number || err != nil {
		return nil, errLiteral(t, v, "Int32")
	}
	if n > math.MaxInt32 || n < math.MinInt32 {
		return nil, failf(400, "0x80044354", "Incorrect attribute value type System.Int64")
	}
	return n, nil
}

// dateOnly says whether the column is an Edm.Date. Format DateOnly with another behaviour is a timestamp.
func (c *column) dateOnly() bool { return c.DateTimeBehavior == "DateOnly" }

func (c *column) decodeTime(t *table, v *payload.Value) (driver.Value, error) {
	edm := "DateTimeOffset"
	if c.dateOnly() {
		edm = "Date"
	}
	if v.Kind != payload.String {
		return nil, errLiteral(t, v, edm)
	}
	lit, ok := odata.ParseTime(v.Text)
	if !ok || (lit.Kind == odata.Date) != c.dateOnly() {
		return nil, errLiteral(t, v, edm)
	}
	at, _ := lit.Time()
	if c.dateOnly() {
		return at.Format(time.DateOnly), nil
	}
	if at.Year() < 1 || at.Year() > 9999 {
		return nil, errLiteral(t, v, edm)
	}
	return at.Format(timestamp), nil
}
