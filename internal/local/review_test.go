package local_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/report"
	"penstock/internal/run"
	"penstock/internal/store"
)

const changing = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  mirror: {connection: sales, table: cr1_parcel, mode: mirror, key: cr1_no, allow_whole_table: true, max_deletes: 100, only_changes: true}
  upsert: {connection: sales, table: cr1_parcel, mode: upsert, key: cr1_no, only_changes: true}
  careful: {connection: sales, table: cr1_parcel, mode: mirror, key: cr1_no, allow_whole_table: true}
  byid: {connection: sales, table: cr1_parcel, mode: truncate, key: cr1_parcelid, allow_whole_table: true, max_deletes: 100}
`

// Rule H1: a mirror's snapshot holds what the last file held, so a row that comes back is sent.
func TestMirrorSendsARowThatComesBack(t *testing.T) {
	f := newField(t, nil)
	f.config = func() string { return changing }
	f.load("mirror", land(1, 2))
	f.wants("new 1", "new 2")
	for id := range f.rows("cr1_parcels?$select=cr1_parcelid&$filter=cr1_no%20eq%202", "cr1_parcelid") {
		f.remove(id) // by a person, and its row leaves the source too
	}
	if end, _ := f.load("mirror", land(1)); end.Unchanged != 1 {
		t.Fatalf("%+v", end)
	}
	f.load("mirror", land(1, 2))
	f.wants("new 1", "new 2")
}

// Rule H1: what an earlier execution of a run wrote is not known to be there when another run wrote since.
func TestResumedRunDoesNotRememberWhatAnotherOverwrote(t *testing.T) {
	f := newField(t, nil)
	f.config = func() string { return changing }
	named := func(name string) string { return strings.ReplaceAll(land(upTo(1500)...), "New", name) }
	f.load("upsert", named("Z"))
	path := file(t, "a.csv", named("A"))
	f.fault("status-before:status=403,path=Multiple|batch$,after=1,every=1,code=0x80040220")
	if end, _ := f.loadFile("upsert", path); end.State != run.Failed || end.Written == 0 || end.NotAttempted == 0 {
		t.Fatalf("half a run: %+v", end)
	}
	f.Emulator.Server.Traffic().RemoveFaults()
	f.load("upsert", named("B"))
	if end, _ := f.loadFile("upsert", path); end.State != run.Succeeded {
		t.Fatalf("resumed: %+v", end)
	}
	f.load("upsert", named("A"))
	for _, name := range f.there() {
		if !strings.HasPrefix(name, "a ") {
			t.Fatalf("the table holds %q although the last file has no such row", name)
		}
	}
}

// Rule D3: a file of other rows must not delete what was there because it brings many.
func TestGuardCountsWhatWasThereBefore(t *testing.T) {
	f := newField(t, nil)
	f.config = func() string { return changing }
	f.shop.Steps.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	f.seedJSON(`{"cr1_parcel":[{"cr1_name":"Old 1","cr1_no":1,"overriddencreatedon":"2020-01-01T00:00:00Z"},{"cr1_name":"Old 2","cr1_no":2,"overriddencreatedon":"2020-01-01T00:00:00Z"}]}`)
	body := land(upTo(40)...)
	end, _ := f.load("careful", strings.ReplaceAll(body, ",C", "000,C")+"Old,1,C1\n")
	if end.State != run.Failed || end.Reason == nil || end.Reason.Code != "too_many_deletes" || end.Removed.Found != 0 {
		t.Errorf("%+v %+v", end, end.Reason)
	}
}

// Rule D4: what came since the file was read is nobody's to delete, and may be the run's own under another key.
func TestMirrorKeepsWhatCameSince(t *testing.T) {
	f := newField(t, nil)
	f.config = func() string { return changing }
	f.shop.Steps.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	f.seedJSON(`{"cr1_parcel":[{"cr1_name":"Old 1","cr1_no":1,"overriddencreatedon":"2020-01-01T00:00:00Z"},{"cr1_name":"Newcomer","cr1_no":2}]}`)
	end, r := f.load("mirror", land(3))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 1, Deleted: 1})
	f.wants("new 3", "newcomer")
	if !slices.ContainsFunc(r.Notes, func(note string) bool {
		return strings.HasPrefix(note, "1 record that the file does not hold was left")
	}) {
		t.Errorf("notes %q", r.Notes)
	}
}

// stalled is a store in which one note takes long.
type stalled struct {
	store.Store
	at          string
	there, late chan struct{}
}

func (s *stalled) Note(ctx context.Context, key string, body []byte) error {
	if strings.HasSuffix(key, s.at) {
		close(s.there)
		<-s.late
	}
	return s.Store.Note(ctx, key, body)
}

// Rule D1: loading does not begin while an attempt at the deletes may still send
// one: a row may bring the id of a deleted record back.
func TestLoadingWaitsForThoseWhoClear(t *testing.T) {
	late, there, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f := newField(t, func(s store.Store) store.Store {
		return &stalled{Store: s, at: "clear-0-00000.attempt-001/000001", there: there, late: late}
	})
	f.config = func() string { return changing }
	f.shop.Steps.Worker = 15 * time.Minute
	const id = "0d000000-0000-8000-8000-000000000001"
	f.seedJSON(`{"cr1_parcel":[{"cr1_parcelid":"` + id + `","cr1_name":"Old 1","cr1_no":1}]}`)
	w := prepared(t, f, "byid", time.Now(), "cr1_parcelid,cr1_name,cr1_no\n"+id+",New 1,1\n")
	turn := w.look(t)
	in := run.SurveyIn{V: 1, Run: w.start.Run, Destination: "byid", Purpose: "clear", Epoch: turn.Epoch}
	survey := func() run.Surveyed {
		t.Helper()
		out, err := f.shop.Steps.Survey(t.Context(), in)
		must(t, err)
		in.Last = &out
		return out
	}
	apply := func(phase, key string) error {
		var refs []run.ChunkRef
		err := store.ReadJSON(t.Context(), f.shop.Steps.Work, key, &refs)
		if err == nil {
			_, err = f.shop.Steps.Apply(context.Background(), run.ApplyIn{V: 1, Run: w.start.Run, Destination: "byid", Phase: phase, Chunk: refs[0], Epoch: turn.Epoch})
		}
		return err
	}
	found := survey()
	if found.State != run.Found {
		t.Fatalf("%+v", found)
	}
	go func() { ended <- apply(found.Phase, found.Key) }() // it has begun when its execution dies
	<-there
	must(t, apply(found.Phase, found.Key))
	out := survey()
	if out.State == run.Clear {
		must(t, apply("load", w.in.Prepared.Phases["load"].Key))
	}
	close(late)
	must(t, <-ended)
	if out.State == run.Clear {
		f.wants("new 1")
		t.Fatal("loading began beside a worker that deletes")
	}
	if out.State != run.Waiting || out.Seconds < 1 {
		t.Errorf("%+v", out)
	}
	if out = survey(); out.State != run.Clear {
		t.Errorf("%+v", out)
	}
	must(t, apply("load", w.in.Prepared.Phases["load"].Key))
	f.wants("new 1")
}

// Who watches is told what is waited for, also where nothing is written yet.
func TestWaitsBeforeTheFirstWriteAreTold(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	var mu sync.Mutex
	told := map[string]string{}
	shop := workshop(t, s, nil, func(p run.Progress) {
		mu.Lock()
		defer mu.Unlock()
		told[p.Step] += p.Note
	})
	s.fault("status-before:status=503,times=1,path=EntityDefinitions,retry_after=4")
	f, err := shop.DeliverFile(t.Context(), file(t, "x.jsonl", enquiries(5)), "leads", false)
	if err != nil || f.State != run.Succeeded || f.Read != 5 || f.Created != 5 {
		t.Fatalf("%+v, %v", f, err)
	}
	if !strings.Contains(told["prepare"], "asked for a pause") {
		t.Errorf("prepare told %q", told["prepare"])
	}
}
