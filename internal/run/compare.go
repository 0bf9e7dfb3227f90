package run

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/dataverse"
	"penstock/internal/snapshot"
	"penstock/internal/store"
)

// compare is rule H3: before a mirror leaves out rows that are as they were loaded
// last, it finds out which keys the table has. A turn's first account holds: what
// the run itself writes under it must not be taken for what was there.
func (v *survey) compare(ctx context.Context) (Surveyed, error) {
	known, err := v.readPresent(ctx, v.plan, v.in.Epoch)
	if err != nil || known != nil {
		return Surveyed{State: Done}, err
	}
	from, err := v.resume(ctx, toCompare)
	if err != nil {
		return Surveyed{}, err
	}
	if from.Present == nil || from.Present.Epoch != v.in.Epoch {
		begun, err := v.beginToCompare(ctx)
		if err != nil || begun == nil {
			return Surveyed{State: Done}, err
		}
		from = cursor{Phase: toCompare, Present: begun}
	}
	next, err := v.readPresence(ctx, from)
	if err != nil {
		return Surveyed{}, err
	}
	if next != "" {
		from.Next = next
		more, err := v.handOver(ctx, from, from.Present.Records)
		return orNothing(more), err
	}
	return Surveyed{State: Done, Records: from.Present.Records}, v.settlePresent(ctx, from.Present)
}

// beginToCompare is nil when nothing has to be read: every row is sent anyway.
func (v *survey) beginToCompare(ctx context.Context) (*present, error) {
	if v.plan.Terms == nil {
		return nil, nil
	}
	latest, err := v.place(v.plan).Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the snapshot: %w", err)
	}
	if ok, _ := latest.Usable(*v.plan.Terms, epoch{n: v.in.Epoch, holder: v.held}.hold()); !ok {
		return nil, nil
	}
	spares, err := v.spares(ctx, latest)
	if err != nil || !spares {
		return nil, err
	}
	return &present{V: 1, Epoch: v.in.Epoch, Bits: presentBits(max(latest.Rows(), v.plan.Rows.Read))}, nil
}

// spares tells whether the snapshot has any of the rows that are left to load as
// they are now: to look for one costs some objects, to read the table minutes of the service.
func (v *survey) spares(ctx context.Context, latest *snapshot.Snapshot) (bool, error) {
	for _, ref := range v.plan.Chunks {
		if ref.Marks == "" {
			continue
		}
		if !v.now().Before(v.until) {
			return latest.Rows() > 0, nil // nobody knows
		}
		marks, err := v.readMarks(ctx, ref)
		if err != nil {
			return false, err
		}
		same, _, err := latest.Same(ctx, marks)
		if err != nil {
			return false, fmt.Errorf("compare chunk %d with the snapshot: %w", ref.N, err)
		}
		known, err := v.readJournals(ctx, v.plan, loadPhase, ref)
		if err != nil {
			return false, err
		}
		for i, state := range known.states {
			if state == untouched && i < len(same) && same[i] {
				return true, nil
			}
		}
	}
	return false, nil
}

// readPresence reads keys from where the cursor is, and adds them to what is found.
func (v *survey) readPresence(ctx context.Context, from cursor) (next string, err error) {
	secret, err := v.place(v.plan).Secret(ctx)
	if err != nil {
		return "", err
	}
	marker, found := snapshot.NewMarker(secret), from.Present
	w := &presentWriter{work: v.Work, folder: v.plan.folder(), by: v.name, bits: found.Bits}
	next, err = v.pages(ctx, v.plan.Key, from.Next, func(records []dataverse.KeyRow) error {
		for _, record := range records {
			if key := v.keyOf(record); len(key) > 0 {
				w.add(shortMark(marker.Mark(key)))
			}
		}
		found.Records += int64(len(records))
		v.tell("%d records read", found.Records)
		if w.held < presentHeld {
			return nil
		}
		return w.flush(ctx)
	})
	if err == nil {
		err = w.flush(ctx)
	}
	found.Pieces = append(found.Pieces, w.pieces...)
	return next, err
}

// settlePresent makes what was found the turn's, unless another call was first: then that one's holds.
func (v *survey) settlePresent(ctx context.Context, found *present) error {
	if err := v.mayAct(ctx); err != nil {
		return err
	}
	found.At = v.now()
	err := store.CreateJSON(ctx, v.Work, presentKey(v.plan.folder(), v.in.Epoch), found)
	if err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("write down which records there are: %w", err)
	}
	return nil
}
