package snapshot

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

var testSecret = bytes.Repeat([]byte{7}, secretBytes)

// Marks are stored: the same row must have the same mark after a deploy.
func TestMarksStayTheSame(t *testing.T) {
	mark := NewMarker(testSecret).Mark([]byte("a@b.org"), []byte("Jo"), nil, []byte("42"))
	if got, want := hex.EncodeToString(mark.Key[:])+" "+hex.EncodeToString(mark.Row[:]), "c26bef216887bc5ecb39c85efca87cdc b55f3f668ceb6b9d4229e37f65c3eff7"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := Fingerprint(testSecret), "e2b96c804321d6d3"; got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

func TestMarksTellRowsApart(t *testing.T) {
	m := NewMarker(testSecret)
	mark := func(key string, content ...string) Mark {
		var parts [][]byte
		for _, part := range content {
			parts = append(parts, []byte(part))
		}
		return m.Mark([]byte(key), parts...)
	}
	one := mark("k", "ab", "c")
	if again := mark("k", "ab", "c"); again != one {
		t.Error("the same row has another mark the second time")
	}
	for name, other := range map[string]Mark{
		"the border of two parts": mark("k", "a", "bc"), "an empty part more": mark("k", "ab", "c", ""), "a part less": mark("k", "ab"),
		"another value": mark("k", "ab", "d"), "one part": mark("k", "abc"),
	} {
		if other.Key != one.Key || other.Row == one.Row {
			t.Errorf("%s: key the same %t, row the same %t", name, other.Key == one.Key, other.Row == one.Row)
		}
	}
	// Rule H4: equal content of two keys is not to be seen.
	if other := mark("K", "ab", "c"); other.Key == one.Key || other.Row == one.Row {
		t.Error("another key shares something")
	}
	if other := NewMarker(bytes.Repeat([]byte{8}, secretBytes)).Mark([]byte("k"), []byte("ab"), []byte("c")); other.Key == one.Key || other.Row == one.Row {
		t.Error("another secret makes the same mark")
	}
	if bare := mark("k"); bare.Key == bare.Row {
		t.Error("key and row of a row without content are the same")
	}
}

func TestMarkAllocatesNothing(t *testing.T) {
	m := NewMarker(testSecret)
	key, content := []byte("someone@example.org"), bytes.Repeat([]byte("x"), 300)
	m.Mark(key, content)
	if n := testing.AllocsPerRun(100, func() { m.Mark(key, content, key) }); n > 0 {
		t.Errorf("%v allocations a mark", n)
	}
}

func marksOf(n int) []Mark {
	m := NewMarker(testSecret)
	marks := make([]Mark, n)
	for i := range marks {
		marks[i] = m.Mark([]byte{byte(i), byte(i >> 8), byte(i >> 16)}, []byte("row"))
	}
	return marks
}

func TestStoredMarks(t *testing.T) {
	for _, n := range []int{0, 1, 1000} {
		marks := marksOf(n)
		data := EncodeMarks(marks)
		if len(data) != headerBytes+n*markBytes {
			t.Errorf("%d marks are %d bytes", n, len(data))
		}
		got, err := DecodeMarks(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(marks, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDamagedMarksAreNotRead(t *testing.T) {
	whole := EncodeMarks(marksOf(3))
	flipped := func(at int) []byte { data := slices.Clone(whole); data[at] ^= 1; return data }
	for name, data := range map[string][]byte{
		"nothing": nil, "a short header": whole[:headerBytes-1], "an entry less": whole[:len(whole)-markBytes], "half an entry": whole[:len(whole)-5],
		"another magic": flipped(0), "another version": flipped(7), "another count": flipped(8), "another checksum": flipped(15),
		"a flipped bit": flipped(40), "a part of a snapshot": format{magic: partMagic}.end(format{magic: partMagic}.begin(nil)),
	} {
		_, err := DecodeMarks(data)
		if f, ok := fault.As(err); !ok || f.Code != "bad_marks" || !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeMarks(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(EncodeMarks(nil))
	f.Add(EncodeMarks(marksOf(2)))
	f.Fuzz(func(t *testing.T, data []byte) {
		marks, err := DecodeMarks(data)
		if err == nil && !bytes.Equal(EncodeMarks(marks), data) {
			t.Errorf("%x comes back as something else", data)
		}
	})
}
