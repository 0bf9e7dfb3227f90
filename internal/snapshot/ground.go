package snapshot

import (
	"context"
	"slices"
)

// ground is what a fold may build on.
type ground struct {
	base *Snapshot // nil when none is usable
	why  string    // then: why not
	late bool      // the fold has nothing to say any more
	// from is the first epoch of the run whose confirmations are the last word on their keys
	// at the end of the fold's epoch: nobody else wrote to the target after them.
	from   int
	closes []opening // of other runs, which the fold settles
}

// ground decides what the fold of a run may build on.
func (s *Snapshot) ground(ctx context.Context, f Folding) (ground, error) {
	// What begins after this epoch is for those to see who rely on the snapshot then.
	g := ground{why: s.unusable(f.Terms, f.Hold, f.Epoch), from: f.Epoch}
	if g.why == "" {
		// No other run has written since the snapshot: it would be open, or its fold the latest.
		g.base, g.from = s, s.head.Epoch+1
		if s.head.Run == f.Run {
			g.from = s.head.From
		}
		return g, nil
	}
	if s.later(f.Hold) {
		g.late = true
		return g, nil
	}
	own := s.undisturbed(f.Hold)
	if own == nil {
		g.late = s.unknown()
		return g, nil
	}
	content, err := s.place.begun(ctx, *own)
	if err != nil {
		return g, err
	}
	if s.unknown() && content.Generation < s.number {
		g.late = true // perhaps: it may have been published by a later run than this one
		return g, nil
	}
	// Without a base everything in the next snapshot was confirmed after this opening,
	// and what was open when it was made had ended by then (rule T4).
	g.from = own.epoch
	for _, o := range s.openings {
		if o.run != f.Run && o.epoch < own.epoch && slices.Contains(content.Saw, o.name) {
			g.closes = append(g.closes, o)
		}
	}
	return g, nil
}

// later tells whether the snapshot is of a later epoch than the run's, or was made void after it.
func (s *Snapshot) later(h Hold) bool {
	if s.number == 0 || s.unknown() {
		return false
	}
	return s.head.Epoch > h.Epoch || s.head.Epoch == h.Epoch && (s.head.Run != h.Run || s.head.Void != "")
}

// unknown tells that nobody can say any more of which epoch the latest generation is.
func (s *Snapshot) unknown() bool {
	return s.damaged || s.head.Void != "" && s.head.Epoch == 0
}

// undisturbed is the run's earliest opening after which nobody else has written up
// to the run's epoch; nil when there is none. Without a base it stands for the
// attempts of the run that were never folded.
func (s *Snapshot) undisturbed(h Hold) *opening {
	since := h.since()
	if s.unknown() {
		since = h.Epoch // of earlier ones nobody knows
	}
	var earliest *opening
	for i := len(s.openings) - 1; i >= 0; i-- { // by name, so by epoch
		o := &s.openings[i]
		switch {
		case o.epoch > h.Epoch, o.epoch == 0:
		case o.run != h.Run, o.epoch < since, o.epoch <= s.head.Epoch && o.epoch < h.Epoch:
			return earliest
		default:
			earliest = o
		}
	}
	return earliest
}
