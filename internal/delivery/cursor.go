package delivery

import (
	"io"
	"slices"
)

// Cursor names the place before the next row, so that another invocation can go on there (rule P2). It is
// a stored format.
type Cursor struct {
	Object   int   `json:"object"`
	Row      int64 `json:"row"`       // rows read so far, of the whole delivery
	InObject int64 `json:"in_object"` // rows read so far of the object

	// Of text: where to begin again in the unpacked object, how many bytes of UTF-8 to pass over from
	// there (0 unless the file has another encoding), and the line and character that the next row is on.
	Offset int64 `json:"offset,omitempty"`
	Skip   int64 `json:"skip,omitempty"`
	Line   int   `json:"line,omitempty"`
	Before int   `json:"before,omitempty"` // JSON: characters of the line before the place
	State  int   `json:"state,omitempty"`  // JSON: what may come next in the array

	Columns []string `json:"columns,omitempty"` // JSON: names seen so far
	Ignored []string `json:"ignored,omitempty"` // JSON: Penstock's own names seen so far

	Ended  bool     `json:"ended,omitempty"`  // there are no more rows
	Sums   []string `json:"sums,omitempty"`   // SHA-256 of each object that was read whole; "" of others
	Hashed *Hashed  `json:"hashed,omitempty"` // of the object that is not, as far as it was read
}

// Cursor is the place behind the last row that Next returned.
func (r *Rows) Cursor() Cursor {
	c := Cursor{Object: r.object, Row: r.number, InObject: r.number - r.before}
	switch {
	case r.resumed != nil: // behind the last row, where the reader has not been
		c = *r.resumed
	default:
		r.reader.cursor(&c)
	}
	if c.Ended = r.err == io.EOF; c.Ended {
		c.Hashed = r.hashed
	}
	known := len(r.sums)
	for known > 0 && r.sums[known-1] == "" {
		known--
	}
	c.Sums = slices.Clone(r.sums[:known])
	return c
}
