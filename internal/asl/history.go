package asl

import (
	"strings"
	"sync/atomic"
	"time"
)

// historyLimit is how many events the history of one standard execution may
// have. The execution fails when there is no room but for its last event.
const historyLimit = 25_000

// execution is the machine's own, or that of a distributed Map's child. Each
// has its history and its part of the context object.
type execution struct {
	id      string
	name    string
	context map[string]any // $$.Execution
	machine map[string]any // $$.StateMachine
	events  atomic.Int64
	mapRuns atomic.Int64
}

func newExecution(id, name, machine string, started time.Time, input any) *execution {
	return &execution{
		id:   id,
		name: name,
		context: map[string]any{
			"Id":        id,
			"Name":      name,
			"StartTime": stamp(started),
			"Input":     input,
		},
		machine: map[string]any{"Id": machine, "Name": machine},
	}
}

// record adds an event to the history, or fails when the history is full.
func (b *branch) record(kind, state string) error {
	if b.execution.events.Add(1) >= historyLimit {
		return failf(errRuntime, "The execution reached the maximum number of history events (%d).", historyLimit)
	}
	b.trace(kind, state, "")
	return nil
}

// recordEnd adds an event of an end that is on its way already. In a full
// history there is room for the execution's own end alone.
func (b *branch) recordEnd(kind, state, failure string) {
	if b.execution.events.Add(1) < historyLimit || strings.HasPrefix(kind, "Execution") {
		b.trace(kind, state, failure)
	}
}

func (b *branch) trace(kind, state, failure string) {
	if b.run.env.Trace != nil {
		b.run.env.Trace(Event{Time: b.run.env.Now(), Type: kind, State: state, Path: b.path, Error: failure})
	}
}
