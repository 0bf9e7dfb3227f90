package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"penstock/bench/people"
)

// largeFiles are the formats that are read as a stream, one file after the other:
// the disk holds one of them at a time.
var largeFiles = []struct {
	name   string
	format people.Format
	pack   string
}{
	{"CSV", people.CSV, ""},
	{"CSV, UTF-16", people.UTF16, ""},
	{"CSV, gzip", people.CSV, "gzip"},
	{"CSV, zstd", people.CSV, "zstd"},
	{"JSON Lines", people.JSONLines, ""},
	{"JSON array", people.JSONArray, ""},
	{"Parquet", people.Parquet, ""},
}

// formats: what reading and mapping need must not grow with the file, whatever it
// is written in. Packed files have the size when they are unpacked.
func formats(ctx context.Context, s *stand) ([]figure, error) {
	for _, program := range []string{"parts", "fill"} {
		if err := s.compile(ctx, program); err != nil {
			return nil, err
		}
	}
	results := make(map[string][]measure)
	var order []string
	var figures []figure
	for _, f := range largeFiles {
		m, err := s.large(ctx, f.format, f.pack)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		results[f.name], order = []measure{m}, append(order, f.name)
		figures = append(figures, figure{name: fmt.Sprintf("peak memory, %s, %.1f GB", f.name, float64(s.bigBytes)/1e9),
			values: []float64{megabytes(m)}, target: 150, unit: "MiB"})
	}
	return figures, printParts(s.out, results, order)
}

// large measures one file and removes it.
func (s *stand) large(ctx context.Context, format people.Format, pack string) (m measure, err error) {
	path := s.path("people-large")
	defer os.Remove(path)
	_, out, err := process(exec.CommandContext(ctx, s.path("fill"), "-format", string(format), "-pack", pack, "-bytes", fmt.Sprint(s.bigBytes), path))
	if err != nil {
		return m, fmt.Errorf("write the file: %w", err)
	}
	var rows int64
	if _, err := fmt.Sscan(string(out), &rows); err != nil {
		return m, fmt.Errorf("hear how many rows it has: %w", err)
	}
	return s.part(ctx, "operations", path, rows)
}
