package run

import (
	"context"
	"errors"
	"testing"

	"penstock/internal/config"
)

// counting is an attempt at a chunk of a run that may have ten rejects, in the process that s stands for.
func counting(t *testing.T, w *world, s *Steps, n int) *attempt {
	t.Helper()
	plan := planOf("run", arrived)
	plan.By, plan.MaxPercent, plan.Rows.Read = "p1", 1, 1000
	plan.Chunks = []ChunkRef{{N: 0, Operations: 500}, {N: 1, Operations: 500}}
	s.Config = func(context.Context) (*config.Config, error) { return nil, errors.New("not now") }
	a := &attempt{Steps: s, plan: plan, phase: loadPhase, ref: plan.Chunks[n], states: make([]opState, 500), until: w.Now().Add(applyTime)}
	a.fence = &fence{turns: &turns{Steps: s, prefix: w.turns().prefix}, epoch: 1, worker: chunkName(loadPhase, n)}
	if err := a.allow(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.shared.join(a))
	return a
}

// calls is one more call, of which some rows are rejected; whether there was one.
func (w *attempt) calls(t *testing.T, rejects int64) bool {
	t.Helper()
	if len(w.cut(10)) == 0 {
		return false
	}
	if err := w.before(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.rejected += rejects
	w.mu.Unlock()
	return true
}

// The threshold is the run's: what workers reject at the same time adds up at once within a process …
func TestThresholdHoldsOverTheChunksOfAProcess(t *testing.T) {
	w := newWorld(t)
	w.take(t, planOf("run", arrived))
	one, other := counting(t, w, w.Steps, 0), counting(t, w, w.Steps, 1)
	for range 2 {
		if !one.calls(t, 3) || !other.calls(t, 3) {
			t.Fatal("stopped below the threshold")
		}
	}
	// Twelve of ten: each looks before its next call, and the call after that is not cut.
	one.calls(t, 0)
	other.calls(t, 0)
	if one.calls(t, 0) || other.calls(t, 0) {
		t.Errorf("more calls after 12 rejects where 10 are allowed: %d and %d may be had", one.allowed, other.allowed)
	}
}

// … and between processes when they have told each other, a few seconds later.
func TestThresholdHoldsOverProcesses(t *testing.T) {
	w := newWorld(t)
	w.take(t, planOf("run", arrived))
	second := &Steps{Work: w.Work, Now: w.Now}
	one, other := counting(t, w, w.Steps, 0), counting(t, w, second, 1)
	one.calls(t, 8)
	other.calls(t, 8)
	for range 2 { // the first look tells, the second hears
		w.pass(recountEvery)
		one.calls(t, 0)
		other.calls(t, 0)
	}
	if one.calls(t, 0) || other.calls(t, 0) {
		t.Errorf("more calls after 16 rejects where 10 are allowed: %d and %d may be had", one.allowed, other.allowed)
	}
}

// How an attempt ended counts for those that begin later, in any process.
func TestThresholdCountsWhatHasEnded(t *testing.T) {
	w := newWorld(t)
	w.take(t, planOf("run", arrived))
	one := counting(t, w, w.Steps, 0)
	for k, rejects := range []int{4, 7} { // a later attempt's count includes the earlier one's
		j, err := w.begin(t.Context(), one.plan, loadPhase, one.ref, k, "w", nil)
		if err != nil {
			t.Fatal(err)
		}
		states := make([]opState, 500)
		for i := range rejects {
			states[i] = rejected
		}
		if err := j.end(t.Context(), states, Figures{}); err != nil {
			t.Fatal(err)
		}
	}
	if other := counting(t, w, &Steps{Work: w.Work, Now: w.Now}, 1); other.allowed != 3 {
		t.Errorf("%d may be had, want 3", other.allowed)
	}
}
