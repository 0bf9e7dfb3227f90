package run

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"penstock/internal/fault"
)

// keyObject is what prepare writes for these keys.
func keyObject(t testing.TB, hashes ...uint64) []byte {
	t.Helper()
	w, err := newKeyWriter(t.TempDir(), int64(len(hashes)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, h := range hashes {
		w.write(h)
	}
	body, err := w.end()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestKeysAreReadBack(t *testing.T) {
	work, key := directory(t), keysKey("runs/d/r/", "a1")
	p := &preparation{Steps: &Steps{Work: work}, dir: t.TempDir(), plan: &Plan{By: "a1", Start: Start{Destination: "d", Run: "r"}}}
	p.keys = newKeySpool(p.dir)
	defer p.keys.close()
	for n := range 5000 {
		h := hashKey(fmt.Appendf(nil, "key %d", n%4000)) // some twice
		if err := p.keys.add(h[:8]); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.storeKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.plan.Keys != key {
		t.Fatalf("stored as %s", p.plan.Keys)
	}
	set, err := readKeys(t.Context(), work, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.hashes) != 5000 {
		t.Errorf("%d keys", len(set.hashes))
	}
	for n := range 5000 {
		if there := set.has(fmt.Appendf(nil, "key %d", n)); there != (n < 4000) {
			t.Errorf("key %d: %t", n, there)
		}
	}
}

// Stored keys outlive a deploy: this object was written by the first version.
func TestStoredKeys(t *testing.T) {
	const stored = "50536b6579730001" + "0000000000000002" + "0000000000000001" + "ffffffffffffffff" +
		"596d5ae05153bbbc46b67bf4976d453287ff567745b594a117af54e97dff98c3"
	got := fmt.Sprintf("%x", keyObject(t, 1, 1<<64-1))
	if got != stored {
		t.Errorf("the stored format changed: %s", got)
	}
}

func TestDamagedKeysAreNotRead(t *testing.T) {
	whole := keyObject(t, 1, 2, 3)
	for i := range whole {
		cut := whole[:i]
		if _, err := decodeKeys(bytes.NewReader(cut)); !fault.Is(err, fault.Broken) {
			t.Errorf("%d of %d bytes: %v", i, len(whole), err)
		}
		turned := bytes.Clone(whole)
		turned[i] ^= 0x10
		if _, err := decodeKeys(bytes.NewReader(turned)); !fault.Is(err, fault.Broken) {
			t.Errorf("byte %d turned: %v", i, err)
		}
	}
	for name, data := range map[string][]byte{"more behind the end": append(bytes.Clone(whole), 0), "not sorted": keyObject(t, 2, 1)} {
		if _, err := decodeKeys(bytes.NewReader(data)); !fault.Is(err, fault.Broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(keyObject(f))
	f.Add(keyObject(f, 1, 2, 2, 1<<63))
	f.Add([]byte(keysMagic + "\x00\x00\x00\x00\x3f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := decodeKeys(bytes.NewReader(data))
		if err != nil {
			return
		}
		if again := keyObject(t, set.hashes...); !bytes.Equal(again, data) {
			t.Errorf("%x is read as %x", data, again)
		}
	})
}
