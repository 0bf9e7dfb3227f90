package local_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/report"
	"penstock/internal/run"
)

func TestTruncate(t *testing.T) {
	f := newField(t, nil)
	end, _ := f.load("fresh", land(1, 2))
	ends(t, end, run.Succeeded, "", report.Removed{})
	f.wants("new 1", "new 2")
	f.seed("south", 7, 8, 9)
	end, r := f.load("keyed", land(1, 3))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 5, Deleted: 5})
	f.wants("new 1", "new 3")
	if names := stepNames(r); !slices.Equal(names, []string{"prepare", "turn", "clear", "load"}) {
		t.Errorf("steps %v", names)
	}
	end, _ = f.load("fresh", land())
	if end.State != run.Succeeded {
		t.Errorf("a file without rows: %+v", end)
	}
	f.wants()
}

// Pages, several chunks, and a survey that hands over in the middle.
func TestTruncateOfManyRecords(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", upTo(5_300)...)
	var late atomic.Bool
	started := time.Now()
	f.shop.Steps.Now = func() time.Time { // each look at the clock during a survey is three minutes on
		if late.Load() {
			started = started.Add(3 * time.Minute)
		}
		return started
	}
	b := begin(t, f.shop.Steps, "fresh", "x.csv", land(1))
	late.Store(true)
	in := run.SurveyIn{V: 1, Run: b.start.Run, Destination: "fresh", Purpose: "clear", Epoch: b.turn.Epoch}
	mores := 0
	var out run.Surveyed
	for {
		var err error
		if out, err = b.Survey(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if out.State != run.More {
			break
		}
		in.Last = &out
		mores++
	}
	if out.State != run.Found || out.Records != 5_300 || mores == 0 || out.Chunks < 2 {
		t.Fatalf("%+v after %d handovers", out, mores)
	}
	late.Store(false)
	f.shop.Steps.Now = time.Now
	end, err := f.shop.Execute(t.Context(), b.start)
	if err != nil {
		t.Fatal(err)
	}
	ends(t, end, run.Succeeded, "", report.Removed{Found: 5_300, Deleted: 5_300})
	f.wants("new 1")
}

// Two surveys at once, or one late: the first one's list holds, and its chunks stay as they are.
func TestTwoSurveysAtOnce(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", 1, 2, 3)
	b := begin(t, f.shop.Steps, "fresh", "x.csv", land(9))
	in := run.SurveyIn{V: 1, Run: b.start.Run, Destination: "fresh", Purpose: "clear", Epoch: b.turn.Epoch}
	lists := make(chan string, 3)
	survey := func() {
		out, err := b.Survey(context.Background(), in)
		if err != nil || out.State != run.Found || out.Records != 3 {
			t.Errorf("%+v, %v", out, err)
		}
		lists <- objectOf(t, f.shop.Steps.Work, out.Key)
	}
	go survey()
	go survey()
	first := <-lists
	if second := <-lists; second != first {
		t.Errorf("two lists: %s and %s", first, second)
	}
	f.seed("south", 4)
	if survey(); <-lists != first {
		t.Error("a late survey changed the list")
	}
	in.Epoch--
	if out, err := b.Survey(t.Context(), in); !fault.Is(err, fault.LostTurn) {
		t.Errorf("a survey without the turn: %+v, %v", out, err)
	}
}

// A scoped run touches nothing beyond its filter.
func TestTruncateWithinItsFilter(t *testing.T) {
	f := newField(t, nil)
	f.seed("north", 1, 2)
	f.seed("south", 3)
	end, _ := f.load("north", land(5))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 2, Deleted: 2})
	f.wants("new 5", "old 3")
	if row := f.rows("cr1_parcels?$select=cr1_name,cr1_region", "cr1_name")["new 5"]; row["cr1_region"] != "north" {
		t.Errorf("a loaded row is not within the filter: %v", row)
	}
}

// Rule D3.
func TestGuardRefusesAFileThatIsMuchSmaller(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", upTo(10)...)
	end, r := f.load("careful", land(1, 2))
	ends(t, end, run.Refused, "too_many_deletes", report.Removed{})
	if len(f.there()) != 10 || !strings.Contains(r.Reason.Message, "10 records") || !strings.Contains(r.Reason.Message, "80.0 %") {
		t.Errorf("%d records are there; %s", len(f.there()), r.Reason.Message)
	}
	end, _ = f.load("careful", land())
	ends(t, end, run.Refused, "empty_file", report.Removed{})
	end, _ = f.load("careful", land(upTo(8)...))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 10, Deleted: 10})
	end, _ = f.load("wary", land(upTo(4)...)) // four of eight would go, three may
	ends(t, end, run.Failed, "too_many_deletes", report.Removed{})
	if len(f.there()) != 8 {
		t.Errorf("%d records are there", len(f.there()))
	}
	end, _ = f.load("wary", land(upTo(5)...))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 3, Deleted: 3})
}

func TestUndeletableRecordsStopATruncate(t *testing.T) {
	f := newField(t, nil)
	f.seedJSON(held)
	path := file(t, "x.csv", land(5))
	end, r := f.loadFile("north", path)
	ends(t, end, run.Failed, "undeletable", report.Removed{Found: 2, Deleted: 1, Failed: 1})
	f.wants("held", "holder")
	if len(r.Removed.Reasons) != 1 || r.Removed.Reasons[0].Code != "0x80040227" || end.Written != 0 {
		t.Errorf("%+v", r.Removed)
	}
	list := objectOf(t, f.shop.Steps.Work, r.Undeleted)
	if !strings.HasPrefix(list, "id,code,message\n11111111-0000-4000-8000-000000000001,0x80040227,") || strings.Count(list, "\n") != 2 {
		t.Errorf("undeleted.csv: %s", list)
	}
	// When what holds it is gone, the very run goes on: it tries again, and counts no record twice.
	f.remove("11111111-0000-4000-8000-000000000002")
	again, r := f.loadFile("north", path)
	ends(t, again, run.Succeeded, "", report.Removed{Found: 2, Deleted: 2})
	if again.Run != end.Run || r.Undeleted != "" {
		t.Errorf("run %s, then %s; %q", end.Run, again.Run, r.Undeleted)
	}
	f.wants("new 5")
}

func TestUndeletableRecordsMayStay(t *testing.T) {
	f := newField(t, nil)
	f.seedJSON(held)
	end, r := f.load("leaving", land(5))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 2, Deleted: 1, Failed: 1})
	f.wants("held", "holder", "new 5")
	if r.Undeleted == "" || !strings.Contains(report.Sentence(*r), "1 record could not be deleted") {
		t.Errorf("%q: %s", r.Undeleted, report.Sentence(*r))
	}
}

// Of records that refer to each other the lower ones go first, in rounds.
func TestTruncateOfRecordsThatHoldEachOther(t *testing.T) {
	f := newField(t, nil)
	f.seedJSON(strings.Replace(held, "south", "north", 1))
	end, _ := f.load("north", land(5))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 3, Deleted: 3})
	f.wants("new 5")
}

// Rule D1: who inserts while we clear is cleared too, three times; then the run gives up.
func TestNewcomersWhileClearing(t *testing.T) {
	h := &hooked{}
	f := newField(t, hook(h))
	f.seed("south", 1, 2, 3)
	next := 100
	comes := func(times int) {
		h.set(func(key string) error {
			if strings.Contains(key, "/ended/") && strings.Contains(key, "/clear-") && times > 0 {
				times--
				next++
				f.seed("south", next)
			}
			return nil
		})
	}
	comes(2)
	end, _ := f.load("fresh", land(1))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 5, Deleted: 5})
	f.wants("new 1")
	comes(10)
	end, _ = f.load("fresh", land(2))
	ends(t, end, run.Failed, "not_empty", report.Removed{Found: 3, Deleted: 3})
	f.wants(fmt.Sprintf("old %d", next))
}

// Rule T6: what was loaded after clearing is never cleared, and not when somebody else wrote in between.
func TestClearedTableIsNotClearedAgain(t *testing.T) {
	h := &hooked{}
	f := newField(t, hook(h))
	f.seed("south", 8, 9)
	stop := func(key string) error {
		if strings.Contains(key, "/results/") && strings.Contains(key, "/load-") {
			return errors.New("the process is dead")
		}
		return nil
	}
	path := file(t, "x.csv", land(1))
	h.set(stop)
	if end, _ := f.loadFile("keyed", path); end.State != run.Failed || end.Written != 0 {
		t.Fatalf("%+v", end)
	}
	f.wants()
	h.set(nil)
	f.seed("south", 7) // by a person, who has no turn: it came after the table was seen empty
	end, _ := f.loadFile("keyed", path)
	ends(t, end, run.Succeeded, "", report.Removed{Found: 2, Deleted: 2})
	f.wants("new 1", "old 7")

	path = file(t, "y.csv", land(2))
	h.set(stop)
	if end, _ := f.loadFile("keyed", path); end.State != run.Failed {
		t.Fatalf("%+v", end)
	}
	h.set(nil)
	if end, _ := f.load("upsert", land(3)); end.State != run.Succeeded {
		t.Fatalf("%+v", end)
	}
	end, _ = f.loadFile("keyed", path)
	ends(t, end, run.Failed, "table_written_since", report.Removed{Found: 2, Deleted: 2})
	f.wants("new 3")
}
