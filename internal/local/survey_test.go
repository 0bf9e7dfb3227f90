package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/report"
	"penstock/internal/run"
	"penstock/internal/store"
)

const parcels = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  fresh:   {connection: sales, table: cr1_parcel, mode: truncate, allow_whole_table: true, max_deletes: 100}
  keyed:   {connection: sales, table: cr1_parcel, mode: truncate, key: cr1_no, allow_whole_table: true, max_deletes: 100}
  north:   {connection: sales, table: cr1_parcel, mode: truncate, filter: {cr1_region: north}, max_deletes: 100}
  leaving: {connection: sales, table: cr1_parcel, mode: truncate, filter: {cr1_region: north}, max_deletes: 100, leave_undeletable: true}
  careful: {connection: sales, table: cr1_parcel, mode: truncate, allow_whole_table: true}
  jobbed:  {connection: sales, table: cr1_parcel, mode: truncate, allow_whole_table: true, max_deletes: 100, clear: bulkdelete}
  mirror:  {connection: sales, table: cr1_parcel, mode: mirror, key: cr1_no, allow_whole_table: true, max_deletes: 100, rejects: {max_percent: 50}}
  wary:    {connection: sales, table: cr1_parcel, mode: mirror, key: cr1_no, allow_whole_table: true, max_deletes: {percent: 100, count: 3}}
  coded:   {connection: sales, table: cr1_parcel, mode: mirror, key: [cr1_region, cr1_code], filter: {cr1_region: north}, max_deletes: 100, rejects: {max_percent: 50}}
  tree:    {connection: sales, table: cr1_parcel, mode: upsert, key: cr1_no, columns: {Name: cr1_name, No: cr1_no, Parent: {to: cr1_parent, table: cr1_parcel, by: cr1_no}}}
  upsert:  {connection: sales, table: cr1_parcel, mode: upsert, key: cr1_no}
`

// field is an organisation with a table of parcels, and a workshop beside it.
type field struct {
	*stack
	shop *local.Workshop
}

func newField(t *testing.T, wrap func(store.Store) store.Store, change ...func(*local.StackOptions)) *field {
	t.Helper()
	s := startStack(t, t.TempDir(), change...)
	s.config = func() string { return parcels }
	return &field{stack: s, shop: workshop(t, s, wrap, nil)}
}

// seed puts parcels with these numbers into the table, as other people would.
func (f *field) seed(region string, numbers ...int) {
	f.t.Helper()
	var b strings.Builder
	b.WriteString("cr1_name,cr1_no,cr1_code,cr1_region\n")
	for _, n := range numbers {
		fmt.Fprintf(&b, "Old %d,%d,C%d,%s\n", n, n, n, region)
	}
	if err := f.Emulator.Server.Seed("cr1_parcel.csv", strings.NewReader(b.String())); err != nil {
		f.t.Fatal(err)
	}
}

func (f *field) seedJSON(text string) {
	f.t.Helper()
	if err := f.Emulator.Server.Seed("x.json", strings.NewReader(text)); err != nil {
		f.t.Fatal(err)
	}
}

// land is a file of parcels with these numbers.
func land(numbers ...int) string {
	var b strings.Builder
	b.WriteString("cr1_name,cr1_no,cr1_code\n")
	for _, n := range numbers {
		fmt.Fprintf(&b, "New %d,%d,C%d\n", n, n, n)
	}
	return b.String()
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}

// there are the names of the parcels in the table, in order.
func (f *field) there() []string {
	f.t.Helper()
	var names []string
	for name := range f.rows("cr1_parcels?$select=cr1_name", "cr1_name") {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *field) wants(names ...string) {
	f.t.Helper()
	slices.Sort(names)
	if got := f.there(); !slices.Equal(got, names) {
		f.t.Errorf("the table holds %q, want %q", got, names)
	}
}

// load runs a file, and holds its account against rule C.
func (f *field) load(destination, body string) (run.Finished, *report.Report) {
	f.t.Helper()
	return f.loadFile(destination, file(f.t, "x.csv", body))
}

func (f *field) loadFile(destination, path string) (run.Finished, *report.Report) {
	f.t.Helper()
	end, err := f.shop.DeliverFile(f.t.Context(), path, destination, false)
	if err != nil {
		f.t.Fatalf("%s: %v", destination, err)
	}
	r, err := f.shop.Steps.Report(f.t.Context(), destination, end.Run)
	if err == nil {
		err = r.Check()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return end, r
}

func ends(t *testing.T, f run.Finished, state, code string, removed report.Removed) {
	t.Helper()
	got := ""
	if f.Reason != nil {
		got = f.Reason.Code
	}
	f.Removed.Reasons = nil
	if f.State != state || got != code || fmt.Sprint(f.Removed) != fmt.Sprint(removed) {
		t.Errorf("the run %s (%s: %+v) with %+v removed; want %s (%s) with %+v", f.State, got, f.Reason, f.Removed, state, code, removed)
	}
}

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

func stepNames(r *report.Report) (names []string) {
	for _, s := range r.Steps {
		names = append(names, s.Name)
	}
	return names
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

// held keeps parcel 1 from being deleted: one in another region has it for a parent.
const held = `{"cr1_parcel":[{"cr1_parcelid":"11111111-0000-4000-8000-000000000001","cr1_name":"Held","cr1_no":1,"cr1_region":"north"},
	{"cr1_parcelid":"11111111-0000-4000-8000-000000000002","cr1_name":"Holder","cr1_no":2,"cr1_region":"south","cr1_Parent@odata.bind":"/cr1_parcels(11111111-0000-4000-8000-000000000001)"},
	{"cr1_name":"Free","cr1_no":3,"cr1_region":"north"}]}`

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

// A hooked store tells of what is written, before it is.
type hooked struct {
	store.Store
	mu     sync.Mutex
	before func(key string) error
}

func (h *hooked) hook(key string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.before == nil {
		return nil
	}
	return h.before(key)
}

func (h *hooked) set(before func(key string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = before
}

func (h *hooked) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if err := h.hook(key); err != nil {
		return err
	}
	return h.Store.Put(ctx, key, body)
}

func (h *hooked) Create(ctx context.Context, key string, body []byte) error {
	if err := h.hook(key); err != nil {
		return err
	}
	return h.Store.Create(ctx, key, body)
}

func (h *hooked) Note(ctx context.Context, key string, body []byte) error {
	if err := h.hook(key); err != nil {
		return err
	}
	return h.Store.Note(ctx, key, body)
}

func hook(h *hooked) func(store.Store) store.Store {
	return func(s store.Store) store.Store { h.Store = s; return h }
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

// Killed at one write after the other, and started again: the table ends up the same, and no record counts twice.
func TestCrashesWhileClearing(t *testing.T) { crashes(t, "keyed", 1+rand.IntN(19), 19) }

func TestCrashesWhileSweeping(t *testing.T) { crashes(t, "mirror", 1+rand.IntN(19), 19) }

func TestSoakCrashesWhileDeleting(t *testing.T) {
	if os.Getenv("PENSTOCK_SOAK") == "" {
		t.Skip("set PENSTOCK_SOAK=1 (make soak)")
	}
	crashes(t, "keyed", 1, 1)
	crashes(t, "mirror", 1, 1)
}

// crashes kills the process at a write, and at every so many after it.
func crashes(t *testing.T, destination string, at, step int) {
	t.Helper()
	h := &hooked{}
	f := newField(t, hook(h))
	t.Logf("killed at write %d and every %d after it", at, step)
	dead := errors.New("the process is dead")
	now := time.Now()
	f.shop.Steps.Now = func() time.Time { return now }
	for ; ; at += step {
		f.seed("south", 11, 12, 13)
		writes, last := 0, ""
		h.set(func(key string) error {
			if writes++; writes < at {
				return nil
			}
			if writes == at {
				last = key
			}
			return dead
		})
		path := file(t, "x.csv", land(1, 2, 3))
		end, err := f.shop.DeliverFile(t.Context(), path, destination, false)
		h.set(nil)
		if err == nil && end.State == run.Succeeded && last == "" {
			if at < 20 {
				t.Errorf("only %d writes", at)
			}
			return
		}
		now = now.Add(10 * time.Minute) // a run that died when it had its report, but not given back its turn, is waited for
		end, r := f.loadFile(destination, path)
		if end.State != run.Succeeded || end.Written != 3 || r.Removed.Failed != 0 || r.Removed.Deleted+r.Removed.AlreadyGone != r.Removed.Found {
			t.Fatalf("killed at write %d (%s): %+v %+v", at, last, end, end.Reason)
		}
		if f.wants("new 1", "new 2", "new 3"); t.Failed() {
			t.Fatalf("killed at write %d (%s)", at, last)
		}
	}
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

// waiting is a run that is prepared and asks for its turn.
type waiting struct {
	f     *field
	start run.Start
	in    run.TurnIn
}

func prepared(t *testing.T, f *field, destination string, arrived time.Time, body string) *waiting {
	t.Helper()
	start, _, err := f.shop.Steps.Pin(t.Context(), run.Start{V: 1, Destination: destination, Arrived: arrived,
		Delivery: run.Delivery{ID: arrived.String(), Objects: []delivery.Object{{Key: file(t, "x.csv", body), Size: int64(len(body))}}}})
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := f.shop.Steps.Prepare(t.Context(), run.PrepareIn{Start: start})
	if err != nil || prepared.State != run.Proven {
		t.Fatalf("prepare: %+v, %v", prepared, err)
	}
	return &waiting{f: f, start: start, in: run.TurnIn{Start: start, Prepared: prepared}}
}

func (w *waiting) look(t *testing.T) run.Turn {
	t.Helper()
	turn, err := w.f.shop.Steps.Turn(t.Context(), w.in)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

func TestMirror(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", 1, 2, 3, 4)
	end, r := f.load("mirror", land(2, 3, 5))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 2, Deleted: 2})
	f.wants("new 2", "new 3", "new 5")
	if names := stepNames(r); !slices.Equal(names, []string{"prepare", "turn", "load", "sweep"}) {
		t.Errorf("steps %v", names)
	}
	if text := report.Sentence(*r); !strings.Contains(text, "removed 2 records that the file does not hold") {
		t.Error(text)
	}
	end, _ = f.load("mirror", land(2, 3, 5))
	ends(t, end, run.Succeeded, "", report.Removed{})
}

// Rule D4: the key of a rejected row keeps its record, a doubtful match too, and what is not ours is not looked at.
func TestMirrorKeepsWhatIsDoubtful(t *testing.T) {
	f := newField(t, nil)
	f.seedJSON(`{"cr1_parcel":[
		{"cr1_name":"Rejected","cr1_no":1,"cr1_region":"north","cr1_code":"R"},
		{"cr1_name":"Case","cr1_no":2,"cr1_region":"north","cr1_code":"b"},
		{"cr1_name":"Stale","cr1_no":3,"cr1_region":"north","cr1_code":"C"},
		{"cr1_name":"Keyless","cr1_no":4,"cr1_region":"north"},
		{"cr1_name":"Other","cr1_no":5,"cr1_region":"south","cr1_code":"D"}]}`)
	end, r := f.load("coded", "cr1_name,cr1_code,cr1_no\nNew,B,2\nOld,R,much\nMore,E,6\n")
	ends(t, end, run.Partial, "", report.Removed{Found: 1, Deleted: 1})
	f.wants("rejected", "new", "keyless", "other", "more")
	if !slices.ContainsFunc(r.Notes, func(note string) bool { return strings.HasPrefix(note, "1 record whose key is empty") }) {
		t.Errorf("notes %q", r.Notes)
	}
}

// Rule D4: a row whose key cannot be read may mean any record, so none is deleted.
func TestMirrorWithAKeylessRowDeletesNothing(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", 1, 2)
	end, r := f.load("mirror", land(2)+"Nameless,,x\n")
	ends(t, end, run.Partial, "", report.Removed{})
	f.wants("old 1", "new 2")
	if !slices.ContainsFunc(r.Notes, func(note string) bool {
		return strings.Contains(note, "No record was removed: 1 row has no readable key")
	}) {
		t.Errorf("notes %q", r.Notes)
	}
}

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

// Rule C4: a row whose link the service rejects is written, with a warning.
func TestRejectedLinkIsAWarning(t *testing.T) {
	h := &hooked{}
	f := newField(t, hook(h))
	gone := false
	h.set(func(key string) error {
		if strings.Contains(key, "/results/") && strings.Contains(key, "/link-") && !gone {
			gone = true // between the two passes somebody deletes the record that the first row refers to
			f.remove(fmt.Sprint(f.rows("cr1_parcels?$select=cr1_name", "cr1_name")["b"]["cr1_parcelid"]))
		}
		return nil
	})
	end, r := f.load("tree", "Name,No,Parent\nA,1,2\nB,2,\nC,3,1\n")
	ends(t, end, run.Partial, "", report.Removed{})
	if end.Written != 3 || end.Warned != 1 || r.Warned != 1 || len(r.WarnReasons) != 1 || r.WarnReasons[0].Line != 2 {
		t.Fatalf("%+v, warnings %+v", end, r.WarnReasons)
	}
	if names := stepNames(r); !slices.Equal(names, []string{"prepare", "turn", "load", "link"}) {
		t.Errorf("steps %v", names)
	}
	list := objectOf(t, f.shop.Steps.Work, r.Warnings)
	if !strings.HasPrefix(list, "line,file,column,code,message\n2,x.csv,,"+r.WarnReasons[0].Code+",") || strings.Count(list, "\n") != 2 {
		t.Errorf("warnings.csv: %s", list)
	}
	parent := f.rows("cr1_parcels?$select=cr1_name,_cr1_parent_value", "cr1_name")["c"]["_cr1_parent_value"]
	if a := f.rows("cr1_parcels?$select=cr1_name", "cr1_name")["a"]["cr1_parcelid"]; parent != a {
		t.Errorf("the other link leads to %v, want %v", parent, a)
	}
}

// Of a row whose link names a record that is nowhere, the missing record is told, and not that its own is.
func TestLinkToNowhereSaysSo(t *testing.T) {
	f := newField(t, nil)
	end, r := f.load("tree", "Name,No,Parent\nD,4,99\n")
	ends(t, end, run.Partial, "", report.Removed{})
	if len(r.WarnReasons) != 1 || r.WarnReasons[0].Code != "lookup_not_found" {
		t.Fatalf("warnings %+v", r.WarnReasons)
	}
	if list := objectOf(t, f.shop.Steps.Work, r.Warnings); !strings.Contains(list, "neither in the table nor in the file") {
		t.Errorf("warnings.csv: %s", list)
	}
}

func objectOf(t *testing.T, work store.Store, key string) string {
	t.Helper()
	data, err := store.ReadAll(t.Context(), work, key, 1<<20)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return string(data)
}

// remove deletes a parcel as somebody else would.
func (f *field) remove(id string) {
	f.t.Helper()
	cfg, err := f.shop.Steps.Config(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	client, err := f.shop.Steps.Connect(f.t.Context(), cfg.Connections["sales"])
	if err != nil {
		f.t.Fatal(err)
	}
	table, err := client.Table(f.t.Context(), "cr1_parcel")
	if err != nil {
		f.t.Fatal(err)
	}
	writer, err := client.NewWriter(f.t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := writer.Write(f.t.Context(), []dataverse.Operation{{Do: dataverse.Delete, ID: id}})
	if err != nil || out[0].Result != dataverse.Deleted {
		f.t.Fatalf("delete %s: %+v, %v", id, out, err)
	}
}
