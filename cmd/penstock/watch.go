package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"penstock/internal/run"
)

// A watcher shows how runs get on: a bar for each step on a terminal, otherwise
// a line now and then.
type watcher struct {
	out   io.Writer
	quiet bool
	bars  *mpb.Progress // nil where there is no terminal

	mu    sync.Mutex
	steps map[string]*watched // by run and step
}

type watched struct {
	bar       *mpb.Bar
	rows      int64
	total     int64
	rejected  int64
	lastSaid  time.Time
	lastShown int64
	note      string
}

const sayEvery = 2 * time.Second

func newWatcher(out io.Writer, quiet bool) *watcher {
	w := &watcher{out: out, quiet: quiet, steps: map[string]*watched{}}
	if f, ok := out.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		w.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	}
	return w
}

var stepNames = map[string]string{"prepare": "checking rows", "load": "writing rows"}

// see takes a progress of a run; load tells increments, prepare totals.
func (w *watcher) see(p run.Progress) {
	if w.quiet {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := p.Run + "/" + p.Step
	s := w.steps[key]
	if s == nil {
		s = &watched{}
		w.steps[key] = s
	}
	if p.Note != "" {
		w.note(p, s)
		return
	}
	if p.Step == "prepare" {
		s.rows, s.rejected = p.Rows, p.Rejected
	} else {
		s.rows += p.Rows
		s.rejected += p.Rejected
	}
	s.total = max(s.total, p.Total)
	if w.bars != nil {
		w.draw(p, s)
		return
	}
	if done := s.total > 0 && s.rows >= s.total; done || time.Since(s.lastSaid) >= sayEvery {
		s.lastSaid = time.Now()
		w.say(p, s)
	}
}

func (w *watcher) say(p run.Progress, s *watched) {
	of := ""
	if s.total > 0 {
		of = fmt.Sprintf(" of %s", number(s.total))
	}
	rejected := ""
	if s.rejected > 0 {
		rejected = fmt.Sprintf(", %s rejected", number(s.rejected))
	}
	fmt.Fprintf(w.out, "  %-12s %s: %s%s%s\n", p.Destination, stepNames[p.Step], number(s.rows), of, rejected)
}

func (w *watcher) note(p run.Progress, s *watched) {
	if s.note == p.Note {
		return
	}
	s.note = p.Note
	line := fmt.Sprintf("  %-12s %s\n", p.Destination, p.Note)
	if w.bars != nil {
		_, _ = w.bars.Write([]byte(line))
		return
	}
	fmt.Fprint(w.out, line)
}

func (w *watcher) draw(p run.Progress, s *watched) {
	if s.bar == nil {
		s.bar = w.bars.AddBar(s.total,
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("  %-12s %-14s", p.Destination, stepNames[p.Step]))),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d"), decor.Name(" "), decor.AverageSpeed(0, "%.0f rows/s")))
	}
	done := s.total > 0 && s.rows >= s.total
	s.bar.SetTotal(s.total, done)
	s.bar.SetCurrent(s.rows)
}

// close ends the bars; nothing is shown after it.
func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bars == nil {
		return
	}
	for _, s := range w.steps {
		if s.bar != nil && !s.bar.Completed() {
			s.bar.Abort(false)
		}
	}
	w.bars.Wait()
	w.bars, w.quiet = nil, true
}

// number writes a count with thousands separators.
func number(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
