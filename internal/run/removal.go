package run

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"penstock/internal/report"
	"penstock/internal/row"
	"penstock/internal/store"
)

// removal is what became of the records that a run deletes and that are no source rows (rule C3).
type removal struct {
	report.Removed
	*notices // which records could not be deleted, and why
	sorted   *rejectSorter
	cleared  *cleared // nil: the table was not seen empty
	swept    bool     // all that the sweep found is done
	keyless  int64    // records that the sweep left because their key is empty
	since    int64    // and because they were created after the file was prepared
	doubtful int64    // and because the file may mean them
	doubts   []string // objects that list those, as far as there is room
	job      *jobEnd  // nil: none has ended
	jobOpen  bool     // one was asked for, and how it ended is not known
}

func (r *removal) close() {
	r.notices.close()
	r.sorted.close()
}

// touched tells whether the run may have deleted anything.
func (r *removal) touched() bool {
	return r != nil && (r.Deleted > 0 || r.Uncertain > 0 || r.jobOpen)
}

func (s *Steps) tallyRemoval(ctx context.Context, plan *Plan, t *tally) (r *removal, err error) {
	r = &removal{notices: newNotices(s.scratch(), "id", "code", "message"), sorted: newRejectSorter(s.scratch())}
	defer func(made *removal) {
		if err != nil {
			made.close()
		}
	}(r)
	if r.cleared, err = s.readCleared(ctx, plan); err != nil {
		return nil, err
	}
	if err := s.tallyJob(ctx, plan, r); err != nil {
		return nil, err
	}
	for _, purpose := range []string{toClear, toSweep} {
		rounds, err := s.rounds(ctx, plan, purpose)
		if err != nil {
			return nil, err
		}
		if err := s.tallyRounds(ctx, plan, purpose, rounds, r, t); err != nil {
			return nil, err
		}
	}
	r.Reasons = r.sorted.reasonsFirst()
	return r, nil
}

// tallyJob takes the service's own deletion by its own count; who still was there after it was found by a survey.
func (s *Steps) tallyJob(ctx context.Context, plan *Plan, r *removal) (err error) {
	if r.job, err = s.readJobEnd(ctx, plan); err != nil {
		return err
	}
	if r.job != nil {
		r.Found, r.Deleted = r.job.Deleted, r.job.Deleted
		return nil
	}
	asked, err := s.readAsked(ctx, plan)
	r.jobOpen = asked != nil
	return err
}

// tallyRounds adds up rounds of deletes. A record that was found in two rounds
// counts once: with what became of it in the end.
func (s *Steps) tallyRounds(ctx context.Context, plan *Plan, purpose string, rounds []round, r *removal, t *tally) error {
	var deletes []deletes
	for n, round := range rounds {
		d, err := s.heardDeletes(ctx, plan, phaseName(purpose, n), round, t)
		if err != nil {
			return err
		}
		if purpose == toClear && r.cleared != nil && n >= r.cleared.Rounds && !d.begun() {
			break // cut by a call that was late: nobody was to delete these
		}
		deletes = append(deletes, d)
		r.keyless, r.since = r.keyless+round.Keyless, r.since+round.Since
		r.doubtful, r.doubts = r.doubtful+round.Doubtful, append(r.doubts, round.Doubts...)
	}
	once, err := countOnce(ctx, s.Work, deletes)
	if err != nil {
		return err
	}
	n := once.counts
	r.AlreadyGone += n[unchanged]
	r.Failed += n[rejected]
	r.Uncertain += n[sending]
	r.NotAttempted += n[untouched] + n[sending]
	for state, n := range n {
		r.Found += n
		if opState(state) > unchanged {
			r.Deleted += n
		}
	}
	if purpose == toSweep {
		r.swept = len(rounds) > 0 && n[untouched]+n[sending] == 0
	}
	before := r.sorted.count
	for _, d := range deletes {
		if err := s.tellUndeleted(ctx, plan, d, once.later, r); err != nil {
			return err
		}
	}
	if told := r.sorted.count - before; told != n[rejected] {
		return miscount("%d records could not be deleted but %d reasons are written down", n[rejected], told)
	}
	return nil
}

// deletes is one round with what became of each record.
type deletes struct {
	phase  string
	chunks []ChunkRef
	states [][]opState
}

func (d deletes) begun() bool {
	for _, states := range d.states {
		if howMany(states, func(state opState) bool { return state != untouched }) > 0 {
			return true
		}
	}
	return false
}

func (s *Steps) heardDeletes(ctx context.Context, plan *Plan, phase string, r round, t *tally) (deletes, error) {
	d := deletes{phase: phase, chunks: r.Chunks}
	err := s.eachJournal(ctx, plan, phase, r.Chunks, func(ref ChunkRef, j *journals) error {
		d.states = append(d.states, j.states)
		_, err := s.heard(ctx, plan, phase, ref, j, t)
		return err
	})
	return d, err
}

// once is what became of the records of several rounds. later are those of the
// rounds after the first: few, which came in while others were deleted.
type once struct {
	counts [len(stateNames)]int64
	later  map[string]opState
}

func countOnce(ctx context.Context, work store.Store, rounds []deletes) (o once, err error) {
	o.later = map[string]opState{}
	for k, d := range rounds {
		for i, states := range d.states {
			if k == 0 {
				for _, state := range states {
					o.counts[state]++
				}
				continue
			}
			if err := eachID(ctx, work, d.chunks[i], func(n int, id string) { o.later[id] = max(o.later[id], states[n]) }); err != nil {
				return o, err
			}
		}
	}
	if len(o.later) == 0 {
		return o, nil
	}
	for i, states := range rounds[0].states {
		err := eachID(ctx, work, rounds[0].chunks[i], func(n int, id string) {
			if again, twice := o.later[id]; twice {
				o.counts[states[n]]--
				o.later[id] = max(again, states[n])
			}
		})
		if err != nil {
			return o, err
		}
	}
	for _, state := range o.later {
		o.counts[state]++
	}
	return o, nil
}

// tellUndeleted notes which records of a round could not be deleted in the end, each once.
func (s *Steps) tellUndeleted(ctx context.Context, plan *Plan, d deletes, later map[string]opState, r *removal) error {
	for i, states := range d.states {
		if howMany(states, refusedDelete) == 0 {
			continue
		}
		ids := map[int]string{}
		err := eachID(ctx, s.Work, d.chunks[i], func(n int, id string) {
			state, twice := later[id]
			if states[n] != rejected || twice && state != rejected {
				return
			}
			if twice {
				later[id] = needless // told
			}
			ids[n] = id
		})
		if err != nil {
			return err
		}
		prefix := plan.folder() + "rejects/" + plan.By + "/" + chunkName(d.phase, d.chunks[i].N) + ".attempt-"
		err = s.eachRejected(ctx, prefix, states, func(why serverReject) error {
			id, mine := ids[why.Op]
			if !mine {
				return nil
			}
			if err := r.sorted.add(row.Reject{Code: why.Code}); err != nil {
				return err
			}
			return r.tell(id, why.Code, why.Message)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// notices are a list for people, as CSV in a scratch file.
type notices struct {
	dir   string
	names []string
	file  *os.File
	out   *csv.Writer
}

func newNotices(dir string, names ...string) *notices { return &notices{dir: dir, names: names} }

// tell adds a line. Rule S3: a cell is no formula.
func (n *notices) tell(cells ...string) error {
	if n.file == nil {
		f, err := os.CreateTemp(n.dir, "penstock-notices-*")
		if err != nil {
			return spillFault(err)
		}
		n.file, n.out = f, csv.NewWriter(f)
		if err := n.out.Write(n.names); err != nil {
			return spillFault(err)
		}
	}
	for i, cell := range cells {
		cell = strings.Map(oneLine, cell)
		if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
			cell = "'" + cell
		}
		cells[i] = cell
	}
	if err := n.out.Write(cells); err != nil {
		return spillFault(err)
	}
	return nil
}

func oneLine(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// store puts the list into the work store; "" when there is nothing to tell.
func (n *notices) store(ctx context.Context, s *Steps, key string) (string, error) {
	if n.file == nil {
		return "", nil
	}
	n.out.Flush()
	if err := n.out.Error(); err != nil {
		return "", spillFault(err)
	}
	if _, err := n.file.Seek(0, io.SeekStart); err != nil {
		return "", spillFault(err)
	}
	if err := s.Work.Put(ctx, key, n.file); err != nil {
		return "", fmt.Errorf("store %s: %w", key, err)
	}
	return key, nil
}

func (n *notices) close() {
	if n.file != nil {
		_ = n.file.Close()
		_ = os.Remove(n.file.Name())
	}
}

// writeWarnings lists the rows that are written, but not all that follows from them.
func (s *Steps) writeWarnings(ctx context.Context, plan *Plan, t *tally) (string, error) {
	list := newNotices(s.scratch(), "line", "file", "column", "code", "message")
	defer list.close()
	for r, err := range t.warnings.sorted() {
		if err != nil {
			return "", err
		}
		file := ""
		if objects := plan.Start.Delivery.Objects; r.Object < len(objects) {
			file = objects[r.Object].Name()
		}
		if err := list.tell(strconv.Itoa(r.Line), file, r.Column, r.Code, r.Message); err != nil {
			return "", err
		}
	}
	return list.store(ctx, s, plan.folder()+"warnings.csv")
}
