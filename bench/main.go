// Command bench measures Penstock against the plainest loader and against the
// limit, on one file and one sink, all of them whole processes side by side.
//
//	go run ./bench            everything but what takes long, about nine minutes
//	go run ./bench -quick     a tenth of the rows, one round: does it work at all?
//	go run ./bench -only sink,latency
//	go run ./bench -only big -big-bytes 1000000000    memory for a file of gigabytes
//	go run ./bench -only formats              the same for every format, reading and mapping alone
//	go run ./bench -only profile -dir DIR    one run under the profilers; DIR/cpu.prof, DIR/heap.prof
//
// Machines are noisy, so a figure is a ratio: the contestants take turns, each
// round gives one ratio, and the median of the rounds counts. docs/performance.md
// says what is measured and what came of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	rows, badRows int
	rounds        int
	perCall       int
	inFlight      int
	bigBytes      int64
	latency       time.Duration
	ramp, steady  time.Duration
	plainHTTP     bool
	penstock      string
	dir           string
	only          string
}

// A chapter is one comparison; it prints its table and returns its figures.
type chapter struct {
	name  string
	tell  string
	run   func(context.Context, *stand) ([]figure, error)
	extra bool // only when it is asked for
}

var chapters = []chapter{
	{name: "sink", tell: "against a sink that answers at once", run: atOnce},
	{name: "latency", tell: "against a sink that takes its time", run: withLatency},
	{name: "memory", tell: "a file of ten times the rows", run: memory},
	{name: "rejects", tell: "rows that only the service can reject, against the emulator", run: badRows},
	{name: "ceiling", tell: "against the emulator's service protection, in windows of 60 s", run: underLimits},
	{name: "delivery", tell: "reading files, against libraries that merely read them", run: deliveries},
	{name: "changes", tell: "a file that was loaded before", run: changes},
	{name: "big", tell: "a file of gigabytes", run: big, extra: true},
	{name: "formats", tell: "files of gigabytes in every format, one after another", run: formats, extra: true},
	{name: "profile", tell: "where the time and the memory of one run go", run: profiled, extra: true},
}

func names() string {
	var all []string
	for _, c := range chapters {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ") + "; big and formats take minutes, profile needs dir"
}

func main() {
	var o options
	flag.IntVar(&o.rows, "rows", 200_000, "rows of the file")
	flag.IntVar(&o.badRows, "bad-rows", 20_000, "rows of the files with rows that the service rejects")
	flag.Int64Var(&o.bigBytes, "big-bytes", 5_000_000_000, "size of the files of the chapters big and formats")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each contestant runs")
	flag.IntVar(&o.perCall, "call", 1000, "rows in a call of the others; Penstock chooses for itself")
	flag.IntVar(&o.inFlight, "in-flight", 8, "calls in flight, for all")
	flag.DurationVar(&o.latency, "latency", 50*time.Millisecond, "how long a call takes at the sink that takes its time")
	flag.DurationVar(&o.ramp, "ramp", 135*time.Second, "how long the chapter ceiling waits until the pace is steady")
	flag.DurationVar(&o.steady, "steady", 75*time.Second, "how long it counts then")
	flag.BoolVar(&o.plainHTTP, "http", false, "the sink's Web API on plain HTTP, for all; sign-in stays on TLS")
	flag.StringVar(&o.penstock, "penstock", "", "measure this binary instead of building ./cmd/penstock")
	flag.StringVar(&o.dir, "dir", "", "keep files and runs in this directory; the default goes at the end")
	flag.StringVar(&o.only, "only", "", "only these chapters: "+names())
	quick := flag.Bool("quick", false, "a tenth of the rows, one round")
	flag.Parse()
	if *quick {
		o.rows, o.badRows, o.rounds = o.rows/10, o.badRows/10, 1
		o.ramp, o.steady = o.ramp/7, o.steady/7
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options, out io.Writer) error {
	asked := slices.DeleteFunc(strings.Split(o.only, ","), func(s string) bool { return s == "" })
	for _, name := range asked {
		if !slices.ContainsFunc(chapters, func(c chapter) bool { return c.name == name }) {
			return fmt.Errorf("there is no chapter %q", name)
		}
	}
	s, err := open(ctx, o, out)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintf(out, "%s, %s %s/%s, %d processors; %d rounds, others: calls of %d rows, %d in flight\n", time.Now().Format(time.DateOnly),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.perCall, o.inFlight)
	var all []figure
	for _, c := range chapters {
		if !slices.Contains(asked, c.name) && (len(asked) > 0 || c.extra) {
			continue
		}
		fmt.Fprintf(out, "\n%s: %s\n", c.name, c.tell)
		figures, err := c.run(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		all = append(all, figures...)
	}
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return printFigures(out, all)
}
