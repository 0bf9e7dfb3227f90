package traffic

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The ring is compared with a plain list of what was added.
func TestWindowAgainstList(t *testing.T) {
	type added struct {
		at time.Duration
		v  int64
	}
	const length = 300 * time.Second
	random := rand.New(rand.NewPCG(1, 2))
	w := newWindow(length)
	var list []added
	at := time.Duration(0)
	for range 5000 {
		at += time.Duration(random.Int64N(int64(2 * time.Second)))
		if random.IntN(200) == 0 {
			at += time.Duration(random.Int64N(int64(10 * time.Minute)))
		}
		v := random.Int64N(10)
		w.add(at, v)
		list = append(list, added{at, v})
		var least, most int64 // what a window of 300 s and of 301 s holds
		for _, a := range list {
			if at-a.at < length {
				least += a.v
			}
			if at-a.at <= length+time.Second {
				most += a.v
			}
		}
		if got := w.total(at); got < least || got > most {
			t.Fatalf("at %v the window holds %d, want %d to %d", at, got, least, most)
		}
	}
}

func TestWindowUntil(t *testing.T) {
	const length = 300 * time.Second
	w := newWindow(length)
	for i := range 100 {
		w.add(time.Duration(i)*time.Second, 1)
	}
	now := 100 * time.Second
	for _, target := range []int64{0, 1, 50, 99, 100, 1000} {
		wait := w.until(now, target)
		copied := w
		if wait > 0 {
			if held := copied.total(now + wait - 1); held <= target {
				t.Errorf("target %d: %d was held just before %v", target, held, wait)
			}
		}
		if held := copied.total(now + wait); held > target {
			t.Errorf("target %d: %d still held after %v", target, held, wait)
		}
	}
}
