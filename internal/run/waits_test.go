package run

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a resumed run has written already is where its progress begins.
func TestProgressOfAResumedRunBeginsWhereItWas(t *testing.T) {
	a := attend(t, func(p *Plan) {
		p.Chunks, p.Rows = []ChunkRef{{N: 0, Operations: 3}, {N: 1, Operations: 4}}, Rows{Read: 8, Rejected: 1}
	})
	var told []Progress
	a.Progress = func(p Progress) { told = append(told, p) }
	if a.looks(a.begins()); len(told) != 0 {
		t.Fatalf("a new run: %+v", told)
	}
	j, err := a.begin(t.Context(), a.plan, loadPhase, a.plan.Chunks[1], 0, "w", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.note(t.Context(), []span{{0, 1, upserted}, {2, 2, rejected}, {3, 3, sending}}); err != nil {
		t.Fatal(err)
	}
	a.looks(a.begins())
	want := []Progress{{Run: "run", Destination: "people", Step: "load", Rows: 3, Total: 7, Rejected: 1}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
}
