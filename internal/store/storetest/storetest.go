// Package storetest is the contract of store.Store as a test suite, run over every implementation.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// Run checks the contract. open gives an empty store; it is called once a case.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	cases := []struct {
		name  string
		check func(t *testing.T, s store.Store)
	}{
		{"an object comes back as it was written", roundTrip},
		{"put starts at the body's position", putFromPosition},
		{"put replaces", putReplaces},
		{"an absent object", absent},
		{"bad keys are refused everywhere", badKeys},
		{"create once", once(store.Store.Create)},
		{"note once", once(store.Store.Note)},
		{"create and note are one name space", createMeetsNote},
		{"one of many creators wins", manyCreators(store.Store.Create)},
		{"one of many who note wins", manyCreators(store.Store.Note)},
		{"creators of the same bytes all succeed", sameBytes(store.Store.Create)},
		{"who note the same bytes all succeed", sameBytes(store.Store.Note)},
		{"a reader sees an object whole", wholeObjects},
		{"lists in byte order", byteOrder},
		{"lists what starts with a prefix", prefixes},
		{"lists across pages", pages},
		{"a list can be left early", leaveEarly},
		{"a key that is a prefix of another", prefixKeys},
		{"a name is free after delete", freeAfterDelete},
		{"an ended context writes nothing", endedContext},
		{"helpers", helpers},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

func roundTrip(t *testing.T, s store.Store) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for key, want := range map[string][]byte{
		"empty":                 {},
		"runs/a/chunks/load-00": []byte("one\n"),
		"a=b/c_d/e.f-G":         {0, 0xff, '\r', '\n'},
		"big":                   big,
	} {
		put(t, s, key, want)
		if got := read(t, s, key); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came back, not the %d written", key, len(got), len(want))
		}
	}
}

func putFromPosition(t *testing.T, s store.Store) {
	body := strings.NewReader("header|rest")
	if _, err := body.Seek(7, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	must(t, s.Put(t.Context(), "k", body))
	if got := string(read(t, s, "k")); got != "rest" {
		t.Errorf("got %q, want %q", got, "rest")
	}
}

func putReplaces(t *testing.T, s store.Store) {
	put(t, s, "a/b", []byte("a longer first text"))
	put(t, s, "a/b", []byte("second"))
	if got := string(read(t, s, "a/b")); got != "second" {
		t.Errorf("got %q", got)
	}
}

func absent(t *testing.T, s store.Store) {
	put(t, s, "a/b", []byte("x"))
	for _, key := range []string{"b", "a", "a/b/c", "a/bb", "A/B/c"} {
		if _, err := s.Open(t.Context(), key); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("open %s: %v, want ErrNotExist", key, err)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s: %v, want none", key, err)
		}
	}
	if got := string(read(t, s, "a/b")); got != "x" {
		t.Errorf("a/b holds %q after the deletes beside it", got)
	}
}

func badKeys(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, key := range []string{
		"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "../a", "./a", "a b", "a+b", "ä", "a\\b", "a\x00b", "~tmp/x",
		strings.Repeat("x", 256), strings.Repeat("x/", 460) + "x",
	} {
		_, openErr := s.Open(ctx, key)
		for call, err := range map[string]error{
			"open":   openErr,
			"put":    s.Put(ctx, key, strings.NewReader("x")),
			"create": s.Create(ctx, key, []byte("x")),
			"note":   s.Note(ctx, key, []byte("x")),
			"delete": s.Delete(ctx, key),
		} {
			if f, ok := fault.As(err); !ok || f.Code != "bad_key" {
				t.Errorf("%s %q: %v, want bad_key", call, key, err)
			}
		}
	}
	for _, prefix := range []string{"../", "a//b", "a b", "/a"} {
		if _, err := list(ctx, s, prefix); !fault.Is(err, fault.Broken) {
			t.Errorf("list %q: %v, want bad_key", prefix, err)
		}
	}
	if keys := mustList(t, s, ""); len(keys) > 0 {
		t.Errorf("bad keys were written: %q", keys)
	}
}

// creating is Create or Note: what is written is there once, whole, for everybody.
type creating func(s store.Store, ctx context.Context, key string, body []byte) error

func once(create creating) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		const key = "turns/t/epoch-00000001"
		ctx := t.Context()
		must(t, create(s, ctx, key, []byte("run A")))
		if err := create(s, ctx, key, []byte("run A")); err != nil {
			t.Errorf("the same bytes again: %v, want none", err)
		}
		for _, other := range []string{"run B", "run", "run A and more", ""} {
			err := create(s, ctx, key, []byte(other))
			if !errors.Is(err, store.ErrExists) {
				t.Errorf("create with %q: %v, want ErrExists", other, err)
			}
		}
		if got := string(read(t, s, key)); got != "run A" {
			t.Errorf("the object became %q", got)
		}
		must(t, s.Delete(ctx, key))
		must(t, create(s, ctx, key, []byte("run B")))
	}
}

func createMeetsNote(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.Create(ctx, "journal/created", []byte("A")))
	must(t, s.Note(ctx, "journal/noted", []byte("A")))
	if err := s.Note(ctx, "journal/created", []byte("B")); !errors.Is(err, store.ErrExists) {
		t.Errorf("note over a created object: %v, want ErrExists", err)
	}
	if err := s.Create(ctx, "journal/noted", []byte("B")); !errors.Is(err, store.ErrExists) {
		t.Errorf("create over a noted object: %v, want ErrExists", err)
	}
	if diff := cmp.Diff([]string{"journal/created", "journal/noted"}, mustList(t, s, "journal/")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const (
	creators    = 50
	contestKeys = 6
)

func manyCreators(create creating) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		for k := range contestKeys {
			key := fmt.Sprintf("turns/t%d/epoch-00000001", k)
			body := func(i int) []byte { return fmt.Appendf(nil, "creator %d of %s", i, key) }
			winners := contest(t, creators, func(i int) error { return create(s, t.Context(), key, body(i)) })
			if len(winners) != 1 {
				t.Fatalf("%s: creators %v won, want exactly one", key, winners)
			}
			if got := read(t, s, key); !bytes.Equal(got, body(winners[0])) {
				t.Errorf("%s holds %q, but creator %d won", key, got, winners[0])
			}
		}
	}
}

func sameBytes(create creating) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		winners := contest(t, 20, func(int) error { return create(s, t.Context(), "once", []byte("same")) })
		if len(winners) != 20 {
			t.Errorf("%d of 20 succeeded, want all", len(winners))
		}
	}
}

// contest lets n goroutines try at once and returns those that met no ErrExists.
func contest(t *testing.T, n int, try func(i int) error) []int {
	t.Helper()
	var mu sync.Mutex
	var winners []int
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			err := try(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, i)
			} else if !errors.Is(err, store.ErrExists) {
				t.Errorf("creator %d: %v", i, err)
			}
		})
	}
	close(start)
	wait.Wait()
	return winners
}

func wholeObjects(t *testing.T, s store.Store) {
	const size = 200_000
	put(t, s, "k", bytes.Repeat([]byte{'0'}, size))
	var done atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		defer done.Store(true)
		for i := range 20 {
			if err := s.Put(t.Context(), "k", bytes.NewReader(bytes.Repeat([]byte{byte('a' + i)}, size))); err != nil {
				t.Errorf("put: %v", err)
			}
		}
	})
	for reads := 0; reads == 0 || !done.Load(); reads++ {
		got, err := store.ReadAll(t.Context(), s, "k", size)
		if err != nil {
			t.Errorf("read: %v", err)
			break
		}
		if len(got) != size || !bytes.Equal(got, bytes.Repeat(got[:1], size)) {
			t.Errorf("a reader saw %d bytes of more than one version", len(got))
			break
		}
	}
	wait.Wait()
}

// awkward keys: each pair of neighbours sorts otherwise in a directory walk, by
// locale, by length or without regard to case.
var awkward = []string{
	"-x", "0", "1", "10", "2", "A", "B/a", "Z", "_", "a-/z", "a-b", "a.b", "a.b.c", "a.c/d", "a/-", "a/.b", "a/b",
	"a/b-c", "a/b.c/d", "a0", "a=b/c", "aB", "a_", "ab/c", "ab/d/e/f", "ab0", "b",
}

func byteOrder(t *testing.T, s store.Store) {
	if !slices.IsSorted(awkward) {
		t.Fatal("the wanted order is not byte order")
	}
	for i := range awkward { // written in another order than wanted
		put(t, s, awkward[(i*7)%len(awkward)], []byte("12345"))
	}
	if diff := cmp.Diff(awkward, mustList(t, s, "")); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for info, err := range s.List(t.Context(), "a/b-c") {
		if err != nil || info.Size != 5 || info.Modified.IsZero() {
			t.Errorf("info %+v, error %v", info, err)
		}
	}
}

func prefixes(t *testing.T, s store.Store) {
	for _, key := range awkward {
		put(t, s, key, []byte("x"))
	}
	for _, prefix := range []string{"", "a", "a.", "a/", "a/b", "a/b.c/", "ab", "ab/", "ab/d/e", "b", "B", "none", "a/none/", "b/", "."} {
		var want []string
		for _, key := range awkward {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if diff := cmp.Diff(want, mustList(t, s, prefix)); diff != "" {
			t.Errorf("prefix %q (-want +got):\n%s", prefix, diff)
		}
	}
}

func pages(t *testing.T, s store.Store) {
	const n = 1100 // S3 answers at most 1,000 keys at once
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("results/%d", i))
	}
	next := make(chan string)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for key := range next {
				if err := s.Put(t.Context(), key, strings.NewReader(key)); err != nil {
					t.Errorf("put %s: %v", key, err)
				}
			}
		})
	}
	for _, key := range want {
		next <- key
	}
	close(next)
	wait.Wait()
	slices.Sort(want)
	if diff := cmp.Diff(want, mustList(t, s, "results/")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func leaveEarly(t *testing.T, s store.Store) {
	for _, key := range []string{"a/1", "a/2", "b/1", "c"} {
		put(t, s, key, nil)
	}
	var got []string
	for info, err := range s.List(t.Context(), "") {
		must(t, err)
		got = append(got, info.Key)
		if info.Key == "a/2" {
			break
		}
	}
	if diff := cmp.Diff([]string{"a/1", "a/2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// prefixKeys: a store may refuse such a key (a directory must) or keep both (S3
// cannot know); what it may not do is harm the object that is there.
func prefixKeys(t *testing.T, s store.Store) {
	for _, pair := range [][2]string{{"up/a", "up/a/b"}, {"down/a/b", "down/a"}} {
		put(t, s, pair[0], []byte("first"))
		want := []string{pair[0]}
		for _, err := range []error{
			s.Put(t.Context(), pair[1], strings.NewReader("second")),
			s.Create(t.Context(), pair[1], []byte("second")),
			s.Note(t.Context(), pair[1], []byte("second")),
		} {
			if err != nil && !fault.Is(err, fault.Broken) {
				t.Errorf("%s beside %s: %v", pair[1], pair[0], err)
			}
			if err == nil {
				want = []string{pair[0], pair[1]}
			}
		}
		if got := string(read(t, s, pair[0])); got != "first" {
			t.Errorf("%s became %q", pair[0], got)
		}
		slices.Sort(want)
		folder, _, _ := strings.Cut(pair[0], "/")
		if diff := cmp.Diff(want, mustList(t, s, folder+"/")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func freeAfterDelete(t *testing.T, s store.Store) {
	put(t, s, "a/b/c", []byte("x"))
	put(t, s, "a/d", []byte("x"))
	must(t, s.Delete(t.Context(), "a/b/c"))
	put(t, s, "a/b", []byte("now an object"))
	must(t, s.Delete(t.Context(), "a/b"))
	must(t, s.Delete(t.Context(), "a/d"))
	must(t, s.Create(t.Context(), "a", []byte("now an object")))
	if diff := cmp.Diff([]string{"a"}, mustList(t, s, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func endedContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for call, err := range map[string]error{
		"put":    s.Put(ctx, "a", strings.NewReader("x")),
		"create": s.Create(ctx, "b", []byte("x")),
		"note":   s.Note(ctx, "c", []byte("x")),
	} {
		if !fault.Is(err, fault.Interrupted) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want Interrupted because of context.Canceled", call, err)
		}
	}
	if keys := mustList(t, s, ""); len(keys) > 0 {
		t.Errorf("written all the same: %q", keys)
	}
}

func helpers(t *testing.T, s store.Store) {
	ctx := t.Context()
	type plan struct {
		Chunks int      `json:"chunks"`
		Keys   []string `json:"keys"`
	}
	want := plan{7, []string{"a", "b"}}
	must(t, store.PutJSON(ctx, s, "plan.json", want))
	must(t, store.CreateJSON(ctx, s, "once.json", want))
	must(t, store.CreateJSON(ctx, s, "once.json", want))
	if err := store.CreateJSON(ctx, s, "once.json", plan{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("create another value: %v, want ErrExists", err)
	}
	var got plan
	must(t, store.ReadJSON(ctx, s, "once.json", &got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := store.ReadJSON(ctx, s, "none.json", &got); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("read an absent one: %v, want ErrNotExist", err)
	}
	put(t, s, "bad.json", []byte(`{"chunks":`))
	if err := store.ReadJSON(ctx, s, "bad.json", &got); !fault.Is(err, fault.Broken) {
		t.Errorf("read half a JSON: %v, want Broken", err)
	}
	put(t, s, "ten", []byte("0123456789"))
	if data, err := store.ReadAll(ctx, s, "ten", 10); err != nil || len(data) != 10 {
		t.Errorf("ten bytes of at most ten: %q, %v", data, err)
	}
	if _, err := store.ReadAll(ctx, s, "ten", 9); !fault.Is(err, fault.Broken) {
		t.Errorf("ten bytes of at most nine: %v, want Broken", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s store.Store, key string, body []byte) {
	t.Helper()
	must(t, s.Put(t.Context(), key, bytes.NewReader(body)))
}

func read(t *testing.T, s store.Store, key string) []byte {
	t.Helper()
	data, err := store.ReadAll(t.Context(), s, key, 1<<30)
	must(t, err)
	return data
}

func list(ctx context.Context, s store.Store, prefix string) ([]string, error) {
	var keys []string
	for info, err := range s.List(ctx, prefix) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, info.Key)
	}
	return keys, nil
}

func mustList(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	keys, err := list(t.Context(), s, prefix)
	must(t, err)
	return keys
}
