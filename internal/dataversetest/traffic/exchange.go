package traffic

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// An exchange is one request on its way through the gate.
type exchange struct {
	Call
	request *http.Request
	answer  answer
	host    int    // the virtual server
	meter   *meter // set while the request holds a place in it
	limits  *Limits
	arrived time.Duration
	started time.Duration // when the server took it on
	charged time.Duration
	left    bool // the server, so that charged is final
}

// arrive gives a request its id, its user and its server.
func (g *Gate) arrive(w http.ResponseWriter, r *http.Request) *exchange {
	at := g.at()
	x := &exchange{request: r, arrived: at, started: at}
	x.Call.gate, x.Call.x, x.Call.id = g, x, g.ids.next()
	x.answer.w, x.answer.x = w, x
	user, known := "", true
	if g.options.User != nil {
		user = g.options.User(r)
		known = user != ""
	}
	x.Call.user = user
	p := g.protection.Load()
	x.limits = &p.limits
	x.host = g.ids.server(r, p.limits.Servers)
	if known {
		x.meter = p.meter(user, x.host)
	}
	g.stats.requests.Add(1)
	x.head()
	return x
}

// pass is the way of a request: travel, be let in, be served, and be answered.
func (x *exchange) pass(next http.Handler) {
	held := false
	defer func() { x.close(held) }() // also when the handler panics
	x.travel()
	if held = x.enterServer(); !held {
		return
	}
	x.serve(next)
	x.leaveServer()
	held = false
	x.deliver()
}

// travel takes the time of the way. A client that has gone meanwhile is not served.
func (x *exchange) travel() {
	g := x.gate
	delay := time.Duration(g.costs.Load().Network)
	request := event{request: x.request, user: x.user}
	for _, hit := range g.rules.ask(request, func(f *Fault) bool { return f.What == Latency }) {
		x.record(hit)
		delay += time.Duration(hit.Delay)
	}
	if delay <= 0 {
		return
	}
	if g.options.Sleep(x.request.Context(), delay) != nil {
		panic(http.ErrAbortHandler)
	}
	x.started = g.at()
}

// enterServer passes service protection, or answers 429.
func (x *exchange) enterServer() bool {
	if x.meter == nil {
		x.gate.stats.enter()
		return true
	}
	why, wait := x.meter.admit(x.started)
	if why == "" {
		x.gate.stats.enter()
		return true
	}
	x.gate.stats.throttled.Add(1)
	drain(x.request)
	x.answer.w.Header().Set("Retry-After", decimal(wholeSeconds(wait)))
	x.answer.fail(x.limits.refusal(why))
	return false
}

// serve lets the handler work, unless the request is too large or a fault strikes first.
func (x *exchange) serve(next http.Handler) {
	x.due = x.started
	if limit := x.limits.MessageBytes; limit > 0 {
		if x.request.ContentLength > limit {
			x.overflow()
			return
		}
		if x.request.ContentLength < 0 {
			x.request.Body = &limitedBody{x.request.Body, limit, x}
		}
	}
	x.spend(x.gate.costs.Load().request())
	if x.meet(event{request: x.request, user: x.user}) != nil {
		return
	}
	ctx := context.WithValue(context.WithoutCancel(x.request.Context()), callKey{}, &x.Call)
	next.ServeHTTP(&x.answer, x.request.WithContext(ctx))
}

// leaveServer frees the place and charges the time.
func (x *exchange) leaveServer() {
	g := x.gate
	x.mu.Lock()
	x.charged = x.spent
	if g.costs.Load().free {
		x.charged = max(x.charged, g.at()-x.started-x.delayed)
	}
	for _, n := range x.fresh {
		g.novelty.leave(n, x.answer.status < 400)
	}
	x.fresh, x.left = nil, true
	x.mu.Unlock()
	g.stats.leave(x.charged)
	if x.meter != nil {
		x.meter.finish(g.at(), x.charged)
	}
}

// deliver hands the answer over, or what a fault made of it.
func (x *exchange) deliver() {
	if x.late > 0 {
		x.gate.options.Sleep(x.gate.life, time.Duration(x.late))
	}
	if x.oversize {
		x.answer.refuse(tooLarge)
		return
	}
	switch f := x.fault; f.What {
	case "":
		x.answer.release()
	case DropBefore, DropAfter:
		x.answer.drop()
	case Cut:
		x.answer.cut(f.Bytes)
	case Throttle:
		drain(x.request)
		x.gate.stats.throttled.Add(1)
		x.answer.throttle(f.Fault)
	case Unauthorized:
		drain(x.request)
		x.answer.challenge(x.gate.options.Challenge(x.request))
	default:
		drain(x.request)
		x.answer.replace(f.Fault)
	}
}

// close is the end of every request, however it went.
func (x *exchange) close(held bool) {
	if held {
		x.leaveServer()
	}
	x.gate.stats.answered(x.answer.shown)
	x.gate.log.add(x.entry())
}

// overflow marks the request as too large, so that it is answered with 413.
func (x *exchange) overflow() {
	x.mu.Lock()
	x.oversize = true
	x.mu.Unlock()
	x.answer.hold()
}

// limitedBody fails when a body without a declared length grows too large.
type limitedBody struct {
	io.ReadCloser
	left int64
	x    *exchange
}

var errTooLarge = errors.New("the request body is too large")

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.x.overflow()
		return n - 1, errTooLarge
	}
	return n, err
}

// drain reads what is left of a request that is answered early: net/http would close
// the connection under a client that is still sending, which the service does not do.
func drain(r *http.Request) {
	io.Copy(io.Discard, io.LimitReader(r.Body, 32<<20))
}
