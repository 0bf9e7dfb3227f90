package delivery

import (
	"penstock/internal/delivery/charset"
	"penstock/internal/row"
)

// Format names how a file is written.
type Format string

const (
	CSV     Format = "csv"     // text in cells, in any Dialect
	JSONL   Format = "jsonl"   // JSON Lines: one object a line
	JSON    Format = "json"    // one JSON array of objects
	Parquet Format = "parquet" // Apache Parquet with a flat schema
	XLSX    Format = "xlsx"    // one sheet of an Excel workbook
)

// Reader yields the rows of one object, or of all objects of a delivery.
type Reader interface {
	// Columns are the file's column names so far, without Penstock's own. They are known before
	// the first row, except that JSON may add names at the end with any row.
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
	Format   Format
	Header   []byte // CSV, Parquet, Excel: the header row as UTF-8, without line end and Penstock's own columns
	LineEnd  string // "\n" or "\r\n", as after the first line
	BOM      bool   // the file starts with a byte order mark
	Encoding charset.Encoding
	Dialect  Dialect // CSV
}

// RejectFormat is the format of the file's reject file: the same, but CSV for what is no text.
func (s Style) RejectFormat() Format {
	if s.Format == Parquet || s.Format == XLSX {
		return CSV
	}
	return s.Format
}

// Codes of the rejects that a reader gives. They are stored (rejects/*) and stable.
const (
	CodeRaggedRow       = "ragged_row"       // CSV: more or fewer cells than the header
	CodeBadQuoting      = "bad_quoting"      // CSV: a quote where the dialect has none
	CodeBadEncoding     = "bad_encoding"     // bytes that are not the file's encoding, a NUL, or half a surrogate pair
	CodeBadJSON         = "bad_json"         // JSON: the line, or the array's element, is not JSON
	CodeNotAnObject     = "not_an_object"    // JSON: it is JSON, but no object
	CodeDuplicateMember = "duplicate_member" // JSON: a name twice in one object
	CodeEmptyName       = "empty_name"       // JSON: a member without a name
	CodeCellError       = "cell_error"       // Excel: the cell holds an error such as #N/A
	CodeNoDate          = "no_date"          // Excel: a number shown as a date that is none
	CodeMergedCell      = "merged_cell"      // Excel: a cell of the row is merged with others
)
