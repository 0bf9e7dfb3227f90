package snapshot

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"penstock/internal/store"
)

// Folding is what a run brings to the next snapshot.
type Folding struct {
	Hold
	Terms Terms
	// KeepOthers leaves keys that the run does not mention as they are: it neither
	// wrote nor deleted their records (upsert, update). Without it they go (mirror).
	KeepOthers bool
	// Changes are the fates of all rows of the run that may ever be sent, in any order; of one row
	// there may be several. A key has one row in a run.
	Changes iter.Seq2[Change, error]
	// Dir is for scratch files, 36 bytes a change.
	Dir string
}

// Folded is what a fold came to.
type Folded struct {
	Published bool   // false when the run has nothing to say any more: a later one was folded
	Rows      int64  // in the new snapshot
	Why       string // what was lost of the earlier snapshot, or why nothing was published; may be empty
}

// Fold makes the next snapshot of the latest one, if the run may rely on it, and
// of what became of the run's rows; then it closes the run. Call it before the
// turn is given back. Workers that are left do no harm: they can only send rows
// of the run, and of its keys the snapshot has those rows or none. It may be
// called again, late, or by two at once. One that fails leaves the earlier
// snapshot and the run open, so that the next run sends everything (rule H2).
func (p Place) Fold(ctx context.Context, f Folding) (Folded, error) {
	if err := f.Hold.check(); err != nil {
		return Folded{}, err
	}
	sorted := &changes{}
	defer sorted.remove()
	if err := sorted.gather(f, p.held); err != nil {
		return Folded{}, fmt.Errorf("gather what became of the rows of run %s: %w", f.Run, err)
	}
	for range maxTries {
		folded, done, err := p.fold(ctx, f, sorted)
		if err != nil {
			return Folded{}, fmt.Errorf("fold run %s into the snapshot: %w", f.Run, err)
		}
		if done {
			return folded, nil
		}
	}
	return Folded{}, busy()
}

// fold tries once; not done means that somebody else has published meanwhile.
func (p Place) fold(ctx context.Context, f Folding, sorted *changes) (_ Folded, done bool, err error) {
	s, err := p.open(ctx)
	if err != nil {
		return Folded{}, false, err
	}
	g, err := s.ground(ctx, f)
	if err != nil {
		return Folded{}, false, err
	}
	if g.late {
		return Folded{Why: g.why}, true, nil
	}
	next := head{V: headVersion, Terms: f.Terms, Epoch: f.Epoch, Run: f.Run, From: g.from}
	next.Folder = fmt.Sprintf("%08d-%s", s.number+1, strings.ToLower(rand.Text()[:12]))
	damaged, err := p.writeParts(ctx, &next, f, g, sorted)
	if err != nil {
		return Folded{}, false, err
	}
	if done, err = p.publish(ctx, s.number+1, next); err != nil || !done {
		return Folded{}, false, err
	}
	if damaged {
		g.why = whyDamaged
	}
	p.close(ctx, s, f.Hold, g)
	p.tidy(ctx, s.number)
	return Folded{Published: true, Rows: next.Rows, Why: g.why}, true, nil
}

// writeParts merges into parts, and fills in what the head says of them.
func (p Place) writeParts(ctx context.Context, next *head, f Folding, g ground, sorted *changes) (damaged bool, err error) {
	base, err := readEntries(ctx, g.base)
	if err != nil {
		return false, err
	}
	changes, err := sorted.open()
	if err != nil {
		return false, err
	}
	defer changes.close()
	expected := sorted.count
	if f.KeepOthers && g.base != nil {
		expected = max(expected, g.base.head.Rows)
	}
	next.Parts = 1
	for next.Parts < maxParts && int64(next.Parts)*int64(p.partRows) < expected {
		next.Parts *= 2
	}
	w := &partWriter{ctx: ctx, place: p, head: next}
	w.begin()
	if err := merge(base, changes, g.from, f.KeepOthers, w.put); err != nil {
		return false, err
	}
	return base.damaged, w.finish()
}

// partWriter writes entries that come in the order of their keys; a part is in memory until it is whole.
type partWriter struct {
	ctx   context.Context
	place Place
	head  *head
	n     int // the part at hand
	data  []byte
}

func (w *partWriter) put(m Mark) error {
	for n := partOf(m.Key[:], w.head.Parts); w.n < n; {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.data = appendMark(w.data, &m)
	w.head.Rows++
	return nil
}

// begin starts the part at hand.
func (w *partWriter) begin() { w.data = format{magic: partMagic}.begin(w.data[:0]) }

func (w *partWriter) flush() error {
	key, f := w.place.partKey(w.head.Folder, w.n)
	if err := w.place.work.Put(w.ctx, key, bytes.NewReader(f.end(w.data))); err != nil {
		return err
	}
	w.n++
	w.begin()
	return nil
}

func (w *partWriter) finish() error {
	for w.n < w.head.Parts {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return nil
}

// publish makes the head the latest generation; false when somebody else has published meanwhile.
func (p Place) publish(ctx context.Context, number int, h head) (bool, error) {
	data, err := json.Marshal(h)
	if err != nil {
		return false, err
	}
	switch err := p.work.Create(ctx, p.generationKey(number), data); {
	case errors.Is(err, store.ErrExists):
		p.removeParts(ctx, h.Folder)
		return false, nil
	case err != nil: // it may be there all the same, so its parts stay
		return false, err
	}
	// The number may have been free because it is so old that it was tidied away.
	latest, err := p.latest(ctx)
	return latest == number, err
}

// close settles the openings that the fold speaks for; the run's own last, so that while one of
// the others is left, it is too. One that cannot be deleted costs the next run a resend.
func (p Place) close(ctx context.Context, s *Snapshot, h Hold, g ground) {
	for _, o := range g.closes {
		if p.work.Delete(ctx, p.openingKey(o.name)) != nil {
			return
		}
	}
	for _, o := range s.openings {
		if o.run == h.Run && o.epoch <= h.Epoch {
			_ = p.work.Delete(ctx, p.openingKey(o.name))
		}
	}
}

// Void forgets the snapshot, and what runs that are open have confirmed so far:
// the next run sends everything. why stands in its report. Call it after the
// target was changed behind our back.
func (p Place) Void(ctx context.Context, why string) error {
	for range maxTries {
		s, err := p.open(ctx)
		if err != nil {
			return fmt.Errorf("forget the snapshot: %w", err)
		}
		next := head{V: headVersion, Epoch: s.head.Epoch, Run: s.head.Run, Void: why}
		for _, o := range s.openings {
			if o.epoch > next.Epoch && !s.unknown() {
				next.Epoch, next.Run = o.epoch, o.run
			}
		}
		if s.number == 0 && next.Epoch == 0 || !s.damaged && s.head.Void != "" && s.head.Epoch == next.Epoch {
			return nil
		}
		done, err := p.publish(ctx, s.number+1, next)
		if err != nil {
			return fmt.Errorf("forget the snapshot: %w", err)
		}
		if done {
			p.tidy(ctx, s.number)
			return nil
		}
	}
	return busy()
}
