package delivery

import (
	"penstock/internal/delivery/charset"
	"penstock/internal/delivery/unpack"
)

// Detected is how a delivery is written, and why we think so. It is part of a run's plan: a stored
// format, so that every later reading of the delivery reads alike.
type Detected struct {
	Format      Format           `json:"format"`
	Compression unpack.Kind      `json:"compression,omitempty"` // of the first object; each is unpacked as its own bytes say
	Encoding    charset.Encoding `json:"encoding,omitempty"`
	Dialect     Dialect          `json:"dialect,omitzero"`   // CSV
	Header      Header           `json:"header,omitempty"`   // CSV
	Names       []string         `json:"names,omitempty"`    // CSV and Excel without a header: its columns; empty: 1, 2, 3 …
	Sheet       string           `json:"sheet,omitempty"`    // Excel
	Evidence    []string         `json:"evidence,omitempty"` // sentences for the report; they quote no values (rule S2)
}

// Header says where a delivery's column names are.
type Header string

const (
	HeaderEach  Header = "each"  // in the first row of each object
	HeaderFirst Header = "first" // in the first row of the first object only
	HeaderNone  Header = "none"  // nowhere
)

// Hints are what the destination says about its files. What they leave empty is detected.
type Hints struct {
	Format    Format
	Encoding  string // see charset.Parse
	Delimiter string // one character
	Quote     string // one character, or "none"
	Escape    string // "doubled", "backslash" or "mysql"
	Null      string // the word for null
	Header    Header
	Names     []string // of the columns of files without a header, in order
	Sheet     string
	// Columns are the file's column names that the destination maps: a first row that has one is a header.
	Columns []string
}
