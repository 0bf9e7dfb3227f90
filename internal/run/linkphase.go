package run

import (
	"context"

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
