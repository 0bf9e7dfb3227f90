package delivery

import (
	"context"
	"io"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// Rows reads all objects of a delivery, in order. Close it.
type Rows struct {
	ctx     context.Context
	src     Source
	how     Detected
	limits  Limits
	reader  partReader
	object  int   // that is being read
	before  int64 // rows of the objects before it
	number  int64 // of the last row
	first   int   // the object that gave the columns
	streams []*stream
	sums    []string // SHA-256 of each object, where it was read whole
	hashed  *Hashed  // of an object that was not, in an earlier reading
	resumed *Cursor  // behind the last row
	err     error
}

// partReader reads the rows of one object after the other.
type partReader interface {
	Reader
	// goOnWith begins the given object, at a cursor in it, or with nil at its first row.
	goOnWith(r *Rows, object int, at *Cursor) error
	// cursor notes where in the object the next row begins.
	cursor(c *Cursor)
	// restore knows again what a cursor says of the columns.
	restore(at *Cursor) error
	// left gives back what the object held.
	left()
}

// aheadObjects is how many further objects are read, unpacked and decoded while one is being split into rows.
const aheadObjects = 2

// OpenAll starts reading a delivery that was detected. What can be said about the whole delivery is said here.
func OpenAll(ctx context.Context, src Source, how *Detected, limits Limits) (*Rows, error) {
	return Resume(ctx, src, how, limits, nil)
}

// Resume goes on where a cursor was taken, in another invocation perhaps (rule P2). Row and line numbers go on, too.
func Resume(ctx context.Context, src Source, how *Detected, limits Limits, at *Cursor) (*Rows, error) {
	limits = limits.orDefault()
	if err := checkSource(src, limits); err != nil {
		return nil, err
	}
	r := &Rows{ctx: ctx, src: src, how: *how, limits: limits, streams: make([]*stream, len(src.Objects)), sums: make([]string, len(src.Objects))}
	if err := r.open(at); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func checkSource(src Source, limits Limits) error {
	if len(src.Objects) == 0 {
		return fault.New(fault.Refused, "nothing_delivered", "the delivery has no objects")
	}
	if len(src.Objects) > limits.Objects {
		return fault.New(fault.Refused, "too_many_objects", "the delivery has more than %d objects", limits.Objects).
			Advise("write fewer, larger files")
	}
	return nil
}

// open begins with the first object that has a header, or at the cursor.
func (r *Rows) open(at *Cursor) error {
	for {
		reader, err := r.begin(r.object, at != nil)
		if err == nil {
			r.reader = reader
			break
		}
		e, isFault := fault.As(err)
		if !isFault || e.Code != emptyFile || r.object == len(r.src.Objects)-1 {
			return err
		}
		if err := r.leave(); err != nil { // a part without anything in it
			return err
		}
		r.object++
	}
	r.first = r.object
	if at == nil || at.Object < r.object {
		return nil
	}
	r.closeStreams()
	clear(r.sums)
	copy(r.sums, at.Sums)
	r.object, r.number, r.before, r.hashed = at.Object, at.Row, at.Row-at.InObject, at.Hashed
	if at.Ended {
		r.resumed, r.err = at, io.EOF
		return r.reader.restore(at)
	}
	return r.reader.goOnWith(r, at.Object, at)
}

// begin opens an object for its columns. onlyHeader says that its rows will not be read now.
func (r *Rows) begin(object int, onlyHeader bool) (partReader, error) {
	switch r.how.Format {
	case CSV, JSONL, JSON:
		return beginText(r, object, onlyHeader)
	case Parquet, XLSX:
		return beginTable(r, object)
	}
	return nil, fault.New(fault.Refused, "unknown_format", "there is no format %q", string(r.how.Format)).
		Advise("the setting format takes csv, jsonl, json, parquet and xlsx")
}

// Columns, Ignored and Style are as for one object.
func (r *Rows) Columns() []string { return r.reader.Columns() }
func (r *Rows) Ignored() []string { return r.reader.Ignored() }
func (r *Rows) Style() Style      { return r.reader.Style() }

// Next returns the next row of the delivery.
func (r *Rows) Next() (*row.Row, error) {
	for r.err == nil {
		next, err := r.reader.Next()
		if err == nil {
			r.number = next.Number
			next.Object = r.object
			if next.Reject != nil {
				next.Reject.Object = r.object
			}
			return next, nil
		}
		r.err = err
		if err == io.EOF {
			r.err = r.nextObject()
		}
	}
	return nil, r.err
}

// nextObject goes on to the next object; io.EOF behind the last.
func (r *Rows) nextObject() error {
	if err := r.leave(); err != nil {
		return err
	}
	if r.object+1 == len(r.src.Objects) {
		return io.EOF
	}
	r.object++
	r.before = r.number
	return r.reader.goOnWith(r, r.object, nil)
}

// leave checks the object that has been read: as many rows as its manifest promised.
func (r *Rows) leave() error {
	o := r.src.Objects[r.object]
	if r.reader != nil {
		defer r.reader.left()
	}
	if s := r.streams[r.object]; s != nil {
		r.sums[r.object] = s.sum
		s.Close()
		r.streams[r.object] = nil
	}
	if got := r.number - r.before; o.Rows > 0 && got != o.Rows {
		return fault.New(fault.Refused, "rows_missing", "the manifest promises %s and the file has %d", fault.Count(o.Rows, "row"), got).
			At(o.Name(), 0, "").Advise("deliver it again, whole; if texts hold line ends, unload as CSV or Parquet")
	}
	return nil
}

// stream gives an object's text, and has some of those behind it read ahead.
func (r *Rows) stream(object, ahead int) *stream {
	for i := object; i < len(r.src.Objects) && i <= object+ahead; i++ {
		if r.streams[i] == nil {
			r.streams[i] = openStream(r.ctx, r.src, i, r.how.Encoding, r.limits, 0, nil)
		}
	}
	return r.streams[object]
}

func (r *Rows) closeStreams() {
	for i, s := range r.streams {
		if s != nil {
			s.Close()
			r.streams[i] = nil
		}
	}
}

// Close ends all reading. It may be called at any time, also twice.
func (r *Rows) Close() {
	r.closeStreams()
	if r.reader != nil {
		r.reader.left()
	}
	if r.err == nil {
		r.err = fault.New(fault.Broken, "closed", "the delivery is closed")
	}
}
