// Package asl interprets the part of the Amazon States Language that infra/load.asl.yaml uses, and refuses the rest by name and line.
//
// Load checks a definition as Step Functions does when a machine is created;
// Run executes it with the service's order of fields, error names and limits.
// Where the service leaves time open, Run is the patient one: a Map that fails
// and an execution that ends wait for the tasks that are still running, which
// nothing cancels but the end of Run's context.
package asl

import (
	"context"
	"encoding/json"
	"time"
)

// TaskFunc does a Task's work: resource is the state's Resource after
// substitution, input its effective input. An error is matched by Retry and
// Catch under the name that Env.ErrorName gives it. It may run many times at
// once, and must return soon after ctx ends.
type TaskFunc func(ctx context.Context, resource string, input json.RawMessage) (json.RawMessage, error)

// Env is the world that a Machine runs in.
//
// ErrorName tells how Lambda would report an error: its errorType and its
// errorMessage, from which Catch's Cause is made. For an error of the service
// itself (Lambda.*, States.*), and for a cause that is a JSON object already,
// the cause goes on as it is.
type Env struct {
	Task       TaskFunc
	ErrorName  func(error) (name, cause string)                              // how Lambda would report the error
	ReadObject func(ctx context.Context, bucket, key string) ([]byte, error) // for a distributed Map's ItemReader
	Now        func() time.Time                                              // nil: time.Now
	Sleep      func(ctx context.Context, d time.Duration) error              // nil: a timer; for Wait and Retry, not for TimeoutSeconds
	Rand       func() float64                                                // nil: math/rand; for JitterStrategy FULL
	Trace      func(Event)                                                   // nil: none; called in order for one branch, concurrently for a Map's children
	Started    time.Time                                                     // $$.Execution.StartTime; zero: Now
	Name       string                                                        // $$.Execution.Name
	ID         string                                                        // $$.Execution.Id
}

// Event is one entry of an execution's history. A distributed Map's children
// have histories of their own, from ExecutionStarted to ExecutionSucceeded,
// ExecutionFailed or ExecutionAborted, and are told apart by Path.
type Event struct {
	Time  time.Time
	Type  string // as Step Functions names it: TaskStateEntered, TaskSucceeded, …
	State string
	Path  string // "" at the top, "Load[3]" in a Map's child
	Error string
}
