package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// Which objects a delivery has. An execution's input names what arrived and no
// more: the object, or the manifest or marker that completes several. Their list
// may be too long to travel between states (rule M1), and what it says is a
// matter of a report, not of a log: so prepare finds the objects and pins each in
// its version, and the plan, which is written once, says which ones it read.

// gather makes sure that the plan names the objects to read, each in its version.
// It may be called again: what was found stays.
func (p *preparation) gather(ctx context.Context) error {
	d := &p.plan.Start.Delivery
	if err := p.readList(ctx, d); err != nil {
		return err
	}
	if len(d.Objects) != 1 || d.By != nil || d.Objects[0].Bucket == "" {
		return nil
	}
	closing := d.Objects[0]
	if closing.Version == "" && closing.ETag == "" { // of a schedule, which knows only a name
		pinned, err := p.Inbox.Pin(ctx, closing)
		if err != nil {
			return fmt.Errorf("find the delivery: %w", err)
		}
		closing, d.Objects = pinned, []delivery.Object{pinned}
	}
	if delivery.RoleOf(closing.Key) == delivery.Part {
		return nil
	}
	if ownFolder(closing.Key) {
		return fault.New(fault.Refused, "needs_folder", "a manifest or marker must lie in the folder of its files, below the destination's own").
			At(closing.Name(), 0, "").
			Advise("unload into a folder for each delivery, inbox/AUDIENCE/DESTINATION/FOLDER/; a file of rows needs another name")
	}
	parts, err := p.parts(ctx, closing)
	if err != nil {
		return fmt.Errorf("find the objects of the delivery: %w", err)
	}
	d.Objects, d.By = parts, &closing
	return nil
}

// parts are the objects that a manifest or marker completes. A marker says nothing
// of its folder, so it must still be the one that was announced: engines write
// a new one after the last file of the next delivery.
func (s *Steps) parts(ctx context.Context, closing delivery.Object) ([]delivery.Object, error) {
	parts, err := delivery.Gather(ctx, s.Inbox, closing, s.Limits)
	if err != nil || delivery.RoleOf(closing.Key) != delivery.Marker {
		return parts, err
	}
	now, err := s.Inbox.Pin(ctx, delivery.Object{Bucket: closing.Bucket, Key: closing.Key})
	if err != nil {
		return nil, err
	}
	if now.Version != closing.Version || now.ETag != closing.ETag {
		return nil, fault.New(fault.Refused, "delivery_changed", "the folder was completed anew since: its new marker starts a run of its own").
			At(closing.Name(), 0, "")
	}
	return parts, nil
}

// checkFolder makes sure that a marker's folder still has exactly the objects that
// were read: somebody who copies a folder may copy its marker before its files.
func (s *Steps) checkFolder(ctx context.Context, d Delivery) error {
	if d.By == nil || delivery.RoleOf(d.By.Key) != delivery.Marker {
		return nil
	}
	now, err := s.parts(ctx, *d.By)
	if err != nil {
		return fmt.Errorf("look at the delivery's folder again: %w", err)
	}
	same := func(a, b delivery.Object) bool { return a.Key == b.Key && a.ETag == b.ETag && a.Size == b.Size }
	if slices.EqualFunc(now, d.Objects, same) {
		return nil
	}
	return fault.New(fault.Refused, "delivery_changed", "files came, went or changed in the folder after its marker").At(d.By.Name(), 0, "").
		Advise("write %s last, when all other files are there", d.By.Name())
}

// inlineBytes is how much of an execution's input the objects of a delivery may
// take; of more, the input has a reference (rule M1).
const inlineBytes = 32 << 10

// writeList moves a delivery's objects into the work store when there are too many to travel.
func (s *Steps) writeList(ctx context.Context, d Delivery) (Delivery, error) {
	data, err := json.Marshal(d.Objects)
	if err != nil {
		return d, fmt.Errorf("render the objects of the delivery: %w", err)
	}
	if len(data) <= inlineBytes {
		return d, nil
	}
	sum := sha256.Sum256(data)
	d.List, d.Objects = "deliveries/"+hex.EncodeToString(sum[:]), nil
	if err := s.Work.Create(ctx, d.List, data); err != nil && !errors.Is(err, store.ErrExists) {
		return d, fmt.Errorf("write down the objects of the delivery: %w", err)
	}
	return d, nil
}

// maxListBytes holds 10,000 objects with the longest keys.
const maxListBytes = 64 << 20

func (s *Steps) readList(ctx context.Context, d *Delivery) error {
	if d.List == "" || len(d.Objects) > 0 {
		return nil
	}
	data, err := store.ReadAll(ctx, s.Work, d.List, maxListBytes)
	if err != nil {
		return fmt.Errorf("read the objects of the delivery: %w", err)
	}
	if err := json.Unmarshal(data, &d.Objects); err != nil {
		return fault.New(fault.Broken, "list_unreadable", "object %s is not readable", d.List).Because(err)
	}
	return nil
}
