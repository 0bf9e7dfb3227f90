package run

import (
	"encoding/binary"
	"fmt"

	"penstock/internal/config"
)

// twice tells whether any two keys of a partition may be the same. Mostly none
// are, and to know that half of each key's hash is enough: this takes a fifth of the memory and a tenth of the
// time of duplicates, which knows the rows.
type twice struct {
	slots []uint64
	count int
}

// leastSlots is how many a table begins with, and mostRows up to how many rows it is made for at
// once. Beyond them it grows with the keys that there are: all rows may have the same one.
const (
	leastSlots = 16
	mostRows   = 1 << 20
)

// slotsFor is how many slots so many rows take.
func slotsFor(rows int) int {
	size := leastSlots
	for size < 2*min(rows, mostRows) {
		size *= 2
	}
	return size
}

func (t *twice) reset(rows int) {
	t.count = 0
	if size := slotsFor(rows); size <= cap(t.slots) {
		t.slots = t.slots[:size]
		clear(t.slots)
	} else {
		t.slots = make([]uint64, size)
	}
}

// add takes in a key, and says whether it may have been there already.
func (t *twice) add(key []byte) bool {
	half := max(binary.LittleEndian.Uint64(key[8:16]), 1) // within a partition the first bytes are the same; 0 is a free slot
	slot := t.slot(half)
	if *slot == half {
		return true
	}
	*slot = half
	if t.count++; 2*t.count > len(t.slots) {
		t.grow()
	}
	return false
}

func (t *twice) slot(half uint64) *uint64 {
	mask := uint64(len(t.slots) - 1)
	for i := half & mask; ; i = (i + 1) & mask {
		if t.slots[i] == 0 || t.slots[i] == half {
			return &t.slots[i]
		}
	}
}

func (t *twice) grow() {
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	for _, half := range old {
		if half != 0 {
			*t.slot(half) = half
		}
	}
}

// duplicates finds the rows of one partition that have the same key. It is filled
// with all of them in the order of the file and asked afterwards.
type duplicates struct {
	policy   config.Duplicates
	keysOnly twice
	slots    []uint32 // place in keys, plus one, by the key's hash
	keys     []rowsOfKey
	found    bool // some key has several rows
}

// rowsOfKey are the rows of one key.
type rowsOfKey struct {
	key         keyHash
	count       uint32
	first, last place
}

type place struct{ row, line, object uint32 }

func placeOf(e *entry) place { return place{uint32(e.row), uint32(e.line), uint32(e.object)} }

func (d *duplicates) reset(rows int) {
	if size := slotsFor(rows); size <= cap(d.slots) {
		d.slots = d.slots[:size]
		clear(d.slots)
	} else {
		d.slots = make([]uint32, size)
	}
	d.keys, d.found = d.keys[:0], false
}

// slot is where a key is, or would be. The last bytes of its hash decide: within a
// partition the first are the same.
func (d *duplicates) slot(key *keyHash) *uint32 {
	mask := uint64(len(d.slots) - 1)
	for i := binary.LittleEndian.Uint64(key[8:]) & mask; ; i = (i + 1) & mask {
		if at := d.slots[i]; at == 0 || d.keys[at-1].key == *key {
			return &d.slots[i]
		}
	}
}

func (d *duplicates) note(e *entry) {
	at := placeOf(e)
	slot := d.slot((*keyHash)(&e.mark.Key))
	if *slot == 0 {
		d.keys = append(d.keys, rowsOfKey{key: e.mark.Key, count: 1, first: at, last: at})
		*slot = uint32(len(d.keys))
		if 2*len(d.keys) > len(d.slots) {
			d.grow()
		}
		return
	}
	k := &d.keys[*slot-1]
	k.count++
	k.last, d.found = at, true
}

func (d *duplicates) grow() {
	d.slots = make([]uint32, 2*len(d.slots))
	for i := range d.keys {
		*d.slot(&d.keys[i].key) = uint32(i + 1)
	}
}

// against says why a row must not be written; "" when it may.
func (d *duplicates) against(e *entry) string {
	if !d.found {
		return ""
	}
	k := &d.keys[*d.slot((*keyHash)(&e.mark.Key))-1]
	switch {
	case k.count == 1:
		return ""
	case d.policy == config.RejectBoth:
		other := k.last
		if other == placeOf(e) {
			other = k.first
		}
		more := ""
		if k.count > 2 {
			more = fmt.Sprintf(" and on %d more", k.count-2)
		}
		return fmt.Sprintf("the same key stands on line %s%s too, and none of these rows is written; keep one of them", other.from(e), more)
	case k.last == placeOf(e):
		return ""
	}
	return fmt.Sprintf("the same key stands again on line %s, and the last one wins; remove one of the two", k.last.from(e))
}

// from is the place as seen from a row, which may be in another object of the delivery.
func (p place) from(e *entry) string {
	if int(p.object) == e.object {
		return fmt.Sprint(p.line)
	}
	return fmt.Sprintf("%d of object %d of the delivery", p.line, p.object+1)
}
