package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
)

// The parts of any number of processes are never more than the calls, and all of them where it can be.
func TestPartsAddUp(t *testing.T) {
	for calls := 1; calls <= 20; calls++ {
		for n := 1; n <= 25; n++ {
			sum, last := 0, calls
			for rank := range n {
				part := partOf(calls, n, rank)
				if part > last {
					t.Fatalf("%d calls of %d processes: who came later has more", calls, n)
				}
				sum, last = sum+part, part
			}
			if sum != calls {
				t.Fatalf("%d calls of %d processes: %d", calls, n, sum)
			}
		}
	}
}

// processes stand for functions that write through one connection, each with its own client.
func (w *world) process(t *testing.T, name string) *portion {
	t.Helper()
	return &portion{steps: w.Steps, client: acquainted(t), prefix: "connections/sales/", name: name}
}

// acquainted is a client that has heard the service's hint, which comes with any answer.
func acquainted(t *testing.T) *dataverse.Client {
	t.Helper()
	_, host := emulator()
	client := dial(t, host)
	if _, err := client.WhoAmI(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client
}

func looks(t *testing.T, all ...*portion) (parts []int) {
	t.Helper()
	for _, p := range all {
		if err := p.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		part, _ := p.now()
		parts = append(parts, part)
	}
	return parts
}

// Rule M4: workers × calls in flight stay within the hint, whoever comes and goes.
func TestProcessesShareTheHint(t *testing.T) {
	w := newWorld(t)
	one, two, three := w.process(t, "0001-a"), w.process(t, "0002-b"), w.process(t, "0003-c")
	hint := one.client.Hint()
	if hint != 5 {
		t.Fatalf("the emulator's hint is %d", hint)
	}
	want := func(when string, got []int, want ...int) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	want("alone", looks(t, one), 5)
	looks(t, two, three)
	w.pass(lookEvery)
	want("three", looks(t, one, two, three), 2, 2, 1)
	for i, p := range []*portion{one, two, three} {
		if most := p.client.InFlight(); most != []int{2, 2, 1}[i] {
			t.Errorf("process %d has %d calls in flight", i, most)
		}
	}
	var late []*portion
	for n := range 4 {
		late = append(late, w.process(t, fmt.Sprintf("0004-%d", n)))
	}
	looks(t, late...)
	w.pass(lookEvery)
	want("seven of five", looks(t, append([]*portion{one, two, three}, late...)...), 1, 1, 1, 1, 1, 0, 0)
	if err := w.Work.Delete(t.Context(), one.prefix+one.name); err != nil {
		t.Fatal(err)
	}
	w.pass(lookEvery)
	want("when one has left", looks(t, append([]*portion{two, three}, late...)...), 1, 1, 1, 1, 1, 0)
	w.pass(portionLife) // whose signs nobody renews does not count
	want("when all others have died", looks(t, three), 5)
}

// A worker for whom there is no call waits and shows that it lives, until there is one or its time is up.
func TestWorkerWithoutAPlaceWaits(t *testing.T) {
	w := newWorld(t)
	plan := planOf("run", arrived)
	plan.Connection = "sales"
	w.take(t, plan)
	for n := range 5 {
		if err := w.Work.Put(t.Context(), fmt.Sprintf("connections/sales/0000-%d", n), strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
	}
	w.Config = func(context.Context) (*config.Config, error) { return nil, errors.New("not now") }
	note := ""
	w.Progress = func(p Progress) { note = p.Note }
	slept := func() {}
	w.Sleep = func(_ context.Context, d time.Duration) error { w.pass(d); slept(); return nil }
	worker := func() *attempt {
		return &attempt{Steps: w.Steps, plan: plan, phase: loadPhase, client: acquainted(t), until: w.Now().Add(30 * time.Second),
			fence: &fence{turns: w.turns(), epoch: 1, worker: "w"}}
	}
	if placed, _, err := worker().takePart(t.Context()); err != nil || placed || !strings.Contains(note, "5 other processes") {
		t.Errorf("until its time was up: %v, %v; told %q", placed, err, note)
	}
	if lives, err := w.any(t.Context(), "turns/org/contact/life/00000001-w"); err != nil || !lives {
		t.Errorf("it showed no sign of life: %v", err)
	}
	slept = func() {
		if err := w.Work.Delete(t.Context(), "connections/sales/0000-3"); err != nil {
			t.Error(err)
		}
	}
	placed, leave, err := worker().takePart(t.Context())
	if err != nil || !placed {
		t.Fatalf("when one has left: %v, %v", placed, err)
	}
	leave()
	for info, err := range w.Work.List(t.Context(), "connections/sales/") {
		if err != nil || !strings.HasPrefix(info.Key, "connections/sales/0000-") {
			t.Errorf("left behind: %s, %v", info.Key, err)
		}
	}
}
