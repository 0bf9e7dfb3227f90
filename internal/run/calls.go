package run

import (
	"context"
	"slices"
	"sync"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
)

// send has as many calls in flight as the connection bears, each of the size
// that the client suggests at that moment.
func (w *attempt) send(ctx, calls context.Context) {
	gate := w.crew.gate(w.client)
	var flying sync.WaitGroup
	defer flying.Wait()
	for gate.take(ctx, w.until.Sub(w.now())) {
		first, ended := w.first.Await(ctx)
		rendered := gate.render()
		size := 1
		if !first {
			size = w.writer.SizeOf(w.left())
		}
		places := w.cut(size)
		if len(places) == 0 || ctx.Err() != nil {
			rendered()
			ended(false)
			gate.give(false)
			return
		}
		flying.Go(func() {
			defer gate.give(!first)
			defer ended(true)
			defer rendered()
			w.call(dataverse.WhenReady(calls, rendered), places)
		})
	}
}

// left is how many operations no call has taken yet, at most.
func (w *attempt) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.states) - w.next
}

// cut takes the next operations that are to be sent, by their places in the
// chunk; none when nothing is left or the worker must stop.
func (w *attempt) cut(size int) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure != nil || w.rejected > w.allowed || !w.now().Before(w.until) {
		return nil
	}
	places := make([]int, 0, min(size, len(w.states)-w.next))
	for ; w.next < len(w.states) && len(places) < size; w.next++ {
		if !w.states[w.next].settled() {
			places = append(places, w.next)
		}
	}
	return places
}

// call notes one call, sends it, and keeps what became of it for the next note.
func (w *attempt) call(ctx context.Context, places []int) {
	if err := w.fence.check(ctx); err != nil {
		w.fail(err)
		return
	}
	b := batches.Get().(*batch)
	defer b.release()
	ops, err := w.chunk.operations(b, places)
	if err != nil {
		w.fail(err)
		return
	}
	before, spans := w.announce(places)
	tellAgain(ops, before)
	if err := w.journal.note(ctx, spans); err != nil {
		w.fail(err)
		return
	}
	outcomes, err := w.deliver(ctx, ops)
	if err != nil {
		w.fail(err)
	}
	states := statesOf(outcomes, before, err)
	rejects := rejectsOf(places, ops, outcomes, states)
	if w.phase == linkPhase {
		tellUnlinked(rejects)
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
	w.record(places, states, len(rejects))
}

// announce says what is known of operations, and what to note before they are
// sent: that they may have been, and the outcomes since the last note, which makes about one
// object a call.
func (w *attempt) announce(places []int) (before []opState, spans []span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before = make([]opState, len(places))
	spans, w.known = w.known, nil
	own := len(spans)
	for n, i := range places {
		before[n] = w.states[i]
		// Whoever reads it takes the higher word, so the span may reach over what is settled.
		if last := len(spans) - 1; last >= own && w.sentOrSettled(spans[last].Last+1, i) {
			spans[last].Last = i
			continue
		}
		spans = append(spans, span{First: i, Last: i, State: sending})
	}
	return before, spans
}

// sentOrSettled tells whether a span of sending changes nothing for the operations from first to before end.
func (w *attempt) sentOrSettled(first, end int) bool {
	for _, state := range w.states[first:end] {
		if state < sending {
			return false
		}
	}
	return true
}

// tellAgain says of operations that they may have been sent before (rule I3).
func tellAgain(ops []dataverse.Operation, before []opState) {
	for n := range ops {
		ops[n].Again = before[n] == sending
	}
}

// statesOf is what became of the operations of a call. Without an outcome one may have
// been sent, unless the failure says that it was not: then what was known before holds.
func statesOf(outcomes []dataverse.Outcome, before []opState, err error) []opState {
	states := make([]opState, len(before))
	held := definite(err)
	for i := range states {
		states[i] = sending
		switch {
		case i >= len(outcomes):
		case outcomes[i].Result != dataverse.NotAttempted:
			states[i] = stateOf(outcomes[i].Result)
		case held && !outcomes[i].Uncertain:
			states[i] = before[i]
		}
	}
	return states
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

// rejectsOf is why operations were rejected.
func rejectsOf(places []int, ops []dataverse.Operation, outcomes []dataverse.Outcome, states []opState) []serverReject {
	var rejects []serverReject
	for i, state := range states {
		if state == rejected {
			r := serverReject{Op: places[i]}
			r.Row, r.Line, r.Code, r.Message = ops[i].Row, ops[i].Line, outcomes[i].Code, outcomes[i].Message
			rejects = append(rejects, r)
		}
	}
	return rejects
}

// tellUnlinked puts right what a missing record means in the second pass: the row's own was just written, so the
// one that it links to is meant, which the service does not tell apart where both are in one table.
func tellUnlinked(rejects []serverReject) {
	for i := range rejects {
		if r := &rejects[i]; r.Code == "not_found" {
			r.Code, r.Message = "lookup_not_found", "a record that the row names is neither in the table nor in the file: load it, or correct the row"
		}
	}
}

// record takes in what became of a call.
func (w *attempt) record(places []int, states []opState, rejects int) {
	w.mu.Lock()
	settled := int64(0)
	for n, i := range places {
		w.states[i] = states[n]
		if states[n].settled() {
			settled++
		}
	}
	w.known = append(w.known, spansAt(places, states)...)
	w.rejected += int64(rejects)
	w.mu.Unlock()
	w.done(settled, int64(rejects))
}

// done tells who watches how far the phase has come.
func (w *attempt) done(rows, rejects int64) {
	w.progress(Progress{Run: w.plan.Start.Run, Destination: w.plan.Start.Destination, Step: w.phase,
		Rows: rows, Total: w.total(), Rejected: rejects})
}

// total is how many operations the phase has, where the plan says so.
func (w *attempt) total() int64 {
	n := int64(0)
	switch w.phase {
	case loadPhase:
		n = w.plan.Rows.Read - w.plan.Rows.Rejected
	case linkPhase:
		for _, ref := range w.plan.Links {
			n += int64(ref.Operations)
		}
	}
	return n
}

// spansAt renders the states of some operations as spans.
func spansAt(places []int, states []opState) []span {
	var spans []span
	for n, i := range places {
		last := len(spans) - 1
		switch {
		case states[n] == untouched:
		case last >= 0 && spans[last].State == states[n] && spans[last].Last == i-1:
			spans[last].Last = i
		default:
			spans = append(spans, span{First: i, Last: i, State: states[n]})
		}
	}
	return spans
}

// spansBeyond renders the states that differ from what the journals know.
func spansBeyond(states, known []opState) []span {
	var places []int
	var fresh []opState
	for i, state := range states {
		if state != known[i] {
			places, fresh = append(places, i), append(fresh, state)
		}
	}
	return slices.Clip(spansAt(places, fresh))
}
