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
		l := newLimiter(wallClock{}, 2, []*user{a, b})
		for range 4 {
			if _, err := l.acquire(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if a.flying != 2 || b.flying != 2 {
			t.Errorf("%d and %d in flight", a.flying, b.flying)
		}
		var got *user
		go func() { got, _ = l.acquire(t.Context(), nil) }()
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
		l := newLimiter(wallClock{}, 1, []*user{a, b})
		l.pause(a, time.Minute)
		l.pause(a, time.Second) // does not shorten it
		start := time.Now()
		if u, _ := l.acquire(t.Context(), nil); u != b {
			t.Fatal("the user that does not rest should work")
		}
		if u, err := l.acquire(t.Context(), nil); u != a || err != nil || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		l.pause(b, time.Hour)
		l.release(b)
		// a is busy, not resting: waiting for it is right although the deadline is before b wakes.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { time.Sleep(time.Second); l.release(a) }()
		if u, err := l.acquire(ctx, nil); u != a || err != nil {
			t.Errorf("%v", err)
		}
	})
}

func TestLimiterGivesUpOnLongPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &user{}
		l := newLimiter(wallClock{}, 0, []*user{u})
		l.pause(u, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := l.acquire(ctx, nil)
		wantFault(t, err, fault.Throttled, "throttled")
		if time.Since(start) != 0 {
			t.Error("it waited for nothing")
		}
	})
}

func TestLimiterEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &user{}
		l := newLimiter(wallClock{}, 1, []*user{u})
		l.acquire(t.Context(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, err := l.acquire(ctx, nil)
			wantFault(t, err, fault.Interrupted, "cancelled")
		}()
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

func TestLimiterFollowsTheHint(t *testing.T) {
	u := &user{}
	l := newLimiter(wallClock{}, 20, []*user{u})
	for _, step := range []struct{ hint, want int }{{0, firstInFlight}, {12, 12}, {50, 20}, {1, 1}, {-3, 1}} {
		l.learn(u, step.hint)
		if got := l.inFlight(); got != step.want {
			t.Errorf("hint %d: %d", step.hint, got)
		}
	}
}
