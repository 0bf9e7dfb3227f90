package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"penstock/internal/dataverse"
	"penstock/internal/store"
)

// doubts are the records of which a mirror cannot say whether the file means
// them: their key is a row's, but another record's too, as far as letter case,
// accents and white space go. One of these records is the row's, and nobody knows
// which the file's author means; so all of them stay, and are told (rule D4).
type doubts struct {
	seen []byte  // a bit for each place of the file's keys: a record has it
	list []doubt // those of this call
}

// doubt is one such record. Its key's values are those of the table.
type doubt struct {
	ID  string            `json:"id"`
	Key []json.RawMessage `json:"key"`
}

// mostDoubts is how many a call of the survey lists; all are counted.
const mostDoubts = 10_000

// again tells whether a record before had the key at a place.
func (d *doubts) again(at int) bool {
	before := d.seen[at/8]&(1<<(at%8)) != 0
	d.seen[at/8] |= 1 << (at % 8)
	return before
}

func (d *doubts) note(record dataverse.KeyRow, columns int) {
	if len(d.list) < mostDoubts {
		d.list = append(d.list, doubt{ID: record.ID, Key: record.Values[:columns]})
	}
}

func seenKey(folder, id string) string   { return folder + "survey/seen/" + id }
func doubtsKey(folder, id string) string { return folder + "rejects/doubts/" + id }

// openDoubts goes on with what the last call has seen of so many keys.
func (v *survey) openDoubts(ctx context.Context, phase string, keys int) (*doubts, error) {
	d := &doubts{seen: make([]byte, (keys+7)/8)}
	from, err := v.resume(ctx, phase)
	if err != nil || from.Next == "" {
		return d, err
	}
	seen, err := store.ReadAll(ctx, v.Work, seenKey(v.plan.folder(), v.in.Last.Cursor), int64(len(d.seen)))
	if err != nil {
		return nil, fmt.Errorf("read which keys the survey has seen: %w", err)
	}
	copy(d.seen, seen)
	return d, nil
}

// store writes the list of this call, of which round r then knows, and for the next call what was seen.
func (d *doubts) store(ctx context.Context, v *survey, r *round, more bool) error {
	if len(d.list) > 0 {
		key := doubtsKey(v.plan.folder(), v.name)
		if err := store.PutJSON(ctx, v.Work, key, d.list); err != nil {
			return fmt.Errorf("list the doubtful records: %w", err)
		}
		r.Doubts = append(r.Doubts, key)
	}
	if !more {
		return nil
	}
	return v.Work.Put(ctx, seenKey(v.plan.folder(), v.name), bytes.NewReader(d.seen))
}

// writeDoubts lists for a person the records that a mirror has left in doubt, as
// far as the survey has; the list is "" when there are none.
func (s *Steps) writeDoubts(ctx context.Context, plan *Plan, r *removal) (key string, listed int64, err error) {
	list := newNotices(s.scratch(), append([]string{"id"}, plan.Key...)...)
	defer list.close()
	for _, key := range r.doubts {
		var some []doubt
		if err := store.ReadJSON(ctx, s.Work, key, &some); err != nil {
			return "", 0, fmt.Errorf("read the doubtful records: %w", err)
		}
		for _, one := range some {
			cells := []string{one.ID}
			for _, value := range one.Key {
				cells = append(cells, cellOf(value))
			}
			if err := list.tell(cells...); err != nil {
				return "", 0, err
			}
		}
		listed += int64(len(some))
	}
	key, err = list.store(ctx, s, plan.folder()+"doubtful.csv")
	return key, listed, err
}

// cellOf is a JSON value as a person reads it.
func cellOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
