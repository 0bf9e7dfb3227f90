package local_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/report"
	"penstock/internal/run"
)

func TestTruncateByAJobOfTheService(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", upTo(20)...)
	end, r := f.load("jobbed", land(1))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 20, Deleted: 20})
	f.wants("new 1")
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "20") {
		t.Errorf("notes %q", r.Notes)
	}
	// A job succeeds although it could not delete a record (rule D1).
	f.seedJSON(strings.Replace(strings.Replace(held, "south", "north", 1), `"cr1_no":1,`, `"cr1_no":21,`, 1))
	end, _ = f.load("jobbed", land(1))
	if end.State != run.Succeeded || end.Removed.Found < 4 || end.Removed.Failed != 0 {
		t.Errorf("%+v", end)
	}
	f.wants("new 1")
}

// A process dies when it has said that it will ask for a job: nobody writes
// before it is certain that there is none, or that it has ended.
func TestJobOfADeadRun(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", upTo(5)...)
	f.fault("status-after:status=502,path=BulkDelete$,times=1")
	end, _ := f.load("jobbed", land(1)) // the answer is lost: the job is found by its name
	ends(t, end, run.Succeeded, "", report.Removed{Found: 5, Deleted: 5})
	f.wants("new 1")

	now := time.Now()
	f.shop.Steps.Now = func() time.Time { return now }
	dead := prepared(t, f, "jobbed", now, land(2))
	turn := dead.look(t)
	f.fault("drop-before:path=BulkDelete$,every=1")
	in := run.SurveyIn{V: 1, Run: dead.start.Run, Destination: "jobbed", Purpose: "clear", Epoch: turn.Epoch}
	if out, err := f.shop.Steps.Survey(t.Context(), in); err == nil {
		t.Fatalf("%+v", out)
	}
	f.Emulator.Server.Traffic().RemoveFaults()
	end, err := f.shop.Steps.Finish(t.Context(), run.FinishIn{Start: dead.start, Prepared: &dead.in.Prepared, Turn: &turn, Error: &run.Caught{Error: "Interrupted"}})
	if err != nil || end.State != run.Failed || end.Written != 0 {
		t.Fatalf("%+v, %v", end, err)
	}
	if r, err := f.shop.Steps.Report(t.Context(), "jobbed", end.Run); err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "bulk deletion") {
		t.Errorf("%+v, %v", r, err)
	}
	other := prepared(t, f, "upsert", now.Add(time.Second), land(9))
	if turn := other.look(t); turn.State != run.Waiting || turn.Behind != dead.start.Run {
		t.Fatalf("a run beside a job that may begin: %+v", turn)
	}
	now = now.Add(10 * time.Minute) // longer than a call can be under way
	if turn := other.look(t); turn.State != run.Mine {
		t.Fatalf("when it certainly never began: %+v", turn)
	}
	f.wants("new 1")
}
