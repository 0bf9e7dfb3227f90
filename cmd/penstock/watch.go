package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"penstock/internal/run"
)

// A watcher shows how runs get on: a line now and then, or a bar for each step.
type watcher struct {
	out io.Writer

	mu    sync.Mutex
	quiet bool
	bars  *mpb.Progress       // nil where lines are written
	steps map[string]*watched // by run and step
}

type watched struct {
	bar      *mpb.Bar
	before   int64 // rows that an earlier execution had done when the bar began
	began    time.Time
	rows     int64
	total    int64
	rejected atomic.Int64 // bars read it by themselves
	failures string       // what the step's rejects are called
	said     time.Time
	pause    time.Duration // until the next line: a log of hours must stay readable
	note     string
	noted    time.Time
}

const (
	firstPause = 2 * time.Second
	longPause  = 30 * time.Second
)

func newWatcher(out io.Writer, quiet bool) *watcher {
	return &watcher{out: out, quiet: quiet, steps: map[string]*watched{}}
}

// useBars shows bars instead of lines where out is a terminal. It is for one run at a time.
func (w *watcher) useBars() {
	if f, ok := w.out.(*os.File); ok && !w.quiet && term.IsTerminal(int(f.Fd())) {
		w.bars = mpb.New(mpb.WithOutput(w.out), mpb.WithWidth(24))
	}
}

var stepNames = map[string]string{"prepare": "checking rows", "load": "writing rows", "link": "linking rows",
	"clear": "clearing records", "compare": "comparing with the table", "sweep": "removing records"}

// stepName is what a person calls a step; clear-0, clear-1 … are the rounds of one.
func stepName(step string) string {
	step, _, _ = strings.Cut(step, "-")
	if name := stepNames[step]; name != "" {
		return name
	}
	return step
}

// failureName is what a person calls operations of a step that Dataverse refused: only those of the load are rejected rows.
func failureName(step string) string {
	step, _, _ = strings.Cut(step, "-")
	switch step {
	case "link":
		return "with a warning"
	case "clear", "sweep":
		return "not deletable"
	}
	return "rejected"
}

// see takes a progress of a run; load tells increments, prepare totals.
func (w *watcher) see(p run.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quiet {
		return
	}
	key := p.Run + "/" + p.Step
	s := w.steps[key]
	if s == nil {
		s = &watched{pause: firstPause, failures: failureName(p.Step)}
		w.steps[key] = s
	}
	if p.Note != "" {
		w.note(p, s)
		return
	}
	rows, total := s.rows, s.total
	if p.Step == "prepare" {
		s.rows = p.Rows
		s.rejected.Store(p.Rejected)
	} else {
		s.rows += p.Rows
		s.rejected.Add(p.Rejected)
	}
	s.total = max(s.total, p.Total)
	if s.rows == rows && s.total == total && rows > 0 {
		return // a call that settled nothing is no progress
	}
	s.note = ""
	if w.bars != nil {
		w.draw(p, s)
		return
	}
	done := s.total > 0 && s.rows >= s.total
	if !done && time.Since(s.said) < s.pause {
		return
	}
	if !s.said.IsZero() {
		s.pause = min(2*s.pause, longPause)
	}
	s.said = time.Now()
	w.say(p, s)
}

func (w *watcher) say(p run.Progress, s *watched) {
	fmt.Fprintf(w.out, "  %-12s %s: %s\n", p.Destination, stepName(p.Step), s.count(s.rows, s.total))
}

// count says how far a step is.
func (s *watched) count(rows, total int64) string {
	text := number(rows)
	if total > 0 {
		text += " of " + number(total)
	}
	if rejected := s.rejected.Load(); rejected > 0 {
		text += fmt.Sprintf(", %s %s", number(rejected), s.failures)
	}
	return text
}

// tell says something that is not about one run.
func (w *watcher) tell(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.quiet {
		w.print(line + "\n")
	}
}

// print writes a line, above the bars where there are any.
func (w *watcher) print(line string) {
	if w.bars != nil {
		_, _ = w.bars.Write([]byte(line))
		return
	}
	fmt.Fprint(w.out, line)
}

func (w *watcher) note(p run.Progress, s *watched) {
	if s.note == p.Note && time.Since(s.noted) < longPause {
		return
	}
	s.note, s.noted = p.Note, time.Now()
	w.print(fmt.Sprintf("  %-12s %s\n", p.Destination, p.Note))
}

func (w *watcher) draw(p run.Progress, s *watched) {
	if s.bar == nil {
		s.before, s.began = s.rows, time.Now()
		s.bar = w.bars.AddBar(s.total,
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("  %-12s %-14s", p.Destination, stepName(p.Step)))),
			mpb.AppendDecorators(
				decor.Any(func(bar decor.Statistics) string { return " " + s.count(bar.Current, bar.Total) }),
				decor.Any(s.speed)))
	}
	done := s.total > 0 && s.rows >= s.total
	s.bar.SetTotal(s.total, done)
	s.bar.SetCurrent(s.rows)
}

// speed is how many rows a second the step does, on average.
func (s *watched) speed(bar decor.Statistics) string {
	return fmt.Sprintf("  %.0f rows/s", float64(bar.Current-s.before)/max(time.Since(s.began).Seconds(), 1))
}

// forget drops what is known of a run that has ended.
func (w *watcher) forget(run string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.steps {
		if strings.HasPrefix(key, run+"/") {
			delete(w.steps, key)
		}
	}
}

// close ends the bars; nothing is shown after it.
func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.quiet = true
	if w.bars == nil {
		return
	}
	for _, s := range w.steps {
		if s.bar != nil && !s.bar.Completed() {
			s.bar.Abort(false)
		}
	}
	w.bars.Wait()
	w.bars = nil
}

// number writes a count with thousands separators.
func number(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
