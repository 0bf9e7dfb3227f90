package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// largestPayload bounds every state's input and output, every task's result and the
// execution's input, in bytes of UTF-8.
const largestPayload = 262_144

// run is one call of Run.
type run struct {
	env         Env
	ctx         context.Context // Run's own: nothing else ever cancels an invocation
	invocations sync.WaitGroup
}

// branch is one line of states after the other: an execution's, a Map's child, or a Parallel's branch.
type branch struct {
	run       *run
	machine   string
	execution *execution
	path      string
	item      *mapItem // nil outside of a Map
}

// The reasons for which a branch stops before its end.
var (
	errAborted          = errors.New("aborted")
	errExecutionTimeout = errors.New("the execution timed out")
)

// Run executes the machine and returns its output, or a *Failure. When ctx ends,
// so does the execution, with ctx's error; then, and only then, tasks see their
// context end. As with Lambda, a task that timed out or whose siblings failed is left to
// finish and its result is dropped; Run returns when all of them have finished.
func (m *Machine) Run(ctx context.Context, env Env, input json.RawMessage) (json.RawMessage, error) {
	if env.Task == nil && len(m.names.resources) > 0 {
		return nil, errors.New("run state machine: there is no function for tasks")
	}
	value := any(map[string]any{})
	if len(input) > 0 {
		decoded, err := decode(input)
		if err != nil {
			return nil, fmt.Errorf("read input of state machine: %w", err)
		}
		value = decoded
	}
	r := &run{env: env.complete(), ctx: ctx}
	defer r.invocations.Wait()
	b := &branch{
		run:       r,
		machine:   m.name,
		execution: newExecution(env.ID, env.Name, m.name, r.env.Started, value),
	}
	output, err := b.execute(ctx, m.flow, value, m.timeout)
	if failure, ok := errors.AsType[*Failure](err); ok {
		return nil, failure
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return encode(output)
}

// complete fills in what env leaves out.
func (env Env) complete() Env {
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Started.IsZero() {
		env.Started = env.Now()
	}
	if env.Sleep == nil {
		env.Sleep = sleep
	}
	if env.Rand == nil {
		env.Rand = rand.Float64
	}
	if env.ErrorName == nil {
		env.ErrorName = func(err error) (string, string) { return errTaskFailed, err.Error() }
	}
	return env
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// execute walks a flow as an execution, with the first and the last event of its history.
func (b *branch) execute(ctx context.Context, f *flow, input any, limit time.Duration) (any, error) {
	if limit > 0 {
		timed, cancel := context.WithTimeoutCause(ctx, limit, errExecutionTimeout)
		defer cancel()
		ctx = timed
	}
	err := b.record("ExecutionStarted", "")
	if err == nil {
		err = fits(input, "The execution's input")
	}
	var output any
	if err == nil {
		output, err = b.walk(ctx, f, input)
	}
	if limit > 0 && errors.Is(err, errExecutionTimeout) {
		b.recordEnd("ExecutionTimedOut", "", errTimeout)
		return nil, &Failure{Name: errTimeout}
	}
	b.recordOutcome(err)
	return output, err
}

func (b *branch) recordOutcome(err error) {
	if err == nil {
		b.recordEnd("ExecutionSucceeded", "", "")
	} else if failure, ok := errors.AsType[*Failure](err); ok {
		b.recordEnd("ExecutionFailed", "", failure.Name)
	} else {
		b.recordEnd("ExecutionAborted", "", "")
	}
}

// stopped says why the branch may not go on; nil when it may.
func stopped(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// fits keeps a payload to what Step Functions carries.
func fits(value any, what string) error {
	data, err := encode(value)
	if err != nil {
		return failf(errRuntime, "%s is no JSON: %s", what, err)
	}
	if len(data) > largestPayload {
		return failf(errDataLimit, "%s has %d bytes, which exceeds the maximum of %d", what, len(data), largestPayload)
	}
	return nil
}
