package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Sum identifies the delivery's content, once all rows were read: for one object its SHA-256, for
// several the SHA-256 over theirs in order. Objects that were not read from their first to their last byte
// (Parquet, Excel, or begun at a cursor) are read for it.
func (r *Rows) Sum(ctx context.Context) (string, error) {
	for i, o := range r.src.Objects {
		if r.sums[i] != "" {
			continue
		}
		sum, err := sumObject(ctx, r.src.From, o)
		if err != nil {
			return "", err
		}
		r.sums[i] = sum
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

func sumObject(ctx context.Context, from Opener, o Object) (string, error) {
	raw, err := from.OpenFrom(ctx, o, 0)
	if err != nil {
		return "", err
	}
	b := &body{Reader: raw, raw: raw, closers: []io.Closer{raw}, hash: sha256.New()}
	defer b.Close()
	b.raw = io.TeeReader(raw, b.hash)
	return b.finish(o)
}
