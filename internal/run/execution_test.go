package run

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// attended is a run with nothing to write and as many executions as a test likes.
type attended struct {
	*world
	t    *testing.T
	plan *Plan
	n    int
}

func attend(t *testing.T, change ...func(*Plan)) *attended {
	a := &attended{world: newWorld(t), t: t, plan: planOf("run", arrived)}
	a.plan.By = "p1"
	for _, f := range change {
		f(a.plan)
	}
	if err := store.PutJSON(t.Context(), a.Work, planKey(a.plan.folder()), a.plan); err != nil {
		t.Fatal(err)
	}
	return a
}

// begins is a new execution of the run.
func (a *attended) begins() *Execution {
	a.n++
	a.pass(time.Second)
	return &Execution{ID: fmt.Sprintf("arn:aws:states:eu-central-1:1:execution:load:run-%d", a.n), Started: a.Now()}
}

func (a *attended) looks(e *Execution) Turn {
	a.t.Helper()
	turn, err := a.Turn(a.t.Context(), TurnIn{Start: a.plan.Start, Execution: e})
	if err != nil {
		a.t.Fatal(err)
	}
	return turn
}

// died is EventBridge's word of an execution that ends now.
func (a *attended) died(e *Execution) FinishIn {
	a.t.Helper()
	input, err := json.Marshal(a.plan.Start)
	if err != nil {
		a.t.Fatal(err)
	}
	var in FinishIn
	event := fmt.Appendf(nil, `{"detail":{"executionArn":%q,"startDate":%d,"stopDate":%d,"input":%q}}`, e.ID, e.Started.UnixMilli(), a.Now().UnixMilli(), input)
	if err := json.Unmarshal(event, &in); err != nil {
		a.t.Fatal(err)
	}
	return in
}

func (a *attended) finishes(in FinishIn) Finished {
	a.t.Helper()
	end, err := a.Finish(a.t.Context(), in)
	if err != nil {
		a.t.Fatal(err)
	}
	if sum := end.Written + end.Unchanged + end.Rejected + end.NotAttempted; sum != end.Read {
		a.t.Errorf("%d rows read, %d accounted for", end.Read, sum)
	}
	return end
}

func (a *attended) mayWrite(epoch int) error {
	a.pass(turnTrust)
	return (&fence{turns: a.turns(), epoch: epoch, worker: "w"}).check(a.t.Context())
}

// Rule T6: an execution may be resumed before anybody has marked its epoch as
// stopped, while its workers still write. They must not write beside the new one's.
func TestResumedBeforeItsDeathIsKnownTakesANewEpoch(t *testing.T) {
	a := attend(t)
	first, second := a.begins(), a.begins()
	if turn := a.looks(first); turn.State != Mine || turn.Epoch != 1 {
		t.Fatalf("the first: %+v", turn)
	}
	if turn := a.looks(first); turn.State != Mine || turn.Epoch != 1 {
		t.Fatalf("the first, asked again: %+v", turn)
	}
	if turn := a.looks(second); turn.State != Mine || turn.Epoch != 2 {
		t.Fatalf("the second: %+v", turn)
	}
	if err := a.mayWrite(1); !fault.Is(err, fault.LostTurn) {
		t.Errorf("workers of the first may still write: %v", err)
	}
	// Whatever the first does now is of no account.
	if turn := a.looks(first); turn.State != Skip || turn.Reason == nil || turn.Reason.Code != "resumed" {
		t.Errorf("the first, late: %+v", turn)
	}
	for name, in := range map[string]FinishIn{
		"its workers lost their turn": {Start: a.plan.Start, Execution: first, Turn: &Turn{State: Mine, Epoch: 1}, Error: &Caught{Error: string(fault.LostTurn)}},
		"it was told to pass":         {Start: a.plan.Start, Execution: first, Turn: &Turn{State: Skip}},
		"it died":                     a.died(first),
	} {
		if end := a.finishes(in); end.State != Resumed {
			t.Errorf("%s: %+v", name, end)
		}
	}
	if err := a.mayWrite(2); err != nil {
		t.Errorf("the second is stopped: %v", err)
	}
	if end := a.finishes(FinishIn{Start: a.plan.Start, Execution: second, Turn: &Turn{State: Mine, Epoch: 2}}); end.State != Succeeded {
		t.Errorf("the second: %+v", end)
	}
	if last, err := a.turns().last(t.Context()); err != nil || last.n != 2 || !last.released {
		t.Errorf("the turn is not given back: %+v, %v", last, err)
	}
}

// Rule T4: word of a death that comes when the run waits for its turn again, or has ended, or after others.
func TestWordOfADeathComesWheneverItComes(t *testing.T) {
	a := attend(t)
	first := a.begins()
	a.looks(first)
	if err := a.turnsOf(a.plan, first).leave(t.Context(), a.plan, false); err != nil {
		t.Fatal(err)
	}
	died := a.died(first)
	other := planOf("other", arrived.Add(-time.Hour)) // ahead of the run in the queue
	a.take(t, other)
	a.pass(time.Hour)
	if turn := a.take(t, other); turn.State != Mine {
		t.Fatalf("the other: %+v", turn)
	}
	second := a.begins()
	if turn := a.looks(second); turn.State != Waiting {
		t.Fatalf("the second: %+v", turn)
	}
	if end := a.finishes(died); end.State != Resumed {
		t.Errorf("while the second waits: %+v", end)
	}
	if waits, err := a.any(t.Context(), "turns/org/contact/waiting/run"); err != nil || !waits {
		t.Errorf("the second has lost its place: %v", err)
	}
	if err := a.turns().leave(t.Context(), other, true); err != nil {
		t.Fatal(err)
	}
	turn := a.looks(second)
	if turn.State != Mine {
		t.Fatalf("the second: %+v", turn)
	}
	if end := a.finishes(FinishIn{Start: a.plan.Start, Execution: second, Turn: &turn}); end.State != Succeeded {
		t.Errorf("the second: %+v", end)
	}
	a.take(t, other)
	if end := a.finishes(died); end.State != Resumed {
		t.Errorf("after the end, when another has the turn: %+v", end)
	}
	if told, err := a.Report(t.Context(), "people", "run"); err != nil || told.State != Succeeded {
		t.Errorf("the report says %s, %v", told.State, err)
	}
	// Its own death is another matter.
	if end := a.finishes(a.died(second)); end.State != Succeeded {
		t.Errorf("of the second: %+v", end)
	}
}

// A mirror that could delete nothing has ended. Its Finish may run again without
// the survey's word, because the execution died in it.
func TestSkippedSweepStaysAnEnd(t *testing.T) {
	a := attend(t, func(p *Plan) { p.Mode = config.Mirror })
	first := a.begins()
	turn := a.looks(first)
	a.pass(time.Minute)
	sweep := &Surveyed{State: Skip, At: a.Now(), Reason: &Reason{Code: "keyless_rows", Message: "nobody knows which records they mean"}}
	if err := a.keepSkipped(t.Context(), a.plan, turn.Epoch, sweep); err != nil {
		t.Fatal(err)
	}
	whole := FinishIn{Start: a.plan.Start, Execution: first, Turn: &turn, Sweep: sweep}
	if end := a.finishes(whole); end.State != Partial {
		t.Fatalf("at its end: %+v", end)
	}
	a.pass(time.Minute)
	if end := a.finishes(a.died(first)); end.State != Partial {
		t.Errorf("when it died after that: %+v", end)
	}
	// One that is resumed would sweep: what the first skipped is no end of it.
	second := a.begins()
	a.looks(second)
	if end := a.finishes(a.died(second)); end.State != Failed || end.Reason.Code != "not_finished" {
		t.Errorf("a resumed one that died before its sweep: %+v", end)
	}
}

// The clocks of a state machine, of its events and of a laptop differ by a
// millisecond now and then: an execution is never overtaken by itself.
func TestExecutionKnowsItselfByAnotherClock(t *testing.T) {
	a := attend(t)
	e := a.begins()
	if turn := a.looks(e); turn.State != Mine {
		t.Fatalf("%+v", turn)
	}
	earlier := &Execution{ID: e.ID, Started: e.Started.Add(-time.Millisecond)}
	if end := a.finishes(FinishIn{Start: a.plan.Start, Execution: earlier, Turn: &Turn{State: Mine, Epoch: 1}}); end.State != Succeeded {
		t.Errorf("its own end is of no account: %+v", end)
	}
}

// Rule T4: a run that is resumed and finds itself needless does not give back the
// turn that its first execution had. What that has in flight is to be waited for.
func TestResumedForNothingLeavesItsTurnToBeWaitedFor(t *testing.T) {
	a := attend(t, func(p *Plan) { p.Mode = config.Mirror })
	if turn := a.looks(a.begins()); turn.State != Mine || turn.Epoch != 1 {
		t.Fatalf("%+v", turn)
	}
	newer := planOf("newer", arrived.Add(time.Hour))
	newer.Mode = config.Mirror
	if turn := a.take(t, newer); turn.State != Waiting || turn.Behind != "run" {
		t.Fatalf("the newer one: %+v", turn)
	}
	second := a.begins()
	skipped := a.looks(second)
	if skipped.State != Skip {
		t.Fatalf("the first, resumed, with a newer one behind it: %+v", skipped)
	}
	a.finishes(FinishIn{Start: a.plan.Start, Execution: second, Turn: &skipped})
	if turn := a.take(t, newer); turn.State != Waiting {
		t.Fatalf("the newer one begins beside what may be in flight: %+v", turn)
	}
	a.pass(a.Worker + lifeEvery + serverMargin + time.Second)
	if turn := a.take(t, newer); turn.State != Mine || turn.Epoch != 2 {
		t.Errorf("the newer one, when all of it is over: %+v", turn)
	}
}
