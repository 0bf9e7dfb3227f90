package local

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"penstock/internal/config"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/run"
	"penstock/internal/store"
)

// Workshop runs deliveries on this machine, in one directory.
type Workshop struct {
	Steps   *run.Steps
	Machine *Machine
	Locks   *Locks

	// Ready is waited for before a run begins, while its files are read: what else must be known first. May be nil.
	Ready func() error
}

// NewWorkshop makes the steps run in this process: every worker of a run ends
// before its process does, and a run's lock tells whether it lives.
func NewWorkshop(dir string, steps *run.Steps) (*Workshop, error) {
	locks, err := NewLocks(filepath.Join(dir, "locks"))
	if err != nil {
		return nil, err
	}
	steps.Alive, steps.Worker, steps.Drained, steps.Patience = locks.Alive, 0, true, time.Second
	machine, err := NewMachine(steps)
	if err != nil {
		return nil, err
	}
	return &Workshop{Steps: steps, Machine: machine, Locks: locks}, nil
}

// DeliverFile brings a file of this machine into a destination.
func (w *Workshop) DeliverFile(ctx context.Context, path, destination string, again bool) (run.Finished, error) {
	return w.DeliverFiles(ctx, []string{path}, destination, again)
}

// DeliverFiles brings files of this machine (see Gather) into a destination, as
// one delivery. It is identified by their paths and content, in order: one whose
// last run did not come to its end goes on with that run. again means that
// content which was appended before shall be appended once more.
func (w *Workshop) DeliverFiles(ctx context.Context, paths []string, destination string, again bool) (run.Finished, error) {
	objects, err := Gather(ctx, paths, w.Steps.Limits)
	if err == nil {
		err = identify(objects)
	}
	if err == nil && w.Ready != nil {
		err = w.Ready()
	}
	if err != nil {
		return run.Finished{}, err
	}
	start, err := w.startOf(ctx, objects, destination, again)
	if err != nil {
		return run.Finished{}, err
	}
	return w.Execute(ctx, start)
}

// Execute runs or resumes a pinned run under its lock.
func (w *Workshop) Execute(ctx context.Context, start run.Start) (run.Finished, error) {
	release, err := w.Locks.Take(start.Run)
	for range 20 { // a waiting run's look holds the lock for a moment
		if err != nil || release != nil {
			break
		}
		select {
		case <-ctx.Done():
			return run.Finished{}, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		release, err = w.Locks.Take(start.Run)
	}
	if err != nil {
		return run.Finished{}, err
	}
	if release == nil {
		return run.Finished{}, fault.New(fault.Interrupted, "already_running", "run %s is in progress in another process", start.Run).
			Advise("wait for it")
	}
	defer release()
	return w.Machine.Run(ctx, start)
}

// startOf finds the run to resume, or pins a new one.
func (w *Workshop) startOf(ctx context.Context, objects []delivery.Object, destination string, again bool) (run.Start, error) {
	start := run.Start{V: 1, Destination: destination, Arrived: w.Steps.Now(), Again: again,
		Delivery: run.Delivery{ID: run.DeliveryID(objects...), Objects: objects}}
	last, err := w.Steps.Latest(ctx, destination, start.Delivery.ID)
	if err != nil {
		return run.Start{}, err
	}
	if last != nil {
		ended, err := w.Steps.Finished(ctx, destination, last.Run)
		switch {
		case errors.Is(err, store.ErrNotExist) || err == nil && ended.State == run.Failed:
			return *last, nil // unfinished: go on
		case err != nil:
			return run.Start{}, err
		case ended.Written > 0 && !again && w.appends(ctx, destination):
			return run.Start{}, fault.New(fault.Refused, "already_loaded", "run %s has already appended the rows of this very %s", last.Run, fileOrFiles(objects)).
				Advise("if they are really meant to be there twice, run again with --again")
		}
		start.Ordinal = last.Ordinal + 1
	}
	pinned, _, err := w.Steps.Pin(ctx, start)
	return pinned, err
}

func (w *Workshop) appends(ctx context.Context, destination string) bool {
	cfg, err := w.Steps.Config(ctx)
	if err != nil {
		return false // prepare will say what is wrong with it
	}
	dest, err := cfg.Destination(destination)
	return err == nil && dest.Mode == config.Append
}

func fileOrFiles(objects []delivery.Object) string {
	if len(objects) == 1 {
		return "file"
	}
	return "list of files"
}
