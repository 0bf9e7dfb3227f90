// Package delivery turns what arrived into rows, in constant memory.
package delivery

import "penstock/internal/row"

// Format names how a file is written.
type Format string

const (
	CSV   Format = "csv"   // RFC 4180 with a header row
	JSONL Format = "jsonl" // JSON Lines: one object a line
)

// Reader yields the rows of one object.
type Reader interface {
	// Columns are the file's column names so far, without Penstock's own. A CSV's are known before
	// the first row; JSON Lines may add names at the end with any row.
	Columns() []string
	// Next returns the next row, valid until the following call; io.EOF at the end. A row that is wrong in
	// itself comes with Reject set; any other error means that the file is broken (fault.Refused with
	// its line) or could not be read (the reader's own error, wrapped).
	Next() (*row.Row, error)
	// Ignored lists Penstock's own columns (_line …) that were found and passed over.
	Ignored() []string
	// Style says how the file is written, so that its reject file can be written likewise.
	Style() Style
}

// Style is how a file is written, as far as a file of its rejects repeats it.
type Style struct {
	Format  Format
	Header  []byte // CSV: the header row as it stands, without line end and Penstock's own columns
	LineEnd string // "\n" or "\r\n", as after the first line
	BOM     bool   // the file starts with a UTF-8 byte order mark
}

// Codes of the rejects that a reader gives. They are stored (rejects/*) and stable.
const (
	CodeRaggedRow       = "ragged_row"       // CSV: more or fewer cells than the header
	CodeBadQuoting      = "bad_quoting"      // CSV: a quote where RFC 4180 has none
	CodeBadEncoding     = "bad_encoding"     // bytes that are not UTF-8, a NUL, or half a surrogate pair
	CodeBadJSON         = "bad_json"         // JSON Lines: the line is not JSON
	CodeNotAnObject     = "not_an_object"    // JSON Lines: the line is JSON, but no object
	CodeDuplicateMember = "duplicate_member" // JSON Lines: a name twice in one object
	CodeEmptyName       = "empty_name"       // JSON Lines: a member without a name
)
