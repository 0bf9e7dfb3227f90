package dataverse

import (
	"context"
	"sync"
	"time"

	"penstock/internal/fault"
)

// Ledger remembers the requests of a connection over runs and processes, for
// Options.RequestsPerDay. It is asked for a whole lot of requests at a time.
type Ledger interface {
	// Reserve books up to want requests at now, as long as those of the 24 hours until now
	// stay within limit, and returns how many it has booked.
	Reserve(ctx context.Context, now time.Time, want, limit int64) (granted int64, err error)
}

// DayBook counts requests by the hour. It is what a Ledger stores: as JSON {"hours":{"490000":1200}}.
type DayBook struct {
	Hours map[int64]int64 `json:"hours"` // requests by hour since 1970, in UTC
}

const dayHours = 24

// Reserve books up to want requests in the hour of now, and forgets hours that are more than a day ago.
func (b *DayBook) Reserve(now time.Time, want, limit int64) (granted int64) {
	hour := now.Unix() / 3600
	spent := int64(0)
	for h, n := range b.Hours {
		if h <= hour-dayHours {
			delete(b.Hours, h)
			continue
		}
		spent += n
	}
	granted = max(0, min(want, limit-spent))
	if granted > 0 {
		if b.Hours == nil {
			b.Hours = make(map[int64]int64)
		}
		b.Hours[hour] += granted
	}
	return granted
}

// memoryLedger lasts as long as the process.
type memoryLedger struct {
	mu   sync.Mutex
	book DayBook
}

func (l *memoryLedger) Reserve(_ context.Context, now time.Time, want, limit int64) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.book.Reserve(now, want, limit), nil
}

// budget hands out a day's requests. Every row that is written counts as one, in a bulk call too.
type budget struct {
	limit  int64 // 0 is none
	ledger Ledger
	clock  Clock

	turn chan struct{} // one holder at a time; a channel, so that waiting ends with ctx
	left int64         // booked and not used yet
}

func newBudget(limit int64, ledger Ledger, clock Clock) *budget {
	if ledger == nil {
		ledger = &memoryLedger{}
	}
	return &budget{limit: limit, ledger: ledger, clock: clock, turn: make(chan struct{}, 1)}
}

// take spends n requests, or says that the day's are spent.
func (b *budget) take(ctx context.Context, n int64) error {
	if b.limit <= 0 {
		return nil
	}
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return cancelled(ctx.Err())
	}
	if b.left < n {
		// In lots, because booking may mean to write an object. What is booked and not used is lost with the process.
		granted, err := b.ledger.Reserve(ctx, b.clock.Now(), max(n-b.left, b.limit/200), b.limit)
		if err != nil {
			return err
		}
		b.left += granted
	}
	if b.left < n {
		return fault.New(fault.Throttled, "requests_per_day", "the connection's %d requests per day are spent", b.limit).
			Advise("resume the run when some of the last 24 hours' have passed, or raise requests_per_day")
	}
	b.left -= n
	return nil
}
