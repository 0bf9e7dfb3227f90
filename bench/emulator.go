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
)

// emulator is `penstock emulator` as a process of its own, empty at the start.
type emulator struct {
	origin, authority string
	close             func()
}

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
%[3]s`

// emulate starts an emulator, which ends with close or ctx.
func (s *stand) emulate(ctx context.Context, settings ...string) (*emulator, error) {
	ctx, end := context.WithCancel(ctx)
	authority := s.fresh() // of its own: several may start at once
	cmd := exec.CommandContext(ctx, s.penstock, append([]string{"emulator", "--listen", "127.0.0.1:0", "--tls-dir", authority,
		"--client-id", "bench", "--client-secret", "bench"}, settings...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	e := &emulator{close: func() { end(); _ = cmd.Wait(); _ = os.RemoveAll(authority) }}
	if e.origin, e.authority, err = listening(said); err != nil {
		e.close()
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	return e, nil
}

// configure writes the configuration that leads to the emulator, with more settings of its destination.
func (e *emulator) configure(path, more string) (string, error) {
	return path, os.WriteFile(path, fmt.Appendf(nil, emulatorConfiguration, e.origin, e.authority, more), 0o644)
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
