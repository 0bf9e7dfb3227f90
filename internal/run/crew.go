package run

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
)

// A crew is all workers of one process. What one of them has found out the
// others need not find out again, and what bounds them bounds them together.
type crew struct {
	mu      sync.Mutex
	firsts  map[firstUse]*dataverse.FirstCalls
	gates   map[*dataverse.Client]*gate
	fences  map[string]*fence // by turns/TARGET/; the newest epoch's
	watches map[string]*watch
	indexes map[indexOf]*index
	homes   map[*dataverse.Client]*home
}

// home is the organisation that a connection leads to.
type home struct {
	asking       chan struct{} // room for one
	organization string
	asked        time.Time
}

// homeTrust is how long an answer counts: each worker asks before it begins, and many begin within a minute.
const homeTrust = time.Minute

// organization is the one that a connection leads to, asked by one worker for all.
func (c *crew) organization(ctx context.Context, client *dataverse.Client) (string, error) {
	c.mu.Lock()
	h := c.homes[client]
	if h == nil {
		h = &home{asking: make(chan struct{}, 1)}
		if c.homes == nil {
			c.homes = make(map[*dataverse.Client]*home)
		}
		c.homes[client] = h
	}
	c.mu.Unlock()
	select {
	case h.asking <- struct{}{}:
		defer func() { <-h.asking }()
	case <-ctx.Done():
		return "", fault.New(fault.Interrupted, "stopped", "the worker was stopped").Because(ctx.Err())
	}
	if h.organization == "" || time.Since(h.asked) >= homeTrust {
		me, err := client.WhoAmI(ctx)
		if err != nil {
			return "", err
		}
		h.organization, h.asked = me.OrganizationID, time.Now()
	}
	return h.organization, nil
}

// firstUse is what a first call is the first of (rule W2): once per process, connection and table.
// Options are part of it because some of them need privileges of their own.
type firstUse struct {
	client  *dataverse.Client
	table   string
	options config.Options
}

func (c *crew) first(client *dataverse.Client, plan *Plan) *dataverse.FirstCalls {
	c.mu.Lock()
	defer c.mu.Unlock()
	use := firstUse{client, plan.Table.Name, plan.Options}
	if c.firsts[use] == nil {
		if c.firsts == nil {
			c.firsts = make(map[firstUse]*dataverse.FirstCalls)
		}
		c.firsts[use] = dataverse.NewFirstCalls()
	}
	return c.firsts[use]
}

// fence is what the workers of this process look through, under one epoch: one of them looks and shows that it
// lives for all.
func (c *crew) fence(s *Steps, plan *Plan, epoch int) *fence {
	c.mu.Lock()
	defer c.mu.Unlock()
	prefix := "turns/" + plan.target() + "/"
	f := c.fences[prefix]
	if f == nil || f.epoch != epoch {
		f = &fence{turns: &turns{Steps: s, prefix: prefix}, epoch: epoch, worker: attemptID()}
		if c.fences == nil {
			c.fences = make(map[string]*fence)
		}
		c.fences[prefix] = f
	}
	return f
}

func (c *crew) gate(client *dataverse.Client) *gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gates[client] == nil {
		if c.gates == nil {
			c.gates = make(map[*dataverse.Client]*gate)
		}
		c.gates[client] = newGate(client.InFlight)
	}
	return c.gates[client]
}

// mostCalls bounds the calls that a process renders at a time: they are in memory.
const mostCalls = 128

// gate bounds the calls of a connection that are under way in this process:
// those that the service likes to have at once, and a few that are noted and
// rendered meanwhile. (The client's limiter decides which of them are sent.)
type gate struct {
	inFlight func() int // now: the service's hint may rise

	mu    sync.Mutex
	busy  int
	known bool          // a call was answered: the next ones are of a size that suits
	freed chan struct{} // closed and replaced when a place becomes free

	renders chan struct{} // room for those that are rendered now
	spare   chan struct{} // one more, while the service waits for us
}

func newGate(inFlight func() int) *gate {
	return &gate{inFlight: inFlight, freed: make(chan struct{}),
		renders: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), spare: make(chan struct{}, 1)}
}

// renderPatience is how long a call waits for the one before it to be rendered.
const renderPatience = 20 * time.Millisecond

// render waits until a processor is free for one more call, which says when it
// is rendered. Many rendered at once would all be ready late, and of eight
// calls that are to be sent now the first need not wait for the last. One processor
// is left to the answers, unless hardly any can come. It puts calls in an order and is no
// lock: one that does not get ready, because it waits for the service, keeps nobody up for long.
func (g *gate) render() (rendered func()) {
	late := time.NewTimer(renderPatience)
	defer late.Stop()
	spare := g.spare
	if !g.idle() {
		spare = nil
	}
	select {
	case g.renders <- struct{}{}:
		return sync.OnceFunc(func() { <-g.renders })
	case spare <- struct{}{}:
		return sync.OnceFunc(func() { <-g.spare })
	case <-late.C:
		return func() {}
	}
}

// idle tells whether the service could do more than what is sent or ready to be sent.
func (g *gate) idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.busy-len(g.renders)-len(g.spare) < g.inFlight()
}

// take waits for a place; false when there was none until then.
func (g *gate) take(ctx context.Context, patience time.Duration) bool {
	var late <-chan time.Time
	for {
		if ctx.Err() != nil {
			return false
		}
		g.mu.Lock()
		if g.busy < g.places() {
			g.busy++
			g.mu.Unlock()
			return true
		}
		freed := g.freed
		g.mu.Unlock()
		if late == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-freed:
		case <-late:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (g *gate) places() int {
	n := g.inFlight()
	if !g.known {
		return n // more would only be cut too small, or too large
	}
	return min(2*n+2, max(mostCalls, n)) // all may be answered at once, and the next ones should be ready
}

// give gives a place back, and says whether its call tells how large the next ones should be: none was made,
// or the first row of all, which goes alone, tells little.
func (g *gate) give(tells bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy--
	g.known = g.known || tells
	close(g.freed)
	g.freed = make(chan struct{})
}

// watch is what a run's workers in this process have said about waiting: many
// calls wait for one thing, and who watches is told once.
type watch struct {
	users int // guarded by crew.mu

	mu    sync.Mutex
	told  map[string]time.Time // until when, by reason
	until time.Time            // the end of all waits so far
}

// watching is the watch of a run; leave it when done.
func (c *crew) watching(run string) (w *watch, leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watches == nil {
		c.watches = make(map[string]*watch)
	}
	w = c.watches[run]
	if w == nil {
		w = &watch{told: make(map[string]time.Time)}
		c.watches[run] = w
	}
	w.users++
	return w, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if w.users--; w.users == 0 {
			delete(c.watches, run)
		}
	}
}

// sameEnd is how far two ends of one wait may lie apart.
const sameEnd = time.Second

// add takes in a wait: whether it is news, and how much longer than the waits before it lasts.
func (w *watch) add(reason string, now, until time.Time) (news bool, longer time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if news = until.Sub(w.told[reason]) >= sameEnd; news {
		w.told[reason] = until
	}
	from := now
	if w.until.After(from) {
		from = w.until
	}
	if longer = until.Sub(from); longer <= 0 {
		return news, 0
	}
	w.until = until
	return news, longer
}

// waitWords says in a person's words why nothing happens.
func waitWords(reason string, now, until time.Time) string {
	layout := "15:04:05"
	if until.Sub(now) > 12*time.Hour {
		layout = "2 January 15:04"
	}
	end := fmt.Sprintf("until %s (%s)", until.Local().Format(layout), until.Sub(now).Round(time.Second))
	switch reason {
	case dataverse.WaitThrottled:
		return "waiting " + end + ": the service asked for a pause, because its limits per user are reached"
	case dataverse.WaitPaced:
		return "holding back " + end + ": more calls now would reach the service's limits again"
	case dataverse.WaitRetry:
		return "waiting " + end + ": a call failed in passing and is then sent again"
	}
	return "waiting " + end
}
