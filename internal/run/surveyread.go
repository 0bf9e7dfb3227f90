package run

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/dataverse"
	"penstock/internal/store"
)

// A cursor is how far reading a table has come. Each call of survey that hands
// back writes one of its own, and chunks of its own: a call that is repeated goes
// on from the same cursor and disturbs nothing.
type cursor struct {
	V     int    `json:"v"`
	Phase string `json:"phase"`
	Next  string `json:"next"` // the service's link to the next page
	Round round  `json:"round"`
}

// verdict says what is done with a record that was read.
type verdict uint8

const (
	remove verdict = iota
	keep
	keepKeyless
	keepKnown
	keepNew
)

// read goes through the records under the filter and cuts deletes of those that
// judge says. With more it was not done in time, and out says where to go on.
// columns are what judge looks at; without judge records are only counted.
func (v *survey) read(ctx context.Context, phase string, columns []string, judge func(dataverse.KeyRow) verdict) (r round, out *Surveyed, err error) {
	from, err := v.resume(ctx, phase)
	if err != nil {
		return r, nil, err
	}
	r = from.Round
	chunks := &chunkWriter{ctx: ctx, work: v.Work, folder: v.plan.folder(), by: v.name, phase: phase, refs: r.Chunks}
	for next := from.Next; ; {
		keys, following, err := v.client.KeysPage(ctx, v.plan.Table, columns, v.plan.Filter, next)
		if err != nil {
			return r, nil, err
		}
		for _, key := range keys {
			r.Read++
			if judge == nil {
				continue
			}
			if v.in.Purpose == toSweep && v.isNew(key) {
				r.New++
			}
			if err := r.take(chunks, key, judge(key)); err != nil {
				return r, nil, err
			}
		}
		v.progress(Progress{Run: v.in.Run, Destination: v.in.Destination, Step: v.in.Purpose,
			Note: fmt.Sprintf("%d records read, %d of them to delete", r.Read, r.Records)})
		if next = following; next != "" && v.now().Before(v.until) {
			if err := v.fence.check(ctx); err != nil {
				return r, nil, err
			}
			continue
		}
		if err := chunks.flush(); err != nil {
			return r, nil, err
		}
		if r.Chunks = chunks.refs; next == "" {
			return r, nil, nil
		}
		return r, &Surveyed{State: More, Phase: phase, Cursor: v.name, Records: r.Read},
			store.PutJSON(ctx, v.Work, cursorKey(v.plan.folder(), v.name), cursor{V: 1, Phase: phase, Next: next, Round: r})
	}
}

func (r *round) take(chunks *chunkWriter, key dataverse.KeyRow, what verdict) error {
	switch what {
	case keepNew:
		r.Since++
	case keepKeyless:
		r.Keyless++
	case keepKnown:
		r.Known++
	case remove:
		r.Records++
		return chunks.add(appendOperation(nil, deletion(key)))
	}
	return nil
}

// resume is where the last call left off, if it was at this phase.
func (v *survey) resume(ctx context.Context, phase string) (from cursor, err error) {
	last := v.in.Last
	if last == nil || last.State != More || last.Phase != phase {
		return from, nil
	}
	err = store.ReadJSON(ctx, v.Work, cursorKey(v.plan.folder(), last.Cursor), &from)
	if errors.Is(err, store.ErrNotExist) {
		return cursor{}, nil // read anew
	}
	if err != nil {
		return from, fmt.Errorf("read how far the survey is: %w", err)
	}
	return from, nil
}
