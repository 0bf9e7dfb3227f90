package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// An opening says that a run may have written in an epoch. Until it is closed,
// what the snapshot says of the keys of that run is in doubt: of all keys, since
// nobody wrote down which (rule H2).
type opening struct {
	name  string // EPOCH-RUN
	epoch int    // 0 when the name is not ours
	run   string
}

// begun is an opening's content.
type begun struct {
	// Saw are the openings of other runs that were there when this one began, Generation
	// is the latest there was. All writes of this run in this epoch came after them.
	Saw        []string `json:"saw,omitempty"`
	Generation int      `json:"generation"`
}

func (p Place) openingKey(name string) string { return p.prefix + "open/" + name }

// Begin must be called before the first write of each worker of the run
// (rule H2). Calling it again is harmless and costs one list.
func (p Place) Begin(ctx context.Context, h Hold) error {
	if err := h.check(); err != nil {
		return err
	}
	if err := p.begin(ctx, h); err != nil {
		return fmt.Errorf("mark what run %s may touch: %w", h.Run, err)
	}
	return nil
}

func (p Place) begin(ctx context.Context, h Hold) error {
	openings, err := p.openings(ctx)
	if err != nil {
		return err
	}
	var content begun
	for _, o := range openings {
		switch {
		case o.run == h.Run && o.epoch == h.Epoch:
			return nil
		case o.run != h.Run:
			content.Saw = append(content.Saw, o.name)
		}
	}
	if content.Generation, err = p.latest(ctx); err != nil {
		return err
	}
	err = store.CreateJSON(ctx, p.work, p.openingKey(fmt.Sprintf("%08d-%s", h.Epoch, h.Run)), content)
	if errors.Is(err, store.ErrExists) {
		return nil // another worker of the run was first
	}
	return err
}

func (p Place) openings(ctx context.Context) ([]opening, error) {
	var openings []opening
	prefix := p.openingKey("")
	for info, err := range p.work.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		o := opening{name: strings.TrimPrefix(info.Key, prefix)}
		if epoch, run, ok := strings.Cut(o.name, "-"); ok {
			if n, err := strconv.Atoi(epoch); err == nil {
				o.epoch, o.run = n, run
			}
		}
		openings = append(openings, o)
	}
	return openings, nil
}

// begun reads what an opening followed: nothing that is known, when it was closed
// since, by another fold of its run, or is damaged.
func (p Place) begun(ctx context.Context, o opening) (content begun, err error) {
	err = store.ReadJSON(ctx, p.work, p.openingKey(o.name), &content)
	if fail, _ := fault.As(err); errors.Is(err, store.ErrNotExist) || fail != nil && fail.Code == "bad_object" {
		return begun{}, nil
	}
	if err != nil {
		return begun{}, fmt.Errorf("read what run %s followed: %w", o.run, err)
	}
	return content, nil
}
