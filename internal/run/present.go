package run

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/snapshot"
	"penstock/internal/store"
)

// Which keys the table of a mirror has, so that a row whose record somebody else
// deleted is sent although it is unchanged (rule H3). The survey to compare reads
// them (compare.go) and leaves
//
//	present/PIECE/00f       short marks of keys, those of one range, ascending
//	present/epoch-00000012  what the survey under this turn found: its pieces
//
// A piece is what a survey has held in memory at a time, spread over ranges of
// keys, the same ranges in each piece. A chunk's keys are a range, so a worker
// reads a few objects of each piece, and holds none of them.

// present is the object present/EPOCH, written once.
type present struct {
	V       int       `json:"v"`
	Epoch   int       `json:"epoch"`
	At      time.Time `json:"at"`
	Records int64     `json:"records"` // under the filter, those without a key included
	Bits    int       `json:"bits"`    // 2^bits ranges
	Pieces  []string  `json:"pieces"`  // a range that has no key in a piece has no object there
}

// presentMagic begins the marks of one range. The rest is as in a key object (keys.go).
const presentMagic = "PSthere\x01"

func presentKey(folder string, epoch int) string {
	return fmt.Sprintf("%spresent/epoch-%08d", folder, epoch)
}

func presentRangeKey(folder, piece string, n int) string {
	return fmt.Sprintf("%spresent/%s/%03x", folder, piece, n)
}

// shortMark is enough of a key to tell it from others: among ten million keys the
// chance that any two are taken for one, and a deleted record's row stays away, is three in a million.
func shortMark(m snapshot.Mark) uint64 { return binary.BigEndian.Uint64(m.Key[:8]) }

// rangeOf is the range of a key among 2^bits.
func rangeOf(short uint64, bits int) int { return int(short >> (64 - bits)) }

const (
	// presentRange is about how many keys a range should have: a megabyte.
	presentRange = 1 << 17
	mostRanges   = 8 // bits
)

// presentBits sizes the ranges for a table of about so many records.
func presentBits(records int64) (bits int) {
	for bits < mostRanges && records>>bits > presentRange {
		bits++
	}
	return bits
}

// presentHeld is how many keys the survey holds before it stores a piece. Tests have fewer.
var presentHeld = 1 << 21

// A presentWriter stores keys by their ranges.
type presentWriter struct {
	work   store.Store
	folder string
	by     string // the call of survey: its pieces are its own
	ranges [][]uint64
	bits   int
	held   int
	pieces []string
}

func (w *presentWriter) add(short uint64) {
	if w.ranges == nil {
		w.ranges = make([][]uint64, 1<<w.bits)
	}
	n := rangeOf(short, w.bits)
	w.ranges[n] = append(w.ranges[n], short)
	w.held++
}

// flush stores what is held as a piece, if there is anything.
func (w *presentWriter) flush(ctx context.Context) error {
	if w.held == 0 {
		return nil
	}
	piece := fmt.Sprintf("%s-%03d", w.by, len(w.pieces))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(storesPerStep)
	for n, shorts := range w.ranges {
		if len(shorts) == 0 {
			continue
		}
		group.Go(func() error {
			return w.work.Put(ctx, presentRangeKey(w.folder, piece, n), bytes.NewReader(encodePresent(shorts)))
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("store which records there are: %w", err)
	}
	for n := range w.ranges {
		w.ranges[n] = w.ranges[n][:0]
	}
	w.pieces, w.held = append(w.pieces, piece), 0
	return nil
}

// encodePresent makes an object of a range's marks, which it sorts.
func encodePresent(shorts []uint64) []byte {
	slices.Sort(shorts)
	data := make([]byte, 0, 16+8*len(shorts)+sha256.Size)
	data = binary.BigEndian.AppendUint64(append(data, presentMagic...), uint64(len(shorts)))
	for _, short := range shorts {
		data = binary.BigEndian.AppendUint64(data, short)
	}
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

// readPresent is nil when no survey under this turn has found out what there is.
func (s *Steps) readPresent(ctx context.Context, plan *Plan, epoch int) (*present, error) {
	return readMark[present](ctx, s, presentKey(plan.folder(), epoch))
}

// keepPresent leaves of same only the rows whose records are in the table. Where
// that is not known for certain a row is sent: it costs a call, no row.
func (s *Steps) keepPresent(ctx context.Context, plan *Plan, epoch int, marks []snapshot.Mark, same []bool) error {
	if !slices.Contains(same, true) {
		return nil
	}
	table, err := s.readPresent(ctx, plan, epoch)
	if err != nil {
		return fmt.Errorf("read which records there are: %w", err)
	}
	if table == nil {
		clear(same)
		return nil
	}
	wanted := soughtOf(marks, same)
	if err := s.findPresent(ctx, plan, table, wanted); err != nil {
		return fmt.Errorf("read which records there are: %w", err)
	}
	for _, w := range wanted {
		same[w.row] = w.there
	}
	return nil
}

// sought is a key that a worker looks for.
type sought struct {
	short uint64
	row   int
	there bool
}

// soughtOf are the keys of the rows that are the same, ascending.
func soughtOf(marks []snapshot.Mark, same []bool) []sought {
	list := make([]sought, 0, len(marks))
	for i, yes := range same {
		if yes {
			list = append(list, sought{short: shortMark(marks[i]), row: i})
		}
	}
	slices.SortFunc(list, func(a, b sought) int { return cmp.Compare(a.short, b.short) })
	return list
}

// readsAtOnce is how many objects of a table's keys a worker reads at the same time.
const readsAtOnce = 8

// findPresent looks for keys, which ascend, in the ranges that they are in.
func (s *Steps) findPresent(ctx context.Context, plan *Plan, table *present, list []sought) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for len(list) > 0 {
		n := rangeOf(list[0].short, table.Bits)
		end, _ := slices.BinarySearchFunc(list, n+1, func(w sought, n int) int { return cmp.Compare(rangeOf(w.short, table.Bits), n) })
		some := list[:end]
		list = list[end:]
		for _, piece := range table.Pieces {
			group.Go(func() error {
				found, err := s.findInRange(ctx, presentRangeKey(plan.folder(), piece, n), some)
				mu.Lock()
				defer mu.Unlock()
				for _, i := range found {
					some[i].there = true
				}
				return err
			})
		}
	}
	return group.Wait()
}

// findInRange says which of the keys an object has: none when it is not there, or not as it was written.
func (s *Steps) findInRange(ctx context.Context, key string, list []sought) (found []int, err error) {
	body, err := s.Work.Open(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	at := 0
	err = eachHash(body, presentMagic, func(short uint64) {
		for ; at < len(list) && list[at].short <= short; at++ {
			if list[at].short == short {
				found = append(found, at)
			}
		}
	})
	if errors.Is(err, errHashes) {
		s.log().Warn("present", "object", key, "why", "it is not as it was written: rows are sent again")
		return nil, nil
	}
	return found, err
}
