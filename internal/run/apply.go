package run

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

const (
	// callRows is how many operations a call carries: past about 100 there is
	// under 3 % left to win, while one bad row fails the whole call.
	callRows = 100
	// callsInFlight is one worker's; the connection's limiter bounds all workers together.
	callsInFlight = 8
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
	if err != nil {
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
	if len(pending(known.states)) == 0 {
		return true, nil
	}
	worker := attemptID()
	f := &fence{turns: &turns{Steps: s, prefix: "turns/" + plan.target() + "/"}, epoch: in.Epoch, worker: worker}
	if err := f.check(ctx); err != nil {
		return false, err
	}
	w := &attempt{Steps: s, plan: plan, phase: in.Phase, fence: f, states: known.states, until: s.until(ctx)}
	if w.ops, err = readChunk(ctx, s.Work, in.Chunk); err != nil {
		return false, err
	}
	if w.allowed, err = s.remainingRejects(ctx, plan, chunkName(in.Phase, in.Chunk.N)); err != nil {
		return false, err
	}
	if w.client, err = s.connection(ctx, plan); err != nil {
		return false, err
	}
	if w.journal, err = s.begin(ctx, plan, in.Phase, in.Chunk, known.attempt, worker); err != nil {
		return false, err
	}
	return w.run(ctx)
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

// remainingRejects is how many rejects this chunk may have before the run stops:
// the destination's threshold, less what prepare and the other chunks found.
// The threshold is read anew, so that a run stopped by it can go on with a higher one.
func (s *Steps) remainingRejects(ctx context.Context, plan *Plan, chunk string) (int64, error) {
	percent := plan.MaxPercent
	if cfg, err := s.Config(ctx); err == nil {
		if dest, err := cfg.Destination(plan.Start.Destination); err == nil {
			percent = dest.Rejects.MaxPercent
		}
	}
	left := allowedRejects(percent, plan.Rows.Read) - plan.Rows.Rejected
	if len(plan.Chunks) == 1 {
		return left, nil
	}
	latest := map[string]int64{} // by chunk: a later attempt's count includes the earlier ones'
	prefix := endedPrefix(plan.folder(), plan.By)
	for info, err := range s.Work.List(ctx, prefix) {
		if err != nil {
			return 0, fmt.Errorf("count the rejects so far: %w", err)
		}
		name, rest, _ := strings.Cut(strings.TrimPrefix(info.Key, prefix), ".attempt-")
		if _, digits, ok := strings.Cut(rest, ".rejected-"); ok && name != chunk {
			if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
				latest[name] = max(latest[name], n)
			}
		}
	}
	for _, n := range latest {
		left -= n
	}
	return left, nil
}

// pending cuts what is not settled into stretches of at most callRows.
func pending(states []opState) []span {
	var spans []span
	for i := 0; i < len(states); {
		if states[i].settled() {
			i++
			continue
		}
		j := i
		for j < len(states) && j-i < callRows && !states[j].settled() {
			j++
		}
		spans = append(spans, span{First: i, Last: j - 1, State: sending})
		i = j
	}
	return spans
}

// attempt is one attempt at one chunk.
type attempt struct {
	*Steps
	plan    *Plan
	phase   string
	client  *dataverse.Client
	writer  *dataverse.Writer
	journal *journal
	fence   *fence
	ops     []dataverse.Operation
	until   time.Time

	mu       sync.Mutex
	states   []opState
	allowed  int64 // rejects that this chunk may have
	rejected int64
	failure  error
	figures  figures
}

// run sends what is left, several calls in flight, and writes down how it ended whatever happens.
func (w *attempt) run(ctx context.Context) (done bool, err error) {
	for _, state := range w.states {
		if state == rejected {
			w.rejected++
		}
	}
	// What is in flight when the worker is told to stop may end on its own: an
	// outcome known is better than one to settle later.
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		// The client must know it too: a pause that ends later is not waited for.
		calls, cancel = context.WithDeadline(calls, deadline.Add(-endTime))
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })
	defer stop()

	w.writer, err = w.client.NewWriter(calls, w.plan.Table, dataverse.WriteOptions{
		Before:   w.fence.check, // Rule T3: the turn is looked at before each call to the target
		Observer: w.observer(),
	})
	if err != nil {
		return false, err
	}
	if err := w.settleCreates(calls); err != nil {
		return false, err
	}
	work := make(chan span)
	var slots sync.WaitGroup
	for range callsInFlight {
		slots.Go(func() { w.slot(calls, work) })
	}
	stretches := pending(w.states)
feed:
	for _, s := range stretches {
		select {
		case <-ctx.Done():
			break feed
		default:
		}
		if w.over() {
			break
		}
		select {
		case work <- s:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	slots.Wait()
	ending, ended := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer ended()
	if err := w.journal.end(ending, w.states, w.figures.snapshot()); err != nil && w.failure == nil {
		w.failure = fmt.Errorf("write down the end: %w", err)
	}
	left := len(pending(w.states)) > 0
	switch {
	case w.failure != nil: // also when all is written but not all of it written down
		return false, w.failure
	case !left:
		return true, nil
	case ctx.Err() != nil:
		return false, fault.New(fault.Interrupted, "stopped", "the worker was stopped").Because(ctx.Err())
	case w.rejected > w.allowed:
		return false, fault.New(fault.Refused, "too_many_rejects", "the service rejects more rows than rejects.max_percent of the destination allows; the rest was not sent").
			Advise("see the reject file for the reasons; correct the rows and deliver again")
	}
	return false, nil
}

// over tells the feeder to send no more.
func (w *attempt) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure != nil || w.rejected > w.allowed || !w.now().Before(w.until)
}

// settleCreates asks which of the creates that an earlier attempt may have sent
// are there (rule I3): their ids are the run's own, so one that is there is ours.
func (w *attempt) settleCreates(ctx context.Context) error {
	var ids []string
	var at []int
	for i, state := range w.states {
		if state == sending && w.ops[i].Do == dataverse.Create {
			ids, at = append(ids, w.ops[i].ID), append(at, i)
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

// slot sends one call after another. The outcomes of one and the announcement of
// the next share a segment: about one object a call.
func (w *attempt) slot(ctx context.Context, work <-chan span) {
	var known []span
	for s := range work {
		if err := w.fence.check(ctx); err != nil {
			w.fail(err)
			break
		}
		if err := w.journal.write(ctx, segment{Spans: append(known, s)}); err != nil {
			w.fail(err)
			break
		}
		before := w.announce(s)
		known = w.call(ctx, s, before)
	}
	if len(known) > 0 {
		if err := w.journal.write(context.WithoutCancel(ctx), segment{Spans: known}); err != nil {
			w.fail(err)
		}
	}
	for range work {
		// A slot that failed still takes what it is offered, so that the feeder never hangs.
	}
}

// announce marks a stretch as being sent: whatever happens now, it may have been.
// It returns what was known before.
func (w *attempt) announce(s span) (before []opState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before = slices.Clone(w.states[s.First : s.Last+1])
	for i := s.First; i <= s.Last; i++ {
		w.states[i] = max(w.states[i], sending)
	}
	return before
}

func (w *attempt) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		w.failure = err
	}
}

// definite tells whether a failure of Write says that what has no outcome was not
// written: refused, or held back before it was sent.
func definite(err error) bool {
	switch fault.KindOf(err) {
	case fault.Denied, fault.Refused, fault.LostTurn, fault.Throttled:
		return true
	}
	return false
}

// call sends one stretch and notes what became of it.
func (w *attempt) call(ctx context.Context, s span, before []opState) []span {
	ops := w.ops[s.First : s.Last+1]
	outcomes, err := w.writer.Write(ctx, ops)
	if err != nil {
		w.fail(err)
	}
	states := make([]opState, len(ops))
	var rejects []serverReject
	for i := range ops {
		states[i] = sending
		if i < len(outcomes) {
			states[i] = stateOf(outcomes[i].Result)
		}
		if states[i] == sending && definite(err) && !(i < len(outcomes) && outcomes[i].Uncertain) {
			states[i] = before[i]
		}
		if states[i] == rejected {
			r := serverReject{Op: s.First + i}
			r.Row, r.Line, r.Code, r.Message = ops[i].Row, ops[i].Line, outcomes[i].Code, outcomes[i].Message
			rejects = append(rejects, r)
		}
	}
	if err := w.journal.reject(context.WithoutCancel(ctx), rejects); err != nil {
		// A reject without its reason written down is none: the next attempt sends the row again and is told again.
		w.fail(err)
		for i := range states {
			if states[i] == rejected {
				states[i] = sending
			}
		}
		rejects = nil
	}
	spans := spansOf(states)
	for i := range spans {
		spans[i].First += s.First
		spans[i].Last += s.First
	}
	w.record(s, states, int64(len(rejects)))
	return spans
}

func (w *attempt) record(s span, states []opState, rejects int64) {
	w.mu.Lock()
	settled := int64(0)
	for i, state := range states {
		w.states[s.First+i] = state
		if state.settled() {
			settled++
		}
	}
	w.rejected += rejects
	w.mu.Unlock()
	w.progress(Progress{Run: w.plan.Start.Run, Destination: w.plan.Start.Destination, Step: w.phase,
		Rows: settled, Total: w.plan.Rows.Read - w.plan.Rows.Rejected, Rejected: rejects})
}

// figures counts what the writer does.
type figures struct {
	calls, rows, throttled, retried, bisected, waited atomic.Int64
}

// observer counts, and tells who watches why it waits.
func (w *attempt) observer() dataverse.Observer {
	f := &w.figures
	return dataverse.Observer{
		Call: func(rows int, _ time.Duration) { f.calls.Add(1); f.rows.Add(int64(rows)) },
		Throttled: func(pause time.Duration) {
			f.throttled.Add(1)
			f.waited.Add(int64(pause))
			w.explain(fmt.Sprintf("waiting: the service asked for a pause of %s (its limits per user are reached)", pause.Round(time.Second)))
		},
		Retried:  func() { f.retried.Add(1); w.explain("the service did not answer well; trying again") },
		Bisected: func() { f.bisected.Add(1) },
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
