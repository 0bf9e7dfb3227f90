package traffic

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// An Entry is what the log keeps of a request.
type Entry struct {
	Number        int64     `json:"n"`
	Time          time.Time `json:"time"` // of arrival
	RequestID     string    `json:"request_id"`
	User          string    `json:"user"`
	Server        int       `json:"server"`
	Method        string    `json:"method"`
	URL           string    `json:"url"`
	Status        int       `json:"status"`                   // what the client got; 0: no answer
	HandlerStatus int       `json:"handler_status,omitempty"` // what was done, where a fault hid it
	Code          string    `json:"code,omitempty"`
	Table         string    `json:"table,omitempty"` // of the last operation
	Verb          string    `json:"verb,omitempty"`
	Rows          int       `json:"rows"` // of all operations
	Milliseconds  float64   `json:"ms"`
	Execution     float64   `json:"execution_ms"` // charged
	Fault         string    `json:"fault,omitempty"`
}

// entry describes the exchange when it is over.
func (x *exchange) entry() Entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := Entry{
		Time: x.gate.epoch.Add(x.arrived), RequestID: x.id, User: x.user, Server: x.host,
		Method: x.request.Method, URL: x.request.URL.RequestURI(),
		Status: x.answer.shown, Table: x.table, Verb: x.verb, Rows: x.rows,
		Milliseconds: milliseconds(x.gate.at() - x.arrived), Execution: milliseconds(x.charged),
		Fault: strings.Join(x.faults, " "),
	}
	if len(x.answer.errorHead) > 0 {
		e.Code = x.answer.code()
	}
	if x.answer.status != x.answer.shown {
		e.HandlerStatus = x.answer.status
	}
	return e
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// requestLog remembers the latest requests.
type requestLog struct {
	mu     sync.Mutex
	out    io.Writer
	size   int
	ring   []Entry
	number int64
}

func newRequestLog(size int, out io.Writer) *requestLog {
	if size == 0 {
		size = 10_000
	}
	return &requestLog{size: max(0, size), out: out}
}

func (l *requestLog) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	e.Number = l.number
	if l.out != nil {
		fmt.Fprintln(l.out, e)
	}
	switch {
	case l.size == 0:
	case len(l.ring) < l.size:
		l.ring = append(l.ring, e)
	default:
		l.ring[(e.Number-1)%int64(l.size)] = e
	}
}

// entries are the remembered requests, oldest first.
func (l *requestLog) entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < l.size || l.size == 0 {
		return append([]Entry{}, l.ring...)
	}
	oldest := l.number % int64(l.size)
	return append(append([]Entry{}, l.ring[oldest:]...), l.ring[:oldest]...)
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.number = nil, 0
}

// String is the line that the log prints.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %d", e.Time.Format("15:04:05.000"), e.Method, e.URL, e.Status)
	if e.HandlerStatus != 0 {
		fmt.Fprintf(&b, "(%d)", e.HandlerStatus)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Verb != "" {
		fmt.Fprintf(&b, " %s %s rows=%d", e.Table, e.Verb, e.Rows)
	}
	fmt.Fprintf(&b, " ms=%.1f server=%d", e.Milliseconds, e.Server)
	if e.User != "" {
		b.WriteString(" user=" + e.User)
	}
	if e.Fault != "" {
		b.WriteString(" fault=" + strings.ReplaceAll(e.Fault, " ", ","))
	}
	return b.String()
}
