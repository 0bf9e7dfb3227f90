package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
)

// world is steps over a directory with a clock that the test turns.
type world struct {
	*Steps
	mu   sync.Mutex
	time time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{time: time.Now()} // objects carry the machine's time, so the clock starts there
	w.Steps = &Steps{Work: directory(t), Worker: 15 * time.Minute, Now: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.time
	}}
	return w
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func planOf(run string, arrived time.Time) *Plan {
	return &Plan{V: 1, State: Proven, Start: Start{Run: run, Destination: "people", Arrived: arrived}, Organization: "org", Table: &dataverse.Table{Name: "contact"}}
}

func (w *world) turns() *turns { return &turns{Steps: w.Steps, prefix: "turns/org/contact/"} }

func (w *world) take(t *testing.T, plan *Plan) Turn {
	t.Helper()
	turn, err := w.turns().take(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

func TestTurnGoesByArrivalAndIsGivenBack(t *testing.T) {
	w := newWorld(t)
	first, second := planOf("first", arrived), planOf("second", arrived.Add(time.Second))
	if turn := w.take(t, second); turn.State != Mine || turn.Epoch != 1 {
		t.Fatalf("alone in the queue: %+v", turn)
	}
	// Rule T2: a ticket that shows up later, however early its time, waits.
	if turn := w.take(t, first); turn.State != Waiting || turn.Behind != "second" {
		t.Fatalf("behind the holder: %+v", turn)
	}
	if turn := w.take(t, second); turn.State != Mine || turn.Epoch != 1 {
		t.Fatalf("the holder asks again: %+v", turn)
	}
	third := planOf("third", arrived.Add(2*time.Second))
	w.take(t, third)
	if err := w.turns().leave(context.Background(), second, true); err != nil {
		t.Fatal(err)
	}
	if turn := w.take(t, third); turn.State != Waiting || turn.Behind != "first" {
		t.Fatalf("behind an earlier ticket: %+v", turn)
	}
	if turn := w.take(t, first); turn.State != Mine || turn.Epoch != 2 {
		t.Fatalf("first in the queue: %+v", turn)
	}
}

// Rule T4: nothing cancels a function when its execution dies.
func TestTurnOfAFailedRunIsGivenUpOnlyAfterItsWorkersTime(t *testing.T) {
	w := newWorld(t)
	dead, next := planOf("dead", arrived), planOf("next", arrived.Add(time.Second))
	w.take(t, dead)
	f := &fence{turns: w.turns(), epoch: 1, worker: "straggler"}
	if err := f.check(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := w.turns().leave(context.Background(), dead, false); err != nil {
		t.Fatal(err)
	}
	// Rule T3: the straggler's next look ends it.
	w.pass(turnTrust)
	if err := f.check(context.Background()); !fault.Is(err, fault.LostTurn) {
		t.Fatalf("the straggler may still write: %v", err)
	}
	if turn := w.take(t, next); turn.State != Waiting || turn.Seconds < 1 || turn.Seconds > 301 {
		t.Fatalf("right after: %+v", turn)
	}
	w.pass(20 * time.Minute)
	if turn := w.take(t, next); turn.State != Waiting {
		t.Fatalf("within its workers' time: %+v", turn)
	}
	w.pass(2 * time.Minute)
	if turn := w.take(t, next); turn.State != Mine || turn.Epoch != 2 {
		t.Fatalf("after its workers' time: %+v", turn)
	}
}

// Workers may be starved of concurrency for long: without a word of its failure a holder is left alone.
func TestHolderThatNobodySawFailKeepsItsTurn(t *testing.T) {
	w := newWorld(t)
	holder, next := planOf("holder", arrived), planOf("next", arrived.Add(time.Second))
	w.take(t, holder)
	w.pass(time.Hour)
	if turn := w.take(t, next); turn.State != Waiting || turn.Behind != "holder" {
		t.Fatalf("after an hour: %+v", turn)
	}
	w.pass(holderLife)
	if turn := w.take(t, next); turn.State != Mine {
		t.Fatalf("after its life: %+v", turn)
	}
}

// A run that goes on after a failure takes a new epoch, which fences what is left of its own old execution.
func TestResumedRunTakesANewEpoch(t *testing.T) {
	w := newWorld(t)
	plan := planOf("run", arrived)
	w.take(t, plan)
	if err := w.turns().leave(context.Background(), plan, false); err != nil {
		t.Fatal(err)
	}
	if turn := w.take(t, plan); turn.State != Mine || turn.Epoch != 2 {
		t.Fatalf("resumed: %+v", turn)
	}
	f := &fence{turns: w.turns(), epoch: 1, worker: "straggler"}
	if err := f.check(context.Background()); !fault.Is(err, fault.LostTurn) {
		t.Fatalf("the straggler may still write: %v", err)
	}
}

func TestLivingProcessKeepsItsTurnAndADeadOneWaitsOnlyForTheServer(t *testing.T) {
	w := newWorld(t)
	w.Worker = 0
	alive := true
	w.Alive = func(run string) (bool, bool) { return alive && run == "holder", run == "holder" }
	holder, next := planOf("holder", arrived), planOf("next", arrived.Add(time.Second))
	w.take(t, holder)
	w.pass(10 * time.Hour)
	if turn := w.take(t, next); turn.State != Waiting || turn.Behind != "holder" {
		t.Fatalf("behind a living process: %+v", turn)
	}
	alive = false
	if turn := w.take(t, next); turn.State != Mine {
		t.Fatalf("long after its death: %+v", turn)
	}
}

func TestTicketsOfRunsThatNoLongerComeAreSkipped(t *testing.T) {
	w := newWorld(t)
	holder, gone, next := planOf("holder", arrived), planOf("gone", arrived.Add(time.Second)), planOf("next", arrived.Add(2*time.Second))
	w.take(t, holder)
	w.take(t, gone)
	if err := w.turns().leave(context.Background(), holder, true); err != nil {
		t.Fatal(err)
	}
	if turn := w.take(t, next); turn.State != Waiting || turn.Behind != "gone" {
		t.Fatalf("behind a ticket that may still come: %+v", turn)
	}
	w.pass(waiterLife + time.Minute)
	if turn := w.take(t, next); turn.State != Mine {
		t.Fatalf("after the ticket's life: %+v", turn)
	}
}

// However many take at once, one has the turn, and a later epoch fences the earlier.
func TestOneOfManyTakersWins(t *testing.T) {
	w := newWorld(t)
	for round := 1; round <= 5; round++ {
		var group sync.WaitGroup
		got := make([]Turn, 16)
		plans := make([]*Plan, len(got))
		for i := range got {
			plans[i] = planOf(fmt.Sprintf("run-%d-%02d", round, i), arrived)
			group.Go(func() {
				turn, err := w.turns().take(context.Background(), plans[i])
				if err != nil {
					t.Error(err)
				}
				got[i] = turn
			})
		}
		group.Wait()
		holder := -1
		for i, turn := range got {
			if turn.State == Mine {
				if holder >= 0 {
					t.Fatalf("round %d: %d and %d both have the turn", round, holder, i)
				}
				holder = i
			}
		}
		if holder < 0 {
			t.Fatalf("round %d: nobody has the turn", round)
		}
		for _, plan := range plans {
			if err := w.turns().leave(context.Background(), plan, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	last, err := w.turns().last(context.Background())
	if err != nil || last.n != 5 || !last.released {
		t.Fatalf("after five rounds: %+v, %v", last, err)
	}
}

func TestFenceLooksOnlyNowAndThen(t *testing.T) {
	w := newWorld(t)
	w.take(t, planOf("holder", arrived))
	f := &fence{turns: w.turns(), epoch: 1, worker: "w"}
	if err := f.check(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := w.turns().release(context.Background(), 1, "test"); err != nil {
		t.Fatal(err)
	}
	if err := f.check(context.Background()); err != nil {
		t.Fatalf("within the trust of its last look: %v", err)
	}
	w.pass(turnTrust)
	var e *fault.Error
	if err := f.check(context.Background()); !errors.As(err, &e) || e.Kind != fault.LostTurn {
		t.Fatalf("after it: %v", err)
	}
}

func TestWorkerWithoutATurnStopsBeforeItsFirstCall(t *testing.T) {
	w := newWorld(t)
	f := &fence{turns: w.turns(), epoch: 1, worker: "w"}
	if err := f.check(context.Background()); !fault.Is(err, fault.LostTurn) {
		t.Fatalf("rule T6: %v", err)
	}
}
