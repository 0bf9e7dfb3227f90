package asl

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// retrier is one entry of Retry.
type retrier struct {
	names    []string
	interval float64 // seconds
	attempts int
	rate     float64
	longest  float64 // seconds
	jitter   bool
}

// catcher is one entry of Catch.
type catcher struct {
	names      []string
	resultPath *reference // nil: the error output is dropped
	next       string
}

// longestDelay bounds MaxDelaySeconds, as Step Functions does.
const longestDelay = 31_622_400

// patience counts the retries of one visit to a state, for each retrier by itself.
type patience struct {
	retriers []retrier
	used     []int
}

func newPatience(retriers []retrier) *patience {
	return &patience{retriers: retriers, used: make([]int, len(retriers))}
}

// next says how long to wait before the next attempt. Only the first retrier
// that names the failure is asked: when its attempts are used up, no other is.
func (p *patience) next(failure *Failure, rand func() float64) (time.Duration, bool) {
	for i := range p.retriers {
		r := &p.retriers[i]
		if !failure.matches(r.names) {
			continue
		}
		if p.used[i] >= r.attempts {
			return 0, false
		}
		delay := r.delay(p.used[i])
		p.used[i]++
		if r.jitter {
			delay *= rand()
		}
		return time.Duration(delay * float64(time.Second)), true
	}
	return 0, false
}

// delay is the time in seconds before retry n, counted from 0.
func (r *retrier) delay(n int) float64 {
	delay := r.interval
	for range n {
		if delay *= r.rate; delay >= r.longest || r.rate == 1 {
			break
		}
	}
	return min(delay, r.longest)
}

func find(catchers []catcher, failure *Failure) *catcher {
	for i := range catchers {
		if failure.matches(catchers[i].names) {
			return &catchers[i]
		}
	}
	return nil
}

func (f *fields) retriers() []retrier {
	list := f.of("Retry", arrayNode)
	if list == nil {
		return nil
	}
	var all []retrier
	for i, n := range list.items {
		e := f.checker.fields(fmt.Sprintf("%s: Retry[%d]", f.where, i), n)
		e.string("Comment")
		all = append(all, retrier{
			names:    e.errorNames(i == len(list.items)-1),
			interval: float64(e.integer("IntervalSeconds", 1, 1, longestSeconds)),
			attempts: e.integer("MaxAttempts", 3, 0, longestSeconds),
			rate:     e.float("BackoffRate", 2, 1, 1e9),
			longest:  float64(e.integer("MaxDelaySeconds", longestSeconds, 1, longestDelay)),
			jitter:   e.jitter(),
		})
		e.done()
	}
	return all
}

func (f *fields) jitter() bool {
	switch strategy := f.of("JitterStrategy", stringNode); {
	case strategy == nil || strategy.text == "NONE":
		return false
	case strategy.text != "FULL":
		f.fail("JitterStrategy", "must be FULL or NONE, not %q", strategy.text)
	}
	return true
}

func (f *fields) catchers() []catcher {
	list := f.of("Catch", arrayNode)
	if list == nil {
		return nil
	}
	var all []catcher
	for i, n := range list.items {
		e := f.checker.fields(fmt.Sprintf("%s: Catch[%d]", f.where, i), n)
		e.string("Comment")
		all = append(all, catcher{
			names:      e.errorNames(i == len(list.items)-1),
			resultPath: e.resultWay(),
			next:       e.requiredString("Next"),
		})
		e.done()
	}
	return all
}

// errorNames reads ErrorEquals. States.ALL must be alone and in the last entry.
func (f *fields) errorNames(last bool) []string {
	list := f.required("ErrorEquals", arrayNode)
	if list == nil {
		return nil
	}
	var names []string
	for _, n := range list.items {
		if n.kind != stringNode || n.text == "" {
			f.fail("ErrorEquals", "must be a list of names")
			continue
		}
		if strings.HasPrefix(n.text, "States.") && !slices.Contains(reservedErrors, n.text) {
			f.fail("ErrorEquals", "has %s, which is no error of Step Functions", n.text)
		}
		names = append(names, n.text)
		f.checker.names.errors = addOnce(f.checker.names.errors, n.text)
	}
	if len(list.items) == 0 {
		f.fail("ErrorEquals", "must not be empty")
	}
	if slices.Contains(names, errAll) && (len(names) > 1 || !last) {
		f.fail("ErrorEquals", "has States.ALL, which must stand alone and last")
	}
	return names
}
