package delivery

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
}

// Cursor is the place behind the last row that Next returned.
func (r *Rows) Cursor() Cursor {
	c := Cursor{Object: r.object, Row: r.number, InObject: r.number - r.before}
	r.reader.cursor(&c)
	return c
}
