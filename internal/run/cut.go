package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/row"
	"penstock/internal/snapshot"
	"penstock/internal/store"
)

// seal resolves duplicate keys partition by partition, at least one, and cuts what is not in
// chunks yet. Rule P3: a plan with chunks exists only after every row was seen. When time is
// up between two partitions it says so with errTimeUp.
func (p *preparation) seal(ctx context.Context) error {
	switch {
	case !p.direct:
		p.cut = newCutter(ctx, p)
	case p.cut != nil: // the last chunk is stored meanwhile
		if err := p.cut.flush(); err != nil {
			return err
		}
	}
	same := &duplicates{policy: p.dest.Duplicates}
	for before := p.sealed; p.sealed < len(p.spool.all); p.sealed++ {
		if p.sealed > before && p.time.up() {
			return errTimeUp
		}
		if err := p.sealPartition(ctx, same); err != nil {
			return err
		}
		p.spool.drop(p.sealed)
	}
	return nil
}

func (p *preparation) sealPartition(ctx context.Context, same *duplicates) error {
	switch {
	case p.direct:
		return p.dropDuplicates(ctx, same)
	case p.sealed == 0:
		return p.stream(ctx, p.cut)
	}
	return p.resolve(ctx, same, p.cut)
}

// endChunks waits until all chunks are stored, and takes them into the plan. err is what ended the rest.
func (p *preparation) endChunks(err error) error {
	if p.cut != nil {
		ended := p.cut.end()
		if ended != nil && (err == nil || errors.Is(err, errTimeUp) || errors.Is(err, context.Canceled)) {
			err = ended // also when a chunk that could not be stored is what ended the rest
		}
		p.plan.Chunks, p.plan.Links = p.cut.load.refs, p.cut.link.refs
		p.cut = nil
	}
	for n, dropped := range p.dropped {
		if n >= len(p.plan.Chunks) {
			return errSpool
		}
		p.plan.Chunks[n].drop(dropped)
	}
	p.dropped = nil
	return err
}

// dropDuplicates has rows that are in chunks already not sent where others with their key rule them out.
func (p *preparation) dropDuplicates(ctx context.Context, same *duplicates) error {
	if err := p.findDuplicates(ctx, same); err != nil || !same.found {
		return err
	}
	columns := p.keyColumns()
	return p.eachEntry(ctx, p.sealed, func(e *entry) error {
		why := same.against(e)
		if why == "" {
			return nil
		}
		chunk, place, ok := whereabouts(e.op)
		if !ok {
			return errSpool
		}
		if p.dropped == nil {
			p.dropped = map[int]opSet{}
		}
		p.dropped[chunk] = p.dropped[chunk].with(place)
		return p.reject(duplicate(e, columns, why))
	})
}

func duplicate(e *entry, columns, why string) row.Reject {
	return row.Reject{Row: e.row, Object: e.object, Line: e.line, Column: columns, Code: "duplicate_key", Message: why}
}

// stream passes on what has no key, piece by piece: there may be much of it.
func (p *preparation) stream(ctx context.Context, cut *cutter) error {
	for before := p.after.Streamed; p.after.Streamed < len(p.after.Pieces); p.after.Streamed++ {
		if p.after.Streamed > before && p.time.up() {
			return errTimeUp
		}
		one := p.after.Pieces[p.after.Streamed]
		if err := p.eachStored(ctx, find(one.Partitions, 0), one.Prefix, "partition", decoding(cut.add)); err != nil {
			return err
		}
	}
	return p.spool.each(0, decoding(cut.add))
}

// resolve passes a partition's operations on, without those that duplicates rule out.
func (p *preparation) resolve(ctx context.Context, same *duplicates, cut *cutter) error {
	if err := p.findDuplicates(ctx, same); err != nil {
		return err
	}
	columns := p.keyColumns()
	return p.eachEntry(ctx, p.sealed, func(e *entry) error {
		if why := same.against(e); why != "" {
			return p.reject(duplicate(e, columns, why))
		}
		return cut.add(e)
	})
}

// findDuplicates looks at a partition's keys, and only where some may be the same at their rows.
func (p *preparation) findDuplicates(ctx context.Context, same *duplicates) error {
	rows := p.entries(p.sealed)
	same.reset(0)
	same.keysOnly.reset(rows)
	err := p.eachItem(ctx, p.sealed, func(item []byte) error {
		key, ok := keyOf(item)
		switch {
		case !ok:
			return errSpool
		case same.keysOnly.add(key):
			return errTwice
		}
		return nil
	})
	if !errors.Is(err, errTwice) {
		return err
	}
	same.reset(rows)
	return p.eachEntry(ctx, p.sealed, func(e *entry) error { same.note(e); return nil })
}

// errTwice ends looking at keys: two may be the same.
var errTwice = errors.New("a key may stand twice")

// checkRejects holds the rejects against their threshold.
func (p *preparation) checkRejects() error {
	rows := p.plan.Rows
	allowed := allowedRejects(p.plan.MaxPercent, rows.Read)
	if rows.Rejected <= allowed {
		return nil
	}
	first := p.rejects.first
	return fault.New(fault.Refused, "too_many_rejects", "%s wrong and at most %d (%g %%) may be",
		countOf(rows.Rejected, fmt.Sprintf("of %d rows is", rows.Read), fmt.Sprintf("of %d rows are", rows.Read)), allowed, p.plan.MaxPercent).
		At(p.objectName(first.Object), first.Line, first.Column).
		Advise("correct the rows, or raise rejects.max_percent of the destination (on_error: stop lets none be wrong)")
}

// keyColumns are the file's names of the key's columns, for messages.
func (p *preparation) keyColumns() string {
	var names []string
	for _, key := range p.plan.Key {
		name := key
		for _, c := range p.dest.Columns {
			if c.To == key {
				name = c.From
			}
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// A cutter cuts rows into chunks of the load and, in step with them, chunks of
// their links and marks.
type cutter struct {
	load, link *chunkWriter
	marks      []snapshot.Mark
	stores     *errgroup.Group
	ctx        context.Context

	chunk, place int // of the last operation
}

// storesAtOnce is how many chunks are hashed and stored while the next one is cut: mostly they wait for the disk.
const storesAtOnce = 4

func newCutter(ctx context.Context, p *preparation) *cutter {
	c := &cutter{}
	c.stores, c.ctx = errgroup.WithContext(ctx)
	c.stores.SetLimit(storesAtOnce)
	writer := func(phase string, refs []ChunkRef) *chunkWriter {
		return &chunkWriter{ctx: c.ctx, work: p.Work, folder: p.plan.folder(), by: p.piecesBy(), phase: phase, stores: c.stores, refs: refs}
	}
	c.load, c.link = writer("load", p.plan.Chunks), writer("link", p.plan.Links)
	c.load.shapes = &p.shapes
	return c
}

func (c *cutter) add(e *entry) error {
	if c.load.full(len(e.op)) || c.link.full(len(e.links)) {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.chunk, c.place = len(c.load.refs), c.load.count
	c.load.put(e.op)
	for links := e.links; len(links) > 0; {
		end := bytes.IndexByte(links, '\n') + 1
		if end == 0 {
			return errSpool
		}
		c.link.put(links[:end])
		c.link.place(c.place)
		links = links[end:]
	}
	if e.marked {
		c.marks = append(c.marks, e.mark)
	}
	return nil
}

// flush ends the chunks of the same number.
func (c *cutter) flush() error {
	if err := c.ctx.Err(); err != nil {
		return err // end tells why
	}
	n := len(c.load.refs)
	if len(c.marks) > 0 {
		key := marksKey(c.load.folder, c.load.by, chunkName("load", n))
		data := snapshot.EncodeMarks(c.marks)
		c.stores.Go(func() error {
			if err := c.load.work.Put(c.ctx, key, bytes.NewReader(data)); err != nil {
				return fmt.Errorf("store the marks of chunk %d: %w", n, err)
			}
			return nil
		})
		c.load.marks, c.marks = key, c.marks[:0]
	}
	if err := c.link.flushAs(n); err != nil {
		return err
	}
	return c.load.flushAs(n)
}

// end flushes and waits until everything is stored.
func (c *cutter) end() error {
	err := c.flush()
	if stored := c.stores.Wait(); stored != nil {
		return stored
	}
	return err
}

// A chunkWriter cuts operation lines into chunks and stores each when it is full.
type chunkWriter struct {
	ctx    context.Context
	work   store.Store
	folder string
	by     string // which attempt at prepare: its chunks are its own (rule P2)
	phase  string
	stores *errgroup.Group // stores at the same time; nil stores at once
	buffer []byte
	count  int
	marks  string  // key of the next chunk's
	shapes *shapes // of its first line; nil for none
	head   []byte  // that line, as far as the shapes are known

	usual int // bytes of a chunk, and a little more

	mu   sync.Mutex
	refs []ChunkRef
	free [][]byte
}

// full tells whether the chunk must end before a line of so many bytes.
func (w *chunkWriter) full(more int) bool {
	return w.count >= chunkOperations && w.phase == "load" || w.count > 0 && len(w.buffer)+more > chunkBytes
}

func (w *chunkWriter) put(line []byte) {
	if w.count == 0 && w.shapes != nil {
		w.head = w.shapes.head()
	}
	if cap(w.buffer)-len(w.buffer) < len(line)+len(w.head) {
		w.grow(len(line) + len(w.head))
	}
	if w.count == 0 {
		w.buffer = append(w.buffer, w.head...)
	}
	w.buffer = append(w.buffer, line...)
	w.count++
}

// grow makes room, as much as a chunk of such lines takes, so that it is not made again and again.
func (w *chunkWriter) grow(line int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.free); n > 0 && w.buffer == nil {
		w.buffer, w.free = w.free[n-1][:0], w.free[:n-1]
	}
	if cap(w.buffer)-len(w.buffer) >= line {
		return
	}
	room := max(2*len(w.buffer), len(w.buffer)+line, w.usual, 64<<10)
	w.buffer = append(make([]byte, 0, room), w.buffer...)
}

// place completes a link's line, the last one, with the place of its row's operation.
func (w *chunkWriter) place(of int) {
	const end = "0}\n" // of appendLink with noPlace
	w.buffer = strconv.AppendInt(w.buffer[:len(w.buffer)-len(end)], int64(of), 10)
	w.buffer = append(w.buffer, end[1:]...)
}

// add and flush write the chunks of one phase alone.
func (w *chunkWriter) add(line []byte) error {
	if w.full(len(line)) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.put(line)
	return nil
}

func (w *chunkWriter) flush() error { return w.flushAs(len(w.refs)) }

// flushAs ends the chunk with the number n, if there is anything in it.
func (w *chunkWriter) flushAs(n int) error {
	if w.count == 0 {
		return nil
	}
	body, at := w.withShapes(w.buffer), len(w.refs)
	ref := ChunkRef{N: n, Key: chunkKey(w.folder, w.by, chunkName(w.phase, n)), Operations: w.count, Marks: w.marks}
	w.mu.Lock()
	w.refs = append(w.refs, ref)
	w.mu.Unlock()
	w.buffer, w.count, w.marks, w.usual = nil, 0, "", max(w.usual, len(body)+len(body)/16)
	if w.stores == nil {
		return w.store(at, ref, body)
	}
	w.stores.Go(func() error { return w.store(at, ref, body) })
	return nil
}

// withShapes sees to it that a chunk begins with all shapes that its lines may have: with late columns come new ones.
func (w *chunkWriter) withShapes(body []byte) []byte {
	if w.shapes == nil {
		return body
	}
	head := w.shapes.head()
	if len(head) == len(w.head) { // shapes are only ever added
		return body
	}
	return slices.Concat(head, body[len(w.head):])
}

func (w *chunkWriter) store(at int, ref ChunkRef, body []byte) error {
	sum := sha256.Sum256(body)
	if err := w.work.Put(w.ctx, ref.Key, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("store chunk %d of phase %s: %w", ref.N, w.phase, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refs[at].SHA256 = hex.EncodeToString(sum[:])
	w.free = append(w.free, body)
	return nil
}

func marksKey(folder, by, chunk string) string { return folder + "marks/" + by + "/" + chunk }
