package traffic

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stats are the gate's counters.
type stats struct {
	requests  atomic.Int64
	throttled atomic.Int64
	faults    atomic.Int64
	executed  atomic.Int64 // nanoseconds
	inFlight  atomic.Int64
	peak      atomic.Int64

	mu       sync.Mutex
	statuses map[int]int64
	tables   map[string]*TableStats
}

// Stats are the counters since the start or the last reset.
type Stats struct {
	Requests         int64                  `json:"requests"`
	Throttled        int64                  `json:"throttled"`
	PeakConcurrency  int64                  `json:"peak_concurrency"`
	ExecutionSeconds float64                `json:"execution_seconds"`
	Tables           map[string]*TableStats `json:"tables"`

	InFlight int64            `json:"in_flight"`
	Faults   int64            `json:"faults"`   // strikes
	Statuses map[string]int64 `json:"statuses"` // "0": no answer
	Users    []UserStats      `json:"users"`
}

// TableStats counts the rows of a table, and the writes that were committed.
type TableStats struct {
	Rows    int64 `json:"rows"`
	Created int64 `json:"created"`
	Updated int64 `json:"updated"`
	Deleted int64 `json:"deleted"`
}

// UserStats is what a server's service protection knows of a user.
type UserStats struct {
	User              string  `json:"user"`
	Server            int     `json:"server"`
	RequestsLeft      int64   `json:"requests_left"`
	ExecutionLeft     float64 `json:"execution_seconds_left"`
	InFlight          int     `json:"in_flight"`
	Throttled         int64   `json:"throttled"`
	RetryAfterSeconds float64 `json:"retry_after_seconds"`
}

// Stats reads the counters.
func (g *Gate) Stats(ctx context.Context) Stats {
	s := g.stats.snapshot()
	if g.options.Rows != nil {
		for name, rows := range g.options.Rows(ctx) {
			if s.Tables[name] == nil {
				s.Tables[name] = &TableStats{}
			}
			s.Tables[name].Rows = rows
		}
	}
	at := g.at()
	s.Users = []UserStats{}
	g.protection.Load().each(func(key meterKey, m *meter) {
		r := m.read(at)
		s.Users = append(s.Users, UserStats{
			User: key.user, Server: key.server, RequestsLeft: r.requests, ExecutionLeft: r.execution.Seconds(),
			InFlight: r.inFlight, Throttled: r.throttled, RetryAfterSeconds: r.retryAfter.Seconds(),
		})
	})
	slices.SortFunc(s.Users, func(a, b UserStats) int {
		if c := strings.Compare(a.User, b.User); c != 0 {
			return c
		}
		return a.Server - b.Server
	})
	return s
}

func (s *stats) snapshot() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	tables, statuses := map[string]*TableStats{}, map[string]int64{}
	for name, t := range s.tables {
		one := *t
		tables[name] = &one
	}
	for _, status := range slices.Sorted(maps.Keys(s.statuses)) {
		statuses[strconv.Itoa(status)] = s.statuses[status]
	}
	return Stats{
		Requests:         s.requests.Load(),
		Throttled:        s.throttled.Load(),
		PeakConcurrency:  s.peak.Load(),
		ExecutionSeconds: time.Duration(s.executed.Load()).Seconds(),
		Tables:           tables,
		InFlight:         s.inFlight.Load(),
		Faults:           s.faults.Load(),
		Statuses:         statuses,
	}
}

// reset keeps only what is true of this moment: the requests under way.
func (s *stats) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, counter := range []*atomic.Int64{&s.requests, &s.throttled, &s.faults, &s.executed} {
		counter.Store(0)
	}
	s.peak.Store(s.inFlight.Load())
	s.statuses, s.tables = map[int]int64{}, map[string]*TableStats{}
}

func (s *stats) enter() {
	now := s.inFlight.Add(1)
	for peak := s.peak.Load(); now > peak && !s.peak.CompareAndSwap(peak, now); {
		peak = s.peak.Load()
	}
}

func (s *stats) leave(spent time.Duration) {
	s.inFlight.Add(-1)
	s.executed.Add(int64(spent))
}

func (s *stats) answered(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses[status]++
}

func (s *stats) wrote(table string, created, updated, deleted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[table]
	if t == nil {
		t = &TableStats{}
		s.tables[table] = t
	}
	t.Created += int64(created)
	t.Updated += int64(updated)
	t.Deleted += int64(deleted)
}
