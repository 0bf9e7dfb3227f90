package run

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/snapshot"
)

// Wherever items are, each bin gives its own back in their order, as items and as bytes.
func TestBinsGiveBackWhatTheyWereGiven(t *testing.T) {
	for name, budget := range map[string]int{"memory": 1 << 20, "spilled at times": 40 << 10, "spilled at every item": 1} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, uint64(budget)))
			b := newBins(t.TempDir(), 5, budget)
			defer b.close()
			want := make([][]string, len(b.all))
			for n := range 2000 {
				i := random.IntN(4) // the last one stays empty
				size := random.IntN(60)
				if n%500 == 3 {
					size = 50_000 // more than a block
				}
				item := fmt.Sprintf("%d:%s", n, strings.Repeat("x", size))
				if err := b.put(i, []byte(item[:len(item)/2]), []byte(item[len(item)/2:])); err != nil {
					t.Fatal(err)
				}
				want[i] = append(want[i], item)
			}
			for i := range b.all {
				var got, stored []string
				if err := b.each(i, func(item []byte) error { got = append(got, string(item)); return nil }); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want[i], got); diff != "" {
					t.Fatalf("bin %d (-want +got):\n%s", i, diff)
				}
				body := b.body(i)
				keep := func(item []byte) error { stored = append(stored, string(item)); return nil }
				if err := eachItem(iotest.HalfReader(body), keep); err != nil {
					t.Fatal(err)
				}
				if size, _ := body.Seek(0, io.SeekEnd); size != b.all[i].bytes || len(stored) != b.all[i].items {
					t.Errorf("bin %d has %d items in %d bytes, said %d in %d", i, len(stored), size, b.all[i].items, b.all[i].bytes)
				}
				if diff := cmp.Diff(want[i], stored); diff != "" {
					t.Fatalf("bin %d as bytes (-want +got):\n%s", i, diff)
				}
				b.drop(i)
			}
			if b.held != 0 {
				t.Errorf("%d bytes are still held", b.held)
			}
		})
	}
}

func TestBinCutShortIsNoEnd(t *testing.T) {
	b := newBins(t.TempDir(), 1, 1<<20)
	for range 3 {
		if err := b.put(0, []byte("an item"), nil); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := io.ReadAll(b.body(0))
	if err != nil {
		t.Fatal(err)
	}
	for end := range whole {
		err := eachItem(bytes.NewReader(whole[:end]), func([]byte) error { return nil })
		if (err != nil) != (end%8 != 0) {
			t.Errorf("%d of %d bytes: %v", end, len(whole), err)
		}
	}
}

func someEntry(n int) entry {
	e := entry{label: label{row: int64(n), line: 2 * n, object: n % 3, keyed: n%2 == 0}, op: fmt.Appendf(nil, `{"row":%d}`+"\n", n)}
	if e.keyed {
		e.mark.Key = hashKey(fmt.Appendf(nil, "key %d", n))
		e.marked = n%4 == 0
	}
	if e.marked {
		e.mark.Row = hashKey(fmt.Appendf(nil, "row %d", n))
	}
	if n%5 == 0 {
		e.links = fmt.Appendf(nil, `{"row":%d,"of":0}`+"\n", n)
	}
	return e
}

func TestEntriesAreReadBack(t *testing.T) {
	for n := range 100 {
		want := someEntry(n)
		var got entry
		if err := got.decode(encoded(&want)); err != nil {
			t.Fatal(err)
		}
		want.links = append([]byte{}, want.links...)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{}, label{})); diff != "" {
			t.Fatalf("entry %d (-want +got):\n%s", n, diff)
		}
	}
}

func encoded(e *entry) []byte { return slices.Concat(e.appendLabel(nil), e.op, e.links) }

func FuzzSpool(f *testing.F) {
	b := newBins(f.TempDir(), 1, 1<<20)
	for n := range 4 {
		e := someEntry(n)
		if err := b.put(0, encoded(&e), nil); err != nil {
			f.Fatal(err)
		}
	}
	whole, err := io.ReadAll(b.body(0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(binary.AppendUvarint(nil, 1<<62))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := eachItem(bytes.NewReader(data), func(item []byte) error {
			var e entry
			if err := e.decode(item); err != nil {
				return err
			}
			if again := encoded(&e); len(again) > len(item) {
				t.Errorf("%x is read as %x", item, again)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errSpool) {
			t.Errorf("%v", err)
		}
	})
}

func TestPartitionsAreRangesOfKeys(t *testing.T) {
	for _, bits := range []int{0, 1, 5, mostBits} {
		s := newSpool(t.TempDir(), bits, 1<<20)
		var keys []keyHash
		for n := range 3000 {
			keys = append(keys, hashKey(fmt.Append(nil, n)))
		}
		slices.SortFunc(keys, func(a, b keyHash) int { return bytes.Compare(a[:], b[:]) })
		last := 1
		for _, k := range keys {
			p := s.partition(k)
			if p < last || p >= len(s.all) {
				t.Fatalf("%d bits: partition %d after %d of %d", bits, p, last, len(s.all))
			}
			last = p
		}
	}
	for size, want := range map[int64]int{0: 6, 1: 0, partitionBytes: 0, partitionBytes + 1: 1, 5 << 30: mostBits, 1 << 50: mostBits} {
		if got := partitionBits(size); got != want {
			t.Errorf("%d bytes of input: %d bits, not %d", size, got, want)
		}
	}
}

// Of rows with one key the last is written, or none; each of the others hears of another one's line.
func TestDuplicates(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var rows []entry
	lines := map[snapshot.Mark][]int{}
	for n := 1; n <= 3000; n++ {
		e := entry{label: label{row: int64(n), line: n + 1, keyed: true}}
		e.mark.Key = hashKey(fmt.Append(nil, random.IntN(2000)))
		rows = append(rows, e)
		lines[e.mark] = append(lines[e.mark], e.line)
	}
	for _, policy := range []config.Duplicates{config.LastWins, config.RejectBoth} {
		d := &duplicates{policy: policy}
		for _, part := range [][]entry{rows[:10], rows} { // the first use leaves nothing behind
			d.reset(len(part))
			for i := range part {
				d.note(&part[i])
			}
		}
		for i := range rows {
			e, all := &rows[i], lines[rows[i].mark]
			last := all[len(all)-1]
			good := len(all) == 1 || policy == config.LastWins && last == e.line
			why := d.against(e)
			if good != (why == "") {
				t.Fatalf("%s: row on line %d of %v: %q", policy, e.line, all, why)
			}
			if good {
				continue
			}
			other := last
			if last == e.line {
				other = all[0]
			}
			if !strings.Contains(why, fmt.Sprintf("line %d", other)) {
				t.Errorf("%s: row on line %d of %v: %q", policy, e.line, all, why)
			}
			if more := fmt.Sprintf("and on %d more", len(all)-2); policy == config.RejectBoth && len(all) > 2 && !strings.Contains(why, more) {
				t.Errorf("row on line %d of %v: %q", e.line, all, why)
			}
		}
	}
	elsewhere := entry{label: label{row: 9, line: 4, object: 2, keyed: true}}
	here := entry{label: label{row: 1, line: 4, keyed: true}}
	d := &duplicates{}
	d.reset(2)
	d.note(&here)
	d.note(&elsewhere)
	if why := d.against(&here); !strings.Contains(why, "line 4 of object 3 of the delivery") {
		t.Errorf("%q", why)
	}
}
