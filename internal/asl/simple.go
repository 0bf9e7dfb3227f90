package asl

import (
	"context"
	"errors"
	"time"
)

// pass is a Pass state: its result is a constant, or the effective input.
type pass struct{ result expression }

func (p *pass) work(_ context.Context, _ *branch, _ *visit, sc *scope) (any, error) {
	if p.result == nil {
		return sc.input, nil
	}
	return p.result.eval(sc)
}

func compilePass(f *fields, s *state) {
	p := &pass{}
	s.worker = p
	f.ways(s)
	f.onward(s)
	s.parameters = f.payload("Parameters")
	s.resultPath = f.resultWay()
	if n := f.take("Result"); n != nil {
		p.result = constant{n.plain()}
	}
}

// wait is a Wait state: for a number of seconds, or until a time.
type wait struct {
	seconds expression
	until   expression
	next    string
}

func (w *wait) route(ctx context.Context, b *branch, sc *scope) (string, error) {
	duration, err := w.duration(sc, b.run.env.Now)
	if err != nil {
		return "", err
	}
	return w.next, b.sleep(ctx, duration)
}

func (w *wait) duration(sc *scope, now func() time.Time) (time.Duration, error) {
	if w.until != nil {
		found, err := resolve(w.until, sc)
		if err != nil {
			return 0, err
		}
		until := timestamp(found)
		if until.IsZero() {
			return 0, failf(errRuntime, "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string.")
		}
		return until.Sub(now()), nil
	}
	return seconds(w.seconds, sc, "SecondsPath", 0)
}

// seconds is a whole number of at least least seconds.
func seconds(e expression, sc *scope, field string, least int64) (time.Duration, error) {
	found, err := resolve(e, sc)
	if err != nil {
		return 0, err
	}
	n, ok := integer(found)
	if !ok || n < least || n > longestSeconds {
		return 0, failf(errRuntime, "The %s parameter does not reference a whole number from %d to %d.", field, least, longestSeconds)
	}
	return time.Duration(n) * time.Second, nil
}

// resolve evaluates a field's path; one that selects nothing is States.Runtime.
func resolve(e expression, sc *scope) (any, error) {
	found, err := e.eval(sc)
	if lost, ok := errors.AsType[*missing](err); ok {
		return nil, failf(errRuntime, "%s", lost)
	}
	return found, err
}

func compileWait(f *fields, s *state) {
	w := &wait{}
	s.router = w
	f.ways(s)
	f.onward(s)
	w.next = s.next
	if f.either("Seconds", "SecondsPath", "Timestamp", "TimestampPath") == 0 {
		f.checker.fail(f.node.line, "%s: needs Seconds, SecondsPath, Timestamp or TimestampPath", f.where)
	}
	switch {
	case f.has("Seconds"):
		w.seconds = constant{number(f.integer("Seconds", 0, 0, longestSeconds))}
	case f.has("SecondsPath"):
		w.seconds = f.path("SecondsPath")
	case f.has("Timestamp"):
		at := f.requiredString("Timestamp")
		w.until = constant{at}
		if !isTimestamp(at) {
			f.fail("Timestamp", "must be a time such as 2026-03-01T02:00:05Z")
		}
	case f.has("TimestampPath"):
		w.until = f.path("TimestampPath")
	}
}

// succeed ends a flow.
type succeed struct{}

func (succeed) route(context.Context, *branch, *scope) (string, error) { return "", nil }

func compileSucceed(f *fields, s *state) {
	s.router = succeed{}
	f.ways(s)
}

// fail ends an execution with an error of the definition's own.
type fail struct{ name, cause expression }

func (x *fail) route(_ context.Context, _ *branch, sc *scope) (string, error) {
	name, err := failText(x.name, sc)
	if err != nil {
		return "", err
	}
	cause, err := failText(x.cause, sc)
	if err != nil {
		return "", err
	}
	return "", &Failure{Name: name, Cause: cause}
}

func failText(e expression, sc *scope) (string, error) {
	if e == nil {
		return "", nil
	}
	found, err := resolve(e, sc)
	if err != nil {
		return "", err
	}
	s, ok := found.(string)
	if !ok {
		return "", failf(errRuntime, "ErrorPath and CausePath must select a string, not %s.", kindOf(found))
	}
	return s, nil
}

func compileFail(f *fields, s *state) {
	s.router = &fail{name: f.failField("Error"), cause: f.failField("Cause")}
	s.inputPath, s.outputPath = &path{text: "$"}, &path{text: "$"}
}

// failField reads Error or Cause, or its Path, which may be an intrinsic function too.
func (f *fields) failField(name string) expression {
	f.either(name, name+"Path")
	if n := f.of(name, stringNode); n != nil {
		return constant{n.text}
	}
	n := f.of(name+"Path", stringNode)
	if n == nil {
		return nil
	}
	e, err := parseExpression(n.text)
	if err != nil {
		f.fail(name+"Path", "has %s", err)
	}
	return e
}
