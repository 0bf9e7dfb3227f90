package local_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/delivery"
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

func stepNames(r *report.Report) (names []string) {
	for _, s := range r.Steps {
		names = append(names, s.Name)
	}
	return names
}

// held keeps parcel 1 from being deleted: one in another region has it for a parent.
const held = `{"cr1_parcel":[{"cr1_parcelid":"11111111-0000-4000-8000-000000000001","cr1_name":"Held","cr1_no":1,"cr1_region":"north"},
	{"cr1_parcelid":"11111111-0000-4000-8000-000000000002","cr1_name":"Holder","cr1_no":2,"cr1_region":"south","cr1_Parent@odata.bind":"/cr1_parcels(11111111-0000-4000-8000-000000000001)"},
	{"cr1_name":"Free","cr1_no":3,"cr1_region":"north"}]}`

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
