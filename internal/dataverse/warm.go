package dataverse

import (
	"context"
	"sync/atomic"
)

// firstCall sees to it that the first bulk call of a kind is a single row.
type firstCall struct {
	turn chan struct{} // one holder at a time
	done atomic.Bool
}

func newFirstCall(warm bool) *firstCall {
	f := &firstCall{turn: make(chan struct{}, 1)}
	f.done.Store(warm)
	return f
}

// warmTries bounds how many bad rows in a row are sent alone.
const warmTries = 3

// warmUp sends the first row of the first call alone (rule W2): several bulk
// calls as the first traffic to a table fail while the service builds
// what they need, and a missing privilege or an ignored id shows with one row.
// It returns what is left to write.
func (w *Writer) warmUp(ctx context.Context, c call, out []Outcome) (call, error) {
	f := w.first[c.message]
	if f.done.Load() {
		return c, nil
	}
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return c, cancelled(ctx.Err())
	}
	for tries := 0; tries < warmTries && !f.done.Load() && len(c.records) > 0; tries++ {
		one := c
		one.records = c.records[:1:1]
		at := one.records[0].at
		if err := w.drain(ctx, one, out); err != nil {
			return c, err
		}
		c.records = c.records[1:]
		f.done.Store(out[at].Result != Rejected)
	}
	f.done.Store(true)
	return c, nil
}
