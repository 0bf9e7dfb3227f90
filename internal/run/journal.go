package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/row"
	"penstock/internal/store"
)

// Each attempt at a chunk writes a journal of create-once objects (rules I3,
// I4): a call is noted before it is sent, and its outcomes when they are known.
// After a crash the next attempt knows which operations are done, which may be
// (they were noted as being sent) and which never left.

// opState is what the journals know of one operation. States are ordered: of
// two attempts' words the higher one holds, so any attempt that wrote makes it written.
type opState uint8

const (
	untouched opState = iota
	needless          // dropped, or of the second pass and its row was not written. Lowest of what is settled: who sent it knows more
	sending           // noted, fate unknown
	rejected
	unchanged
	upserted
	updated
	created
	deleted
)

func stateOf(r dataverse.Result) opState {
	switch r {
	case dataverse.Created:
		return created
	case dataverse.Updated:
		return updated
	case dataverse.Upserted:
		return upserted
	case dataverse.Deleted:
		return deleted
	case dataverse.Unchanged:
		return unchanged
	case dataverse.Rejected:
		return rejected
	}
	return sending // Write does not know: it may have been sent
}

var stateNames = [...]string{"untouched", "needless", "sending", "rejected", "unchanged", "upserted", "updated", "created", "deleted"}

func (s opState) MarshalText() ([]byte, error) { return []byte(stateNames[s]), nil }

func (s *opState) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if string(text) == name {
			*s = opState(i)
			return nil
		}
	}
	return fmt.Errorf("unknown operation state %q", text)
}

// settled tells whether there is nothing left to do.
func (s opState) settled() bool { return s == needless || s >= rejected }

// there tells whether the operation's record is as it should be.
func (s opState) there() bool { return s >= unchanged }

// unsettled counts the operations that are left to do.
func unsettled(states []opState) int {
	n := 0
	for _, s := range states {
		if !s.settled() {
			n++
		}
	}
	return n
}

// span is a stretch of a chunk's operations in one state, both ends included.
type span struct {
	First int     `json:"first"`
	Last  int     `json:"last"`
	State opState `json:"state"`
}

// segment is one object of a journal.
type segment struct {
	V      int    `json:"v"`
	Worker string `json:"worker,omitempty"` // first segment only: makes the attempt its own
	Spans  []span `json:"spans,omitempty"`
}

// ending is how an attempt ended: the merged word of all attempts that it knew of.
type ending struct {
	V       int     `json:"v"`
	Spans   []span  `json:"spans"`
	Figures Figures `json:"figures"`
}

// Figures is what serving an attempt took.
type Figures struct {
	Calls     int64 `json:"calls"`
	Rows      int64 `json:"rows"` // operations sent, repeats included
	Throttled int64 `json:"throttled"`
	Retried   int64 `json:"retried"`
	Bisected  int64 `json:"bisected"` // extra calls to find bad rows
	WaitedMS  int64 `json:"waited_ms"`
}

func (f *Figures) add(g Figures) {
	f.Calls += g.Calls
	f.Rows += g.Rows
	f.Throttled += g.Throttled
	f.Retried += g.Retried
	f.Bisected += g.Bisected
	f.WaitedMS += g.WaitedMS
}

// serverReject is a reject found by the service; Op is its operation's place in the chunk.
type serverReject struct {
	row.Reject
	Op int `json:"op"`
}

// spansOf renders states as spans, leaving out what was not touched.
func spansOf(states []opState) []span {
	var spans []span
	for i := 0; i < len(states); {
		j := i
		for j < len(states) && states[j] == states[i] {
			j++
		}
		if states[i] != untouched {
			spans = append(spans, span{First: i, Last: j - 1, State: states[i]})
		}
		i = j
	}
	return spans
}

// mergeSpans raises states to what spans say.
func mergeSpans(states []opState, spans []span) error {
	for _, s := range spans {
		if s.First < 0 || s.Last >= len(states) || s.First > s.Last {
			return fault.New(fault.Broken, "journal_unreadable", "a journal speaks of operations %d to %d of %d", s.First, s.Last, len(states))
		}
		for i := s.First; i <= s.Last; i++ {
			states[i] = max(states[i], s.State)
		}
	}
	return nil
}

// journals is what all attempts at a chunk have written down.
type journals struct {
	states  []opState
	attempt int // the highest attempt's number
	figures Figures
	open    bool // an attempt has begun and not said how it ended
}

// readJournals merges the journals of all attempts at a chunk. The first attempt's
// folder tells whether there are any: in a directory a folder is found at once,
// while the ends of all chunks' attempts lie side by side.
func (s *Steps) readJournals(ctx context.Context, plan *Plan, phase string, ref ChunkRef) (*journals, error) {
	name := chunkName(phase, ref.N)
	begun, err := s.any(ctx, resultsKey(plan.folder(), attemptName(plan.By, name, 1)))
	if err != nil {
		return nil, fmt.Errorf("list the journals of chunk %d: %w", ref.N, err)
	}
	if !begun {
		return &journals{states: ref.states()}, nil
	}
	ends, err := s.listEnds(ctx, plan, name+".attempt-")
	if err != nil {
		return nil, err
	}
	return s.mergeJournals(ctx, plan, phase, ref, ends[name])
}

// ends are the keys of how a chunk's attempts ended, by attempt.
type ends map[int]string

// listEnds finds how attempts ended, by chunk, where the chunk's name begins so.
func (s *Steps) listEnds(ctx context.Context, plan *Plan, beginning string) (map[string]ends, error) {
	prefix := endedPrefix(plan.folder(), plan.By)
	all := map[string]ends{}
	for info, err := range s.Work.List(ctx, prefix+beginning) {
		if err != nil {
			return nil, fmt.Errorf("list the ends of attempts: %w", err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(info.Key, prefix), ".attempt-")
		k, err := attemptOf(info.Key, prefix+name+".attempt-")
		if err != nil {
			return nil, err
		}
		if all[name] == nil {
			all[name] = ends{}
		}
		all[name][k] = info.Key
	}
	return all, nil
}

// mergeJournals reads what a chunk's attempts wrote down: of one that ended its
// end, which says it all, of others every segment. Attempts are numbered without a gap.
func (s *Steps) mergeJournals(ctx context.Context, plan *Plan, phase string, ref ChunkRef, ended ends) (*journals, error) {
	j := &journals{states: ref.states()}
	for k := 1; ; k++ {
		key, there := ended[k]
		var err error
		if there {
			err = s.mergeEnd(ctx, key, j)
		} else {
			there, err = s.mergeSegments(ctx, resultsKey(plan.folder(), attemptName(plan.By, chunkName(phase, ref.N), k)), j)
		}
		if err != nil {
			return nil, fmt.Errorf("read the journal of attempt %d at chunk %d: %w", k, ref.N, err)
		}
		if !there {
			return j, nil
		}
		j.attempt = k
	}
}

func (s *Steps) mergeEnd(ctx context.Context, key string, j *journals) error {
	var end ending
	if err := store.ReadJSON(ctx, s.Work, key, &end); err != nil {
		return err
	}
	j.figures.add(end.Figures)
	return mergeSpans(j.states, end.Spans)
}

// mergeSegments takes in an attempt that has not said how it ended, if there is such an attempt.
func (s *Steps) mergeSegments(ctx context.Context, prefix string, j *journals) (there bool, err error) {
	for info, err := range s.Work.List(ctx, prefix) {
		if err != nil {
			return false, err
		}
		there, j.open = true, true
		var seg segment
		switch err := store.ReadJSON(ctx, s.Work, info.Key, &seg); {
		case fault.Is(err, fault.Broken):
			// A power cut took its bytes. What an open attempt has not said is in doubt anyhow.
			continue
		case err != nil:
			return false, err
		}
		if err := mergeSpans(j.states, seg.Spans); err != nil {
			return false, err
		}
	}
	return there, nil
}

func attemptOf(key, prefix string) (int, error) {
	digits := strings.TrimPrefix(key, prefix)
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end > 0 {
		digits = digits[:end]
	}
	k, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fault.New(fault.Broken, "folder_unreadable", "object %s does not belong into a run's folder", key)
	}
	return k, nil
}

// A journal is the writing side of one attempt. Its beginning and its end are on
// the disk before anything else happens. What is between them survives the
// process but not the machine: an attempt that has begun and not ended may
// therefore have sent anything that is not settled (rule I3).
type journal struct {
	work    store.Store
	folder  string
	attempt string // load-00000.attempt-001
	next    atomic.Int64
}

// begin claims the first free attempt number after the known ones; of two workers on one chunk each gets its own (rule I4).
// spans is what the attempt knows without sending anything.
func (s *Steps) begin(ctx context.Context, plan *Plan, phase string, ref ChunkRef, known int, worker string, spans []span) (*journal, error) {
	for k := known + 1; ; k++ {
		j := &journal{work: s.Work, folder: plan.folder(), attempt: attemptName(plan.By, chunkName(phase, ref.N), k)}
		err := j.write(ctx, s.Work.Create, segment{Worker: worker, Spans: spans})
		if errors.Is(err, store.ErrExists) {
			continue
		}
		return j, err
	}
}

// note adds a segment.
func (j *journal) note(ctx context.Context, spans []span) error {
	return j.write(ctx, j.work.Note, segment{Spans: spans})
}

func (j *journal) write(ctx context.Context, create func(context.Context, string, []byte) error, seg segment) error {
	seg.V = 1
	body, err := json.Marshal(seg)
	if err != nil {
		return fmt.Errorf("render the journal: %w", err)
	}
	key := fmt.Sprintf("%s%06d", resultsKey(j.folder, j.attempt), j.next.Add(1)-1)
	if err := create(ctx, key, body); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// reject stores why operations were rejected; called before their outcome is journaled.
func (j *journal) reject(ctx context.Context, rejects []serverReject) error {
	if len(rejects) == 0 {
		return nil
	}
	var body []byte
	for _, r := range rejects {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("render a reject: %w", err)
		}
		body = append(append(body, line...), '\n')
	}
	key := fmt.Sprintf("%s%06d", rejectsKey(j.folder, j.attempt), rejects[0].Op)
	if err := j.work.Create(ctx, key, body); err != nil {
		return fmt.Errorf("store rejects: %w", err)
	}
	return nil
}

func (j *journal) end(ctx context.Context, states []opState, figures Figures) error {
	count := 0
	for _, s := range states {
		if s == rejected {
			count++
		}
	}
	return store.PutJSON(ctx, j.work, endedKey(j.folder, j.attempt, count), ending{V: 1, Spans: spansOf(states), Figures: figures})
}
