package dataverse

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/fault"
)

func TestLimiterBoundsEachUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &user{}, &user{}
		l := newLimiter(wallClock{}, 2, Flow{}, []*user{a, b})
		for range 4 {
			if _, err := l.acquire(t.Context(), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if a.flying != 2 || b.flying != 2 {
			t.Errorf("%d and %d in flight", a.flying, b.flying)
		}
		var got *user
		go func() { got, _ = l.acquire(t.Context(), nil, nil) }()
		synctest.Wait()
		if got != nil {
			t.Fatal("a fifth call got a slot")
		}
		l.release(b)
		synctest.Wait()
		if got != b {
			t.Fatal("the free slot was not taken")
		}
	})
}

func TestLimiterPausesOneUserOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &user{}, &user{}
		l := newLimiter(wallClock{}, 1, Flow{}, []*user{a, b})
		l.pause(a, time.Minute)
		l.pause(a, time.Second) // does not shorten it
		start := time.Now()
		if u, _ := l.acquire(t.Context(), nil, nil); u != b {
			t.Fatal("the user that does not rest should work")
		}
		if u, err := l.acquire(t.Context(), nil, nil); u != a || err != nil || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		l.pause(b, time.Hour)
		l.release(b)
		// a is busy, not resting: waiting for it is right although the deadline is before b wakes.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { time.Sleep(time.Second); l.release(a) }()
		if u, err := l.acquire(ctx, nil, nil); u != a || err != nil {
			t.Errorf("%v", err)
		}
	})
}

func TestLimiterGivesUpOnLongPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &user{}
		l := newLimiter(wallClock{}, 0, Flow{}, []*user{u})
		l.pause(u, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := l.acquire(ctx, nil, nil)
		wantFault(t, err, fault.Throttled, "throttled")
		if time.Since(start) != 0 {
			t.Error("it waited for nothing")
		}
	})
}

func TestLimiterEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &user{}
		l := newLimiter(wallClock{}, 1, Flow{}, []*user{u})
		l.acquire(t.Context(), nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, err := l.acquire(ctx, nil, nil)
			wantFault(t, err, fault.Interrupted, "cancelled")
		}()
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

func TestLimiterFollowsTheHint(t *testing.T) {
	u := &user{}
	l := newLimiter(wallClock{}, 20, Flow{}, []*user{u})
	for _, step := range []struct{ hint, want int }{{0, firstInFlight}, {12, 12}, {50, 20}, {1, 1}, {-3, 1}} {
		l.learn(u, step.hint)
		if got := l.inFlight(); got != step.want {
			t.Errorf("hint %d: %d", step.hint, got)
		}
	}
}

func TestLimiterTellsWhyItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type wait struct {
			reason string
			until  time.Duration
		}
		start := time.Now()
		var told []wait
		observer := &Observer{Waiting: func(reason string, until time.Time) { told = append(told, wait{reason, until.Sub(start)}) }}
		u := &user{}
		l := newLimiter(wallClock{}, 0, Flow{}, []*user{u})
		l.pause(u, 500*time.Millisecond)
		l.acquire(t.Context(), nil, observer) // too short to tell
		l.release(u)
		l.pause(u, 30*time.Second)
		l.acquire(t.Context(), nil, observer)
		l.release(u)
		l.mu.Lock()
		u.pace.slots, u.pace.credit, u.pace.raiseAt, u.pace.window = 0.25, -1, start.Add(time.Hour), time.Hour
		l.mu.Unlock()
		l.acquire(t.Context(), nil, observer)
		if len(told) != 2 || told[0] != (wait{WaitThrottled, 30*time.Second + 500*time.Millisecond}) || told[1].reason != WaitPaced ||
			time.Since(start).Round(10*time.Millisecond) != 34*time.Second+500*time.Millisecond {
			t.Errorf("%v after %s", told, time.Since(start))
		}
	})
}

// Latency that climbs without any throttle cuts calls in flight, never below the bound, and gives them back.
func TestLimiterFeelsLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &user{}
		l := newLimiter(wallClock{}, 0, Flow{}, []*user{u})
		l.learn(u, 10)
		feel := func(slower float64, times int) int {
			for range times {
				time.Sleep(time.Second)
				l.feel(u, slower)
			}
			return l.inFlight()
		}
		if got := feel(1.1, 60); got != 10 {
			t.Errorf("%d while all is well", got)
		}
		if got := feel(4, 20); got >= 10 {
			t.Errorf("%d while calls take four times as long", got)
		}
		if got := feel(4, 200); got != 5 {
			t.Errorf("%d after long: latency alone goes to half the hint", got)
		}
		if got := feel(1, 200); got != 10 {
			t.Errorf("%d when all is well again", got)
		}
	})
}

func TestExploringIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, step := range []struct {
			hint     int
			flow     Flow
			wanted   bool
			inFlight int
		}{{6, Flow{}, true, 9}, {6, Flow{}, false, 6}, {6, Flow{Explore: 1}, true, 6}, {48, Flow{}, true, 50}, {80, Flow{}, true, 80}} {
			u := &user{}
			l := newLimiter(wallClock{}, 0, step.flow, []*user{u})
			l.learn(u, step.hint)
			for range 600 {
				time.Sleep(5 * time.Second)
				l.mu.Lock()
				u.pace.wanted = step.wanted
				l.pick(nil, time.Now())
				l.mu.Unlock()
			}
			if got := l.inFlight(); got != step.inFlight {
				t.Errorf("hint %d, wanted %v: %d in flight, want %d", step.hint, step.wanted, got, step.inFlight)
			}
		}
	})
}

func TestWindowOfAThrottle(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"Number of requests exceeded the limit of 6000 over time window of 300 seconds.": 300 * time.Second,
		"exceeded limit of 20000 milliseconds over time window of 5 seconds. Decrease":   5 * time.Second,
		"over time window of 2.5 seconds":                                                2500 * time.Millisecond,
		"over time window of 0 seconds":                                                  usualWindow,
		"something else":                                                                 usualWindow,
	} {
		if got := windowOf(&APIError{Message: text}); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
