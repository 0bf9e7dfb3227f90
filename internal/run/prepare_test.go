package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/mapping"
)

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
		for _, line := range d.live(ref, got.Chunks[ref.N], d.lines(ref)) {
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
