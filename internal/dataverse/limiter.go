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
// pace and its own pause: a throttled one rests while the others work.
type limiter struct {
	clock Clock
	bound int // calls in flight per user that the owner allows; 0 is no bound
	flow  Flow

	mu      sync.Mutex
	users   []*user
	changed chan struct{} // closed and replaced when a slot or a pause changes
}

// user is one application user: its tokens and its share of the limiter.
type user struct {
	tokens *tokens

	// guarded by limiter.mu
	flying int
	until  time.Time // paused by the service until then
	pace   pace
}

func newLimiter(clock Clock, bound int, flow Flow, users []*user) *limiter {
	l := &limiter{clock: clock, bound: bound, flow: flow.filled(), users: users, changed: make(chan struct{})}
	for _, u := range users {
		u.pace.flow, u.pace.squeeze = &l.flow, 1
	}
	return l
}

// acquire waits for a slot of any user, or of only when it is not nil. The wait
// for a pause that ends after ctx's deadline is not begun: fault.Throttled.
func (l *limiter) acquire(ctx context.Context, only *user, observer *Observer) (*user, error) {
	var told time.Time
	for {
		if err := ctx.Err(); err != nil {
			return nil, cancelled(err)
		}
		l.mu.Lock()
		now := l.clock.Now()
		u, wake, allRest := l.pick(only, now)
		if u != nil {
			u.flying++
			u.pace.start(now)
			l.mu.Unlock()
			return u, nil
		}
		changed := l.changed
		l.mu.Unlock()

		if deadline, ok := ctx.Deadline(); ok && allRest && wake.After(deadline) {
			return nil, fault.New(fault.Throttled, "throttled", "the service asked for a pause of %s, longer than this step can wait",
				wake.Sub(now).Round(time.Second))
		}
		if !wake.IsZero() && wake != told {
			told = wake
			observer.waiting(map[bool]string{true: WaitThrottled, false: WaitPaced}[allRest], now, wake)
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

// pick returns the user with most room; else when to look again (zero: when
// something changes), and whether all of them rest.
func (l *limiter) pick(only *user, now time.Time) (best *user, wake time.Time, allRest bool) {
	allRest = true
	sooner := func(at time.Time) {
		if !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
			wake = at
		}
	}
	room := 0.0
	for _, u := range l.users {
		u.pace.advance(now, u.flying)
		if only != nil && u != only {
			continue
		}
		if u.until.After(now) {
			sooner(u.until)
			continue
		}
		allRest = false
		if l.bound > 0 && u.flying >= l.bound {
			u.pace.wanted = true
			continue
		}
		yes, again := u.pace.admits(now, u.flying)
		if free := u.pace.target() - float64(u.flying); yes && (best == nil || free > room) {
			best, room = u, free
		}
		sooner(again)
	}
	return best, wake, allRest
}

// allowance is how many calls a user should have in flight at a time.
func (l *limiter) allowance(u *user) int {
	n := u.pace.slotsInFlight()
	if l.bound > 0 {
		n = min(n, l.bound)
	}
	return n
}

func (l *limiter) release(u *user) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u.pace.advance(l.clock.Now(), u.flying)
	u.flying--
	l.notify()
}

// pause keeps everyone from calling as u for d: sending while throttled prolongs the throttle.
func (l *limiter) pause(u *user, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest(u, d)
}

func (l *limiter) rest(u *user, d time.Duration) {
	if until := l.clock.Now().Add(d); until.After(u.until) {
		u.until = until
	}
}

// throttle pauses u and learns from it what the limits bear. The throttles of
// calls that were on their way already say the same thing again.
func (l *limiter) throttle(u *user, api *APIError, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	u.pace.advance(now, u.flying)
	if !u.until.After(now) {
		u.pace.throttled(now, api, u.flying, d)
	}
	l.rest(u, d)
}

// learn takes the service's suggested degree of parallelism.
func (l *limiter) learn(u *user, hint int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if hint > 0 && float64(hint) != u.pace.hint {
		u.pace.hint, u.pace.bonus = float64(hint), 0
		l.notify()
	}
}

// feel takes in how many times longer than at its best a call of u took.
func (l *limiter) feel(u *user, slower float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u.pace.feel(l.clock.Now(), slower)
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
