package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"penstock/examples"
	"penstock/internal/config"
	"penstock/internal/local"
	"penstock/internal/run"
)

type devCommand struct {
	Dir       string `help:"Keep all state here between starts; without it, it is gone at the end." type:"path"`
	Config    string `short:"c" help:"Your penstock.yaml; without it, the one of the examples." type:"path"`
	S3        string `default:"127.0.0.1:9000" help:"Address of the embedded S3 (${default})."`
	Dataverse string `default:"127.0.0.1:8443" help:"Address of the Dataverse emulator, TLS (${default})."`
	HTTP      string `default:"127.0.0.1:8080" help:"Address of the emulator for plain HTTP (${default})."`
	Verbose   bool   `short:"v" help:"Log what the parts do."`
}

// Help is shown below the flags.
func (devCommand) Help() string {
	return `Drop a file and watch it land: upload it with any S3 client, or copy it into the drop
folder. Every connection of the configuration leads to the embedded emulator; nothing
here ever reaches a real environment. Ctrl-C lets the runs in progress end; a second
one stops them, and with --dir they go on at the next start.`
}

func (c *devCommand) Run(ctx context.Context, s streams) error {
	dir := c.Dir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "penstock-dev-*")
		if err != nil {
			return fmt.Errorf("make a directory for this session: %w", err)
		}
		defer os.RemoveAll(temporary)
		dir = temporary
	}
	load := configOf(c.Config)
	cfg, err := load()
	if err != nil {
		return err
	}
	d := &developer{streams: s, reports: dir, watch: newWatcher(s.err, false)}
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = slog.New(slog.NewTextHandler(s.err, nil))
	}
	// No bars: several runs come and go here, and each ends with its summary.
	d.watch.bars = nil
	ready := make(chan struct{})
	stack, err := local.StartStack(local.StackOptions{
		Dir: dir, Config: load, S3: c.S3, Dataverse: c.Dataverse, Plain: c.HTTP, UserAgent: "penstock/" + version,
		Log: log, Progress: d.watch.see,
		Ended: func(start run.Start, f run.Finished, err error) { <-ready; d.ended(start, f, err) },
	})
	if err != nil {
		return err
	}
	d.stack = stack
	close(ready)
	d.welcome(cfg)
	watching, stopWatching := context.WithCancel(ctx)
	var drop sync.WaitGroup
	drop.Go(func() {
		if err := stack.WatchDrop(watching, d.taken); err != nil {
			fmt.Fprintln(s.err, "penstock:", err)
		}
	})
	<-ctx.Done()
	fmt.Fprintln(s.out, "Ending: letting the runs in progress end. Ctrl-C again stops them.")
	stopWatching()
	drop.Wait()
	again, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return stack.Close(again)
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
		fmt.Fprintf(d.err, "penstock: cannot take %s: %v\n", key, err)
		return
	}
	fmt.Fprintf(d.out, "taken %s\n", key)
}

// ended tells how a run ended.
func (d *developer) ended(start run.Start, f run.Finished, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		fmt.Fprintf(d.err, "run %s of %s: %v\n", start.Run, start.Destination, err)
		return
	}
	r, err := fetchReport(context.Background(), d.stack.Steps, d.reports, f)
	if err != nil {
		fmt.Fprintf(d.err, "run %s of %s: %v\n", start.Run, start.Destination, err)
		return
	}
	fmt.Fprintln(d.out)
	if err := summarize(d.out, *r, d.reports); err != nil {
		fmt.Fprintln(d.err, "penstock:", err)
	}
}
