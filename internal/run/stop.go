package run

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	// awaitTime is how long Finish waits for workers that were told to stop: they look before
	// each call, and a call takes five minutes at most.
	awaitTime = 6 * time.Minute
	awaitLook = 5 * time.Second
	// awaitSpare is what Finish needs for itself after waiting.
	awaitSpare = 3 * time.Minute
)

// stopWorkers makes sure that a failed run's account is not written while its
// workers still write: nothing cancels a function when its execution fails, so
// they are told through the turn, and waited for, for a bounded time.
func (s *Steps) stopWorkers(ctx context.Context, plan *Plan, in FinishIn) error {
	if s.Drained || plan.State != Proven || in.Error == nil && in.died.IsZero() {
		return nil
	}
	if err := s.turnsOf(plan, in.Execution).stop(ctx, plan.Start.Run); err != nil {
		return err
	}
	open, err := s.openAttempts(ctx, plan)
	if err != nil {
		return err
	}
	until := s.now().Add(awaitTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-awaitSpare).Before(until) {
		until = deadline.Add(-awaitSpare)
	}
	for len(open) > 0 && s.now().Before(until) {
		if err := s.sleep(ctx, awaitLook); err != nil {
			return err
		}
		for attempt := range open {
			ended, err := s.any(ctx, plan.folder()+"ended/"+attempt+".")
			if err != nil {
				return err
			}
			if ended {
				delete(open, attempt)
			}
		}
	}
	return nil
}

// resumed tells whether the end of an execution is of no account, because another
// one has begun since (word of a death may come late): that one gives its own
// account, and must not be stopped.
func (s *Steps) resumed(ctx context.Context, plan *Plan, in FinishIn) (bool, error) {
	if plan.State != Proven {
		return false, nil
	}
	if overtaken, err := s.overtaken(ctx, plan, in.Execution); err != nil || overtaken {
		return overtaken, err
	}
	if in.stopped.IsZero() {
		return false, nil
	}
	// Executions from before they left traces.
	last, err := s.turnsOf(plan, nil).last(ctx)
	if err != nil {
		return false, fmt.Errorf("look at the turn: %w", err)
	}
	return last.n > 0 && last.holder.Run == plan.Start.Run && last.holder.Execution == "" && last.holder.Taken.After(in.stopped), nil
}

// openAttempts are the attempts that have begun and not said how they ended, as
// BY/CHUNK.attempt-K. One whose latest word is older than a worker can live is not waited for.
func (s *Steps) openAttempts(ctx context.Context, plan *Plan) (map[string]bool, error) {
	latest := map[string]time.Time{}
	for info, err := range s.Work.List(ctx, plan.folder()+"results/"+plan.By+"/") {
		if err != nil {
			return nil, fmt.Errorf("list the journals: %w", err)
		}
		attempt := strings.TrimPrefix(info.Key, plan.folder()+"results/")
		latest[attempt[:strings.LastIndexByte(attempt, '/')]] = info.Modified
	}
	for info, err := range s.Work.List(ctx, endedPrefix(plan.folder(), plan.By)) {
		if err != nil {
			return nil, fmt.Errorf("list the ends of attempts: %w", err)
		}
		attempt, _, _ := strings.Cut(strings.TrimPrefix(info.Key, plan.folder()+"ended/"), ".rejected-")
		delete(latest, attempt)
	}
	open := map[string]bool{}
	for attempt, at := range latest {
		if s.now().Sub(at) < s.Worker {
			open[attempt] = true
		}
	}
	return open, nil
}

// any tells whether an object with a prefix exists.
func (s *Steps) any(ctx context.Context, prefix string) (bool, error) {
	for _, err := range s.Work.List(ctx, prefix) {
		return err == nil, err
	}
	return false, nil
}

func (s *Steps) sleep(ctx context.Context, d time.Duration) error {
	if s.Sleep != nil {
		return s.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
