package delivery

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"penstock/internal/fault"
)

// Sum identifies the delivery's content, once all rows were read: for one object its SHA-256, for
// several the SHA-256 over theirs in order. Objects that were not read from their first to their last byte
// (Parquet, Excel, zip) are read for it.
func (r *Rows) Sum(ctx context.Context) (string, error) {
	return r.SumUntil(ctx, func() bool { return false })
}

// SumUntil is Sum that stops when it is told to, after some work at least. It then gives "", and a cursor that is
// taken now goes on there.
func (r *Rows) SumUntil(ctx context.Context, stop func() bool) (string, error) {
	for i := range r.src.Objects {
		if r.sums[i] != "" {
			continue
		}
		sum, err := r.sumObject(ctx, i, stop)
		if err != nil || sum == "" {
			return "", err
		}
		r.sums[i], r.hashed = sum, nil
	}
	if len(r.sums) == 1 {
		return r.sums[0], nil
	}
	all := sha256.New()
	for _, sum := range r.sums {
		fmt.Fprintln(all, sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// sumPiece is how much is hashed before stop is asked. Tests make it smaller.
var sumPiece int64 = 64 << 20

func (r *Rows) sumObject(ctx context.Context, i int, stop func() bool) (string, error) {
	o := r.src.Objects[i]
	h := newHasher()
	if r.hashed != nil && r.hashed.Object == i {
		if begun := r.hashed.hasher(); begun != nil {
			h = begun
		}
	}
	raw, err := r.src.From.OpenFrom(ctx, o, h.bytes)
	if err != nil {
		return "", err
	}
	defer raw.Close()
	h.at = h.bytes
	for {
		_, err := io.CopyN(h, raw, sumPiece)
		if err == io.EOF {
			return h.finish(o)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", o.Name(), err)
		}
		if stop() {
			r.hashed = &Hashed{Object: i, Bytes: h.bytes, State: h.state()}
			return "", nil
		}
	}
}

// Hashed is a hash of an object's first bytes that can be gone on with. It is a stored format.
type Hashed struct {
	Object int    `json:"object"`
	Bytes  int64  `json:"bytes"`
	State  []byte `json:"state"` // of crypto/sha256
}

// hasher goes on with the hash; nil when its state is none that this program knows, and hashing begins anew.
func (b *Hashed) hasher() *hasher {
	h := newHasher()
	state, ok := h.Hash.(encoding.BinaryUnmarshaler)
	if !ok || b.Bytes < 0 || state.UnmarshalBinary(b.State) != nil {
		return nil
	}
	h.bytes = b.Bytes
	return h
}

// hasher hashes an object's bytes as they come. Some of them may come again.
type hasher struct {
	hash.Hash
	bytes int64 // hashed
	at    int64 // where in the object the next ones are
}

func newHasher() *hasher { return &hasher{Hash: sha256.New()} }

func (h *hasher) Write(p []byte) (int, error) {
	known := min(max(h.bytes-h.at, 0), int64(len(p)))
	h.Hash.Write(p[known:])
	h.at += int64(len(p))
	h.bytes = max(h.bytes, h.at)
	return len(p), nil
}

func (h *hasher) state() []byte {
	state, ok := h.Hash.(encoding.BinaryMarshaler)
	if !ok {
		return nil
	}
	data, err := state.MarshalBinary()
	if err != nil {
		return nil
	}
	return data
}

// finish holds the content against what was delivered, and gives its hash.
func (h *hasher) finish(o Object) (string, error) {
	sum := hex.EncodeToString(h.Hash.Sum(nil))
	if o.SHA256 != "" && o.SHA256 != sum {
		return "", fault.New(fault.Refused, "delivery_changed", "the file changed while it was read").At(o.Name(), 0, "").
			Advise("run again when the file is complete")
	}
	return sum, nil
}
