package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// A chunk is a file of ready-to-send operations, one JSON value a line, an object
// or the values of a shape (shape.go): the unit of fan-out, retry and resume. It is minutes of work, because state
// transitions and function starts are what a load costs on AWS.
const (
	chunkOperations = 10_000
	chunkBytes      = 16 << 20
	maxChunkBytes   = 256 << 20 // more is not one of ours
	usualLine       = 256       // bytes of an operation
)

// appendOperation writes op as a line. The JSON is rendered by hand because this
// is done for every row; TestOperationLine holds it against encoding/json.
func appendOperation(dst []byte, op *dataverse.Operation) []byte {
	return append(appendMembers(append(dst, '{'), op), "}\n"...)
}

// appendLink writes an operation of the second pass as a line. It is only sent
// when the operation at place of in the load's chunk of the same number, that of its row, was done.
func appendLink(dst []byte, op *dataverse.Operation, of int) []byte {
	dst = appendMembers(append(dst, '{'), op)
	dst = strconv.AppendInt(append(dst, `,"of":`...), int64(of), 10)
	return append(dst, "}\n"...)
}

// appendMembers writes what both kinds of lines have in common.
func appendMembers(dst []byte, op *dataverse.Operation) []byte {
	dst = strconv.AppendInt(append(dst, `"row":`...), op.Row, 10)
	dst = strconv.AppendInt(append(dst, `,"line":`...), int64(op.Line), 10)
	dst = appendMember(dst, `,"do":"`, string(op.Do))
	if op.ID != "" {
		dst = appendMember(dst, `,"id":"`, op.ID)
	}
	if len(op.Key) > 0 {
		dst = append(dst, `,"key":[`...)
		for i, part := range op.Key {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendMember(dst, `{"column":"`, part.Column)
			dst = append(dst, `,"value":`...)
			dst = append(append(dst, part.Value...), '}')
		}
		dst = append(dst, ']')
	}
	if op.New != "" {
		dst = appendMember(dst, `,"new":"`, op.New)
	}
	dst = append(dst, `,"set":`...)
	if len(op.Set) == 0 {
		dst = append(dst, `{}`...)
	} else {
		dst = append(dst, op.Set...)
	}
	if op.Partition != "" {
		text, _ := json.Marshal(op.Partition) // any text of the row; a string always marshals
		dst = append(append(dst, `,"partition":`...), text...)
	}
	if op.Link != nil {
		dst = appendMember(dst, `,"link":{"navigation":"`, op.Link.Navigation)
		dst = append(appendMember(dst, `,"to":"`, op.Link.To), '}')
	}
	return dst
}

// appendMember writes a text that needs no escaping: a verb, a GUID, a name, an encoded address.
func appendMember(dst []byte, before, text string) []byte {
	return append(append(append(dst, before...), text...), '"')
}

// chunk is what a worker holds: the lines of one chunk. They become operations a
// call at a time: rendered at once, while they are in the processor's cache, and
// never all in memory. The memory is used for the next chunk when this one is released.
type chunk struct {
	of []int // of a chunk of the second pass: for each operation the place of its row's in the load's chunk

	n      int // of the chunk, for messages
	data   []byte
	lines  []int32 // where each begins in data
	shapes []shape
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// release gives the memory back.
func (c *chunk) release() {
	if c != nil {
		chunks.Put(c)
	}
}

// batch is some operations of a chunk, in memory that is used again.
type batch struct {
	ops   []dataverse.Operation
	names []string
	parts []dataverse.KeyPart
	sets  []byte
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// release gives the memory back. Nothing may look at the operations any more.
func (b *batch) release() {
	clear(b.ops)
	clear(b.parts)
	batches.Put(b)
}

// operations reads the operations at some places. They are valid until the batch is released or filled again.
func (c *chunk) operations(b *batch, places []int) ([]dataverse.Operation, error) {
	r := lineReader{text: c.data, shapes: c.shapes, names: b.names, parts: b.parts[:0], sets: b.sets[:0]}
	b.ops = slices.Grow(b.ops[:0], len(places))[:len(places)]
	for n, i := range places {
		r.at = int(c.lines[i])
		if _, ok := r.next(&b.ops[n]); !ok {
			return nil, c.unreadable("is not readable at operation %d", i)
		}
	}
	b.names, b.parts, b.sets = r.names, r.parts, r.sets
	return b.ops, nil
}

// all reads every operation, a few at a time, into memory that visit must not keep.
func (c *chunk) all(visit func(i int, op *dataverse.Operation) error) error {
	b := batches.Get().(*batch)
	defer b.release()
	for i := range c.lines {
		ops, err := c.operations(b, []int{i})
		if err == nil {
			err = visit(i, &ops[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *chunk) unreadable(format string, args ...any) error {
	return fault.New(fault.Broken, "chunk_unreadable", "chunk %d "+format, append([]any{c.n}, args...)...)
}

// readChunk reads a chunk's operations back and proves that they are the ones prepared.
func readChunk(ctx context.Context, work store.Store, ref ChunkRef) (*chunk, error) {
	c := chunks.Get().(*chunk)
	err := c.load(ctx, work, ref)
	if err == nil {
		err = c.parse(ref)
	}
	if err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

func (c *chunk) load(ctx context.Context, work store.Store, ref ChunkRef) error {
	body, err := work.Open(ctx, ref.Key)
	if err != nil {
		return fmt.Errorf("read chunk %d: %w", ref.N, err)
	}
	defer body.Close()
	likely := min(max(ref.Operations, 0)*usualLine, chunkBytes)
	if c.data, err = readInto(slices.Grow(c.data[:0], likely), body, maxChunkBytes); err != nil {
		return fmt.Errorf("read chunk %d: %w", ref.N, err)
	}
	if ref.proof(sha256.Sum256(c.data)) != ref.SHA256 {
		return fault.New(fault.Broken, "chunk_changed", "chunk %d is not the one that was prepared (its hash differs)", ref.N).
			Advise("somebody changed the work bucket; start a new run")
	}
	return nil
}

// readInto is io.ReadAll into memory that is there already.
func readInto(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(len(dst), 1<<20))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		case len(dst) > limit:
			return dst, fault.New(fault.Broken, "object_too_large", "the object is larger than %d bytes", limit)
		}
	}
}

// parse finds the lines, and what they are about where it is a chunk of the second pass.
func (c *chunk) parse(ref ChunkRef) error {
	c.n, c.of, c.lines = ref.N, c.of[:0], c.lines[:0]
	r := lineReader{text: c.data}
	if !r.begin() {
		return c.unreadable("does not begin with shapes of ours")
	}
	c.shapes = r.shapes
	for at := r.at; at < len(c.data); {
		length := bytes.IndexByte(c.data[at:], '\n') + 1
		if length == 0 {
			return c.unreadable("ends in the middle of a line")
		}
		switch first := c.data[at]; {
		case first == '{': // only the whole line tells whether it is about another one
			r.at, r.parts = at, r.parts[:0]
			if err := c.parseObject(&r); err != nil {
				return err
			}
		case first != '[' || len(c.shapes) == 0:
			return c.unreadable("is not readable at operation %d", len(c.lines))
		}
		c.lines = append(c.lines, int32(at))
		at += length
	}
	if len(c.of) != 0 && len(c.of) != len(c.lines) {
		return c.unreadable("mixes operations of the load and of the second pass")
	}
	if len(c.lines) != ref.Operations {
		return c.unreadable("holds %d operations, not %d", len(c.lines), ref.Operations)
	}
	return nil
}

func (c *chunk) parseObject(r *lineReader) error {
	var op dataverse.Operation
	of, ok := r.next(&op)
	if !ok {
		return c.unreadable("is not readable at operation %d", len(c.lines))
	}
	if of >= 0 {
		c.of = append(c.of, of)
	}
	return nil
}
