package main

import (
	"context"
	"fmt"

	"penstock/internal/fault"
	"penstock/internal/run"
	"penstock/internal/store"
)

type resumeCommand struct {
	ID     string `arg:"" name:"run" help:"Which run, as its report names it: 20260301T020005Z-3f0c9a81d2."`
	Config string `short:"c" default:"penstock.yaml" placeholder:"FILE" help:"The configuration (${default})."`
	Dir    string `default:".penstock" placeholder:"DIR" help:"Where the run keeps its state (${default})."`
	JSON   bool   `help:"Print one JSON object at the end, and nothing else, on standard output."`
	Quiet  bool   `short:"q" help:"No progress."`
}

// Help is shown below the flags.
func (resumeCommand) Help() string {
	return `Goes on with a run that did not come to its end, where it was, also when its file has
been moved since. What may have been written is settled first; no row is written
twice. A run that did come to its end only writes its account anew.`
}

func (c *resumeCommand) Run(ctx context.Context, hurry haste, s streams) error {
	r := &runCommand{Config: c.Config, Dir: c.Dir, JSON: c.JSON, Quiet: c.Quiet, resume: c.ID}
	return r.Run(ctx, hurry, s)
}

// findRun finds a run's start in a directory.
func findRun(ctx context.Context, dir, id string) (run.Start, error) {
	work, err := store.Dir(dir)
	if err != nil {
		return run.Start{}, fmt.Errorf("open %s: %w", dir, err)
	}
	defer work.Close()
	for info, err := range work.List(ctx, "starts/") {
		if err != nil {
			return run.Start{}, fmt.Errorf("look for run %s: %w", id, err)
		}
		var start run.Start
		if err := store.ReadJSON(ctx, work, info.Key, &start); err != nil {
			return run.Start{}, fmt.Errorf("look for run %s: %w", id, err)
		}
		if start.Run == id {
			return start, nil
		}
	}
	return run.Start{}, fault.New(fault.Refused, "usage", "there is no run %s in %s", id, dir).
		Advise("say --dir, or see the folders in %s/runs", dir)
}
