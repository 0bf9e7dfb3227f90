package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

type runCommand struct {
	Files       []string `arg:"" name:"file" help:"The file to load: CSV with a header row, or JSON Lines."`
	Destination string   `short:"d" required:"" help:"Which destination of the configuration to load it with."`
	Config      string   `short:"c" default:"penstock.yaml" help:"The configuration (${default})."`
	Dir         string   `default:".penstock" help:"Where runs keep their state, reports and rejects (${default})."`
	Again       bool     `help:"Append content again that was appended before."`
	JSON        bool     `help:"Print one JSON object at the end, and nothing else, on standard output."`
	Quiet       bool     `short:"q" help:"No progress."`
}

// Help is shown below the flags.
func (runCommand) Help() string {
	return `Reads and checks every row first; nothing is written when more rows are wrong than
the destination allows. A run that was interrupted, even by kill -9, goes on where
it was when the same command is given again; no row is written twice.

The report and the rejects are in DIR/runs/DESTINATION/RUN/.`
}

func (c *runCommand) Run(ctx context.Context, s streams) error {
	if len(c.Files) != 1 {
		return fault.New(fault.Refused, "usage", "one run loads one file, not %d", len(c.Files)).Advise("give the command once for each")
	}
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	if _, err := cfg.Destination(c.Destination); err != nil {
		return err
	}
	connections := &run.Connections{UserAgent: "penstock/" + version, Secrets: secretsBeside(c.Config)}
	defer connections.Close()
	watch := newWatcher(s.err, c.Quiet || c.JSON)
	shop, err := openWorkshop(c.Dir, cfg, connections.Connect, watch)
	if err != nil {
		return err
	}
	finished, err := shop.DeliverFile(ctx, c.Files[0], c.Destination, c.Again)
	watch.close()
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s, c.Dir, finished)
	} else {
		err = printSummary(ctx, s, shop.Steps, c.Dir, finished)
	}
	if err != nil {
		return err
	}
	return ended(codeOfRun(finished))
}

// openWorkshop wires the steps to a directory of this machine.
func openWorkshop(dir string, cfg *config.Config, connect connectFunc, watch *watcher) (*local.Workshop, error) {
	work, err := store.Dir(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return local.NewWorkshop(dir, &run.Steps{
		Work:     work,
		Inbox:    delivery.Files{},
		Config:   func(context.Context) (*config.Config, error) { return cfg, nil },
		Connect:  connect,
		Now:      time.Now,
		Log:      slog.New(slog.DiscardHandler), // the person sees progress and the summary
		Limits:   delivery.DefaultLimits,
		Progress: watch.see,
	})
}

type connectFunc = func(context.Context, *config.Connection) (*dataverse.Client, error)

// secretsBeside resolves file: credentials against the configuration's directory, and opens AWS only when one needs it.
func secretsBeside(file string) secret.Reader {
	return secret.Reader{
		Dir: filepath.Dir(file),
		Secrets: func(ctx context.Context) (*secretsmanager.Client, error) {
			cfg, err := awsconfig.LoadDefaultConfig(ctx)
			if err != nil {
				return nil, fmt.Errorf("load the AWS configuration: %w", err)
			}
			return secretsmanager.NewFromConfig(cfg), nil
		},
	}
}

// printJSON prints the run's end for programs. Report and rejects are paths on this machine.
func printJSON(s streams, dir string, f run.Finished) error {
	f.Report = pathIn(dir, f.Report)
	f.Rejects = pathIn(dir, f.Rejects)
	encoder := json.NewEncoder(s.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(f)
}

func pathIn(dir, key string) string {
	if key == "" {
		return ""
	}
	return filepath.Join(dir, filepath.FromSlash(key))
}
