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
	Round round  `json:"round,omitzero"`

	Present *present `json:"present,omitempty"` // to compare: what is found so far
}

// verdict says what is done with a record that was read.
type verdict uint8

const (
	remove verdict = iota
	keep
	keepKeyless
	keepKnown
	keepNew
	keepDoubtful
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
	next, err := v.pages(ctx, columns, from.Next, func(keys []dataverse.KeyRow) error {
		for _, key := range keys {
			r.Read++
			if judge == nil {
				continue
			}
			if v.in.Purpose == toSweep && v.isNew(key) {
				r.New++
			}
			if err := r.take(chunks, key, judge(key)); err != nil {
				return err
			}
		}
		v.tell("%s read, %d of them to delete", countOf(r.Read, "record", "records"), r.Records)
		return nil
	})
	if err != nil {
		return r, nil, err
	}
	if err := chunks.flush(); err != nil {
		return r, nil, err
	}
	if v.doubts != nil {
		if err := v.doubts.store(ctx, v, &r, next != ""); err != nil {
			return r, nil, err
		}
	}
	if r.Chunks = chunks.refs; next == "" {
		return r, nil, nil
	}
	out, err = v.handOver(ctx, cursor{Phase: phase, Next: next, Round: r}, r.Read)
	return r, out, err
}

// pages goes through the records under the filter, page by page, from the link to
// one of them on. next is where to go on when time was up, "" when all is read.
func (v *survey) pages(ctx context.Context, columns []string, from string, visit func([]dataverse.KeyRow) error) (next string, err error) {
	for next = from; ; {
		keys, following, err := v.client.KeysPage(ctx, v.plan.Table, columns, v.plan.Filter, next)
		if err != nil {
			return "", err
		}
		if err := visit(keys); err != nil {
			return "", err
		}
		if next = following; next == "" || !v.now().Before(v.until) {
			return next, nil
		}
		if err := v.fence.check(ctx); err != nil {
			return "", err
		}
	}
}

// handOver writes down how far the reading is; the next call goes on there.
func (v *survey) handOver(ctx context.Context, c cursor, read int64) (*Surveyed, error) {
	c.V = 1
	return &Surveyed{State: More, Phase: c.Phase, Cursor: v.name, Records: read},
		store.PutJSON(ctx, v.Work, cursorKey(v.plan.folder(), v.name), c)
}

// tell says to who watches how far the survey is.
func (v *survey) tell(format string, args ...any) {
	v.progress(Progress{Run: v.in.Run, Destination: v.in.Destination, Step: v.in.Purpose, Note: fmt.Sprintf(format, args...)})
}

func (r *round) take(chunks *chunkWriter, key dataverse.KeyRow, what verdict) error {
	switch what {
	case keepNew:
		r.Since++
	case keepKeyless:
		r.Keyless++
	case keepDoubtful:
		r.Doubtful++
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
