package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a small place to run machines in: its functions answer by script,
// its clock moves only when somebody sleeps.
type world struct {
	mu      sync.Mutex
	answers map[string][]string // by resource; "!Name: cause" is an error, the last one repeats
	objects map[string]string   // by bucket/key
	now     time.Time
	inputs  []string
	sleeps  []time.Duration
	events  []Event
}

type namedError struct{ name, cause string }

func (e *namedError) Error() string { return e.cause }

func nameOf(err error) (string, string) {
	if named, ok := errors.AsType[*namedError](err); ok {
		return named.name, named.cause
	}
	return "Broken", err.Error()
}

func (w *world) env() Env {
	if w.now.IsZero() {
		w.now = time.Date(2026, 3, 1, 2, 0, 5, 0, time.UTC)
	}
	return Env{
		Task: w.task, ErrorName: nameOf, ReadObject: w.read, Now: w.clock, Sleep: w.sleep,
		Rand: func() float64 { return 0.5 }, Trace: w.trace, Name: "run1", ID: "local:run1",
	}
}

func (w *world) task(_ context.Context, resource string, input json.RawMessage) (json.RawMessage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inputs = append(w.inputs, string(input))
	script := w.answers[resource]
	if len(script) == 0 {
		return input, nil // an unscripted function echoes
	}
	if len(script) > 1 {
		w.answers[resource] = script[1:]
	}
	if name, ok := strings.CutPrefix(script[0], "!"); ok {
		name, cause, _ := strings.Cut(name, ": ")
		return nil, &namedError{name, cause}
	}
	return json.RawMessage(script[0]), nil
}

func (w *world) read(_ context.Context, bucket, key string) ([]byte, error) {
	object, ok := w.objects[bucket+"/"+key]
	if !ok {
		return nil, &namedError{"NotThere", "no such object"}
	}
	return []byte(object), nil
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sleeps = append(w.sleeps, d)
	w.now = w.now.Add(d)
	return ctx.Err()
}

func (w *world) trace(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// history is the events as lines of text.
func (w *world) history() string {
	start := w.events[0].Time
	var out strings.Builder
	for _, e := range w.events {
		line := fmt.Sprintf("%6s  %-10s %-22s %s", e.Time.Sub(start), e.Path, e.Type, e.State)
		if e.Error != "" {
			line += " (" + e.Error + ")"
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

func mustLoad(t testing.TB, definition string) *Machine {
	t.Helper()
	m, err := Load([]byte(definition), "test.asl.yaml", map[string]string{"Bucket": "workbucket"})
	if err != nil {
		t.Fatalf("load: %v\n%s", err, definition)
	}
	return m
}

// one is a machine with a single state, which ends it.
func one(fields string) string {
	return "StartAt: S\nStates:\n  S:\n" + indent("    ", fields+"\nEnd: true")
}

// chain is a machine of states that are given whole, the first of them to start with.
func chain(states string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(states), ":")
	return "StartAt: " + first + "\nStates:\n" + indent("  ", states)
}

func indent(by, text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		out.WriteString(by + strings.TrimPrefix(line, "\t\t\t"))
	}
	return out.String() + "\n"
}
