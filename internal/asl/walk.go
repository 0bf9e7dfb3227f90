package asl

import (
	"context"
	"errors"
	"time"
)

// A worker makes a result out of a state's effective input.
type worker interface {
	work(ctx context.Context, b *branch, v *visit, sc *scope) (any, error)
}

// A router says which state comes next; "" ends the flow.
type router interface {
	route(ctx context.Context, b *branch, sc *scope) (next string, err error)
}

// walk goes from state to state until one ends the flow.
func (b *branch) walk(ctx context.Context, f *flow, input any) (any, error) {
	for name := f.start; ; {
		s := f.states[name]
		output, next, err := b.visit(ctx, s, input)
		if err != nil {
			if failure, ok := errors.AsType[*Failure](err); ok && failure.State == "" {
				failure.State = name
			}
			return nil, err
		}
		if next == "" {
			return output, nil
		}
		input, name = output, next
	}
}

func (b *branch) visit(ctx context.Context, s *state, input any) (output any, next string, err error) {
	if err := stopped(ctx); err != nil {
		return nil, "", err
	}
	if err := b.record(s.kind+"StateEntered", s.name); err != nil {
		return nil, "", err
	}
	v := &visit{state: s, entered: b.run.env.Now()}
	if s.router != nil {
		output, next, err = b.pass(ctx, v, input)
	} else {
		output, next, err = b.perform(ctx, v, input)
	}
	if err != nil {
		return nil, "", err
	}
	return output, next, b.record(s.kind+"StateExited", s.name)
}

// pass goes through a router: InputPath, the decision, OutputPath.
func (b *branch) pass(ctx context.Context, v *visit, raw any) (any, string, error) {
	sc, err := b.enter(v, raw)
	if err != nil {
		return nil, "", err
	}
	next, err := v.state.router.route(ctx, b, sc)
	if err != nil {
		return nil, "", err
	}
	output, err := v.state.leave(sc, sc.input)
	return output, next, err
}

// perform goes through a worker, as often as Retry says; then Catch has its turn.
func (b *branch) perform(ctx context.Context, v *visit, raw any) (any, string, error) {
	patience := newPatience(v.state.retry)
	for {
		output, err := b.attempt(ctx, v, raw)
		if err == nil {
			return output, v.state.next, nil
		}
		failure, ok := errors.AsType[*Failure](err)
		if !ok {
			return nil, "", err
		}
		delay, again := patience.next(failure, b.run.env.Rand)
		if !again {
			return v.state.recover(failure, raw)
		}
		if err := b.sleep(ctx, delay); err != nil {
			return nil, "", err
		}
		v.retries++
	}
}

// attempt: InputPath, Parameters, the work, ResultSelector, ResultPath, OutputPath.
func (b *branch) attempt(ctx context.Context, v *visit, raw any) (any, error) {
	s := v.state
	sc, err := b.enter(v, raw)
	if err != nil {
		return nil, err
	}
	effective := sc.input
	if s.parameters != nil {
		if effective, err = s.parameters.eval(sc); err != nil {
			return nil, err
		}
		if err := fits(effective, "The state's effective input"); err != nil {
			return nil, err
		}
	}
	result, err := s.worker.work(ctx, b, v, sc.with(effective))
	if err != nil {
		return nil, err
	}
	if s.selector != nil {
		if result, err = s.selector.eval(sc.with(result)); err != nil {
			return nil, err
		}
	}
	placed := raw
	if s.resultPath != nil {
		var ok bool
		if placed, ok = s.resultPath.set(raw, result); !ok {
			return nil, failf(errResultPath, "Unable to apply the ResultPath '%s' to the state's input.", s.resultPath.text)
		}
	}
	return s.leave(sc, placed)
}

// enter applies InputPath.
func (b *branch) enter(v *visit, raw any) (*scope, error) {
	sc := b.scope(v, raw)
	input, err := v.state.inputPath.apply("InputPath", sc)
	if err != nil {
		return nil, err
	}
	return sc.with(input), nil
}

// leave applies OutputPath to what the state hands on.
func (s *state) leave(sc *scope, value any) (any, error) {
	output, err := s.outputPath.apply("OutputPath", sc.with(value))
	if err != nil {
		return nil, err
	}
	return output, fits(output, "The state's output")
}

// apply follows InputPath or OutputPath; nil, which is null in the definition, selects nothing.
func (p *path) apply(field string, sc *scope) (any, error) {
	if p == nil {
		return map[string]any{}, nil
	}
	value, ok := p.lookup(sc)
	if !ok {
		return nil, failf(errRuntime, "Invalid path '%s' of %s: it selects nothing.", p.text, field)
	}
	return value, nil
}

// recover hands the failure to the first catcher that names it. The output of a
// catcher goes on as it is: ResultSelector and OutputPath are for results.
func (s *state) recover(failure *Failure, raw any) (any, string, error) {
	c := find(s.catch, failure)
	if c == nil {
		return nil, "", failure
	}
	if c.resultPath == nil {
		return raw, c.next, nil
	}
	output, ok := c.resultPath.set(raw, failure.output())
	if !ok {
		return nil, "", failf(errResultPath, "Unable to apply the ResultPath '%s' to the state's input.", c.resultPath.text)
	}
	return output, c.next, fits(output, "The state's output")
}

// sleep waits unless the branch is stopped.
func (b *branch) sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		if err := b.run.env.Sleep(ctx, d); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return stopped(ctx)
}
