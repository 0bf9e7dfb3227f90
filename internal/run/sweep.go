package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/mapping"
)

// sweep is rule D4: after the load, records that are ours and have the key of no
// row of the file are deleted, by the ids that the survey read. What is doubtful
// stays: a record whose key the database would take for a row's, or that has
// none. Whether it is gone is not looked at again: what came since is not ours.
func (v *survey) sweep(ctx context.Context) (Surveyed, error) {
	rounds, err := v.rounds(ctx, v.plan, toSweep)
	if err != nil {
		return Surveyed{}, err
	}
	phase := phaseName(toSweep, 0)
	if len(rounds) > 0 {
		if err := v.ours(rounds[0].Epoch); err != nil {
			return Surveyed{}, err
		}
		undone, err := v.undone(ctx, phase, rounds[0])
		if err != nil || !undone {
			return Surveyed{State: Clear}, err
		}
		return v.again(ctx, phase, rounds[0])
	}
	if why, err := v.unswept(ctx); err != nil || why != nil {
		return Surveyed{State: Skip, Reason: why}, err
	}
	keys, err := readKeys(ctx, v.Work, v.plan.Keys)
	if err != nil {
		return Surveyed{}, err
	}
	if v.doubts, err = v.openDoubts(ctx, phase, len(keys.hashes)); err != nil {
		return Surveyed{}, err
	}
	r, more, err := v.read(ctx, phase, v.columns(), func(record dataverse.KeyRow) verdict {
		key := v.keyOf(record)
		at, mine := keys.find(key)
		switch {
		case len(key) == 0:
			return keepKeyless
		case mine && v.doubts.again(at):
			v.doubts.note(record, len(v.plan.Key))
			return keepDoubtful
		case mine:
			return keep
		case v.isNew(record):
			return keepNew
		}
		return remove
	})
	if err != nil || more != nil {
		return orNothing(more), err
	}
	// What the load has created must not make what it would delete look like little.
	if err := v.guard(ctx, r.Read-r.New, r.Records); err != nil {
		return Surveyed{}, err
	}
	return v.settle(ctx, phase, r)
}

// createdOn is the column with the time at which the service created a record.
const createdOn = "createdon"

// columns are what the sweep reads of a record: the key, and where the table has it when it was created.
func (v *survey) columns() []string {
	if v.plan.Table.Column(createdOn) == nil {
		return v.plan.Key
	}
	return append(slices.Clip(v.plan.Key), createdOn)
}

// isNew tells whether a record was created after the run was prepared: by the run
// itself, perhaps under another key than its row has, or by somebody who could
// not be in the file. The service's times are in whole seconds; one that cannot be read is not new.
func (v *survey) isNew(record dataverse.KeyRow) bool {
	if len(record.Values) == len(v.plan.Key) {
		return false
	}
	var created time.Time
	err := json.Unmarshal(record.Values[len(v.plan.Key)], &created)
	return err == nil && created.After(v.plan.PreparedAt)
}

// keyOf is the key of a record as a row of the file has it.
func (v *survey) keyOf(record dataverse.KeyRow) []byte {
	key := mapping.RecordKey(v.plan.Table, v.plan.Key, record.Values[:len(v.plan.Key)])
	if v.plan.Table.Type == "Elastic" && len(v.plan.Key) == 1 {
		return mapping.InPartition(key, record.ID, record.Partition)
	}
	return key
}

// unswept is why nothing may be deleted: the file, or the load, does not say for certain what is stale.
func (v *survey) unswept(ctx context.Context) (*Reason, error) {
	if n := v.plan.Keyless; n > 0 {
		return reasonOf(fault.New(fault.Refused, "keyless_rows", "%s, so nobody knows which records the file means", countOf(n, "row has no readable key", "rows have no readable key")).
			Advise("correct the rows and deliver the whole file again")), nil
	}
	left := 0
	err := v.eachJournal(ctx, v.plan, loadPhase, v.plan.Chunks, func(_ ChunkRef, j *journals) error {
		left += unsettled(j.states)
		return nil
	})
	if err != nil || left == 0 {
		return nil, err
	}
	return reasonOf(fault.New(fault.Refused, "load_incomplete", "%s not written, so no record was deleted", countOf(int64(left), "row was", "rows were")).
		Advise("deliver the whole file again")), nil
}

func countOf(n int64, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}
