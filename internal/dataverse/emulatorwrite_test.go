package dataverse_test

import (
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
