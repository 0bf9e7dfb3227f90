package run

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"penstock/internal/mapping"
	"penstock/internal/snapshot"
)

// presence remembers which keys the table of a mirror has, for the run and the
// turn that read it last: its workers in this process read it once.
type presence struct {
	mu   sync.Mutex
	of   indexOf
	keys []uint64 // the first eight bytes of the marks' keys, ascending
}

// keepPresent leaves of same only the rows whose records are in the table: a
// mirror reads the table anyway, and resends what somebody else deleted (rule H3).
func (s *Steps) keepPresent(ctx context.Context, plan *Plan, epoch int, marks []snapshot.Mark, same []bool) error {
	if !slices.Contains(same, true) {
		return nil
	}
	present, err := s.presentKeys(ctx, plan, epoch)
	if err != nil {
		return fmt.Errorf("read which records there are: %w", err)
	}
	for i := range same {
		if same[i] {
			_, same[i] = slices.BinarySearch(present, shortMark(marks[i]))
		}
	}
	return nil
}

// shortMark is enough of a key to tell it from others: among ten million keys the
// chance that any two are taken for one, and a deleted record's row stays away, is three in a million.
func shortMark(m snapshot.Mark) uint64 { return binary.BigEndian.Uint64(m.Key[:8]) }

func (s *Steps) presentKeys(ctx context.Context, plan *Plan, epoch int) ([]uint64, error) {
	p := &s.present
	p.mu.Lock()
	defer p.mu.Unlock()
	of := indexOf{run: plan.Start.Run, phase: loadPhase, epoch: epoch}
	if p.of == of {
		return p.keys, nil
	}
	secret, err := s.place(plan).Secret(ctx)
	if err != nil {
		return nil, err
	}
	client, err := s.connection(ctx, plan)
	if err != nil {
		return nil, err
	}
	marker := snapshot.NewMarker(secret)
	var keys []uint64
	for record, err := range client.Keys(ctx, plan.Table, plan.Key, plan.Filter) {
		if err != nil {
			return nil, err
		}
		key := mapping.RecordKey(plan.Table, plan.Key, record.Values)
		if plan.Table.Type == "Elastic" && len(plan.Key) == 1 {
			key = mapping.InPartition(key, record.ID, record.Partition)
		}
		if len(key) > 0 {
			keys = append(keys, shortMark(marker.Mark(key)))
		}
	}
	slices.Sort(keys)
	p.of, p.keys = of, keys
	return keys, nil
}
