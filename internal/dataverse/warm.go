package dataverse

import (
	"context"
	"sync/atomic"
	"time"
)

// FirstCalls are the first bulk calls to a table, one of each kind.
type FirstCalls struct {
	by    [len(messages)]*firstCall
	write chan struct{} // room for the very first Write
	wrote atomic.Bool   // it has ended
}

// NewFirstCalls is for a table that nobody has written to yet.
func NewFirstCalls() *FirstCalls { return newFirstCalls(false) }

func newFirstCalls(warm bool) *FirstCalls {
	f := &FirstCalls{write: make(chan struct{}, 1)}
	f.wrote.Store(warm)
	for i := range f.by {
		f.by[i] = &firstCall{turn: make(chan struct{}, 1)}
		f.by[i].done.Store(warm)
	}
	return f
}

// firstPatience is how long to wait for what the first row tells. One that takes longer tells nothing that a Writer
// does not assume anyhow, and its caller may be stuck where no time-out of ours reaches.
const firstPatience = 250 * time.Millisecond

// Await tells one caller that its Write is to be the first of all, and has the others wait a while until it says that
// it has ended, or that there was none. The first should carry a single row: more would wait for that row anyway, and
// how long it takes says how many the next ones may carry. Who has waited long enough, or is stopped, is not the first.
func (f *FirstCalls) Await(ctx context.Context) (first bool, ended func(wrote bool)) {
	none := func(bool) {}
	if f.wrote.Load() {
		return false, none
	}
	late := time.NewTimer(firstPatience)
	defer late.Stop()
	select {
	case f.write <- struct{}{}:
	case <-late.C:
		return false, none
	case <-ctx.Done():
		return false, none
	}
	if f.wrote.Load() {
		<-f.write
		return false, none
	}
	return true, func(wrote bool) { f.wrote.Store(wrote); <-f.write }
}

// firstCall sees to it that the first bulk call of a kind is a single row.
type firstCall struct {
	turn chan struct{} // one holder at a time
	done atomic.Bool
}

// warmTries bounds how many bad rows in a row are sent alone.
const warmTries = 3

// warmUp sends the first row of the first call alone (rule W2): several bulk
// calls as the first traffic to a table fail while the service builds
// what they need, and a missing privilege or an ignored id shows with one row.
// It returns what is left to write.
func (w *Writer) warmUp(ctx context.Context, c call, out []Outcome) (call, error) {
	f := w.first.by[c.message.order]
	if f.done.Load() {
		return c, nil
	}
	ready(ctx) // whoever renders the next call need not wait for this one's first row
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
