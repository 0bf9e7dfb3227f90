package run

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

func deletesOf(t *testing.T, work store.Store, phase string, states []opState, numbers ...int) deletes {
	t.Helper()
	w := &chunkWriter{ctx: t.Context(), work: work, folder: "runs/d/r/", by: "x", phase: phase}
	for _, n := range numbers {
		if err := w.add(appendOperation(nil, deletion(dataverse.KeyRow{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n)}))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	return deletes{phase: phase, chunks: w.refs, states: [][]opState{states}}
}

// Rule C3: a record that was found in two rounds counts once, with what became of it in the end.
func TestRecordsOfTwoRoundsCountOnce(t *testing.T) {
	work := directory(t)
	rounds := []deletes{
		deletesOf(t, work, "clear-0", []opState{deleted, rejected, rejected, sending, deleted}, 1, 2, 3, 4, 5),
		deletesOf(t, work, "clear-1", []opState{deleted, rejected, unchanged, deleted}, 2, 3, 4, 6),
		deletesOf(t, work, "clear-2", []opState{sending, untouched}, 3, 5),
	}
	once, err := countOnce(context.Background(), work, rounds)
	if err != nil {
		t.Fatal(err)
	}
	n := once.counts
	if n[deleted] != 4 || n[rejected] != 1 || n[unchanged] != 1 || n[sending]+n[untouched] != 0 {
		t.Errorf("%v", n)
	}
	if one, err := countOnce(context.Background(), work, rounds[:1]); err != nil || one.counts[rejected] != 2 || one.counts[sending] != 1 {
		t.Errorf("%v, %v", one.counts, err)
	}
}

func TestNoticesAreNoFormulas(t *testing.T) {
	list := newNotices(t.TempDir(), "id", "message")
	defer list.close()
	if err := list.tell("=1+1", "two\nlines, and a \"quote\""); err != nil {
		t.Fatal(err)
	}
	s := &Steps{Work: directory(t)}
	key, err := list.store(t.Context(), s, "runs/d/r/undeleted.csv")
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.ReadAll(t.Context(), s.Work, key, 1<<10)
	if want := "id,message\n'=1+1,\"two lines, and a \"\"quote\"\"\"\n"; err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("%s, %v", got, err)
	}
}

// Rule T6: what was found under an epoch holds only while nobody else had the turn.
func TestFindingsOfAnotherTimeDoNotCount(t *testing.T) {
	v := &survey{plan: planOf("r", arrived), held: holder{RunSince: 7}}
	if err := v.ours(7); err != nil {
		t.Error(err)
	}
	if err := v.ours(6); !fault.Is(err, fault.Refused) {
		t.Errorf("a finding before another run's turn: %v", err)
	}
}
