package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// requestsSpent is the code of the fault that says that a day's requests are used up.
const requestsSpent = "requests_per_day"

// ledger remembers the requests of a connection over runs and processes: objects
// budget/CONNECTION/00000001, 00000002 …, each with all that was booked until then.
// Who books writes the next one, create-once: of several who book at once one
// wins, and the others read what it has left.
type ledger struct {
	work   store.Store
	prefix string

	mu   sync.Mutex
	last booking   // the latest that we know of
	at   time.Time // when we knew it
}

var _ dataverse.Ledger = (*ledger)(nil)

// booking is one object of the chain.
type booking struct {
	V  int       `json:"v"`
	By string    `json:"by"` // so that no two processes ever write the same bytes
	At time.Time `json:"at"`
	dataverse.DayBook

	n int
}

const (
	// bookingLife is how long entries stay. A process that was away for less cannot take a number that was used before.
	bookingLife = 24 * time.Hour
	// lastTrust is how long the latest known entry is built upon without looking: far less than entries stay.
	lastTrust = time.Hour
	// bookTries bounds how often somebody else may be first.
	bookTries = 100
)

func newLedger(work store.Store, connection string) *ledger {
	return &ledger{work: work, prefix: "budget/" + connection + "/"}
}

// Reserve books requests. When none are left it is a refusal that says when there will be some:
// waiting for that would keep a worker for hours.
func (l *ledger) Reserve(ctx context.Context, now time.Time, want, limit int64) (granted int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := now.Sub(l.at) < lastTrust && !l.at.IsZero()
	for range bookTries {
		if !known {
			if err := l.read(ctx, now); err != nil {
				return 0, fmt.Errorf("read the requests of the last 24 hours: %w", err)
			}
		}
		next := booking{V: 1, By: attemptID(), At: now.UTC(), DayBook: l.last.copy(), n: l.last.n + 1}
		if granted = next.Reserve(now, want, limit); granted <= 0 {
			if known { // somebody may have booked since, but nobody gives back: the times may differ
				known = false
				continue
			}
			return 0, spent(limit, next.frees(now))
		}
		switch err := l.append(ctx, next); {
		case err == nil:
			l.last, l.at = next, now
			return granted, nil
		case !errors.Is(err, store.ErrExists):
			return 0, fmt.Errorf("book requests: %w", err)
		}
		known = false
	}
	return 0, fault.New(fault.Interrupted, "budget_busy", "%d others were first to book requests of the connection", bookTries)
}

func (l *ledger) append(ctx context.Context, e booking) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("render the booking: %w", err)
	}
	return l.work.Create(ctx, l.key(e.n), body)
}

func (l *ledger) key(n int) string { return fmt.Sprintf("%s%08d", l.prefix, n) }

// read finds the latest entry, and deletes those that are older than a day.
func (l *ledger) read(ctx context.Context, now time.Time) error {
	last, old := "", []string(nil)
	for info, err := range l.work.List(ctx, l.prefix) {
		if err != nil {
			return err
		}
		if last != "" && now.Sub(info.Modified) > bookingLife {
			old = append(old, last)
		}
		last = info.Key
	}
	if last == "" {
		l.last, l.at = booking{}, now
		return nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(last, l.prefix))
	if err != nil {
		return fault.New(fault.Broken, "budget_unreadable", "object %s does not belong there", last)
	}
	var e booking
	if err := store.ReadJSON(ctx, l.work, last, &e); err != nil {
		return err
	}
	e.n = n
	l.last, l.at = e, now
	for _, key := range old {
		_ = l.work.Delete(ctx, key) // what cannot be deleted now is deleted next time
	}
	return nil
}

func (e *booking) copy() dataverse.DayBook {
	book := dataverse.DayBook{Hours: make(map[int64]int64, len(e.Hours)+1)}
	for hour, n := range e.Hours {
		book.Hours[hour] = n
	}
	return book
}

// frees is when the first of the booked requests are more than a day ago.
func (e *booking) frees(now time.Time) time.Time {
	first := now.Unix()/3600 + 1
	for hour := range e.Hours {
		first = min(first, hour)
	}
	return time.Unix((first+24)*3600, 0).UTC()
}

func spent(limit int64, frees time.Time) error {
	return fault.New(fault.Refused, requestsSpent, "the connection's %d requests of any 24 hours are spent; the first of them are free again at %s",
		limit, frees.Format("2006-01-02 15:04 MST")).
		Advise("resume the run then, or raise requests_per_day of the connection")
}

// resumeLater makes a refusal of what would otherwise be tried again and again:
// a day's requests do not come back within the minutes that a retry waits.
func resumeLater(err error) error {
	if e, ok := fault.As(err); ok && e.Kind == fault.Throttled && e.Code == requestsSpent {
		return fault.New(fault.Refused, requestsSpent, "%s", e.Message).
			Advise("resume the run when requests are free again, a day after they were sent (a resume that comes too early says when), or raise requests_per_day of the connection").Because(err)
	}
	return err
}
