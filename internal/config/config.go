// Package config reads penstock.yaml: connections and destinations, with errors that name file and line.
package config

import (
	"maps"
	"slices"

	"penstock/internal/fault"
)

// Config is a whole penstock.yaml.
type Config struct {
	File         string // as given to Parse, for messages
	Connections  map[string]*Connection
	Destinations map[string]*Destination
}

// Destination finds a destination by name.
func (c *Config) Destination(name string) (*Destination, error) {
	if d := c.Destinations[name]; d != nil {
		return d, nil
	}
	return nil, fault.New(fault.Refused, "unknown_destination", "there is no destination %s", quote(name)).
		At(c.File, 0, "").Advise("%s", hint(name, namesOf(c.Destinations)))
}

// Connection finds a connection by name.
func (c *Config) Connection(name string) (*Connection, error) {
	if k := c.Connections[name]; k != nil {
		return k, nil
	}
	return nil, fault.New(fault.Refused, "unknown_connection", "there is no connection %s", quote(name)).
		At(c.File, 0, "").Advise("%s", hint(name, namesOf(c.Connections)))
}

// namesOf lists names in alphabetical order.
func namesOf[T any](named map[string]T) []string { return slices.Sorted(maps.Keys(named)) }

// Connection says where to write.
type Connection struct {
	Name string // its name in the file
	Line int    // where it stands in the file

	URL             string // https origin without path, from url or from environment: {region, name}
	Tenant          string // Entra tenant: GUID or verified domain; may be "" for a ready access token
	Credential      string // "secretsmanager:NAME", "env:NAME", "file:PATH"; PATH as CAFile
	Authority       string // https origin; unless stated, the one of URL's cloud (of a custom host: the public cloud's)
	CAFile          string // PEM; resolved against the configuration file's directory
	AllowCustomHost bool   // rule S1
	APIVersion      string // "v9.2"
}

// Mode is how a destination writes.
type Mode string

const (
	Append Mode = "append"
	Upsert Mode = "upsert"
)

// Destination says what to write.
type Destination struct {
	Name string
	Line int

	Connection string
	Table      string   // logical name
	Mode       Mode     //
	Key        []string // logical names: the primary id, or the columns of an alternate key; empty for append
	Format     string   // "csv", "jsonl", or "" (by the file's name)
	Audiences  []string // who may drop; never empty, unless stated "admin"
	Nulls      Nulls
	Columns    []Column // in file order; nil when the section is absent: headers are logical names
	Parallel   int      // chunks at once; 0 means the default
	Rejects    Rejects
}

// Nulls says what an empty cell does to a record that exists.
type Nulls string

const (
	SkipNulls  Nulls = "skip"  // leave the column out
	ClearNulls Nulls = "clear" // write null
)

// Rejects bounds how many rows may be wrong before nothing (more) is written.
type Rejects struct {
	MaxPercent float64 // 0..100, of rows read; default 10
}

// Column maps one column of the file.
type Column struct {
	From   string // the file's column name
	Line   int
	To     string // logical name of the table's column
	Skip   bool   // ignore it
	Round  bool   // of a number: round to the decimal places that the column keeps, instead of rejecting the row
	Choice string // "value", "label", or "" (a number is a value, anything else a label)
	Table  string // of a lookup: which target table, when the column has several
	By     string // of a lookup: how the cell identifies the target; "" or "id" is its GUID
}
