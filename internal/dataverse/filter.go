package dataverse

import (
	"bytes"
	"encoding/json"

	"penstock/internal/fault"
)

// Filter is a conjunction: each column equals its constant, JSON null standing
// for no value. An empty one means every record.
type Filter []KeyPart

// appendFilter writes a filter as the value of $filter, percent-encoded.
func (t *Table) appendFilter(dst []byte, filter Filter) ([]byte, error) {
	for i, part := range filter {
		column, ok := t.keyColumn(part.Column)
		if !ok {
			return dst, badFilter(part.Column)
		}
		if i > 0 {
			dst = append(dst, "%20and%20"...)
		}
		dst = append(dst, column.property...)
		dst = append(dst, "%20eq%20"...)
		if isNull(part.Value) {
			dst = append(dst, "null"...)
			continue
		}
		var err error
		if dst, err = appendKeyLiteral(dst, part.Value, column.bare); err != nil {
			return dst, badFilter(part.Column)
		}
	}
	return dst, nil
}

func isNull(value json.RawMessage) bool { return string(bytes.Trim(value, jsonBlanks)) == "null" }

func badFilter(column string) error {
	return fault.New(fault.Refused, "bad_filter", "the filter has a column that the table lacks, or a constant that does not suit it").At("", 0, column)
}

// queryTypes are the types of constants in a QueryExpression; the others are texts.
var queryTypes = map[Type]string{
	Integer: "System.Int32", Picklist: "System.Int32", State: "System.Int32", Status: "System.Int32", BigInt: "System.Int64",
	Decimal: "System.Decimal", Money: "System.Decimal", Double: "System.Double", Boolean: "System.Boolean", DateTime: "System.DateTime",
	Lookup: "System.Guid", Customer: "System.Guid", Owner: "System.Guid", Uniqueidentifier: "System.Guid",
}

// conditions are a filter as a QueryExpression has them.
func (t *Table) conditions(filter Filter) ([]condition, error) {
	out := make([]condition, len(filter))
	for i, part := range filter {
		c := &out[i]
		*c = condition{Kind: crm + "ConditionExpression", AttributeName: part.Column, Operator: "Null", Values: []constant{}}
		kind := queryTypes[Uniqueidentifier]
		if column := t.Column(part.Column); column != nil {
			kind = queryTypes[column.Type]
		} else if part.Column != t.PrimaryID {
			return nil, badFilter(part.Column)
		}
		if isNull(part.Value) {
			continue
		}
		text, _, err := literalText(part.Value)
		if err != nil {
			return nil, badFilter(part.Column)
		}
		if kind == "" {
			kind = "System.String"
		}
		c.Operator, c.Values = "Equal", []constant{{Value: string(text), Type: kind}}
	}
	return out, nil
}

const crm = "Microsoft.Dynamics.CRM."

type condition struct {
	Kind          string `json:"@odata.type"`
	AttributeName string
	Operator      string
	Values        []constant
}

type constant struct{ Value, Type string }
