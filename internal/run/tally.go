package run

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/row"
	"penstock/internal/store"
)

// Counts is what became of a run's source rows (rule C1).
type Counts struct {
	Read, Created, Updated, Upserted, Deleted, Unchanged, Rejected, NotAttempted int64
	Uncertain                                                                    int64 // of NotAttempted: sent, fate unknown
}

// Written is the rows that the service took.
func (c Counts) Written() int64 { return c.Created + c.Updated + c.Upserted + c.Deleted }

// tally is the merged word of all workers of a run.
type tally struct {
	counts  Counts
	figures Figures
	rejects []row.Reject // by row number
	since   time.Time    // failures before are another execution's
	failure *failure     // why chunks that are not done are not; the gravest
	open    int          // attempts that have begun and not said how they ended
}

// tallyRun adds up what prepare and every attempt at every chunk wrote down.
func (s *Steps) tallyRun(ctx context.Context, plan *Plan, since time.Time) (*tally, error) {
	t := &tally{since: since}
	t.counts.Read, t.counts.Rejected = plan.Rows.Read, plan.Rows.Rejected
	if plan.Rejects != "" {
		if err := s.collectRejects(ctx, plan.Rejects, nil, t); err != nil {
			return nil, err
		}
	}
	if int64(len(t.rejects)) != plan.Rows.Rejected {
		return nil, miscount("prepare rejected %d rows but wrote down %d", plan.Rows.Rejected, len(t.rejects))
	}
	chunks, err := s.chunkJournals(ctx, plan)
	if err != nil {
		return nil, err
	}
	operations := int64(0)
	for i, j := range chunks {
		if err := s.tallyChunk(ctx, plan, plan.Chunks[i], j, t); err != nil {
			return nil, err
		}
		operations += int64(plan.Chunks[i].Operations)
	}
	// A refused run has no chunks: its good rows were never turned into work.
	left := plan.Rows.Read - plan.Rows.Rejected - operations
	if plan.State == Proven && left != 0 || left < 0 {
		return nil, miscount("prepare read %d rows, rejected %d and made %d operations", plan.Rows.Read, plan.Rows.Rejected, operations)
	}
	t.counts.NotAttempted += left
	slices.SortFunc(t.rejects, func(a, b row.Reject) int { return int(a.Row - b.Row) })
	return t, t.check()
}

const countCode = "counts_do_not_add_up"

func miscount(format string, args ...any) error {
	return fault.New(fault.Broken, countCode, format, args...).
		Advise("do not trust this run's figures; keep its folder and report the fault")
}

// check holds rule C1 against the run.
func (t *tally) check() error {
	c := t.counts
	if sum := c.Written() + c.Unchanged + c.Rejected + c.NotAttempted; sum != c.Read {
		return miscount("%d rows were read but %d are accounted for", c.Read, sum)
	}
	if int64(len(t.rejects)) != c.Rejected {
		return miscount("%d rows were rejected but %d reasons are written down", c.Rejected, len(t.rejects))
	}
	return nil
}

// chunkJournals reads the journals of all chunks, several at once.
func (s *Steps) chunkJournals(ctx context.Context, plan *Plan) ([]*journals, error) {
	all := make([]*journals, len(plan.Chunks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, ref := range plan.Chunks {
		group.Go(func() (err error) {
			all[i], err = s.readJournals(ctx, plan, "load", ref)
			return err
		})
	}
	return all, group.Wait()
}

// tallyChunk counts one chunk's operations; each is one row's.
func (s *Steps) tallyChunk(ctx context.Context, plan *Plan, ref ChunkRef, j *journals, t *tally) error {
	var n [len(stateNames)]int64
	for _, state := range j.states {
		n[state]++
	}
	t.counts.Created += n[created]
	t.counts.Updated += n[updated]
	t.counts.Upserted += n[upserted]
	t.counts.Deleted += n[deleted]
	t.counts.Unchanged += n[unchanged]
	t.counts.Rejected += n[rejected]
	t.counts.NotAttempted += n[untouched] + n[sending]
	t.counts.Uncertain += n[sending]
	t.figures.add(j.figures)
	if j.open {
		t.open++
	}
	if n[untouched]+n[sending] > 0 {
		if err := s.readFailure(ctx, plan, ref, t); err != nil {
			return err
		}
	}
	if n[rejected] == 0 {
		return nil
	}
	before := int64(len(t.rejects))
	prefix := plan.folder() + "rejects/" + plan.By + "/" + chunkName("load", ref.N) + ".attempt-"
	if err := s.collectRejects(ctx, prefix, j.states, t); err != nil {
		return err
	}
	if found := int64(len(t.rejects)) - before; found != n[rejected] {
		return miscount("chunk %d: %d rows were rejected but %d reasons are written down", ref.N, n[rejected], found)
	}
	return nil
}

// collectRejects reads reject objects. With states, only operations that are
// rejected in the end count (another attempt may have written one), each once.
func (s *Steps) collectRejects(ctx context.Context, prefix string, states []opState, t *tally) error {
	seen := map[int]bool{}
	for info, err := range s.Work.List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("list rejects: %w", err)
		}
		err := s.eachReject(ctx, info.Key, func(r serverReject) error {
			if states != nil {
				if r.Op < 0 || r.Op >= len(states) || states[r.Op] != rejected || seen[r.Op] {
					return nil
				}
				seen[r.Op] = true
			}
			t.rejects = append(t.rejects, r.Reject)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Steps) eachReject(ctx context.Context, key string, visit func(serverReject) error) error {
	body, err := s.Work.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("read rejects: %w", err)
	}
	defer body.Close()
	lines := json.NewDecoder(bufio.NewReaderSize(body, 1<<16))
	for {
		var r serverReject
		if err := lines.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fault.New(fault.Broken, "rejects_unreadable", "object %s is not readable", key).Because(err)
		}
		if err := visit(r); err != nil {
			return err
		}
	}
}

// gravity orders the kinds of failures: which of several chunks' reasons a person must hear first.
var gravity = map[string]int{string(fault.Denied): 6, string(fault.Refused): 5, string(fault.Broken): 4, string(fault.LostTurn): 3,
	string(fault.Throttled): 2, string(fault.Interrupted): 1}

// failure is failures/CHUNK.
type failure struct {
	Reason
	At time.Time `json:"at"`
}

// readFailure finds why a chunk was left unfinished, if its worker could still
// say so, in the execution that has the turn now: an earlier one's reason may be
// mended by now.
func (s *Steps) readFailure(ctx context.Context, plan *Plan, ref ChunkRef, t *tally) error {
	var f failure
	err := store.ReadJSON(ctx, s.Work, failureKey(plan.folder(), plan.By, chunkName("load", ref.N)), &f)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read why chunk %d failed: %w", ref.N, err)
	}
	if !f.At.Before(t.since) && (t.failure == nil || gravity[f.Kind] > gravity[t.failure.Kind]) {
		t.failure = &f
	}
	return nil
}
