package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// measure is what one run of one contestant took.
type measure struct {
	rows     int64
	wall     float64 // seconds, of the whole process
	load     float64 // seconds in which rows were written
	cpu      float64 // seconds, user and system
	peak     int64   // bytes of memory
	calls    int64
	rejected int64

	prepare     float64 // seconds of the step
	unchanged   int64   // rows
	allocations int64
}

// A contestant loads a file and is measured.
type contestant struct {
	name string
	run  func(ctx context.Context, s *stand, file string) (measure, error)
}

var (
	plain    = contestant{"plain", runPlain}
	replayer = contestant{"replayer", runReplayer}
	penstock = contestant{"penstock", runPenstock}
)

// turns lets the contestants run one after another, round after round, each
// round beginning with another one. Whatever is lost or doubled ends the bench.
func (s *stand) turns(ctx context.Context, file string, rows int, latency time.Duration, who ...contestant) (map[string][]measure, error) {
	results := make(map[string][]measure)
	for round := range s.rounds {
		for i := range who {
			c := who[(i+round)%len(who)]
			if _, err := s.control("reset", latency); err != nil {
				return nil, err
			}
			m, err := c.run(ctx, s, file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			got, err := s.control("stats", 0)
			if err != nil {
				return nil, err
			}
			if got.Rows != int64(rows) {
				return nil, fmt.Errorf("%s: the sink counted %d rows of %d", c.name, got.Rows, rows)
			}
			m.rows, m.calls = got.Rows, got.Calls
			results[c.name] = append(results[c.name], m)
		}
	}
	return results, nil
}

// process runs a command to its end. The memory of a process counts from before
// it becomes its program, so this one must stay small itself.
func process(cmd *exec.Cmd) (measure, []byte, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start).Seconds()
	if cmd.ProcessState == nil {
		return measure{}, nil, err
	}
	m := measure{wall: wall, load: wall, peak: peakMemory(cmd.ProcessState),
		cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return m, out.Bytes(), err
}

func (s *stand) other(ctx context.Context, name, file string) *exec.Cmd {
	return exec.CommandContext(ctx, s.path(name), "-url", s.address, "-ca", s.trust,
		"-rows", fmt.Sprint(s.perCall), "-in-flight", fmt.Sprint(s.inFlight), file)
}

func runPlain(ctx context.Context, s *stand, file string) (measure, error) {
	m, _, err := process(s.other(ctx, "plain", file))
	return m, err
}

// runReplayer counts the sending alone: the calls are rendered before.
func runReplayer(ctx context.Context, s *stand, file string) (measure, error) {
	m, out, err := process(s.other(ctx, "replayer", file))
	if err != nil {
		return m, err
	}
	var sent struct {
		Seconds    float64 `json:"seconds"`
		CPUSeconds float64 `json:"cpu_seconds"`
	}
	err = json.Unmarshal(out, &sent)
	m.wall, m.load, m.cpu = sent.Seconds, sent.Seconds, sent.CPUSeconds
	return m, err
}

// credential is what the sink takes for one; it takes any.
const credential = `{"client_id":"00000000-0000-0000-0000-000000000001","client_secret":"sink"}`

const configuration = `connections:
  sink:
    url: %s
    authority: %s
    ca_file: %s
    allow_custom_host: true
    tenant: bench.example
    credential: env:BENCH_CREDENTIAL
destinations:
  contacts:
    connection: sink
    table: contact
    mode: upsert
    key: emailaddress1
  changed:
    connection: sink
    table: contact
    mode: upsert
    key: emailaddress1
    only_changes: true
  flawless:
    connection: sink
    table: contact
    mode: upsert
    key: emailaddress1
    rejects: {max_percent: 0}
`

func runPenstock(ctx context.Context, s *stand, file string) (measure, error) {
	config, err := s.configure()
	if err != nil {
		return measure{}, err
	}
	return s.penstockRun(ctx, config, credential, file, 0)
}

// configure writes the configuration that leads to the sink.
func (s *stand) configure() (path string, err error) {
	path = s.path("penstock.yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, configuration, s.address, s.secure, s.trust), 0o644)
}

// finishedWithRejects is the exit code that says so.
const finishedWithRejects = 3

// run is `penstock run` in a directory of its own or of earlier runs.
func (s *stand) run(ctx context.Context, dir, config, destination, credential, file string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.penstock, "run", file, "-d", destination, "-c", config, "--dir", dir, "--json")
	cmd.Env = append(os.Environ(), "BENCH_CREDENTIAL="+credential)
	return cmd
}

// fresh is a new directory, not made yet.
func (s *stand) fresh() string {
	s.runs++
	return s.path(fmt.Sprintf("run-%03d", s.runs))
}

// outcome is what `penstock run --json` prints, as far as it matters here.
type outcome struct {
	State                              string
	Read, Written, Unchanged, Rejected int64
	Report                             string
}

// penstockRun measures `penstock run` and holds its own counts against what is expected.
func (s *stand) penstockRun(ctx context.Context, config, credential, file string, rejects int64) (measure, error) {
	dir := s.fresh()
	defer os.RemoveAll(dir)
	m, out, err := process(s.run(ctx, dir, config, "contacts", credential, file))
	var exit *exec.ExitError
	if rejects > 0 && errors.As(err, &exit) && exit.ExitCode() == finishedWithRejects {
		err = nil
	}
	if err != nil {
		return m, fmt.Errorf("%w %s", err, out)
	}
	var end outcome
	if err := json.Unmarshal(out, &end); err != nil {
		return m, fmt.Errorf("read what it printed: %w", err)
	}
	if end.Read != end.Written+end.Rejected || end.Rejected != rejects {
		return m, fmt.Errorf("it %s with %d rows read, %d written, %d rejected; %d should be", end.State, end.Read, end.Written, end.Rejected, rejects)
	}
	m.rows, m.rejected = end.Read, end.Rejected
	times, err := reported(end.Report)
	m.prepare, m.load, m.calls = times.prepare, times.load, times.calls
	return m, err
}

// stepTimes are of a run's report: how long two of its steps took, and how many calls.
type stepTimes struct {
	prepare, load float64
	calls         int64
}

func reported(path string) (t stepTimes, err error) {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return t, err
	}
	var report struct {
		Steps []struct {
			Name    string
			Seconds float64
		}
		Service struct{ Calls int64 }
	}
	if err := json.Unmarshal(data, &report); err != nil {
		return t, fmt.Errorf("read the report: %w", err)
	}
	for _, step := range report.Steps {
		switch step.Name {
		case "prepare":
			t.prepare = step.Seconds
		case "load":
			t.load = step.Seconds
		}
	}
	t.calls = report.Service.Calls
	return t, nil
}
