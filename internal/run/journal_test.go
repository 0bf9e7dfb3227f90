package run

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
	"penstock/internal/store"
)

func testPlan() *Plan {
	return &Plan{By: "p1", State: Proven, Start: Start{Run: "r", Destination: "d"}, Chunks: []ChunkRef{{N: 0, Operations: 3}, {N: 4, Operations: 8}}}
}

// Stored journals name states; their order in memory may change.
func TestStatesAreStoredByName(t *testing.T) {
	for state := range opState(len(stateNames)) {
		text, err := json.Marshal(state)
		var back opState
		if err != nil || json.Unmarshal(text, &back) != nil || back != state || string(text) != `"`+stateNames[state]+`"` {
			t.Errorf("%v is stored as %s and read as %v, %v", state, text, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`"gone"`), new(opState)); err == nil {
		t.Error("an unknown state is read")
	}
	for state, settled := range map[opState]bool{untouched: false, needless: true, sending: false, rejected: true, unchanged: true, deleted: true} {
		if state.settled() != settled {
			t.Errorf("%s is settled: %v", stateNames[state], !settled)
		}
	}
	if !(untouched < needless && needless < sending && sending < rejected && rejected < unchanged && unchanged < upserted) {
		t.Error("of two words the wrong one would hold")
	}
}

// Rule I3: the end of an open journal may be gone with the machine's power. What
// is left of it is read, and all that it leaves unsettled is in doubt.
func TestTornJournalLeavesDoubt(t *testing.T) {
	s := &Steps{Work: directory(t)}
	plan := testPlan()
	ref := plan.Chunks[1]
	j, err := s.begin(t.Context(), plan, loadPhase, ref, 0, "w1", []span{{First: 7, Last: 7, State: unchanged}})
	if err != nil {
		t.Fatal(err)
	}
	for _, spans := range [][]span{{{0, 1, sending}}, {{0, 0, created}, {1, 1, rejected}, {2, 3, sending}}, {{2, 3, created}, {4, 4, sending}}} {
		if err := j.note(t.Context(), spans); err != nil {
			t.Fatal(err)
		}
	}
	// The last note keeps its name and loses its bytes.
	if err := s.Work.Put(t.Context(), resultsKey(plan.folder(), j.attempt)+"000003", strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	known, err := s.readJournals(t.Context(), plan, loadPhase, ref)
	if err != nil {
		t.Fatal(err)
	}
	if want := []opState{created, rejected, sending, sending, untouched, untouched, untouched, unchanged}; !slices.Equal(known.states, want) || !known.open || known.attempt != 1 {
		t.Fatalf("%+v, want %v", known, want)
	}
	w := &attempt{states: known.states}
	w.doubt()
	if want := []opState{created, rejected, sending, sending, sending, sending, sending, unchanged}; !slices.Equal(w.states, want) {
		t.Errorf("in doubt: %v, want %v", w.states, want)
	}
	// An attempt that says how it ended is not in doubt, even if its notes are gone.
	if err := j.end(t.Context(), []opState{created, rejected, created, created, untouched, untouched, untouched, unchanged}, Figures{Calls: 3}); err != nil {
		t.Fatal(err)
	}
	if known, err = s.readJournals(t.Context(), plan, loadPhase, ref); err != nil || known.open || known.states[3] != created || known.states[4] != untouched || known.figures.Calls != 3 {
		t.Errorf("%+v, %v", known, err)
	}
}

// Only what a row's own operation has brought into the table is linked.
func TestLinksOfRowsThatAreNotThereAreNeedless(t *testing.T) {
	s := &Steps{Work: directory(t)}
	plan := testPlan()
	load := []opState{upserted, rejected, unchanged, created, updated, rejected, deleted, created}
	j, err := s.begin(t.Context(), plan, loadPhase, plan.Chunks[1], 0, "w1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.end(t.Context(), load, Figures{}); err != nil {
		t.Fatal(err)
	}
	ref := ChunkRef{N: 4, Operations: 7}
	link := func(states []opState, of ...int) ([]opState, error) {
		w := &attempt{Steps: s, plan: plan, ref: ref, states: slices.Clone(states)}
		err := w.spareLinks(t.Context(), of)
		return w.states, err
	}
	got, err := link([]opState{untouched, untouched, untouched, untouched, sending, needless, needless}, 0, 1, 2, 3, 1, 1, 4)
	want := []opState{untouched, needless, untouched, untouched, sending, needless, untouched}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, of := range map[string][]int{"beyond the chunk": {0, 1, 2, 3, 4, 5, 8}, "nothing said": nil} {
		if _, err := link(make([]opState, 7), of...); !fault.Is(err, fault.Broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ref.N = 0 // whose load is not done
	if _, err := link(make([]opState, 1), 2); !fault.Is(err, fault.Interrupted) {
		t.Errorf("not loaded: %v", err)
	}
	ref.N = 2
	if _, err := link(make([]opState, 1), 2); !fault.Is(err, fault.Broken) {
		t.Errorf("no such chunk: %v", err)
	}
}

// A chunk says of all its operations which rows' they are, or of none.
func TestChunksOfTheSecondPass(t *testing.T) {
	work := directory(t)
	read := func(lines ...[]byte) (*chunk, error) {
		return readChunk(t.Context(), work, storeChunk(t, work, lines...))
	}
	op := &operations[0]
	c, err := read(appendLink(nil, op, 3), appendLink(nil, op, 9))
	if err != nil || !slices.Equal(c.of, []int{3, 9}) {
		t.Fatalf("%+v, %v", c, err)
	}
	c.release()
	if c, err = read(appendOperation(nil, op), appendOperation(nil, op)); err != nil || len(c.of) != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	c.release()
	for name, lines := range map[string][][]byte{
		"mixed": {appendOperation(nil, op), appendLink(nil, op, 3)}, "mixed too": {appendLink(nil, op, 3), appendOperation(nil, op)},
		"no line": {[]byte("{}\n")}, "half a line": {appendOperation(nil, op)[:20]},
	} {
		if _, err := read(lines...); !fault.Is(err, fault.Broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func storeChunk(t *testing.T, work store.Store, lines ...[]byte) ChunkRef {
	t.Helper()
	body := slices.Concat(lines...)
	if err := work.Put(t.Context(), "chunk", strings.NewReader(string(body))); err != nil {
		t.Fatal(err)
	}
	return ChunkRef{Key: "chunk", Operations: len(lines), SHA256: sumOf(body)}
}
