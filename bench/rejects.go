package main

import (
	"context"
	"fmt"
	"strings"

	"penstock/bench/people"
)

// badRows: a bad row costs its whole call at the service, so it must be found
// quickly and sent alone. The emulator rejects and rolls back; a sink does not.
func badRows(ctx context.Context, s *stand) ([]figure, error) {
	kinds := []struct {
		name  string
		share float64
	}{{"clean", 0}, {"0.1 % bad", 0.001}, {"1 % bad", 0.01}}
	results := make(map[string][]measure)
	for round := range s.rounds {
		for i := range kinds {
			k := kinds[(i+round)%len(kinds)]
			file, bad, err := s.file("people-bad.csv", people.Options{Rows: s.badRows, Lookup: true, Bad: k.share})
			if err != nil {
				return nil, err
			}
			m, err := s.rejected(ctx, file, int64(bad))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.name, err)
			}
			results[k.name] = append(results[k.name], m)
		}
	}
	clean := results["clean"]
	return []figure{
		{name: "time with 0.1 % bad rows : clean", values: ratios(results["0.1 % bad"], clean, wall), target: 1.4, unit: "×"},
		{name: "time with 1 % bad rows : clean", values: ratios(results["1 % bad"], clean, wall), target: 3, unit: "×"},
	}, printMeasures(s.out, results, "clean", "0.1 % bad", "1 % bad")
}

// rejected measures one run against an emulator of its own, empty at the start.
func (s *stand) rejected(ctx context.Context, file string, bad int64) (measure, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	e, err := s.emulate(ctx)
	if err != nil {
		return measure{}, err
	}
	defer e.close()
	// The columns are named because a lookup that may point to several tables must say which.
	config, err := e.configure(s.path("emulator.yaml"), "    columns:\n"+columns()+"      parentcustomerid: {to: parentcustomerid, table: account}\n")
	if err != nil {
		return measure{}, err
	}
	return s.penstockRun(ctx, config, `{"client_id":"bench","client_secret":"bench"}`, file, bad)
}

// columns names each column of the file for the configuration.
func columns() string {
	var text strings.Builder
	for name := range strings.SplitSeq(people.Header, ",") {
		fmt.Fprintf(&text, "      %[1]s: %[1]s\n", name)
	}
	return text.String()
}
