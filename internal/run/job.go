package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// A job of the service that deletes what is under a filter (clear: bulkdelete) is
// the one thing of ours that no turn and no fence can hold back: it may wait for
// hours until the service starts it, and deletes what it finds then. If loading
// had begun, it would delete what was loaded. So
//
//   - before it is asked for, turns/TARGET/jobs/RUN says that it may exist. Whoever
//     takes the target's turn after that does not begin, and this run does not load,
//     before the service says that every job of that name has ended. The mark comes
//     before the last look at the turn, and the look at marks after the turn is
//     taken: one of the two sees the other;
//   - its name is the run's, so that it is found although the answer was lost;
//   - it is asked for once. Of a job that nobody finds, the request may still be
//     under way: that long is waited, and then rows are deleted one by one.

// jobMark is turns/TARGET/jobs/RUN.
type jobMark struct {
	V     int       `json:"v"`
	Run   string    `json:"run"`
	Name  string    `json:"name"`
	By    string    `json:"by"` // the call that asks for it
	Epoch int       `json:"epoch"`
	At    time.Time `json:"at"`
	There int64     `json:"there"` // records under the filter before
}

// jobEnd is survey/job: how the job ended.
type jobEnd struct {
	V       int                `json:"v"`
	Epoch   int                `json:"epoch"`
	State   dataverse.JobState `json:"state"` // "" when there was none
	There   int64              `json:"there"`
	Deleted int64              `json:"deleted"`
	Failed  int64              `json:"failed"`
}

// jobAsked is survey/asked: the run has asked for a job, whatever became of it.
type jobAsked struct {
	V     int    `json:"v"`
	Name  string `json:"name"`
	Epoch int    `json:"epoch"`
}

func (t *turns) jobKey(run string) string { return t.prefix + "jobs/" + run }

// job clears by a job of the service. With out there is nothing to verify yet.
// over says that rows are deleted one by one already.
func (v *survey) job(ctx context.Context, over bool) (end jobEnd, out *Surveyed, err error) {
	ended, err := v.readJobEnd(ctx, v.plan)
	if err != nil {
		return end, nil, err
	}
	if ended != nil {
		return *ended, nil, errors.Join(v.ours(ended.Epoch), v.Work.Delete(ctx, v.turns.jobKey(v.in.Run)))
	}
	mark, err := v.turns.readJob(ctx, v.in.Run)
	if err != nil || over {
		return end, nil, err
	}
	if mark == nil {
		asked, err := v.readAsked(ctx, v.plan)
		if asked != nil && err == nil {
			err = v.ours(asked.Epoch) // its mark was taken away by a run that saw its end
		}
		if err != nil {
			return end, nil, err
		}
		return v.startJob(ctx)
	}
	if err := v.ours(mark.Epoch); err != nil {
		return end, nil, err
	}
	status, gone, err := v.jobStatus(ctx, v.client, mark)
	if err != nil {
		return end, nil, err
	}
	if !gone {
		out, err := v.await(status)
		return end, out, err
	}
	end = jobEnd{V: 1, Epoch: v.in.Epoch, State: status.State, There: mark.There, Deleted: status.Deleted, Failed: status.Failed}
	if err := store.CreateJSON(ctx, v.Work, jobEndKey(v.plan.folder()), end); errors.Is(err, store.ErrExists) {
		return v.job(ctx, over)
	} else if err != nil {
		return end, nil, fmt.Errorf("write down how the job ended: %w", err)
	}
	return end, nil, v.Work.Delete(ctx, v.turns.jobKey(v.in.Run))
}

// startJob counts what there is, and asks for the job.
func (v *survey) startJob(ctx context.Context) (end jobEnd, out *Surveyed, err error) {
	there, out, err := v.read(ctx, "count", nil, nil)
	if err != nil || out != nil {
		return end, out, err
	}
	if there.Read == 0 {
		return end, nil, nil
	}
	if err := v.guard(ctx, there.Read, there.Read-v.plan.toLoad()); err != nil {
		return end, nil, err
	}
	mark := jobMark{V: 1, Run: v.in.Run, Name: "Penstock " + v.in.Run, By: v.name, Epoch: v.in.Epoch, At: v.now(), There: there.Read}
	asked := jobAsked{V: 1, Name: mark.Name, Epoch: mark.Epoch}
	if err := store.PutJSON(ctx, v.Work, jobAskedKey(v.plan.folder()), asked); err != nil {
		return end, nil, fmt.Errorf("write down that a job is asked for: %w", err)
	}
	err = store.CreateJSON(ctx, v.Work, v.turns.jobKey(v.in.Run), mark)
	if errors.Is(err, store.ErrExists) { // another call asks for it
		out, err := v.await(dataverse.JobStatus{})
		return end, out, err
	}
	if err != nil {
		return end, nil, fmt.Errorf("write down that a job is asked for: %w", err)
	}
	if err := v.mayAct(ctx); err != nil {
		return end, nil, err
	}
	if _, err := v.client.BulkDelete(ctx, v.plan.Table, v.plan.Filter, mark.Name); err != nil {
		if fault.Is(err, fault.Denied) { // there certainly is none
			err = errors.Join(err, v.Work.Delete(ctx, v.turns.jobKey(v.in.Run)), v.Work.Delete(ctx, jobAskedKey(v.plan.folder())))
		}
		return end, nil, err
	}
	out, err = v.await(dataverse.JobStatus{})
	return end, out, err
}

// await says how long until the next look at the job.
func (v *survey) await(status dataverse.JobStatus) (*Surveyed, error) {
	if v.in.Last != nil && v.in.Last.Waits >= surveyWaits {
		return nil, fault.New(fault.Refused, "job_not_finished", "the bulk deletion of table %s had not ended after %d looks", v.plan.Table.Name, surveyWaits).
			Advise("see what holds the system job up, or cancel it; then let the run go on")
	}
	return v.wait(fmt.Sprintf("the service's bulk deletion has deleted %s", fault.Count(status.Deleted, "record"))), nil
}

// jobStatus tells whether every job that a mark may stand for has ended, and what they did together.
func (s *Steps) jobStatus(ctx context.Context, client *dataverse.Client, mark *jobMark) (all dataverse.JobStatus, ended bool, err error) {
	ids, err := client.Jobs(ctx, mark.Name)
	if err != nil {
		return all, false, err
	}
	if len(ids) == 0 {
		return all, s.now().Sub(mark.At) >= s.Worker+serverMargin, nil
	}
	ended = true
	for _, id := range ids {
		status, err := client.Job(ctx, id)
		if err != nil {
			return all, false, err
		}
		if status.State == dataverse.JobRunning {
			ended = false
		}
		all.State, all.Deleted, all.Failed = status.State, all.Deleted+status.Deleted, all.Failed+status.Failed
	}
	return all, ended, nil
}

// readJob is nil when the run has no job that may still be there.
func (t *turns) readJob(ctx context.Context, run string) (*jobMark, error) {
	return readMark[jobMark](ctx, t.Steps, t.jobKey(run))
}

// working is a run whose job may still delete records of the target; "" is none.
// Such a run may be dead: whoever wants the turn asks the service itself.
func (t *turns) working(ctx context.Context, plan *Plan) (string, error) {
	for info, err := range t.Work.List(ctx, t.prefix+"jobs/") {
		if err != nil {
			return "", fmt.Errorf("look for jobs: %w", err)
		}
		run := strings.TrimPrefix(info.Key, t.prefix+"jobs/")
		if run == plan.Start.Run {
			continue // its own survey looks after it
		}
		mark, err := t.readJob(ctx, run)
		if err != nil {
			return "", err
		}
		if mark == nil {
			continue
		}
		client, err := t.connection(ctx, plan)
		if err != nil {
			return "", err
		}
		_, ended, err := t.jobStatus(ctx, client, mark)
		if err != nil {
			return "", err
		}
		if !ended {
			return run, nil
		}
		if err := t.Work.Delete(ctx, info.Key); err != nil {
			return "", err
		}
	}
	return "", nil
}

// readJobEnd is nil when no job of the run has ended.
func (s *Steps) readJobEnd(ctx context.Context, plan *Plan) (*jobEnd, error) {
	return readMark[jobEnd](ctx, s, jobEndKey(plan.folder()))
}

// readAsked is nil when the run has asked for no job.
func (s *Steps) readAsked(ctx context.Context, plan *Plan) (*jobAsked, error) {
	return readMark[jobAsked](ctx, s, jobAskedKey(plan.folder()))
}

// readMark reads a small object that may not be there: then it is nil.
func readMark[T any](ctx context.Context, s *Steps, key string) (*T, error) {
	var mark T
	err := store.ReadJSON(ctx, s.Work, key, &mark)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return &mark, nil
}
