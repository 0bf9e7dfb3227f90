package run

import (
	"encoding/json"
	"testing"

	"penstock/internal/dataverse"
	"penstock/internal/store"
)

// A survey that takes several calls sees a key's second record in whatever call it comes.
func TestDoubtsGoOnAtTheCursor(t *testing.T) {
	work := directory(t)
	call := func(name string, last *Surveyed) *survey {
		return &survey{Steps: &Steps{Work: work}, plan: planOf("r", arrived), name: name, in: SurveyIn{Purpose: toSweep, Last: last}}
	}
	first := call("a", nil)
	d, err := first.openDoubts(t.Context(), "sweep-0", 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 7, 8, 19} {
		if d.again(at) {
			t.Errorf("key %d was not seen before", at)
		}
	}
	var r round
	if err := d.store(t.Context(), first, &r, true); err != nil || len(r.Doubts) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	more, err := first.handOver(t.Context(), cursor{Phase: "sweep-0", Next: "page 2", Round: r}, 4)
	if err != nil {
		t.Fatal(err)
	}
	second := call("b", more)
	if d, err = second.openDoubts(t.Context(), "sweep-0", 20); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]bool{0: true, 1: false, 7: true, 8: true, 9: false, 18: false, 19: true} {
		if d.again(at) != want {
			t.Errorf("key %d was seen before: want %t", at, want)
		}
	}
	d.note(dataverse.KeyRow{ID: "1", Values: []json.RawMessage{[]byte(`"k"`), []byte(`"2026-01-01T00:00:00Z"`)}}, 1)
	if err := d.store(t.Context(), second, &r, false); err != nil || len(r.Doubts) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	data, err := store.ReadAll(t.Context(), work, r.Doubts[0], 1<<10)
	if want := `[{"id":"1","key":["k"]}]`; err != nil || string(data) != want {
		t.Errorf("the stored format changed: %s, %v", data, err)
	}
}

// All doubtful records are counted, and of very many the first are listed.
func TestDoubtsAreListedWithinBounds(t *testing.T) {
	d := &doubts{}
	for range mostDoubts + 5 {
		d.note(dataverse.KeyRow{}, 0)
	}
	if len(d.list) != mostDoubts {
		t.Errorf("%d are listed", len(d.list))
	}
}
