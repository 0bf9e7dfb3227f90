package dataverse

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func TestDayBook(t *testing.T) {
	var b DayBook
	now := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	for _, step := range []struct {
		after      time.Duration
		want, gets int64
	}{{0, 700, 700}, {time.Hour, 700, 300}, {22 * time.Hour, 10, 0}, {time.Hour, 900, 700}, {0, 1, 0}, {time.Hour, 900, 300}} {
		now = now.Add(step.after)
		if got := b.Reserve(now, step.want, 1000); got != step.gets {
			t.Errorf("at %s: %d of %d, want %d", now, got, step.want, step.gets)
		}
	}
	text, err := json.Marshal(&b)
	if err != nil {
		t.Fatal(err)
	}
	var again DayBook
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, again); diff != "" || again.Reserve(now, 1, 1000) != 0 {
		t.Errorf("%s %s", text, diff)
	}
}

// Every row counts, and a spent day ends the step with what is known.
func TestRequestsPerDay(t *testing.T) {
	s := newService(t)
	s.headers = nil
	c := s.client(func(o *Options) { o.RequestsPerDay = 1000 })
	w := s.writer(c, WriteOptions{Warm: true})
	written := 0
	for {
		out, err := w.Write(t.Context(), createOps(written + 90)[written:])
		if err != nil {
			wantFault(t, err, fault.Throttled, "requests_per_day")
			if diff := cmp.Diff(all(90, NotAttempted), results(out)); diff != "" {
				t.Error(diff)
			}
			break
		}
		written += 90
	}
	if written != 990 || len(s.rows) != 990 {
		t.Errorf("%d written, %d stored", written, len(s.rows))
	}
	s.clock.After(25 * time.Hour)
	if _, err := w.Write(t.Context(), createOps(1080)[990:]); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

type brokenLedger struct{ calls int }

func (l *brokenLedger) Reserve(context.Context, time.Time, int64, int64) (int64, error) {
	if l.calls++; l.calls > 1 {
		return 0, errors.New("the object store is away")
	}
	return 50, nil
}

func TestLedgerIsAskedForLots(t *testing.T) {
	s := newService(t)
	l := &brokenLedger{}
	w := s.writer(s.client(func(o *Options) { o.RequestsPerDay, o.Ledger = 10_000, l }), WriteOptions{Warm: true})
	for n := range 4 {
		if _, err := w.Write(t.Context(), createOps(10*n + 10)[10*n:]); err != nil {
			t.Fatal(err)
		}
	}
	if l.calls != 1 {
		t.Errorf("%d reservations", l.calls)
	}
	if _, err := w.Write(t.Context(), createOps(80)[40:]); err == nil || len(s.rows) != 40 {
		t.Errorf("without a ledger: %v, %d rows", err, len(s.rows))
	}
}
