package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// What a survey is for.
const (
	toClear   = "clear"   // before loading: everything that is ours goes (clear.go)
	toCompare = "compare" // before loading only changes: which keys are there (compare.go)
	toSweep   = "sweep"   // after loading: what is ours and not in the file goes (sweep.go)
)

const (
	// surveyTime is when survey hands back, so that the turn is looked at in between (rule M4).
	surveyTime = 5 * time.Minute
	// surveySpare is what is left of its deadline for writing down how far it came.
	surveySpare = 60 * time.Second
	// surveyWaits bounds the looks at a job of the service, as turnWaits does those at a turn (rule M2).
	surveyWaits = 600
)

// Survey looks what is in the target now and says what has to be deleted, or
// notes what a load of only the changes must know. It deletes nothing itself, but for a job of the service that it may start. It may
// be called again, late, or twice at once: what a round of deletes consists of is
// written down once, and who comes second takes what the first one found.
func (s *Steps) Survey(ctx context.Context, in SurveyIn) (Surveyed, error) {
	plan, err := s.plan(ctx, in.Destination, in.Run)
	if err != nil {
		return Surveyed{}, err
	}
	v := &survey{Steps: s, plan: plan, in: in, began: s.now()}
	if in.Last != nil && !in.Last.Began.IsZero() {
		v.began = in.Last.Began
	}
	ctx, leave := s.explained(ctx, plan.Start, in.Purpose)
	defer leave()
	out, err := v.look(ctx)
	if fault.Is(err, fault.Refused) {
		out, err = Surveyed{State: Refused, Reason: reasonOf(err)}, nil
	}
	if err != nil {
		return Surveyed{}, fmt.Errorf("survey table %s to %s it for run %s: %w", plan.Table.Name, in.Purpose, in.Run, err)
	}
	out.Began, out.At = v.began, s.now()
	if out.State == Skip && in.Purpose == toSweep {
		err = s.keepSkipped(ctx, plan, in.Epoch, &out)
	}
	return out, err
}

// survey is one call of Survey.
type survey struct {
	*Steps
	plan   *Plan
	in     SurveyIn
	began  time.Time
	turns  *turns
	fence  *fence
	held   holder // of the epoch
	client *dataverse.Client
	name   string  // of this call: what it writes is its own
	doubts *doubts // nil but for a sweep
	until  time.Time
}

// look makes sure that this call may act at all, and what it sees is still the
// run's own work, and then does what it was called for.
func (v *survey) look(ctx context.Context) (Surveyed, error) {
	v.name, v.until = attemptID(), v.now().Add(surveyTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-surveySpare).Before(v.until) {
		v.until = deadline.Add(-surveySpare)
	}
	v.turns = &turns{Steps: v.Steps, prefix: "turns/" + v.plan.target() + "/"}
	if err := v.mayAct(ctx); err != nil {
		return Surveyed{}, err
	}
	last, err := v.turns.last(ctx)
	if err != nil {
		return Surveyed{}, fmt.Errorf("look at the turn: %w", err)
	}
	v.held = last.holder
	if v.client, err = v.connection(ctx, v.plan); err != nil {
		return Surveyed{}, err
	}
	switch v.in.Purpose {
	case toCompare:
		return v.compare(ctx)
	case toSweep:
		return v.sweep(ctx)
	}
	return v.clear(ctx)
}

// mayAct looks at the turn, now (rule T3).
func (v *survey) mayAct(ctx context.Context) error {
	shown := time.Time{}
	if v.fence != nil {
		shown = v.fence.shown
	}
	v.fence = &fence{turns: v.turns, epoch: v.in.Epoch, worker: "survey-" + v.name, shown: shown}
	return v.fence.check(ctx)
}

// ours makes sure that nobody else has had the turn since the run did something
// under an epoch: then what it found, or left, is no longer as it was (rule T6).
func (v *survey) ours(epoch int) error {
	if v.held.RunSince <= epoch {
		return nil
	}
	return fault.New(fault.Refused, "table_written_since", "another run had the turn of table %s after this one had begun to delete", v.plan.Table.Name).
		Advise("start a new run: deliver the file again")
}

// A round is one list of records to delete, survey/PHASE. It is written once:
// a Map may be reading its chunks.
type round struct {
	V       int        `json:"v"`
	Epoch   int        `json:"epoch"`
	At      time.Time  `json:"at"`
	Read    int64      `json:"read"`              // records under the filter
	Records int64      `json:"records"`           // of them to be deleted
	Keyless int64      `json:"keyless,omitempty"` // of them left because their key is empty: they cannot be of a file
	Known   int64      `json:"known,omitempty"`   // of them left because an earlier round could not delete them
	New     int64      `json:"new,omitempty"`     // of them created since the run was prepared
	Since   int64      `json:"since,omitempty"`   // of the new ones left although no row has their key
	Chunks  []ChunkRef `json:"chunks,omitempty"`

	Doubtful int64    `json:"doubtful,omitempty"` // of them left because another record has the same key, or nearly
	Doubts   []string `json:"doubts,omitempty"`   // objects that list them
}

func phaseName(purpose string, n int) string { return fmt.Sprintf("%s-%d", purpose, n) }

// rounds reads what the surveys of a purpose have found so far, in their order.
func (s *Steps) rounds(ctx context.Context, plan *Plan, purpose string) ([]round, error) {
	var all []round
	for {
		var r round
		err := store.ReadJSON(ctx, s.Work, roundKey(plan.folder(), phaseName(purpose, len(all))), &r)
		if errors.Is(err, store.ErrNotExist) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read what was found to %s: %w", purpose, err)
		}
		all = append(all, r)
	}
}

// settle makes a round the run's, unless another call was first: then that one's holds.
func (v *survey) settle(ctx context.Context, phase string, r round) (Surveyed, error) {
	r.V, r.Epoch, r.At = 1, v.in.Epoch, v.now()
	if err := v.mayAct(ctx); err != nil {
		return Surveyed{}, err
	}
	key := roundKey(v.plan.folder(), phase)
	err := store.CreateJSON(ctx, v.Work, key, r)
	if errors.Is(err, store.ErrExists) {
		err = store.ReadJSON(ctx, v.Work, key, &r)
	}
	if err != nil {
		return Surveyed{}, fmt.Errorf("write down what was found to %s: %w", v.in.Purpose, err)
	}
	return v.found(ctx, phase, r)
}

// found hands a round to a Map. Its list follows from the round, so it may be written again.
func (v *survey) found(ctx context.Context, phase string, r round) (Surveyed, error) {
	out := Surveyed{State: Found, Phase: phase, Key: phaseKey(v.plan.folder(), phase), Chunks: len(r.Chunks), Records: r.Records}
	if len(r.Chunks) == 0 {
		return Surveyed{State: Clear}, nil
	}
	if err := store.PutJSON(ctx, v.Work, out.Key, r.Chunks); err != nil {
		return Surveyed{}, fmt.Errorf("list what is to be deleted: %w", err)
	}
	return out, nil
}

// undone tells whether a round has operations that no journal settles.
func (v *survey) undone(ctx context.Context, phase string, r round) (bool, error) {
	left := 0
	err := v.eachJournal(ctx, v.plan, phase, r.Chunks, func(_ ChunkRef, j *journals) error {
		left += unsettled(j.states)
		return nil
	})
	return left > 0, err
}

// again hands out a round that is not done: its deletes may be sent twice. A Map
// that came to its end has done all of it, so the same answer twice in a row is a fault.
func (v *survey) again(ctx context.Context, phase string, r round) (Surveyed, error) {
	if last := v.in.Last; last != nil && last.State == Found && last.Phase == phase {
		return Surveyed{}, fault.New(fault.Broken, "round_not_done", "phase %s came to its end, but not all of its deletes did", phase)
	}
	return v.found(ctx, phase, r)
}

// maxDeletes is the guard as it is configured now, so that a run that it stopped can go on with a wider one.
func (v *survey) maxDeletes(ctx context.Context) config.MaxDeletes {
	if cfg, err := v.Config(ctx); err == nil {
		if dest, err := cfg.Destination(v.plan.Start.Destination); err == nil && dest.Mode == v.plan.Mode {
			return dest.MaxDeletes
		}
	}
	return v.plan.MaxDeletes
}

// guard is rule D3: a file that is empty or much smaller than the table is more
// often a mishap than meant. lost is how many records there would be fewer.
func (v *survey) guard(ctx context.Context, there, lost int64) error {
	bound := v.maxDeletes(ctx)
	if lost <= 0 || lost <= allowedRejects(bound.Percent, there) && (bound.Count == 0 || lost <= bound.Count) {
		return nil
	}
	allowed := fmt.Sprintf("%g %%", bound.Percent)
	if bound.Count > 0 {
		allowed += fmt.Sprintf(" and %d", bound.Count)
	}
	message := fmt.Sprintf("%d of %d records (%.1f %%) are not in the file and would be deleted; at most %s may be", lost, there, share(lost, there), allowed)
	if v.in.Purpose == toClear {
		message = fmt.Sprintf("%s be cleared and %s loaded: %d fewer (%.1f %%); at most %s may go",
			countOf(there, "record would", "records would"), countOf(v.plan.toLoad(), "row", "rows"), lost, share(lost, there), allowed)
	}
	return fault.New(fault.Refused, "too_many_deletes", "%s", message).
		Advise("make sure that the file is whole; if it is, raise max_deletes of the destination and load it again")
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// toLoad is how many rows the load sends.
func (p *Plan) toLoad() int64 { return p.Rows.Read - p.Rows.Rejected }

// deletion is the operation that deletes a record. It is no source row's.
func deletion(key dataverse.KeyRow) *dataverse.Operation {
	return &dataverse.Operation{Do: dataverse.Delete, ID: key.ID, Partition: key.Partition}
}
