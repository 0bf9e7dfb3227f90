package delivery

import (
	"fmt"
	"io"
	"slices"
)

// textReader reads CSV and JSON.
type textReader struct {
	Reader
	r    *Rows
	from *stream // what in reads
	in   *window
	csv  *csvReader
	json *jsonlReader
	base int64 // the text's place in from where in began
}

func beginText(r *Rows, object int, onlyHeader bool) (partReader, error) {
	t := &textReader{r: r}
	ahead := aheadObjects
	if onlyHeader {
		ahead = 0
	}
	t.enter(object, ahead)
	bom, err := t.in.begin()
	if err != nil {
		return nil, err
	}
	style := Style{Format: r.how.Format, BOM: bom, Encoding: r.how.Encoding, Dialect: r.how.Dialect}
	if r.how.Format == CSV {
		return t, t.beginCSV(style)
	}
	return t, t.beginJSON(style)
}

// enter begins an object's stream.
func (t *textReader) enter(object, ahead int) {
	t.base = 0
	t.from = t.r.stream(object, ahead)
	t.in = newWindow(t.from, t.r.src.Objects[object].Name(), windowBytes, t.r.limits.RowBytes)
}

func (t *textReader) beginCSV(style Style) error {
	if err := style.Dialect.check(); err != nil {
		return placed(err, t.in.name)
	}
	t.csv = newCSV(t.in, t.r.limits, style)
	t.Reader = t.csv
	if t.r.how.Header == HeaderNone {
		return t.csv.positional(t.r.how.Names)
	}
	return t.csv.readHeader()
}

func (t *textReader) beginJSON(style Style) error {
	t.json = newJSON(t.in, t.r.limits, style)
	t.Reader = t.json
	if t.r.how.Format == JSON {
		t.json.array = &arrayFrame{name: t.in.name}
		t.json.style.LineEnd = firstLineEnd(t.in.rest())
		return nil
	}
	return t.json.begin()
}

func (t *textReader) goOnWith(r *Rows, object int, at *Cursor) error {
	if at != nil {
		return t.resume(object, at)
	}
	t.enter(object, aheadObjects)
	if _, err := t.in.begin(); err != nil {
		return err
	}
	if t.csv != nil {
		return t.csv.goOn(t.in, t.r.how.Header == HeaderEach)
	}
	t.json.in, t.json.err = t.in, nil
	if t.json.array != nil {
		t.json.array = &arrayFrame{name: t.in.name}
	}
	return nil
}

// resume reads from the cursor on.
func (t *textReader) resume(object int, at *Cursor) error {
	r := t.r
	r.streams[object] = openStream(r.ctx, r.src, object, r.how.Encoding, r.limits, at.Offset, at.Hashed)
	t.enter(object, aheadObjects)
	if _, err := io.CopyN(io.Discard, t.from, at.Skip); err != nil {
		return fmt.Errorf("read %s up to row %d: %w", t.in.name, at.Row, err)
	}
	t.base, t.in.line = at.Skip, at.Line
	if t.csv != nil {
		t.csv.in, t.csv.err, t.csv.number = t.in, nil, at.Row
		return nil
	}
	j := t.json
	j.in, j.err, j.number = t.in, nil, at.Row
	if j.array != nil {
		j.array = &arrayFrame{name: t.in.name, state: arrayState(at.State), before: at.Before}
	}
	return t.restore(at)
}

func (t *textReader) restore(at *Cursor) error {
	if t.json == nil {
		return nil
	}
	return t.json.restore(at.Columns, at.Ignored)
}

func (t *textReader) cursor(c *Cursor) {
	c.Line = t.in.line
	c.Offset, c.Skip, c.Hashed = t.from.at(t.base + t.in.passed())
	if t.json == nil {
		return
	}
	c.Columns, c.Ignored = slices.Clone(t.json.columns), slices.Clone(t.json.ignored)
	if a := t.json.array; a != nil {
		c.State, c.Before = int(a.state), a.before
	}
}

func (t *textReader) left() {}

// firstLineEnd is how the first line ends.
func firstLineEnd(data []byte) string {
	for i, b := range data {
		if b == '\n' {
			return lineEnd(data[:i+1])
		}
	}
	return "\n"
}
