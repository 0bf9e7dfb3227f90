package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// chunk is what a worker holds: the operations of one chunk. They lie in memory
// that is used for the next chunk when this one is released.
type chunk struct {
	ops []dataverse.Operation
	of  []int // of a chunk of the second pass: for each operation the place of its row's in the load's chunk

	data  []byte
	sets  []byte
	parts []dataverse.KeyPart
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// release gives the memory back. Nothing may look at the operations any more.
func (c *chunk) release() {
	if c == nil {
		return
	}
	clear(c.ops)
	clear(c.parts)
	chunks.Put(c)
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
	if sum := sha256.Sum256(c.data); hex.EncodeToString(sum[:]) != ref.SHA256 {
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

func (c *chunk) parse(ref ChunkRef) error {
	unreadable := func(format string, args ...any) error {
		return fault.New(fault.Broken, "chunk_unreadable", "chunk %d "+format, append([]any{ref.N}, args...)...)
	}
	if ref.Operations < 0 || ref.Operations > len(c.data) {
		return unreadable("cannot hold %d operations", ref.Operations)
	}
	lines := lineReader{text: c.data, parts: c.parts[:0], sets: c.sets[:0]}
	if !lines.begin() {
		return unreadable("does not begin with shapes of ours")
	}
	lines.sets = slices.Grow(lines.sets, lines.setBytes(ref.Operations))
	c.ops, c.of = slices.Grow(c.ops[:0], ref.Operations), c.of[:0]
	for !lines.end() {
		c.ops = append(c.ops, dataverse.Operation{})
		of, ok := lines.next(&c.ops[len(c.ops)-1])
		if !ok {
			return unreadable("is not readable at operation %d", len(c.ops)-1)
		}
		if of >= 0 {
			c.of = append(c.of, of)
		}
		if len(c.of) != 0 && len(c.of) != len(c.ops) {
			return unreadable("mixes operations of the load and of the second pass")
		}
	}
	c.parts, c.sets = lines.parts, lines.sets
	if len(c.ops) != ref.Operations {
		return unreadable("holds %d operations, not %d", len(c.ops), ref.Operations)
	}
	return nil
}
