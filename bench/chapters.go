package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"penstock/bench/people"
)

// atOnce: what the client itself costs.
func atOnce(ctx context.Context, s *stand) ([]figure, error) {
	file, _, err := s.file("people.csv", people.Options{Rows: s.rows})
	if err != nil {
		return nil, err
	}
	results, err := s.turns(ctx, file, s.rows, 0, plain, replayer, penstock)
	if err != nil {
		return nil, err
	}
	ours, others := results["penstock"], results["plain"]
	return []figure{
		{name: "rows/s, whole process : plain loader", values: ratios(ours, others, rate), target: 1.5, least: true, unit: "×"},
		{name: "CPU per row, whole process : plain loader", values: ratios(ours, others, cpuPerRow), target: 1, unit: "×"},
	}, printMeasures(s.out, results, "replayer", "plain", "penstock")
}

// withLatency: how much of the limit is left when the service takes its time.
func withLatency(ctx context.Context, s *stand) ([]figure, error) {
	file, _, err := s.file("people.csv", people.Options{Rows: s.rows})
	if err != nil {
		return nil, err
	}
	results, err := s.turns(ctx, file, s.rows, s.latency, replayer, plain, penstock)
	if err != nil {
		return nil, err
	}
	ours, limit := results["penstock"], results["replayer"]
	at := fmt.Sprintf(" at %s : the limit", s.latency)
	return []figure{
		{name: "rows/s, load phase," + at, values: ratios(ours, limit, loadRate), target: 0.9, least: true, unit: "×"},
		{name: "rows/s, whole process," + at, values: ratios(ours, limit, rate), target: 0.75, least: true, unit: "×"},
	}, printMeasures(s.out, results, "replayer", "plain", "penstock")
}

// sameMemory is what counts as the same: the collector's timing alone makes a tenth.
const sameMemory = 1.1

// memory: what a run needs must not grow with its file.
func memory(ctx context.Context, s *stand) ([]figure, error) {
	results := make(map[string][]measure)
	once := *s
	for _, size := range []struct {
		name   string
		rows   int
		rounds int
	}{{"penstock", s.rows, s.rounds}, {"penstock ×10", 10 * s.rows, 1}} {
		file, _, err := s.file("people-memory.csv", people.Options{Rows: size.rows})
		if err != nil {
			return nil, err
		}
		once.rounds = size.rounds
		some, err := once.turns(ctx, file, size.rows, 0, penstock)
		if err != nil {
			return nil, err
		}
		results[size.name] = some["penstock"]
	}
	small, large := results["penstock"], results["penstock ×10"]
	peaks := make([]float64, len(small))
	growth := make([]float64, len(small))
	for i, m := range small {
		peaks[i] = megabytes(m)
		growth[i] = megabytes(large[0]) / megabytes(m)
	}
	return []figure{
		{name: "peak memory", values: peaks, target: 150, unit: "MiB"},
		{name: "peak memory, ten times the rows", values: []float64{megabytes(large[0])}, target: 150, unit: "MiB"},
		{name: "peak memory, ten times the rows : once", values: growth, target: sameMemory, unit: "×"},
	}, printMeasures(s.out, results, "penstock", "penstock ×10")
}

// profiled runs the steps of a run under the profilers, in a program of its own.
func profiled(ctx context.Context, s *stand) ([]figure, error) {
	if s.temporary {
		return nil, errors.New("say with -dir where the profiles go")
	}
	file, _, err := s.file("people.csv", people.Options{Rows: s.rows})
	if err != nil {
		return nil, err
	}
	config, err := s.configure()
	if err != nil {
		return nil, err
	}
	if err := s.compile(ctx, "profile"); err != nil {
		return nil, err
	}
	dir := s.fresh()
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, s.path("profile"), "-config", config, "-dir", dir, "-profiles", s.dir, file)
	cmd.Env = append(os.Environ(), "BENCH_CREDENTIAL="+credential)
	cmd.Stdout, cmd.Stderr = s.out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	fmt.Fprintf(s.out, "go tool pprof -top -cum %s %s\ngo tool pprof -top -sample_index=alloc_space %[1]s %[3]s\n",
		s.path("profile"), s.path("cpu.prof"), s.path("heap.prof"))
	return nil, nil
}
