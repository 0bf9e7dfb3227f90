package run

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"penstock/internal/delivery"
	"penstock/internal/fault"
)

// Rule P2: gzip and its like can only be unpacked from their beginning, so every
// invocation would unpack again what those before it have read. When one has
// stopped far inside such an object, the next one first copies what is left of
// it into parts that can be entered by themselves, and all read those. A copy that
// takes longer than an invocation is gone on with by the next; no row is read
// before it is whole. What an invocation stores lies under a name of its own, so what
// a killed one has left is in no step and never read.

// A reframing is the copy of one object of the delivery. It is part of a step.
type reframing struct {
	Object  int             `json:"object"`
	Frames  delivery.Frames `json:"frames"`
	Stretch []stretch       `json:"stretch"`
}

// A stretch is the parts that one invocation has stored.
type stretch struct {
	Prefix string `json:"prefix"`
	First  int    `json:"first"` // of the copy's parts
}

// key names a part.
func (r *reframing) key(part int) string {
	at := r.Stretch[0]
	for _, s := range r.Stretch {
		if s.First <= part {
			at = s
		}
	}
	return fmt.Sprintf("%s%05d", at.Prefix, part)
}

// Before reframeFrom, unpacking anew takes a second at most, or a few of bzip2. Tests make both smaller.
var (
	reframeFrom int64 = 64 << 20
	framePart   int64 = delivery.FramePart
)

// reframe makes sure that the object the cursor is in can be entered there. It says
// errTimeUp when the copy is not whole yet.
func (p *preparation) reframe(ctx context.Context) error {
	at := p.after.Cursor
	o := p.plan.Start.Delivery.Objects[at.Object]
	r := p.after.Reframing
	if r != nil && r.Object != at.Object {
		r, p.after.Reframing = nil, nil // that object has been read
	}
	switch {
	case r != nil && r.Frames.Whole:
		return nil
	case r == nil:
		if at.Ended || at.Offset < reframeFrom {
			return nil
		}
		if packed, err := delivery.Packed(ctx, p.Inbox, o); err != nil || !packed {
			return err
		}
		r = &reframing{Object: at.Object, Frames: delivery.Frames{Part: framePart, From: at.Offset, End: at.Offset}}
	}
	longer, err := p.extend(ctx, r, o)
	if err != nil {
		return fmt.Errorf("copy %s into parts: %w", o.Name(), err)
	}
	p.after.Reframing = longer
	switch {
	case longer.Frames.Whole:
		return nil
	case longer.Frames.End == r.Frames.End:
		return fault.New(fault.Refused, "unpacks_too_slowly", "unpacking the file up to the place where reading stopped takes longer than one call of prepare may").
			At(o.Name(), 0, "").Advise("deliver it in smaller files, or compressed with gzip or zstd, which unpack faster than bzip2")
	}
	return errTimeUp
}

// extend gives a longer copy, or the same one when time was up too early.
func (p *preparation) extend(ctx context.Context, r *reframing, o delivery.Object) (*reframing, error) {
	one := stretch{Prefix: fmt.Sprintf("%s%05d-%s/", framesPrefix(p.plan.folder(), p.plan.By), r.Object, attemptID()), First: -1}
	stores, storing := errgroup.WithContext(ctx)
	stores.SetLimit(storesAtOnce)
	longer := &reframing{Object: r.Object, Stretch: r.Stretch}
	put := func(part int, data []byte) error {
		if one.First < 0 {
			one.First = part
			longer.Stretch = append(longer.Stretch[:len(longer.Stretch):len(longer.Stretch)], one)
		}
		key := longer.key(part)
		stores.Go(func() error { return p.Work.Put(storing, key, bytes.NewReader(data)) })
		return storing.Err()
	}
	frames, err := delivery.Reframe(ctx, p.Inbox, o, p.Limits, r.Frames, put, p.time.up)
	if stored := stores.Wait(); stored != nil {
		err = stored // also when it is what ended the copying
	}
	longer.Frames = frames
	return longer, err
}

// opener opens the delivery's objects, or the copy in place of one.
func (p *preparation) opener() delivery.Opener {
	r := p.after.Reframing
	if r == nil || !r.Frames.Whole {
		return p.Inbox
	}
	return delivery.Framed{Opener: p.Inbox, Object: p.plan.Start.Delivery.Objects[r.Object], Frames: r.Frames,
		Part: func(ctx context.Context, part int) (io.ReadCloser, error) {
			body, err := p.Work.Open(ctx, r.key(part))
			if err != nil {
				return nil, err
			}
			return storedBody{storeReader{body}, body}, nil
		}}
}

// storedBody is an object of the run that is read to its end.
type storedBody struct {
	io.Reader
	io.Closer
}
