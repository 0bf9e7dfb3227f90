package run

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// A chunk is a file of ready-to-send operations, one JSON object a line: the
// unit of fan-out, retry and resume. It is minutes of work, because state
// transitions and function starts are what a load costs on AWS.
const (
	chunkOperations = 10_000
	chunkBytes      = 16 << 20
	maxChunkBytes   = 256 << 20 // more is not one of ours
)

// appendOperation writes op as a line. The JSON is rendered by hand because this
// is done for every row; TestOperationLine holds it against encoding/json.
func appendOperation(dst []byte, op *dataverse.Operation) []byte {
	dst = append(dst, `{"row":`...)
	dst = strconv.AppendInt(dst, op.Row, 10)
	dst = append(dst, `,"line":`...)
	dst = strconv.AppendInt(dst, int64(op.Line), 10)
	dst = append(dst, `,"do":"`...)
	dst = append(dst, op.Do...)
	dst = append(dst, '"')
	if op.ID != "" {
		dst = append(dst, `,"id":"`...)
		dst = append(dst, op.ID...)
		dst = append(dst, '"')
	}
	if len(op.Key) > 0 {
		dst = append(dst, `,"key":[`...)
		for i, part := range op.Key {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"column":"`...)
			dst = append(dst, part.Column...) // a logical name: [a-z0-9_]
			dst = append(dst, `","value":`...)
			dst = append(dst, part.Value...)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	if op.New != "" {
		dst = append(dst, `,"new":"`...)
		dst = append(dst, op.New...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"set":`...)
	if len(op.Set) == 0 {
		dst = append(dst, `{}`...)
	} else {
		dst = append(dst, op.Set...)
	}
	return append(dst, "}\n"...)
}

// A chunkWriter cuts operation lines into chunks and stores each when it is full.
type chunkWriter struct {
	ctx    context.Context
	work   store.Store
	folder string
	by     string // which attempt at prepare: its chunks are its own (rule P2)
	phase  string
	buffer bytes.Buffer
	count  int
	refs   []ChunkRef
}

func (w *chunkWriter) add(line []byte) error {
	if w.count == chunkOperations || (w.count > 0 && w.buffer.Len()+len(line) > chunkBytes) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.buffer.Write(line)
	w.count++
	return nil
}

func (w *chunkWriter) flush() error {
	if w.count == 0 {
		return nil
	}
	sum := sha256.Sum256(w.buffer.Bytes())
	n := len(w.refs)
	ref := ChunkRef{N: n, Key: chunkKey(w.folder, w.by, chunkName(w.phase, n)), Operations: w.count, SHA256: hex.EncodeToString(sum[:])}
	if err := w.work.Put(w.ctx, ref.Key, bytes.NewReader(w.buffer.Bytes())); err != nil {
		return fmt.Errorf("store chunk %d: %w", n, err)
	}
	w.refs = append(w.refs, ref)
	w.buffer.Reset()
	w.count = 0
	return nil
}

// readChunk reads a chunk's operations back and proves that they are the ones prepared.
func readChunk(ctx context.Context, work store.Store, ref ChunkRef) ([]dataverse.Operation, error) {
	data, err := store.ReadAll(ctx, work, ref.Key, maxChunkBytes)
	if err != nil {
		return nil, fmt.Errorf("read chunk %d: %w", ref.N, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != ref.SHA256 {
		return nil, fault.New(fault.Broken, "chunk_changed", "chunk %d is not the one that was prepared (its hash differs)", ref.N).
			Advise("somebody changed the work bucket; start a new run")
	}
	ops := make([]dataverse.Operation, 0, ref.Operations)
	lines := bufio.NewReaderSize(bytes.NewReader(data), 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil {
			return nil, fault.New(fault.Broken, "chunk_unreadable", "chunk %d ends in the middle of a line", ref.N)
		}
		var op dataverse.Operation
		if err := json.Unmarshal(line, &op); err != nil {
			return nil, fault.New(fault.Broken, "chunk_unreadable", "chunk %d, operation %d is not readable", ref.N, len(ops)).Because(err)
		}
		ops = append(ops, op)
	}
	if len(ops) != ref.Operations {
		return nil, fault.New(fault.Broken, "chunk_unreadable", "chunk %d holds %d operations, not %d", ref.N, len(ops), ref.Operations)
	}
	return ops, nil
}
