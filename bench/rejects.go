package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"penstock/bench/people"
)

// The columns are named because a lookup that may point to several tables must say which.
const emulatorConfiguration = `connections:
  emulator:
    url: %[1]s
    authority: %[1]s
    ca_file: %[2]s
    allow_custom_host: true
    tenant: bench.example
    credential: env:BENCH_CREDENTIAL
destinations:
  contacts:
    connection: emulator
    table: contact
    mode: upsert
    key: emailaddress1
    columns:
%[3]s      parentcustomerid: {to: parentcustomerid, table: account}
`

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
	cmd := exec.CommandContext(ctx, s.penstock, "emulator", "--listen", "127.0.0.1:0", "--tls-dir", s.path("emulator"),
		"--client-id", "bench", "--client-secret", "bench")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		return measure{}, err
	}
	if err := cmd.Start(); err != nil {
		return measure{}, fmt.Errorf("start the emulator: %w", err)
	}
	defer func() { end(); _ = cmd.Wait() }()
	origin, authority, err := listening(said)
	if err != nil {
		return measure{}, err
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	var columns strings.Builder
	for name := range strings.SplitSeq(people.Header, ",") {
		fmt.Fprintf(&columns, "      %[1]s: %[1]s\n", name)
	}
	config := s.path("emulator.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, emulatorConfiguration, origin, authority, columns.String()), 0o644); err != nil {
		return measure{}, err
	}
	return s.penstockRun(ctx, config, `{"client_id":"bench","client_secret":"bench"}`, file, bad)
}

// listening reads from the emulator's greeting where it is and what to trust:
// the connection that it prints for penstock.yaml.
func listening(greeting io.Reader) (origin, authority string, err error) {
	lines := bufio.NewScanner(greeting)
	for lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), ": ")
		switch name {
		case "url":
			origin = value
		case "ca_file":
			authority = value
		}
		if origin != "" && authority != "" {
			return origin, authority, nil
		}
	}
	return "", "", fmt.Errorf("the emulator did not say where it listens: %w", lines.Err())
}
