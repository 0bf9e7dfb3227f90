package dataverse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataverse"
)

// matched are operations on people found by two columns that are no key.
func matched(do dataverse.Verb, numbers ...int) []dataverse.Operation {
	ops := make([]dataverse.Operation, len(numbers))
	for i, n := range numbers {
		first, last := json.RawMessage(fmt.Sprintf(`"First %d"`, n)), json.RawMessage(fmt.Sprintf(`"O'Neil+%d"`, n))
		ops[i] = dataverse.Operation{Row: int64(n), Do: do, New: id(1000 + n),
			Key: []dataverse.KeyPart{{Column: "firstname", Value: first}, {Column: "lastname", Value: last}},
			Set: json.RawMessage(fmt.Sprintf(`{"firstname":%s,"lastname":%s,"description":"again"}`, first, last))}
	}
	return ops
}

func TestRowsAreMatchedByColumnsThatAreNoKey(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	write := func(o dataverse.WriteOptions, ops []dataverse.Operation) []dataverse.Outcome {
		t.Helper()
		o.Warm = true
		w, err := c.NewWriter(t.Context(), table, o)
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Write(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := func(got []dataverse.Outcome, want ...dataverse.Result) {
		t.Helper()
		results := make([]dataverse.Result, len(got))
		for i, o := range got {
			results[i] = o.Result
		}
		if diff := cmp.Diff(want, results); diff != "" {
			t.Errorf("%v (-want +got):\n%s", got, diff)
		}
	}
	people := func() (ids []string) {
		for row, err := range c.Keys(t.Context(), table, []string{"lastname"}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, row.ID)
		}
		slices.Sort(ids)
		return ids
	}
	var there []dataverse.Operation
	for i, n := range []int{1, 2, 2} { // number 2 is there twice
		op := matched(dataverse.Create, n)[0]
		op.ID, op.New, op.Key = id(i+1), "", nil
		there = append(there, op)
	}
	write(dataverse.WriteOptions{}, there)

	match := dataverse.WriteOptions{Match: true}
	out := write(match, matched(dataverse.Upsert, 1, 2, 3))
	want(out, dataverse.Updated, dataverse.Rejected, dataverse.Created)
	if out[1].Code != "ambiguous_key" {
		t.Errorf("several: %+v", out[1])
	}
	out = write(match, matched(dataverse.Update, 1, 2, 9))
	want(out, dataverse.Updated, dataverse.Rejected, dataverse.Rejected)
	if out[2].Code != "not_found" {
		t.Errorf("absent: %+v", out[2])
	}
	if got := people(); !slices.Equal(got, []string{id(1), id(2), id(3), id(1003)}) {
		t.Fatalf("records %v", got)
	}

	// An earlier attempt created number 3 and did not live to tell: nothing doubles, and it counts as created.
	again := matched(dataverse.Upsert, 3, 4)
	for i := range again {
		again[i].Again = true
	}
	want(write(match, again), dataverse.Created, dataverse.Created)
	// A look-up that was read before all that is not asked for what was sent before …
	stale := match
	asked := 0
	stale.Lookup = func(keys [][]dataverse.KeyPart) ([][]string, []bool) {
		asked += len(keys)
		return make([][]string, len(keys)), slices.Repeat([]bool{true}, len(keys)) // knows that all are absent
	}
	want(write(stale, again), dataverse.Created, dataverse.Created)
	// … and where it is wrong about a record of our own, the record is not doubled either.
	want(write(stale, matched(dataverse.Upsert, 4, 5)), dataverse.Created, dataverse.Created)
	if got := people(); !slices.Equal(got, []string{id(1), id(2), id(3), id(1003), id(1004), id(1005)}) || asked != 4 {
		t.Fatalf("records %v, %d asked for", got, asked)
	}
	// What it takes for absent is not taken for deleted by an earlier attempt.
	late := matched(dataverse.Delete, 5)
	late[0].Again = true
	want(write(stale, late), dataverse.Deleted)
	if got := people(); slices.Contains(got, id(1005)) {
		t.Fatalf("records %v", got)
	}
	// What the look-up does not know is asked of the service.
	some := match
	some.Lookup = func(keys [][]dataverse.KeyPart) ([][]string, []bool) {
		return [][]string{{id(1)}, nil}, []bool{true, false}
	}
	want(write(some, matched(dataverse.Delete, 1, 7)), dataverse.Deleted, dataverse.Unchanged)
	if got := people(); slices.Contains(got, id(1)) || len(got) != 4 {
		t.Errorf("records %v", got)
	}
}

// The first call of a kind is a single row (rule W2): once for all Writers that say so.
func TestFirstCallsAreShared(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	first := dataverse.NewFirstCalls()
	var sizes []int
	for round := range 2 {
		w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{First: first, Observer: dataverse.Observer{Call: observeRows(&sizes)}})
		if err != nil {
			t.Fatal(err)
		}
		ops := make([]dataverse.Operation, 5)
		for n := range ops {
			ops[n] = dataverse.Operation{Do: dataverse.Create, ID: id(10*round + n), Set: json.RawMessage(`{"lastname":"L"}`)}
		}
		if _, err := w.Write(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int{1, 4, 5}, sizes); diff != "" {
		t.Error(diff)
	}
}

// One Write is the first; the others wait until it has ended, and one takes its place where there was none.
func TestFirstWriteIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := dataverse.NewFirstCalls()
		var before, firsts atomic.Int64
		one, ended := first.Await(t.Context())
		if !one {
			t.Fatal("nobody was first")
		}
		var others sync.WaitGroup
		writing, written := make(chan struct{}), make(chan struct{})
		for range 5 {
			others.Go(func() {
				one, ended := first.Await(t.Context())
				if one {
					firsts.Add(1)
					close(writing)
					<-written
				}
				before.Add(1)
				ended(true)
			})
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		if one, _ := first.Await(stopped); one {
			t.Error("first although it was stopped")
		}
		synctest.Wait()
		if before.Load() != 0 {
			t.Error("not everybody waited")
		}
		ended(false) // it had nothing to write
		<-writing
		synctest.Wait()
		if before.Load() != 0 {
			t.Error("not everybody waited for who took the first one's place")
		}
		close(written)
		others.Wait()
		if firsts.Load() != 1 || before.Load() != 5 {
			t.Errorf("%d were first, %d in all", firsts.Load(), before.Load())
		}
		if one, _ := first.Await(t.Context()); one {
			t.Error("first although others have written")
		}
		stuck := dataverse.NewFirstCalls()
		stuck.Await(t.Context()) // and never ends
		if one, ended := stuck.Await(t.Context()); one {
			t.Error("two are first")
		} else {
			ended(true)
		}
	})
}

func observeRows(sizes *[]int) func(int, time.Duration) {
	return func(rows int, _ time.Duration) {
		if rows > 0 {
			*sizes = append(*sizes, rows)
		}
	}
}
