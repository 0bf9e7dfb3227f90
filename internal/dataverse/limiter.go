package dataverse

import (
	"context"
	"sync"
	"time"

	"penstock/internal/fault"
)

// Clock is the time that waits go by.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type wallClock struct{}

func (wallClock) Now() time.Time                         { return time.Now() }
func (wallClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// firstInFlight is how many calls an application user may have in flight before
// the service has said what it likes (x-ms-dop-hint): small environments say about five.
const firstInFlight = 5

// limiter shares one connection's budget among everyone who calls through it.
// Service protection counts per application user, so each has its own
// allowance and its own pause: a throttled one rests while the others work.
type limiter struct {
	clock Clock
	bound int // calls in flight per user that the owner allows; 0 is no bound

	mu      sync.Mutex
	users   []*user
	changed chan struct{} // closed and replaced when a slot or a pause changes
}

// user is one application user: its tokens and its share of the limiter.
type user struct {
	tokens *tokens

	// guarded by limiter.mu
	flying int
	hint   int
	until  time.Time // paused by the service until then
}

func newLimiter(clock Clock, bound int, users []*user) *limiter {
	return &limiter{clock: clock, bound: bound, users: users, changed: make(chan struct{})}
}

// acquire waits for a slot of any user, or of only when it is not nil. The wait
// for a pause that ends after ctx's deadline is not begun: fault.Throttled.
func (l *limiter) acquire(ctx context.Context, only *user) (*user, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, cancelled(err)
		}
		l.mu.Lock()
		now := l.clock.Now()
		u, wake, allRest := l.pick(only, now)
		if u != nil {
			u.flying++
			l.mu.Unlock()
			return u, nil
		}
		changed := l.changed
		l.mu.Unlock()

		if deadline, ok := ctx.Deadline(); ok && allRest && wake.After(deadline) {
			return nil, fault.New(fault.Throttled, "throttled", "the service asked for a pause of %s, longer than this step can wait",
				wake.Sub(now).Round(time.Second))
		}
		var rested <-chan time.Time
		if !wake.IsZero() {
			rested = l.clock.After(wake.Sub(now))
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-rested:
		}
	}
}

// pick returns the idlest user with room; else the time when the first resting
// one wakes (zero when none rests), and whether all of them rest.
func (l *limiter) pick(only *user, now time.Time) (best *user, wake time.Time, allRest bool) {
	allRest = true
	for _, u := range l.users {
		if only != nil && u != only {
			continue
		}
		if u.until.After(now) {
			if wake.IsZero() || u.until.Before(wake) {
				wake = u.until
			}
			continue
		}
		allRest = false
		if u.flying < l.allowance(u) && (best == nil || u.flying < best.flying) {
			best = u
		}
	}
	return best, wake, allRest
}

func (l *limiter) allowance(u *user) int {
	n := u.hint
	if n == 0 {
		n = firstInFlight
	}
	if l.bound > 0 {
		n = min(n, l.bound)
	}
	return max(n, 1)
}

func (l *limiter) release(u *user) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u.flying--
	l.notify()
}

// pause keeps everyone from calling as u for d: sending while throttled prolongs the throttle.
func (l *limiter) pause(u *user, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := l.clock.Now().Add(d); until.After(u.until) {
		u.until = until
	}
}

// learn takes the service's suggested degree of parallelism.
func (l *limiter) learn(u *user, hint int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if hint > 0 && hint != u.hint {
		u.hint = hint
		l.notify()
	}
}

func (l *limiter) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// inFlight is the number of calls that may be under way at once, over all users.
func (l *limiter) inFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, u := range l.users {
		n += l.allowance(u)
	}
	return n
}
