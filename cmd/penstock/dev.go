package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"

	"penstock/examples"
	"penstock/internal/config"
	"penstock/internal/local"
	"penstock/internal/run"
)

type devCommand struct {
	Dir       string `placeholder:"DIR" help:"Keep all state here between starts; without it, it is gone at the end." type:"path"`
	Config    string `short:"c" placeholder:"FILE" help:"Your penstock.yaml; without it, the one of the examples."`
	S3        string `name:"s3" default:"127.0.0.1:9000" placeholder:"ADDR" help:"Address of the embedded S3 (${default})."`
	Dataverse string `default:"127.0.0.1:8443" placeholder:"ADDR" help:"Address of the Dataverse emulator, TLS (${default})."`
	HTTP      string `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address of the emulator for plain HTTP (${default})."`
	Verbose   bool   `short:"v" help:"Log what the parts do."`
}

// Help is shown below the flags.
func (devCommand) Help() string {
	return `Drop a file and watch it land: upload it with any S3 client, or copy it into the drop
folder. Every connection of the configuration leads to the embedded emulator; nothing
here ever reaches a real environment. Ctrl-C lets the runs in progress end; a second
one stops them, and with --dir they go on at the next start.`
}

func (c *devCommand) Run(ctx context.Context, hurry haste, s streams) error {
	load := configOf(c.Config)
	cfg, err := load()
	if err != nil {
		return err
	}
	dir, leave, err := c.directory()
	if err != nil {
		return err
	}
	defer leave()
	if err := errors.Join(askFree("--s3", c.S3), askFree("--dataverse", c.Dataverse), askFree("--http", c.HTTP)); err != nil {
		return err
	}
	d := &developer{streams: s, reports: dir, watch: newWatcher(s.err, false)}
	stack, err := d.start(local.StackOptions{Dir: dir, Config: load, S3: c.S3, Dataverse: c.Dataverse, Plain: c.HTTP,
		UserAgent: "penstock/" + version, Log: c.log(s)})
	if err != nil {
		return err
	}
	d.welcome(cfg)
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var drop sync.WaitGroup
	drop.Go(func() {
		if err := stack.WatchDrop(watching, d.taken); err != nil {
			fmt.Fprintln(s.err, "penstock:", err)
		}
	})
	<-ctx.Done()
	for _, folder := range stack.Waiting() {
		fmt.Fprintf(s.err, "penstock: nothing was done with %s: no manifest or _SUCCESS came\n", printable(folder))
	}
	fmt.Fprintln(s.out, "Ending: runs in progress may end. Ctrl-C again stops them.")
	defer context.AfterFunc(hurry, func() { fmt.Fprintln(s.out, "Stopping: calls in flight may end. Ctrl-C again stops at once.") })()
	drop.Wait()
	return stack.Close(hurry)
}

// directory is where the state is kept, and how to leave it.
func (c *devCommand) directory() (dir string, leave func(), err error) {
	if c.Dir == "" {
		if dir, err = os.MkdirTemp("", "penstock-dev-*"); err != nil {
			return "", nil, fmt.Errorf("make a directory for this session: %w", err)
		}
		return dir, func() { os.RemoveAll(dir) }, nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("make the directory of --dir: %w", err)
	}
	leave, err = claim(c.Dir, "dev")
	return c.Dir, leave, err
}

// log shows what goes wrong inside, and with -v what goes on.
func (c *devCommand) log(s streams) *slog.Logger {
	level := slog.LevelError
	if c.Verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// configOf reads the configuration anew at every call, so that an edit holds for the next run.
func configOf(file string) func() (*config.Config, error) {
	if file != "" {
		return func() (*config.Config, error) { return config.Load(file) }
	}
	return func() (*config.Config, error) {
		data, err := examples.Files.ReadFile("penstock.yaml")
		if err != nil {
			return nil, fmt.Errorf("read the example configuration: %w", err)
		}
		return config.Parse(data, "examples/penstock.yaml")
	}
}

// developer talks to the person who runs the stack.
type developer struct {
	streams
	stack   *local.Stack
	reports string
	watch   *watcher
	mu      sync.Mutex
}

// start opens the stack with everything that it tells going to this person.
func (d *developer) start(o local.StackOptions) (stack *local.Stack, err error) {
	ready := make(chan struct{})
	o.Progress, o.Ignored, o.Waiting = d.watch.see, d.ignored, d.waiting
	// A run that an earlier start left unfinished may end before the stack is known here.
	o.Ended = func(start run.Start, f run.Finished, err error) { <-ready; d.ended(start, f, err) }
	if d.stack, err = local.StartStack(o); err != nil {
		return nil, err
	}
	close(ready)
	return d.stack, nil
}

func (d *developer) welcome(cfg *config.Config) {
	e := d.stack.Emulator
	fmt.Fprintf(d.out, `Penstock is up.
  S3          %s   (bucket %s; any access key)
  Dataverse   %s/api/data/v9.2/
`, d.stack.S3.URL(), local.InboxBucket, e.URL)
	if e.PlainURL != "" {
		fmt.Fprintf(d.out, "  plain HTTP  %s/api/data/v9.2/\n", e.PlainURL)
	}
	fmt.Fprintf(d.out, `  token       %s/TENANT/oauth2/v2.0/token
  authority   %s
  drop folder %s
  reports     %s

Drop a file, for instance:
`, e.URL, e.CAFile, d.stack.Drop, filepath.Join(d.reports, "runs"))
	var names []string
	for name := range cfg.Destinations {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintln(d.out, "  export AWS_ACCESS_KEY_ID=penstock AWS_SECRET_ACCESS_KEY=penstock AWS_DEFAULT_REGION=us-east-1")
	for _, name := range names {
		audience := cfg.Destinations[name].Audiences[0]
		_ = os.MkdirAll(filepath.Join(d.stack.Drop, audience, name), 0o755)
		fmt.Fprintf(d.out, "  aws s3 cp FILE s3://%s/inbox/%s/%s/ --endpoint-url %s\n", local.InboxBucket, audience, name, d.stack.S3.URL())
	}
	fmt.Fprintln(d.out, "\nCtrl-C ends it.")
}

func (d *developer) taken(key string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		fmt.Fprintf(d.err, "penstock: cannot take %s: %v\n", printable(key), err)
		return
	}
	fmt.Fprintf(d.out, "taken %s\n", printable(key))
}

// printable keeps control characters in a file's name from the terminal.
func printable(name string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, name)
}

// ignored tells of an upload that starts nothing.
func (d *developer) ignored(key, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.err, "penstock: nothing is done with %s: %s\n", printable(key), why)
}

// waiting tells of a delivery in several files, which somebody must complete.
func (d *developer) waiting(folder string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, "%s waits for its manifest or _SUCCESS, which comes last and starts the run\n", printable(folder))
}

// ended tells how a run ended. Several may be in progress, so it names the file.
func (d *developer) ended(start run.Start, f run.Finished, err error) {
	d.watch.forget(start.Run)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		for _, object := range start.Delivery.Objects {
			fmt.Fprintf(d.out, "\n%s", printable(object.Key))
		}
		err = d.summarize(f)
	}
	if err != nil {
		fmt.Fprintf(d.err, "run %s of %s: %v\n", start.Run, start.Destination, err)
	}
}

// summarize puts a run's report where a person can open it, and tells its summary.
func (d *developer) summarize(f run.Finished) error {
	r, err := fetchReport(context.Background(), d.stack.Steps, d.reports, f)
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	return summarize(d.out, *r, d.reports)
}
