// Package row is one entry of a delivered file: its cells, its place, and why it was rejected.
package row

// Kind says what the file's format knows about a cell.
type Kind uint8

const (
	Absent Kind = iota // the row has no such column (JSON Lines)
	Null               // an explicit null of a typed format
	Text               // text, as every CSV cell is; an empty cell is Text of length 0
	Number             // a JSON number, in its source spelling
	Bool               // true or false of a typed format, spelled "true" or "false"
	Nested             // a JSON object or array, in its source spelling
)

// Cell is one value of a row as the file has it. Text is only valid until the
// reader's next row.
type Cell struct {
	Kind Kind
	Text []byte
}

// Row is one entry of a delivery. Its slices belong to the reader and are
// reused for the next row: copy what must live longer.
type Row struct {
	Number int64   // 1-based, counted over the whole delivery
	Object int     // which of the delivery's objects the row is in, 0-based
	Line   int     // 1-based line of the file on which the row starts, as an editor shows it; without lines, the row of the object
	Cells  []Cell  // aligned with the reader's columns; may be shorter (JSON Lines), then the rest is Absent
	Raw    []byte  // the original bytes (as UTF-8) without the line end and without Penstock's own trailing columns; nil where a file has no text (Parquet, Excel)
	Packed bool    // the cells lie in Raw one behind the other, with one byte between them
	Reject *Reject // not nil when the row itself is malformed (ragged, bad quoting): do not map it
}

// Reject says why a source row was not written. It is a stored format
// (rejects/*, one JSON object a line).
type Reject struct {
	Row     int64  `json:"row"`
	Object  int    `json:"object,omitempty"` // which of the delivery's objects, 0-based
	Line    int    `json:"line"`
	Column  string `json:"column,omitempty"` // the file's column name where one is to blame
	Code    string `json:"code"`             // stable, lower_case, or the server's "0x…"
	Message string `json:"message"`          // may quote the server or a value: never leaves rejects/ (rule S2)
}

// Penstock's own columns in a reject file. They are ignored on input, so that
// a corrected reject file can be dropped as it is.
const (
	LineColumn    = "_line"
	ColumnColumn  = "_column"
	CodeColumn    = "_code"
	MessageColumn = "_message"
)

// ExtraColumns lists Penstock's own columns in the order in which reject files carry them.
var ExtraColumns = [...]string{LineColumn, ColumnColumn, CodeColumn, MessageColumn}
