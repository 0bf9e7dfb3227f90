package traffic

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A load is a client of the kind that Microsoft advises: a fixed number of calls in
// flight for each user, no cookies, and a user who is throttled waits as told.
type load struct {
	users, workers, rows, servers int
	deaf                          bool // does not wait
	length                        time.Duration
}

const (
	fixedCost = 30 * time.Millisecond
	rowCost   = 10 * time.Millisecond
	roundTrip = 50 * time.Millisecond
)

// ceiling is what the limits allow in rows a second:
// U·W·B·min(6000/300, (1200/300)/t, 52/(t+L)) with t = a + b·B.
func (l load) ceiling() float64 {
	t := (fixedCost + time.Duration(l.rows)*rowCost).Seconds()
	calls := min(20, 4/t, 52/(t+roundTrip.Seconds()))
	return float64(l.users*l.servers*l.rows) * calls
}

// run plays the load in simulated time.
func (l load) run(t *testing.T) (rowsPerSecond float64, throttled int64) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultLimits()
		limits.Servers = l.servers
		g := New(Options{
			Limits: &limits,
			Costs:  Costs{Network: Duration(roundTrip), Request: Duration(fixedCost), Row: Duration(rowCost)},
			User:   func(r *http.Request) string { return r.Header.Get("From") },
		})
		defer g.Close()
		h, start := g.Wrap(&api{}), time.Now()
		target := upsert + "?rows=" + strings.Repeat("r", l.rows)
		var group sync.WaitGroup
		for user := range l.users {
			var mu sync.Mutex
			var until time.Time
			for range l.workers {
				group.Go(func() {
					for time.Since(start) < l.length {
						mu.Lock()
						pause := time.Until(until)
						mu.Unlock()
						if pause > 0 && !l.deaf {
							time.Sleep(pause)
							continue
						}
						w := send(h, "POST", target, func(r *http.Request) { r.Header.Set("From", string(rune('a'+user))) })
						if w.Code == 429 {
							mu.Lock()
							until = time.Now().Add(time.Duration(retryAfter(t, w)) * time.Second)
							mu.Unlock()
						}
					}
				})
			}
		}
		group.Wait()
		s := g.Stats(t.Context())
		rowsPerSecond, throttled = float64(s.Tables["contact"].Created)/time.Since(start).Seconds(), s.Throttled
	})
	return rowsPerSecond, throttled
}

func TestShareOfTheCeiling(t *testing.T) {
	const long = 30 * time.Minute
	for _, test := range []struct {
		name        string
		load        load
		least, most float64 // share of the ceiling
		throttled   int64   // at most
	}{
		{"four in flight never meet a limit", load{users: 1, workers: 4, rows: 100, servers: 1, length: long}, 0.95, 0.96, 0},
		{"five in flight use the budget up", load{users: 1, workers: 5, rows: 100, servers: 1, length: long}, 0.95, 1.02, 60},
		{"two users have two budgets", load{users: 2, workers: 5, rows: 100, servers: 1, length: long}, 0.95, 1.02, 120},
		{"single rows meet the request limit", load{users: 1, workers: 2, rows: 1, servers: 1, length: 15 * time.Minute}, 0.95, 1.02, 60},
		{"twenty in flight gain nothing", load{users: 1, workers: 20, rows: 100, servers: 1, length: long}, 0.85, 1.05, 500},
		{"who does not wait gets next to nothing", load{users: 1, workers: 5, rows: 100, servers: 1, deaf: true, length: 10 * time.Minute}, 0, 0.6, 1 << 40},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, throttled := test.load.run(t)
			share := rows / test.load.ceiling()
			t.Logf("%.1f rows/s of %.1f: %.1f %%, %d throttles", rows, test.load.ceiling(), 100*share, throttled)
			if share < test.least || share > test.most || throttled > test.throttled {
				t.Errorf("share %.3f, want %.2f to %.2f; %d throttles, want at most %d", share, test.least, test.most, throttled, test.throttled)
			}
		})
	}
}
