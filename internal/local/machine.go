// Package local is the cloud on a laptop: the state machine, S3, its events and the emulated Dataverse in one process.
package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"penstock/infra"
	"penstock/internal/asl"
	"penstock/internal/fault"
	"penstock/internal/run"
	"penstock/internal/store"
)

// The names that stand for the functions and the bucket of template.yaml here.
var substitutions = map[string]string{
	"PrepareFunction": "prepare",
	"TurnFunction":    "turn",
	"SurveyFunction":  "survey",
	"ApplyFunction":   "apply",
	"FinishFunction":  "finish",
	"WorkBucket":      "work",
}

// failedRun is the Error of the state machine's Fail state.
const failedRun = "RunFailed"

// maxItems bounds a Map's item list.
const maxItems = 64 << 20

// Machine runs the state machine of infra/ over steps in this process.
type Machine struct {
	steps   *run.Steps
	machine *asl.Machine
	tasks   map[string]task
	// Trace watches the history; nil for nobody.
	Trace func(asl.Event)
}

type task func(context.Context, json.RawMessage) (json.RawMessage, error)

// NewMachine loads the state machine.
func NewMachine(steps *run.Steps) (*Machine, error) {
	machine, err := asl.Load(infra.Load, infra.LoadName, substitutions)
	if err != nil {
		return nil, err
	}
	return &Machine{steps: steps, machine: machine, tasks: map[string]task{
		"prepare": decode(steps.Prepare),
		"turn":    decode(steps.Turn),
		"survey":  decode(steps.Survey),
		"apply":   decode(steps.Apply),
		"finish":  decode(steps.Finish),
	}}, nil
}

// decode does what Lambda does around a handler: events cross as JSON here too,
// so that what decodes on a laptop decodes in the cloud.
func decode[In, Out any](step func(context.Context, In) (Out, error)) task {
	return func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		var in In
		if err := json.Unmarshal(event, &in); err != nil {
			return nil, fault.New(fault.Broken, "event_unreadable", "the event does not decode into %T", in).Because(err)
		}
		out, err := step(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

// Run brings one delivery through the state machine and says how it ended. A
// run that was stopped (ctx) is accounted for as far as it came and can go on
// later: starting it again resumes it.
func (m *Machine) Run(ctx context.Context, start run.Start) (run.Finished, error) {
	input, err := json.Marshal(start)
	if err != nil {
		return run.Finished{}, fmt.Errorf("render the start of run %s: %w", start.Run, err)
	}
	var last lastError
	execution := run.Execution{ID: "local:" + start.Run + ":" + rand.Text(), Started: time.Now()}
	latest, err := m.steps.LatestExecution(ctx, start)
	if err != nil {
		return run.Finished{}, err
	}
	if !latest.Before(execution.Started) { // the clock went back, and whoever holds the run's lock is the latest
		execution.Started = latest.Add(time.Millisecond)
	}
	output, err := m.machine.Run(ctx, asl.Env{
		Name:    start.Run,
		ID:      execution.ID,
		Started: execution.Started,
		Task: func(ctx context.Context, resource string, input json.RawMessage) (json.RawMessage, error) {
			out, err := m.tasks[resource](ctx, input)
			if err != nil && ctx.Err() == nil {
				last.set(err)
				m.tellRetry(start, resource, err)
			}
			return out, err
		},
		ErrorName:  fault.Name, // the function that the Lambda edge uses, or Retry and Catch would match here and not in the cloud
		ReadObject: m.readObject,
		Trace:      m.Trace,
	}, input)
	var finished run.Finished
	switch failure := (*asl.Failure)(nil); {
	case err == nil:
		return finished, json.Unmarshal(output, &finished)
	case ctx.Err() != nil:
		return m.account(start, execution, run.Caught{Error: string(fault.Interrupted), Cause: `{"errorMessage":"stopped: the run was stopped; start it again to go on"}`})
	case errors.As(err, &failure) && failure.Name == failedRun:
		// The Fail state: Finish has written the account of this execution.
		finished, ferr := m.steps.Finished(context.WithoutCancel(ctx), start.Destination, start.Run)
		if ferr == nil {
			return finished, nil
		}
		return finished, errors.Join(fmt.Errorf("run %s: %w", start.Run, err), last.get())
	}
	return finished, errors.Join(fmt.Errorf("run %s: %w", start.Run, err), last.get())
}

// tellRetry tells who watches why a step pauses: these kinds of errors are what the state machine tries again.
func (m *Machine) tellRetry(start run.Start, step string, err error) {
	kind := fault.KindOf(err)
	if m.steps.Progress == nil || kind != fault.Throttled && kind != fault.Interrupted {
		return
	}
	_, message := fault.Name(err)
	m.steps.Progress(run.Progress{Run: start.Run, Destination: start.Destination, Step: step, Note: "trying again in a while: " + message})
}

// account finishes a run whose execution ended without it.
func (m *Machine) account(start run.Start, execution run.Execution, why run.Caught) (run.Finished, error) {
	return m.steps.Finish(context.Background(), run.FinishIn{Start: start, Execution: &execution, Error: &why})
}

func (m *Machine) readObject(ctx context.Context, _, key string) ([]byte, error) {
	return store.ReadAll(ctx, m.steps.Work, key, maxItems)
}

// lastError keeps the latest error of a step whole, for the person at this
// machine: the state machine keeps only what may cross an edge. A Map's children report at once.
type lastError struct {
	mu  sync.Mutex
	err error
}

func (l *lastError) set(err error) { l.mu.Lock(); l.err = err; l.mu.Unlock() }

func (l *lastError) get() error { l.mu.Lock(); defer l.mu.Unlock(); return l.err }
