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
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/store"
)

// The fault suite: for each mode a table, a file, faults on the wire and deaths
// of the process, all drawn from a seed that is printed. Afterwards the table is
// what the rules say, whatever happened, and the counts add up. PENSTOCK_SEED
// repeats a run that failed.

const modelConfig = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  seed: {connection: sales, table: contact, mode: upsert, key: emailaddress1}
  append: {connection: sales, table: lead, mode: append, rejects: {max_percent: 100}}
  upsert: {connection: sales, table: contact, mode: upsert, key: emailaddress1, rejects: {max_percent: 100}}
  update: {connection: sales, table: contact, mode: update, key: emailaddress1, rejects: {max_percent: 100}}
  delete: {connection: sales, table: contact, mode: delete, key: emailaddress1, rejects: {max_percent: 100},
    columns: {emailaddress1: emailaddress1, lastname: {skip: true}}}
  truncate: {connection: sales, table: contact, mode: truncate, key: emailaddress1, filter: {jobtitle: lake}, max_deletes: 100, rejects: {max_percent: 100}}
  mirror: {connection: sales, table: contact, mode: mirror, key: emailaddress1, filter: {jobtitle: lake}, max_deletes: 100, rejects: {max_percent: 100}}
  changes: {connection: sales, table: contact, mode: upsert, key: emailaddress1, only_changes: true, rejects: {max_percent: 100}}
  mirror-changes: {connection: sales, table: contact, mode: mirror, key: emailaddress1, filter: {jobtitle: lake}, max_deletes: 100, only_changes: true, rejects: {max_percent: 100}}
  match: {connection: sales, table: contact, mode: upsert, match_on: [emailaddress1], rejects: {max_percent: 100}}
`

var modelModes = []string{"append", "upsert", "update", "delete", "truncate", "mirror", "match", "changes", "mirror-changes"}

// wireFaults go wrong a bounded number of times, so that every run comes to its end.
var wireFaults = []string{
	"drop-after:probability=0.3,times=8,path=Multiple|batch",
	"drop-before:probability=0.3,times=8,path=Multiple|batch",
	"cut:probability=0.3,times=6,path=Multiple|batch",
	"status-after:status=503,probability=0.3,times=8,path=Multiple|batch",
	"status-before:status=502,probability=0.3,times=8,path=Multiple|batch",
	"status-after:status=500,probability=0.3,times=5,path=Multiple|batch",
	"status-after:status=504,probability=0.3,times=3,path=Multiple|batch",
	"deadlock:probability=0.01,times=20",
	"sql-timeout:probability=0.01,times=4",
	"throttle:probability=0.2,times=6,retry_after=1",
	"unauthorized:after=5,times=1,path=Multiple|batch",
	"latency:delay=30ms,path=Multiple|batch",
	"latency-after:delay=30ms,path=Multiple|batch",
}

// model is what should be in the table of contacts: by key, the last name and the job title.
type model map[string][2]string

func (m model) clone() model {
	c := model{}
	for k, v := range m {
		c[k] = v
	}
	return c
}

// modelCase is one drawn case.
type modelCase struct {
	before, after model
	file          string
	rows          int64
	leads         map[string]bool // of append: subjects
	// Bounds of the account.
	written, unchanged, rejected int64
}

func keyOf(n int, random *rand.Rand) string {
	if n%17 == 0 {
		return fmt.Sprintf("p+%04d@x.org", n) // no key URL takes it
	}
	return fmt.Sprintf("p%04d@example.org", n)
}

// draw makes a table and a file, and says what must come of them.
func draw(mode string, random *rand.Rand) *modelCase {
	c := &modelCase{before: model{}, leads: map[string]bool{}}
	span := 100 + random.IntN(500)
	for n := range span {
		switch random.IntN(4) {
		case 0:
			c.before[keyOf(n, random)] = [2]string{"old", "lake"}
		case 1:
			c.before[keyOf(n, random)] = [2]string{"old", "hand"}
		}
	}
	var b strings.Builder
	if mode == "append" {
		return c.drawAppend(random, &b)
	}
	b.WriteString("emailaddress1,lastname\n")
	last := map[string]int{}
	type line struct {
		key  string
		long bool
	}
	lines := make([]line, 50+random.IntN(900))
	for i := range lines {
		lines[i] = line{keyOf(random.IntN(span+100), random), random.IntN(60) == 0 && mode != "delete"}
		name := fmt.Sprintf("new%d", i)
		if lines[i].long {
			name = strings.Repeat("x", 60)
		}
		fmt.Fprintf(&b, "%s,%s\n", lines[i].key, name)
		if !lines[i].long {
			last[lines[i].key] = i
		}
	}
	c.file, c.rows = b.String(), int64(len(lines))
	c.after = c.before.clone()
	mentioned := map[string]bool{}
	for _, l := range lines {
		mentioned[l.key] = true
	}
	if mode == "truncate" || mirrors(mode) {
		for key, v := range c.before {
			if v[1] == "lake" && (mode == "truncate" || !mentioned[key]) {
				delete(c.after, key)
			}
		}
	}
	for i, l := range lines {
		_, there := c.before[l.key]
		switch {
		case l.long, last[l.key] != i:
			c.rejected++
		case mode == "update" && !there:
			c.rejected++
		case mode == "delete" && !there:
			c.unchanged++
		case mode == "delete":
			delete(c.after, l.key)
			c.written++
		default:
			v := [2]string{fmt.Sprintf("new%d", i), c.before[l.key][1]}
			if mode == "truncate" || mirrors(mode) {
				v[1] = "lake"
			}
			c.after[l.key] = v
			c.written++
		}
	}
	return c
}

func mirrors(mode string) bool { return mode == "mirror" || mode == "mirror-changes" }

func sendsChanges(mode string) bool { return mode == "changes" || mode == "mirror-changes" }

func (c *modelCase) drawAppend(random *rand.Rand, b *strings.Builder) *modelCase {
	b.WriteString("subject,lastname\n")
	c.rows = int64(50 + random.IntN(900))
	for i := range c.rows {
		if random.IntN(60) == 0 {
			fmt.Fprintf(b, "s%d,%s\n", i, strings.Repeat("x", 60))
			c.rejected++
			continue
		}
		fmt.Fprintf(b, "s%d,Last\n", i)
		c.leads[fmt.Sprintf("s%d", i)] = true
		c.written++
	}
	c.file, c.after = b.String(), c.before
	return c
}

// mortal is a store whose process dies: from some call on nothing is read nor written any more.
type mortal struct {
	store.Store
	left atomic.Int64
	die  context.CancelFunc
}

var errDead = errors.New("the process is dead")

func (m *mortal) alive() error {
	if m.left.Add(-1) < 0 {
		m.die()
		return fault.New(fault.Interrupted, "dead", "the process is dead").Because(errDead)
	}
	return nil
}

func (m *mortal) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Store.Put(ctx, key, body)
}

func (m *mortal) Create(ctx context.Context, key string, body []byte) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Store.Create(ctx, key, body)
}

func (m *mortal) Note(ctx context.Context, key string, body []byte) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Store.Note(ctx, key, body)
}

func (m *mortal) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := m.alive(); err != nil {
		return nil, err
	}
	return m.Store.Open(ctx, key)
}

func (m *mortal) Delete(ctx context.Context, key string) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Store.Delete(ctx, key)
}

// seeds are those to try: one that was asked for, or n new ones.
func seeds(t *testing.T, n int) []uint64 {
	if text := os.Getenv("PENSTOCK_SEED"); text != "" {
		var seed uint64
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
		return []uint64{seed}
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = rand.Uint64()
	}
	return list
}

func TestModesUnderFaults(t *testing.T) { modesUnderFaults(t, 1) }

func TestSoakModesUnderFaults(t *testing.T) {
	if os.Getenv("PENSTOCK_SOAK") == "" {
		t.Skip("a soak: set PENSTOCK_SOAK=1")
	}
	modesUnderFaults(t, 40)
}

func modesUnderFaults(t *testing.T, rounds int) {
	for _, mode := range modelModes {
		for _, seed := range seeds(t, rounds) {
			t.Run(fmt.Sprintf("%s/%d", mode, seed), func(t *testing.T) {
				t.Parallel()
				underFaults(t, mode, rand.New(rand.NewPCG(seed, 1)))
			})
		}
	}
}

// underFaults runs one drawn case to its end, through faults and deaths.
func underFaults(t *testing.T, mode string, random *rand.Rand) {
	c := draw(mode, random)
	s := startStack(t, t.TempDir())
	s.config = func() string { return modelConfig }
	dir := t.TempDir()
	c.fill(t, s, dir)
	if sendsChanges(mode) { // something to be unchanged against
		lines := strings.SplitAfter(c.file, "\n")
		if _, err := process(t, s, dir, immortal()).DeliverFile(t.Context(), file(t, "half.csv", strings.Join(lines[:len(lines)/2], "")), mode, false); err != nil {
			t.Fatal(err)
		}
	}
	if mode == "mirror-changes" { // and what somebody else deletes must come back (rule H3)
		there := s.rows("contacts?$select=emailaddress1,jobtitle", "emailaddress1")
		for range 5 {
			if key := fmt.Sprintf("p%04d@example.org", random.IntN(100)); there[key] != nil && there[key]["jobtitle"] == "lake" {
				s.deleteContact(key)
				delete(there, key)
			}
		}
		// What is gone by now, by somebody else or by the mirror of the half, comes back with a good row only.
		for key, v := range c.after {
			if there[key] == nil && !strings.HasPrefix(v[0], "new") {
				delete(c.after, key)
			}
		}
	}
	var faults []string
	for range 1 + random.IntN(3) {
		text := wireFaults[random.IntN(len(wireFaults))]
		if slices.Contains(faults, text) {
			continue // a call turned down twice is a credential refused
		}
		faults = append(faults, text)
		s.fault(text)
	}
	path := file(t, "rows.csv", c.file)
	deaths := random.IntN(4)
	var f run.Finished
	for {
		m := &mortal{}
		ctx, die := context.WithCancel(t.Context())
		m.die = die
		m.left.Store(1 << 40)
		if deaths > 0 {
			m.left.Store(int64(20 + random.IntN(150)))
		}
		deaths--
		var err error
		f, err = process(t, s, dir, m).DeliverFile(ctx, path, mode, false)
		died := m.left.Load() < 0
		die()
		if died {
			if done := s.reported(t, dir, mode, c.rows); done != nil { // it lived to write its account
				f = *done
				break
			}
			continue
		}
		if err != nil {
			t.Fatalf("with %v: %v", faults, err)
		}
		break
	}
	s.Emulator.Server.Traffic().RemoveFaults()
	t.Logf("%d rows, faults %v: %+v", c.rows, faults, f)
	c.judge(t, s, mode, f)
}

// reported is the account of the mode's run, if it came to its end.
func (s *stack) reported(t *testing.T, dir, mode string, rows int64) *run.Finished {
	t.Helper()
	shop := process(t, s, dir, immortal())
	for info, err := range shop.Steps.Work.List(t.Context(), "runs/"+mode+"/") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(info.Key, "/report.json") {
			continue
		}
		f, err := shop.Steps.Finished(t.Context(), mode, strings.Split(info.Key, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		if f.Read == rows && (f.State == run.Succeeded || f.State == run.Partial) {
			return &f
		}
	}
	return nil
}

func immortal() *mortal {
	m := &mortal{die: func() {}}
	m.left.Store(1 << 40)
	return m
}

// process is a workshop whose store dies with it.
func process(t *testing.T, s *stack, dir string, m *mortal) *local.Workshop {
	t.Helper()
	work, err := store.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { work.Close() })
	m.Store = work
	shop, err := local.NewWorkshop(dir, &run.Steps{Work: m, Inbox: delivery.Files{}, Config: s.Steps.Config, Connect: s.Steps.Connect,
		Now: time.Now, Limits: delivery.DefaultLimits})
	if err != nil {
		t.Fatal(err)
	}
	return shop
}

// fill brings the table into its first state.
func (c *modelCase) fill(t *testing.T, s *stack, dir string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("emailaddress1,lastname,jobtitle\n")
	for key, v := range c.before {
		fmt.Fprintf(&b, "%s,%s,%s\n", key, v[0], v[1])
	}
	f, err := process(t, s, dir, immortal()).DeliverFile(t.Context(), file(t, "seed.csv", b.String()), "seed", false)
	if err != nil || f.Written != int64(len(c.before)) {
		t.Fatalf("fill the table: %+v, %v", f, err)
	}
}

// judge holds the table and the account against the model.
func (c *modelCase) judge(t *testing.T, s *stack, mode string, f run.Finished) {
	t.Helper()
	if f.State != run.Succeeded && f.State != run.Partial {
		t.Fatalf("the run ended %s: %+v", f.State, f.Reason)
	}
	if f.Read != c.rows || f.Read != f.Written+f.Unchanged+f.Rejected+f.NotAttempted {
		t.Errorf("the account does not add up: %+v", f)
	}
	if f.Rejected != c.rejected || f.Written+f.Unchanged != c.written+c.unchanged || mode != "delete" && !sendsChanges(mode) && f.Written != c.written {
		t.Errorf("written %d, unchanged %d, rejected %d; want %d, %d, %d", f.Written, f.Unchanged, f.Rejected, c.written, c.unchanged, c.rejected)
	}
	if mode == "append" {
		got := s.rows("leads?$select=subject", "subject")
		if len(got) != len(c.leads) {
			t.Errorf("%d leads, want %d", len(got), len(c.leads))
		}
	}
	got := s.rows("contacts?$select=emailaddress1,lastname,jobtitle", "emailaddress1")
	var wrong []string
	for key, v := range c.after {
		row := got[key]
		switch {
		case row == nil:
			wrong = append(wrong, key+" is missing")
		case fmt.Sprint(row["lastname"]) != v[0] || fmt.Sprint(row["jobtitle"]) != v[1] && !(row["jobtitle"] == nil && v[1] == ""):
			wrong = append(wrong, fmt.Sprintf("%s is %v %v, want %v", key, row["lastname"], row["jobtitle"], v))
		}
	}
	for key := range got {
		if _, known := c.after[key]; !known {
			wrong = append(wrong, key+" should not be there")
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		t.Errorf("%d of %d records are not as they should be: %s", len(wrong), len(c.after), strings.Join(wrong[:min(5, len(wrong))], "; "))
	}
}
