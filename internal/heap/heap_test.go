package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestLimitFor(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct{ live, want int64 }{
		{0, 90 * mib},
		{20 * mib, 90 * mib},
		{56 * mib, 90 * mib},
		{60 * mib, 96 * mib},
		{400 * mib, 606 * mib},
	} {
		if got := limitFor(c.live, 90*mib); got != c.want {
			t.Errorf("limit for %d MiB live: %d, want %d", c.live/mib, got, c.want)
		}
	}
}

// What is live beyond the floor must raise the limit, or the program would do
// nothing but collect; and what is not live any more must lower it again.
func TestKeepFollowsWhatIsLive(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()

	const floor, more = 32 << 20, 64 << 20
	Keep(floor)
	live := make([]byte, more)
	until(t, "raised", func(limit int64) bool { return limit >= more+more/2 })
	runtime.KeepAlive(live)
	live = nil
	until(t, "lowered again", func(limit int64) bool { return limit == floor })
}

func until(t *testing.T, what string, reached func(limit int64) bool) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		if reached(debug.SetMemoryLimit(-1)) {
			return
		}
		time.Sleep(time.Millisecond) // cleanups run in a goroutine of the runtime's
	}
	t.Fatalf("the limit is not %s: %d", what, debug.SetMemoryLimit(-1))
}

func TestKeepLeavesTheEnvironmentsWord(t *testing.T) {
	t.Setenv("GOGC", "50")
	limit := debug.SetMemoryLimit(-1)
	Keep(1 << 20)
	if got := debug.SetMemoryLimit(-1); got != limit {
		t.Errorf("the limit is %d, was %d", got, limit)
	}
}
