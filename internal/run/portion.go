package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/internal/dataverse"
)

// What the service likes to have in flight (x-ms-dop-hint) is for an application
// user, whoever calls as that user: all processes of a connection share it (rule
// M4). Each that writes shows that it lives, by an object of the work store,
//
//	connections/NAME/MILLISECONDS-PROCESS
//
// and looks every few seconds how many there are. They sort by when they came. Of n processes each has a
// n-th part of the hint, the earlier ones one more where it does not divide; those for
// whom nothing is left wait until one of the earlier ones has gone, which all do
// after five minutes. Within a process the client's limiter shares.
const (
	// lookEvery is how often a process looks how many share the connection: so long may
	// those who were there before a newcomer go on with more than their part.
	lookEvery = 5 * time.Second
	// portionLife is how long a process counts after its last sign of life.
	portionLife = 3 * lifeEvery
)

// portion is this process's part of a connection's calls in flight.
type portion struct {
	steps  *Steps
	client *dataverse.Client
	most   int // max_in_flight of the connection; 0 is none
	prefix string
	name   string // of this process's sign of life

	looking sync.Mutex
	shown   time.Time
	looked  time.Time

	mu     sync.Mutex
	part   int // calls in flight of each application user; 0 is that this process has to wait
	others int // processes that share the connection

	workers int // guarded by Steps.mu
	stop    context.CancelFunc
	stopped chan struct{}
}

// callsOf is how many calls each application user may have in flight, over all processes; 0 is that nobody has said.
func callsOf(client *dataverse.Client, most int) int {
	hint := client.Hint()
	if most > 0 && (hint == 0 || most < hint) {
		return most
	}
	return hint
}

// partOf is the part of the process that came as the rank-th of n.
func partOf(calls, n, rank int) int {
	part := calls / n
	if rank < calls%n {
		part++
	}
	return part
}

// takePart makes a worker one of those that share its connection, and waits while
// there are as many before it as there may be calls; in is false when its time is up before that.
func (w *attempt) takePart(ctx context.Context) (in bool, leave func(), err error) {
	p, leave, err := w.joinPortion(ctx)
	if err != nil {
		return false, nil, err
	}
	for {
		part, others := p.now()
		if part > 0 {
			return true, leave, nil
		}
		if !w.now().Add(lookEvery).Before(w.until) {
			leave()
			return false, nil, nil
		}
		w.explain(fmt.Sprintf("waiting for a place: %d other processes write through this connection, as many as the service likes to have", others))
		err := w.sleep(ctx, lookEvery)
		if err == nil {
			err = w.fence.check(ctx) // which shows that this worker lives, too
		}
		if err == nil {
			err = p.look(ctx)
		}
		if err != nil {
			leave()
			return false, nil, err
		}
	}
}

// joinPortion is this process's portion of the connection that w writes through; leave it when done.
func (w *attempt) joinPortion(ctx context.Context) (*portion, func(), error) {
	most := 0
	if cfg, err := w.Config(ctx); err == nil {
		if conn, err := cfg.Connection(w.plan.Connection); err == nil {
			most = conn.InFlight
		}
	}
	s := w.Steps
	s.mu.Lock()
	p := s.portions[w.client]
	if p == nil {
		p = &portion{steps: s, client: w.client, most: most, prefix: "connections/" + w.plan.Connection + "/",
			name: fmt.Sprintf("%013d-%s", s.now().UnixMilli(), attemptID()), stopped: make(chan struct{})}
		if s.portions == nil {
			s.portions = make(map[*dataverse.Client]*portion)
		}
		s.portions[w.client] = p
		keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
		p.stop = stop
		go p.keep(keeping)
	}
	p.workers++
	s.mu.Unlock()
	leave := sync.OnceFunc(func() { s.leavePortion(ctx, p) })
	if err := p.look(ctx); err != nil {
		leave()
		return nil, nil, err
	}
	return p, leave, nil
}

// leavePortion gives a worker's place back; with the last one of this process its sign of life goes.
func (s *Steps) leavePortion(ctx context.Context, p *portion) {
	s.mu.Lock()
	p.workers--
	last := p.workers == 0
	if last {
		delete(s.portions, p.client)
	}
	s.mu.Unlock()
	if !last {
		return
	}
	p.stop()
	<-p.stopped
	ending, done := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer done()
	_ = s.Work.Delete(ending, p.prefix+p.name) // or it counts until its life is over
}

// keep looks again until the last worker has left. What cannot be seen now can be the next time.
func (p *portion) keep(ctx context.Context) {
	defer close(p.stopped)
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			_ = p.look(ctx)
		}
	}
}

func (p *portion) now() (part, others int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.part, p.others
}

// look shows that this process lives, and takes its part of what the connection bears now.
func (p *portion) look(ctx context.Context) error {
	p.looking.Lock()
	defer p.looking.Unlock()
	now := p.steps.now()
	if !p.looked.IsZero() && now.Sub(p.looked) < lookEvery {
		return nil // another worker just did
	}
	if err := p.show(ctx, now); err != nil {
		return fmt.Errorf("show that the connection is used: %w", err)
	}
	names, err := p.alive(ctx, now)
	if err != nil {
		return fmt.Errorf("look who uses the connection: %w", err)
	}
	p.looked = now
	p.take(len(names), slices.Index(names, p.name))
	return nil
}

// show renews the sign of life when it is due. The first one need not wait for the
// disk: it ends with the machine anyhow.
func (p *portion) show(ctx context.Context, now time.Time) (err error) {
	switch {
	case p.shown.IsZero():
		err = p.steps.Work.Note(ctx, p.prefix+p.name, nil)
	case now.Sub(p.shown) >= lifeEvery:
		err = p.steps.Work.Put(ctx, p.prefix+p.name, strings.NewReader(""))
	default:
		return nil
	}
	if err == nil {
		p.shown = now
	}
	return err
}

// alive are the processes that share the connection, in the order in which they came.
func (p *portion) alive(ctx context.Context, now time.Time) (names []string, err error) {
	for info, err := range p.steps.Work.List(ctx, p.prefix) {
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(info.Key, p.prefix)
		switch age := now.Sub(info.Modified); {
		case name == p.name || age < portionLife:
			names = append(names, name)
		case age > time.Hour:
			_ = p.steps.Work.Delete(ctx, info.Key) // of one that died; or next time
		}
	}
	return names, nil
}

// take is the part of this process when it came as the rank-th of n. Who has begun keeps at
// least one call: a hint that falls must not keep what is half done from ending.
func (p *portion) take(n, rank int) {
	calls := callsOf(p.client, p.most)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others = n - 1
	if n <= 1 || rank < 0 || calls == 0 { // alone the service's own signs are better than its hint
		p.part = max(calls, 1)
		p.client.Bound(p.most)
		return
	}
	part := partOf(calls, n, rank)
	if p.part > 0 {
		part = max(part, 1)
	}
	p.part = part
	p.client.Bound(max(part, 1))
}
