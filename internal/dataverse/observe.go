package dataverse

import (
	"context"
	"time"
)

// Observer hears what calling costs. Any of its functions may be nil; they are
// called from several goroutines.
type Observer struct {
	Call      func(rows int, took time.Duration) // a call was answered, well or not; reads have no rows
	Throttled func(pause time.Duration)          // the service asked for a pause
	Retried   func()                             // a call is sent once more after a passing failure
	Bisected  func()                             // a call is sent only to find a bad row
	// Waiting: a call waits until then for one of the reasons below. Waits of less than a second,
	// and those for another call of ours to end, are not told. Several calls may wait for one reason.
	Waiting func(reason string, until time.Time)
}

// The reasons for which a call waits.
const (
	WaitThrottled = "throttled" // the service asked every application user for a pause
	WaitPaced     = "paced"     // one more call now would exceed what the service was found to bear
	WaitRetry     = "retry"     // a call failed in passing and is sent again
)

type watchedKey struct{}

// Watched is a context whose calls o hears, unless they are a Writer's, which has its own: several
// runs read through one client, and each has somebody else who watches it.
func Watched(ctx context.Context, o *Observer) context.Context {
	return context.WithValue(ctx, watchedKey{}, o)
}

type readyKey struct{}

// WhenReady is a context under which f is called when a request is rendered and is about to wait
// for its slot: whoever renders the next one need wait no longer. It is called for each request.
func WhenReady(ctx context.Context, f func()) context.Context {
	return context.WithValue(ctx, readyKey{}, f)
}

func ready(ctx context.Context) {
	if f, ok := ctx.Value(readyKey{}).(func()); ok {
		f()
	}
}

const shortWait = time.Second

func (o *Observer) waiting(reason string, now, until time.Time) {
	if o != nil && o.Waiting != nil && until.Sub(now) >= shortWait {
		o.Waiting(reason, until)
	}
}
