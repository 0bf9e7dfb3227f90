package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/run"
)

// A log of hours stays readable: lines come ever more rarely, a wait is told once, the end always.
func TestWatcherWritesLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := newWatcher(&out, false)
		load := func(rows int64) {
			w.see(run.Progress{Run: "r", Destination: "people", Step: "load", Rows: rows, Total: 100_000, Rejected: rows / 1000})
		}
		wait := func() {
			w.see(run.Progress{Run: "r", Destination: "people", Step: "load", Note: "waiting: the service asked for a pause of 9s"})
		}
		w.see(run.Progress{Run: "r", Destination: "people", Step: "prepare", Rows: 100_000, Rejected: 3})
		w.see(run.Progress{Run: "r", Destination: "people", Step: "prepare", Rows: 100_000, Total: 100_000, Rejected: 3})
		for range 20 {
			load(1000)
			time.Sleep(time.Second) // of the bubble's clock
		}
		wait()
		wait() // the same, at the same time
		load(0)
		wait() // nothing has moved
		time.Sleep(time.Minute)
		wait() // it still waits
		load(100)
		wait() // and again
		load(79_900)
		w.tell("Stopping.")
		w.close()
		load(1)
		want := `  people       checking rows: 100,000, 3 rejected
  people       checking rows: 100,000 of 100,000, 3 rejected
  people       writing rows: 1,000 of 100,000, 1 rejected
  people       writing rows: 3,000 of 100,000, 3 rejected
  people       writing rows: 7,000 of 100,000, 7 rejected
  people       writing rows: 15,000 of 100,000, 15 rejected
  people       waiting: the service asked for a pause of 9s
  people       waiting: the service asked for a pause of 9s
  people       writing rows: 20,100 of 100,000, 20 rejected
  people       waiting: the service asked for a pause of 9s
  people       writing rows: 100,000 of 100,000, 99 rejected
Stopping.
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestWatcherForgetsRunsThatEnded(t *testing.T) {
	var out bytes.Buffer
	w := newWatcher(&out, false)
	w.see(run.Progress{Run: "a", Destination: "people", Step: "load", Rows: 1, Total: 2})
	w.see(run.Progress{Run: "b", Destination: "people", Step: "load", Rows: 1, Total: 2})
	w.forget("a")
	if len(w.steps) != 1 || w.steps["b/load"] == nil {
		t.Errorf("it remembers %v", w.steps)
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
}
