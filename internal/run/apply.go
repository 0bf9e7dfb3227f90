package run

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

const (
	// applyTime is when apply hands back, so that budgets can shift and turns be checked (rule M4).
	applyTime = 5 * time.Minute
	// drainTime is how long calls in flight may end on their own after the worker was told to stop.
	drainTime = 60 * time.Second
	// endTime is for writing down how the attempt ended.
	endTime = 10 * time.Second
)

// Apply writes one chunk. It may be called again for a chunk that is done, half
// done, or being done by another worker: the journals of all attempts tell what
// is left, and what may have been written is settled first (rule I3).
func (s *Steps) Apply(ctx context.Context, in ApplyIn) (Applied, error) {
	plan, err := s.plan(ctx, in.Destination, in.Run)
	if err != nil {
		return Applied{}, err
	}
	done, err := s.applyChunk(ctx, plan, in)
	if err = resumeLater(err); err != nil {
		// Told to Finish; that it cannot be written down must not hide the failure itself.
		why := failure{Reason: *reasonOf(err), At: s.now()}
		_ = store.PutJSON(context.WithoutCancel(ctx), s.Work, failureKey(plan.folder(), plan.By, chunkName(in.Phase, in.Chunk.N)), why)
		return Applied{}, fmt.Errorf("apply chunk %d of run %s: %w", in.Chunk.N, in.Run, err)
	}
	if !done {
		return Applied{State: More}, nil
	}
	return Applied{State: Done}, nil
}

func (s *Steps) applyChunk(ctx context.Context, plan *Plan, in ApplyIn) (done bool, err error) {
	known, err := s.readJournals(ctx, plan, in.Phase, in.Chunk)
	if err != nil {
		return false, err
	}
	if unsettled(known.states) == 0 {
		return true, nil
	}
	worker := attemptID()
	f := s.crew.fence(s, plan, in.Epoch)
	w := &attempt{Steps: s, plan: plan, phase: in.Phase, ref: in.Chunk, fence: f, until: s.until(ctx),
		states: slices.Clone(known.states), allowed: math.MaxInt64}
	ctx, leave := s.explained(ctx, plan.Start, in.Phase)
	defer leave()
	if err := w.spareUnchanged(ctx, in); err != nil {
		return false, err
	}
	defer func() {
		w.chunk.release()
		if w.leavePart != nil {
			w.leavePart()
		}
	}()
	placed, err := w.gather(ctx)
	if err != nil || !placed {
		return false, err
	}
	if w.journal, err = s.begin(ctx, plan, in.Phase, in.Chunk, known.attempt, worker, spansBeyond(w.states, known.states)); err != nil {
		return false, err
	}
	if known.open {
		w.doubt()
	}
	return w.run(ctx)
}

// gather has ready what it takes to send: the turn, the chunk, how many rejects it
// may have, the connection and this process's part of it, for which placed is
// false when there was none in time. None of them waits for the others.
func (w *attempt) gather(ctx context.Context) (placed bool, err error) {
	if unsettled(w.states) == 0 {
		return true, w.fence.check(ctx)
	}
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return w.fence.check(inner) })
	group.Go(func() (err error) { w.chunk, err = readChunk(inner, w.Work, w.ref); return err })
	group.Go(func() (err error) {
		if w.client, err = w.connection(inner, w.plan); err == nil {
			placed, w.leavePart, err = w.takePart(inner)
		}
		return err
	})
	if w.phase == loadPhase {
		group.Go(func() error { return w.allow(inner) })
	}
	if err := group.Wait(); err != nil || w.phase != linkPhase {
		return placed, err
	}
	return placed, w.spareLinks(ctx, w.chunk.of)
}

// spareUnchanged settles what need not be sent, before the first call and before
// the chunk is read: often nothing is left to read it for.
func (w *attempt) spareUnchanged(ctx context.Context, in ApplyIn) error {
	if in.Phase != loadPhase || in.Chunk.Marks == "" {
		return nil
	}
	last, err := w.fence.turns.last(ctx)
	if err != nil {
		return fmt.Errorf("look at the turn: %w", err)
	}
	if last.n != w.fence.epoch {
		return fault.New(fault.LostTurn, "turn_lost", "epoch %d is not the turn any more (%d is the highest)", w.fence.epoch, last.n)
	}
	same, err := w.unchangedOf(ctx, w.plan, in, last)
	if err != nil {
		return err
	}
	if same != nil && len(same) != len(w.states) {
		return fault.New(fault.Broken, "marks_unreadable", "chunk %d has %d operations and %d marks", w.ref.N, len(w.states), len(same))
	}
	spared := int64(0)
	for i, yes := range same {
		if yes && w.states[i] == untouched {
			w.states[i] = unchanged
			spared++
		}
	}
	if spared > 0 {
		w.done(spared, 0)
	}
	return nil
}

// doubt takes all that is not settled for sent: an earlier attempt is open, and
// the end of its journal may have gone with the machine's power (rule I3).
func (w *attempt) doubt() {
	for i, state := range w.states {
		if !state.settled() {
			w.states[i] = sending
		}
	}
}

// until is when apply stops sending: after its own time, or so long before its
// deadline that calls in flight can end and be written down.
func (s *Steps) until(ctx context.Context) time.Time {
	until := s.now().Add(applyTime)
	if deadline, ok := ctx.Deadline(); ok {
		if latest := deadline.Add(-drainTime - endTime); latest.Before(until) {
			until = latest
		}
	}
	return until
}

// attempt is one attempt at one chunk.
type attempt struct {
	*Steps
	plan      *Plan
	phase     string
	ref       ChunkRef
	chunk     *chunk // nil when there is nothing to send
	client    *dataverse.Client
	writer    *dataverse.Writer
	first     *dataverse.FirstCalls
	journal   *journal
	fence     *fence
	leavePart func() // nil without a part of the connection
	watch     *watch
	until     time.Time

	mu       sync.Mutex
	states   []opState
	next     int    // operations before are settled or on their way
	known    []span // outcomes that are in no segment yet
	allowed  int64  // rejects that this chunk may have
	rejected int64
	failure  error
	figures  figures

	shared *threshold // the run's rejects; nil where this chunk's are all
	most   int64      // rejects that all chunks together may have
	told   int64      // of rejected, to other processes
	toldAt time.Time
}

// run sends what is left and writes down how it ended whatever happens.
func (w *attempt) run(ctx context.Context) (done bool, err error) {
	var leave func()
	w.watch, leave = w.crew.watching(w.plan.Start.Run)
	defer leave()
	for _, state := range w.states {
		if state == rejected {
			w.rejected++
		}
	}
	if w.shared != nil {
		defer w.shared.join(w)()
	}
	if unsettled(w.states) > 0 {
		if err := w.opened(ctx); err != nil {
			w.fail(err)
		} else if err := w.write(ctx); err != nil {
			w.fail(err)
		}
	}
	ending, ended := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer ended()
	if err := w.journal.end(ending, w.states, w.figures.snapshot()); err != nil {
		w.fail(fmt.Errorf("write down the end: %w", err))
	}
	switch {
	case w.failure != nil: // also when all is written but not all of it written down
		return false, w.failure
	case unsettled(w.states) == 0:
		return true, nil
	case ctx.Err() != nil:
		return false, fault.New(fault.Interrupted, "stopped", "the worker was stopped").Because(ctx.Err())
	case w.rejected > w.allowed:
		return false, fault.New(fault.Refused, "too_many_rejects", "the service rejects more rows than rejects.max_percent of the destination allows; the rest was not sent").
			Advise("see the reject file for the reasons; correct the rows, or raise the threshold and let the run go on")
	}
	return false, nil
}

// write has calls in flight until nothing is left to send, or the worker must stop.
func (w *attempt) write(ctx context.Context) error {
	calls, cancel := inFlight(ctx)
	defer cancel()
	options, leave, err := w.writeOptions(calls)
	if err != nil {
		return err
	}
	defer leave()
	if w.writer, err = w.client.NewWriter(calls, w.plan.Table, options); err != nil {
		return err
	}
	if err := w.settleCreates(calls); err != nil {
		return err
	}
	w.send(ctx, calls)
	return nil
}

// inFlight is the context of calls. What is in flight when the worker is told to
// stop may end on its own: an outcome known is better than one to settle later.
func inFlight(ctx context.Context) (context.Context, context.CancelFunc) {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })
	late := func() {}
	if deadline, ok := ctx.Deadline(); ok {
		// The client must know it too: a pause that ends later is not waited for.
		calls, late = context.WithDeadline(calls, deadline.Add(-endTime))
	}
	return calls, func() { stop(); late(); cancel() }
}

// writeOptions are the plan's.
func (w *attempt) writeOptions(ctx context.Context) (options dataverse.WriteOptions, leave func(), err error) {
	o := w.plan.Options
	w.first = w.crew.first(w.client, w.plan)
	options = dataverse.WriteOptions{
		First: w.first, Match: w.plan.MatchOn, Replace: o.Replace,
		DetectDuplicates: o.DetectDuplicates, BypassLogic: o.BypassLogic, BypassPlugins: o.BypassPlugins, SuppressFlows: o.SuppressFlows,
		CallerObjectID: o.CallerObjectID, CallerID: o.CallerID, Tag: o.Tag,
		Before:   w.before,
		Observer: w.observer(),
	}
	options.Lookup, leave, err = w.lookup(ctx)
	return options, leave, err
}

// before looks around before each call to the target: whether the turn is still
// the run's (rule T3), and how many rejects the run has by now.
func (w *attempt) before(ctx context.Context) error {
	if err := w.fence.check(ctx); err != nil {
		return err
	}
	w.recount(ctx)
	return nil
}

// settleCreates asks which of the creates that an earlier attempt may have sent
// are there (rule I3): their ids are the run's own, so one that is there is ours.
func (w *attempt) settleCreates(ctx context.Context) error {
	var places []int
	for i, state := range w.states {
		if state == sending {
			places = append(places, i)
		}
	}
	b := batches.Get().(*batch)
	defer b.release()
	ops, err := w.chunk.operations(b, places)
	if err != nil {
		return err
	}
	var ids []string
	var at []int
	for n := range ops {
		if ops[n].Do == dataverse.Create {
			ids, at = append(ids, ops[n].ID), append(at, places[n])
		}
	}
	if len(ids) == 0 {
		return nil
	}
	there, err := w.client.Exists(ctx, w.plan.Table, ids)
	if err != nil {
		return fmt.Errorf("settle what an earlier attempt may have created: %w", err)
	}
	for n, i := range at {
		if there[ids[n]] {
			w.states[i] = created
		}
	}
	return nil
}

func (w *attempt) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		w.failure = err
	}
}

// figures counts what the writer does.
type figures struct {
	calls, rows, throttled, retried, bisected, waited atomic.Int64
}

// observer counts, and tells who watches why it waits.
func (w *attempt) observer() dataverse.Observer {
	f := &w.figures
	return dataverse.Observer{
		Call:      func(rows int, _ time.Duration) { f.calls.Add(1); f.rows.Add(int64(rows)) },
		Throttled: func(time.Duration) { f.throttled.Add(1) },
		Retried:   func() { f.retried.Add(1) },
		Bisected:  func() { f.bisected.Add(1) },
		Waiting: func(reason string, until time.Time) {
			now := w.now()
			news, longer := w.watch.add(reason, now, until)
			f.waited.Add(int64(longer))
			if news {
				w.explain(waitWords(reason, now, until))
			}
		},
	}
}

// explain tells who watches what is going on.
func (w *attempt) explain(text string) {
	w.progress(Progress{Run: w.plan.Start.Run, Destination: w.plan.Start.Destination, Step: w.phase, Note: text})
}

func (f *figures) snapshot() Figures {
	return Figures{Calls: f.calls.Load(), Rows: f.rows.Load(), Throttled: f.throttled.Load(), Retried: f.retried.Load(),
		Bisected: f.bisected.Load(), WaitedMS: time.Duration(f.waited.Load()).Milliseconds()}
}
