package asl

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// task is a Task state.
type task struct {
	resource string
	timeout  expression
}

func (t *task) work(ctx context.Context, b *branch, v *visit, sc *scope) (any, error) {
	limit, err := seconds(t.timeout, sc, "TimeoutSecondsPath", 1)
	if err != nil {
		return nil, err
	}
	payload, err := encode(sc.input)
	if err != nil {
		return nil, failf(errRuntime, "The task's input is no JSON: %s", err)
	}
	for _, kind := range []string{"TaskScheduled", "TaskStarted"} {
		if err := b.record(kind, v.state.name); err != nil {
			return nil, err
		}
	}
	data, err := b.invoke(t.resource, payload, limit)
	if err := stopped(ctx); err != nil {
		return nil, err // whatever came back, nobody waits for it any more
	}
	result, failure := b.taskResult(data, err)
	if failure != nil {
		kind := "TaskFailed"
		if failure.Name == errTimeout {
			kind = "TaskTimedOut"
		}
		b.recordEnd(kind, v.state.name, failure.Name)
		return nil, failure
	}
	return result, b.record("TaskSucceeded", v.state.name)
}

var errTaskTimeout = errors.New("the task timed out")

// invoke calls the task's function. After limit it gives up on it without
// cancelling it, as nothing cancels a Lambda: the old invocation may still act
// while the next one does. Run waits for it at the end.
func (b *branch) invoke(resource string, payload json.RawMessage, limit time.Duration) (json.RawMessage, error) {
	type answer struct {
		data json.RawMessage
		err  error
	}
	answers := make(chan answer, 1)
	b.run.invocations.Go(func() {
		data, err := b.run.env.Task(b.run.ctx, resource, payload)
		answers <- answer{data, err}
	})
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a.data, a.err
	case <-timer.C:
		return nil, errTaskTimeout
	}
}

func (b *branch) taskResult(data json.RawMessage, err error) (any, *Failure) {
	if errors.Is(err, errTaskTimeout) {
		return nil, &Failure{Name: errTimeout}
	}
	if err != nil {
		name, cause := b.run.env.ErrorName(err)
		return nil, &Failure{Name: name, Cause: lambdaCause(name, cause)}
	}
	if len(data) == 0 {
		data = json.RawMessage("null")
	}
	result, err := decode(data)
	if err != nil {
		return nil, failf(errRuntime, "The task's result is not JSON.")
	}
	if err := fits(result, "The task's result"); err != nil {
		return nil, err.(*Failure)
	}
	return result, nil
}

func compileTask(f *fields, s *state) {
	t := &task{resource: f.requiredString("Resource")}
	s.worker = t
	f.work(s)
	s.parameters = f.payload("Parameters")
	t.timeout = f.wholeOrPath("TimeoutSeconds", longestSeconds, 1)
	for _, pattern := range []string{".waitForTaskToken", ".sync", ".sync:2"} {
		if strings.HasSuffix(t.resource, pattern) {
			f.fail("Resource", "has the pattern %s, which is not supported", pattern)
		}
	}
	f.checker.names.resources = addOnce(f.checker.names.resources, t.resource)
}
