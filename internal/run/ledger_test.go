package run

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// However many processes book at once, no more is granted than there is.
func TestLedgerIsExactBetweenProcesses(t *testing.T) {
	const processes, lots, lot, limit = 8, 12, 7, 500
	now := time.Now()
	root := t.TempDir()
	var mu sync.Mutex
	granted, refused := int64(0), 0
	var wait sync.WaitGroup
	for range processes {
		work, err := store.Dir(root) // as a process of its own has it
		if err != nil {
			t.Fatal(err)
		}
		defer work.Close()
		l := newLedger(work, "sales")
		wait.Go(func() {
			for range lots {
				n, err := l.Reserve(t.Context(), now, lot, limit)
				mu.Lock()
				granted += n
				if err != nil {
					refused++
					if e, ok := fault.As(err); !ok || e.Kind != fault.Refused || e.Code != requestsSpent || n != 0 {
						t.Errorf("%d, %v", n, err)
					}
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if granted != limit || refused != processes*lots-limit/lot-1 {
		t.Errorf("%d of %d requests granted, %d times refused", granted, limit, refused)
	}
}

func TestLedgerForgetsAfterADay(t *testing.T) {
	work := directory(t)
	start := time.Now().Truncate(time.Hour).Add(30 * time.Minute)
	book := func(l *ledger, after time.Duration, want, limit int64) (int64, error) {
		return l.Reserve(t.Context(), start.Add(after), want, limit)
	}
	first, second := newLedger(work, "sales"), newLedger(work, "sales")
	for _, c := range []struct {
		who              *ledger
		after            time.Duration
		want, limit, get int64
	}{
		{first, 0, 60, 100, 60}, {second, time.Hour, 60, 100, 40}, {first, 2 * time.Hour, 10, 100, 0},
		{second, 23 * time.Hour, 10, 100, 0}, {first, 24 * time.Hour, 100, 100, 60}, {second, 24 * time.Hour, 1, 100, 0},
		{first, 24 * time.Hour, 1, 101, 1}, // raised in the meantime
		{newLedger(work, "other"), 0, 9, 9, 9},
	} {
		got, err := book(c.who, c.after, c.want, c.limit)
		if got != c.get || (err == nil) != (got > 0) {
			t.Errorf("after %s: %d of %d granted, want %d; %v", c.after, got, c.want, c.get, err)
		}
		if err != nil && c.after == 2*time.Hour {
			frees := start.Truncate(time.Hour).Add(24 * time.Hour).UTC().Format("15:04 MST")
			if e, _ := fault.As(err); !strings.Contains(e.Message, frees) || !strings.Contains(e.Advice, "resume") {
				t.Errorf("%v does not say that some are free at %s", e, frees)
			}
		}
	}
	// Entries of more than a day ago go, the latest stays.
	l := newLedger(work, "sales")
	if _, err := l.Reserve(t.Context(), start.Add(72*time.Hour), 1, 100); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for info, err := range work.List(t.Context(), "budget/sales/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, strings.TrimPrefix(info.Key, "budget/sales/"))
	}
	if got := strings.Join(keys, " "); got != "00000004 00000005" {
		t.Errorf("entries %s", got)
	}
}

// losing is a store on which somebody else is always first.
type losing struct{ store.Store }

func (losing) Create(context.Context, string, []byte) error { return store.ErrExists }

func TestLedgerGivesUp(t *testing.T) {
	_, err := newLedger(losing{directory(t)}, "sales").Reserve(t.Context(), time.Now(), 1, 10)
	if !fault.Is(err, fault.Interrupted) {
		t.Errorf("%v", err)
	}
}

// A day's requests that are spent are no matter of minutes; any other throttle is.
func TestSpentRequestsAreResumedLater(t *testing.T) {
	err := resumeLater(fault.New(fault.Throttled, "requests_per_day", "the connection's 5 requests per day are spent"))
	if e, ok := fault.As(err); !ok || e.Kind != fault.Refused || e.Code != requestsSpent || !strings.Contains(e.Advice, "resume") {
		t.Errorf("%v", err)
	}
	if err := resumeLater(fault.New(fault.Throttled, "throttled", "a pause")); !fault.Is(err, fault.Throttled) {
		t.Errorf("%v", err)
	}
	if err := resumeLater(nil); err != nil {
		t.Errorf("%v", err)
	}
}
