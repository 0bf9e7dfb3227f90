package asl

import (
	"fmt"
	"slices"
	"time"
)

// scope is what paths and intrinsics can see.
type scope struct {
	input   any // "$"
	context any // "$$"
	rand    func() float64
}

func (sc *scope) with(input any) *scope {
	return &scope{input: input, context: sc.context, rand: sc.rand}
}

// contextFields are the fields of the context object that this package fills.
var contextFields = map[string][]string{
	"Execution":    {"Id", "Name", "StartTime", "Input"},
	"State":        {"Name", "EnteredTime", "RetryCount"},
	"StateMachine": {"Id", "Name"},
	"Map":          {"Item"},
}

func checkContextPath(p *path) error {
	if len(p.steps) == 0 || p.steps[0].kind != child || p.steps[0].deep {
		return nil
	}
	for _, name := range p.steps[0].names {
		known, ok := contextFields[name]
		if !ok {
			return fmt.Errorf("context object field %q is not supported", name)
		}
		if len(p.steps) < 2 || p.steps[1].kind != child || p.steps[1].deep {
			continue
		}
		for _, field := range p.steps[1].names {
			if !slices.Contains(known, field) {
				return fmt.Errorf("context object field %q is not supported", name+"."+field)
			}
		}
	}
	return nil
}

// mapItem is the item that a Map's child works on.
type mapItem struct {
	index int
	value any
}

func (i *mapItem) context() map[string]any {
	return map[string]any{"Item": map[string]any{"Index": number(i.index), "Value": i.value}}
}

// visit is one stay in a state, over all its attempts.
type visit struct {
	state   *state
	entered time.Time
	retries int
}

// scope is what the state sees in this attempt.
func (b *branch) scope(v *visit, input any) *scope {
	context := map[string]any{
		"Execution":    b.execution.context,
		"StateMachine": b.execution.machine,
		"State": map[string]any{
			"Name":        v.state.name,
			"EnteredTime": stamp(v.entered),
			"RetryCount":  number(v.retries),
		},
	}
	if b.item != nil {
		context["Map"] = b.item.context()
	}
	return &scope{input: input, context: context, rand: b.run.env.Rand}
}

// forItem is sc as a Map's ItemSelector sees it.
func (sc *scope) forItem(item *mapItem) *scope {
	context := map[string]any{"Map": item.context()}
	for name, value := range sc.context.(map[string]any) {
		if name != "Map" {
			context[name] = value
		}
	}
	return &scope{input: sc.input, context: context, rand: sc.rand}
}

// stamp writes t as the context object does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
