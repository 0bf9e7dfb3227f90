package run

import (
	"context"
	"fmt"
	"iter"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/report"
	"penstock/internal/snapshot"
)

// fold brings what became of a run's rows into the destination's snapshot, while
// the run still has its turn (rules H). A snapshot is only ever a saving: what
// goes wrong here costs a resend, is told in the report, and fails no run.
func (s *Steps) fold(ctx context.Context, plan *Plan, t *tally, r *report.Report) error {
	if plan.State != Proven || plan.Terms == nil {
		return nil
	}
	held, err := (&turns{Steps: s, prefix: "turns/" + plan.target() + "/"}).last(ctx)
	if err != nil {
		return err
	}
	if held.n == 0 || held.released || held.holder.Run != plan.Start.Run {
		return nil // it wrote nothing, or an earlier account has folded it
	}
	latest, err := s.place(plan).Open(ctx)
	if err != nil {
		return err
	}
	usable, why := latest.Usable(*plan.Terms, held.hold())
	switch {
	case r.Unchanged > 0 && plan.Mode == config.Mirror:
		r.Notes = append(r.Notes, "Unchanged rows are as in our last load; that their records are still there was looked up.")
	case r.Unchanged > 0:
		r.Notes = append(r.Notes, unchangedNote)
	case !usable:
		r.Notes = append(r.Notes, "All rows were sent: "+why+".")
	}
	if usable && idle(plan, t, r) && (plan.Mode != config.Mirror || latest.Rows() == r.Unchanged) {
		return nil // it says what the file says, and nothing was sent: it is as good as it was
	}
	since, err := s.writesSince(ctx, plan, held.holder.RunSince)
	if err != nil {
		return err
	}
	folded, err := s.place(plan).Fold(ctx, snapshot.Folding{
		Hold: held.hold(), Terms: *plan.Terms, KeepOthers: plan.Mode != config.Mirror, Dir: s.scratch(),
		Changes: s.changes(ctx, plan, since, t.open == 0 || s.Drained),
	})
	if fault.Is(err, fault.Interrupted) {
		return err // the step is tried again
	}
	if err != nil {
		_, message := fault.Name(err) // rule S2
		s.log().Warn("snapshot", "run", r.Run, "destination", r.Destination, "error", message)
		r.Notes = append(r.Notes, "What was loaded could not be remembered: the next run sends every row.")
		return nil
	}
	if folded.Why != "" {
		s.log().Info("snapshot", "run", r.Run, "destination", r.Destination, "why", folded.Why)
	}
	return nil
}

const unchangedNote = "Unchanged rows are as in our last load; they were not compared with the table."

// idle tells whether the run has sent nothing.
func idle(plan *Plan, t *tally, r *report.Report) bool {
	return r.Unchanged == r.Read-r.Rejected && r.Rejected == plan.Rows.Rejected && len(plan.Links) == 0 && !t.removal.touched()
}

// changes are the fates of the run's rows. Written under which epoch they were is
// not known of each: the first under which the run wrote is never too late.
func (s *Steps) changes(ctx context.Context, plan *Plan, epoch int, ended bool) iter.Seq2[snapshot.Change, error] {
	return func(yield func(snapshot.Change, error) bool) {
		links := map[int]ChunkRef{}
		for _, ref := range plan.Links {
			links[ref.N] = ref
		}
		for _, ref := range plan.Chunks {
			fates, marks, err := s.fates(ctx, plan, ref, links, ended)
			if err != nil {
				yield(snapshot.Change{}, err)
				return
			}
			for i, mark := range marks {
				if !yield(snapshot.Change{Mark: mark, Fate: fates[i], Epoch: epoch}, nil) {
					return
				}
			}
		}
	}
}

// fates says what became of each operation of a chunk, its second pass included (rule C5).
func (s *Steps) fates(ctx context.Context, plan *Plan, ref ChunkRef, links map[int]ChunkRef, ended bool) ([]snapshot.Fate, []snapshot.Mark, error) {
	j, err := s.readJournals(ctx, plan, loadPhase, ref)
	if err != nil {
		return nil, nil, err
	}
	marks, err := s.readMarks(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	if len(marks) != len(j.states) {
		return nil, nil, fault.New(fault.Broken, "bad_marks", "chunk %d has %d operations and %d marks", ref.N, len(j.states), len(marks))
	}
	fates := make([]snapshot.Fate, len(marks))
	for i, state := range j.states {
		switch {
		case state == unchanged || state == untouched && ended && !j.open:
			fates[i] = snapshot.Untouched
		case state == created || state == updated || state == upserted:
			fates[i] = snapshot.Confirmed
		}
	}
	link, ok := links[ref.N]
	if !ok {
		return fates, marks, nil
	}
	if err := s.doubtLinks(ctx, plan, link, fates); err != nil {
		return nil, nil, err
	}
	return fates, marks, nil
}

// doubtLinks doubts the rows of which not all of the second pass is done.
func (s *Steps) doubtLinks(ctx context.Context, plan *Plan, ref ChunkRef, fates []snapshot.Fate) error {
	j, err := s.readJournals(ctx, plan, linkPhase, ref)
	if err != nil {
		return err
	}
	c, err := readChunk(ctx, s.Work, ref)
	if err != nil {
		return fmt.Errorf("see whose links failed: %w", err)
	}
	defer c.release()
	for i, state := range j.states {
		switch state {
		case created, updated, upserted, unchanged, needless:
		default:
			fates[c.of[i]] = snapshot.Doubtful
		}
	}
	return nil
}

// wroteFirst is the object "wrote": since when the run writes.
type wroteFirst struct {
	V     int `json:"v"`
	Since int `json:"since"` // the first of the epochs that the run then held without a gap
}

// writesSince is the first epoch of which a word of the run's journals may be. It
// is before the present ones when another run has had the turn in between: then
// nobody knows which of the rows are still as this run wrote them.
func (s *Steps) writesSince(ctx context.Context, plan *Plan, since int) (int, error) {
	first, err := readMark[wroteFirst](ctx, s, wroteKey(plan.folder()))
	if err != nil || first == nil {
		return 0, err
	}
	return min(first.Since, since), nil
}
