package dataverse

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// learnt is a limiter of one user whose calls, two seconds each, have met a limit of 1,200 s
// of execution in 300 s, and who has waited for as long as it was told.
func learnt(t *testing.T, pause time.Duration) (*limiter, *user) {
	t.Helper()
	u := &user{}
	l := newLimiter(wallClock{}, 0, Flow{}, []*user{u})
	l.learn(u, 5)
	for range 120 {
		for range 5 {
			hold(t, l, 2*time.Second)
		}
		time.Sleep(2 * time.Second) // of the bubble's clock, as everywhere in this file
	}
	l.throttle(u, timeLimit(1_200_000, 300), pause)
	time.Sleep(pause)
	return l, u
}

// freed is how long after learnt's throttle a twentieth of the limit has left the window.
const freed = 75 * time.Second

func timeLimit(milliseconds, seconds int) *APIError {
	return &APIError{Status: 429, Code: "0x80072321", Message: fmt.Sprintf(
		"Combined execution time of incoming requests exceeded limit of %d milliseconds over time window of %d seconds.", milliseconds, seconds)}
}

// hold makes a call that takes its time.
func hold(t *testing.T, l *limiter, took time.Duration) {
	t.Helper()
	u, err := l.acquire(t.Context(), nil, nil)
	if err != nil {
		t.Error(err)
	}
	time.AfterFunc(took, func() { l.release(u) })
}

// look is u's pace and its calls in flight as they are now; hold's calls change them meanwhile.
func look(l *limiter, u *user) (pace, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return u.pace, u.flying
}

// raised makes calls until the slots are raised, and says what came before and after it.
func raised(t *testing.T, l *limiter, u *user) (before, after pace) {
	t.Helper()
	before, _ = look(l, u)
	for after = before; after.slots == before.slots; after, _ = look(l, u) {
		if hold(t, l, 2*time.Second); after.started > before.started+5000 {
			t.Fatal("no raise in 5,000 calls")
		}
	}
	return before, after
}

// What struck is what is used from then on, a little less of it, and raised with patience.
func TestPaceAfterAThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, u := learnt(t, freed)
		p, _ := look(l, u)
		if got := p.slots * 300 / p.used; got < 0.94 || got > 0.98 { // all that was used is within the window
			t.Errorf("it uses %.3f of what it was throttled for", got)
		}
		if !p.firm {
			t.Error("it has used the whole limit itself, so that is the limit")
		}
		before, after := raised(t, l, u)
		if calls := after.started - before.started; calls < 2000 || calls > 2010 || after.slots > 1.011*before.slots {
			t.Errorf("%.4f times the slots after %.0f calls", after.slots/before.slots, calls)
		}
		for after.firm {
			_, after = raised(t, l, u)
		}
		before, after = raised(t, l, u)
		if waited := after.at.Sub(before.at); waited > 302*time.Second {
			t.Errorf("the limit has risen, and the next raise took %s, more than a window", waited)
		}
		time.Sleep(time.Minute) // for the calls under way
	})
}

// What a chunk's end leaves unused is made up for, and what calls at once did not use is not saved for ever.
func TestPaceMakesUpForWhatWasNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, u := learnt(t, freed)
		for range 400 { // fills the window again
			hold(t, l, time.Second)
		}
		most := func() int {
			n := 0
			for range 40 {
				hold(t, l, time.Second)
				_, flying := look(l, u)
				n = max(n, flying)
			}
			return n
		}
		if n := most(); n > 5 {
			t.Errorf("%d calls at once without a reason", n)
		}
		time.Sleep(2 * time.Second)
		if n := most(); n < 6 || n > 9 {
			t.Errorf("%d calls at once after two seconds without any", n)
		}
		time.Sleep(time.Hour)
		if n := most(); n > 9 {
			t.Errorf("%d calls at once after an hour without any", n)
		}
		time.Sleep(time.Minute)
	})
}

// Calls of some length do not start together, as they would be throttled together.
func TestPaceKeepsCallsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, u := learnt(t, freed)
		time.Sleep(10 * time.Second)
		start := time.Now()
		for range 4 {
			hold(t, l, 2*time.Second)
		}
		if took := time.Since(start); took < 300*time.Millisecond || took > time.Second {
			t.Errorf("four calls of two seconds started within %s", took)
		}
		time.Sleep(10 * time.Second)
		l.mu.Lock()
		u.pace.used, u.pace.started = 1000, 1e5 // calls of 10 ms
		l.mu.Unlock()
		start = time.Now()
		for range 4 {
			hold(t, l, 10*time.Millisecond)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("four calls of 10 ms were held up for %s", took)
		}
		time.Sleep(time.Minute)
	})
}

// A pause that was too short is not the end of waiting: the window has no room yet.
func TestPaceWaitsForRoomInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := learnt(t, time.Second)
		start := time.Now()
		hold(t, l, time.Second)
		if took := time.Since(start); took < 15*time.Second || took > freed {
			t.Errorf("a call was let through after %s", took)
		}
		time.Sleep(time.Minute)
	})
}

// Too many calls at once say nothing of what a window holds: fewer go on at once.
func TestPaceAfterACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &user{}
		l := newLimiter(wallClock{}, 0, Flow{}, []*user{u})
		l.learn(u, 50)
		for range 500 {
			hold(t, l, time.Second)
		}
		time.Sleep(2 * time.Second)
		for range 50 {
			hold(t, l, 2*time.Second)
		}
		l.throttle(u, &APIError{Status: 429, Code: tooManyAtOnce, Message: "Number of concurrent requests exceeded the limit of 52."}, 5*time.Second)
		time.Sleep(5 * time.Second)
		start := time.Now()
		for range 40 {
			hold(t, l, 10*time.Second)
		}
		_, flying := look(l, u)
		if took := time.Since(start); took > time.Second || flying != 40 {
			t.Errorf("%d calls at once after %s", flying, took)
		}
		time.Sleep(time.Minute)
	})
}

// Whether the limit that a throttle names was used up by this process alone.
func TestLimitThatWasUsedUp(t *testing.T) {
	requests := "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
	for _, tt := range []struct {
		text          string
		used, started float64
		want          bool
	}{
		{timeLimit(1_200_000, 300).Message, 4.2, 3, true},
		{timeLimit(1_200_000, 300).Message, 3.7, 3, true},
		{timeLimit(1_200_000, 300).Message, 2, 20, false},
		{requests, 2, 19.9, true},
		{requests, 40, 10, false},
		{"Number of concurrent requests exceeded the limit of 52.", 50, 50, false},
		{"something else", 50, 50, false},
	} {
		p := &pace{window: 300 * time.Second}
		if got := p.exhausted(&APIError{Message: tt.text}, tt.used, tt.started); got != tt.want {
			t.Errorf("%q with %g slots and %g calls a second: %v", tt.text, tt.used, tt.started, got)
		}
	}
}
