package asl

import (
	"context"
	"errors"
	"regexp"
)

// Default bounds of MaxConcurrency, which an inline Map cannot exceed either.
const (
	inlineWidth      = 40
	distributedWidth = 10_000
)

// mapping is a Map state: one child for each item, and the array of their outputs as its result.
type mapping struct {
	flow        *flow
	distributed bool
	label       string
	reader      *reader // nil: the items are in the input
	items       *path
	selector    expression // nil: the item as it is
	concurrency expression
	tolerance   tolerance
}

// tolerance is how many children may fail; nil is not given, and both nil is none.
type tolerance struct{ count, percentage expression }

func (m *mapping) work(ctx context.Context, b *branch, v *visit, sc *scope) (any, error) {
	if err := b.record("MapStateStarted", v.state.name); err != nil {
		return nil, err
	}
	run := m.inline
	if m.distributed {
		run = m.mapRun
	}
	outputs, err := run(ctx, b, v, sc)
	if err == nil {
		err = fits(outputs, "The state's result") // Rule M1: whatever ResultPath says
	}
	return b.together(v, outputs, err)
}

// find gets the items and how many of them may run at a time.
func (m *mapping) find(ctx context.Context, b *branch, sc *scope) ([]any, int, error) {
	width, err := m.width(sc)
	if err != nil {
		return nil, 0, err
	}
	if m.reader != nil {
		items, err := m.reader.read(ctx, b, sc)
		return items, width, err
	}
	found, err := resolve(m.items, sc)
	if err != nil {
		return nil, 0, err
	}
	items, ok := found.([]any)
	if !ok {
		return nil, 0, failf(errRuntime, "ItemsPath '%s' must select an array, not %s.", m.items.text, kindOf(found))
	}
	return items, width, nil
}

func (m *mapping) width(sc *scope) (int, error) {
	most := inlineWidth
	if m.distributed {
		most = distributedWidth
	}
	n, err := count(m.concurrency, sc, "MaxConcurrencyPath")
	if err != nil || n == 0 || n > most {
		return most, err
	}
	return n, nil
}

// count evaluates a field that must be a whole number and not negative.
func count(e expression, sc *scope, field string) (int, error) {
	found, err := resolve(e, sc)
	if err != nil {
		return 0, err
	}
	n, ok := integer(found)
	if !ok || n < 0 {
		return 0, failf(errRuntime, "The %s parameter does not reference a whole number that is not negative.", field)
	}
	return int(n), nil
}

// input is what the child of an item gets.
func (m *mapping) input(sc *scope, item *mapItem) (any, error) {
	if m.selector == nil {
		return item.value, nil
	}
	input, err := m.selector.eval(sc.forItem(item))
	if err != nil {
		return nil, err
	}
	return input, fits(input, "An item's input")
}

// inline runs the children within the parent's execution and history.
func (m *mapping) inline(ctx context.Context, b *branch, v *visit, sc *scope) ([]any, error) {
	items, width, err := m.find(ctx, b, sc)
	if err != nil {
		return nil, err
	}
	outputs := make([]any, len(items))
	err = fanOut(ctx, len(items), width, func(ctx context.Context, i int) (err error) {
		item := &mapItem{index: i, value: items[i]}
		input, err := m.input(sc, item)
		if err != nil {
			return err
		}
		outputs[i], err = b.below(v.state.name, i, item).iterate(ctx, v, m.flow, input)
		return err
	})
	return outputs, err
}

func (b *branch) iterate(ctx context.Context, v *visit, f *flow, input any) (any, error) {
	if err := b.record("MapIterationStarted", v.state.name); err != nil {
		return nil, err
	}
	output, err := b.walk(ctx, f, input)
	if err == nil {
		return output, b.record("MapIterationSucceeded", v.state.name)
	}
	if failure, ok := errors.AsType[*Failure](err); ok {
		b.recordEnd("MapIterationFailed", v.state.name, failure.Name)
	} else {
		b.recordEnd("MapIterationAborted", v.state.name, "")
	}
	return nil, err
}

var labelForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

func compileMap(f *fields, s *state) {
	m := &mapping{}
	s.worker = m
	f.work(s)
	m.concurrency = f.wholeOrPath("MaxConcurrency", 0, 0)
	m.selector = f.payload("ItemSelector")
	m.processor(f)
	if m.distributed {
		m.compileDistributed(f, s)
	} else {
		f.inlineOnly("ItemReader", "ToleratedFailureCount", "ToleratedFailureCountPath",
			"ToleratedFailurePercentage", "ToleratedFailurePercentagePath", "Label")
	}
	if m.items = f.path("ItemsPath"); m.items == nil {
		m.items = &path{text: "$"}
	} else if m.reader != nil {
		f.fail("ItemsPath", "is not supported beside ItemReader")
	}
}

func (f *fields) inlineOnly(names ...string) {
	for _, name := range names {
		if f.take(name) != nil {
			f.fail(name, "needs ProcessorConfig.Mode DISTRIBUTED")
		}
	}
}

func (m *mapping) processor(f *fields) {
	n := f.required("ItemProcessor", objectNode)
	if n == nil {
		return
	}
	p := f.checker.fields(f.where+": ItemProcessor", n)
	p.string("Comment")
	if config := p.of("ProcessorConfig", objectNode); config != nil {
		c := f.checker.fields(f.where+": ProcessorConfig", config)
		m.mode(c)
		c.done()
	}
	m.flow = f.checker.flow(p)
	p.done()
}

func (m *mapping) mode(f *fields) {
	switch mode := f.string("Mode"); mode {
	case "DISTRIBUTED":
		m.distributed = true
		if kind := f.requiredString("ExecutionType"); kind != "" && kind != "STANDARD" {
			f.fail("ExecutionType", "%q is not supported", kind)
		}
	case "INLINE", "":
	default:
		f.fail("Mode", "%q is not supported", mode)
	}
}

func (m *mapping) compileDistributed(f *fields, s *state) {
	m.label = s.name
	if f.has("Label") {
		if m.label = f.string("Label"); !labelForm.MatchString(m.label) {
			f.fail("Label", "must have 1 to 40 letters, digits, - and _")
		}
	}
	m.reader = f.reader()
	if f.has("ToleratedFailureCount") || f.has("ToleratedFailureCountPath") {
		m.tolerance.count = f.wholeOrPath("ToleratedFailureCount", 0, 0)
	}
	if f.has("ToleratedFailurePercentage") || f.has("ToleratedFailurePercentagePath") {
		m.tolerance.percentage = f.percentageOrPath("ToleratedFailurePercentage")
	}
}

func (f *fields) percentageOrPath(name string) expression {
	f.either(name, name+"Path")
	if p := f.path(name + "Path"); p != nil {
		return p
	}
	f.float(name, 0, 0, 100)
	return constant{f.take(name).plain()}
}
