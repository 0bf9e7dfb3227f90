package run

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/dataversetest"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/mapping"
	"penstock/internal/row"
	"penstock/internal/snapshot"
	"penstock/internal/store"
)

// A desk prepares files for destinations of one connection, to an emulator.
type desk struct {
	*Steps
	t       testing.TB
	client  *dataverse.Client
	server  *dataversetest.Server
	yaml    string // of the destination
	start   Start
	mu      sync.Mutex
	notes   []string
	elapsed time.Duration // each look at the clock takes as long
	clock   time.Time
}

func newDesk(t testing.TB, destination string) *desk {
	t.Helper()
	server, host := emulator()
	d := &desk{t: t, server: server, yaml: destination, client: dial(t, host), clock: time.Now()}
	d.Steps = &Steps{Work: &memory{objects: map[string][]byte{}}, Inbox: delivery.Files{}, Scratch: t.TempDir(), Limits: delivery.DefaultLimits,
		Config:  d.config,
		Connect: func(context.Context, *config.Connection) (*dataverse.Client, error) { return d.client, nil },
		Now: func() time.Time {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.clock = d.clock.Add(d.elapsed)
			return d.clock
		},
		Progress: func(p Progress) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if p.Note != "" {
				d.notes = append(d.notes, p.Note)
			}
		}}
	return d
}

// memory is a store without a disk.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (s *memory) Open(_ context.Context, key string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, there := s.objects[key]
	if !there {
		return nil, store.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

func (s *memory) Put(_ context.Context, key string, body io.ReadSeeker) error {
	data, err := io.ReadAll(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = data
	return err
}

func (s *memory) Create(_ context.Context, key string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there, is := s.objects[key]; is && !bytes.Equal(there, body) {
		return store.ErrExists
	}
	s.objects[key] = bytes.Clone(body)
	return nil
}

func (s *memory) Note(ctx context.Context, key string, body []byte) error {
	return s.Create(ctx, key, body)
}

func (s *memory) List(_ context.Context, prefix string) iter.Seq2[store.Info, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []store.Info
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(key, prefix) {
			found = append(found, store.Info{Key: key, Size: int64(len(s.objects[key]))})
		}
	}
	return func(yield func(store.Info, error) bool) {
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s *memory) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

// emulator is one for all tests: preparing only reads.
var emulator = sync.OnceValues(func() (*dataversetest.Server, *httptest.Server) {
	server, err := dataversetest.New(dataversetest.Options{})
	if err != nil {
		panic(err)
	}
	return server, httptest.NewTLSServer(server)
})

func dial(t testing.TB, host *httptest.Server) *dataverse.Client {
	t.Helper()
	user := dataversetest.DefaultUser
	text, _ := json.Marshal(map[string]string{"client_id": user.ClientID, "client_secret": user.Secrets[0]})
	credentials, err := dataverse.ParseCredential(text, false)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(host.Certificate())
	client, err := dataverse.Open(dataverse.Options{URL: host.URL, Authority: host.URL, Tenant: "contoso.example",
		RootCAs: roots, AllowCustomHost: true, Credentials: credentials})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (d *desk) config(context.Context) (*config.Config, error) {
	return config.Parse([]byte("connections:\n  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}\n"+
		"destinations:\n  d:\n    connection: sales\n    "+strings.ReplaceAll(strings.TrimSpace(d.yaml), "\n", "\n    ")+"\n"), "penstock.yaml")
}

// deliver begins a run of a file.
func (d *desk) deliver(name string, body []byte) Start {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.start = Start{V: 1, Run: "r-" + attemptID(), Destination: "d", Arrived: arrived,
		Delivery: Delivery{ID: "sha256:x", Objects: []delivery.Object{{Key: path, Size: int64(len(body))}}}}
	return d.start
}

// prepare prepares a file in one go.
func (d *desk) prepare(name string, body []byte) *made {
	d.t.Helper()
	start := d.deliver(name, body)
	prepared, err := d.Prepare(d.t.Context(), PrepareIn{Start: start})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.made(prepared)
}

// made is what prepare left behind, as text, so that two ways to the same can be compared.
type made struct {
	*Plan
	Load, Links []string
	Marks       []snapshot.Mark
	Hashes      []uint64
	Reasons     []row.Reject
}

func (d *desk) made(prepared Prepared) *made {
	d.t.Helper()
	plan, err := d.readPlan(d.t.Context(), d.start.Destination, d.start.Run)
	if err != nil || plan == nil {
		d.t.Fatalf("no plan: %v", err)
	}
	if diff := cmp.Diff(plan.prepared(), prepared); diff != "" {
		d.t.Errorf("the plan says otherwise than prepare (-plan +said):\n%s", diff)
	}
	m := &made{Plan: plan}
	for _, ref := range plan.Chunks {
		m.Load = append(m.Load, d.lines(ref)...)
		if ref.Marks != "" {
			marks, err := snapshot.DecodeMarks(d.object(ref.Marks))
			if err != nil || len(marks) != ref.Operations {
				d.t.Errorf("%d marks of %d operations, %v", len(marks), ref.Operations, err)
			}
			m.Marks = append(m.Marks, marks...)
		}
	}
	for _, ref := range plan.Links {
		m.Links = append(m.Links, d.lines(ref)...)
	}
	if plan.Rejects != "" {
		for line := range strings.Lines(string(d.object(plan.Rejects + "000000"))) {
			var r row.Reject
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				d.t.Fatal(err)
			}
			m.Reasons = append(m.Reasons, r)
		}
		slices.SortFunc(m.Reasons, func(a, b row.Reject) int { return int(a.Row - b.Row) })
	}
	if plan.Keys != "" {
		set, err := readKeys(d.t.Context(), d.Work, plan.Keys)
		if err != nil {
			d.t.Fatal(err)
		}
		m.Hashes = set.hashes
	}
	if plan.State == Proven && int64(len(m.Load)+len(m.Reasons)) != plan.Rows.Read || int64(len(m.Reasons)) != plan.Rows.Rejected {
		d.t.Errorf("%d operations and %d rejects of %+v", len(m.Load), len(m.Reasons), plan.Rows)
	}
	return m
}

// lines are a chunk's operations, each as an object, whatever its shape in the chunk.
func (d *desk) lines(ref ChunkRef) []string {
	d.t.Helper()
	c, err := readChunk(d.t.Context(), d.Work, ref) // which proves the hash and the count
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.release()
	var lines []string
	err = c.all(func(i int, op *dataverse.Operation) error {
		if len(c.of) > 0 {
			lines = append(lines, string(appendLink(nil, op, c.of[i])))
			return nil
		}
		lines = append(lines, string(appendOperation(nil, op)))
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return lines
}

func (d *desk) object(key string) []byte {
	d.t.Helper()
	data, err := store.ReadAll(d.t.Context(), d.Work, key, 1<<30)
	if err != nil {
		d.t.Fatal(err)
	}
	return data
}

// samePrepared compares what two preparations of one file made, but for how chunks were cut and what is called after the attempt.
func samePrepared(t *testing.T, want, got *made) {
	t.Helper()
	for _, m := range []*made{want, got} {
		if m.State != Proven {
			t.Fatalf("%s: %+v", m.State, m.Reason)
		}
	}
	ignored := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.Contains([]string{"By", "Start", "PreparedAt", "Seconds", "Chunks", "Links", "Keys", "Rejects"}, p.Last().String()[1:])
	}, cmp.Ignore())
	if diff := cmp.Diff(want.Plan, got.Plan, ignored); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	for name, pair := range map[string][2]any{"load": {want.Load, got.Load}, "marks": {want.Marks, got.Marks},
		"keys": {want.Hashes, got.Hashes}, "rejects": {want.Reasons, got.Reasons}} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%.2000s", name, diff)
		}
	}
}

// mixed is a file of contacts as real life has them: keys that come again, empty keys, cells and rows that are wrong.
func mixed(rows int) []byte {
	random := rand.New(rand.NewPCG(11, 12))
	b := bytes.NewBufferString("emailaddress1,lastname,numberofchildren\n")
	for n := range rows {
		email := fmt.Sprintf("p%05d@example.org", random.IntN(rows+rows/2))
		switch random.IntN(20) {
		case 0:
			email = strings.ToUpper(email) + " "
		case 1:
			email = fmt.Sprintf("a+b%d/ü@example.org", n)
		}
		switch random.IntN(60) {
		case 0:
			fmt.Fprintf(b, "%s,Last\n", email) // ragged
		case 1:
			fmt.Fprintf(b, ",Keyless %d,1\n", n)
		case 2:
			fmt.Fprintf(b, "%s,Many,children\n", email)
		default:
			fmt.Fprintf(b, "%s,\"Last, %d\",%d\n", email, n, n%7)
		}
	}
	return b.Bytes()
}

// one is the plainest way to the same: row by row, with maps.
func (d *desk) one(name string, body []byte) (lines map[int64]string, rejected map[int64]string, keys map[string]int) {
	d.t.Helper()
	cfg, err := d.config(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	dest := cfg.Destinations["d"]
	table, err := d.client.Table(d.t.Context(), dest.Table)
	if err != nil {
		d.t.Fatal(err)
	}
	rows := plainRows(d.t, name, body)
	m, err := mapping.Compile(dest, table, rows.Columns(), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	ids := (&Plan{Organization: d.organisation(), Table: table, Start: d.start}).ids()
	lines, rejected, keys = map[int64]string{}, map[int64]string{}, map[string]int{}
	latest := map[string]int64{}
	var op dataverse.Operation
	for {
		r, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return lines, rejected, keys
		}
		if err != nil {
			d.t.Fatal(err)
		}
		why := m.Map(r, &op)
		key := string(m.Key())
		keys[key]++
		if why != nil {
			rejected[r.Number] = why.Code
			continue
		}
		if op.New = ""; !dataverse.Addressable(op.Key) {
			op.New = ids.ID(op.Row)
		}
		if before, there := latest[key]; there {
			delete(lines, before)
			rejected[before] = "duplicate_key"
		}
		latest[key] = r.Number
		lines[r.Number] = string(appendOperation(nil, &op))
	}
}

func (d *desk) organisation() string {
	d.t.Helper()
	me, err := d.client.WhoAmI(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return me.OrganizationID
}

const mirrored = "table: contact\nmode: mirror\nkey: emailaddress1\nallow_whole_table: true\nrejects: {max_percent: 90}"

// Whatever the number of goroutines, the results are those of one row after the other.
func TestPrepareMakesWhatOneRowAfterTheOtherMakes(t *testing.T) {
	d := newDesk(t, mirrored)
	body := mixed(2600)
	for _, processors := range []int{1, 2, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		got := d.prepare("people.csv", body)
		if got.State != Proven {
			t.Fatalf("%+v", got.Reason)
		}
		lines, rejected, keys := d.one("people.csv", body)
		made := map[int64]string{}
		for _, line := range got.Load {
			var op dataverse.Operation
			if err := json.Unmarshal([]byte(line), &op); err != nil {
				t.Fatal(err)
			}
			made[op.Row] = line
		}
		if diff := cmp.Diff(lines, made); diff != "" {
			t.Errorf("operations (-want +got):\n%.3000s", diff)
		}
		reasons := map[int64]string{}
		for _, r := range got.Reasons {
			reasons[r.Row] = r.Code
		}
		if diff := cmp.Diff(rejected, reasons); diff != "" {
			t.Errorf("rejects (-want +got):\n%.3000s", diff)
		}
		if got.Keyless != int64(keys[""]) || got.Keyless == 0 {
			t.Errorf("%d rows without a key, not %d", got.Keyless, keys[""])
		}
		delete(keys, "")
		set := &keySet{hashes: got.Hashes}
		for key := range keys {
			if !set.has([]byte(key)) {
				t.Errorf("the key object lacks %q", key)
			}
		}
		if int64(len(got.Hashes)) != got.Rows.Read-got.Keyless {
			t.Errorf("%d keys of %d rows", len(got.Hashes), got.Rows.Read)
		}
	}
}

func TestRowsWithoutKeysStayInOrder(t *testing.T) {
	d := newDesk(t, "table: lead\nmode: append")
	var body bytes.Buffer
	for n := range 3000 {
		fmt.Fprintf(&body, `{"subject":"s%d"`, n)
		if n > 1500 {
			fmt.Fprintf(&body, `,"lastname":"l%d"`, n) // a column that comes later
		}
		body.WriteString("}\n")
	}
	got := d.prepare("leads.jsonl", body.Bytes())
	if got.State != Proven || len(got.Load) != 3000 {
		t.Fatalf("%+v", got.Reason)
	}
	for n, line := range got.Load {
		if !strings.Contains(line, fmt.Sprintf(`"subject":"s%d"`, n)) || strings.Contains(line, "lastname") != (n > 1500) {
			t.Fatalf("operation %d is %s", n, line)
		}
	}
}

// The mappers learn of columns one after the other, the key's among them.
func TestColumnsThatComeLater(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1\nrejects: {max_percent: 90}")
	var body bytes.Buffer
	columns := []string{"lastname", "emailaddress1", "firstname", "jobtitle", "telephone1"}
	for n := range 5000 {
		values := map[string]string{}
		for i, name := range columns {
			if n >= 1000*i {
				values[name] = fmt.Sprintf("v%d", n)
			}
		}
		line, _ := json.Marshal(values)
		body.Write(append(line, '\n'))
	}
	got := d.prepare("people.jsonl", body.Bytes())
	if got.State != Proven || len(got.Load) != 4000 || len(got.Reasons) != 1000 || len(got.Columns) != len(columns) {
		t.Fatalf("%+v: %d operations, %d rejects, columns %v", got.Reason, len(got.Load), len(got.Reasons), got.Columns)
	}
	for _, line := range got.Load {
		var op dataverse.Operation
		if err := json.Unmarshal([]byte(line), &op); err != nil {
			t.Fatal(err)
		}
		if want := int(op.Row-1)/1000 + 1; strings.Count(line, fmt.Sprintf(`"v%d"`, op.Row-1)) != want {
			t.Fatalf("row %d is %s", op.Row, line)
		}
	}
	refused := d.prepare("people.jsonl", append(body.Bytes(), `{"emailaddress1":"x","subjekt":"b"}`+"\n"+`{"emailaddress1":"y"}`+"\n"...))
	if refused.State != Refused || codeOf(refused.Reason) != mapping.UnknownColumn || refused.Reason.Line != 5001 || refused.Rows != (Rows{Read: 5001, Rejected: 1000}) {
		t.Errorf("%+v, %+v", refused.Rows, refused.Reason)
	}
}

// deadlined has a deadline that the desk's clock comes near, and never passes.
type deadlined struct {
	context.Context
	at time.Time
}

func (d deadlined) Deadline() (time.Time, bool) { return d.at, true }

// steps prepares a file in many short invocations. Each is done twice, of which
// one is in vain; before each comes one that dies.
func (d *desk) steps(name string, body []byte, dying *dying) (got *made, invocations int) {
	d.t.Helper()
	start := d.deliver(name, body)
	in := PrepareIn{Start: start}
	for {
		if invocations++; invocations > 500 {
			d.t.Fatal("it does not end")
		}
		deaths := []int{1, 3, 0}
		if invocations == 1 {
			deaths = []int{0} // before the first step there is nothing to go on with
		}
		for _, after := range deaths {
			dying.set(after)
			d.elapsed = 0
			ctx := deadlined{d.t.Context(), d.now().Add(10 * time.Minute)} // of which eight may be used
			d.elapsed = 2 * time.Minute
			prepared, err := d.Prepare(ctx, in)
			if after > 0 && err != nil {
				continue // died
			}
			if err != nil {
				d.t.Fatal(err)
			}
			if prepared.State != More {
				return d.made(prepared), invocations
			}
			if again, err := d.Prepare(ctx, in); in.Prepared != nil && (err != nil || cmp.Diff(prepared, again) != "") {
				d.t.Fatalf("again: %+v, not %+v, %v", again, prepared, err)
			}
			in.Prepared = &prepared
			break
		}
	}
}

// dying is a store that can be written so many times.
type dying struct {
	store.Store
	mu   sync.Mutex
	left int // 0 is without end
}

var errDead = errors.New("the process is dead")

func (s *dying) set(left int) { s.mu.Lock(); s.left = left; s.mu.Unlock() }

func (s *dying) write() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 1 {
		return errDead
	}
	s.left = max(s.left-1, 0)
	return nil
}

func (s *dying) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if err := s.write(); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, body)
}

func (s *dying) Create(ctx context.Context, key string, body []byte) error {
	if err := s.write(); err != nil {
		return err
	}
	return s.Store.Create(ctx, key, body)
}

func gzipped(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(body)
	w.Close()
	return b.Bytes()
}

// Rule P2: however often prepare is cut and killed, the results are those of one go.
func TestPrepareInSteps(t *testing.T) {
	defer func(bytes int64) { partitionBytes = bytes }(partitionBytes)
	partitionBytes = 32 << 10
	var leads bytes.Buffer
	for n := range 2600 {
		fmt.Fprintf(&leads, `{"subject":"s%d","lastname":"l%d"}`+"\n", n, n)
	}
	for _, c := range []struct {
		name, file, destination string
		body                    []byte
		least                   int // invocations
	}{
		{"a mirror", "people.csv", mirrored, mixed(3000), 4},
		{"compressed, only changes", "people.csv.gz", "table: contact\nmode: upsert\nkey: emailaddress1\nonly_changes: true\nrejects: {max_percent: 90}", gzipped(mixed(2600)), 3},
		{"without keys", "leads.jsonl", "table: lead\nmode: append", leads.Bytes(), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, c.destination)
			want := d.prepare(c.file, c.body)
			dying := &dying{Store: d.Work}
			d.Work = dying
			got, invocations := d.steps(c.file, c.body, dying)
			if invocations < c.least {
				t.Errorf("it took only %d invocations", invocations)
			}
			t.Logf("%d invocations, %d chunks", invocations, len(got.Chunks))
			samePrepared(t, want, got)
			for info, err := range d.Work.List(t.Context(), got.folder()+"spool/") {
				t.Errorf("%s is still there, %v", info.Key, err)
			}
		})
	}
}

func TestLinksStayWithTheirRows(t *testing.T) {
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1\nrejects: {max_percent: 50}")
	var body bytes.Buffer
	body.WriteString("emailaddress1,lastname,statecode\n")
	rows := 2*chunkOperations + 500
	for n := range rows {
		state := ""
		if n%3 == 0 && n < chunkOperations || n > 2*chunkOperations {
			state = "1" // inactive
		}
		email := n
		if n%100 == 99 {
			email-- // the one before gives way, with its link
		}
		fmt.Fprintf(&body, "p%d@example.org,Last,%s\n", email, state)
	}
	got := d.prepare("people.csv", body.Bytes())
	if got.State != Proven || len(got.Chunks) < 2 {
		t.Fatalf("%+v, %d chunks", got.Reason, len(got.Chunks))
	}
	links := 0
	for _, ref := range got.Plan.Links {
		load := d.lines(got.Chunks[ref.N])
		if want := chunkKey(got.folder(), got.By, chunkName("link", ref.N)); ref.Key != want {
			t.Errorf("links of chunk %d are at %s, not %s", ref.N, ref.Key, want)
		}
		for _, line := range d.lines(ref) {
			var link, of struct {
				Row int64
				Of  int
				Do  string
				Key json.RawMessage
				Set map[string]any
			}
			if json.Unmarshal([]byte(line), &link) != nil || link.Of >= len(load) || json.Unmarshal([]byte(load[link.Of]), &of) != nil {
				t.Fatalf("link %s", line)
			}
			if of.Row != link.Row || string(of.Key) != string(link.Key) || link.Do != "update" || link.Set["statecode"] == nil {
				t.Fatalf("link %s of operation %s", line, load[link.Of])
			}
			links++
		}
	}
	want := 0
	for _, line := range strings.Split(body.String(), "\n") {
		if strings.HasSuffix(line, ",1") {
			want++
		}
	}
	for _, r := range got.Reasons {
		if n := r.Row - 1; n%3 == 0 && n < chunkOperations || n > 2*chunkOperations {
			want--
		}
	}
	if links != want || want == 0 {
		t.Errorf("%d links, not %d", links, want)
	}
}

func sha(data []byte) []byte { h := sha256.Sum256(data); return h[:] }

func TestEmptyFileDoesNotEmptyATable(t *testing.T) {
	for _, c := range []struct{ destination, body, code string }{
		{mirrored, "emailaddress1,lastname\n", "empty_file"},
		{mirrored + "\nmax_deletes: 100", "emailaddress1,lastname\n", ""},
		{strings.Replace(mirrored, "mirror", "truncate", 1), "emailaddress1,lastname\n", "empty_file"},
		{"table: contact\nmode: truncate\nallow_whole_table: true\nrejects: {max_percent: 100}", "lastname,numberofchildren\nA,many\n", "empty_file"},
		{"table: contact\nmode: upsert\nkey: emailaddress1", "emailaddress1,lastname\n", ""},
	} {
		d := newDesk(t, c.destination)
		got := d.prepare("people.csv", []byte(c.body))
		if code := codeOf(got.Reason); code != c.code {
			t.Errorf("%s: %q, not %q (%+v)", c.destination, code, c.code, got.Reason)
		}
	}
}

// A file whose first row is no header has columns 1, 2, 3: that no column of the destination is called so is
// not what the person who dropped it should read.
func TestFileWithoutAHeader(t *testing.T) {
	const body = "ada@example.org,Ada,1990-02-03\nbo@example.org,Bo,1991-02-03\n"
	for destination, code := range map[string]string{
		"table: contact\nmode: upsert\nkey: emailaddress1":                                                                                    "no_header",
		"table: contact\nmode: upsert\nkey: emailaddress1\ncolumns: {Mail: emailaddress1, First: firstname, Born: birthdate}":                 "no_header",
		"table: contact\nmode: upsert\nkey: emailaddress1\nheader: none\ncolumns: {\"1\": emailaddress1, \"2\": firstname, \"4\": birthdate}": "unmapped_column",
		"table: contact\nmode: upsert\nkey: emailaddress1\nnames: [emailaddress1, forename, birthdate]":                                       "unknown_column",
		"table: contact\nmode: upsert\nkey: emailaddress1\nnames: [emailaddress1, firstname, birthdate]":                                      "",
		"table: contact\nmode: upsert\nkey: emailaddress1\nheader: none\ncolumns: {\"1\": emailaddress1, \"2\": firstname, \"3\": birthdate}": "",
	} {
		got := newDesk(t, destination).prepare("people.csv", []byte(body))
		if codeOf(got.Reason) != code {
			t.Errorf("%s: %+v, want %q", destination, got.Reason, code)
		}
		if code == "no_header" && (!strings.Contains(got.Reason.Message, "header") || got.Reason.File == "" || !strings.Contains(got.Reason.Advice, "names")) {
			t.Errorf("%s: %+v", destination, got.Reason)
		}
	}
}

func codeOf(r *Reason) string {
	if r == nil {
		return ""
	}
	return r.Code
}

func TestPlanKeepsWhatTheDestinationSays(t *testing.T) {
	d := newDesk(t, "table: contact\nmode: mirror\nmatch_on: [lastname, firstname]\nfilter: {jobtitle: Clerk}\nmax_deletes: {percent: 5, count: 7}\nleave_undeletable: true\n"+
		"options: {tag: nightly}\nduplicates: reject\nrejects: {max_percent: 90}")
	got := d.prepare("people.csv", []byte("firstname,lastname\nJo,Li\nAl,Li\nJO,LI \n"))
	if got.State != Proven || got.Rows.Rejected != 0 && got.Rows.Rejected != 2 {
		t.Fatalf("%+v", got.Reason)
	}
	if diff := cmp.Diff([]string{"lastname", "firstname"}, got.Key); diff != "" || !got.MatchOn {
		t.Errorf("key %v, match_on %t", got.Key, got.MatchOn)
	}
	if len(got.Filter) != 1 || got.Filter[0].Column != "jobtitle" || got.MaxDeletes != (config.MaxDeletes{Percent: 5, Count: 7}) ||
		!got.LeaveUndeletable || got.Options.Tag != "nightly" {
		t.Errorf("%+v", got.Plan)
	}
	if len(got.Load) != 1 || !strings.Contains(got.Load[0], `"new":"`) {
		t.Errorf("operations %v", got.Load)
	}
	for _, r := range got.Reasons {
		if r.Code != "duplicate_key" || r.Line != 2 && r.Line != 4 || !strings.Contains(r.Message, fmt.Sprintf("line %d", 6-r.Line)) {
			t.Errorf("%+v", r)
		}
	}
}

func TestLookupsAreFoundForManyRowsAtOnce(t *testing.T) {
	d := newDesk(t, "table: contact\nmode: append\nrejects: {max_percent: 100}\ncolumns:\n  name: lastname\n  Account: {to: parentcustomerid, table: account, by: accountnumber}")
	accounts := 3500
	seed := bytes.NewBufferString("accountid,accountnumber,name\n")
	for n := range accounts {
		number := fmt.Sprintf("A-%d", n)
		if n == 1 {
			number = "A-0" // two of one number
		}
		fmt.Fprintf(seed, "7d9f3b52-0000-4000-8000-%012d,%s,Account\n", n, number)
	}
	_ = seed
	unique := strings.Replace(seed.String(), ",A-0,Account\n", ",A-0,Account\n", 1)
	if err := d.server.Seed("account.csv", strings.NewReader(strings.Replace(unique, "7d9f3b52-0000-4000-8000-000000000001,A-0,", "7d9f3b52-0000-4000-8000-000000000001,A-1,", 1))); err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	body.WriteString("name,Account\n")
	for n := range accounts {
		fmt.Fprintf(&body, "One %d,a-%d\nTwo %d,A-%d \n", n, n, n, accounts-1-n)
	}
	body.WriteString("Nobody's,A-none\n")
	got := d.prepare("people.csv", body.Bytes())
	if got.State != Proven || len(got.Load) != 2*accounts || len(got.Reasons) != 1 || got.Reasons[0].Code != mapping.LookupNotFound {
		t.Fatalf("%+v, %d operations, rejects %+v", got.Reason, len(got.Load), got.Reasons[:min(3, len(got.Reasons))])
	}
	for n, line := range got.Load {
		account := n / 2
		if n%2 == 1 {
			account = accounts - 1 - n/2
		}
		if want := fmt.Sprintf("/accounts(7d9f3b52-0000-4000-8000-%012d)", account); !strings.Contains(line, want) {
			t.Fatalf("operation %d is %s, without %s", n, line, want)
		}
	}
	if !slices.ContainsFunc(d.notes, func(s string) bool { return strings.Contains(s, "looking up") }) ||
		!slices.ContainsFunc(d.notes, func(s string) bool { return strings.Contains(s, "reading table account") }) {
		t.Errorf("told: %q", d.notes[:min(5, len(d.notes))])
	}
}

func TestReferencesAreBounded(t *testing.T) {
	d := newDesk(t, "")
	table, err := d.client.Table(t.Context(), "account")
	if err != nil {
		t.Fatal(err)
	}
	f := newReferences(d.client, nil)
	f.most = 10
	w := &wanted{table: table, column: "accountnumber", values: map[question]json.RawMessage{}}
	for n := range 11 {
		value := json.RawMessage(fmt.Sprintf(`"x%d"`, n))
		q, ok := questionOf(table, "accountnumber", value)
		if !ok {
			t.Fatal(n)
		}
		w.values[q] = value
	}
	if err := f.inquire(t.Context(), w); !fault.Is(err, fault.Refused) {
		t.Errorf("%v", err)
	}
}

// No goroutine is left when reading ends early: cancelled, by a broken file, by a store that fails.
func TestPrepareLeavesNoGoroutineBehind(t *testing.T) {
	d := newDesk(t, mirrored)
	d.prepare("warm.csv", []byte("emailaddress1,lastname\na@b.org,x\n"))
	settle := func() int {
		for range 200 {
			runtime.Gosched()
		}
		return runtime.NumGoroutine()
	}
	before := settle()
	body := mixed(6000)
	for name, run := range map[string]func() error{
		"cancelled": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			rows := 0
			d.Progress = func(Progress) {
				if rows++; rows == 1 {
					cancel()
				}
			}
			_, err := d.Prepare(ctx, PrepareIn{Start: d.deliver("a.csv", body)})
			return err
		},
		"no scratch": func() error {
			d.Scratch = filepath.Join(d.Scratch, "gone")
			_, err := d.Prepare(t.Context(), PrepareIn{Start: d.deliver("b.csv", body)})
			return err
		},
	} {
		if err := run(); err == nil {
			t.Errorf("%s: no error", name)
		}
		deadline := time.Now().Add(5 * time.Second)
		for settle() > before+2 && time.Now().Before(deadline) {
		}
		if after := settle(); after > before+2 {
			t.Errorf("%s: %d goroutines, %d before", name, after, before)
		}
	}
}
