package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"strings"
	"sync"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/mapping"
)

const (
	// indexFrom is from how many operations on a table is read once rather than asked for each of them.
	indexFrom = 5000
	// indexShare and indexMost bound how much is read for that: so many records for each operation (a page
	// of 5,000 costs the service about what some hundred queries do), and what fits into memory.
	indexShare = 20
	indexMost  = 2_000_000
)

// indexOf is what an index is good for: a later phase or another turn may have changed what it was read from.
type indexOf struct {
	run, phase string
	epoch      int
}

// index finds the records of a table by columns that are no key, without
// asking for each. Only what is certain is answered by it.
type index struct {
	turn  chan struct{} // one reader at a time
	users int           // guarded by crew.mu

	read  bool                // or found to be too large
	found *dataverse.Index    // nil when it is
	odd   map[uint64]struct{} // normal forms of which the table has a spelling that differs by more than case
	seed  maphash.Seed
}

// lookup is what a Writer finds records with, for rows that are matched by
// columns or that are to be written by id; nil where asking for each of them, or
// leaving it to the service, is cheaper.
func (w *attempt) lookup(ctx context.Context) (find func([][]dataverse.KeyPart) ([][]string, []bool), leave func(), err error) {
	leave = func() {}
	operations := int64(0)
	for _, ref := range w.refs() {
		operations += int64(ref.Operations)
	}
	if !w.plan.MatchOn && !w.byID() || operations < indexFrom {
		return nil, leave, nil
	}
	x, leave := w.crew.index(indexOf{w.plan.Start.Run, w.phase, w.fence.epoch})
	if err := x.fill(ctx, w.client, w.plan, min(operations*indexShare, indexMost)); err != nil {
		leave()
		return nil, nil, err
	}
	if x.found == nil {
		return nil, leave, nil
	}
	return func(keys [][]dataverse.KeyPart) ([][]string, []bool) { return x.find(w.plan.Key, keys) }, leave, nil
}

// byID tells whether upserts by alternate key are written by id where that is known.
func (w *attempt) byID() bool {
	return w.plan.Options.ByID && w.phase == loadPhase && w.plan.Table.Key(w.plan.Key) != nil && w.plan.Table.Type != "Elastic"
}

// refs are the chunks of the phase, where the plan says which.
func (w *attempt) refs() []ChunkRef {
	switch w.phase {
	case loadPhase:
		return w.plan.Chunks
	case linkPhase:
		return w.plan.Links
	}
	return nil
}

// index is the one for a phase of a run; leave it when done. One that nobody uses
// stays until another is wanted: the next chunk's worker may come soon.
func (c *crew) index(of indexOf) (x *index, leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x = c.indexes[of]; x == nil {
		for other, idle := range c.indexes {
			if idle.users == 0 {
				delete(c.indexes, other)
			}
		}
		if c.indexes == nil {
			c.indexes = make(map[indexOf]*index)
		}
		x = &index{turn: make(chan struct{}, 1), odd: make(map[uint64]struct{}), seed: maphash.MakeSeed()}
		c.indexes[of] = x
	}
	x.users++
	var once sync.Once
	return x, func() {
		once.Do(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			x.users--
		})
	}
}

// fill reads the index, unless it was read already.
func (x *index) fill(ctx context.Context, client *dataverse.Client, plan *Plan, most int64) error {
	select {
	case x.turn <- struct{}{}:
		defer func() { <-x.turn }()
	case <-ctx.Done():
		return fault.New(fault.Interrupted, "stopped", "the worker was stopped").Because(ctx.Err())
	}
	if x.read {
		return nil
	}
	found, err := client.Match(ctx, plan.Table, plan.Key, nil, x.fold, int(most))
	if err != nil && !errors.Is(err, dataverse.ErrTooManyRecords) {
		return err
	}
	if found == nil {
		clear(x.odd)
	}
	x.found, x.read = found, true
	return nil
}

// fold is the one of rule I5. While the table is read it takes down what is odd.
func (x *index) fold(text string) []byte {
	normal := mapping.NormaliseKey(text)
	if !x.read && isOdd(text, normal) {
		x.odd[maphash.Bytes(x.seed, normal)] = struct{}{}
	}
	return normal
}

// isOdd tells whether a text differs from its normal form by more than case and
// trailing blanks, which every collation of the service ignores. Accents and width some do not.
func isOdd(text string, normal []byte) bool {
	return !bytes.Equal(normal, []byte(strings.ToLower(strings.TrimRight(text, " "))))
}

// find answers for the keys of which it is certain what the database would say:
// a record that is taken for another one would be overwritten.
func (x *index) find(columns []string, keys [][]dataverse.KeyPart) (ids [][]string, known []bool) {
	ids, known = make([][]string, len(keys)), make([]bool, len(keys))
	values := make([]json.RawMessage, len(columns))
	for i, key := range keys {
		if known[i] = x.certain(columns, key); !known[i] {
			continue
		}
		for n, part := range key {
			values[n] = part.Value
		}
		ids[i] = x.found.Find(values)
	}
	return ids, known
}

func (x *index) certain(columns []string, key []dataverse.KeyPart) bool {
	if len(key) != len(columns) {
		return false
	}
	for n, part := range key {
		if part.Column != columns[n] {
			return false
		}
		var text string
		if json.Unmarshal(part.Value, &text) != nil {
			continue // no text: numbers, ids and the like have one spelling
		}
		normal := mapping.NormaliseKey(text)
		if _, odd := x.odd[maphash.Bytes(x.seed, normal)]; odd || isOdd(text, normal) {
			return false
		}
	}
	return true
}
