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
	counts    Counts
	figures   Figures
	rejects   *rejectSorter
	warnings  *rejectSorter // of rows that are written, but not all that follows from them (rule C4)
	warned    int64         // rows that have a warning
	left      *rejectSorter // of rows that are written without a link, as the destination wishes
	unlinked  int64         // such rows
	linksLeft int64         // operations of the second pass that were not done, or nobody knows
	removal   *removal      // nil in modes that remove nothing
	since     time.Time     // failures before are another execution's
	failure   *failure      // why chunks that are not done are not; the gravest
	open      int           // attempts that have begun and not said how they ended
	linking   time.Time     // when the second pass began
}

func (t *tally) close() {
	t.rejects.close()
	t.warnings.close()
	t.left.close()
	if t.removal != nil {
		t.removal.close()
	}
}

// tallyRun adds up what prepare and every attempt at every chunk wrote down.
func (s *Steps) tallyRun(ctx context.Context, plan *Plan, since time.Time) (_ *tally, err error) {
	t := &tally{since: since, rejects: newRejectSorter(s.scratch()), warnings: newRejectSorter(s.scratch()), left: newRejectSorter(s.scratch())}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	t.counts.Read, t.counts.Rejected = plan.Rows.Read, plan.Rows.Rejected
	if plan.Rejects != "" {
		if err := s.collectRejects(ctx, plan.Rejects, nil, t.rejects); err != nil {
			return nil, err
		}
	}
	if t.rejects.count != plan.Rows.Rejected {
		return nil, miscount("prepare rejected %d rows but wrote down %d", plan.Rows.Rejected, t.rejects.count)
	}
	operations := int64(0)
	err = s.eachJournal(ctx, plan, loadPhase, plan.Chunks, func(ref ChunkRef, j *journals) error {
		operations += int64(ref.live())
		return s.tallyChunk(ctx, plan, ref, j, t)
	})
	if err != nil {
		return nil, err
	}
	// A refused run has no chunks: its good rows were never turned into work.
	left := plan.Rows.Read - plan.Rows.Rejected - operations
	if plan.State == Proven && left != 0 || left < 0 {
		return nil, miscount("prepare read %d rows, rejected %d and made %d operations", plan.Rows.Read, plan.Rows.Rejected, operations)
	}
	t.counts.NotAttempted += left
	if err := s.tallyLinks(ctx, plan, t); err != nil {
		return nil, err
	}
	if plan.State == Proven && plan.Mode.Clears() {
		if t.removal, err = s.tallyRemoval(ctx, plan, t); err != nil {
			return nil, err
		}
	}
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
	if t.rejects.count != c.Rejected {
		return miscount("%d rows were rejected but %d reasons are written down", c.Rejected, t.rejects.count)
	}
	return nil
}

// journalsAtOnce is how many chunks' journals are read together, and held: one
// has a byte for each of its operations, and a large run has thousands.
const journalsAtOnce = 32

// eachJournal reads the journals of a phase's chunks, several at once, and hands them over in order. How
// all their attempts ended is listed once.
func (s *Steps) eachJournal(ctx context.Context, plan *Plan, phase string, refs []ChunkRef, visit func(ChunkRef, *journals) error) error {
	if len(refs) == 0 {
		return nil
	}
	ends, err := s.listEnds(ctx, plan, phase+"-")
	if err != nil {
		return err
	}
	for some := range slices.Chunk(refs, journalsAtOnce) {
		read := make([]*journals, len(some))
		group, inner := errgroup.WithContext(ctx)
		for i, ref := range some {
			group.Go(func() (err error) {
				read[i], err = s.mergeJournals(inner, plan, phase, ref, ends[chunkName(phase, ref.N)])
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, ref := range some {
			if err := visit(ref, read[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// heard takes in what any chunk's workers said of themselves, and counts its operations by their states.
func (s *Steps) heard(ctx context.Context, plan *Plan, phase string, ref ChunkRef, j *journals, t *tally) (n [len(stateNames)]int64, err error) {
	for _, state := range j.states {
		n[state]++
	}
	t.figures.add(j.figures)
	if j.open {
		t.open++
	}
	if n[untouched]+n[sending] > 0 {
		err = s.readFailure(ctx, plan, phase, ref, t)
	}
	return n, err
}

// tallyChunk counts one chunk's operations; each is one row's.
func (s *Steps) tallyChunk(ctx context.Context, plan *Plan, ref ChunkRef, j *journals, t *tally) error {
	n, err := s.heard(ctx, plan, loadPhase, ref, j, t)
	if err != nil {
		return err
	}
	t.counts.Created += n[created]
	t.counts.Updated += n[updated]
	t.counts.Upserted += n[upserted]
	t.counts.Deleted += n[deleted]
	t.counts.Unchanged += n[unchanged]
	t.counts.Rejected += n[rejected]
	t.counts.NotAttempted += n[untouched] + n[sending] // what is needless was rejected before
	t.counts.Uncertain += n[sending]
	return s.collectServerRejects(ctx, plan, loadPhase, ref, j.states, n[rejected], t.rejects)
}

// tallyLinks counts the second pass. It is no source row's outcome (rule C1): a
// row whose link or state the service rejects is written, with a warning (rule C4).
func (s *Steps) tallyLinks(ctx context.Context, plan *Plan, t *tally) error {
	if len(plan.Links) == 0 || plan.State != Proven {
		return nil
	}
	err := s.eachJournal(ctx, plan, linkPhase, plan.Links, func(ref ChunkRef, j *journals) error {
		n, err := s.heard(ctx, plan, linkPhase, ref, j, t)
		if err != nil {
			return err
		}
		t.linksLeft += n[untouched] + n[sending]
		return s.collectUnlinked(ctx, plan, ref, j.states, n[rejected], t)
	})
	if err != nil {
		return err
	}
	if t.warned, err = t.warnings.rows(); err != nil {
		return err
	}
	if t.unlinked, err = t.left.rows(); err != nil {
		return err
	}
	for info, err := range s.Work.List(ctx, plan.folder()+"results/"+plan.By+"/"+linkPhase+"-") {
		if err != nil {
			return fmt.Errorf("list the journals: %w", err)
		}
		if t.linking.IsZero() || info.Modified.Before(t.linking) {
			t.linking = info.Modified
		}
	}
	return nil
}

// collectServerRejects takes what the service rejected of a chunk. Each reject has its reason written down.
func (s *Steps) collectServerRejects(ctx context.Context, plan *Plan, phase string, ref ChunkRef, states []opState, want int64, into *rejectSorter) error {
	if want == 0 {
		return nil
	}
	before := into.count
	err := s.collectRejects(ctx, rejectsOfChunk(plan, phase, ref), states, into)
	return reasonsMissing(ref, want, into.count-before, err)
}

// rejectsOfChunk is where its attempts wrote down what the service rejected.
func rejectsOfChunk(plan *Plan, phase string, ref ChunkRef) string {
	return plan.folder() + "rejects/" + plan.By + "/" + chunkName(phase, ref.N) + ".attempt-"
}

func reasonsMissing(ref ChunkRef, want, found int64, err error) error {
	if err == nil && found != want {
		return miscount("chunk %d: %d operations were rejected but %d reasons are written down", ref.N, want, found)
	}
	return err
}

// collectRejects reads reject objects. With states, only operations that are
// rejected in the end count (another attempt may have written one), each once.
func (s *Steps) collectRejects(ctx context.Context, prefix string, states []opState, into *rejectSorter) error {
	return s.eachRejected(ctx, prefix, states, func(r serverReject) error { return into.add(r.Reject) })
}

func (s *Steps) eachRejected(ctx context.Context, prefix string, states []opState, visit func(serverReject) error) error {
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
			return visit(r)
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
func (s *Steps) readFailure(ctx context.Context, plan *Plan, phase string, ref ChunkRef, t *tally) error {
	var f failure
	err := store.ReadJSON(ctx, s.Work, failureKey(plan.folder(), plan.By, chunkName(phase, ref.N)), &f)
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
