package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/report"
	"penstock/internal/row"
	"penstock/internal/store"
)

// States of a finished run; Refused and Skip are the others.
const (
	Succeeded = report.Succeeded
	Partial   = report.Partial
	Failed    = report.Failed
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
	if err := s.stopWorkers(ctx, plan, in); err != nil {
		return Finished{}, fmt.Errorf("stop the workers of run %s: %w", in.Run, err)
	}
	t, err := s.tallyRun(ctx, plan, in.since())
	if err != nil {
		return Finished{}, fmt.Errorf("account for run %s: %w", in.Run, err)
	}
	r := s.account(plan, in, t)
	s.keepReason(ctx, in, r)
	if len(t.rejects) > 0 {
		if r.Rejects, err = s.writeRejects(ctx, plan, t.rejects, r); err != nil {
			return Finished{}, fmt.Errorf("write the rejects of run %s: %w", in.Run, err)
		}
	}
	if err := s.writeReport(ctx, r); err != nil {
		return Finished{}, fmt.Errorf("write the report of run %s: %w", in.Run, err)
	}
	if plan.State == Proven {
		// Rule T4: where workers may be left behind the turn is given up only after their time.
		clean := r.State != Failed && t.open == 0
		if s.Drained {
			clean = r.Uncertain == 0
		}
		if err := (&turns{Steps: s, prefix: "turns/" + plan.target() + "/"}).leave(ctx, plan, clean); err != nil {
			return Finished{}, fmt.Errorf("give back the turn of run %s: %w", in.Run, err)
		}
	}
	s.log().Info("run finished", "run", r.Run, "destination", r.Destination, "state", r.State, "read", r.Read,
		"written", r.Written, "unchanged", r.Unchanged, "rejected", r.Rejected, "not_attempted", r.NotAttempted)
	return finishedOf(r), nil
}

// since is when the present execution's own failures begin.
func (in *FinishIn) since() time.Time {
	if in.Turn != nil {
		return in.Turn.Taken
	}
	return in.died
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
		Arrived: in.Arrived, Finished: s.now(), Folder: plan.folder(), Ignored: plan.Ignored,
		Read: c.Read, Written: c.Written(), Created: c.Created, Updated: c.Updated, Upserted: c.Upserted, Deleted: c.Deleted,
		Unchanged: c.Unchanged, Rejected: c.Rejected, NotAttempted: c.NotAttempted, Uncertain: c.Uncertain,
		Service: report.Service{Calls: t.figures.Calls, Throttled: t.figures.Throttled, Retried: t.figures.Retried,
			Bisected: t.figures.Bisected, Waited: float64(t.figures.WaitedMS) / 1000},
		RejectReasons: reasonsOf(t.rejects),
	}
	r.Seconds = r.Finished.Sub(r.Arrived).Seconds()
	r.Started, r.Steps = stepTimes(plan, in, r.Finished)
	r.Report, r.Page = reportKey(r.Folder), reportPageKey(r.Folder)
	if plan.Table != nil {
		r.Table = plan.Table.Name
	}
	for _, o := range in.Delivery.Objects {
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
	if len(plan.Ignored) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("The columns %s were ignored: they are Penstock's own, from an earlier reject file.", strings.Join(plan.Ignored, ", ")))
	}
	return r
}

// stateOfRun decides how the run ended, and why when it did not come to its end.
func stateOfRun(plan *Plan, in FinishIn, t *tally) (string, *Reason) {
	c := t.counts
	switch {
	case t.failure != nil && (in.Error != nil && in.Error.Error == mapFailed || !in.died.IsZero()):
		return Failed, &t.failure.Reason
	case in.Error != nil:
		return Failed, in.Error.reason()
	case plan.State == Refused && plan.Reason != nil:
		return Refused, plan.Reason
	case in.Turn != nil && in.Turn.State == Refused && c.Written()+c.Uncertain > 0: // by an earlier execution of the run
		return Failed, in.Turn.Reason
	case in.Turn != nil && in.Turn.State == Refused:
		return Refused, in.Turn.Reason
	case c.NotAttempted > 0 || plan.State != Proven:
		return Failed, &Reason{Kind: string(fault.Interrupted), Code: "not_finished", Message: "the run ended before all rows were sent",
			Advice: "start it again; it goes on where it was"}
	case c.Rejected > 0:
		return Partial, nil
	}
	return Succeeded, nil
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

// reasonsOf groups rejects by code and column, the most frequent first.
func reasonsOf(rejects []row.Reject) []report.RejectReason {
	type kind struct{ code, column string }
	at := map[kind]int{}
	var reasons []report.RejectReason
	for _, r := range rejects {
		k := kind{r.Code, r.Column}
		i, known := at[k]
		if !known {
			i = len(reasons)
			at[k] = i
			reasons = append(reasons, report.RejectReason{Code: r.Code, Column: r.Column, Line: r.Line})
		}
		reasons[i].Count++
	}
	slices.SortStableFunc(reasons, func(a, b report.RejectReason) int { return int(b.Count - a.Count) })
	return reasons
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
		NotAttempted: r.NotAttempted, Report: reportKey(r.Folder), Rejects: r.Rejects,
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
func stepTimes(plan *Plan, in FinishIn, end time.Time) (started time.Time, steps []report.Step) {
	if plan.PreparedAt.IsZero() {
		return time.Time{}, nil
	}
	started = plan.PreparedAt.Add(-time.Duration(plan.Seconds * float64(time.Second)))
	steps = []report.Step{{Name: "prepare", Seconds: plan.Seconds}}
	if in.Turn == nil || in.Turn.Taken.IsZero() {
		return started, steps
	}
	return started, append(steps,
		report.Step{Name: "turn", Seconds: max(0, in.Turn.Taken.Sub(plan.PreparedAt).Seconds())},
		report.Step{Name: "load", Seconds: end.Sub(in.Turn.Taken).Seconds()})
}
