package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// mapRun is one attempt of a distributed Map: each child is an execution of its own.
type mapRun struct {
	mapping *mapping
	parent  *branch
	state   string
	scope   *scope
	items   []any
	ordinal int64
	bounds  bounds

	mu      sync.Mutex
	outputs []any
	failed  int
}

// bounds are how many failures and which share of them a Map Run bears.
type bounds struct {
	count      int64
	percentage json.Number
	hasCount   bool
	hasShare   bool
}

func (m *mapping) mapRun(ctx context.Context, b *branch, v *visit, sc *scope) ([]any, error) {
	if err := b.record("MapRunStarted", v.state.name); err != nil {
		return nil, err
	}
	outputs, err := m.children(ctx, b, v, sc)
	if failure, ok := errors.AsType[*Failure](err); ok {
		b.recordEnd("MapRunFailed", v.state.name, failure.Name)
	}
	if err != nil {
		return nil, err
	}
	return outputs, b.record("MapRunSucceeded", v.state.name)
}

func (m *mapping) children(ctx context.Context, b *branch, v *visit, sc *scope) ([]any, error) {
	bounds, err := m.tolerance.bounds(sc)
	if err != nil {
		return nil, err
	}
	items, width, err := m.find(ctx, b, sc)
	if err != nil {
		return nil, err
	}
	r := &mapRun{
		mapping: m, parent: b, state: v.state.name, scope: sc, items: items, bounds: bounds,
		ordinal: b.execution.mapRuns.Add(1), outputs: make([]any, len(items)),
	}
	return r.outputs, fanOut(ctx, len(items), width, r.child)
}

// child runs the execution of one item. Its failure is an error of the run only
// beyond the tolerance.
func (r *mapRun) child(ctx context.Context, i int) error {
	item := &mapItem{index: i, value: r.items[i]}
	input, err := r.mapping.input(r.scope, item)
	if err != nil {
		return err
	}
	b := r.branch(item, input)
	output, err := b.execute(ctx, r.mapping.flow, input, 0)
	failure, isFailure := errors.AsType[*Failure](err)
	if err != nil && !isFailure {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !isFailure {
		r.outputs[i] = output
		return nil
	}
	r.outputs[i] = b.execution.report(input, failure)
	r.failed++
	if r.bounds.exceeded(r.failed, len(r.items)) {
		return failf(errFailureThreshold, "The specified tolerated failure threshold was exceeded")
	}
	return nil
}

// branch is the child's: its own execution with its own history, called after
// parent, label, Map Run and item.
func (r *mapRun) branch(item *mapItem, input any) *branch {
	parent := r.parent
	machine := parent.machine + "/" + r.mapping.label
	id := fmt.Sprintf("%s/%s.%d:%d", parent.execution.id, r.mapping.label, r.ordinal, item.index)
	name := fmt.Sprintf("%s-%s.%d-%d", parent.execution.name, r.mapping.label, r.ordinal, item.index)
	return &branch{
		run:       parent.run,
		machine:   machine,
		execution: newExecution(id, name, machine, parent.run.env.Now(), input),
		path:      childPath(parent.path, r.state, item.index),
		item:      item,
	}
}

// report stands for a tolerated failure among the outputs: as AWS documents it,
// the child's execution instead of its output.
func (e *execution) report(input any, failure *Failure) map[string]any {
	return map[string]any{
		"ExecutionArn": e.id,
		"Name":         e.name,
		"Input":        text(input),
		"Status":       "FAILED",
		"Error":        failure.Name,
		"Cause":        failure.Cause,
	}
}

func (t *tolerance) bounds(sc *scope) (bounds, error) {
	var out bounds
	if t.count != nil {
		n, err := count(t.count, sc, "ToleratedFailureCountPath")
		if err != nil {
			return out, err
		}
		out.count, out.hasCount = int64(n), true
	}
	if t.percentage != nil {
		found, err := resolve(t.percentage, sc)
		if err != nil {
			return out, err
		}
		share, ok := found.(json.Number)
		if !ok || compareNumbers(share, "0") < 0 || compareNumbers(share, "100") > 0 {
			return out, failf(errRuntime, "The ToleratedFailurePercentagePath parameter does not reference a number from 0 to 100.")
		}
		out.percentage, out.hasShare = share, true
	}
	return out, nil
}

// exceeded: either bound that is given may be; without any, one failure is too many.
func (b *bounds) exceeded(failed, items int) bool {
	if !b.hasCount && !b.hasShare {
		return failed > 0
	}
	if b.hasCount && int64(failed) > b.count {
		return true
	}
	share, err := b.percentage.Float64()
	return b.hasShare && err == nil && float64(failed)*100 > share*float64(items)
}
