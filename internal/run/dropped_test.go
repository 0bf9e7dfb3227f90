package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDroppedOperations(t *testing.T) {
	var set []byte
	for _, n := range []int{9, 0, 23, 9} {
		set = setBit(set, n)
	}
	ref := ChunkRef{Operations: 25}
	ref.drop(setBit(nil, 3))
	ref.drop(set)
	ref.drop(nil)
	var dropped []int
	for i, state := range ref.states() {
		if state == needless {
			dropped = append(dropped, i)
		}
	}
	if diff := cmp.Diff([]int{0, 3, 9, 23}, dropped); diff != "" || ref.live() != 21 {
		t.Errorf("%d are live, dropped %s", ref.live(), diff)
	}
	if none := (&ChunkRef{Operations: 2}); none.live() != 2 || slices.Contains(none.states(), needless) {
		t.Error("without a set nothing is dropped")
	}
}

func TestWhereabouts(t *testing.T) {
	for _, want := range [][2]int{{0, 0}, {5200, chunkOperations - 1}} {
		b := appendWhereabouts(nil, want[0], want[1])
		if chunk, place, ok := whereabouts(b); !ok || chunk != want[0] || place != want[1] {
			t.Errorf("%v come back as %d, %d, %t", want, chunk, place, ok)
		}
		for n := range b {
			if _, _, ok := whereabouts(b[:n]); ok {
				t.Errorf("%x is cut short and read", b[:n])
			}
		}
		if _, _, ok := whereabouts(append(b, 0)); ok {
			t.Errorf("%x has too much", b)
		}
	}
	if _, _, ok := whereabouts(appendWhereabouts(nil, 1, chunkOperations)); ok {
		t.Error("a place beyond any chunk")
	}
}

// Rows with one key are found wherever they stand, in other chunks too, and of a chunk's operations exactly theirs are dropped.
func TestDuplicatesInOtherChunksAreDropped(t *testing.T) {
	for _, policy := range []string{"last", "reject"} {
		d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1\nduplicates: "+policy+"\nrejects: {max_percent: 100}")
		random := rand.New(rand.NewPCG(1, 2))
		rows := 3*chunkOperations + 17
		body := bytes.NewBufferString("emailaddress1,lastname\n")
		all := map[string][]int64{}
		keys := make([]string, rows)
		for n := range rows {
			keys[n] = fmt.Sprintf("p%d@example.org", random.IntN(20*rows))
			if n == rows-1 {
				keys[n] = keys[0] // as far apart as can be
			}
			all[keys[n]] = append(all[keys[n]], int64(n+1))
			fmt.Fprintf(body, "%s,Last\n", keys[n])
		}
		got := d.prepare("people.csv", body.Bytes())
		if got.State != Proven || len(got.Chunks) != 4 {
			t.Fatalf("%s: %s, %d chunks", policy, got.State, len(got.Chunks))
		}
		var want, live []int64
		for n, key := range keys {
			if list := all[key]; len(list) == 1 || policy == "last" && list[len(list)-1] == int64(n+1) {
				want = append(want, int64(n+1))
			}
		}
		for _, line := range got.Load {
			var op struct{ Row int64 }
			if err := json.Unmarshal([]byte(line), &op); err != nil {
				t.Fatal(err)
			}
			live = append(live, op.Row)
		}
		if !slices.Equal(want, live) || len(want) == rows {
			t.Errorf("%s: %d operations are live, not %d", policy, len(live), len(want))
		}
	}
}
