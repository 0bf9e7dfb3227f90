package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"penstock/bench/people"
)

// A stand is what all contestants share: the binaries, the files, the sink.
type stand struct {
	options
	out       io.Writer
	sink      *exec.Cmd
	address   string // of the sink's Web API
	secure    string // of its sign-in
	plainURL  string // where it is asked for its counts
	trust     string // the sink's certificate
	runs      int    // so far: each has a directory of its own
	temporary bool
}

func open(ctx context.Context, o options, out io.Writer) (s *stand, err error) {
	s = &stand{options: o, out: out}
	if s.dir == "" {
		s.temporary = true
		s.dir, err = os.MkdirTemp("", "penstock-bench-*")
	} else {
		err = os.MkdirAll(s.dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return s, err
	}
	if err := s.build(ctx); err != nil {
		return s, err
	}
	return s, s.startSink()
}

// build compiles the contestants as they are now.
func (s *stand) build(ctx context.Context) error {
	packages := []string{"./bench/sink", "./bench/replayer", "./bench/plain"}
	if s.penstock == "" {
		packages = append(packages, "./cmd/penstock")
		s.penstock = s.path("penstock")
	}
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-o", s.dir + string(filepath.Separator)}, packages...)...)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the contestants: %w", err)
	}
	return nil
}

func (s *stand) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stand) startSink() error {
	s.sink = exec.Command(s.path("sink"), "-dir", s.dir, "-hint", fmt.Sprint(s.inFlight))
	s.sink.Stderr = os.Stderr
	said, err := s.sink.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.sink.Start(); err != nil {
		return fmt.Errorf("start the sink: %w", err)
	}
	var where struct{ URL, Plain, Authority string }
	if err := json.NewDecoder(bufio.NewReader(said)).Decode(&where); err != nil {
		return fmt.Errorf("hear where the sink listens: %w", err)
	}
	s.address, s.secure, s.trust = where.URL, where.URL, where.Authority
	if s.plainHTTP {
		s.address = where.Plain
	}
	s.plainURL = where.Plain
	return nil
}

// received is what the sink counted.
type received struct{ Calls, Reads, Rows, Bytes int64 }

// control asks the sink for its counts and, with a latency, starts them anew.
func (s *stand) control(verb string, latency time.Duration) (received, error) {
	var r received
	answer, err := http.Get(s.plainURL + "/_sink/" + verb + "?latency=" + url.QueryEscape(latency.String()))
	if err != nil {
		return r, fmt.Errorf("ask the sink: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return r, fmt.Errorf("ask the sink: %s", answer.Status)
	}
	return r, json.NewDecoder(answer.Body).Decode(&r)
}

// file makes a file and says how many of its rows are bad.
func (s *stand) file(name string, o people.Options) (path string, bad int, err error) {
	path = s.path(name)
	f, err := os.Create(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	if bad, err = people.Write(f, o); err != nil {
		return "", 0, fmt.Errorf("write %s: %w", name, err)
	}
	return path, bad, nil
}

// made makes a file that somebody else writes.
func (s *stand) made(name string, write func(io.Writer) error) (path string, err error) {
	path = s.path(name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}

// compile builds a program of this folder that only some chapters need.
func (s *stand) compile(ctx context.Context, name string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", s.path(name), "./bench/"+name)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build bench/%s: %w", name, err)
	}
	return nil
}

// close ends the sink and removes what nobody asked to keep.
func (s *stand) close() {
	if s.sink != nil && s.sink.Process != nil {
		_ = s.sink.Process.Kill()
		_ = s.sink.Wait()
	}
	if s.temporary {
		_ = os.RemoveAll(s.dir)
	}
}
