package asl

import (
	"context"
	"sync"
	"sync/atomic"
)

// fanOut does the work of n items, in the order of their index and at most width
// at a time. The first error stops it: what has not begun never does, what waits
// is woken, and what runs a task is waited for.
func fanOut(ctx context.Context, n, width int, do func(ctx context.Context, i int) error) error {
	stop, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		next  atomic.Int64
		once  sync.Once
		first error
		wg    sync.WaitGroup
	)
	for range min(n, width) {
		wg.Go(func() {
			for stop.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(stop, i); err != nil {
					once.Do(func() { first = err; cancel(errAborted) })
					return
				}
			}
		})
	}
	wg.Wait()
	if err := stopped(ctx); err != nil {
		return err
	}
	return first
}
