// Package snapshot remembers, for one destination, what each row was when it was last written, so that a later run sends only what changed.
package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// Objects of a place in the work store:
//
//	snapshots/DESTINATION/TARGET/secret                     the key of all marks, create-once
//	                             open/EPOCH-RUN             this run may have written since (rule H2)
//	                             generations/00000007       one snapshot: what it holds for, where its parts are
//	                             parts/00000007-NONCE/01f   its entries, sorted, by the leading bits of their keys
//
// The highest generation is the snapshot. A generation is created once: of two
// folds that build on one snapshot only one succeeds, the other builds anew on
// the winner's. Nothing that a generation names is ever changed. What an entry
// says was true of the target at the end of the generation's epoch; an entry that
// is missing costs a resend and nothing else, so in any doubt it is left out.

// A Place is where the snapshots of one destination and one target are kept.
// Epochs are counted by target, so those of two targets must not meet.
type Place struct {
	work   store.Store
	prefix string

	held     int // changes that a fold holds in memory
	partRows int // entries that a part should have
}

// At is the place of a destination's snapshots; target is the name under which its turns are counted.
func At(work store.Store, destination, target string) Place {
	return Place{work: work, prefix: "snapshots/" + destination + "/" + target + "/", held: 1 << 18, partRows: 50_000}
}

// Terms are what a snapshot holds for: with any difference it is void (rule H1).
type Terms struct {
	Organization string   `json:"organization"`
	Table        string   `json:"table"`
	Mode         string   `json:"mode"`
	Key          []string `json:"key"`
	Mapping      string   `json:"mapping"` // hash of mapping and null policy
	Secret       string   `json:"secret"`  // Fingerprint of what the marks were made with
}

// differ names what differs; "" when nothing does.
func (t Terms) differ(from Terms) string {
	switch {
	case t.Organization != from.Organization:
		return "the environment"
	case t.Table != from.Table:
		return "the table"
	case t.Mode != from.Mode:
		return "the mode"
	case !slices.Equal(t.Key, from.Key):
		return "the key"
	case t.Mapping != from.Mapping:
		return "the mapping"
	case t.Secret != from.Secret:
		return "the secret of the comparison"
	}
	return ""
}

// Hold is a run's turn at the target.
type Hold struct {
	Run   string
	Epoch int
	// Since is the first of the unbroken line of epochs, up to Epoch, that were held by runs
	// of this place that keep its snapshots. 0 is unknown and counts as Epoch.
	Since int
}

func (h Hold) since() int {
	if h.Since < 1 {
		return h.Epoch
	}
	return h.Since
}

// maxEpoch is what eight digits hold, in which openings sort.
const maxEpoch = 99_999_999

func (h Hold) check() error {
	if h.Epoch < 1 || h.Epoch > maxEpoch || h.Run == "" {
		return fault.New(fault.Broken, "snapshot_without_turn", "run %q asks for a snapshot with epoch %d; it needs a turn", h.Run, h.Epoch)
	}
	return nil
}

const secretBytes = 32

// Secret is the key of the place's marks. The first who asks makes it; of several
// at the same time all get the winner's.
func (p Place) Secret(ctx context.Context) ([]byte, error) {
	key := p.prefix + "secret"
	secret, err := store.ReadAll(ctx, p.work, key, secretBytes)
	if errors.Is(err, store.ErrNotExist) {
		fresh := make([]byte, secretBytes)
		rand.Read(fresh) // never fails
		err = p.work.Create(ctx, key, fresh)
		if err == nil {
			return fresh, nil
		}
		if errors.Is(err, store.ErrExists) {
			secret, err = store.ReadAll(ctx, p.work, key, secretBytes)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("get the secret of the comparison: %w", err)
	}
	if len(secret) != secretBytes {
		return nil, fault.New(fault.Broken, "snapshot_secret_damaged", "object %s has %d bytes, not %d", key, len(secret), secretBytes).
			Advise("delete it; everything is sent once more")
	}
	return secret, nil
}
