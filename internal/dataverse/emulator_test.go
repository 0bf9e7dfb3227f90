package dataverse_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataverse"
	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
	"penstock/internal/fault"
)

// The main flows against the emulator, which was written from Microsoft's
// documentation and not from this client.

func emulator(t *testing.T, opts dataversetest.Options) *httptest.Server {
	t.Helper()
	org, err := dataversetest.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(org)
	t.Cleanup(func() { server.Close(); org.Close() })
	return server
}

func open(t *testing.T, server *httptest.Server, clientID, secret string, change ...func(*dataverse.Options)) *dataverse.Client {
	t.Helper()
	text, _ := json.Marshal(map[string]string{"client_id": clientID, "client_secret": secret})
	credentials, err := dataverse.ParseCredential(text, false)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	opts := dataverse.Options{URL: server.URL, Authority: server.URL, Tenant: "contoso.example",
		RootCAs: roots, AllowCustomHost: true, Credentials: credentials}
	for _, f := range change {
		f(&opts)
	}
	c, err := dataverse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func openDefault(t *testing.T) *dataverse.Client {
	user := dataversetest.DefaultUser
	return open(t, emulator(t, dataversetest.Options{}), user.ClientID, user.Secrets[0])
}

func TestEmulatorIsRead(t *testing.T) {
	c := openDefault(t)
	if id, err := c.WhoAmI(t.Context()); err != nil || id.OrganizationID == "" {
		t.Errorf("%+v %v", id, err)
	}
	if v, err := c.Version(t.Context()); err != nil || !strings.HasPrefix(v, "9.") {
		t.Errorf("%q %v", v, err)
	}
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	if table.Set != "contacts" || table.PrimaryID != "contactid" || table.Type != "Standard" {
		t.Errorf("%s %s %s", table.Set, table.PrimaryID, table.Type)
	}
	if key := table.Key([]string{"emailaddress1"}); key == nil || key.Status != "Active" {
		t.Errorf("key %+v", key)
	}
	if column := table.Column("firstname"); column == nil || column.Type != dataverse.String || column.MaxLength == 0 || !column.ForCreate {
		t.Errorf("firstname %+v", column)
	}
	if column := table.Column("gendercode"); column == nil || column.Type != dataverse.Picklist || len(column.Options) == 0 {
		t.Errorf("gendercode %+v", column)
	}
	parent := table.Column("parentcustomerid")
	if parent == nil || len(parent.Targets) != 2 {
		t.Fatalf("parentcustomerid %+v", parent)
	}
	navigation := dataverse.Target{Table: "account", Set: "accounts", Navigation: "parentcustomerid_account"}
	if !slices.Contains(parent.Targets, navigation) {
		t.Errorf("parentcustomerid %+v", parent.Targets)
	}
	for _, message := range []string{"CreateMultiple", "UpsertMultiple"} {
		if yes, err := c.Supports(t.Context(), message, "contact"); !yes || err != nil {
			t.Errorf("%s: %v %v", message, yes, err)
		}
	}
	if missing, err := c.Privileges(t.Context(), "contact", "Create", "Write", "Read"); err != nil || len(missing) > 0 {
		t.Errorf("missing %v %v", missing, err)
	}
	_, err = c.Table(t.Context(), "contacts")
	if f, ok := fault.As(err); !ok || f.Code != "unknown_table" || !strings.Contains(f.Advice, `"contact"`) {
		t.Errorf("%v", err)
	}
}

func key(mail string) []dataverse.KeyPart {
	value, _ := json.Marshal(mail)
	return []dataverse.KeyPart{{Column: "emailaddress1", Value: value}}
}

func id(n int) string { return fmt.Sprintf("6f1f0d9e-6d0f-4c67-9a55-%012d", n) }

func TestEmulatorIsWritten(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tooLong, _ := json.Marshal(map[string]string{"firstname": strings.Repeat("x", 5000)})
	mails := []string{"a+b@x.org", "o'neil@x.org", "ä@x.org", "a/b@x.org", "50%&#?:*@x.org"}
	var ops []dataverse.Operation
	for n := range 120 {
		op := dataverse.Operation{Row: int64(n + 1), New: id(n), Set: json.RawMessage(fmt.Sprintf(`{"firstname":"n%d","lastname":"L"}`, n))}
		switch {
		case n%40 == 13:
			op.Do, op.ID, op.Set = dataverse.Create, id(n), tooLong
		case n < len(mails):
			op.Do, op.Key = dataverse.Upsert, key(mails[n])
		case n%3 == 0:
			op.Do, op.ID = dataverse.Create, id(n)
		default:
			op.Do, op.Key = dataverse.Upsert, key(fmt.Sprintf("p%d@x.org", n))
		}
		ops = append(ops, op)
	}
	// The second time is the retry of a worker that died: what it created counts as created.
	for range 2 {
		out, err := w.Write(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		for n, o := range out {
			want := dataverse.Upserted
			switch {
			case n%40 == 13:
				want = dataverse.Rejected
			case ops[n].Do == dataverse.Create:
				want = dataverse.Created
			case !dataverse.Addressable(ops[n].Key):
				want = dataverse.Created
			}
			if o.Result != want || want == dataverse.Rejected && o.Code != "0x80044331" {
				t.Errorf("row %d: %+v, want %d", n, o, want)
			}
		}
		if rows := readNames(t, c); len(rows) != 117 || slices.Contains(rows, "") {
			t.Errorf("%d rows in the table", len(rows))
		}
	}
	found, err := c.Resolve(t.Context(), table, [][]dataverse.KeyPart{key("A+B@X.ORG"), key("nobody@x.org"), key("O'Neil@x.org")})
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{len(found[0]), len(found[1]), len(found[2])}; !cmp.Equal(got, []int{1, 0, 1}) {
		t.Errorf("found %v", found)
	}
	there, err := c.Exists(t.Context(), table, []string{id(3), id(9999), id(6)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{id(3): true, id(6): true}, there); diff != "" {
		t.Error(diff)
	}
}

// hurry makes waits short: what is tested is what happens after them.
type hurry struct{}

func (hurry) Now() time.Time { return time.Now() }
func (hurry) After(d time.Duration) <-chan time.Time {
	return time.After(min(d, time.Millisecond))
}

func TestEmulatorUnderFaults(t *testing.T) {
	org, err := dataversetest.New(dataversetest.Options{Traffic: traffic.Options{Limits: &traffic.Limits{}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(org)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer func() { server.Close(); org.Close() }()
	user := dataversetest.DefaultUser
	c := open(t, server, user.ClientID, user.Secrets[0], func(o *dataverse.Options) { o.Clock = hurry{} })
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, what := range []string{traffic.DropBefore, traffic.DropAfter, traffic.Cut, traffic.Deadlock, traffic.SQLTimeout, traffic.Unauthorized} {
		f := traffic.Fault{What: what, Method: "POST", Path: "/api/data/", Probability: 0.05, Seed: uint64(i + 1)}
		if what == traffic.Unauthorized {
			f.Probability, f.Seed, f.Every = 0, 0, 20 // a fresh token that is refused as well is no passing fault
		}
		if _, err := org.Traffic().AddFaults(f); err != nil {
			t.Fatal(err)
		}
	}
	const workers, rows = 4, 60
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ops := make([]dataverse.Operation, rows)
			for i := range ops {
				n := worker*rows + i
				ops[i] = dataverse.Operation{Row: int64(n + 1), New: id(n), Set: json.RawMessage(fmt.Sprintf(`{"firstname":"n%d"}`, n))}
				switch n % 3 {
				case 0:
					ops[i].Do, ops[i].ID = dataverse.Create, id(n)
				case 1:
					ops[i].Do, ops[i].Key = dataverse.Upsert, key(fmt.Sprintf("p%d@x.org", n))
				default:
					ops[i].Do, ops[i].Key = dataverse.Upsert, key(fmt.Sprintf("p+%d@x.org", n))
				}
				if n%25 == 7 {
					ops[i].Set = json.RawMessage(`{"firstname":"` + strings.Repeat("x", 5000) + `"}`)
				}
			}
			finish(t, w, ops)
		}()
	}
	wg.Wait()
	org.Traffic().RemoveFaults()
	count := 0
	for _, err := range c.Rows(t.Context(), "contacts?$select=firstname", 0) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	want := 0
	for n := range workers * rows {
		if n%25 != 7 {
			want++
		}
	}
	if names := readNames(t, c); count != want || len(names) != want {
		t.Errorf("%d rows, %d names, want %d", count, len(names), want)
	}
}

// finish writes until each operation has its outcome, as the attempts of a worker do.
func finish(t *testing.T, w *dataverse.Writer, ops []dataverse.Operation) {
	for attempt := 0; len(ops) > 0; attempt++ {
		out, err := w.Write(t.Context(), ops)
		if err != nil && (!fault.Is(err, fault.Interrupted) || attempt > 20) {
			t.Error(err)
			return
		}
		var left []dataverse.Operation
		for i, o := range out {
			bad := (ops[i].Row-1)%25 == 7
			switch {
			case o.Result == dataverse.NotAttempted && err != nil:
				left = append(left, ops[i])
			case bad != (o.Result == dataverse.Rejected) || o.Result == dataverse.NotAttempted:
				t.Errorf("row %d: %+v", ops[i].Row, o)
			}
		}
		ops = left
	}
}

func readNames(t *testing.T, c *dataverse.Client) (names []string) {
	t.Helper()
	for row, err := range c.Rows(t.Context(), "contacts?$select=firstname", 50) {
		if err != nil {
			t.Fatal(err)
		}
		var in struct{ Firstname string }
		if err := json.Unmarshal(row, &in); err != nil {
			t.Fatal(err)
		}
		names = append(names, in.Firstname)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestEmulatorDenies(t *testing.T) {
	reader := dataversetest.User{ClientID: "22222222-2222-3333-4444-555555555555", Secrets: []string{"s"},
		Roles: []dataversetest.Role{{Name: "Reader", Privileges: []string{"prvReadContact"}}}}
	outsider := dataversetest.User{ClientID: "33333333-2222-3333-4444-555555555555", Secrets: []string{"s"}, Outsider: true}
	server := emulator(t, dataversetest.Options{Users: []dataversetest.User{reader, outsider}})
	tests := []struct{ name, client, secret, code string }{
		{"wrong secret", reader.ClientID, "wrong", "wrong_secret"},
		{"unknown application", "44444444-2222-3333-4444-555555555555", "s", "unknown_application"},
		{"outsider", outsider.ClientID, "s", "not_a_user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, server, tt.client, tt.secret).WhoAmI(t.Context())
			if f, ok := fault.As(err); !ok || f.Kind != fault.Denied || f.Code != tt.code {
				t.Errorf("%v", err)
			}
		})
	}
	c := open(t, server, reader.ClientID, "s")
	missing, err := c.Privileges(t.Context(), "contact", "Create", "Write", "Read")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"prvCreateContact", "prvWriteContact"}, missing); diff != "" {
		t.Error(diff)
	}
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(t.Context(), []dataverse.Operation{{Row: 1, Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"lastname":"L"}`)}})
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Denied || f.Code != "missing_privilege" || !strings.Contains(f.Safe(), "prvCreateContact") {
		t.Errorf("%v", err)
	}
}

// Every verb on a standard table, by bulk actions (v9.2) and without them (v8.2).
func TestEmulatorVerbs(t *testing.T) {
	for _, version := range []string{"v9.2", "v8.2"} {
		t.Run(version, func(t *testing.T) {
			user := dataversetest.DefaultUser
			c := open(t, emulator(t, dataversetest.Options{}), user.ClientID, user.Secrets[0], func(o *dataverse.Options) { o.APIVersion = version })
			table, err := c.Table(t.Context(), "contact")
			if err != nil {
				t.Fatal(err)
			}
			w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			set := json.RawMessage(`{"firstname":"F"}`)
			tooLong := json.RawMessage(`{"firstname":"` + strings.Repeat("x", 5000) + `"}`)
			write := func(want []dataverse.Result, ops ...dataverse.Operation) []dataverse.Outcome {
				t.Helper()
				out, err := w.Write(t.Context(), ops)
				if err != nil {
					t.Fatal(err)
				}
				got := make([]dataverse.Result, len(out))
				for i, o := range out {
					got[i] = o.Result
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff, out)
				}
				return out
			}
			type op = dataverse.Operation
			write([]dataverse.Result{dataverse.Created, dataverse.Created, dataverse.Upserted, dataverse.Created, dataverse.Rejected, dataverse.Created},
				op{Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"lastname":"L","emailaddress1":"a@x.org"}`)},
				op{Do: dataverse.Create, ID: id(2), Set: json.RawMessage(`{"lastname":"L","emailaddress1":"b@x.org"}`)},
				op{Do: dataverse.Upsert, Key: key("o'c@x.org"), New: id(3), Set: set},
				op{Do: dataverse.Upsert, Key: key("d+d@x.org"), New: id(4), Set: set},
				op{Do: dataverse.Create, ID: id(5), Set: tooLong},
				op{Do: dataverse.Create, ID: id(1), Set: set}, // as an earlier attempt did
			)
			out := write([]dataverse.Result{dataverse.Updated, dataverse.Rejected, dataverse.Updated, dataverse.Rejected, dataverse.Updated, dataverse.Rejected},
				op{Do: dataverse.Update, ID: id(1), Set: set}, op{Do: dataverse.Update, ID: id(77), Set: set},
				op{Do: dataverse.Update, Key: key("B@x.org"), Set: set}, op{Do: dataverse.Update, Key: key("nobody@x.org"), Set: set},
				op{Do: dataverse.Update, Key: key("D+d@x.org"), Set: set}, op{Do: dataverse.Update, Key: key("o'c@x.org"), Set: tooLong},
			)
			if out[1].Code != "not_found" || out[3].Code != "not_found" || out[5].Code != "0x80044331" {
				t.Errorf("%+v", out)
			}
			write([]dataverse.Result{dataverse.Deleted, dataverse.Unchanged, dataverse.Deleted, dataverse.Deleted, dataverse.Unchanged, dataverse.Deleted},
				op{Do: dataverse.Delete, ID: id(1)}, op{Do: dataverse.Delete, ID: id(77)}, op{Do: dataverse.Delete, Key: key("b@x.org")},
				op{Do: dataverse.Delete, Key: key("d+d@x.org")}, op{Do: dataverse.Delete, Key: key("nobody@x.org")}, op{Do: dataverse.Delete, Key: key("x+y@x.org"), Again: true},
			)
			if names := readNames(t, c); len(names) != 1 {
				t.Errorf("left %v", names)
			}
		})
	}
}

// A record that others hold on to cannot be deleted: 405, and a reject.
func TestEmulatorRestrictsDeletes(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "cr1_parcel")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(t.Context(), []dataverse.Operation{{Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"cr1_name":"A"}`)}}); err != nil {
		t.Fatal(err)
	}
	bind := json.RawMessage(fmt.Sprintf(`{"cr1_name":"B","%s@odata.bind":"/cr1_parcels(%s)"}`, table.Column("cr1_parent").Targets[0].Navigation, id(1)))
	if _, err := w.Write(t.Context(), []dataverse.Operation{{Do: dataverse.Create, ID: id(2), Set: bind}}); err != nil {
		t.Fatal(err)
	}
	out, err := w.Write(t.Context(), []dataverse.Operation{{Do: dataverse.Delete, ID: id(1)}, {Do: dataverse.Delete, ID: id(2)}, {Do: dataverse.Delete, ID: id(3)}})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Result != dataverse.Rejected || out[0].Code != "0x80040227" || out[1].Result != dataverse.Deleted || out[2].Result != dataverse.Unchanged {
		t.Errorf("%+v", out)
	}
}

func TestEmulatorLinks(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "cr1_parcel")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := c.Table(t.Context(), "cr1_tag")
	if err != nil {
		t.Fatal(err)
	}
	many, err := c.Collections(t.Context(), "cr1_parcel")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]dataverse.Collection{{Navigation: "cr1_parcel_tags", Table: "cr1_tag", Set: tags.Set}}, many); diff != "" {
		t.Error(diff)
	}
	write := func(table *dataverse.Table, ops ...dataverse.Operation) []dataverse.Result {
		t.Helper()
		w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Write(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		var got []dataverse.Result
		for _, o := range out {
			got = append(got, o.Result)
		}
		return got
	}
	write(tags, dataverse.Operation{Do: dataverse.Create, ID: id(11), Set: json.RawMessage(`{"cr1_name":"wet"}`)},
		dataverse.Operation{Do: dataverse.Create, ID: id(12), Set: json.RawMessage(`{"cr1_name":"dry"}`)})
	write(table, dataverse.Operation{Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"cr1_name":"A","cr1_no":7}`)})
	dry, ok := tags.Reference([]dataverse.KeyPart{{Column: "cr1_name", Value: json.RawMessage(`"dry"`)}})
	if !ok {
		t.Fatal("no reference")
	}
	link := func(do dataverse.Verb, to string) dataverse.Operation {
		return dataverse.Operation{Do: do, ID: id(1), Link: &dataverse.Link{Navigation: many[0].Navigation, To: to}}
	}
	wet, none := tags.Set+"("+id(11)+")", tags.Set+"("+id(99)+")"
	byKey := link(dataverse.Associate, wet)
	byKey.ID, byKey.Key = "", []dataverse.KeyPart{{Column: "cr1_no", Value: json.RawMessage(`7`)}}
	got := write(table, link(dataverse.Associate, wet), link(dataverse.Associate, dry), byKey, link(dataverse.Associate, none))
	if diff := cmp.Diff([]dataverse.Result{dataverse.Updated, dataverse.Updated, dataverse.Unchanged, dataverse.Rejected}, got); diff != "" {
		t.Error(diff)
	}
	count := func() (n int) {
		for _, err := range c.Rows(t.Context(), table.Set+"("+id(1)+")/"+many[0].Navigation+"?$select=cr1_name", 0) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if n := count(); n != 2 {
		t.Errorf("%d tags", n)
	}
	got = write(table, link(dataverse.Disassociate, wet), link(dataverse.Disassociate, dry), link(dataverse.Disassociate, none))
	if diff := cmp.Diff([]dataverse.Result{dataverse.Updated, dataverse.Updated, dataverse.Unchanged}, got); diff != "" {
		t.Error(diff)
	}
	if n := count(); n != 0 {
		t.Errorf("%d tags left", n)
	}
}

func TestEmulatorElastic(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "cr1_reading")
	if err != nil {
		t.Fatal(err)
	}
	write := func(opts dataverse.WriteOptions, want []dataverse.Result, ops ...dataverse.Operation) []dataverse.Outcome {
		t.Helper()
		w, err := c.NewWriter(t.Context(), table, opts)
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Write(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		var got []dataverse.Result
		for _, o := range out {
			got = append(got, o.Result)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff, out)
		}
		return out
	}
	type op = dataverse.Operation
	set := func(text string) json.RawMessage { return json.RawMessage(text) }
	full := set(`{"cr1_sensor":"A","cr1_value":1.5}`)
	write(dataverse.WriteOptions{}, []dataverse.Result{dataverse.Created, dataverse.Created, dataverse.Created, dataverse.Rejected},
		op{Do: dataverse.Create, ID: id(1), Partition: "p'1", Set: full}, op{Do: dataverse.Create, ID: id(1), Partition: "p2", Set: full},
		op{Do: dataverse.Create, ID: id(3), Set: full}, op{Do: dataverse.Create, ID: id(4), Set: set(`{"cr1_sensor":"A","cr1_value":5000}`)})
	out := write(dataverse.WriteOptions{}, []dataverse.Result{dataverse.Updated, dataverse.Updated, dataverse.Created, dataverse.Updated, dataverse.Rejected},
		op{Do: dataverse.Upsert, ID: id(1), Partition: "p'1", Set: set(`{"cr1_value":2}`)}, op{Do: dataverse.Upsert, ID: id(3), Set: set(`{"cr1_value":2}`)},
		op{Do: dataverse.Upsert, ID: id(3), Partition: "p3", Set: full}, op{Do: dataverse.Update, ID: id(1), Partition: "p2", Set: set(`{"cr1_value":3}`)},
		op{Do: dataverse.Update, ID: id(1), Partition: "p9", Set: set(`{"cr1_value":3}`)})
	if out[4].Code != "not_found" {
		t.Errorf("%+v", out[4])
	}
	read := func() map[string]string {
		t.Helper()
		rows := map[string]string{}
		for row, err := range c.Rows(t.Context(), table.Set+"?$select=partitionid,cr1_sensor,cr1_value", 0) {
			if err != nil {
				t.Fatal(err)
			}
			var in struct {
				Partition string       `json:"partitionid"`
				Sensor    *string      `json:"cr1_sensor"`
				Value     *json.Number `json:"cr1_value"`
			}
			if err := json.Unmarshal(row, &in); err != nil {
				t.Fatal(err)
			}
			text := "-"
			if in.Sensor != nil {
				text = *in.Sensor
			}
			if in.Value != nil {
				text += in.Value.String()
			}
			rows[in.Partition] = text
		}
		return rows
	}
	// An update keeps what it does not name.
	for partition, value := range map[string]string{"p'1": "A2", id(3): "A2", "p3": "A1.5", "p2": "A3"} {
		if got := read()[partition]; !strings.HasPrefix(got, value) {
			t.Errorf("%s: %s, want %s", partition, got, value)
		}
	}
	write(dataverse.WriteOptions{Replace: true}, []dataverse.Result{dataverse.Upserted}, op{Do: dataverse.Upsert, ID: id(1), Partition: "p2", Set: set(`{"cr1_sensor":"B"}`)})
	if got := read()["p2"]; got != "B" {
		t.Errorf("replaced: %s", got)
	}
	write(dataverse.WriteOptions{}, []dataverse.Result{dataverse.Deleted, dataverse.Unchanged, dataverse.Deleted, dataverse.Deleted},
		op{Do: dataverse.Delete, ID: id(1), Partition: "p'1"}, op{Do: dataverse.Delete, ID: id(77), Partition: "p2"},
		op{Do: dataverse.Delete, ID: id(3)}, op{Do: dataverse.Delete, ID: id(99), Again: true})
	if rows := read(); len(rows) != 2 {
		t.Errorf("left %v", rows)
	}
}

func TestEmulatorSurveyAndBulkDelete(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{Warm: true})
	if err != nil {
		t.Fatal(err)
	}
	ops := make([]dataverse.Operation, 30)
	for n := range ops {
		ops[n] = dataverse.Operation{Do: dataverse.Create, ID: id(n), Set: json.RawMessage(fmt.Sprintf(`{"firstname":"F%d","lastname":"L","gendercode":%d}`, n/2, 1+n%2))}
	}
	if _, err := w.Write(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	women := dataverse.Filter{{Column: "gendercode", Value: json.RawMessage("2")}, {Column: "parentcustomerid", Value: json.RawMessage("null")}}
	count := func(filter dataverse.Filter) (n int) {
		t.Helper()
		for _, err := range c.Keys(t.Context(), table, []string{"firstname"}, filter) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if all, some := count(nil), count(women); all != 30 || some != 15 {
		t.Errorf("%d and %d records", all, some)
	}
	index, err := c.Match(t.Context(), table, []string{"firstname"}, nil, func(s string) []byte { return []byte(strings.ToLower(s)) }, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := index.Find([]json.RawMessage{json.RawMessage(`"f3"`)}); !cmp.Equal(got, []string{id(6), id(7)}) {
		t.Errorf("found %v", got)
	}
	job, err := c.BulkDelete(t.Context(), table, women, "")
	if err != nil {
		t.Fatal(err)
	}
	var status dataverse.JobStatus
	for deadline := time.Now().Add(10 * time.Second); status.State != dataverse.JobSucceeded; {
		if status, err = c.Job(t.Context(), job); err != nil || time.Now().After(deadline) {
			t.Fatal(status, err)
		}
	}
	if status.Deleted != 15 || status.Failed != 0 {
		t.Errorf("%+v", status)
	}
	if _, found, err := c.First(t.Context(), table, women); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	if first, found, err := c.First(t.Context(), table, nil); !found || err != nil || first == "" || count(nil) != 15 {
		t.Errorf("%v %v, %d left", found, err, count(nil))
	}
}
