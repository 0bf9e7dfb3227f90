package run

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataversetest"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/row"
)

// Invocations outlive a deploy: this step was written by the first version.
const storedStep = `{"v":1,"n":2,"started":"2026-03-01T02:00:05Z",` +
	`"plan":{"v":1,"state":"","start":{"v":1,"run":"r","destination":"d","arrived":"2026-03-01T02:00:05Z","delivery":{"id":"sha256:x"}},"by":"a1",` +
	`"prepared_at":"0001-01-01T00:00:00Z","seconds":0,"max_percent":0,"rows":{"read":7,"rejected":1}},` +
	`"destination":{"Name":"d","Table":"contact","Mode":"upsert"},"open":true,"cursor":{"object":0,"row":7,"in_object":7,"offset":99},"bits":3,"sealed":1,"streamed":1,` +
	`"pieces":[{"prefix":"runs/d/r/spool/a1/0001-b2/","partitions":[{"n":4,"items":6,"bytes":600}],"keys":[{"n":0,"items":7,"bytes":63}],"rejects":true}],` +
	`"first_reject":{"row":3,"line":4,"code":"key_missing","message":""}}`

func TestStoredStep(t *testing.T) {
	var got step
	if err := json.Unmarshal([]byte(storedStep), &got); err != nil {
		t.Fatal(err)
	}
	if got.N != 2 || got.Plan.By != "a1" || got.Plan.Rows != (Rows{Read: 7, Rejected: 1}) || got.Destination.Mode != config.Upsert || !got.Open ||
		got.Bits != 3 || got.Sealed != 1 || got.Streamed != 1 || got.FirstReject.Code != "key_missing" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(&delivery.Cursor{Row: 7, InObject: 7, Offset: 99}, got.Cursor); diff != "" {
		t.Errorf("cursor (-want +got):\n%s", diff)
	}
	want := []piece{{Prefix: "runs/d/r/spool/a1/0001-b2/", Partitions: []stored{{4, 6, 600}}, Keys: []stored{{0, 7, 63}}, Rejects: true}}
	if diff := cmp.Diff(want, got.Pieces); diff != "" {
		t.Errorf("pieces (-want +got):\n%s", diff)
	}
	if key := find(got.Pieces[0].Partitions, 4).key(got.Pieces[0].Prefix, "partition"); key != "runs/d/r/spool/a1/0001-b2/partition-004" {
		t.Errorf("key %s", key)
	}
}

// A step keeps the destination as it was: what is read from it is what was written.
func TestStepsKeepTheDestination(t *testing.T) {
	cfg, err := config.Parse([]byte(`
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  d:
    connection: sales
    table: contact
    mode: mirror
    match_on: [lastname, firstname]
    filter: {jobtitle: Clerk, department: null}
    duplicates: reject
    options: {tag: nightly, bypass_logic: all}
    decimal: ","
    dates: [DD.MM.YYYY]
    columns:
      Last: lastname
      First: {to: firstname, default: Jo, nulls: clear}
      Notes: {skip: true}
      Source: {to: description, value: shop}
      Account: {to: parentcustomerid, table: account, by: accountnumber, missing: empty}
`), "penstock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(step{Destination: cfg.Destinations["d"]})
	if err != nil {
		t.Fatal(err)
	}
	var got step
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cfg.Destinations["d"], got.Destination); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

// Whoever attaches records to others needs Append here and AppendTo there.
func TestPrivilegesAreAskedForFirst(t *testing.T) {
	const base = "prvReadContact prvCreateContact prvWriteContact prvReadAccount "
	const account = "table: contact\nmode: append\ncolumns: {n: lastname, a: {to: parentcustomerid, table: account}}"
	const job = "table: contact\nmode: truncate\nallow_whole_table: true\nclear: bulkdelete"
	for _, c := range []struct{ privileges, destination, body, missing string }{
		{base + "prvDeleteContact", job, "lastname\nLi\n", "prvBulkDelete"},
		{base + "prvDeleteContact", strings.Replace(job, "bulkdelete", "rows", 1), "lastname\nLi\n", ""},
		{base + "prvDeleteContact prvBulkDelete", job, "lastname\nLi\n", ""},
		{base, "table: contact\nmode: append", "lastname\nLi\n", ""},
		{base, account, "n,a\nLi,\n", "prvAppendContact"},
		{base + "prvAppendContact", account, "n,a\nLi,\n", "prvAppendToAccount"},
		{base + "prvAppendContact prvAppendToAccount", account, "n,a\nLi,\n", ""},
		{base, "table: contact\nmode: append", "lastname,preferredsystemuserid\nLi,\n", "prvAppendContact"},
		{strings.Replace(base, "prvWriteContact ", "", 1), "table: contact\nmode: append", "lastname,statecode\nLi,1\n", "prvWriteContact"},
	} {
		server, err := dataversetest.New(dataversetest.Options{Users: []dataversetest.User{{ClientID: dataversetest.DefaultUser.ClientID,
			Secrets: dataversetest.DefaultUser.Secrets, Roles: []dataversetest.Role{{Name: "Loader", Privileges: strings.Fields(c.privileges)}}}}})
		if err != nil {
			t.Fatal(err)
		}
		host := httptest.NewTLSServer(server)
		d := newDesk(t, c.destination)
		d.client = dial(t, host)
		got := d.prepare("people.csv", []byte(c.body))
		if code := codeOf(got.Reason); (code == "") != (c.missing == "") || c.missing != "" && !strings.Contains(got.Reason.Message, c.missing) {
			t.Errorf("%q with %s: %+v", c.body, c.privileges, got.Reason)
		}
		host.Close()
		server.Close()
	}
}

func TestRejectsOfAllInvocationsAreInOneObject(t *testing.T) {
	d := newDesk(t, "")
	d.deliver("x.csv", nil)
	p := &preparation{Steps: d.Steps, dir: t.TempDir(), plan: &Plan{By: "a1", Start: d.start}, piece: "0002-x"}
	defer p.close()
	earlier := &rejectSpool{}
	defer earlier.close()
	for n := range int64(3) {
		if err := earlier.add(p.dir, row.Reject{Row: n + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := earlier.put(t.Context(), d.Work, "piece/rejects"); err != nil {
		t.Fatal(err)
	}
	p.after.Pieces = []piece{{Prefix: "piece/", Rejects: true}, {Prefix: "other/"}}
	p.plan.Rows.Rejected = 3
	if err := p.reject(row.Reject{Row: 4}); err != nil {
		t.Fatal(err)
	}
	if err := p.storeRejects(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(string(d.object(p.plan.Rejects + "000000"))))
	if len(lines) != 4 || !strings.Contains(lines[3], `"row":4`) || p.plan.Rejects != p.plan.folder()+"rejects/prepare-a1-0002-x/" {
		t.Errorf("%s: %q", p.plan.Rejects, lines)
	}
}

// A piece that is not as it was written, or a chunk that cannot be stored, ends prepare with its reason.
func TestDamagedPieces(t *testing.T) {
	d := newDesk(t, "")
	p := &preparation{Steps: d.Steps, plan: &Plan{By: "a1"}}
	b := newBins(t.TempDir(), 1, 1<<20)
	for range 3 {
		if err := b.put(0, []byte("item"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for items, want := range map[int]bool{2: false, 3: true, 4: false} {
		one := stored{N: 0, Items: items}
		if err := d.Work.Put(t.Context(), one.key("p/", "keys"), b.body(0)); err != nil {
			t.Fatal(err)
		}
		err := p.eachStored(t.Context(), one, "p/", "keys", func([]byte) error { return nil })
		if (err == nil) != want || err != nil && !fault.Is(err, fault.Broken) {
			t.Errorf("3 items instead of %d: %v", items, err)
		}
	}
}

func TestChunkThatCannotBeStored(t *testing.T) {
	d := newDesk(t, "table: lead\nmode: append")
	d.Work = &dying{Store: d.Work, left: 1}
	_, err := d.Prepare(t.Context(), PrepareIn{Start: d.deliver("x.jsonl", []byte(strings.Repeat(`{"subject":"s"}`+"\n", 3*chunkOperations)))})
	if !errors.Is(err, errDead) {
		t.Errorf("%v", err)
	}
}
