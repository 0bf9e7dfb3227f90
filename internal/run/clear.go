package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// clearRounds is how often records that are still there, or came in while we cleared, are cleared (rule D1).
const clearRounds = 3

// cleared is the object of that name: the table was seen empty under an epoch.
type cleared struct {
	V      int       `json:"v"`
	Epoch  int       `json:"epoch"`
	At     time.Time `json:"at"`
	Rounds int       `json:"rounds"`         // that it took
	Left   int64     `json:"left,omitempty"` // records that cannot be deleted and may stay
}

// clear is rule D1: survey, guard, deletes, look again. Once the table was seen
// empty it is never cleared again, because what is in it then is the run's own (rule T6).
func (v *survey) clear(ctx context.Context) (Surveyed, error) {
	done, err := v.readCleared(ctx, v.plan)
	if err != nil {
		return Surveyed{}, err
	}
	if done != nil {
		return Surveyed{State: Clear}, v.ours(done.Epoch)
	}
	rounds, err := v.rounds(ctx, v.plan, toClear)
	if err != nil {
		return Surveyed{}, err
	}
	removed := int64(0) // by the service's own job
	if v.plan.Clear == config.ClearJob {
		job, out, err := v.job(ctx, len(rounds) > 0)
		if err != nil || out != nil {
			return orNothing(out), err
		}
		removed = job.Deleted
	}
	if n := len(rounds); n > 0 {
		if err := v.ours(rounds[0].Epoch); err != nil {
			return Surveyed{}, err
		}
		phase, last := phaseName(toClear, n-1), rounds[n-1]
		undone, err := v.undone(ctx, phase, last)
		if err != nil {
			return Surveyed{}, err
		}
		if undone {
			return v.again(ctx, phase, last)
		}
		if out, err := v.awaitClearers(ctx); err != nil || out != nil {
			return orNothing(out), err
		}
	}
	return v.verify(ctx, rounds, removed)
}

// awaitClearers waits for attempts at the deletes that have begun and not said how
// they ended: of an execution that died, or of a call that came twice. What they
// delete is gone, but with ids of its own a row may come back under the same one.
func (v *survey) awaitClearers(ctx context.Context) (*Surveyed, error) {
	open, err := v.openAttempts(ctx, v.plan)
	if err != nil {
		return nil, err
	}
	for attempt := range open {
		if strings.HasPrefix(attempt, v.plan.By+"/"+toClear+"-") {
			return v.wait("another worker of the run may still be deleting"), nil
		}
	}
	return nil, nil
}

// wait says how long until the next look.
func (v *survey) wait(why string) *Surveyed {
	waits := 1
	if v.in.Last != nil {
		waits = v.in.Last.Waits + 1
	}
	seconds := min(int(v.patience().Seconds())*waits, 300)
	v.progress(Progress{Run: v.in.Run, Destination: v.in.Destination, Step: toClear, Note: fmt.Sprintf("waiting %d s: %s", seconds, why)})
	return &Surveyed{State: Waiting, Seconds: seconds, Waits: waits}
}

func orNothing(out *Surveyed) Surveyed {
	if out == nil {
		return Surveyed{}
	}
	return *out
}

// verify looks into the table. It is clear, or what is left makes the next round.
func (v *survey) verify(ctx context.Context, rounds []round, removed int64) (Surveyed, error) {
	_, found, err := v.client.First(ctx, v.plan.Table, v.plan.Filter)
	if err != nil {
		return Surveyed{}, err
	}
	if !found {
		return v.writeCleared(ctx, len(rounds), 0)
	}
	stubborn, gone, err := v.stubborn(ctx, rounds)
	if err != nil {
		return Surveyed{}, err
	}
	phase := phaseName(toClear, len(rounds))
	next, more, err := v.read(ctx, phase, nil, func(key dataverse.KeyRow) verdict {
		if stubborn[key.ID] {
			return keepKnown
		}
		return remove
	})
	if err != nil || more != nil {
		return orNothing(more), err
	}
	if next.Known > 0 && !v.plan.LeaveUndeletable {
		return Surveyed{}, fault.New(fault.Refused, "undeletable", "%s of table %s cannot be deleted, so it cannot be cleared", fault.Count(next.Known, "record"), v.plan.Table.Name).
			Advise("undeleted.csv in the run's folder says which and why; put that right and load the file again, or set leave_undeletable of the destination to leave them")
	}
	if next.Records == 0 {
		return v.writeCleared(ctx, len(rounds), next.Known)
	}
	if v.roundsNow(rounds) == clearRounds {
		return Surveyed{}, fault.New(fault.Refused, "not_empty", "%d new records came into table %s while it was cleared, %d times over", next.Records, v.plan.Table.Name, clearRounds).
			Advise("stop what writes to the table, and load the file again")
	}
	goes := removed + gone + next.Records
	if err := v.guard(ctx, goes+next.Known, goes-v.plan.toLoad()); err != nil {
		return Surveyed{}, err
	}
	// A call that was late and slow may see the run's own rows by now.
	if done, err := v.readCleared(ctx, v.plan); err != nil || done != nil {
		return Surveyed{State: Clear}, err
	}
	return v.settle(ctx, phase, next)
}

// roundsNow is how many rounds there were under this turn.
func (v *survey) roundsNow(rounds []round) int {
	n := 0
	for _, r := range rounds {
		if r.Epoch == v.in.Epoch {
			n++
		}
	}
	return n
}

// stubborn are the ids of the records that need not be tried any more: the
// service has refused to delete them under this turn. As long as a round deletes
// anything the next one tries them again, because what held them may be gone:
// of records that refer to each other the lower ones go first. gone is how many
// records all rounds have deleted.
func (v *survey) stubborn(ctx context.Context, rounds []round) (ids map[string]bool, gone int64, err error) {
	ids = map[string]bool{}
	latest := int64(0) // of gone, by the last round
	for n, r := range rounds {
		latest = 0
		err := v.eachJournal(ctx, v.plan, phaseName(toClear, n), r.Chunks, func(ref ChunkRef, j *journals) error {
			latest += howMany(j.states, opState.there)
			if r.Epoch != v.in.Epoch || howMany(j.states, refusedDelete) == 0 {
				return nil
			}
			return eachID(ctx, v.Work, ref, func(n int, id string) {
				if j.states[n] == rejected {
					ids[id] = true
				}
			})
		})
		if err != nil {
			return nil, 0, err
		}
		gone += latest
	}
	if latest > 0 && v.roundsNow(rounds) < clearRounds {
		return nil, gone, nil
	}
	return ids, gone, nil
}

// eachID goes through the records that a chunk deletes.
func eachID(ctx context.Context, work store.Store, ref ChunkRef, visit func(n int, id string)) error {
	c, err := readChunk(ctx, work, ref)
	if err != nil {
		return err
	}
	defer c.release()
	return c.all(func(n int, op *dataverse.Operation) error {
		visit(n, op.ID)
		return nil
	})
}

func refusedDelete(state opState) bool { return state == rejected }

func howMany(states []opState, are func(opState) bool) (n int64) {
	for _, state := range states {
		if are(state) {
			n++
		}
	}
	return n
}

// readCleared is nil when the table was not seen empty yet.
func (s *Steps) readCleared(ctx context.Context, plan *Plan) (*cleared, error) {
	return readMark[cleared](ctx, s, clearedKey(plan.folder()))
}

// writeCleared ends clearing for good. From here on what is in the table may be the run's own.
func (v *survey) writeCleared(ctx context.Context, rounds int, left int64) (Surveyed, error) {
	if err := v.mayAct(ctx); err != nil {
		return Surveyed{}, err
	}
	mine := cleared{V: 1, Epoch: v.in.Epoch, At: v.now(), Rounds: rounds, Left: left}
	err := store.CreateJSON(ctx, v.Work, clearedKey(v.plan.folder()), mine)
	if errors.Is(err, store.ErrExists) { // by another call, which may have been long ago
		first, err := v.readCleared(ctx, v.plan)
		if err != nil || first == nil {
			return Surveyed{}, errors.Join(err, fault.New(fault.Interrupted, "cleared_vanished", "the mark that the table is clear was there and is gone"))
		}
		return Surveyed{State: Clear}, v.ours(first.Epoch)
	}
	if err != nil {
		return Surveyed{}, fmt.Errorf("write down that the table is clear: %w", err)
	}
	return Surveyed{State: Clear}, nil
}
