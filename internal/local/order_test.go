package local_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/report"
	"penstock/internal/run"
)

// Rule T5.
func TestOlderFullLoadIsSkipped(t *testing.T) {
	f := newField(t, nil)
	now := time.Now()
	at := func(d time.Duration) { f.shop.Steps.Now = func() time.Time { return now.Add(d) } }
	at(0)
	older, oldest := prepared(t, f, "fresh", now, land(1)), prepared(t, f, "upsert", now, land(1))
	at(time.Second)
	if end, _ := f.load("fresh", land(2)); end.State != run.Succeeded {
		t.Fatalf("%+v", end)
	}
	end, err := f.shop.Execute(t.Context(), older.start)
	if err != nil {
		t.Fatal(err)
	}
	ends(t, end, run.Skip, "older_than_loaded", report.Removed{})
	f.wants("new 2")
	// Another destination's order is its own affair; of one destination an upsert runs, with a word of warning.
	if end, r := f.load("upsert", land(3)); end.State != run.Succeeded || len(r.Notes) > 0 {
		t.Fatalf("%+v %q", end, r.Notes)
	}
	end, err = f.shop.Execute(t.Context(), oldest.start)
	if err != nil || end.State != run.Succeeded {
		t.Fatalf("%+v, %v", end, err)
	}
	if r, err := f.shop.Steps.Report(t.Context(), "upsert", end.Run); err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "arrived later") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWaitingFullLoadSupersedesTheOlder(t *testing.T) {
	f := newField(t, nil)
	f.shop.Steps.Alive = nil // as in the cloud
	now := time.Now()
	holder, older := prepared(t, f, "upsert", now, land(9)), prepared(t, f, "fresh", now.Add(time.Second), land(1))
	newer := prepared(t, f, "fresh", now.Add(2*time.Second), land(2))
	if turn := holder.look(t); turn.State != run.Mine {
		t.Fatalf("%+v", turn)
	}
	if turn := older.look(t); turn.State != run.Waiting {
		t.Fatalf("%+v", turn)
	}
	if turn := newer.look(t); turn.State != run.Waiting {
		t.Fatalf("%+v", turn)
	}
	in := run.FinishIn{Start: holder.start, Prepared: &holder.in.Prepared, Error: &run.Caught{Error: "x"}}
	if _, err := f.shop.Steps.Finish(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if turn := older.look(t); turn.State != run.Skip || turn.Reason.Code != "superseded" {
		t.Fatalf("%+v", turn)
	}
}
