package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/report"
	"penstock/internal/store"
)

// States of a finished run; Refused and Skip are the others.
const (
	Succeeded = report.Succeeded
	Partial   = report.Partial
	Failed    = report.Failed
	Resumed   = "resumed" // the answer to an execution that another one overtook: the run goes on, or has, in that one
)

// mapFailed is the error of a Map one of whose children failed; the children's own words are in failures/.
const mapFailed = "States.ExceedToleratedFailureThreshold"

// Finish accounts for every row, writes the report and the reject file, and
// gives the turn back. It is always reached: at the end, after a Catch, and for
// an execution that died. It may run twice, and again after the run was resumed.
func (s *Steps) Finish(ctx context.Context, in FinishIn) (Finished, error) {
	plan, err := s.readPlan(ctx, in.Destination, in.Run)
	if err != nil {
		return Finished{}, err
	}
	if plan == nil { // prepare failed before it could decide
		plan = &Plan{V: 1, State: Refused, Start: in.Start}
	}
	gone := Finished{V: 1, Run: in.Run, Destination: in.Destination, State: Resumed}
	if resumed, err := s.resumed(ctx, plan, in); err != nil || resumed {
		return gone, err
	}
	if in.Sweep == nil {
		if in.Sweep, err = s.skipped(ctx, plan, in.began()); err != nil {
			return Finished{}, err
		}
	}
	if err := s.stopWorkers(ctx, plan, in); err != nil {
		return Finished{}, fmt.Errorf("stop the workers of run %s: %w", in.Run, err)
	}
	t, err := s.tallyRun(ctx, plan, in.since())
	if err != nil {
		return Finished{}, fmt.Errorf("account for run %s: %w", in.Run, err)
	}
	defer t.close()
	// Workers were waited for and journals read: the run may have been resumed meanwhile.
	if resumed, err := s.resumed(ctx, plan, in); err != nil || resumed {
		return gone, err
	}
	r := s.account(plan, in, t)
	s.keepReason(ctx, in, r)
	if err := s.fold(ctx, plan, t, r); err != nil {
		return Finished{}, fmt.Errorf("remember what run %s loaded: %w", in.Run, err)
	}
	if err := s.writeLists(ctx, plan, t, r); err != nil {
		return Finished{}, err
	}
	if err := s.writeReport(ctx, r); err != nil {
		return Finished{}, fmt.Errorf("write the report of run %s: %w", in.Run, err)
	}
	if plan.State == Proven {
		if err := s.giveBack(ctx, plan, in.Execution, t, r); err != nil {
			return Finished{}, fmt.Errorf("give back the turn of run %s: %w", in.Run, err)
		}
	}
	s.log().Info("run finished", "run", r.Run, "destination", r.Destination, "state", r.State, "read", r.Read,
		"written", r.Written, "unchanged", r.Unchanged, "rejected", r.Rejected, "not_attempted", r.NotAttempted)
	return finishedOf(r), nil
}

// giveBack notes what is loaded now, and then gives the turn back. Rule T4: where
// workers may be left behind the turn is given up only after their time.
func (s *Steps) giveBack(ctx context.Context, plan *Plan, e *Execution, t *tally, r *report.Report) error {
	turns := s.turnsOf(plan, e)
	if loaded(r) {
		if err := turns.writeLoaded(ctx, plan); err != nil {
			return err
		}
	}
	clean := r.State != Failed && t.open == 0
	if s.Drained {
		clean = r.Uncertain == 0 && (r.Removed == nil || r.Removed.Uncertain == 0)
	}
	return turns.leave(ctx, plan, clean)
}

// loaded tells whether the rows of the delivery are in the table, whatever became of the rest of the run (rule T5).
func loaded(r *report.Report) bool {
	switch r.State {
	case Succeeded, Partial:
		return true
	case Failed:
		return r.Read > 0 && r.NotAttempted == 0
	}
	return false
}

// writeLists writes what a person can act on: the rejected rows, the rows with
// warnings, the records that could not be deleted, and those left in doubt.
func (s *Steps) writeLists(ctx context.Context, plan *Plan, t *tally, r *report.Report) (err error) {
	if t.rejects.count > 0 {
		if r.Rejects, err = s.writeRejects(ctx, plan, t.rejects.sorted(), r); err != nil {
			return fmt.Errorf("write the rejects of run %s: %w", plan.Start.Run, err)
		}
	}
	if t.warned > 0 {
		if r.Warnings, err = s.writeWarnings(ctx, plan, t); err != nil {
			return fmt.Errorf("write the warnings of run %s: %w", plan.Start.Run, err)
		}
	}
	if t.removal != nil {
		if r.Undeleted, err = t.removal.store(ctx, s, plan.folder()+"undeleted.csv"); err != nil {
			return fmt.Errorf("list what run %s could not delete: %w", plan.Start.Run, err)
		}
		listed := int64(0)
		if r.Doubts, listed, err = s.writeDoubts(ctx, plan, t.removal); err != nil {
			return fmt.Errorf("list what run %s left in doubt: %w", plan.Start.Run, err)
		}
		if listed < r.Doubtful {
			r.Notes = append(r.Notes, fmt.Sprintf("The list of doubtful records has %d of %d.", listed, r.Doubtful))
		}
	}
	return nil
}

// since is when the present execution's own failures begin.
func (in *FinishIn) since() time.Time {
	if in.Turn != nil {
		return in.Turn.Taken
	}
	return in.died
}

// began is when the present execution began, as far as is known.
func (in *FinishIn) began() time.Time {
	if in.Execution != nil {
		return in.Execution.Started
	}
	return in.since()
}

// keepReason gives the report of an execution that died the reason that its own
// Finish has told already, which knows more than an event does.
func (s *Steps) keepReason(ctx context.Context, in FinishIn, r *report.Report) {
	if in.died.IsZero() || r.State != Failed {
		return
	}
	if told, err := s.Report(ctx, in.Destination, in.Run); err == nil && told.Finished.After(in.died) && told.Reason != nil {
		r.Reason = told.Reason
	}
}

// account fills the report from what was planned, counted and caught.
func (s *Steps) account(plan *Plan, in FinishIn, t *tally) *report.Report {
	c := t.counts
	r := &report.Report{V: 1, Run: in.Run, Destination: in.Destination, Connection: plan.Connection, Environment: plan.Environment,
		Mode: string(plan.Mode), Key: plan.Key, Audience: in.Audience, Format: string(plan.Format), SHA256: plan.SHA256,
		Arrived: in.Arrived, Finished: s.now(), Folder: plan.folder(), Ignored: plan.Ignored, Evidence: plan.evidence(),
		Read: c.Read, Written: c.Written(), Created: c.Created, Updated: c.Updated, Upserted: c.Upserted, Deleted: c.Deleted,
		Unchanged: c.Unchanged, Rejected: c.Rejected, NotAttempted: c.NotAttempted, Uncertain: c.Uncertain,
		Service: report.Service{Calls: t.figures.Calls, Throttled: t.figures.Throttled, Retried: t.figures.Retried,
			Bisected: t.figures.Bisected, Waited: float64(t.figures.WaitedMS) / 1000},
		RejectReasons: t.rejects.reasonsFirst(), Warned: t.warned, WarnReasons: t.warnings.reasonsFirst(),
	}
	if t.removal != nil {
		removed := t.removal.Removed
		r.Removed, r.Doubtful = &removed, t.removal.doubtful
	}
	if plan.Mode.Clears() {
		r.WholeTable = len(plan.Filter) == 0
		for _, part := range plan.Filter {
			r.Filter = append(r.Filter, report.Condition{Column: part.Column, Value: json.RawMessage(part.Value)})
		}
	}
	r.Seconds = r.Finished.Sub(r.Arrived).Seconds()
	r.Started, r.Steps = stepTimes(plan, in, t.linking, r.Finished)
	r.Report, r.Page = reportKey(r.Folder), reportPageKey(r.Folder)
	if plan.Table != nil {
		r.Table = plan.Table.Name
	}
	for _, o := range plan.Start.Delivery.Objects {
		r.Files = append(r.Files, o.Key)
	}
	for _, c := range plan.Columns {
		r.Columns = append(r.Columns, report.Column(c))
	}
	var reason *Reason
	r.State, reason = stateOfRun(plan, in, t)
	if reason != nil {
		r.Reason = (*report.Reason)(reason)
	}
	if t.open > 0 && r.State == Failed && !s.Drained {
		r.Notes = append(r.Notes, fmt.Sprintf("%d workers had not said how they ended when this was written: more rows may have been written than are counted here.", t.open))
	}
	r.Notes = append(r.Notes, notesOf(plan, in, t)...)
	if len(plan.Ignored) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("The columns %s were ignored: they are Penstock's own, from an earlier reject file.", strings.Join(plan.Ignored, ", ")))
	}
	return r
}

// notesOf are the sentences that a reader of the report needs beside the figures.
func notesOf(plan *Plan, in FinishIn, t *tally) (notes []string) {
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if in.Turn != nil && in.Turn.Newer != "" {
		say("Run %s had loaded a file that arrived later: where both have a record, this older file's values are in the table now.", in.Turn.Newer)
	}
	if in.Sweep != nil && in.Sweep.State == Skip && in.Sweep.Reason != nil {
		say("No record was removed: %s. Records that the file does not hold are still in the table.", in.Sweep.Reason.Message)
	}
	if t.linksLeft > 0 {
		say("%s not made, or nobody knows.", countOf(t.linksLeft, "link or state of a written row was", "links and states of written rows were"))
	}
	if t.unlinked > 0 {
		say("%s neither in the table nor in the file: as missing: empty says, written without.", countOf(t.unlinked, "row names records that are", "rows name records that are"))
	}
	r := t.removal
	if r == nil {
		return notes
	}
	if r.keyless > 0 {
		say("%s left, because a record without a key cannot be of a file.", countOf(r.keyless, "record whose key is empty was", "records whose key is empty were"))
	}
	if r.since > 0 {
		say("%s left: what was created after the file was prepared cannot be in it.", countOf(r.since, "record that the file does not hold was", "records that the file does not hold were"))
	}
	if r.jobOpen {
		say("A bulk deletion was asked for, named “Penstock %s” among the system jobs. How many records it deleted is not counted here.", in.Run)
	}
	if r.job != nil && r.job.State != "" {
		say("The records were cleared by a bulk deletion of the service, by whose own count %d were deleted.", r.job.Deleted)
	}
	return notes
}

// stateOfRun decides how the run ended, and why when it did not come to its end.
func stateOfRun(plan *Plan, in FinishIn, t *tally) (string, *Reason) {
	touched := t.counts.Written()+t.counts.Uncertain > 0 || t.removal.touched()
	// unless says that a run which changed nothing was refused or skipped; by now, or in an earlier execution, it did.
	unless := func(state string, why *Reason) (string, *Reason) {
		if touched {
			return Failed, why
		}
		return state, why
	}
	switch {
	case t.failure != nil && (in.Error != nil && in.Error.Error == mapFailed || !in.died.IsZero()):
		return Failed, &t.failure.Reason
	case in.Error != nil:
		return Failed, in.Error.reason()
	case plan.State == Refused && plan.Reason != nil:
		return Refused, plan.Reason
	case in.Turn != nil && in.Turn.State == Refused:
		return unless(Refused, in.Turn.Reason)
	case in.Turn != nil && in.Turn.State == Skip:
		return unless(Skip, in.Turn.Reason)
	case in.Clear != nil && in.Clear.State == Refused:
		return unless(Refused, in.Clear.Reason)
	case in.Compare != nil && in.Compare.State == Refused:
		return unless(Refused, in.Compare.Reason)
	case in.Sweep != nil && in.Sweep.State == Refused:
		return unless(Refused, in.Sweep.Reason)
	case plan.State != Proven || !ended(plan, in, t):
		return Failed, &Reason{Kind: string(fault.Interrupted), Code: "not_finished", Message: "the run ended before all of its work was done",
			Advice: "start it again; it goes on where it was"}
	case t.counts.Rejected > 0 || t.warned > 0 || leftOver(plan, in, t):
		return Partial, nil
	}
	return Succeeded, nil
}

// ended tells whether all that the plan is about was done, by what is written down.
func ended(plan *Plan, in FinishIn, t *tally) bool {
	switch {
	case t.counts.NotAttempted > 0 || t.linksLeft > 0:
		return false
	case plan.Mode == config.Truncate:
		return t.removal.cleared != nil
	case plan.Mode == config.Mirror:
		return t.removal.swept || in.Sweep != nil && in.Sweep.State == Skip
	}
	return true
}

// leftOver tells whether records are still there that should be gone.
func leftOver(plan *Plan, in FinishIn, t *tally) bool {
	if in.Sweep != nil && in.Sweep.State == Skip {
		return true
	}
	return t.removal != nil && t.removal.Failed > 0 && !plan.LeaveUndeletable
}

// reason reads what a Catch kept: the error's name, and for one of our own its code and sentence.
func (c *Caught) reason() *Reason {
	var cause struct {
		Message string `json:"errorMessage"`
	}
	r := &Reason{Kind: c.Error, Code: "step_failed", Message: "a step failed with " + c.Error}
	if json.Unmarshal([]byte(c.Cause), &cause) == nil && cause.Message != "" {
		if code, message, ok := strings.Cut(cause.Message, ": "); ok && !strings.ContainsAny(code, " \t") {
			r.Code, r.Message = code, message
		} else {
			r.Message = cause.Message
		}
	}
	switch fault.Kind(c.Error) {
	case fault.Interrupted, fault.Throttled, fault.LostTurn:
		r.Advice = "start it again; it goes on where it was"
	}
	return r
}

func (s *Steps) writeReport(ctx context.Context, r *report.Report) error {
	if err := r.Check(); err != nil {
		return miscount("%v", err)
	}
	var page bytes.Buffer
	if err := report.HTML(&page, *r); err != nil {
		return fmt.Errorf("render report.html: %w", err)
	}
	if err := s.Work.Put(ctx, reportPageKey(r.Folder), bytes.NewReader(page.Bytes())); err != nil {
		return err
	}
	return store.PutJSON(ctx, s.Work, reportKey(r.Folder), r)
}

// Report reads a finished run's report; store.ErrNotExist when it has none yet.
func (s *Steps) Report(ctx context.Context, destination, run string) (*report.Report, error) {
	var r report.Report
	if err := store.ReadJSON(ctx, s.Work, reportKey(folder(destination, run)), &r); err != nil {
		return nil, fmt.Errorf("read the report of run %s: %w", run, err)
	}
	return &r, nil
}

// Finished is how a run ended, as Finish answered; store.ErrNotExist when it has not.
func (s *Steps) Finished(ctx context.Context, destination, run string) (Finished, error) {
	r, err := s.Report(ctx, destination, run)
	if err != nil {
		return Finished{}, err
	}
	return finishedOf(r), nil
}

func finishedOf(r *report.Report) Finished {
	f := Finished{V: 1, Run: r.Run, Destination: r.Destination, State: r.State, Read: r.Read, Written: r.Written, Created: r.Created,
		Updated: r.Updated, Upserted: r.Upserted, Deleted: r.Deleted, Unchanged: r.Unchanged, Rejected: r.Rejected,
		NotAttempted: r.NotAttempted, Warned: r.Warned, Report: reportKey(r.Folder), Rejects: r.Rejects,
		Reason: (*Reason)(r.Reason), Seconds: r.Seconds}
	if r.Removed != nil {
		f.Removed = *r.Removed
	}
	return f
}

// Stopped tells that the run was stopped on purpose in the middle and is meant to go on.
func (f Finished) Stopped() bool {
	return f.State == Failed && f.Reason != nil && f.Reason.Code == "stopped"
}

// stepTimes is when prepare began and how long each step took; the last one's time includes earlier attempts'.
func stepTimes(plan *Plan, in FinishIn, linking, end time.Time) (started time.Time, steps []report.Step) {
	if plan.PreparedAt.IsZero() {
		return time.Time{}, nil
	}
	started = plan.PreparedAt.Add(-time.Duration(plan.Seconds * float64(time.Second)))
	steps = []report.Step{{Name: "prepare", Seconds: plan.Seconds}}
	if in.Turn == nil || in.Turn.Taken.IsZero() {
		return started, steps
	}
	at := plan.PreparedAt
	until := func(name string, when time.Time) {
		steps = append(steps, report.Step{Name: name, Seconds: max(0, when.Sub(at).Seconds())})
		at = when
	}
	until("turn", in.Turn.Taken)
	if in.Clear != nil && !in.Clear.At.IsZero() {
		until("clear", in.Clear.At)
		if in.Clear.State != Clear {
			return started, steps
		}
	}
	if in.Compare != nil && !in.Compare.At.IsZero() {
		until("compare", in.Compare.At)
		if in.Compare.State != Done {
			return started, steps
		}
	}
	loaded := end
	if in.Sweep != nil && !in.Sweep.Began.IsZero() {
		loaded = in.Sweep.Began
	}
	if linking.After(at) && linking.Before(loaded) {
		until("load", linking)
		until("link", loaded)
	} else {
		until("load", loaded)
	}
	if loaded.Before(end) {
		until("sweep", end)
	}
	return started, steps
}
