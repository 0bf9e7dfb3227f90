package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
)

// Rule I3: what may have been sent is in doubt whatever ended the call, and what certainly was not is as it was before.
func TestLostAnswersStayInDoubt(t *testing.T) {
	turnGone := fault.New(fault.LostTurn, "turn_lost", "gone")
	outcomes := []dataverse.Outcome{
		{Result: dataverse.Created},
		{Result: dataverse.NotAttempted, Uncertain: true},
		{Result: dataverse.NotAttempted},
		{Result: dataverse.NotAttempted},
		{Result: dataverse.Rejected},
	}
	before := []opState{untouched, untouched, untouched, sending, untouched}
	for name, c := range map[string]struct {
		err  error
		want []opState
	}{
		"the turn is gone":     {turnGone, []opState{created, sending, untouched, sending, rejected}},
		"permission is gone":   {fault.New(fault.Denied, "denied", "no"), []opState{created, sending, untouched, sending, rejected}},
		"a long pause":         {fault.New(fault.Throttled, "throttled", "later"), []opState{created, sending, untouched, sending, rejected}},
		"nobody knows":         {fault.New(fault.Interrupted, "unreachable", "gone"), []opState{created, sending, sending, sending, rejected}},
		"something unexpected": {errors.New("?"), []opState{created, sending, sending, sending, rejected}},
		"no error":             {nil, []opState{created, sending, sending, sending, rejected}},
	} {
		if got := statesOf(outcomes, before, c.err); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := statesOf(nil, before, turnGone); !slices.Equal(got, []opState{sending, sending, sending, sending, sending}) {
		t.Errorf("no outcomes at all: %v", got)
	}
}

// However states lie, calls take each unsettled operation once, and what is noted merges to what became of them.
func TestCallsAreCutAsTheyAreSent(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	all := []opState{untouched, needless, sending, rejected, unchanged, updated}
	for range 300 {
		before := make([]opState, 1+random.IntN(60))
		for i := range before {
			if before[i] = untouched; random.IntN(3) == 0 {
				before[i] = all[random.IntN(len(all))]
			}
		}
		w := &attempt{Steps: &Steps{}, plan: &Plan{}, states: slices.Clone(before), allowed: 100, until: time.Now().Add(time.Hour), chunk: numbered(t, len(before))}
		noted, sent := slices.Clone(before), 0
		for {
			places := w.cut(1 + random.IntN(7))
			if len(places) == 0 {
				break
			}
			known, spans := w.announce(places)
			if err := mergeSpans(noted, spans); err != nil {
				t.Fatal(err)
			}
			ops, err := w.chunk.operations(new(batch), places)
			if err != nil {
				t.Fatal(err)
			}
			tellAgain(ops, known)
			for n, op := range ops {
				sent++
				switch place := places[n]; {
				case op.Row != int64(place) || op.Again != (before[place] == sending) || before[place].settled():
					t.Fatalf("operation %+v of place %d, %v", op, place, before[place])
				case noted[place] < sending:
					t.Fatalf("place %d was sent and not noted", place)
				}
			}
			w.record(places, slices.Repeat([]opState{created}, len(places)), 0)
		}
		if err := mergeSpans(noted, w.known); err != nil {
			t.Fatal(err)
		}
		for i, state := range before {
			want := state
			if !state.settled() {
				want, sent = created, sent-1
			}
			if noted[i] != want || w.states[i] != want {
				t.Fatalf("place %d was %v: noted as %v, known as %v", i, state, noted[i], w.states[i])
			}
		}
		if sent != 0 {
			t.Fatalf("%d operations were sent too many", sent)
		}
	}
}

func TestNoMoreCallsAfterAFailureOrTooManyRejects(t *testing.T) {
	fresh := func() *attempt {
		return &attempt{Steps: &Steps{}, states: make([]opState, 9), allowed: 2, until: time.Now().Add(time.Hour)}
	}
	for name, stop := range map[string]func(*attempt){
		"a failure": func(w *attempt) { w.fail(errors.New("x")) },
		"rejects":   func(w *attempt) { w.rejected = 3 },
		"time":      func(w *attempt) { w.until = time.Now().Add(-time.Second) },
	} {
		w := fresh()
		if got := w.cut(3); len(got) != 3 {
			t.Fatalf("cut %v", got)
		}
		if stop(w); len(w.cut(3)) != 0 {
			t.Errorf("more was sent after %s", name)
		}
	}
}

// The gate follows the hint while it rises, and lets nobody in who has no more time.
func TestGateFollowsTheHint(t *testing.T) {
	var mu sync.Mutex
	hint := 4
	g := newGate(func() int { mu.Lock(); defer mu.Unlock(); return hint })
	g.known = true
	ctx := context.Background()
	for range 2*4 + 2 {
		if !g.take(ctx, time.Hour) {
			t.Fatal("no place although there is one")
		}
	}
	if g.take(ctx, 0) {
		t.Fatal("one place too many")
	}
	mu.Lock()
	hint = 8
	mu.Unlock()
	entered := make(chan bool)
	for range 9 {
		go func() { entered <- g.take(ctx, time.Hour) }()
	}
	for range 8 { // 18 places
		if !<-entered {
			t.Error("no place although the hint has risen")
		}
	}
	g.give(true)
	if !<-entered {
		t.Error("no place although one became free")
	}
	stopped, cancel := context.WithCancel(ctx)
	go func() { entered <- g.take(stopped, time.Hour) }()
	cancel()
	if <-entered {
		t.Error("a place for who was told to stop")
	}
	if fresh := newGate(g.inFlight); fresh.places() != 8 {
		t.Errorf("%d places before anything was answered", fresh.places())
	}
	hint = 500
	if n := g.places(); n != 500 {
		t.Errorf("%d places for a hint of 500", n)
	}
}

// While the service could do more than it was sent, one more call is rendered at a time.
func TestRenderingHurriesWhenTheServiceIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(func() int { return 8 })
		g.busy = cap(g.renders) + 1
		began := time.Now()
		for range cap(g.renders) + 1 {
			g.render()
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s although nothing was sent", waited)
		}
		if len(g.spare) != 1 {
			t.Error("the spare place is not used")
		}
	})
}

// A wait is told once for each reason and end, and counts once however many calls wait.
func TestWaitsAreToldAndCountedOnce(t *testing.T) {
	var c crew
	w, leave := c.watching("r")
	other, leaveOther := c.watching("r")
	if w != other {
		t.Fatal("two workers of a run do not know of each other's waits")
	}
	at := func(s int) time.Time { return time.Date(2026, 3, 1, 2, 0, s, 0, time.UTC) }
	var told []string
	var counted time.Duration
	for _, x := range []struct {
		reason     string
		now, until int
	}{
		{dataverse.WaitThrottled, 0, 10}, {dataverse.WaitThrottled, 0, 10}, {dataverse.WaitThrottled, 4, 10},
		{dataverse.WaitRetry, 5, 8}, {dataverse.WaitThrottled, 6, 12}, {dataverse.WaitPaced, 20, 21}, {dataverse.WaitThrottled, 11, 12},
	} {
		news, longer := w.add(x.reason, at(x.now), at(x.until))
		counted += longer
		if news {
			told = append(told, waitWords(x.reason, at(x.now), at(x.until)))
		}
	}
	if counted != 13*time.Second {
		t.Errorf("%s counted", counted)
	}
	for i, want := range []string{"(10s): the service asked for a pause", "(3s): a call failed", "(6s): the service asked", "holding back until"} {
		if i >= len(told) || !strings.Contains(told[i], want) {
			t.Fatalf("told %q, want %q", told, want)
		}
	}
	if len(told) != 4 {
		t.Errorf("told %q", told)
	}
	leave()
	leaveOther()
	if len(c.watches) != 0 {
		t.Error("a run that is over is still watched")
	}
}

// numbered is a chunk of so many operations whose rows are their places.
func numbered(t *testing.T, n int) *chunk {
	t.Helper()
	c := new(chunk)
	for i := range n {
		c.data = appendOperation(c.data, &dataverse.Operation{Row: int64(i), Do: dataverse.Create, ID: "x"})
	}
	if err := c.parse(ChunkRef{Operations: n}); err != nil {
		t.Fatal(err)
	}
	return c
}

// A call that does not get ready keeps no other one up.
func TestRenderingIsNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(func() int { return 8 })
		g.busy = 20 // as many are ready as the service likes: none may have the spare place
		began := time.Now()
		for range cap(g.renders) {
			g.render() // and never says that it is rendered
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the first ones waited %s", waited)
		}
		free := g.render()
		free()
		if waited := time.Since(began); waited != renderPatience {
			t.Errorf("waited %s for calls that do not get ready", waited)
		}
		<-g.renders // one is ready after all
		rendered := g.render()
		rendered()
		rendered() // by the request, and again when the call ends
		if waited := time.Since(began); waited != renderPatience || len(g.renders) != cap(g.renders)-1 {
			t.Errorf("waited %s, %d of %d places taken", waited, len(g.renders), cap(g.renders))
		}
	})
}
