package mapping

import (
	"bytes"
	"encoding/json"

	"penstock/internal/dataverse"
)

// RecordKey is the key of a record that was read from the service, as Key gives
// it for a row that names this record: so a table can be compared with a file.
// The values are JSON, those of columns in their order. It is empty when one of
// them is missing, which no row's key is, and for a value that the column cannot have.
func RecordKey(table *dataverse.Table, columns []string, values []json.RawMessage) []byte {
	if len(columns) == 0 || len(columns) != len(values) {
		return nil
	}
	if len(columns) == 1 {
		return appendRecordPart(make([]byte, 0, 40), table, columns[0], values[0])
	}
	order := columns
	if k := table.Key(columns); k != nil {
		order = k.Columns // in which rows have their parts
	}
	var key []byte
	for _, name := range order {
		var part []byte
		for i, column := range columns {
			if column == name {
				part = appendRecordPart(nil, table, name, values[i])
			}
		}
		if len(part) == 0 {
			return nil
		}
		key = appendPart(key, part)
	}
	return key
}

// InPartition is the key of a record of an elastic table that is found by its id
// alone. Its partition belongs to it, unless that is the id.
func InPartition(key []byte, id, partition string) []byte {
	if partition == "" || partition == id {
		return key
	}
	return append(append(key, 0), partition...)
}

// appendRecordPart appends one value; nothing when there is none.
func appendRecordPart(dst []byte, table *dataverse.Table, name string, value json.RawMessage) []byte {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || string(value) == "null" {
		return dst
	}
	column, kind := table.Column(name), dataverse.Uniqueidentifier
	if column != nil && name != table.PrimaryID {
		kind = column.Type
	}
	switch kind {
	case dataverse.Uniqueidentifier, dataverse.Lookup, dataverse.Customer, dataverse.Owner:
		return appendText(dst, value, func(dst, text []byte) []byte {
			start := len(dst)
			if dst, ok := appendGUID(append(dst, '"'), text); ok {
				return append(dst, '"')
			}
			return dst[:start]
		})
	case dataverse.String, dataverse.Memo:
		return appendText(dst, value, appendNormalised)
	case dataverse.DateTime:
		return appendText(dst, value, func(dst, text []byte) []byte { return appendMoment(dst, column, text) })
	case dataverse.Boolean:
		return append(dst, value...)
	}
	text, ok := plainText(value)
	if !ok {
		text = value
	}
	if n, ok := parseNumber(nil, text); ok && n.point < 1000 && n.point > -1000 {
		return n.append(dst)
	}
	return append(dst, value...)
}

// appendMoment writes a date or time as rows' are written; the service may add a fraction of a second.
func appendMoment(dst []byte, c *dataverse.Column, text []byte) []byte {
	m, ok := parseMoment(text)
	switch {
	case !ok:
		return dst
	case c.DateOnly:
		return m.utc.AppendFormat(dst, `"2006-01-02"`)
	}
	return m.utc.AppendFormat(dst, `"2006-01-02T15:04:05Z"`)
}

// appendText hands the text of a JSON string on; a bare value, as ids are in some answers, is its own text.
func appendText(dst []byte, value json.RawMessage, put func(dst, text []byte) []byte) []byte {
	if text, ok := plainText(value); ok {
		return put(dst, text)
	}
	if value[0] != '"' {
		return put(dst, value)
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return dst
	}
	return put(dst, []byte(text))
}

// plainText is the inside of a JSON string that has no escapes.
func plainText(value json.RawMessage) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil, false
	}
	return value[1 : len(value)-1], true
}
