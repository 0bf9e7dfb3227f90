package traffic

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Work is one operation of a request: a bulk action, a single write, a query, or
// a part of a $batch.
type Work struct {
	Table        string // logical name
	Verb         string // Create, Update, Upsert, Delete, Retrieve, RetrieveMultiple, CreateMultiple, …
	Rows         int
	AlternateKey bool // rows are found by alternate key
	Bypass       bool // custom logic stays out, by a header of this part of a $batch
}

// An Error is how an operation fails. The handler must answer with it, for the
// whole request or for the part of a $batch, and must not commit the operation.
type Error struct {
	Status  int
	Code    string // "0x80044150"
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// A Call is what the handler tells the gate about the request it serves. All
// methods work on a nil Call, for a handler without a gate.
type Call struct {
	gate *Gate
	x    *exchange
	id   string

	mu       sync.Mutex
	user     string
	table    string
	verb     string
	rows     int
	spent    time.Duration // that the request costs, by the model
	due      time.Duration // when the model says that it is done so far
	delayed  time.Duration // slept for faults, which is not the server's time
	oversize bool
	doom     *Error   // the request as a whole has failed
	fault    strike   // the decisive fault, zero when there is none
	faults   []string // every fault that hit
	late     Duration // the answer leaves so much later
	fresh    []novel  // bulk actions that this request has under way
}

type callKey struct{}

// From returns the call that ctx belongs to, or nil.
func From(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// RequestID is the id that the response carries as x-ms-service-request-id and REQ_ID.
func (c *Call) RequestID() string {
	if c == nil {
		return ""
	}
	return c.id
}

// SetUser names the application user, where Options.User could not.
func (c *Call) SetUser(user string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.user = user
}

// Begin is BeginWork for an operation by primary key.
func (c *Call) Begin(table, verb string, rows int) error {
	return c.BeginWork(Work{Table: table, Verb: verb, Rows: rows})
}

// BeginWork announces an operation that was read from the request and is about to
// be done. It takes the time that the operation takes, so no lock should be held.
// An error (always an *Error) is the operation's answer; nothing may be written.
func (c *Call) BeginWork(w Work) error {
	if c == nil {
		return nil
	}
	user := c.note(w)
	if err := c.failed(); err != nil {
		return err
	}
	if err := c.meet(event{request: c.x.request, user: user, operation: &w, racing: c.enter(w)}); err != nil {
		return err
	}
	m := c.gate.costs.Load()
	cost, timedOut := m.operation(w, w.Bypass || bypasses(c.x.request.Header))
	c.spend(cost)
	if timedOut {
		return sqlError(SQLTimeout)
	}
	return nil
}

// Spend charges server time that the cost model knows nothing of, and takes it.
func (c *Call) Spend(d time.Duration) {
	if c != nil {
		c.spend(d)
	}
}

// Wrote counts rows that are committed.
func (c *Call) Wrote(table string, created, updated, deleted int) {
	if c != nil {
		c.gate.stats.wrote(table, created, updated, deleted)
	}
}

// note remembers w for the log: of several operations the last table and verb, and all rows.
func (c *Call) note(w Work) (user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table, c.verb = w.Table, w.Verb
	c.rows += w.Rows
	return c.user
}

// failed is the error that the whole request has failed with.
func (c *Call) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.oversize {
		return tooLarge
	}
	if c.doom != nil {
		return c.doom
	}
	return nil
}

// enter says whether w is a bulk action in the race of a first use, and takes part in it.
func (c *Call) enter(w Work) (racing bool) {
	if !strings.HasSuffix(w.Verb, "Multiple") || w.Verb == "RetrieveMultiple" {
		return false
	}
	n := novel{strings.ToLower(w.Table), w.Verb}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, mine := range c.fresh {
		if mine == n {
			return c.gate.novelty.racing(n)
		}
	}
	c.fresh = append(c.fresh, n)
	return c.gate.novelty.enter(n)
}

// meet lets the faults that hit e happen, as far as they happen now.
func (c *Call) meet(e event) error {
	hits := c.gate.rules.ask(e, func(f *Fault) bool { return e.operation != nil || f.What != Latency })
	for _, hit := range hits {
		if err := c.suffer(hit); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) suffer(hit strike) error {
	c.record(hit)
	switch {
	case hit.What == Latency:
		c.delay(time.Duration(hit.Delay))
	case hit.What == LatencyAfter:
		c.x.answer.hold()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.late += hit.Delay
	case kinds[hit.What].operation:
		return sqlError(hit.What)
	default:
		c.x.answer.hold()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.fault.What != "" {
			return nil
		}
		c.fault = hit
		if !kinds[hit.What].after {
			c.doom = &Error{Status: 500, Code: "0x80040216", Message: "An unexpected error occurred."}
			return c.doom
		}
	}
	return nil
}

func (c *Call) record(hit strike) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, hit.String())
	c.gate.stats.faults.Add(1)
}

// spend makes the request last as long as the model says. What the emulator itself
// has taken so far is part of it.
func (c *Call) spend(d time.Duration) {
	if d <= 0 {
		return
	}
	c.mu.Lock()
	c.spent += d
	c.due += d
	wait := c.due - c.gate.at()
	c.mu.Unlock()
	if wait > 0 && !c.gate.costs.Load().ChargeOnly {
		c.gate.options.Sleep(c.gate.life, wait)
	}
}

// delay sleeps for a fault. It does not count as the server's time.
func (c *Call) delay(d time.Duration) {
	c.mu.Lock()
	c.due += d
	c.delayed += d
	c.mu.Unlock()
	c.gate.options.Sleep(c.gate.life, d)
}
