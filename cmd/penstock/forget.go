package main

import (
	"context"
	"fmt"
	"path/filepath"

	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/snapshot"
	"penstock/internal/store"
)

type forgetCommand struct {
	Destination string `arg:"" help:"Whose rows; it need not be in the configuration any more."`
	Dir         string `default:".penstock" placeholder:"DIR" help:"Where its runs kept their state (${default})."`
}

// Help is shown below the flags.
func (forgetCommand) Help() string {
	return `Deletes what only_changes remembers of a destination's rows: keyed hashes, which count
as personal data and stay when a destination is removed. The next load into it sends
every row. Runs, with their reports and rejects, are folders of DIR/runs: delete those
that nobody needs any more.`
}

func (c *forgetCommand) Run(ctx context.Context, s streams) error {
	work, err := store.Dir(c.Dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", c.Dir, err)
	}
	defer work.Close()
	if err := idle(ctx, work, c.Dir, c.Destination); err != nil {
		return err
	}
	objects, err := snapshot.Forget(ctx, work, c.Destination)
	if err != nil {
		return err
	}
	if objects == 0 {
		fmt.Fprintf(s.out, "Nothing is remembered of the rows of %s in %s.\n", printable(c.Destination), c.Dir)
		return nil
	}
	fmt.Fprintf(s.out, "What was remembered of the rows of %s is deleted.\n", printable(c.Destination))
	return nil
}

// idle refuses while a run of a destination is in progress: it would write on.
func idle(ctx context.Context, work store.Store, dir, destination string) error {
	locks, err := local.NewLocks(filepath.Join(dir, "locks"))
	if err != nil {
		return err
	}
	for info, err := range work.List(ctx, "starts/") {
		if err != nil {
			return fmt.Errorf("look for runs in progress: %w", err)
		}
		var start run.Start
		if err := store.ReadJSON(ctx, work, info.Key, &start); err != nil {
			return fmt.Errorf("look for runs in progress: %w", err)
		}
		if alive, _ := locks.Alive(start.Run); alive && start.Destination == destination {
			return fault.New(fault.Refused, "usage", "run %s of %s is in progress", start.Run, destination).Advise("wait for its end")
		}
	}
	return nil
}
