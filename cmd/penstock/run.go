package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

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
	Files       []string `arg:"" name:"file" help:"The files to load, in this order, as one delivery; or a directory or manifest that names them."`
	Destination string   `short:"d" required:"" placeholder:"NAME" help:"Which destination of the configuration to load it with."`
	Config      string   `short:"c" default:"penstock.yaml" placeholder:"FILE" help:"The configuration (${default})."`
	Dir         string   `default:".penstock" placeholder:"DIR" help:"Where runs keep their state, reports and rejects (${default})."`
	Again       bool     `help:"Append content again that was appended before."`
	JSON        bool     `help:"Print one JSON object at the end, and nothing else, on standard output."`
	Quiet       bool     `short:"q" help:"No progress."`

	resume string // a run to go on with, instead of a file
}

// Help is shown below the flags.
func (runCommand) Help() string {
	return `Reads and checks every row first; nothing is written when more rows are wrong than
the destination allows. A run that was interrupted, even by kill -9, goes on where
it was when the same command is given again; no row is written twice.

  penstock run people.csv -d members
  penstock run people.csv -d members --json | jq .rejected
  penstock run part-*.csv.gz -d members      several files, one delivery
  penstock run unload/2026-03-01 -d members  all files of a directory, or those of its manifest

Files are CSV in any dialect, JSON Lines, a JSON array, Parquet or Excel, compressed
or not. How they are written is found out and told; penstock rows shows it.

Ctrl-C lets the calls in flight end and accounts for the rows so far; a second one
stops at once. The report and the rejects are in DIR/runs/DESTINATION/RUN/.`
}

func (c *runCommand) Run(ctx context.Context, hurry haste, s streams) error {
	defer context.AfterFunc(hurry, func() { os.Exit(codeFailed) })() // as safe as any crash
	finished, err := c.load(ctx, s)
	if c.JSON {
		err = errors.Join(err, printJSON(s, c.Dir, c.Destination, finished, err))
	}
	if err != nil {
		return err
	}
	return ended(codeOfRun(finished))
}

// load runs the file through the state machine and tells a person how it went.
func (c *runCommand) load(ctx context.Context, s streams) (run.Finished, error) {
	if err := c.checkFiles(); err != nil {
		return run.Finished{}, err
	}
	cfg, err := config.Load(c.Config)
	if err != nil {
		return run.Finished{}, err
	}
	work, err := store.Dir(c.Dir)
	if err != nil {
		return run.Finished{}, fmt.Errorf("open %s: %w", c.Dir, err)
	}
	connections := &run.Connections{UserAgent: "penstock/" + version, Secrets: secretsBeside(c.Config), Work: work}
	defer connections.Close()
	watch := newWatcher(s.err, c.Quiet || c.JSON)
	watch.useBars()
	defer watch.close()
	deliver, err := c.delivery(ctx)
	if err != nil {
		return run.Finished{}, err
	}
	dest, err := cfg.Destination(c.Destination)
	if err != nil {
		return run.Finished{}, err
	}
	shop, err := openWorkshop(c.Dir, work, cfg, connections.Connect, watch)
	if err != nil {
		return run.Finished{}, err
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	reached := make(chan error, 1)
	go func() { reached <- reach(asking, cfg, dest, connections.Connect) }()
	shop.Ready = func() error { return <-reached }
	defer context.AfterFunc(ctx, func() {
		watch.tell("Stopping: the calls in flight may end. The same command goes on later; Ctrl-C again stops at once.")
	})()
	finished, err := deliver(ctx, shop)
	watch.close()
	if err != nil || c.JSON {
		return finished, err
	}
	if err := printSummary(context.WithoutCancel(ctx), s, shop.Steps, c.Dir, finished); err != nil {
		return finished, err
	}
	if finished.State == run.Failed {
		fmt.Fprintf(s.out, "Go on    %s\n", c.resumeLine(finished.Run))
	}
	return finished, nil
}

// resumeLine is the command that goes on with a run, as it is typed.
func (c *runCommand) resumeLine(id string) string {
	line := "penstock resume " + id
	if c.Dir != ".penstock" {
		line += " --dir " + shellWord(c.Dir)
	}
	if c.Config != "penstock.yaml" {
		line += " -c " + shellWord(c.Config)
	}
	return line
}

// shellWord quotes a word where a shell would read it as something else.
func shellWord(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(c rune) bool {
		return !strings.ContainsRune("/._-+=:,@%", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func (c *runCommand) checkFiles() error {
	if c.resume != "" {
		return nil
	}
	return readable(c.Files)
}

// delivery is what to bring in: the files, or what is left of the run to resume.
func (c *runCommand) delivery(ctx context.Context) (func(context.Context, *local.Workshop) (run.Finished, error), error) {
	if c.resume == "" {
		return func(ctx context.Context, shop *local.Workshop) (run.Finished, error) {
			return shop.DeliverFiles(ctx, c.Files, c.Destination, c.Again)
		}, nil
	}
	start, err := findRun(ctx, c.Dir, c.resume)
	if err != nil {
		return nil, err
	}
	c.Destination = start.Destination
	return func(ctx context.Context, shop *local.Workshop) (run.Finished, error) {
		if err := shop.Ready(); err != nil {
			return run.Finished{}, err
		}
		return shop.Execute(ctx, start)
	}, nil
}

// readable tells a slip on the command line from a file that is not as it should be.
func readable(paths []string) error {
	for _, path := range paths {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Refused, "usage", "there is no such file").At(path, 0, "")
		}
	}
	return nil // anything else is told when it is read
}

// reachTime is how long an environment may take to answer before a run has begun.
const reachTime = 20 * time.Second

// reach asks whether the environment is there at all. In the middle of a run an
// absent one is waited for; before it, a person is told at once. What it answers
// is for prepare to judge.
func reach(ctx context.Context, cfg *config.Config, dest *config.Destination, connect connectFunc) error {
	conn, err := cfg.Connection(dest.Connection)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	client, err := connect(ctx, conn)
	if err == nil {
		_, err = client.WhoAmI(ctx)
	}
	e, ok := fault.As(err)
	if !ok || e.Kind != fault.Interrupted {
		return nil
	}
	what := e.Message
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		what = fmt.Sprintf("no answer within %s", reachTime)
	}
	return fault.New(fault.Interrupted, e.Code, "connection %q, %s: %s", conn.Name, conn.URL, what).
		Advise("nothing was written; check the address and the network, and give the same command again").Because(e.Cause)
}

// openWorkshop wires the steps to a directory of this machine.
func openWorkshop(dir string, work store.Store, cfg *config.Config, connect connectFunc, watch *watcher) (*local.Workshop, error) {
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
