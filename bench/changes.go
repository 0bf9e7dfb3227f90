package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"penstock/bench/people"
)

const changesRows = 5 // times the rows of the other chapters: a million

// changes: where nothing has changed, nothing is sent, and that costs little more
// than looking. Looking is a run that ends when every row is read and validated:
// its destination takes no rejects and the file's last row is wrong, so it is
// refused before it touches the table.
func changes(ctx context.Context, s *stand) ([]figure, error) {
	rows := changesRows * s.rows
	file, _, err := s.file("people-again.csv", people.Options{Rows: rows})
	if err != nil {
		return nil, err
	}
	wrong, err := s.spoilt(file, "people-wrong.csv")
	if err != nil {
		return nil, err
	}
	config, err := s.configure()
	if err != nil {
		return nil, err
	}
	if _, err := s.control("reset", 0); err != nil {
		return nil, err
	}
	dir := s.fresh()
	defer os.RemoveAll(dir)
	first, err := s.rerun(ctx, dir, config, "changed", file, "succeeded")
	if err != nil {
		return nil, err
	}
	if err := s.received(int64(rows)); err != nil {
		return nil, err
	}
	results := map[string][]measure{"first load": {first}}
	for range s.rounds {
		if _, err := s.control("reset", 0); err != nil {
			return nil, err
		}
		looked, err := s.rerun(ctx, dir, config, "flawless", wrong, "refused")
		if err != nil {
			return nil, err
		}
		again, err := s.rerun(ctx, dir, config, "changed", file, "succeeded")
		if err != nil {
			return nil, err
		}
		if again.unchanged != int64(rows) {
			return nil, fmt.Errorf("%d of %d rows are unchanged", again.unchanged, rows)
		}
		if err := s.received(0); err != nil {
			return nil, err
		}
		results["repeat, unchanged"] = append(results["repeat, unchanged"], again)
		results["read and validated"] = append(results["read and validated"], looked)
	}
	again := results["repeat, unchanged"]
	return []figure{
		{name: "time, repeat of an unchanged file : reading and validating it", values: ratios(again, results["read and validated"], wall), target: 3, unit: "×"},
		{name: "time, repeat of an unchanged file : its own prepare step", values: each(again, func(m measure) float64 { return m.wall / m.prepare }), target: 3, unit: "×"},
	}, printMeasures(s.out, results, "first load", "read and validated", "repeat, unchanged")
}

// rerun runs in a directory that knows earlier runs, and holds the end against what it should be.
func (s *stand) rerun(ctx context.Context, dir, config, destination, file, state string) (measure, error) {
	m, out, err := process(s.run(ctx, dir, config, destination, credential, file))
	if err != nil && state == "succeeded" {
		return m, fmt.Errorf("%w %s", err, out)
	}
	var end outcome
	if err := json.Unmarshal(out, &end); err != nil {
		return m, fmt.Errorf("read what it printed: %w", err)
	}
	if end.State != state {
		return m, fmt.Errorf("it ended as %s, not %s: %s", end.State, state, out)
	}
	m.rows, m.unchanged = end.Read, end.Unchanged
	times, err := reported(end.Report)
	m.prepare, m.load, m.calls = times.prepare, times.load, times.calls
	return m, err
}

// received holds the sink's count of rows against what should have come.
func (s *stand) received(rows int64) error {
	got, err := s.control("stats", 0)
	if err == nil && got.Rows != rows {
		err = fmt.Errorf("the sink counted %d rows, and should have %d", got.Rows, rows)
	}
	return err
}

// spoilt copies a file and adds a row whose date is none.
func (s *stand) spoilt(file, name string) (path string, err error) {
	from, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer from.Close()
	return s.made(name, func(w io.Writer) error {
		if _, err := io.Copy(w, from); err != nil {
			return err
		}
		_, err := io.WriteString(w, "wrong@example.org,Ada,Adler,+49 30 1,Wien,01010,1990-02-31,1,1.00,true\n")
		return err
	})
}
