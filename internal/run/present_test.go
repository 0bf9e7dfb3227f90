package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"penstock/internal/snapshot"
	"penstock/internal/store"
)

// table puts keys into the store as a survey under epoch 7 does, in pieces of so many.
func tableOf(t *testing.T, work store.Store, plan *Plan, bits, held int, shorts ...uint64) *present {
	t.Helper()
	w := &presentWriter{work: work, folder: plan.folder(), by: "a1", bits: bits}
	for _, short := range shorts {
		w.add(short)
		if w.held < held {
			continue
		}
		if err := w.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := &present{V: 1, Epoch: 7, At: arrived, Records: int64(len(shorts)), Bits: bits, Pieces: w.pieces}
	if err := store.CreateJSON(t.Context(), work, presentKey(plan.folder(), 7), table); err != nil {
		t.Fatal(err)
	}
	return table
}

func markOf(short uint64) (m snapshot.Mark) {
	binary.BigEndian.PutUint64(m.Key[:], short)
	return m
}

// kept asks which of these rows, all of them unchanged, may be left out.
func kept(t *testing.T, s *Steps, plan *Plan, shorts ...uint64) []bool {
	t.Helper()
	marks, same := make([]snapshot.Mark, len(shorts)), make([]bool, len(shorts))
	for i, short := range shorts {
		marks[i], same[i] = markOf(short), true
	}
	if err := s.keepPresent(t.Context(), plan, 7, marks, same); err != nil {
		t.Fatal(err)
	}
	return same
}

func TestPresentKeysAreFound(t *testing.T) {
	for _, c := range []struct{ bits, held int }{{0, 1000}, {0, 7}, {3, 100}, {8, 33}} {
		t.Run(fmt.Sprintf("%d ranges, pieces of %d", 1<<c.bits, c.held), func(t *testing.T) {
			s, plan := &Steps{Work: directory(t)}, planOf("r", arrived)
			spread := func(n int) uint64 { return uint64(n) * 0x9e3779b97f4a7c15 }
			var there, sought []uint64
			for n := range 500 {
				if sought = append(sought, spread(n)); n%3 > 0 {
					there = append(there, spread(n))
				}
			}
			sought = append(sought, 0, 1<<64-1, spread(1)) // the ends, and one twice
			there = append(there, 1<<64-1)
			tableOf(t, s.Work, plan, c.bits, c.held, there...)
			for i, same := range kept(t, s, plan, sought...) {
				if same != slices.Contains(there, sought[i]) {
					t.Errorf("key %d, %x: %t", i, sought[i], same)
				}
			}
		})
	}
}

// A worker reads only the ranges in which its keys are.
func TestOnlyRangesThatAreNeededAreRead(t *testing.T) {
	opened := &opening{Store: directory(t)}
	s, plan := &Steps{Work: opened}, planOf("r", arrived)
	var there []uint64
	for n := range uint64(256) {
		there = append(there, n<<56, n<<56+1)
	}
	tableOf(t, opened.Store, plan, 8, 256, there...)
	kept(t, s, plan, 3<<56, 3<<56+1, 4<<56)
	slices.Sort(opened.keys)
	want := []string{presentKey(plan.folder(), 7), presentRangeKey(plan.folder(), "a1-000", 3), presentRangeKey(plan.folder(), "a1-000", 4),
		presentRangeKey(plan.folder(), "a1-001", 3), presentRangeKey(plan.folder(), "a1-001", 4)}
	slices.Sort(want)
	if !slices.Equal(opened.keys, want) {
		t.Errorf("read %q, want %q", opened.keys, want)
	}
}

// opening is a store that tells what was opened.
type opening struct {
	store.Store
	mu   sync.Mutex
	keys []string
}

func (o *opening) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	o.mu.Lock()
	o.keys = append(o.keys, key)
	o.mu.Unlock()
	return o.Store.Open(ctx, key)
}

// What cannot be known sends the row: only a whole object may spare one.
func TestLostAndDamagedKeysSendTheRow(t *testing.T) {
	s, plan := &Steps{Work: directory(t)}, planOf("r", arrived)
	if same := kept(t, s, plan, 1, 2); slices.Contains(same, true) {
		t.Errorf("nobody has looked: %v", same)
	}
	tableOf(t, s.Work, plan, 1, 2, 1, 1<<63, 2, 1<<63+1)
	whole := func() []bool { return kept(t, s, plan, 1, 2, 1<<63, 1<<63+1) }
	if same := whole(); slices.Contains(same, false) {
		t.Fatalf("all are there: %v", same)
	}
	key := presentRangeKey(plan.folder(), "a1-000", 0)
	data, err := store.ReadAll(t.Context(), s.Work, key, 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := s.Work.Put(t.Context(), key, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if same := whole(); !slices.Equal(same, []bool{false, true, true, true}) {
		t.Errorf("one object is damaged: %v", same)
	}
	if err := s.Work.Delete(t.Context(), presentRangeKey(plan.folder(), "a1-001", 1)); err != nil {
		t.Fatal(err)
	}
	if same := whole(); !slices.Equal(same, []bool{false, true, true, false}) {
		t.Errorf("and one is gone: %v", same)
	}
}

// Stored keys of a table outlive a deploy: these were written by the first version.
func TestStoredPresent(t *testing.T) {
	const keys = "5053746865726501" + "0000000000000002" + "0000000000000001" + "ffffffffffffffff" +
		"7db1ff9a5646f6c80614a495e4ac74d7d4fc4b5da5f8f45471d092cbce1d55a2"
	if got := fmt.Sprintf("%x", encodePresent([]uint64{1<<64 - 1, 1})); got != keys {
		t.Errorf("the stored format changed: %s", got)
	}
	work, plan := directory(t), planOf("r", arrived)
	tableOf(t, work, plan, 1, 1, 1, 1<<63)
	data, err := store.ReadAll(t.Context(), work, presentKey(plan.folder(), 7), 1<<10)
	want := `{"v":1,"epoch":7,"at":"` + arrived.Format(time.RFC3339Nano) + `","records":2,"bits":1,"pieces":["a1-000","a1-001"]}`
	if err != nil || string(data) != want {
		t.Errorf("the stored format changed: %s, %v", data, err)
	}
}

func TestRangesGrowWithTheTable(t *testing.T) {
	for records, want := range map[int64]int{0: 0, 1 << 17: 0, 1<<17 + 1: 1, 10_000_000: 7, 1 << 40: mostRanges} {
		if got := presentBits(records); got != want {
			t.Errorf("%d records: %d bits, want %d", records, got, want)
		}
	}
}
