package asl

import (
	"context"
	"errors"
	"fmt"
)

// parallel is a Parallel state: its result is the array of its branches' outputs.
type parallel struct{ flows []*flow }

func (p *parallel) work(ctx context.Context, b *branch, v *visit, sc *scope) (any, error) {
	if err := b.record("ParallelStateStarted", v.state.name); err != nil {
		return nil, err
	}
	outputs := make([]any, len(p.flows))
	err := fanOut(ctx, len(p.flows), len(p.flows), func(ctx context.Context, i int) (err error) {
		outputs[i], err = b.below(v.state.name, i, b.item).walk(ctx, p.flows[i], sc.input)
		return err
	})
	if err == nil {
		err = fits(outputs, "The state's result")
	}
	return b.together(v, outputs, err)
}

// together writes the end of a state that has flows within it.
func (b *branch) together(v *visit, outputs []any, err error) (any, error) {
	if failure, ok := errors.AsType[*Failure](err); ok {
		b.recordEnd(v.state.kind+"StateFailed", v.state.name, failure.Name)
	}
	if err != nil {
		return nil, err
	}
	return outputs, b.record(v.state.kind+"StateSucceeded", v.state.name)
}

// below is a branch within the same execution.
func (b *branch) below(state string, i int, item *mapItem) *branch {
	inner := *b
	inner.item = item
	inner.path = childPath(b.path, state, i)
	return &inner
}

// childPath names the i-th child of a state: "Load[3]", "Outer[1]/Inner[2]".
func childPath(path, state string, i int) string {
	if path != "" {
		path += "/"
	}
	return fmt.Sprintf("%s%s[%d]", path, state, i)
}

func compileParallel(f *fields, s *state) {
	p := &parallel{}
	s.worker = p
	f.work(s)
	s.parameters = f.payload("Parameters")
	list := f.required("Branches", arrayNode)
	if list == nil {
		return
	}
	if len(list.items) == 0 {
		f.fail("Branches", "must not be empty")
	}
	for i, n := range list.items {
		e := f.checker.fields(fmt.Sprintf("%s: Branches[%d]", f.where, i), n)
		e.string("Comment")
		p.flows = append(p.flows, f.checker.flow(e))
		e.done()
	}
}
