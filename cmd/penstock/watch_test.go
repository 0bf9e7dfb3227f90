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

// What Dataverse refuses after the load is no rejected row.
func TestWatcherNamesFailures(t *testing.T) {
	var out bytes.Buffer
	w := newWatcher(&out, false)
	for _, step := range []string{"load", "link", "sweep-0"} {
		w.see(run.Progress{Run: "r", Destination: "people", Step: step, Rows: 5, Total: 5, Rejected: 1})
	}
	want := `  people       writing rows: 5 of 5, 1 rejected
  people       linking rows: 5 of 5, 1 with a warning
  people       removing records: 5 of 5, 1 not deletable
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestResumeLine(t *testing.T) {
	for want, c := range map[string]runCommand{
		"penstock resume R": {Dir: ".penstock", Config: "penstock.yaml"},
		"penstock resume R --dir /srv/runs -c ../other.yaml":  {Dir: "/srv/runs", Config: "../other.yaml"},
		`penstock resume R --dir 'my runs' -c 'it'\''s.yaml'`: {Dir: "my runs", Config: "it's.yaml"},
	} {
		if got := c.resumeLine("R"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
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
