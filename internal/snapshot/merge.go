package snapshot

import (
	"bytes"
	"context"
	"fmt"
)

// verdict is what several changes of one key come to. All that a run may ever send
// for a key is one row, so the next snapshot has that row or none.
type verdict struct {
	mentioned bool // by the run at all
	fate      Fate
	row       [markHalf]byte
}

// add takes one more change of the key. Whatever contradicts or is too old to count leaves the key in doubt.
func (v *verdict) add(c *Change, from int) {
	fate := c.Fate
	if fate == Confirmed && c.Epoch < from {
		fate = Doubtful
	}
	switch {
	case !v.mentioned:
		*v = verdict{mentioned: true, fate: fate, row: c.Row}
	case v.row != c.Row:
		v.fate = Doubtful
	default:
		v.fate = min(v.fate, fate)
	}
}

// keeps tells whether the key is in the next snapshot; entry is what the base has of it, or nil.
func (v *verdict) keeps(entry *Mark, keepOthers bool) bool {
	switch {
	case !v.mentioned:
		return entry != nil && keepOthers
	case v.fate == Untouched:
		return entry != nil && entry.Row == v.row
	}
	return v.fate == Confirmed
}

// merge gives put the entries of the next snapshot in the order of their keys.
func merge(base *entryReader, changes *changeReader, from int, keepOthers bool, put func(Mark) error) error {
	for {
		entry, change := base.peek(), changes.peek()
		var key [markHalf]byte
		switch {
		case entry == nil && change == nil:
			return nil
		case change == nil || entry != nil && bytes.Compare(entry.Key[:], change.Key[:]) < 0:
			key = entry.Key
		default:
			key = change.Key
		}
		if entry != nil && entry.Key != key {
			entry = nil
		}
		v, err := judge(changes, key, from)
		if err != nil {
			return err
		}
		if v.keeps(entry, keepOthers) {
			next := Mark{Key: key, Row: v.row}
			if !v.mentioned {
				next.Row = entry.Row
			}
			if err := put(next); err != nil {
				return err
			}
		}
		if entry != nil {
			if err := base.next(); err != nil {
				return err
			}
		}
	}
}

// judge takes all changes of a key.
func judge(changes *changeReader, key [markHalf]byte, from int) (v verdict, err error) {
	for c := changes.peek(); c != nil && c.Key == key; c = changes.peek() {
		v.add(c, from)
		if err := changes.next(); err != nil {
			return v, err
		}
	}
	return v, nil
}

// entryReader gives a snapshot's entries in the order of their keys. Without a
// snapshot, and instead of a damaged part, there are none.
type entryReader struct {
	ctx     context.Context
	s       *Snapshot // nil: none
	part    partReader
	at      int // of the next entry in the part
	current Mark
	damaged bool // some part was
}

func readEntries(ctx context.Context, s *Snapshot) (*entryReader, error) {
	r := &entryReader{ctx: ctx}
	if s == nil || s.head.Rows == 0 {
		return r, nil
	}
	r.s = s
	r.part.n = -1
	return r, r.next()
}

// peek is the next entry; nil at the end.
func (r *entryReader) peek() *Mark {
	if r.s == nil {
		return nil
	}
	return &r.current
}

func (r *entryReader) next() error {
	for r.at*markBytes == len(r.part.entries) {
		if r.part.n+1 == r.s.head.Parts {
			r.s = nil
			return nil
		}
		n := r.part.n + 1
		if err := r.part.read(r.ctx, r.s, n); err != nil {
			return fmt.Errorf("read part %d of the snapshot: %w", n, err)
		}
		r.at = 0
		r.damaged = r.damaged || r.part.damaged
	}
	r.current = markAt(r.part.entries, r.at)
	r.at++
	return nil
}
