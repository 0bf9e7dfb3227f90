package run

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/store"
)

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
