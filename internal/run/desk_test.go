package run

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// live are the lines of a chunk, of the load or of its links, whose operation in the load was not dropped.
func (d *desk) live(ref, load ChunkRef, lines []string) (live []string) {
	states := load.states()
	for i, line := range lines {
		of := struct{ Of int }{i}
		if err := json.Unmarshal([]byte(line), &of); ref.Key != load.Key && err != nil {
			d.t.Fatal(err)
		}
		if states[of.Of] == untouched {
			live = append(live, line)
		}
	}
	return live
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
		m.Load = append(m.Load, d.live(ref, ref, d.lines(ref))...)
		if ref.Marks != "" {
			marks, err := snapshot.DecodeMarks(d.object(ref.Marks))
			if err != nil || len(marks) != ref.Operations {
				d.t.Errorf("%d marks of %d operations, %v", len(marks), ref.Operations, err)
			}
			m.Marks = append(m.Marks, marks...)
		}
	}
	for _, ref := range plan.Links {
		m.Links = append(m.Links, d.live(ref, plan.Chunks[ref.N], d.lines(ref))...)
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

func (d *desk) organisation() string {
	d.t.Helper()
	me, err := d.client.WhoAmI(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return me.OrganizationID
}

func codeOf(r *Reason) string {
	if r == nil {
		return ""
	}
	return r.Code
}
