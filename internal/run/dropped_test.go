package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDroppedOperations(t *testing.T) {
	var set opSet
	for _, n := range []int{9, 0, 23, 9} {
		set = set.with(n)
	}
	ref := ChunkRef{Operations: 25}
	ref.drop(opSet(nil).with(3))
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

func TestOpSetAsText(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for round := range 200 {
		var want opSet
		for range random.IntN(1 + round*round) {
			want = want.with(random.IntN(chunkOperations))
		}
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got opSet
		if err := got.UnmarshalText(text); err != nil || !bytes.Equal(want, got) {
			t.Fatalf("%d places: %v, %d come back", want.count(), err, got.count())
		}
	}
	one, err := json.Marshal(ChunkRef{Dropped: opSet(nil).with(chunkOperations - 1)})
	if err != nil || len(one) > 100 {
		t.Errorf("a single place takes %d bytes, %v", len(one), err)
	}
}

func FuzzOpSet(f *testing.F) {
	for _, text := range []string{"", "g", "gAA", "bAQ", "g/////w8", "x", "b" + strings.Repeat("A", 2000)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p opSet
		if p.UnmarshalText([]byte(text)) == nil && len(p) > chunkOperations/8 {
			t.Errorf("%d bytes of places", len(p))
		}
	})
}

// What is dropped is part of a chunk's proof: neither another set passes nor none at all.
func TestDroppedOperationsAreProved(t *testing.T) {
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1\nrejects: {max_percent: 100}")
	got := d.prepare("people.csv", []byte("emailaddress1,lastname\na@x.org,A\nb@x.org,B\na@x.org,C\n"))
	ref := got.Chunks[0]
	if got.State != Proven || ref.live() != 2 || !ref.Dropped.has(0) {
		t.Fatalf("%s, %+v", got.State, ref)
	}
	for name, dropped := range map[string]opSet{"as it is": ref.Dropped, "none": nil, "another": opSet(nil).with(1)} {
		changed := ref
		changed.Dropped = dropped
		c, err := readChunk(t.Context(), d.Work, changed)
		if (err == nil) != (name == "as it is") || err != nil && !strings.Contains(err.Error(), "is not the one that was prepared") {
			t.Errorf("%s: %v", name, err)
		}
		c.release()
	}
}

// The tables of keys grow with the keys that there are, not with the rows.
func TestTablesOfKeysGrow(t *testing.T) {
	var keys twice
	same := &duplicates{}
	keys.reset(0)
	same.reset(0)
	const distinct = 1000
	for round := range 2 {
		for n := range distinct {
			e := entry{label: label{row: int64(round*distinct + n), keyed: true}}
			e.mark.Key = hashKey(fmt.Append(nil, n))
			if again := keys.add(e.mark.Key[:]); again != (round == 1) {
				t.Fatalf("key %d of round %d: %t", n, round, again)
			}
			same.note(&e)
		}
	}
	if len(keys.slots) > 4*distinct || len(same.slots) > 4*distinct || len(same.keys) != distinct {
		t.Errorf("%d and %d slots, %d keys", len(keys.slots), len(same.slots), len(same.keys))
	}
	if slotsFor(1<<40) > 2*mostRows {
		t.Error("a table for all rows, which may have one key")
	}
}

func TestPlanThatNobodyCouldReadBackIsRefused(t *testing.T) {
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1")
	start := d.deliver("people.csv", nil)
	plan, err := d.settlePlan(t.Context(), &Plan{V: 1, Start: start, State: Proven, Chunks: []ChunkRef{{Key: strings.Repeat("x", maxPlanBytes)}}})
	if err != nil || plan.State != Refused || codeOf(plan.Reason) != "plan_too_large" {
		t.Fatalf("%v", err)
	}
	if back, err := d.readPlan(t.Context(), start.Destination, start.Run); err != nil || back.State != Refused {
		t.Errorf("%+v, %v", back, err)
	}
}

// Rows that rule one another out are in chunks, and yet there is nothing to load (rule D3).
func TestFileOfNothingButDuplicatesEmptiesNoTable(t *testing.T) {
	d := newDesk(t, "table: contact\nmode: mirror\nkey: emailaddress1\nallow_whole_table: true\nduplicates: reject\nrejects: {max_percent: 100}")
	got := d.prepare("people.csv", []byte("emailaddress1,lastname\na@x.org,A\na@x.org,B\n"))
	if got.State != Refused || codeOf(got.Reason) != "empty_file" || got.Rows != (Rows{Read: 2, Rejected: 2}) || len(got.Chunks) != 0 {
		t.Errorf("%s, %+v, %+v", got.State, got.Reason, got.Rows)
	}
}
