package run

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// Rule T4: word of an execution's death may come a day late, and must not stop the one that goes on with the run.
func TestLateWordOfADeathStopsNobodyElse(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	plan := planOf("run", arrived)
	plan.By = "p1"
	if err := store.PutJSON(ctx, w.Work, planKey(plan.folder()), plan); err != nil {
		t.Fatal(err)
	}
	began := w.time
	w.take(t, plan)
	w.pass(time.Minute)
	died := w.time
	if err := w.turns().leave(ctx, plan, false); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if turn := w.take(t, plan); turn.Epoch != 2 {
		t.Fatalf("resumed: %+v", turn)
	}
	word := func(stopped time.Time) FinishIn {
		input, err := json.Marshal(plan.Start)
		if err != nil {
			t.Fatal(err)
		}
		var in FinishIn
		if err := json.Unmarshal(fmt.Appendf(nil, `{"detail":{"startDate":%d,"stopDate":%d,"input":%q}}`, began.UnixMilli(), stopped.UnixMilli(), input), &in); err != nil {
			t.Fatal(err)
		}
		return in
	}
	f := &fence{turns: w.turns(), epoch: 2, worker: "worker"}
	if end, err := w.Finish(ctx, word(died)); err != nil || end.State != Resumed {
		t.Fatalf("of the first execution: %+v, %v", end, err)
	}
	if err := f.check(ctx); err != nil {
		t.Fatalf("the second execution is stopped: %v", err)
	}
	w.pass(time.Minute)
	if end, err := w.Finish(ctx, word(w.time)); err != nil || end.State == Resumed {
		t.Fatalf("of the second execution: %+v, %v", end, err)
	}
	if err := f.check(ctx); !fault.Is(err, fault.LostTurn) {
		t.Fatalf("after the death of the second: %v", err)
	}
}
