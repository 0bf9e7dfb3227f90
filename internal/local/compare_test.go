package local_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/run"
)

// toCompare is what the state machine asks the survey before a mirror of only the changes is loaded.
func toCompare(b *begun) run.SurveyIn {
	return run.SurveyIn{V: 1, Run: b.start.Run, Destination: b.start.Destination, Purpose: "compare", Epoch: b.turn.Epoch}
}

// tableReads is how many pages of the table of parcels were asked for.
func (f *field) tableReads() (n int) {
	for _, e := range f.Emulator.Server.Traffic().Requests() {
		if e.Method == "GET" && strings.Contains(e.URL, "/cr1_parcels?") {
			n++
		}
	}
	return n
}

// another is the steps in a process of its own: all it knows is in the store.
func (f *field) another() *run.Steps {
	return &run.Steps{Work: f.shop.Steps.Work, Inbox: delivery.Files{}, Config: f.Steps.Config, Connect: f.Steps.Connect,
		Now: time.Now, Limits: delivery.DefaultLimits}
}

// took is what the run has written down of the keys that the table has.
func took(t *testing.T, b *begun) (objects []string) {
	t.Helper()
	for info, err := range b.Work.List(t.Context(), b.prepared.Folder+"present/") {
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, info.Key)
	}
	return objects
}

// Rule H3, of a table that one call does not read: each goes on where the last one stopped, a call that
// comes twice disturbs nothing, and workers of another process find what was found without reading the table.
func TestTableIsComparedInSeveralCalls(t *testing.T) {
	t.Parallel()
	f := newField(t, nil)
	f.config = func() string { return changing }
	if end, _ := f.load("mirror", land(upTo(300)...)); end.Written != 300 {
		t.Fatalf("%+v %+v", end, end.Reason)
	}
	var strangers []int
	for n := range 5_200 {
		strangers = append(strangers, 10_000+n)
	}
	f.seed("south", strangers...)
	f.removeNamed("new 100")
	f.removeNamed("new 200")
	now, step := time.Now(), time.Duration(0)
	f.shop.Steps.Now = func() time.Time { now = now.Add(step); return now }
	b := begin(t, f.shop.Steps, "mirror", "x.csv", land(upTo(300)...))
	if !b.prepared.Compare {
		t.Fatalf("the state machine is not told to compare: %+v", b.prepared)
	}
	step = 2 * time.Minute // for each look at the clock
	f.Emulator.Server.Traffic().ResetCounters()
	in := toCompare(b)
	survey := func() run.Surveyed {
		t.Helper()
		out, err := b.Survey(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := survey()
	if twice := survey(); first.State != run.More || first.Records != 5_000 || twice.State != run.More || twice.Cursor == first.Cursor {
		t.Fatalf("%+v, and again %+v", first, twice)
	}
	in.Last = &first
	done := survey()
	if done.State != run.Done || done.Records != 5_498 {
		t.Fatalf("%+v", done)
	}
	if n := f.tableReads(); n != 3 {
		t.Errorf("%d pages were read; two calls came twice", n)
	}
	kept := took(t, b)
	f.shop.Steps.Now = time.Now
	f.removeNamed("new 50") // too late to be seen
	if out := survey(); out.State != run.Done || !slices.Equal(took(t, b), kept) {
		t.Errorf("a call that was late: %+v, and %q instead of %q", out, took(t, b), kept)
	}
	f.Emulator.Server.Traffic().ResetCounters()
	b.Steps = f.another()
	if err := b.apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.tableReads(); n != 0 {
		t.Errorf("a worker read %d pages of the table", n)
	}
	// The sweep is another test's: here it has deleted nothing.
	skipped := run.Surveyed{State: run.Skip, Reason: &run.Reason{Code: "load_incomplete", Message: "so it was said"}}
	end, err := b.Finish(t.Context(), run.FinishIn{Start: b.start, Prepared: &b.prepared, Turn: &b.turn, Compare: &done, Sweep: &skipped})
	if err != nil || end.State != run.Partial || end.Written != 2 || end.Unchanged != 298 {
		t.Fatalf("%+v %+v, %v", end, end.Reason, err)
	}
	r, err := b.Report(t.Context(), "mirror", end.Run)
	if err != nil || r.Check() != nil || !strings.Contains(strings.Join(r.Notes, " "), "was looked up") {
		t.Fatalf("%+v, %v", r, err)
	}
	if names := stepNames(r); !slices.Equal(names, []string{"prepare", "turn", "compare", "load"}) {
		t.Errorf("steps %v", names)
	}
	if names := f.there(); len(names) != 299+5_200 || slices.Contains(names, "new 50") {
		t.Errorf("%d records", len(names))
	}
}

func TestTwoWhoCompareAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, nil)
	f.config = func() string { return changing }
	f.load("mirror", land(1, 2, 3))
	f.removeNamed("new 2")
	b := begin(t, f.shop.Steps, "mirror", "x.csv", land(1, 2, 3))
	in, ends := toCompare(b), make(chan error, 2)
	for range 2 {
		go func() {
			out, err := b.Survey(context.Background(), in)
			if err == nil && out.State != run.Done {
				t.Errorf("%+v", out)
			}
			ends <- err
		}()
	}
	for range 2 {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	in.Epoch--
	if out, err := b.Survey(t.Context(), in); !fault.Is(err, fault.LostTurn) {
		t.Errorf("a survey without the turn: %+v, %v", out, err)
	}
	if end, err := f.shop.Execute(t.Context(), b.start); err != nil || end.State != run.Succeeded || end.Written != 1 || end.Unchanged != 2 {
		t.Errorf("%+v, %v", end, err)
	}
}

// Where no row can be left out the table is not read before the load.
func TestNothingIsComparedForNothing(t *testing.T) {
	t.Parallel()
	f := newField(t, nil)
	f.config = func() string { return changing }
	for _, c := range []struct {
		name, body string
		before     func()
	}{
		{"nothing was loaded before", land(1, 2), func() {}},
		{"every row has changed", strings.ReplaceAll(land(1, 2), "New", "Newer"), func() {}},
		{"another destination wrote since", strings.ReplaceAll(land(1, 2), "New", "Newer"), func() { f.load("upsert", land(9)) }},
	} {
		c.before()
		b := begin(t, f.shop.Steps, "mirror", c.name+".csv", c.body)
		f.Emulator.Server.Traffic().ResetCounters()
		out, err := b.Survey(t.Context(), toCompare(b))
		if err != nil || out.State != run.Done || f.tableReads() != 0 || len(took(t, b)) != 0 {
			t.Errorf("%s: %+v, %v; %d pages read, %q", c.name, out, err, f.tableReads(), took(t, b))
		}
		if end, err := f.shop.Execute(t.Context(), b.start); err != nil || end.State != run.Succeeded || end.Written != 2 {
			t.Errorf("%s: %+v %+v, %v", c.name, end, end.Reason, err)
		}
	}
}

// An execution that began before the state machine compared, or one whose account was lost, sends every row.
func TestWorkersThatKnowNothingSendAll(t *testing.T) {
	t.Parallel()
	f := newField(t, nil)
	f.config = func() string { return changing }
	f.load("mirror", land(1, 2, 3))
	b := begin(t, f.shop.Steps, "mirror", "x.csv", land(1, 2, 3))
	if err := b.apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if end, err := f.shop.Execute(t.Context(), b.start); err != nil || end.State != run.Succeeded || end.Written != 3 {
		t.Errorf("%+v, %v", end, err)
	}
}

// removeNamed deletes a parcel as somebody else would.
func (f *field) removeNamed(name string) {
	f.t.Helper()
	for id := range f.rows("cr1_parcels?$select=cr1_parcelid&$filter=cr1_name%20eq%20'"+strings.ReplaceAll(name, " ", "%20")+"'", "cr1_parcelid") {
		f.remove(id)
		return
	}
	f.t.Fatalf("there is no %s", name)
}
