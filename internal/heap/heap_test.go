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
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()

	const floor, more = 32 << 20, 64 << 20
	idle, limits := make(chan time.Time), make(chan int64)
	ended := make(chan struct{})
	defer close(ended)
	keep(floor, idle, func(limit int64) {
		select {
		case limits <- limit:
		case <-ended:
		}
	})
	live, raised := make([]byte, more), make(chan struct{})
	go func() {
		for {
			select {
			case <-raised:
				return
			default:
				runtime.GC()
			}
		}
	}()
	for <-limits < more+more/2 {
	}
	close(raised)
	runtime.KeepAlive(live)
	live = nil
	go func() { // nobody collects now but who is told that nothing is going on
		for {
			select {
			case idle <- time.Time{}:
			case <-ended:
				return
			}
		}
	}()
	for <-limits != floor {
	}
}

func TestKeepLeavesTheEnvironmentsWord(t *testing.T) {
	t.Setenv("GOGC", "50")
	limit := debug.SetMemoryLimit(-1)
	Keep(1 << 20)
	if got := debug.SetMemoryLimit(-1); got != limit {
		t.Errorf("the limit is %d, was %d", got, limit)
	}
}
