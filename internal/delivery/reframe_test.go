package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func never() bool { return false }

// copied is a copy in memory.
type copied struct{ parts [][]byte }

func (c *copied) put(part int, data []byte) error {
	if part != len(c.parts) {
		return fmt.Errorf("part %d comes after %d", part, len(c.parts))
	}
	c.parts = append(c.parts, data)
	return nil
}

func (c *copied) framed(src Source, f Frames) Source {
	src.From = Framed{Opener: src.From, Object: src.Objects[0], Frames: f, Part: func(_ context.Context, part int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(c.parts[part])), nil
	}}
	return src
}

func wordy(bytes int) string {
	r := rand.New(rand.NewPCG(1, 4))
	var text strings.Builder
	text.WriteString("n,m\n")
	for text.Len() < bytes {
		text.WriteString(strings.Repeat("x", r.IntN(30)) + ",\"a\nb\"\n")
	}
	return text.String()
}

// Rule P2: the copy gives the rows of the object, from whatever place it was begun at and in however many steps it was made.
func TestReframe(t *testing.T) {
	const part = 64 << 10
	text := wordy(5*part + 1000)
	src := delivered("a.csv.gz", gzipped(text))
	how := detected(t, src, Hints{})
	rows := mustOpenAll(t, src, Hints{})
	var cursors []Cursor
	var want []seen
	for {
		if len(want)%5000 == 4000 {
			cursors = append(cursors, rows.Cursor())
		}
		r, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, noted(r))
	}
	sum, err := rows.Sum(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range cursors {
		c := &copied{}
		f, steps := Frames{Part: part, From: at.Offset, End: at.Offset}, 0
		for !f.Whole {
			before, made := f.End, len(c.parts)
			stop := func() bool { return len(c.parts) >= made+2 }
			if f, err = Reframe(t.Context(), src.From, src.Objects[0], Limits{}, f, c.put, stop); err != nil {
				t.Fatal(err)
			}
			if steps++; f.End == before {
				t.Fatalf("no progress behind byte %d", before)
			}
		}
		if f.End != int64(len(text)) || f.SHA256 != sum || len(c.parts) != f.parts() || steps < 2 && f.End-f.From > 2*part {
			t.Errorf("%+v in %d parts, %d steps; the hash is %s", f, len(c.parts), steps, sum)
		}
		m := src.From.(*memory)
		m.opened = map[string]int{}
		resumed, err := Resume(t.Context(), c.framed(src, f), how, Limits{}, &at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := all(resumed)
		if diff := cmp.Diff(want[at.Row:], got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if again, err := resumed.Sum(t.Context()); again != sum || err != nil || m.opened["a.csv.gz"] > 1 {
			t.Errorf("%s, %v; the object was opened %d times, not for its header only", again, err, m.opened["a.csv.gz"])
		}
		resumed.Close()
	}
}

func TestCopiesCanBeEnteredAnywhere(t *testing.T) {
	const part = 1000
	text := wordy(5 * part)[:5*part]
	for _, length := range []int{0, 1, part - 1, part, part + 1, 3 * part, 5*part - 1, 5 * part} {
		src := delivered("a.csv.gz", gzipped(text[:length]))
		from := min(700, int64(length))
		c := &copied{}
		f, err := Reframe(t.Context(), src.From, src.Objects[0], Limits{}, Frames{Part: part, From: from, End: from}, c.put, never)
		if err != nil || f.End != int64(length) || !f.Whole {
			t.Fatalf("%d bytes: %+v, %v", length, f, err)
		}
		for offset := from; offset <= int64(length); offset += 1 + int64(length)/17 {
			body, err := openBody(t.Context(), c.framed(src, f).From, src.Objects[0], DefaultLimits, offset)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err != nil || string(got) != text[offset:length] {
				t.Errorf("%d bytes from %d: %d, %v", length, offset, len(got), err)
			}
			body.Close()
		}
	}
}

func TestReframeStopsWhereItCannotGoOn(t *testing.T) {
	const part = 1000
	src := delivered("a.csv.gz", gzipped(wordy(8*part)))
	o, dead := src.Objects[0], errors.New("dead")
	begun := Frames{Part: part, From: 10, End: 10 + 6*part}
	fail := func(int, []byte) error { return dead }
	yes := func() bool { return true }
	if f, err := Reframe(t.Context(), src.From, o, Limits{}, begun, fail, yes); err != nil || f != begun {
		t.Errorf("time up before a part: %+v, %v", f, err)
	}
	if _, err := Reframe(t.Context(), src.From, o, Limits{}, begun, fail, never); !errors.Is(err, dead) {
		t.Errorf("a part that cannot be stored: %v", err)
	}
	begun.End += 5 * part
	if _, err := Reframe(t.Context(), src.From, o, Limits{}, begun, fail, never); !fault.Is(err, fault.Refused) {
		t.Errorf("a shorter object: %v", err)
	}
	begun.End++
	if _, err := Reframe(t.Context(), src.From, o, Limits{}, begun, fail, never); !fault.Is(err, fault.Broken) {
		t.Errorf("a description that is none: %v", err)
	}
	cut := delivered("people", gzipped(wordy(5 * part))[:60])
	_, err := Reframe(t.Context(), cut.From, cut.Objects[0], Limits{}, Frames{Part: part}, (&copied{}).put, never)
	wantFault(t, err, "cut_short", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Reframe(ctx, src.From, o, Limits{}, Frames{Part: part}, (&copied{}).put, never); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDamagedCopies(t *testing.T) {
	const part = 1000
	src := delivered("a.csv.gz", gzipped(wordy(3*part)))
	for name, damage := range map[string]func(c *copied){
		"cut short":     func(c *copied) { c.parts[1] = c.parts[1][:20] },
		"a flipped bit": func(c *copied) { c.parts[1][len(c.parts[1])-1] ^= 1 },
		"another part":  func(c *copied) { c.parts[1] = append(c.parts[1], c.parts[0]...) },
		"nothing":       func(c *copied) { c.parts[1] = nil },
		"no part":       func(c *copied) { c.parts[1] = []byte("Ada") },
	} {
		c := &copied{}
		f, err := Reframe(t.Context(), src.From, src.Objects[0], Limits{}, Frames{Part: part}, c.put, never)
		if err != nil {
			t.Fatal(err)
		}
		damage(c)
		body, err := openBody(t.Context(), c.framed(src, f).From, src.Objects[0], DefaultLimits, 10)
		if err == nil {
			_, err = io.ReadAll(body)
			body.Close()
		}
		if e, ok := fault.As(err); !ok || e.Code != "piece_damaged" {
			t.Errorf("%s: %v", name, err)
		}
	}
	lost := fault.New(fault.Interrupted, "store_unreachable", "reset")
	framed := Framed{Object: src.Objects[0], Frames: Frames{Part: part, End: part, Whole: true},
		Part: func(context.Context, int) (io.ReadCloser, error) { return nil, lost }}
	if _, err := framed.open(t.Context(), 10); !errors.Is(err, lost) {
		t.Errorf("a store that cannot be reached: %v", err)
	}
	framed.Frames.Part = 0
	if _, err := framed.open(t.Context(), 10); !fault.Is(err, fault.Broken) {
		t.Errorf("a description that is none: %v", err)
	}
}

func TestPacked(t *testing.T) {
	src := delivered("a", "n\n1\n", "b", gzipped("n\n1\n"), "c", zstandard("n\n1\n"), "d", "", "e", "n")
	for i, want := range []bool{false, true, true, false, false} {
		if got, err := Packed(t.Context(), src.From, src.Objects[i]); got != want || err != nil {
			t.Errorf("%s: %v, %v", src.Objects[i].Key, got, err)
		}
	}
	if _, err := Packed(t.Context(), src.From, Object{Key: "gone", Size: 1}); err == nil {
		t.Error("an object that is gone")
	}
}
