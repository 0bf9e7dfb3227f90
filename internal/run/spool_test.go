package run

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/row"
)

// Whatever fits into memory, the same rows are kept and dropped.
func TestSpoolKeepsTheLastOfEachKeyInMemoryAndSpilled(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var entries []entry
	last := map[string]int64{}
	for n := int64(1); n <= 3000; n++ {
		key := fmt.Sprintf("key-%d", random.IntN(2000))
		entries = append(entries, entry{row: n, line: int(n) + 1, key: []byte(key), op: fmt.Appendf(nil, "op %d\n", n)})
		last[key] = n
	}
	var want []string
	for _, n := range last {
		want = append(want, fmt.Sprintf("op %d\n", n))
	}
	slices.Sort(want)
	for name, c := range map[string]struct {
		budget int
		input  int64
	}{
		"one partition in memory":  {1 << 20, 1},
		"many partitions":          {1 << 20, 40 * partitionBytes},
		"spilled at every entry":   {1, 40 * partitionBytes},
		"spilled in one partition": {500, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpool(t.TempDir(), c.input, true, c.budget)
			for _, e := range entries {
				if err := s.add(e); err != nil {
					t.Fatal(err)
				}
			}
			var kept []string
			dropped := map[int64]bool{}
			err := s.seal(
				func(line []byte) error { kept = append(kept, string(line)); return nil },
				func(r row.Reject) error {
					if r.Code != "duplicate_key" || r.Line != int(r.Row)+1 {
						t.Errorf("reject %+v", r)
					}
					dropped[r.Row] = true
					return nil
				})
			if err != nil {
				t.Fatal(err)
			}
			if len(kept)+len(dropped) != len(entries) {
				t.Errorf("%d kept and %d dropped of %d", len(kept), len(dropped), len(entries))
			}
			slices.Sort(kept)
			if diff := cmp.Diff(want, kept); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpoolThatSpilledItsLastEntryStillResolvesKeys(t *testing.T) {
	for _, budget := range []int{1, 30, 60} {
		s := newSpool(t.TempDir(), 1, true, budget)
		for n := int64(1); n <= 6; n++ {
			if err := s.add(entry{row: n, line: int(n), key: []byte("same"), op: fmt.Appendf(nil, "op %d\n", n)}); err != nil {
				t.Fatal(err)
			}
		}
		kept, dropped := 0, 0
		err := s.seal(func([]byte) error { kept++; return nil }, func(row.Reject) error { dropped++; return nil })
		if err != nil || kept != 1 || dropped != 5 {
			t.Errorf("budget %d: kept %d, dropped %d, %v", budget, kept, dropped, err)
		}
	}
}

func TestSpoolKeepsTheOrderOfRowsWithoutKeys(t *testing.T) {
	for _, budget := range []int{1 << 20, 100} {
		s := newSpool(t.TempDir(), 40*partitionBytes, false, budget)
		var want, got []string
		for n := int64(1); n <= 500; n++ {
			op := fmt.Sprintf("op %d\n", n)
			want = append(want, op)
			if err := s.add(entry{row: n, line: int(n), op: []byte(op)}); err != nil {
				t.Fatal(err)
			}
		}
		err := s.seal(func(line []byte) error { got = append(got, string(line)); return nil },
			func(r row.Reject) error { t.Errorf("dropped %+v", r); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("budget %d (-want +got):\n%s", budget, diff)
		}
	}
}
