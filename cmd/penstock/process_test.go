package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"sync"
	"time"
)

// patience is how long a test waits for something that must happen.
const patience = 60 * time.Second

// process is a penstock that runs beside the test.
type process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when it has ended
	err  error         // how; read after done
}

func newProcess() *process {
	return &process{out: output{changed: make(chan struct{})}, done: make(chan struct{})}
}

// startProcess starts a command with both of its outputs in one, as on a terminal.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := newProcess()
	p.cmd = cmd
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// sees waits until the process has written what pattern matches, after what was seen before.
func (p *process) sees(pattern *regexp.Regexp) ([]string, error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ended := p.done
	for {
		found, changed := p.out.find(pattern)
		switch {
		case found != nil:
			return found, nil
		case ended == nil:
			return nil, fmt.Errorf("it ended without writing %q; all of it:\n%s", pattern, p.out.String())
		}
		select {
		case <-changed:
		case <-ended:
			ended = nil // one last look
		case <-deadline.C:
			return nil, fmt.Errorf("it has not written %q; so far:\n%s", pattern, p.out.String())
		}
	}
}

// ends waits for the end and says the exit code.
func (p *process) ends() (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("it has not ended; so far:\n%s", p.out.String())
	}
}

// output is what a process has written, with a place up to which it was seen.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	seen    int
	changed chan struct{} // closed and replaced at each write
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) find(pattern *regexp.Regexp) ([]string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := o.text.Bytes()[o.seen:]
	at := pattern.FindSubmatchIndex(rest)
	if at == nil {
		return nil, o.changed
	}
	var found []string
	for _, group := range pattern.FindSubmatch(rest) {
		found = append(found, string(group))
	}
	o.seen += at[1]
	return found, o.changed
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
