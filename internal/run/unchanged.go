package run

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/snapshot"
	"penstock/internal/store"
)

// place is where the snapshots of the plan's destination are (rules H).
func (s *Steps) place(plan *Plan) snapshot.Place {
	return snapshot.At(s.Work, plan.Start.Destination, plan.target())
}

// hold is the run's turn as snapshots know it.
func (e epoch) hold() snapshot.Hold {
	return snapshot.Hold{Run: e.holder.Run, Epoch: e.n, Since: e.holder.SnapshotSince}
}

// unchangedOf tells which operations of a chunk need not be sent, because they
// are as they were loaded last; nil when each has to be. It asks under the turn:
// what prepare could have known may be out of date.
func (s *Steps) unchangedOf(ctx context.Context, plan *Plan, in ApplyIn, held epoch) ([]bool, error) {
	if plan.Terms == nil {
		return nil, nil
	}
	latest, err := s.place(plan).Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the snapshot: %w", err)
	}
	if ok, _ := latest.Usable(*plan.Terms, held.hold()); !ok {
		return nil, nil // Finish tells why
	}
	marks, err := s.readMarks(ctx, in.Chunk)
	if err != nil {
		return nil, err
	}
	same, why, err := latest.Same(ctx, marks)
	if err != nil {
		return nil, fmt.Errorf("compare chunk %d with the snapshot: %w", in.Chunk.N, err)
	}
	if why != "" {
		s.log().Warn("snapshot", "run", in.Run, "destination", in.Destination, "why", why)
	}
	if plan.Mode == config.Mirror {
		err = s.keepPresent(ctx, plan, in.Epoch, marks, same)
	}
	return same, err
}

// maxMarkBytes is more than the marks of any chunk.
const maxMarkBytes = 4 << 20

func (s *Steps) readMarks(ctx context.Context, ref ChunkRef) ([]snapshot.Mark, error) {
	data, err := store.ReadAll(ctx, s.Work, ref.Marks, maxMarkBytes)
	if err != nil {
		return nil, fmt.Errorf("read the marks of chunk %d: %w", ref.N, err)
	}
	return snapshot.DecodeMarks(data)
}

// opened notes that the run is going to write: until it is folded, each key that
// it may touch is in doubt (rule H2).
func (w *attempt) opened(ctx context.Context) error {
	if w.plan.Terms == nil {
		return nil
	}
	held, err := w.fence.turns.last(ctx)
	if err != nil {
		return fmt.Errorf("look at the turn: %w", err)
	}
	if held.n != w.fence.epoch {
		return fault.New(fault.LostTurn, "turn_lost", "epoch %d is not the turn any more (%d is the highest)", w.fence.epoch, held.n)
	}
	first := wroteFirst{V: 1, Since: held.holder.RunSince}
	if err := store.CreateJSON(ctx, w.Work, wroteKey(w.plan.folder()), first); err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("write down since when the run writes: %w", err)
	}
	if err := w.place(w.plan).Begin(ctx, held.hold()); err != nil {
		return fmt.Errorf("mark what will be written: %w", err)
	}
	return nil
}
