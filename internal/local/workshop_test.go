package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/store"
)

// workshop runs files of this machine in a directory, against the stack's organisation.
func workshop(t *testing.T, s *stack, wrap func(store.Store) store.Store, progress func(run.Progress)) *local.Workshop {
	t.Helper()
	dir := t.TempDir()
	work, err := store.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { work.Close() })
	var objects store.Store = work
	if wrap != nil {
		objects = wrap(objects)
	}
	shop, err := local.NewWorkshop(dir, &run.Steps{Work: objects, Inbox: delivery.Files{}, Config: s.Steps.Config, Connect: s.Steps.Connect,
		Now: time.Now, Limits: delivery.DefaultLimits, Progress: progress})
	if err != nil {
		t.Fatal(err)
	}
	return shop
}

func file(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// begun is a run that is prepared and has its turn: what the state machine hands to apply and finish.
type begun struct {
	*run.Steps
	start    run.Start
	prepared run.Prepared
	turn     run.Turn
	chunks   []run.ChunkRef
}

func begin(t *testing.T, steps *run.Steps, destination, name, body string) *begun {
	t.Helper()
	b := &begun{Steps: steps}
	start, _, err := steps.Pin(t.Context(), run.Start{V: 1, Destination: destination, Arrived: time.Now(),
		Delivery: run.Delivery{ID: name, Objects: []delivery.Object{{Key: file(t, name, body), Size: int64(len(body))}}}})
	if err != nil {
		t.Fatal(err)
	}
	b.start = start
	if b.prepared, err = steps.Prepare(t.Context(), run.PrepareIn{Start: start}); err != nil || b.prepared.State != run.Proven {
		t.Fatalf("prepare: %+v, %v", b.prepared, err)
	}
	if b.turn, err = steps.Turn(t.Context(), run.TurnIn{Start: start, Prepared: b.prepared}); err != nil || b.turn.State != run.Mine {
		t.Fatalf("turn: %+v, %v", b.turn, err)
	}
	if err := store.ReadJSON(t.Context(), steps.Work, b.prepared.Phases["load"].Key, &b.chunks); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *begun) apply(ctx context.Context) error {
	_, err := b.Apply(ctx, run.ApplyIn{V: 1, Run: b.start.Run, Destination: b.start.Destination, Phase: "load", Chunk: b.chunks[0], Epoch: b.turn.Epoch})
	return err
}

func (b *begun) finish(t *testing.T, caught string) run.Finished {
	t.Helper()
	in := run.FinishIn{Start: b.start, Prepared: &b.prepared, Turn: &b.turn}
	if caught != "" {
		in.Error = &run.Caught{Error: caught}
	}
	f, err := b.Finish(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// An append that failed half way, the same content appended on purpose from
// elsewhere, and the first run started again: it is told what happened, keeps its account, and blocks nobody.
func TestResumedAppendThatIsRefusedKeepsItsAccount(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	shop := workshop(t, s, nil, nil)
	s.fault("status-before:status=403,path=Multiple|batch$,after=2,every=1,code=0x80040220")
	a, b := file(t, "a.jsonl", enquiries(1500)), file(t, "b.jsonl", enquiries(1500))
	first, err := shop.DeliverFile(t.Context(), a, "leads", false)
	if err != nil || first.State != run.Failed || first.Written == 0 || first.Reason.Kind != string(fault.Denied) {
		t.Fatalf("half a run: %+v, %v", first, err)
	}
	s.Emulator.Server.Traffic().RemoveFaults()
	refused, err := shop.DeliverFile(t.Context(), b, "leads", false)
	if err != nil || refused.State != run.Refused || !strings.Contains(refused.Reason.Advice, "resume run "+first.Run) {
		t.Fatalf("the same content from elsewhere: %+v %+v, %v", refused, refused.Reason, err)
	}
	if again, err := shop.DeliverFile(t.Context(), b, "leads", true); err != nil || again.State != run.Succeeded || again.Created != 1500 {
		t.Fatalf("on purpose: %+v, %v", again, err)
	}
	resumed, err := shop.DeliverFile(t.Context(), a, "leads", false)
	if err != nil || resumed.Run != first.Run || resumed.State != run.Failed || resumed.Reason.Code != "already_loaded" || resumed.Written != first.Written {
		t.Fatalf("resumed: %+v %+v, %v", resumed, resumed.Reason, err)
	}
	if f, err := shop.DeliverFile(t.Context(), file(t, "c.jsonl", enquiries(3)), "leads", false); err != nil || f.State != run.Succeeded {
		t.Fatalf("the next run of the table: %+v, %v", f, err)
	}
}

// A clock that went back must not make a run wait until it has caught up.
func TestRunGoesOnAfterTheClockWentBack(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	shop := workshop(t, s, nil, nil)
	s.fault("status-before:status=403,path=Multiple|batch$,after=2,every=1,code=0x80040220")
	path := file(t, "a.jsonl", enquiries(1500))
	first, err := shop.DeliverFile(t.Context(), path, "leads", false)
	if err != nil || first.State != run.Failed || first.Written == 0 {
		t.Fatalf("half a run: %+v, %v", first, err)
	}
	s.Emulator.Server.Traffic().RemoveFaults()
	later := fmt.Sprintf("runs/leads/%s/executions/%013d-0123456789", first.Run, time.Now().Add(time.Hour).UnixMilli())
	must(t, store.PutJSON(t.Context(), shop.Steps.Work, later, run.Execution{ID: "another"}))
	f, err := shop.DeliverFile(t.Context(), path, "leads", false)
	if err != nil || f.Run != first.Run || f.State != run.Succeeded || f.Read != 1500 || f.Created != 1500 {
		t.Fatalf("%+v %+v, %v", f, f.Reason, err)
	}
}

// breaking is a store whose rejects cannot be written for a while.
type breaking struct {
	store.Store
	broken atomic.Bool
}

func (b *breaking) Create(ctx context.Context, key string, body []byte) error {
	if b.broken.Load() && strings.Contains(key, "/rejects/") && strings.Contains(key, "/load-") {
		return fault.New(fault.Interrupted, "store_unreachable", "create %s", key).Because(errors.New("503"))
	}
	return b.Store.Create(ctx, key, body)
}

const withLookup = "columns: {emailaddress1: emailaddress1, lastname: lastname, parentcustomerid: {to: parentcustomerid, table: account}}"

func TestRowsOfACallWhoseRejectsCouldNotBeStoredAreNotForgotten(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return strings.Replace(testConfig, "audiences: [admin, business]", withLookup, 1) }
	work := &breaking{}
	shop := workshop(t, s, func(w store.Store) store.Store { work.Store = w; return work }, nil)
	var body strings.Builder
	body.WriteString("emailaddress1,lastname,parentcustomerid\n")
	for i := range 90 {
		account := ""
		if i == 40 {
			account = "7d9f3b52-0000-4000-8000-00000000dead"
		}
		fmt.Fprintf(&body, "p%04d@example.org,Last,%s\n", i, account)
	}
	b := begin(t, shop.Steps, "people", "x.csv", body.String())
	work.broken.Store(true)
	if err := b.apply(t.Context()); !fault.Is(err, fault.Interrupted) {
		t.Fatalf("apply: %v", err)
	}
	f := b.finish(t, "Interrupted")
	r, err := b.Report(t.Context(), "people", b.start.Run)
	if err != nil {
		t.Fatal(err)
	}
	if there := int64(len(s.rows("contacts?$select=emailaddress1", "emailaddress1"))); there == 0 || there > f.Written+r.Uncertain {
		t.Errorf("%d rows are in the table; the report says that %d were written and %d may have been", there, f.Written, r.Uncertain)
	}
	work.broken.Store(false)
	if err := b.apply(t.Context()); err != nil && !fault.Is(err, fault.LostTurn) {
		t.Fatalf("again: %v", err)
	}
}

// Nothing cancels a function when its execution fails: finish stops the workers
// that are left, waits for them, and only then writes the account.
func TestAccountOfAFailedRunWaitsForItsWorkers(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.fault("latency:delay=500ms,path=Multiple") // longer than a worker trusts its last look at the turn
	shop := workshop(t, s, nil, nil)
	shop.Steps.Drained, shop.Steps.Worker, shop.Steps.Alive = false, 15*time.Minute, nil // as in the cloud
	b := begin(t, shop.Steps, "leads", "x.jsonl", enquiries(8000))
	done, ended := make(chan error, 1), make(chan struct{})
	shop.Steps.Sleep = func(context.Context, time.Duration) error { <-ended; return nil } // finish waits for the worker, not for a time
	go func() { done <- b.apply(context.Background()); close(ended) }()
	waitForRows(t, s, "lead", 300)
	f := b.finish(t, "States.ExceedToleratedFailureThreshold")
	if err := <-done; !fault.Is(err, fault.LostTurn) {
		t.Errorf("the worker ended with %v", err)
	}
	if there := int64(len(s.rows("leads?$select=subject", "subject"))); f.State != run.Failed || there != f.Written {
		t.Errorf("the table has %d rows, the report says %+v", there, f)
	}
	// The run that goes on takes a new epoch, which fences what is left of the old execution.
	turn, err := shop.Steps.Turn(t.Context(), run.TurnIn{Start: b.start, Prepared: b.prepared})
	if err != nil || turn.State != run.Mine || turn.Epoch <= b.turn.Epoch {
		t.Errorf("resumed: %+v, %v", turn, err)
	}
}

// A worker with a deadline does not sleep over it.
func TestLongThrottleEndsAWorkerBeforeItsDeadline(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	shop := workshop(t, s, nil, nil)
	b := begin(t, shop.Steps, "leads", "x.jsonl", enquiries(300))
	s.fault("throttle:every=1,path=CreateMultiple,retry_after=86400")
	limited, cancel := context.WithTimeout(t.Context(), 75*time.Second) // five seconds of sending, then drain and end
	defer cancel()
	if err := b.apply(limited); !fault.Is(err, fault.Throttled) {
		t.Errorf("the worker ended with %v", err)
	}
	if limited.Err() != nil {
		t.Error("the worker outlived its deadline")
	}
}

func TestFileEditedWhileItsRunLoads(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	body := people(300) + ",Missing,Key\n"
	path := file(t, "x.csv", body)
	var once atomic.Bool
	shop := workshop(t, s, nil, func(p run.Progress) {
		if p.Step == "load" && once.CompareAndSwap(false, true) {
			_ = os.WriteFile(path, []byte(strings.Repeat("x", len(body))), 0o600) // the same size, other rows
		}
	})
	f, err := shop.DeliverFile(t.Context(), path, "people", false)
	if err != nil || f.State != run.Partial || f.Written != 300 || f.Rejected != 1 || f.Rejects != "" {
		t.Fatalf("%+v, %v", f, err)
	}
	r, err := shop.Steps.Report(t.Context(), "people", f.Run)
	if err != nil || len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "was changed") {
		t.Errorf("the report does not say why there is no reject file: %+v, %v", r, err)
	}
}

// cutting is a store that dies with its process: after so many creates nothing is written any more.
type cutting struct {
	store.Store
	after, creates atomic.Int64
}

func (c *cutting) dead() bool { after := c.after.Load(); return after > 0 && c.creates.Load() >= after }

func (c *cutting) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if c.dead() {
		return context.Canceled
	}
	return c.Store.Put(ctx, key, body)
}

func (c *cutting) Create(ctx context.Context, key string, body []byte) error {
	if c.dead() {
		return context.Canceled
	}
	c.creates.Add(1)
	return c.Store.Create(ctx, key, body)
}

func (c *cutting) Note(ctx context.Context, key string, body []byte) error {
	if c.dead() {
		return context.Canceled
	}
	c.creates.Add(1)
	return c.Store.Note(ctx, key, body)
}

// Rule C2: what a run created counts as created, also when its worker did not live to tell.
func TestAwkwardKeysCreatedBeforeACrashCountAsCreated(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	work := &cutting{}
	shop := workshop(t, s, func(w store.Store) store.Store { work.Store = w; return work }, nil)
	b := begin(t, shop.Steps, "people", "x.csv", "emailaddress1,lastname\na+b@x.org,A\nc+d@x.org,B\n")
	work.creates.Store(0)
	work.after.Store(4) // the sign of life, the attempt's claim and the announcements of its calls, a row each
	if err := b.apply(t.Context()); err == nil {
		t.Fatal("the worker should have died")
	}
	if n := len(s.rows("contacts?$select=emailaddress1", "emailaddress1")); n != 2 {
		t.Fatalf("%d rows before the crash", n)
	}
	work.after.Store(0)
	if err := b.apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := b.finish(t, ""); f.Created != 2 || f.State != run.Succeeded {
		t.Errorf("%+v", f)
	}
}

// Rule I4: two workers on one chunk are harmless.
func TestTwoWorkersOnOneChunk(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.fault("latency:delay=10ms,path=Multiple")
	for _, c := range []struct{ destination, name, body, set, by string }{
		{"leads", "x.jsonl", enquiries(700), "leads?$select=subject", "subject"},
		{"people", "x.csv", people(700), "contacts?$select=emailaddress1", "emailaddress1"},
	} {
		shop := workshop(t, s, nil, nil)
		b := begin(t, shop.Steps, c.destination, c.name, c.body)
		ends := make(chan error, 2)
		for range 2 {
			go func() { ends <- b.apply(context.Background()) }()
		}
		for range 2 {
			if err := <-ends; err != nil {
				t.Errorf("%s: %v", c.destination, err)
			}
		}
		if f := b.finish(t, ""); f.State != run.Succeeded || f.Written != 700 {
			t.Errorf("%s: %+v", c.destination, f)
		}
		if n := len(s.rows(c.set, c.by)); n != 700 {
			t.Errorf("%s: %d rows", c.destination, n)
		}
	}
}

// A waiting run's look at a lock does not keep its run from starting.
func TestLooksAtALockDoNotKeepARunFromStarting(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	shop := workshop(t, s, nil, nil)
	path := file(t, "x.csv", people(3))
	first, err := shop.DeliverFile(t.Context(), path, "people", false)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				shop.Locks.Alive(first.Run)
			}
		}
	}()
	for range 20 {
		if _, err := shop.Execute(t.Context(), run.Start{V: 1, Run: first.Run, Destination: "people",
			Delivery: run.Delivery{ID: "x", Objects: []delivery.Object{{Key: path}}}}); err != nil {
			t.Fatal(err)
		}
	}
}
