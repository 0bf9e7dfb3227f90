package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
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

// DeliverFile brings a file of this machine into a destination. The file is
// identified by its path and content: one whose last run did not come to its
// end goes on with that run. again means that content which was appended before
// shall be appended once more.
func (w *Workshop) DeliverFile(ctx context.Context, path, destination string, again bool) (run.Finished, error) {
	object, err := inspectFile(path)
	if err != nil {
		return run.Finished{}, err
	}
	start, err := w.startOf(ctx, object, destination, again)
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
func (w *Workshop) startOf(ctx context.Context, object delivery.Object, destination string, again bool) (run.Start, error) {
	start := run.Start{V: 1, Destination: destination, Arrived: w.Steps.Now(), Again: again,
		Delivery: run.Delivery{ID: run.DeliveryID(object), Objects: []delivery.Object{object}}}
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
			return run.Start{}, fault.New(fault.Refused, "already_loaded", "run %s has already appended the rows of this very file", last.Run).
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

// inspectFile identifies a file by its canonical path and content (rule I1).
func inspectFile(path string) (delivery.Object, error) {
	unreadable := func(err error) error {
		return fault.New(fault.Refused, "delivery_unreadable", "the file cannot be read").At(path, 0, "").Because(err)
	}
	real, err := filepath.Abs(path)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return delivery.Object{}, unreadable(err)
	}
	f, err := os.Open(real)
	if err != nil {
		return delivery.Object{}, unreadable(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return delivery.Object{}, unreadable(errors.Join(err, fmt.Errorf("it is not a regular file")))
	}
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return delivery.Object{}, unreadable(err)
	}
	return delivery.Object{Key: real, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size}, nil
}
