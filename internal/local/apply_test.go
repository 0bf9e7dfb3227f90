package local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// crafted is a run of one chunk that is written here and not by prepare: what
// apply does to operations of every kind depends on nothing else.
type crafted struct {
	*run.Steps
	t      *testing.T
	client *dataverse.Client
	plan   *run.Plan
	turns  string
	epoch  int // of its turn
}

func craft(t *testing.T, s *stack, steps *run.Steps, name string, ops []dataverse.Operation, change ...func(*run.Plan)) *crafted {
	t.Helper()
	ctx := t.Context()
	cfg, err := steps.Config(ctx)
	must(t, err)
	c := &crafted{Steps: steps, t: t}
	c.client, err = steps.Connect(ctx, cfg.Connections["sales"])
	must(t, err)
	me, err := c.client.WhoAmI(ctx)
	must(t, err)
	table := s.contact(c.client)
	c.plan = &run.Plan{V: 1, State: run.Proven, By: "p1", Connection: "sales", Organization: me.OrganizationID, Table: table, MaxPercent: 100, Parallel: 1,
		Start: run.Start{V: 1, Run: name, Destination: "crafted"}, Rows: run.Rows{Read: int64(len(ops))}}
	c.plan.Chunks = []run.ChunkRef{c.chunk("load", ops, nil)}
	for _, f := range change {
		f(c.plan)
	}
	must(t, store.PutJSON(ctx, steps.Work, "runs/crafted/"+name+"/run.json", c.plan))
	c.turns = "turns/" + me.OrganizationID + "/contact/"
	c.take()
	return c
}

// tables keeps what was read of contact, cut down to what is used here, by the stack that it was read from.
var tables sync.Map

func (s *stack) contact(client *dataverse.Client) *dataverse.Table {
	s.t.Helper()
	if known, ok := tables.Load(s); ok {
		return known.(*dataverse.Table)
	}
	table, err := client.Table(s.t.Context(), "contact")
	must(s.t, err)
	table.Columns = slices.DeleteFunc(table.Columns, func(c dataverse.Column) bool {
		return !slices.Contains([]string{"contactid", "emailaddress1", "firstname", "lastname", "nickname"}, c.Name)
	})
	tables.Store(s, table)
	return table
}

// chunk stores operations; of says whose they are in the second pass.
func (c *crafted) chunk(phase string, ops []dataverse.Operation, of []int) run.ChunkRef {
	c.t.Helper()
	var body bytes.Buffer
	for i, op := range ops {
		line, err := json.Marshal(op)
		must(c.t, err)
		if of != nil {
			line = append(line[:len(line)-1], fmt.Sprintf(`,"of":%d}`, of[i])...)
		}
		body.Write(append(line, '\n'))
	}
	sum := sha256.Sum256(body.Bytes())
	ref := run.ChunkRef{Key: "runs/crafted/" + c.plan.Start.Run + "/chunks/p1/" + phase + "-00000", Operations: len(ops), SHA256: hex.EncodeToString(sum[:])}
	must(c.t, c.Work.Put(c.t.Context(), ref.Key, bytes.NewReader(body.Bytes())))
	return ref
}

// take makes the turn this run's, whoever had it.
func (c *crafted) take() {
	c.t.Helper()
	for _, err := range c.Work.List(c.t.Context(), c.turns+"epoch-") {
		must(c.t, err)
		c.epoch++
	}
	c.epoch++
	must(c.t, c.Work.Create(c.t.Context(), fmt.Sprintf("%sepoch-%08d", c.turns, c.epoch), []byte(`{"run":"`+c.plan.Start.Run+`","destination":"crafted"}`)))
}

func (c *crafted) apply(phase string, ref run.ChunkRef) error {
	answer, err := c.Apply(context.Background(), run.ApplyIn{V: 1, Run: c.plan.Start.Run, Destination: "crafted", Phase: phase, Chunk: ref, Epoch: c.epoch})
	if err == nil && answer.State != run.Done {
		err = fmt.Errorf("the chunk is %s", answer.State)
	}
	return err
}

func (c *crafted) load() error { return c.apply("load", c.plan.Chunks[0]) }

// words are the states of an operation; of two attempts' words the later one here holds.
var words = []string{"untouched", "needless", "sending", "rejected", "unchanged", "upserted", "updated", "created", "deleted"}

// ended is what all attempts at a phase's chunk left as their words: operations by state.
func (c *crafted) ended(phase string) map[string]int {
	c.t.Helper()
	var merged []int
	for info, err := range c.Work.List(c.t.Context(), "runs/crafted/"+c.plan.Start.Run+"/ended/p1/"+phase+"-00000.attempt-") {
		must(c.t, err)
		var end struct {
			Spans []struct {
				First, Last int
				State       string
			}
		}
		must(c.t, store.ReadJSON(c.t.Context(), c.Work, info.Key, &end))
		for _, s := range end.Spans {
			for i := s.First; i <= s.Last; i++ {
				merged = append(merged, make([]int, max(0, i+1-len(merged)))...)
				merged[i] = max(merged[i], slices.Index(words, s.State))
			}
		}
	}
	states := map[string]int{}
	for _, state := range merged {
		if state > 0 {
			states[words[state]]++
		}
	}
	return states
}

func (c *crafted) wants(what, phase string, want map[string]int) {
	c.t.Helper()
	if got := c.ended(phase); !maps.Equal(got, want) {
		c.t.Errorf("%s, %s: %v, want %v", what, phase, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func recordID(kind byte, n int) string {
	return fmt.Sprintf("%02x000000-0000-8000-8000-%012x", kind, n)
}

// A way of writing is a verb with its way to find records, what must be there before, and how it ends.
type way struct {
	name string
	kind byte
	op   func(n int, id, mail string) dataverse.Operation
	has  bool   // the records are there before
	ends string // state of each operation in the end
	gone bool   // no record is there in the end
}

const set = `{"firstname":"new","lastname":"L"}`

func mailKey(mail string) []dataverse.KeyPart {
	value, _ := json.Marshal(mail)
	return []dataverse.KeyPart{{Column: "emailaddress1", Value: value}}
}

var ways = []way{
	{name: "create", kind: 1, ends: "created", op: func(_ int, id, mail string) dataverse.Operation {
		return dataverse.Operation{Do: dataverse.Create, ID: id, Set: json.RawMessage(`{"emailaddress1":"` + mail + `","firstname":"new","lastname":"L"}`)}
	}},
	{name: "upsert", kind: 2, ends: "upserted", op: func(_ int, _, mail string) dataverse.Operation {
		return dataverse.Operation{Do: dataverse.Upsert, Key: mailKey(mail), Set: json.RawMessage(set)}
	}},
	{name: "upsert by an awkward key", kind: 3, ends: "created", op: func(_ int, id, mail string) dataverse.Operation {
		return dataverse.Operation{Do: dataverse.Upsert, Key: mailKey("a+" + mail), New: id, Set: json.RawMessage(set)}
	}},
	{name: "update", kind: 4, has: true, ends: "updated", op: func(n int, id, mail string) dataverse.Operation {
		if n%2 == 0 {
			return dataverse.Operation{Do: dataverse.Update, Key: mailKey(mail), Set: json.RawMessage(set)}
		}
		return dataverse.Operation{Do: dataverse.Update, ID: id, Set: json.RawMessage(set)}
	}},
	{name: "delete", kind: 5, has: true, ends: "deleted", gone: true, op: func(n int, id, mail string) dataverse.Operation {
		if n%2 == 0 {
			return dataverse.Operation{Do: dataverse.Delete, Key: mailKey(mail), Set: json.RawMessage(`{}`)}
		}
		return dataverse.Operation{Do: dataverse.Delete, ID: id, Set: json.RawMessage(`{}`)}
	}},
}

// perRun is how many rows a run has: several calls.
const perRun = 220

// prepare makes the run's operations and what must be there before them.
func (w *way) prepare(t *testing.T, s *stack, steps *run.Steps, round int) *crafted {
	t.Helper()
	ops := make([]dataverse.Operation, perRun)
	var before []dataverse.Operation
	for i := range ops {
		n := round*perRun + i
		id, mail := recordID(w.kind, n), fmt.Sprintf("%s%d@%d.example", w.name[:2], n, w.kind)
		ops[i] = w.op(n, id, mail)
		ops[i].Row, ops[i].Line = int64(i+1), i+2
		before = append(before, dataverse.Operation{Do: dataverse.Create, ID: id, Set: json.RawMessage(`{"emailaddress1":"` + mail + `","firstname":"old"}`)})
	}
	c := craft(t, s, steps, fmt.Sprintf("%s-%d", strings.ReplaceAll(w.name, " ", "-"), round), ops)
	if w.has {
		writer, err := c.client.NewWriter(t.Context(), c.plan.Table, dataverse.WriteOptions{Warm: true})
		must(t, err)
		_, err = writer.Write(t.Context(), before)
		must(t, err)
	}
	return c
}

// check holds the table against what all rounds should have made of it.
func (w *way) check(t *testing.T, s *stack, rounds int) {
	t.Helper()
	there := 0
	for mail, row := range s.rows("contacts?$select=emailaddress1,firstname", "emailaddress1") { // fails on one that is there twice
		if strings.HasSuffix(mail, fmt.Sprintf("@%d.example", w.kind)) {
			there++
			if row["firstname"] != "new" {
				t.Errorf("%s: %s is %v", w.name, mail, row)
			}
		}
	}
	want := rounds * perRun
	if w.gone {
		want = 0
	}
	if there != want {
		t.Errorf("%s: %d records, want %d", w.name, there, want)
	}
}

// loseNotes takes away what an attempt has noted since it began, as a power cut may.
func (c *crafted) loseNotes() {
	c.t.Helper()
	lost := 0
	for info, err := range c.Work.List(c.t.Context(), "runs/crafted/"+c.plan.Start.Run+"/results/p1/") {
		must(c.t, err)
		switch {
		case strings.HasSuffix(info.Key, "/000000"):
		case lost == 0:
			must(c.t, c.Work.Put(c.t.Context(), info.Key, strings.NewReader("")))
			lost++
		default:
			must(c.t, c.Work.Delete(c.t.Context(), info.Key))
		}
	}
}

// renew gives the stack a client of its own for what comes: it has not learnt yet how much the service takes at once.
func (s *stack) renew() {
	s.config = func() string {
		return strings.Replace(testConfig, "credential: env:X}", fmt.Sprintf("credential: env:X, requests_per_day: %d}", 1_000_000+len(s.Emulator.Server.Traffic().Requests())), 1)
	}
}

// A worker may die between any two things that it writes down: whoever comes after it loses and doubles nothing.
func TestWorkersThatDieLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	work := &cutting{}
	steps := workshop(t, s, func(inner store.Store) store.Store { work.Store = inner; return work }, nil).Steps
	points := []int64{2, 4} // after its claim and the note of one call, of three calls
	if os.Getenv("PENSTOCK_SOAK") != "" {
		points = []int64{1, 2, 3, 4}
	}
	for _, w := range ways {
		for round, point := range points {
			c := w.prepare(t, s, steps, round)
			s.renew()
			work.creates.Store(0)
			work.after.Store(point)
			if err := c.load(); err == nil {
				t.Fatalf("%s, point %d: the worker should have died", w.name, point)
			}
			work.after.Store(0)
			if round%2 == 1 { // the machine lost its power as well: what was noted is gone or empty
				c.loseNotes()
			}
			must(t, c.load())
			c.wants(fmt.Sprintf("%s, died at point %d", w.name, point), "load", map[string]int{w.ends: perRun})
			must(t, c.load()) // a chunk that is done is done
		}
		w.check(t, s, len(points))
	}
}

// The work is done and nobody hears of it.
func TestLostAnswersLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	steps := workshop(t, s, nil, nil).Steps
	for _, w := range ways {
		for round, text := range []string{"drop-after:every=2,path=Multiple|batch$", "status-after:status=502,every=2,path=Multiple|batch$", "cut:every=3,path=Multiple|batch$"} {
			c := w.prepare(t, s, steps, round)
			s.fault(text)
			err := c.load()
			for tries := 0; fault.Is(err, fault.Interrupted) && tries < 6; tries++ { // as the state machine does
				err = c.load()
			}
			if err != nil {
				t.Errorf("%s, %s: %v", w.name, text, err)
			}
			s.Emulator.Server.Traffic().RemoveFaults()
			c.wants(w.name+", "+text, "load", map[string]int{w.ends: perRun})
		}
		w.check(t, s, 3)
	}
}

// Rule I4.
func TestTwoWorkersOfEveryKindOnOneChunk(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.fault("latency:delay=10ms,path=Multiple|batch$")
	steps := workshop(t, s, nil, nil).Steps
	for _, w := range ways {
		c := w.prepare(t, s, steps, 0)
		ends := make(chan error, 2)
		for range 2 {
			go func() { ends <- c.load() }()
		}
		for range 2 {
			if err := <-ends; err != nil {
				t.Errorf("%s: %v", w.name, err)
			}
		}
		w.check(t, s, 1)
		if got := c.ended("load"); got[w.ends] != perRun {
			t.Errorf("%s: %v", w.name, got)
		}
	}
}

// retries is a clock whose first wait after it was set has a consequence.
type retries struct {
	hurried
	then atomic.Pointer[func()]
}

func (r *retries) After(d time.Duration) <-chan time.Time {
	if f := r.then.Swap(nil); f != nil {
		(*f)()
	}
	return r.hurried.After(d)
}

// An answer is lost, and before the call can be repeated the turn is gone: those rows are in doubt, and no others.
func TestLostAnswerAndLostTurnLeaveDoubt(t *testing.T) {
	t.Parallel()
	clock := &retries{}
	s := startStack(t, t.TempDir(), func(o *local.StackOptions) { o.Clock = clock })
	steps := workshop(t, s, nil, nil).Steps
	var later atomic.Int64
	steps.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	c := ways[1].prepare(t, s, steps, 0)
	gone := func() {
		other := *c
		other.epoch = 0
		other.take()
		later.Store(int64(10 * time.Second)) // a look at the turn is not trusted that long
	}
	clock.then.Store(&gone)
	s.fault("drop-after:times=1,path=UpsertMultiple")
	if err := c.load(); !fault.Is(err, fault.LostTurn) {
		t.Fatalf("the worker ended with %v", err)
	}
	c.wants("turn lost", "load", map[string]int{"sending": 1}) // the first call is of one row
	c.epoch = 0
	c.take()
	must(t, c.load())
	c.wants("and taken again", "load", map[string]int{"upserted": perRun})
	ways[1].check(t, s, 1)
}

// The second pass links what is there and no more, whatever the threshold of the run says.
func TestSecondPass(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	lookup := func(n int) json.RawMessage {
		return json.RawMessage(`{"parentcustomerid_contact@odata.bind":"/contacts(` + recordID(9, n) + `)"}`)
	}
	var ops, links []dataverse.Operation
	var of []int
	for i := range 6 {
		set := fmt.Sprintf(`{"emailaddress1":"l%d@9.example","lastname":"L"}`, i)
		if i == 2 { // which the service rejects
			set = `{"lastname":"L","parentcustomerid_account@odata.bind":"/accounts(7d9f3b52-0000-4000-8000-00000000dead)"}`
		}
		ops = append(ops, dataverse.Operation{Row: int64(i + 1), Do: dataverse.Create, ID: recordID(9, i), Set: json.RawMessage(set)})
		// Each row points to the next; the last one to a record that is not there.
		links, of = append(links, dataverse.Operation{Row: int64(i + 1), Do: dataverse.Update, ID: recordID(9, i), Set: lookup(i + 1)}), append(of, i)
	}
	steps := workshop(t, s, nil, nil).Steps
	c := craft(t, s, steps, "linked", ops)
	link := c.chunk("link", links, of)
	if err := c.apply("link", link); !fault.Is(err, fault.Interrupted) {
		t.Errorf("before the load: %v", err)
	}
	must(t, c.load())
	c.wants("load", "load", map[string]int{"created": 5, "rejected": 1})
	// Were these rejects held against the threshold, nothing would be sent any more.
	c.plan.MaxPercent, c.plan.Rows.Rejected = 0, 5
	must(t, store.PutJSON(t.Context(), steps.Work, "runs/crafted/linked/run.json", c.plan))
	c.Steps = &run.Steps{Work: steps.Work, Config: steps.Config, Connect: steps.Connect}
	must(t, c.apply("link", link))
	c.wants("link", "link", map[string]int{"updated": 3, "needless": 1, "rejected": 2}) // the targets of rows 2 and 6 are not there
	reasons := 0
	for _, err := range steps.Work.List(t.Context(), "runs/crafted/linked/rejects/p1/link-00000.attempt-") {
		must(t, err)
		reasons++
	}
	if reasons == 0 {
		t.Error("no reason is written down")
	}
	if to := s.rows("contacts?$select=emailaddress1,_parentcustomerid_value", "emailaddress1")["l3@9.example"]["_parentcustomerid_value"]; to != recordID(9, 4) {
		t.Errorf("row 4 points to %v", to)
	}
}

// A day's requests that are spent end the run with a word when to go on; it goes on from there.
func TestSpentRequestsEndTheRunUntilLater(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	budget := 200
	s.config = func() string {
		return strings.Replace(testConfig, "credential: env:X}", fmt.Sprintf("credential: env:X, requests_per_day: %d}", budget), 1)
	}
	c := ways[1].prepare(t, s, workshop(t, s, nil, nil).Steps, 0)
	for range 2 { // as long as it is spent
		err := c.load()
		if e, ok := fault.As(err); !ok || e.Kind != fault.Refused || e.Code != "requests_per_day" || !strings.Contains(e.Advice, "resume") {
			t.Fatalf("the worker ended with %v", err)
		}
	}
	budget = 5000
	must(t, c.load())
	c.wants("raised", "load", map[string]int{"upserted": perRun})
	ways[1].check(t, s, 1)
}

// Rows matched by columns: in a run of many the table is read once, and not asked for each of them.
func TestManyMatchedRowsAreFoundInOneReading(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	steps := workshop(t, s, nil, nil).Steps
	const rows = 5200
	ops := make([]dataverse.Operation, rows)
	for i := range ops {
		value := json.RawMessage(fmt.Sprintf(`"N%d"`, i))
		ops[i] = dataverse.Operation{Row: int64(i + 1), Do: dataverse.Upsert, New: recordID(7, i), Key: []dataverse.KeyPart{{Column: "nickname", Value: value}},
			Set: json.RawMessage(`{"nickname":` + string(value) + `,"lastname":"new"}`)}
	}
	matching := func(p *run.Plan) { p.MatchOn, p.Key = true, []string{"nickname"} }
	c := craft(t, s, steps, "matched", ops, matching)
	writer, err := c.client.NewWriter(t.Context(), c.plan.Table, dataverse.WriteOptions{Warm: true})
	must(t, err)
	var before []dataverse.Operation
	for i, name := range []string{"n0", "N1 ", "Ñ2", "N3", "n3"} { // by case, by a blank, perhaps by an accent; and two of one name
		before = append(before, dataverse.Operation{Do: dataverse.Create, ID: recordID(8, i), Set: json.RawMessage(`{"nickname":"` + name + `","lastname":"old"}`)})
	}
	_, err = writer.Write(t.Context(), before)
	must(t, err)
	earlier := len(s.Emulator.Server.Traffic().Requests())
	must(t, c.load())
	asked := 0
	for _, r := range s.Emulator.Server.Traffic().Requests()[earlier:] {
		if strings.HasSuffix(r.URL, "$batch") {
			asked++
		}
	}
	got := c.ended("load")
	if got["rejected"] != 1 || got["created"]+got["updated"] != rows-1 || got["updated"] < 2 || asked > 5 {
		t.Errorf("%v, %d queries", got, asked)
	}
}

// meeting is a store whose users all show that they share a connection before any of them looks who does.
type meeting struct {
	store.Store
	left *atomic.Int64 // of those that are waited for
	here chan struct{}
}

func (m meeting) Note(ctx context.Context, key string, body []byte) error {
	err := m.Store.Note(ctx, key, body)
	if strings.HasPrefix(key, "connections/") {
		if m.left.Add(-1) == 0 {
			close(m.here)
		}
		<-m.here
	}
	return err
}

// Rule M4: workers in different functions have clients of their own, and yet no
// more calls in flight between them than the service likes.
func TestProcessesOfAConnectionShareItsHint(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	ops := make([]dataverse.Operation, 1500)
	for n := range ops {
		ops[n] = ways[0].op(n, recordID(1, n), fmt.Sprintf("m%d@x.example", n))
	}
	var ended sync.WaitGroup
	work := meeting{process(t, s, t.TempDir(), immortal()).Steps.Work, new(atomic.Int64), make(chan struct{})}
	work.left.Store(2)
	other := craft(t, s, s.function(t, work), "other", ops[750:]).plan.Chunks[0]
	other.N = 1
	c := craft(t, s, s.function(t, work), "shared", ops[:750], func(p *run.Plan) {
		p.Chunks, p.Rows.Read = append(p.Chunks, other), 1500
	})
	s.Emulator.Server.Traffic().SetCosts(traffic.Costs{Request: traffic.Duration(100 * time.Millisecond)})
	s.Emulator.Server.Traffic().ResetCounters()
	for _, ref := range c.plan.Chunks {
		one := *c
		one.Steps = s.function(t, work)
		ended.Go(func() {
			if err := one.apply("load", ref); err != nil {
				t.Error(err)
			}
		})
	}
	ended.Wait()
	if peak := s.Emulator.Server.Traffic().Stats(t.Context()).PeakConcurrency; peak > 8 || peak < 5 {
		t.Errorf("%d calls in flight where the service likes 8", peak)
	}
	f, err := c.Finish(t.Context(), run.FinishIn{Start: c.plan.Start, Turn: &run.Turn{State: run.Mine, Epoch: c.epoch}})
	if err != nil || f.State != run.Succeeded || f.Read != 1500 || f.Created != 1500 {
		t.Errorf("%+v, %v", f, err)
	}
}

// function is the steps as a function has them: with connections, and so a client, of its own.
func (s *stack) function(t *testing.T, work store.Store) *run.Steps {
	t.Helper()
	user := dataversetest.DefaultUser
	credential, err := json.Marshal(map[string]string{"client_id": user.ClientID, "client_secret": user.Secrets[0]})
	must(t, err)
	connections := &run.Connections{Clock: hurried{}, Secrets: secret.Reader{Getenv: func(string) string { return string(credential) }}}
	t.Cleanup(connections.Close)
	return &run.Steps{Work: work, Config: s.Steps.Config, Connect: connections.Connect, Now: time.Now, Limits: delivery.DefaultLimits, Inbox: delivery.Files{}}
}
