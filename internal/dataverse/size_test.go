package dataverse

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newTestSizer(elastic bool) *sizer {
	flow := Flow{}.filled()
	return newSizer(&flow, elastic)
}

func TestSizeFollowsLatency(t *testing.T) {
	s := newTestSizer(false)
	if got := s.next(); got != 100 {
		t.Errorf("starts with %d", got)
	}
	s.answered(100, 1030*time.Millisecond)
	if got := s.next(); got != 100 {
		t.Errorf("%d after a call of just over a second", got)
	}
	for range 5 {
		s.answered(s.next(), 700*time.Millisecond)
	}
	if got := s.next(); got < 140 || got > 200 {
		t.Errorf("%d after five calls of just under a second: it should grow slowly", got)
	}
	for range 2 {
		s.answered(s.next(), 20*time.Millisecond)
	}
	if got := s.next(); got != 1000 {
		t.Errorf("%d after two calls that took no time: it should grow quickly", got)
	}
	s.answered(1000, 40*time.Second)
	s.answered(500, 20*time.Second)
	if got := s.next(); got > 250 {
		t.Errorf("%d after calls of 40 and 20 s", got)
	}
	for range 10 {
		s.answered(s.next(), 6*time.Minute)
	}
	if got := s.next(); got != 25 {
		t.Errorf("%d when nothing is short enough", got)
	}
	// Small calls and single rows say nothing about the size of a full one.
	s = newTestSizer(false)
	s.answered(100, 1030*time.Millisecond)
	for range 50 {
		s.answered(20, time.Millisecond)
		s.answered(1, time.Millisecond)
	}
	if got := s.next(); got != 100 {
		t.Errorf("%d after small calls", got)
	}
}

// The first row of all says how long a row takes at most: as many as then end within LongCall make the next call.
func TestSizeAfterTheFirstRow(t *testing.T) {
	for took, want := range map[time.Duration]int{
		3 * time.Second: 100, 300 * time.Millisecond: 100, 75 * time.Millisecond: 100, 60 * time.Millisecond: 500, 54 * time.Millisecond: 1000, 30 * time.Millisecond: 1000, 5 * time.Millisecond: 100,
	} {
		s := newTestSizer(false)
		s.answered(1, took)
		if got := s.next(); got != want {
			t.Errorf("%d after a row of %s, not %d", got, took, want)
		}
	}
	e := newTestSizer(true)
	e.answered(1, 51*time.Millisecond)
	if got := e.next(); got != 100 {
		t.Errorf("elastic: %d", got)
	}
	// The first large call tells more than the first row, and a long one is not taken for the measure.
	leap := newTestSizer(false)
	leap.answered(1, 60*time.Millisecond)
	if got := leap.next(); got != 500 {
		t.Errorf("%d", got)
	}
	for range 3 {
		leap.answered(500, 2500*time.Millisecond)
	}
	if got := leap.next(); got != 200 {
		t.Errorf("%d where 500 rows took two and a half seconds", got)
	}
	// Quick calls are believed: with bad rows they need not be large.
	for _, first := range []time.Duration{4 * time.Millisecond, time.Second} {
		s := newTestSizer(false)
		s.answered(1, first)
		s.size = 1000
		s.answered(1000, 44*time.Millisecond)
		for range 50 {
			s.judged(1000, 1)
		}
		if got := s.next(); (got < 300) != (first < fixedCost) {
			t.Errorf("%d rows with one in a thousand bad where the first took %s", got, first)
		}
	}
}

func TestSizeAfterTooMuch(t *testing.T) {
	s := newTestSizer(false)
	s.tooMuch(100)
	if got := s.next(); got != 50 {
		t.Errorf("%d", got)
	}
	for range 10 {
		s.answered(s.next(), 10*time.Millisecond)
	}
	if got := s.next(); got > 75 {
		t.Errorf("%d: what was too much should not be tried again at once", got)
	}
	if got := newTestSizer(true).next(); got != 100 {
		t.Errorf("elastic %d", got)
	}
	e := newTestSizer(true)
	for range 50 {
		e.answered(100, time.Millisecond)
	}
	if got := e.next(); got != 100 {
		t.Errorf("elastic %d after quick calls", got)
	}
}

// With bad rows the suggested size costs about as little as any other.
func TestSizeFollowsBadRows(t *testing.T) {
	const fixed, row = 0.05, 0.010
	cost := func(share float64, n int) float64 { // of a row: its part of the call, and of what each bad row costs
		rnd := rand.New(rand.NewPCG(1, 2))
		seconds, rows := 0.0, 0
		for range 3000 {
			bad := 0
			for range n {
				if rnd.Float64() < share {
					bad++
				}
			}
			seconds += fixed + row*float64(n)
			rows += n
			for range bad {
				for m := n; m > 1; m = (m + 1) / 2 {
					seconds += fixed + row*float64(m/2)
				}
				seconds += fixed + row*float64(n)/2
			}
		}
		return seconds / float64(rows)
	}
	for _, share := range []float64{0.001, 0.01} {
		s := newTestSizer(false)
		s.answered(100, time.Duration((fixed+row*100)*float64(time.Second)))
		for range 1000 {
			s.judged(1000, int(1000*share))
		}
		got := cost(share, s.next())
		for _, n := range []int{25, 50, 100, 200, 400} {
			if other := cost(share, n); got > 1.1*other {
				t.Errorf("%.1f %% bad: %d rows a call cost %.4f s a row, %d cost %.4f", 100*share, s.next(), got, n, other)
			}
		}
		clean := fixed/100 + row
		if most := map[float64]float64{0.001: 1.4, 0.01: 3}[share]; got > most*clean {
			t.Errorf("%.1f %% bad rows cost %.2f times the clean time", 100*share, got/clean)
		}
	}
}

func TestWriterFeedsItsSize(t *testing.T) {
	s := newService(t)
	c := s.client()
	w := s.writer(c, WriteOptions{Warm: true})
	s.fate = func(in received) fate {
		if in.rows > 60 {
			return fate{status: 500, code: "0x80044151", text: "SQL timeout expired. Sql Number: -2"}
		}
		return fate{}
	}
	out, err := w.Write(t.Context(), keyOps(w.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(100, Upserted), results(out)); diff != "" {
		t.Error(diff)
	}
	if got := s.writer(c, WriteOptions{}).Size(); got > 55 || got < 25 {
		t.Errorf("%d for another Writer after a time-out", got)
	}
	s.wrong = func(row map[string]any) *refusal {
		var n int
		if fmt.Sscanf(fmt.Sprint(row["firstname"]), "n%d", &n); n%7 == 3 {
			return &tooLong
		}
		return nil
	}
	w.sizers[upsertMultiple.order].answered(50, 3*time.Second)
	for range 30 {
		if _, err := w.Write(t.Context(), keyOps(50)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Size(); got != 25 {
		t.Errorf("%d with every seventh row bad", got)
	}
}

// What is left of a chunk comes out even: no call of a few rows behind calls of many.
func TestLastCallsAreOfOneSize(t *testing.T) {
	s := newTestSizer(false)
	w := &Writer{}
	w.latest.Store(s)
	for _, tt := range []struct{ size, ceiling, left, want int }{
		{978, 1000, 9900, 990}, {978, 1000, 978, 978}, {978, 1000, 1000, 1000}, {978, 978, 1000, 500}, {978, 1000, 1100, 550}, {978, 1000, 20_000, 978},
		{1000, 1000, 10_000, 1000}, {1000, 1000, 10_001, 910}, {100, 1000, 9999, 100}, {100, 1000, 1030, 103}, {100, 1000, 7, 100},
	} {
		s.size, s.ceiling = float64(tt.size), float64(tt.ceiling)
		if s.next() != tt.size {
			t.Fatalf("the suggested size is %d, not %d", s.next(), tt.size)
		}
		if got := w.SizeOf(tt.left); got != tt.want {
			t.Errorf("of %d operations at %d a call and at most %d: %d, want %d", tt.left, tt.size, tt.ceiling, got, tt.want)
		}
		calls := 0
		for left := tt.left; left > 0; left -= w.SizeOf(left) {
			calls++
		}
		if least := (tt.left + tt.ceiling - 1) / tt.ceiling; calls < least {
			t.Errorf("%d operations in %d calls of at most %d", tt.left, calls, tt.ceiling)
		}
	}
}
