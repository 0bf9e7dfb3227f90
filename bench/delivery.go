package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"penstock/bench/people"
)

// deliveries: reading costs little beside what a library takes that merely
// reads. Every part is a process of its own, and takes its turn.
func deliveries(ctx context.Context, s *stand) ([]figure, error) {
	csv, _, err := s.file("people.csv", people.Options{Rows: s.rows})
	if err != nil {
		return nil, err
	}
	lines, err := s.made("people.jsonl", func(w io.Writer) error { return people.WriteJSONLines(w, s.rows) })
	if err != nil {
		return nil, err
	}
	columns, err := s.made("people.parquet", func(w io.Writer) error { return people.WriteParquet(w, s.rows) })
	if err != nil {
		return nil, err
	}
	if err := s.compile(ctx, "parts"); err != nil {
		return nil, err
	}
	kinds := []struct{ name, part, file string }{
		{"encoding/csv splits", "csv-split", csv},
		{"CSV → rows", "rows", csv},
		{"CSV → operations", "operations", csv},
		{"CSV → chunks (prepare)", "prepare", csv},
		{"encoding/json decodes", "json-decode", lines},
		{"JSON Lines → operations", "operations", lines},
		{"parquet-go reads", "parquet-rows", columns},
		{"Parquet → rows", "rows", columns},
	}
	results := make(map[string][]measure)
	var order []string
	for round := range s.rounds {
		for i := range kinds {
			k := kinds[(i+round)%len(kinds)]
			m, err := s.part(ctx, k.part, k.file, int64(s.rows))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.name, err)
			}
			results[k.name] = append(results[k.name], m)
		}
	}
	for _, k := range kinds {
		order = append(order, k.name)
	}
	split := results["encoding/csv splits"]
	return []figure{
		{name: "rows/s, CSV → operations : encoding/csv", values: ratios(results["CSV → operations"], split, rate), target: 0.6, least: true, unit: "×"},
		{name: "rows/s, CSV → chunks on disk : encoding/csv", values: ratios(results["CSV → chunks (prepare)"], split, rate), target: 0.3, least: true, unit: "×"},
		{name: "allocations per row, CSV → operations", values: each(results["CSV → operations"], allocated), target: 0.01},
		{name: "rows/s, JSON Lines → operations : encoding/json", values: ratios(results["JSON Lines → operations"], results["encoding/json decodes"], rate), target: 1, least: true, unit: "×"},
		{name: "rows/s, Parquet → rows : parquet-go", values: ratios(results["Parquet → rows"], results["parquet-go reads"], rate), target: 0.5, least: true, unit: "×"},
	}, printParts(s.out, results, order)
}

// part runs bench/parts on a file of so many rows. Its clock is that of the work alone.
func (s *stand) part(ctx context.Context, name, file string, rows int64) (measure, error) {
	config, err := s.configure()
	if err != nil {
		return measure{}, err
	}
	arguments := []string{"-part", name, "-config", config}
	if name == "rows" || name == "operations" || name == "prepare" {
		dir := s.fresh()
		defer os.RemoveAll(dir)
		arguments = append(arguments, "-dir", dir)
	}
	cmd := exec.CommandContext(ctx, s.path("parts"), append(arguments, file)...)
	cmd.Env = append(os.Environ(), "BENCH_CREDENTIAL="+credential)
	m, out, err := process(cmd)
	if err != nil {
		return m, err
	}
	var told struct {
		Rows, Allocations int64
		Seconds           float64
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return m, fmt.Errorf("read what it printed: %w", err)
	}
	if told.Rows != rows {
		return m, fmt.Errorf("it read %d rows of %d", told.Rows, rows)
	}
	m.rows, m.wall, m.load, m.allocations = told.Rows, told.Seconds, told.Seconds, told.Allocations
	return m, nil
}

// big: what a run needs must not grow with a file of gigabytes either. It takes minutes.
func big(ctx context.Context, s *stand) ([]figure, error) {
	rows := 0
	path, err := s.made("people-big.csv", func(w io.Writer) (err error) {
		rows, err = people.WriteUpTo(w, s.bigBytes)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	once := *s
	once.rounds = 1
	results, err := once.turns(ctx, path, rows, 0, penstock)
	if err != nil {
		return nil, err
	}
	return []figure{
		{name: fmt.Sprintf("peak memory, %.1f GB", float64(s.bigBytes)/1e9), values: each(results["penstock"], megabytes), target: 150, unit: "MiB"},
	}, printMeasures(s.out, results, "penstock")
}
