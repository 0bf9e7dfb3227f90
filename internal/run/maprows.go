package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"penstock/internal/dataverse"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/mapping"
	"penstock/internal/row"
	"penstock/internal/snapshot"
)

// rowSource is what the pipeline reads: an input, as far as it needs it.
type rowSource interface {
	Columns() []string
	Next() (*row.Row, error)
	Cursor() delivery.Cursor
}

// mostMappers is how many goroutines map rows at most: beyond them reading is what takes the time.
const mostMappers = 4

// A pipeline turns every row into an operation in the spool or a reject. One
// goroutine reads rows into blocks, some map them, and one collects the blocks in
// the order of the file, so that the results are those of one goroutine doing it
// all. Memory is that of the blocks.
type pipeline struct {
	*preparation
	rows    rowSource
	mapping *mapping.Mapping // of the columns known so far; the mappers have clones
	names   *references
	secret  []byte // of the marks; nil when none are made

	free  chan *block
	work  chan *block
	order chan *block // the same blocks as in work
	full  atomic.Bool // the scratch directory has as much as one invocation may leave there

	where, label []byte // buffers of the collector

	last    int64       // the latest row that was read, also when it ends reading
	updated atomic.Bool // some row is updated in the second pass
}

// run reads until the rows end, which gives nil, or time is up, which gives the
// cursor of the next row.
func (p *pipeline) run(ctx context.Context) (*delivery.Cursor, error) {
	mappers := min(runtime.GOMAXPROCS(0), mostMappers)
	blocks := 2*mappers + 2
	p.free, p.work, p.order = make(chan *block, blocks), make(chan *block, blocks), make(chan *block, blocks)
	for range blocks {
		p.free <- newBlock()
	}
	clones := make([]*mapping.Mapping, mappers) // before the reader extends the original
	for i := range clones {
		clones[i] = p.mapping.Clone()
	}
	known := len(p.rows.Columns())
	var next *delivery.Cursor
	var broken error // the file is: the rows before still count
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(p.work)
		defer close(p.order)
		next, broken = p.read(ctx, known)
		return nil
	})
	for _, m := range clones {
		group.Go(func() error { return p.mapBlocks(ctx, m, known) })
	}
	group.Go(p.collect)
	if err := group.Wait(); err != nil {
		return nil, err
	}
	p.advance(max(p.last, p.plan.Rows.Read))
	return next, broken
}

// read fills blocks with rows. An error ends reading behind the rows before it.
func (p *pipeline) read(ctx context.Context, known int) (*delivery.Cursor, error) {
	for {
		var b *block
		select {
		case b = <-p.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		b.reset()
		var err error
		for !b.full() && err == nil {
			err = p.readRow(b, &known)
		}
		b.columns = p.rows.Columns()[:known:known]
		if len(b.rows) > 0 {
			p.order <- b // there is room for all blocks
			p.work <- b
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, err
		case p.time.up() || p.full.Load():
			next := p.rows.Cursor()
			return &next, nil
		}
	}
}

// readRow adds the next row to a block. Columns that a row brings are checked
// before it counts.
func (p *pipeline) readRow(b *block, known *int) error {
	r, err := p.rows.Next()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read the delivery: %w", err)
		}
		return err
	}
	if r.Number > MaxRows {
		return fault.New(fault.Refused, "too_many_rows", "the file has more than %d rows", MaxRows).Advise("split it")
	}
	p.last = r.Number
	if columns := p.rows.Columns(); len(columns) > *known {
		if err := p.mapping.Extend(columns); err != nil {
			return at(err, p.objectName(r.Object), r.Line)
		}
		*known = len(columns)
	}
	b.add(r)
	return nil
}

// at adds the place to a fault that knows none yet.
func at(err error, file string, line int) error {
	if e, ok := fault.As(err); ok && e.File == "" {
		return e.At(file, line, e.Column)
	}
	return err
}

// mapBlocks maps blocks until there are no more. It says of each that it is done,
// also when nobody waits for it any more.
func (p *pipeline) mapBlocks(ctx context.Context, m *mapping.Mapping, known int) error {
	w := &mapper{pipeline: p, m: m, ids: p.plan.ids(), known: known, shapes: newShaper(&p.shapes, m)}
	m.Brief = p.secret == nil // marks are of what Set says
	if p.secret != nil {
		w.marker = snapshot.NewMarker(p.secret)
	}
	for b := range p.work {
		if b.err = ctx.Err(); b.err == nil {
			b.err = w.block(ctx, b)
		}
		b.done <- struct{}{}
	}
	return nil
}

// collect takes the blocks in the order of the file.
func (p *pipeline) collect() error {
	for b := range p.order {
		<-b.done
		if b.err != nil {
			return b.err
		}
		if err := p.collectLines(b); err != nil {
			return err
		}
		if p.keys != nil {
			if err := p.keys.add(b.keys); err != nil {
				return err
			}
			p.plan.Keyless += b.keyless
		}
		for i := range b.rejects {
			if err := p.reject(b.rejects[i]); err != nil {
				return err
			}
		}
		p.advance(b.rows[len(b.rows)-1].Number)
		p.full.Store(p.Worker > 0 && p.spool.end > scratchPerStep)
		p.free <- b // there is room for all blocks
	}
	return nil
}

// collectLines brings a block's operations into the spool, or into chunks at once.
func (p *pipeline) collectLines(b *block) error {
	start := 0
	for i := range b.mapped {
		m := &b.mapped[i]
		lines := b.lines[start:m.end]
		e := entry{label: m.label, op: b.lines[start:m.op], links: b.lines[m.op:m.end]}
		start = m.end
		if p.direct {
			if err := p.cut.add(&e); err != nil {
				return err
			}
			if !e.keyed {
				continue
			}
			p.where = appendWhereabouts(p.where[:0], p.cut.chunk, p.cut.place)
			e.op, lines = p.where, p.where
		}
		p.label = e.appendLabel(p.label[:0])
		if err := p.spool.put(m.partition, p.label, lines); err != nil {
			return err
		}
	}
	return nil
}

// A mapper maps blocks with a mapping of its own.
type mapper struct {
	*pipeline
	m       *mapping.Mapping
	ids     recordIDs
	marker  *snapshot.Marker
	op      dataverse.Operation
	verb    []byte
	content [][]byte
	known   int // columns
	shapes  *shaper
}

func (w *mapper) block(ctx context.Context, b *block) error {
	if len(b.columns) > w.known {
		if err := w.m.Extend(b.columns); err != nil {
			return err
		}
		w.known, w.shapes = len(b.columns), newShaper(&w.pipeline.shapes, w.m)
	}
	if err := w.names.learn(ctx, w.m, b.rows); err != nil {
		return err
	}
	for i := range b.rows {
		w.row(b, &b.rows[i])
	}
	return nil
}

// row maps one row into its block.
func (w *mapper) row(b *block, r *row.Row) {
	reject := w.m.Map(r, &w.op)
	key := w.m.Key()
	var h keyHash
	if len(key) > 0 && (w.marker == nil || w.keys != nil) {
		h = hashKey(key)
	}
	switch {
	case w.keys == nil:
	case len(key) > 0:
		b.keys = append(b.keys, h[:8]...)
	default:
		b.keyless++
	}
	if reject != nil {
		b.reject(r, reject)
		return
	}
	w.identify()
	m := mapped{label: label{row: r.Number, line: r.Line, object: r.Object, keyed: len(key) > 0}}
	m.mark.Key = h
	if w.marker != nil && m.keyed {
		m.mark, m.marked = w.mark(key), true
	}
	if m.keyed {
		m.partition = w.spool.partition(m.mark.Key)
	}
	if b.lines, reject = w.appendOperation(b.lines, r); reject != nil {
		b.reject(r, reject)
		return
	}
	m.op = len(b.lines)
	b.lines = w.appendLinks(b.lines)
	m.end = len(b.lines)
	b.mapped = append(b.mapped, m)
}

// appendOperation adds the line of the row's operation, of nothing but values where it has a shape.
func (w *mapper) appendOperation(dst []byte, r *row.Row) ([]byte, *row.Reject) {
	if values, all := w.m.Values(); all && w.op.Partition == "" {
		if n := w.shapes.number(&w.op); n >= 0 {
			return appendShaped(dst, n, &w.op, values), nil
		}
	}
	if w.m.Brief { // from now on Set is needed
		w.m.Brief = false
		if reject := w.m.Map(r, &w.op); reject != nil { // what a lookup found may have become two meanwhile
			return dst, reject
		}
		w.identify()
	}
	return appendOperation(dst, &w.op), nil
}

// identify gives an operation the id that its record is created with, if it is.
func (w *mapper) identify() {
	op := &w.op
	op.New = ""
	switch {
	case op.Do == dataverse.Create && op.ID == "":
		op.ID = w.ids.ID(op.Row)
	case op.Do == dataverse.Upsert && len(op.Key) > 0 && (w.plan.MatchOn || !dataverse.Addressable(op.Key)):
		// Rule I5: such a key is resolved first; where it is absent, this is the id to create with.
		op.New = w.ids.ID(op.Row)
	}
}

// noPlace stands in a link's line until its row has a place in a chunk.
const noPlace = 0

// appendLinks adds the lines of the row's links. They name the record as its operation does.
func (w *mapper) appendLinks(dst []byte) []byte {
	links := w.m.Links()
	for i := range links {
		l := &links[i]
		l.ID, l.Key, l.New, l.Partition = w.op.ID, w.op.Key, w.op.New, w.op.Partition
		dst = appendLink(dst, l, noPlace)
		if l.Do == dataverse.Update {
			w.updated.Store(true)
		}
	}
	return dst
}

// mark names the row and what it says, wherever it stands in the file.
func (w *mapper) mark(key []byte) snapshot.Mark {
	w.verb = append(w.verb[:0], w.op.Do...)
	w.content = append(w.content[:0], w.verb, w.op.Set)
	links := w.m.Links()
	for i := range links {
		l := &links[i]
		w.content = append(w.content, []byte(l.Do), l.Set)
		if l.Link != nil {
			w.content = append(w.content, []byte(l.Link.Navigation), []byte(l.Link.To))
		}
	}
	return w.marker.Mark(key, w.content...)
}
