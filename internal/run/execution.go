package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// A run that is resumed has several executions, and word of the end of one may
// come a day late. Each leaves a trace in the run's folder at its first look at
// the turn, executions/MILLISECONDS-HASH of its start and its id: the latest one has the run,
// whatever becomes of the others (rule T6).

// id is "" for an execution that is not known.
func (e *Execution) id() string {
	if e == nil {
		return ""
	}
	return e.ID
}

// trace is the name that an execution leaves. Names ascend as executions began.
func (e *Execution) trace() string {
	return fmt.Sprintf("%013d", e.Started.UnixMilli()) + e.mark()
}

// mark is the end of the trace. Two clocks may tell an execution's beginning, its own and that of the
// event of its end: by the mark it knows itself again.
func (e *Execution) mark() string {
	sum := sha256.Sum256([]byte(e.ID))
	return "-" + hex.EncodeToString(sum[:5])
}

func executionsPrefix(folder string) string { return folder + "executions/" }

// enter leaves the trace of an execution that goes for the turn.
func (s *Steps) enter(ctx context.Context, plan *Plan, e *Execution) error {
	if e == nil {
		return nil
	}
	if err := store.PutJSON(ctx, s.Work, executionsPrefix(plan.folder())+e.trace(), e); err != nil {
		return fmt.Errorf("note the execution: %w", err)
	}
	return nil
}

// LatestExecution is when the latest execution of a run that went for the turn began, by its clock; zero when there is none.
func (s *Steps) LatestExecution(ctx context.Context, start Start) (latest time.Time, err error) {
	prefix := executionsPrefix(folder(start.Destination, start.Run))
	for info, err := range s.Work.List(ctx, prefix) {
		if err != nil {
			return time.Time{}, fmt.Errorf("list the run's executions: %w", err)
		}
		digits, _, _ := strings.Cut(strings.TrimPrefix(info.Key, prefix), "-")
		if ms, err := strconv.ParseInt(digits, 10, 64); err == nil {
			latest = time.UnixMilli(ms)
		}
	}
	return latest, nil
}

// overtaken tells whether another execution of the run has begun since this one.
func (s *Steps) overtaken(ctx context.Context, plan *Plan, e *Execution) (bool, error) {
	if e == nil {
		return false, nil
	}
	prefix, own, after := executionsPrefix(plan.folder()), e.trace(), false
	for info, err := range s.Work.List(ctx, prefix) {
		if err != nil {
			return false, fmt.Errorf("list the run's executions: %w", err)
		}
		after = strings.TrimPrefix(info.Key, prefix) > own && !strings.HasSuffix(info.Key, e.mark())
	}
	return after, nil
}

// passedOn is why an execution that another one overtook does not take the turn. Finish knows it again by itself.
func passedOn(run string) *Reason {
	return reasonOf(fault.New(fault.Refused, "resumed", "run %s goes on in a later execution", run))
}

// A skipped sweep is an end, not a failure: it is written down for a Finish that
// does not get the survey's word, because the execution died after it.
type skippedSweep struct {
	V     int       `json:"v"`
	Epoch int       `json:"epoch"`
	Sweep *Surveyed `json:"sweep"`
}

func skippedKey(folder string) string { return folder + "survey/skipped" }

// keepSkipped writes down that a survey skipped what it was for.
func (s *Steps) keepSkipped(ctx context.Context, plan *Plan, epoch int, said *Surveyed) error {
	if err := store.PutJSON(ctx, s.Work, skippedKey(plan.folder()), skippedSweep{V: 1, Epoch: epoch, Sweep: said}); err != nil {
		return fmt.Errorf("write down that nothing is swept: %w", err)
	}
	return nil
}

// skipped is what the survey of this execution, which began then, said when it skipped the sweep; nil when it did not.
func (s *Steps) skipped(ctx context.Context, plan *Plan, began time.Time) (*Surveyed, error) {
	var kept skippedSweep
	switch err := store.ReadJSON(ctx, s.Work, skippedKey(plan.folder()), &kept); {
	case errors.Is(err, store.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read whether the sweep was skipped: %w", err)
	}
	if kept.Sweep == nil || kept.Sweep.At.Before(began) {
		return nil, nil // an earlier execution's: this one would have swept
	}
	return kept.Sweep, nil
}
