package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/bench/people"
)

// The service of this chapter: its limits in windows of 60 s instead of 300 s,
// which keeps all rates, and what a call and a row of it cost. In shorter windows
// one call of a second and the end of a chunk weigh too much.
const (
	windowScale = 0.2
	callCost    = 30 * time.Millisecond
	rowCost     = 5 * time.Millisecond
	network     = 50 * time.Millisecond
)

// crowd is who loads: application users that share the load, and chunks at a time.
type crowd struct{ users, workers int }

// served is what the emulator counted while the load was steady.
type served struct {
	seconds        float64
	rows           int64
	calls, refused int64
}

func (s served) rate() float64 { return float64(s.rows) / s.seconds }

// ceiling is what the service's protection allows in rows a second with calls of
// this size: U·B·min(6000/300, (1200/300)/t, 52/(t+L)) with t = a + b·B, on one web server.
func (s served) ceiling(users int) float64 {
	perCall := float64(s.rows) / float64(max(s.calls-s.refused, 1))
	t := callCost.Seconds() + perCall*rowCost.Seconds()
	return float64(users) * perCall * min(20, 4/t, 52/(t+network.Seconds()))
}

// underLimits: how much of what the service allows is used. It runs in real
// time, and the four beside each other, each with an emulator of its own: they
// wait most of the time. The tests of internal/dataverse hold the same figures in
// simulated time, for longer.
func underLimits(ctx context.Context, s *stand) ([]figure, error) {
	// More than two users can load in that time, and chunks for eight workers.
	most := 2 * 4 / rowCost.Seconds() * (s.ramp + s.steady).Seconds()
	file, _, err := s.file("people-ceiling.csv", people.Options{Rows: int(most) + 100_000})
	if err != nil {
		return nil, err
	}
	crowds := []crowd{{1, 1}, {1, 8}, {2, 1}, {2, 8}}
	counted := make([]served, len(crowds))
	group, inner := errgroup.WithContext(ctx)
	for i, c := range crowds {
		e, err := s.emulate(ctx, "--limits", fmt.Sprintf("default,scale=%g", windowScale),
			"--cost", fmt.Sprintf("none,request=%s,row=%s", callCost, rowCost), "--latency", network.String(),
			"--user", "client_id=bench-2,secret=bench")
		if err != nil {
			return nil, err
		}
		defer e.close()
		dir := s.fresh()
		defer os.RemoveAll(dir)
		group.Go(func() (err error) {
			if counted[i], err = s.limited(inner, e, dir, file, c); err != nil {
				err = fmt.Errorf("users: %d, workers: %d: %w", c.users, c.workers, err)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	got := map[crowd]served{}
	var figures []figure
	var calls, refused int64
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "users\tworkers\trows/s\tceiling\trows/call\tcalls\tthrottles\t")
	for i, c := range crowds {
		m := counted[i]
		got[c] = m
		calls, refused = calls+m.calls, refused+m.refused
		fmt.Fprintf(table, "%d\t%d\t%.0f\t%.0f\t%.0f\t%d\t%d\t\n", c.users, c.workers, m.rate(), m.ceiling(c.users),
			float64(m.rows)/float64(max(m.calls-m.refused, 1)), m.calls, m.refused)
		figures = append(figures, figure{name: fmt.Sprintf("share of the ceiling, users: %d, workers: %d", c.users, c.workers),
			values: []float64{m.rate() / m.ceiling(c.users)}, target: 0.95, least: true})
	}
	for _, workers := range []int{1, 8} {
		figures = append(figures, figure{name: fmt.Sprintf("rows/s, two users : one, workers: %d", workers),
			values: []float64{got[crowd{2, workers}].rate() / got[crowd{1, workers}].rate()}, target: 1.9, least: true, unit: "×"})
	}
	figures = append(figures, figure{name: "throttles per 1,000 calls, all four", values: []float64{1000 * float64(refused) / float64(calls)}, target: 2})
	return figures, table.Flush()
}

// limited lets a run load until its pace is steady, counts for a while, and kills it.
func (s *stand) limited(ctx context.Context, e *emulator, dir, file string, c crowd) (served, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer os.Remove(dir + ".yaml")
	config, err := e.configure(dir+".yaml", fmt.Sprintf("    parallel: %d\n", c.workers))
	if err != nil {
		return served{}, err
	}
	credential := `[{"client_id":"bench","client_secret":"bench"},{"client_id":"bench-2","client_secret":"bench"}]`
	if c.users == 1 {
		credential = `{"client_id":"bench","client_secret":"bench"}`
	}
	cmd := s.run(ctx, dir, config, "contacts", credential, file)
	// Runs of one file that begin in one second have one name, and scratch directories are named after runs.
	scratch := dir + "-scratch"
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return served{}, err
	}
	defer os.RemoveAll(scratch)
	cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
	var said bytes.Buffer
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		return served{}, fmt.Errorf("start the run: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		if err := cmd.Wait(); err != nil {
			ended <- fmt.Errorf("%w: %s", err, said.String())
			return
		}
		ended <- errors.New("all rows are written")
	}()
	defer func() { _ = cmd.Process.Kill(); <-ended }()
	return e.steady(ctx, s.ramp, s.steady, ended)
}

// steady counts between the end of the ramp and the end of the steady part.
func (e *emulator) steady(ctx context.Context, ramp, length time.Duration, ended chan error) (served, error) {
	var counts [2]served
	var at [2]time.Time
	for i, pause := range []time.Duration{ramp, length} {
		select {
		case err := <-ended:
			ended <- err
			return served{}, fmt.Errorf("the run ended before it was measured: %w", err)
		case <-ctx.Done():
			return served{}, ctx.Err()
		case <-time.After(pause):
		}
		var err error
		if counts[i], err = e.counts(); err != nil {
			return served{}, err
		}
		at[i] = time.Now()
	}
	return served{seconds: at[1].Sub(at[0]).Seconds(), rows: counts[1].rows - counts[0].rows,
		calls: counts[1].calls - counts[0].calls, refused: counts[1].refused - counts[0].refused}, nil
}

// counts asks the emulator for its counters.
func (e *emulator) counts() (c served, err error) {
	pem, err := os.ReadFile(e.authority)
	if err != nil {
		return c, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	answer, err := client.Get(e.origin + "/_emulator/stats")
	if err != nil {
		return c, fmt.Errorf("ask the emulator: %w", err)
	}
	defer answer.Body.Close()
	var stats struct {
		Requests, Throttled int64
		Tables              map[string]struct{ Created, Updated int64 }
	}
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return c, fmt.Errorf("read the emulator's counters: %w", err)
	}
	contacts := stats.Tables["contact"]
	return served{rows: contacts.Created + contacts.Updated, calls: stats.Requests, refused: stats.Throttled}, nil
}
