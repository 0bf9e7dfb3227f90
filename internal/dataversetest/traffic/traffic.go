// Package traffic makes requests to an emulated Dataverse fare as they do at
// Microsoft's front door: limited, taking their time, and going wrong on demand.
package traffic

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Options are what a Gate needs from the server behind it. All of them may be left out.
type Options struct {
	// Limits are the service protection limits; nil means DefaultLimits, and
	// &Limits{} none at all.
	Limits *Limits
	Costs  Costs // zero adds no latency

	// User names the application user of a request. Requests of nobody ("") are
	// not limited: the server will refuse them. nil makes all requests one user's.
	User func(*http.Request) string
	// Challenge is the WWW-Authenticate header of a 401 that a fault causes.
	Challenge func(*http.Request) string

	Rows  func(context.Context) map[string]int64 // rows by table, for the statistics
	Reset func(context.Context) error            // empties the organisation
	Guide string                                 // what the server adds to the control endpoints

	Log     io.Writer // one line per request
	LogSize int       // requests that are remembered; 0 means 10,000, negative none
	Seed    uint64    // of the choice of servers, and of ids

	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error // ends early, with an error, when the context does
}

// A Gate stands before a Web API. It is safe for concurrent use.
type Gate struct {
	options    Options
	epoch      time.Time
	ids        *identities
	limits     atomic.Pointer[Limits]
	protection atomic.Pointer[protection]
	costs      atomic.Pointer[model]
	rules      rules
	novelty    novelty
	stats      stats
	log        *requestLog
	life       context.Context // ends with the gate
	end        context.CancelFunc
}

// New returns a gate. Limits and costs are assumed valid: see their Validate.
func New(o Options) *Gate {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Challenge == nil {
		o.Challenge = challenge
	}
	g := &Gate{options: o, epoch: o.Now(), ids: newIdentities(o.Seed), log: newRequestLog(o.LogSize, o.Log)}
	g.life, g.end = context.WithCancel(context.Background())
	limits := DefaultLimits()
	if o.Limits != nil {
		limits = *o.Limits
	}
	g.SetLimits(limits)
	g.SetCosts(o.Costs)
	g.stats.reset()
	return g
}

// Close lets every request that is being delayed go on at once.
func (g *Gate) Close() { g.end() }

// Limits returns the limits in force, as they were set.
func (g *Gate) Limits() Limits { return *g.limits.Load() }

// SetLimits changes the limits. What was counted against the old ones is forgotten.
func (g *Gate) SetLimits(l Limits) {
	g.limits.Store(&l)
	g.protection.Store(newProtection(l))
}

// Costs returns the cost model in force.
func (g *Gate) Costs() Costs {
	c := g.costs.Load().Costs
	c.Verbs, c.Tables = lowerKeys(c.Verbs), lowerKeys(c.Tables)
	return c
}

// SetCosts changes the cost model for requests to come.
func (g *Gate) SetCosts(c Costs) { g.costs.Store(newModel(c)) }

// AddFaults puts faults in force behind those there are, all or none, and returns their ids.
func (g *Gate) AddFaults(faults ...Fault) ([]int, error) { return g.rules.add(faults) }

// RemoveFault lifts one fault and says whether it was there.
func (g *Gate) RemoveFault(id int) bool { return id > 0 && g.rules.remove(id) > 0 }

// RemoveFaults lifts every fault.
func (g *Gate) RemoveFaults() { g.rules.remove(0) }

// Faults lists the faults in force.
func (g *Gate) Faults() []RuleState { return g.rules.states() }

// Requests lists the latest requests, oldest first.
func (g *Gate) Requests() []Entry { return g.log.entries() }

// Altered tells that a table is new or was changed, so that its bulk actions are
// new again (see Fault.Racing).
func (g *Gate) Altered(table string) { g.novelty.forget(table) }

// ResetCounters starts statistics, windows, the log and the faults' counters from
// nothing. Limits, costs and faults stay in force.
func (g *Gate) ResetCounters() {
	g.SetLimits(g.Limits())
	g.rules.restart()
	g.novelty.forget("")
	g.stats.reset()
	g.log.reset()
}

// Wrap puts the gate before a Web API. The handler finds its Call with From.
//
// The context that the handler gets does not end when the client goes away: nor
// does a transaction in Dataverse, which is why a client's time-out tells it nothing.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.arrive(w, r).pass(next)
	})
}

// at is the time since the gate was made.
func (g *Gate) at() time.Duration { return g.options.Now().Sub(g.epoch) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// challenge is shaped like the service's: from it clients learn tenant and resource.
func challenge(r *http.Request) string {
	return "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize, resource_id=https://" + r.Host + "/"
}
