package traffic

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"
)

// A cause names one of the three service protection limits.
type cause string

const (
	byRequests    cause = "requests"
	byTime        cause = "time"
	byConcurrency cause = "concurrency"
)

// refusal is the error of a request that c keeps out, in the service's words.
func (l Limits) refusal(c cause) *Error {
	switch c {
	case byTime:
		return &Error{Status: 429, Code: "0x80072321", Message: fmt.Sprintf(
			"Combined execution time of incoming requests exceeded limit of %d milliseconds over time window of %s seconds. "+
				"Decrease number of concurrent requests or reduce the duration of requests and try again later.",
			time.Duration(l.ExecutionTime).Milliseconds(), seconds(l.Window))}
	case byConcurrency:
		return &Error{Status: 429, Code: "0x80072326",
			Message: fmt.Sprintf("Number of concurrent requests exceeded the limit of %d.", l.Concurrency)}
	default:
		return &Error{Status: 429, Code: "0x80072322", Message: fmt.Sprintf(
			"Number of requests exceeded the limit of %d over time window of %s seconds.", l.Requests, seconds(l.Window))}
	}
}

func seconds(d Duration) string {
	return strconv.FormatFloat(time.Duration(d).Seconds(), 'f', -1, 64)
}

// protection holds the meters under one set of limits.
type protection struct {
	limits Limits // effective ones
	mu     sync.RWMutex
	meters map[meterKey]*meter
}

type meterKey struct {
	user   string
	server int
}

func newProtection(l Limits) *protection {
	return &protection{limits: l.effective(), meters: map[meterKey]*meter{}}
}

// meter returns the meter of a user on a server.
func (p *protection) meter(user string, server int) *meter {
	key := meterKey{user, server}
	p.mu.RLock()
	m := p.meters[key]
	p.mu.RUnlock()
	if m != nil {
		return m
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m = p.meters[key]; m == nil {
		m = newMeter(&p.limits)
		p.meters[key] = m
	}
	return m
}

// each visits every meter, in no particular order.
func (p *protection) each(visit func(meterKey, *meter)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for key, m := range p.meters {
		visit(key, m)
	}
}

// A meter is what one server knows about one user's requests.
type meter struct {
	limits *Limits

	mu        sync.Mutex
	requests  window
	execution window // nanoseconds
	inFlight  int
	throttled int64 // requests refused since the start

	// While the windows are over a limit the user is shut out until a fixed time,
	// which moves on when requests keep coming.
	cause cause
	began time.Duration
	until time.Duration

	// Too many at once is judged anew each time; only the advice grows.
	crowdBegan time.Duration
	crowdUntil time.Duration
	crowd      int
}

func newMeter(l *Limits) *meter {
	length := time.Duration(l.Window)
	return &meter{limits: l, requests: newWindow(length), execution: newWindow(length)}
}

// admit counts a request in, or says which limit keeps it out and for how long.
// Whoever was admitted must call finish.
func (m *meter) admit(at time.Duration) (cause, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, wait := m.judge(at)
	if c != "" {
		m.throttled++
		return c, wait
	}
	m.requests.add(at, 1)
	m.inFlight++
	return "", 0
}

func (m *meter) judge(at time.Duration) (cause, time.Duration) {
	l := m.limits
	switch {
	case at < m.until:
		m.insist(at)
		return m.cause, m.until - at
	case l.Requests > 0 && m.requests.total(at) >= l.Requests:
		return m.shutOut(at, byRequests, m.requests.until(at, m.recovered(l.Requests)))
	case l.ExecutionTime > 0 && m.execution.total(at) >= int64(l.ExecutionTime):
		return m.shutOut(at, byTime, m.execution.until(at, m.recovered(int64(l.ExecutionTime))))
	case l.Concurrency > 0 && m.inFlight >= l.Concurrency:
		return byConcurrency, m.crowded(at)
	}
	return "", 0
}

// recovered is what a window may still hold when a throttled user is let in again.
func (m *meter) recovered(limit int64) int64 {
	return min(limit-1, int64(float64(limit)*(1-m.limits.Recovery)))
}

func (m *meter) shutOut(at time.Duration, c cause, wait time.Duration) (cause, time.Duration) {
	m.cause, m.began, m.until = c, at, at+wait
	return c, wait
}

// insist makes the wait longer for a user who does not wait. Requests of the
// first moment (1 s of 300) are forgiven: they were on their way already.
func (m *meter) insist(at time.Duration) {
	length := time.Duration(m.limits.Window)
	if at-m.began > length/300 {
		m.until = min(m.until+length/3000, at+length)
	}
}

// crowded is the advice to one request too many: 1/60 of the window (5 s of 300),
// more each time the advice is ignored, and never more than a tenth.
func (m *meter) crowded(at time.Duration) time.Duration {
	length := time.Duration(m.limits.Window)
	switch {
	case at >= m.crowdUntil:
		m.crowd, m.crowdBegan = 1, at
	case at-m.crowdBegan > length/300:
		m.crowd++
	}
	wait := min(time.Duration(m.crowd)*length/60, length/10)
	m.crowdUntil = max(m.crowdUntil, at+wait)
	return wait
}

// finish ends an admitted request that used the server for spent.
func (m *meter) finish(at, spent time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight--
	m.execution.add(at, int64(spent))
}

// A reading is what a meter shows.
type reading struct {
	requests   int64         // left in this window
	execution  time.Duration // left in this window
	inFlight   int
	throttled  int64
	retryAfter time.Duration // 0 when the user is not shut out
}

func (m *meter) read(at time.Duration) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	return reading{
		requests:   max(0, m.limits.Requests-m.requests.total(at)),
		execution:  max(0, time.Duration(m.limits.ExecutionTime)-time.Duration(m.execution.total(at))),
		inFlight:   m.inFlight,
		throttled:  m.throttled,
		retryAfter: max(0, m.until-at),
	}
}

// wholeSeconds is d as Retry-After gives it: rounded up, at least 1.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64(math.Ceil(d.Seconds())))
}
