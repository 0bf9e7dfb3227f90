package run

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
)

// The phases of a run that apply chunks. Those that delete are numbered: clear-0, sweep-1.
const (
	loadPhase = "load"
	linkPhase = "link" // the second pass (rule W4)
)

// spareLinks marks the operations of the second pass whose row was not written
// as needless: there is nothing to link. What an earlier attempt called so is
// looked at again, because a row that was rejected then may be written now.
func (w *attempt) spareLinks(ctx context.Context, of []int) error {
	if len(of) != len(w.states) {
		return fault.New(fault.Broken, "chunk_unreadable", "chunk %d of the second pass does not say which rows it is about", w.ref.N)
	}
	for _, ref := range w.plan.Chunks {
		if ref.N == w.ref.N {
			return w.spareLinksOf(ctx, ref, of)
		}
	}
	return fault.New(fault.Broken, "plan_unreadable", "the load has no chunk %d, which the second pass is about", w.ref.N)
}

func (w *attempt) spareLinksOf(ctx context.Context, load ChunkRef, of []int) error {
	known, err := w.readJournals(ctx, w.plan, loadPhase, load)
	if err != nil {
		return err
	}
	for i, place := range of {
		switch state := w.states[i]; {
		case place >= len(known.states):
			return fault.New(fault.Broken, "chunk_unreadable", "chunk %d of the second pass is about operation %d of %d", w.ref.N, place, len(known.states))
		case state != untouched && state != needless:
			// It was sent, so its row is there.
		case !known.states[place].settled():
			return fault.New(fault.Interrupted, "not_loaded", "chunk %d is not loaded yet, so its rows cannot be linked", w.ref.N)
		case known.states[place].there():
			w.states[i] = untouched
		default:
			w.states[i] = needless
		}
	}
	return nil
}

// leftEmpty is the code of an operation of the second pass that was done without
// its link, because the destination says missing: empty. Its row is written and
// has no warning, but is not as the file says: the next file with it sends it again.
const leftEmpty = "lookup_left_empty"

// deliver writes operations. Those of the second pass that name a record that is
// nowhere are written without it where the destination wishes so.
func (w *attempt) deliver(ctx context.Context, ops []dataverse.Operation) ([]dataverse.Outcome, error) {
	out, err := w.writer.Write(ctx, ops)
	if w.phase != linkPhase || len(w.plan.Lenient) == 0 {
		return out, err
	}
	var again []leniency
	for i := range out {
		if nowhere(&out[i]) {
			if l := w.leniencyOf(&ops[i], i); l != nil {
				again = append(again, *l)
			}
		}
	}
	if err == nil && len(again) > 0 {
		err = w.writeApart(ctx, again, out)
	}
	if err != nil {
		for _, l := range again { // to be seen by the next attempt, which sends the same again
			out[l.at] = dataverse.Outcome{Result: dataverse.NotAttempted, Uncertain: true}
		}
	}
	return out, err
}

// nowhere tells whether an operation was rejected because a record is not there.
// That its own is not is as good as ruled out: it was written just before.
func nowhere(o *dataverse.Outcome) bool {
	if o.Result != dataverse.Rejected {
		return false
	}
	switch o.Code {
	case "not_found", "0x80040217", "0x80060891":
		return true
	}
	return false
}

// leniency is an operation that may do without some of what it sets.
type leniency struct {
	at    int // its place in the call
	op    dataverse.Operation
	links map[string]json.RawMessage // what it may do without
	rest  map[string]json.RawMessage // what it may not
}

// leniencyOf takes an operation apart; nil when it must be done as it is.
func (w *attempt) leniencyOf(op *dataverse.Operation, at int) *leniency {
	l := &leniency{at: at, op: *op, links: map[string]json.RawMessage{}, rest: map[string]json.RawMessage{}}
	if op.Do != dataverse.Associate && json.Unmarshal(op.Set, &l.rest) != nil {
		return nil
	}
	lenient := false
	for _, one := range w.plan.Lenient {
		lenient = lenient || op.Link != nil && op.Link.Navigation == one.Link
		if value, has := l.rest[one.Link]; has {
			l.links[one.Link], lenient = value, true
			delete(l.rest, one.Link)
		}
	}
	if !lenient {
		return nil
	}
	return l
}

// writeApart writes the parts of updates one after the other: the service does
// not say which of several records it misses. Each may be repeated. What it
// finds becomes the operations' outcome: done, done without a link, or why a
// part that must not be left out was rejected.
func (w *attempt) writeApart(ctx context.Context, again []leniency, out []dataverse.Outcome) error {
	for _, l := range again {
		out[l.at] = dataverse.Outcome{Result: dataverse.Updated}
		if l.op.Do == dataverse.Associate {
			out[l.at] = withoutLink
		}
	}
	for _, one := range w.plan.Lenient {
		part := func(l *leniency) map[string]json.RawMessage {
			if value, has := l.links[one.Link]; has {
				return map[string]json.RawMessage{one.Link: value}
			}
			return nil
		}
		left := func(l *leniency) {
			if out[l.at].Result == dataverse.Updated {
				out[l.at] = withoutLink
			}
			if one.Clears {
				l.rest[one.Link] = json.RawMessage("null")
			}
		}
		if err := w.writePart(ctx, again, part, out, left); err != nil {
			return err
		}
	}
	rest := func(l *leniency) map[string]json.RawMessage { return l.rest }
	return w.writePart(ctx, again, rest, out, nil)
}

// withoutLink is the outcome of an operation that was done without its link.
var withoutLink = dataverse.Outcome{Result: dataverse.Rejected, Code: leftEmpty,
	Message: "a record that the row names is neither in the table nor in the file, and counts as empty"}

// writePart writes one part of each operation that has it. Where a record is nowhere, left is told.
func (w *attempt) writePart(ctx context.Context, again []leniency, part func(*leniency) map[string]json.RawMessage, out []dataverse.Outcome, left func(*leniency)) error {
	var ops []dataverse.Operation
	var of []*leniency
	for i := range again {
		set := part(&again[i])
		if len(set) == 0 {
			continue
		}
		op := again[i].op
		op.Set, op.Again = object(set), true
		ops, of = append(ops, op), append(of, &again[i])
	}
	if len(ops) == 0 {
		return nil
	}
	found, err := w.writer.Write(ctx, ops)
	if err != nil {
		return err
	}
	for i, l := range of {
		switch {
		case left != nil && nowhere(&found[i]):
			left(l)
		case found[i].Result == dataverse.Rejected:
			out[l.at] = found[i]
		}
	}
	return nil
}

// object renders members in the order of their names.
func object(set map[string]json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	for i, name := range slices.Sorted(maps.Keys(set)) {
		b.WriteByte("{,"[min(i, 1)])
		text, _ := json.Marshal(name) // a string always marshals
		b.Write(append(append(text, ':'), set[name]...))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// collectUnlinked takes what was rejected of a chunk of the second pass: warnings,
// and what was done without its link.
func (s *Steps) collectUnlinked(ctx context.Context, plan *Plan, ref ChunkRef, states []opState, want int64, t *tally) error {
	if want == 0 {
		return nil
	}
	found := int64(0)
	err := s.eachRejected(ctx, rejectsOfChunk(plan, linkPhase, ref), states, func(r serverReject) error {
		found++
		if r.Code == leftEmpty {
			return t.left.add(r.Reject)
		}
		return t.warnings.add(r.Reject)
	})
	return reasonsMissing(ref, want, found, err)
}
