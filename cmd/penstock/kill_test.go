package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
	"penstock/internal/local"
)

// slowness is what a call takes where a test needs to come in between.
const slowness = 150 * time.Millisecond

// A run that is killed with no chance to tidy up goes on when the same command
// is given again, as the same run, and every row is in the table once.
func TestKilledRunGoesOn(t *testing.T) {
	t.Parallel()
	killRuns(t, 4, 8_000)
}

func TestSoakKilledRunGoesOn(t *testing.T) {
	if os.Getenv("PENSTOCK_SOAK") == "" {
		t.Skip("a soak: set PENSTOCK_SOAK=1")
	}
	killRuns(t, 60, 80_000)
}

func killRuns(t *testing.T, kills, rows int) {
	seed := uint64(time.Now().UnixNano())
	for name, c := range map[string]struct {
		destination, set, column string
		file                     []byte
	}{
		"append": {"leads", "leads", "subject", csvFile(rows, "subject,lastname", "Enquiry %d,Last%[1]d")},
		"upsert": {"people", "contacts", "emailaddress1", csvFile(rows, "emailaddress1,firstname,lastname", "person%d@example.org,First%[1]d,Last%[1]d")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, c.destination, c.file)
			random := rand.New(rand.NewPCG(seed, uint64(len(name))))
			killed := v.killUntilDone(kills, random)
			t.Logf("seed %d: killed %d times; %s", seed, killed, v.repeated(int64(rows)))
			if killed < kills/2 {
				t.Errorf("only %d of %d attempts were still running when they were to be killed", killed, kills)
			}
			v.check(c.destination, int64(rows))
			found, err := readTable(v.emulator, c.set, c.column)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != rows {
				t.Errorf("%d rows in %s, want %d", len(found), c.set, rows)
			}
		})
	}
}

// victim is a command that is killed again and again, with what it works on.
type victim struct {
	t        *testing.T
	dir      string
	emulator *local.Emulator
	args     []string
	stdout   bytes.Buffer // of the attempt that came to its end
}

func newVictim(t *testing.T, destination string, file []byte) *victim {
	v := &victim{t: t, dir: t.TempDir(), args: []string{"run", "rows.csv", "--destination", destination, "--json"}}
	var err error
	v.emulator, err = local.StartEmulator(local.EmulatorOptions{Server: dataversetest.Options{
		Traffic: traffic.Options{Limits: &traffic.Limits{Servers: 1, DOPHint: 5}, LogSize: 1_000_000}}})
	if err != nil {
		t.Fatal(err)
	}
	// Half of the time a call has not been done yet when its client dies, half of the time only its answer is on the way.
	half := traffic.Duration(slowness / 2)
	_, err = v.emulator.Server.Traffic().AddFaults(
		traffic.Fault{What: traffic.Latency, Delay: half, Path: "Multiple"}, traffic.Fault{What: traffic.LatencyAfter, Delay: half, Path: "Multiple"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.emulator.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for name, text := range map[string][]byte{"rows.csv": file, "penstock.yaml": fmt.Appendf(nil, configuration, v.emulator.URL, v.emulator.CAFile)} {
		if err := os.WriteFile(filepath.Join(v.dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// killUntilDone gives the same command until it ends by itself, and kills it the first few times.
func (v *victim) killUntilDone(kills int, random *rand.Rand) (killed int) {
	for attempt := 0; ; attempt++ {
		var stderr bytes.Buffer
		v.stdout.Reset()
		cmd := exec.Command("penstock", v.args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = v.dir, &v.stdout, &stderr
		cmd.Env = append(os.Environ(), "TMPDIR="+v.dir, "CREDENTIAL="+credentialOf(dataversetest.DefaultUser))
		if err := cmd.Start(); err != nil {
			v.t.Fatal(err)
		}
		var timer *time.Timer
		if attempt < kills {
			// From before prepare until some calls are sent and some are answered.
			timer = time.AfterFunc(time.Duration(random.Int64N(int64(4*slowness))), func() { _ = cmd.Process.Kill() })
		}
		err := cmd.Wait()
		if timer != nil {
			timer.Stop()
		}
		if err == nil {
			return killed
		}
		if cmd.ProcessState.ExitCode() != -1 {
			v.t.Fatalf("attempt %d ended with %v:\n%s%s", attempt, err, v.stdout.String(), stderr.String())
		}
		killed++
	}
}

// check holds the account of the run, and that all attempts were one run.
func (v *victim) check(destination string, rows int64) {
	v.t.Helper()
	a, err := readAccount(v.stdout.Bytes())
	if err != nil {
		v.t.Fatalf("%v\n%s", err, v.stdout.String())
	}
	if fmt.Sprintf("%v %v %v", a["read"], a["written"], a["state"]) != fmt.Sprintf("%d %d succeeded", rows, rows) {
		v.t.Errorf("the account is %s", v.stdout.String())
	}
	runs, err := os.ReadDir(filepath.Join(v.dir, ".penstock", "runs", destination))
	if err != nil {
		v.t.Fatal(err)
	}
	if len(runs) != 1 || runs[0].Name() != a["run"] {
		v.t.Errorf("the attempts were the runs %v, the last one is %v", runs, a["run"])
	}
}

// repeated says how much was sent more than once.
func (v *victim) repeated(rows int64) string {
	var calls, sent int64
	for _, e := range v.emulator.Server.Traffic().Requests() {
		if strings.HasSuffix(e.Verb, "Multiple") && e.Method == "POST" {
			calls++
			sent += int64(e.Rows)
		}
	}
	return fmt.Sprintf("%d writing calls with %d rows for %d rows", calls, sent, rows)
}
