package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sort"

	"penstock/internal/store"
)

// maxPart bounds what is read of a part: at the most parts, room for 30 billion entries.
const maxPart = 256 << 20

// Same tells of each mark whether the snapshot has it: then the target has this
// row already, if the snapshot is usable. It reads only the parts into which the
// keys fall, one at a time. A part that is damaged or gone has no entries; why
// then says so.
func (s *Snapshot) Same(ctx context.Context, marks []Mark) (same []bool, why string, err error) {
	same = make([]bool, len(marks))
	if s.head.Rows == 0 {
		return same, "", nil
	}
	order := make([]int, len(marks))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(marks[a].Key[:], marks[b].Key[:]) })
	var part partReader
	for i, at := range order {
		if n := partOf(marks[at].Key[:], s.head.Parts); i == 0 || n != part.n {
			if err := part.read(ctx, s, n); err != nil {
				return nil, "", fmt.Errorf("read part %d of the snapshot: %w", n, err)
			}
			if part.damaged {
				why = whyDamaged
			}
		}
		same[at] = part.has(&marks[at])
	}
	return same, why, nil
}

const (
	partMagic  = "PSpart\x00\x01"
	whyDamaged = "a part of what was remembered of the last load is damaged"
)

// partOf is the part of a key among so many: its leading bits.
func partOf(key []byte, parts int) int {
	return int(binary.BigEndian.Uint16(key)) >> (16 - bits.TrailingZeros(uint(parts)))
}

func (s *Snapshot) partKey(n int) (key string, f format) { return s.place.partKey(s.head.Folder, n) }

func (p Place) partKey(folder string, n int) (key string, f format) {
	name := fmt.Sprintf("%s/%03x", folder, n)
	return p.prefix + "parts/" + name, format{magic: partMagic, label: name}
}

// partReader holds one part; its buffer serves the next one.
type partReader struct {
	n       int
	damaged bool
	entries []byte
	buffer  bytes.Buffer
}

func (r *partReader) read(ctx context.Context, s *Snapshot, n int) error {
	r.n, r.damaged, r.entries = n, false, nil
	key, f := s.partKey(n)
	r.buffer.Reset()
	err := readInto(ctx, &r.buffer, s.place.work, key)
	if err == nil {
		r.entries, err = f.entries(r.buffer.Bytes())
	}
	if err == nil && !ascending(r.entries, n, s.head.Parts) {
		err = errDamaged
	}
	if errors.Is(err, errDamaged) || errors.Is(err, store.ErrNotExist) {
		r.damaged, r.entries = true, nil
		return nil
	}
	return err
}

func readInto(ctx context.Context, buffer *bytes.Buffer, work store.Store, key string) error {
	body, err := work.Open(ctx, key)
	if err != nil {
		return err
	}
	defer body.Close()
	if n, err := buffer.ReadFrom(io.LimitReader(body, maxPart+1)); err != nil {
		return err
	} else if n > maxPart {
		return errDamaged
	}
	return nil
}

// ascending tells whether the entries are in order and in their part, on which finding and merging rest.
func ascending(entries []byte, n, parts int) bool {
	count := len(entries) / markBytes
	for i := range count {
		if i > 0 && bytes.Compare(keyAt(entries, i-1), keyAt(entries, i)) >= 0 {
			return false
		}
	}
	return count == 0 || partOf(keyAt(entries, 0), parts) == n && partOf(keyAt(entries, count-1), parts) == n
}

func (r *partReader) has(m *Mark) bool {
	count := len(r.entries) / markBytes
	i := sort.Search(count, func(i int) bool { return bytes.Compare(keyAt(r.entries, i), m.Key[:]) >= 0 })
	return i < count && markAt(r.entries, i) == *m
}
