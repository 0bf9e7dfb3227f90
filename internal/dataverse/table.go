package dataverse

import (
	"encoding/json"
	"strings"
)

// Type is a column's type as far as writing it differs. The names are those of AttributeTypeName without "Type".
type Type string

const (
	String           Type = "String"
	Memo             Type = "Memo"
	Integer          Type = "Integer"
	BigInt           Type = "BigInt"
	Decimal          Type = "Decimal"
	Double           Type = "Double"
	Money            Type = "Money"
	Boolean          Type = "Boolean"
	DateTime         Type = "DateTime"
	Picklist         Type = "Picklist"
	MultiSelect      Type = "MultiSelectPicklist"
	State            Type = "State"
	Status           Type = "Status"
	Lookup           Type = "Lookup"
	Customer         Type = "Customer"
	Owner            Type = "Owner"
	Uniqueidentifier Type = "Uniqueidentifier"
	// Every other AttributeTypeName (Image, File, PartyList, EntityName, Virtual, ManagedProperty …) is
	// kept as it is and cannot be written yet.
)

// Option is one value of a choice column. A boolean column has exactly two: 0 and 1.
type Option struct {
	Value int    `json:"value"`
	Label string `json:"label"`
	State *int   `json:"state,omitempty"` // of a status option: the state it belongs to
}

// Lookups of a column: the navigation property that writes it, for each table it may point to.
type Target struct {
	Table      string `json:"table"`      // logical name
	Set        string `json:"set"`        // entity set name
	Navigation string `json:"navigation"` // stands before @odata.bind; case-sensitive
}

// Column is what a loader must know of a table's column. JSON: part of run.json.
type Column struct {
	Name      string      `json:"name"` // logical name
	Type      Type        `json:"type"`
	MaxLength int         `json:"max_length,omitempty"` // UTF-16 code units; 0 unknown
	Min       json.Number `json:"min,omitempty"`        // of numbers; "" unknown
	Max       json.Number `json:"max,omitempty"`
	Precision int         `json:"precision,omitempty"` // decimal places
	DateOnly  bool        `json:"date_only,omitempty"` // DateTimeBehavior DateOnly: Edm.Date. Format DateOnly with another behaviour is a timestamp.
	// WallTime: DateTimeBehavior TimeZoneIndependent: a date and a time of day that belong to no zone, written as if in UTC.
	WallTime  bool     `json:"wall_time,omitempty"`
	Options   []Option `json:"options,omitempty"`
	Targets   []Target `json:"targets,omitempty"`
	ForCreate bool     `json:"for_create"`
	ForUpdate bool     `json:"for_update"`
	Required  string   `json:"required,omitempty"` // None, SystemRequired, ApplicationRequired, Recommended
	Derived   bool     `json:"derived,omitempty"`  // calculated, rollup, formula, or shadow of another column (AttributeOf): never writable
}

// Key is an alternate key.
type Key struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Status  string   `json:"status"` // EntityKeyIndexStatus; only "Active" is usable
}

// Table is what a loader must know of a table, read live from EntityDefinitions. JSON: part of run.json.
type Table struct {
	Name        string   `json:"name"` // logical name
	Set         string   `json:"set"`  // entity set name
	PrimaryID   string   `json:"primary_id"`
	PrimaryName string   `json:"primary_name"`
	Type        string   `json:"type"` // Standard, Elastic, Virtual, Activity
	Columns     []Column `json:"columns"`
	Keys        []Key    `json:"keys"`
}

// Column finds a column by logical name; nil when the table has none of that name.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Key finds the alternate key over exactly these columns, in any order; nil when there is none.
func (t *Table) Key(columns []string) *Key {
	for i, k := range t.Keys {
		if sameSet(k.Columns, columns) {
			return &t.Keys[i]
		}
	}
	return nil
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	seen := make(map[string]bool, len(a))
	for _, s := range a {
		seen[strings.ToLower(s)] = true
	}
	for _, s := range b {
		if !seen[strings.ToLower(s)] {
			return false
		}
	}
	return true
}
