package local_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"penstock/internal/run"
)

// Killed at one write after the other, and started again: the table ends up the same, and no record counts twice.
func TestCrashesWhileClearing(t *testing.T) { crashes(t, "keyed", 1+rand.IntN(19), 19) }

func TestCrashesWhileSweeping(t *testing.T) { crashes(t, "mirror", 1+rand.IntN(19), 19) }

func TestSoakCrashesWhileDeleting(t *testing.T) {
	if os.Getenv("PENSTOCK_SOAK") == "" {
		t.Skip("set PENSTOCK_SOAK=1 (make soak)")
	}
	crashes(t, "keyed", 1, 1)
	crashes(t, "mirror", 1, 1)
}

// crashes kills the process at a write, and at every so many after it.
func crashes(t *testing.T, destination string, at, step int) {
	t.Helper()
	h := &hooked{}
	f := newField(t, hook(h))
	t.Logf("killed at write %d and every %d after it", at, step)
	dead := errors.New("the process is dead")
	now := time.Now()
	f.shop.Steps.Now = func() time.Time { return now }
	for ; ; at += step {
		f.seed("south", 11, 12, 13)
		writes, last := 0, ""
		h.set(func(key string) error {
			if writes++; writes < at {
				return nil
			}
			if writes == at {
				last = key
			}
			return dead
		})
		path := file(t, "x.csv", land(1, 2, 3))
		end, err := f.shop.DeliverFile(t.Context(), path, destination, false)
		h.set(nil)
		if err == nil && end.State == run.Succeeded && last == "" {
			if at < 20 {
				t.Errorf("only %d writes", at)
			}
			return
		}
		now = now.Add(10 * time.Minute) // a run that died when it had its report, but not given back its turn, is waited for
		end, r := f.loadFile(destination, path)
		if end.State != run.Succeeded || end.Written != 3 || r.Removed.Failed != 0 || r.Removed.Deleted+r.Removed.AlreadyGone != r.Removed.Found {
			t.Fatalf("killed at write %d (%s): %+v %+v", at, last, end, end.Reason)
		}
		if f.wants("new 1", "new 2", "new 3"); t.Failed() {
			t.Fatalf("killed at write %d (%s)", at, last)
		}
	}
}
