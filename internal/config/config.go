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
	RequestsPerDay  int64  // of all runs together; 0 is no bound
	InFlight        int    // calls in flight per application user at most; 0 leaves it to the service's hint
}

// Mode is how a destination writes.
type Mode string

const (
	Append   Mode = "append"   // creates a record for every row
	Upsert   Mode = "upsert"   // updates the record that has the row's key, or creates it
	Update   Mode = "update"   // updates the record that has the row's key; a row without a record is rejected
	Delete   Mode = "delete"   // deletes the record that has the row's key
	Mirror   Mode = "mirror"   // upserts all rows, then deletes what is ours and not in the file
	Truncate Mode = "truncate" // clears the table (or what the filter names), makes sure that it is empty, then loads
)

// Creates tells whether the mode may create records.
func (m Mode) Creates() bool { return m != Update && m != Delete }

// Clears tells whether the mode deletes records that are no source rows.
func (m Mode) Clears() bool { return m == Mirror || m == Truncate }

// Destination says what to write.
type Destination struct {
	Name string
	Line int

	Connection string
	Table      string   // logical name
	Mode       Mode     //
	Key        []string // logical names: the primary id, or the columns of an alternate key; empty for append, with MatchOn, and for truncate if so wished
	MatchOn    []string // logical names of any columns that identify a record although no key of the table covers them; instead of Key
	Audiences  []string // who may drop; never empty, unless stated "admin"
	PII        bool     // holds personal data: refuses the audience restricted
	Parallel   int      // chunks at once; 0 means the default
	Rejects    Rejects
	Duplicates Duplicates
	Options    Options

	// OnlyChanges sends only rows that differ from what was loaded last (rules H).
	OnlyChanges bool

	// Of modes that clear (rules D).
	Filter           []Constant // which records are ours: a conjunction; every loaded row gets these values
	AllowWholeTable  bool       // without a filter
	Clear            Clear      // of truncate: how records are deleted
	MaxDeletes       MaxDeletes
	LeaveUndeletable bool // records that the service will not delete are left instead of failing the run

	Files   Files
	Values  Values   // how cells are read, unless a column says otherwise
	Columns []Column // in file order; nil when the section is absent: headers are logical names
	Include []string // only these columns of the file; nil is all. Without Columns
	Skip    []string // none of these columns of the file. Without Columns
}

// Duplicates says what becomes of rows with the same key in one delivery.
type Duplicates string

const (
	LastWins   Duplicates = "last"   // the last row is written, earlier ones are rejected as duplicate_key
	RejectBoth Duplicates = "reject" // all of them are rejected
)

// Clear says how truncate deletes.
type Clear string

const (
	ClearRows Clear = "rows"       // one by one, in parallel calls
	ClearJob  Clear = "bulkdelete" // by a job of the service
)

// MaxDeletes is the guard of modes that clear (rule D3).
type MaxDeletes struct {
	Percent float64 // 0..100, of the records that are ours; default 20
	Count   int64   // 0 is no bound
}

// Options are passed on to the service with each write.
type Options struct {
	DetectDuplicates bool   `json:"detect_duplicates,omitempty"`
	BypassLogic      string `json:"bypass_logic,omitempty"` // CustomSync, CustomAsync or CustomSync,CustomAsync
	BypassPlugins    bool   `json:"bypass_plugins,omitempty"`
	SuppressFlows    bool   `json:"suppress_flows,omitempty"`
	CallerObjectID   string `json:"caller_object_id,omitempty"`
	CallerID         string `json:"caller_id,omitempty"`
	Tag              string `json:"tag,omitempty"`
	ByID             bool   `json:"by_id,omitempty"`   // upserts by alternate key: the table is read once, and records that are there are written by id
	Replace          bool   `json:"replace,omitempty"` // elastic tables: an upsert replaces the whole row (rule W1)
}

// Constant is a column of the table and the value that it has; Null: it has none.
type Constant struct {
	Column string
	Value  string
	Null   bool
	Line   int
}

// Files says how the destination's files are written; what is empty is detected.
type Files struct {
	Format    string   // csv, jsonl, json, parquet, xlsx
	Encoding  string   // see charset.Parse
	Delimiter string   // one character
	Quote     string   // one character, or none
	Escape    string   // doubled, backslash, mysql
	Null      string   // the word for null
	Header    string   // each, first, none
	Names     []string // of the columns of files without a header
	Sheet     string
}

// Nulls says what an empty cell does to a record that exists.
type Nulls string

const (
	SkipNulls  Nulls = "skip"  // leave the column out
	ClearNulls Nulls = "clear" // write null
)

// Values says how cells are read. In a Column the zero value of a field means the destination's.
type Values struct {
	Nulls     Nulls    // of a destination never empty, unless stated "skip"
	Empty     string   // the cell that stands for an empty text, such as "-"; a text column only
	Decimal   string   // decimal sign of numbers, "." or ","; "" is "."
	Thousands string   // thousands separator: ",", ".", "'", " " or ""; a space covers no-break and narrow spaces
	True      []string // further words for true and false, compared without case
	False     []string
	Dates     []string // layouts of dates and times to try in order, such as DD.MM.YYYY HH:mm; nil is ISO 8601
	Zone      string   // IANA time zone of times without an offset; "" is UTC
	Trim      string   // "", "both" (white space around a text goes), "none"
	Normalise string   // "", "nfc", "nfkc"
}

// Rejects bounds how many rows may be wrong before nothing (more) is written.
type Rejects struct {
	MaxPercent float64 // 0..100, of rows read; default 10; on_error: stop is 0
}

// Missing says what becomes of a row whose lookup names a record that is not there.
type Missing string

const (
	MissingReject Missing = "reject" // the row is rejected
	MissingEmpty  Missing = "empty"  // the lookup is treated as an empty cell
)

// Column maps one column of the file, or a constant, to a column of the table.
type Column struct {
	From   string // the file's column name; of a constant or a template any name of its own
	Line   int
	To     string // logical name of the table's column
	Skip   bool   // ignore it
	Round  bool   // of a number: round to the decimal places that the column keeps, instead of rejecting the row
	Choice string // "value", "label", or "" (a number is a value, anything else a label)
	PII    bool   // holds personal data: refuses the audience restricted

	// Of lookups.
	Table   string  // which target table, when the column has several
	By      string  // how the cell identifies the target: "" or "id" is its GUID, otherwise a column of the target table
	Missing Missing // "" is reject

	// Of a many-to-many relationship or a party list, instead of To or beside it: a cell lists several records.
	Associate string // navigation property of a many-to-many relationship: each record named is associated
	Party     string // role of the people named: from, to, cc, bcc, required, optional, organizer, customer …; To is the party list's column
	Separator string // between the values of one cell (choices, parties, associations); "" is ";"

	// What to write where the file does not say.
	Value    *string // a constant: the file has no such column
	Template string  // "{First} {Last}": built from the file's columns
	Default  *string // instead of an empty cell

	Values // how cells are read
}
