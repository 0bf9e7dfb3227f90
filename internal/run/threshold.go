package run

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// recountEvery is how often the rejects that other processes have told are added up, and one's own are told.
const recountEvery = 15 * time.Second

// A threshold is how many rejects the load of a run has, over all its chunks. The
// workers of one process ask each other before each call. Those of several
// read what is written down: how attempts ended, and of those that go on
//
//	rejects/so-far-BY/load-00000.rejected-7
//
// Counts only grow, so whatever is read late or twice does no harm.
type threshold struct {
	looking sync.Mutex // held while adding up what is written down
	looked  time.Time

	mu      sync.Mutex
	byChunk map[string]int64
	sum     int64
	working []*attempt // in this process, now
}

// threshold is that of a run, shared by its workers in this process.
func (s *Steps) threshold(plan *Plan) *threshold {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := plan.Start.Run + "/" + plan.By
	if s.thresholds[of] == nil {
		if s.thresholds == nil || len(s.thresholds) > 16 {
			s.thresholds = make(map[string]*threshold)
		}
		s.thresholds[of] = &threshold{byChunk: make(map[string]int64)}
	}
	return s.thresholds[of]
}

// tell takes in how many rejects a chunk has.
func (t *threshold) tell(chunk string, rejects int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if more := rejects - t.byChunk[chunk]; more > 0 {
		t.byChunk[chunk] += more
		t.sum += more
	}
}

// join has the others of this process count what w rejects, until it leaves.
func (t *threshold) join(w *attempt) (leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.working = append(t.working, w)
	return func() {
		t.hear(w)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.working = slices.DeleteFunc(t.working, func(other *attempt) bool { return other == w })
	}
}

// hear takes in how many rejects an attempt has by now.
func (t *threshold) hear(w *attempt) {
	w.mu.Lock()
	n := w.rejected
	w.mu.Unlock()
	t.tell(chunkName(w.phase, w.ref.N), n)
}

// others is how many rejects all other chunks have.
func (t *threshold) others(chunk string) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum - t.byChunk[chunk]
}

func soFarPrefix(plan *Plan) string { return plan.folder() + "rejects/so-far-" + plan.By + "/" }

// allow says how many rejects this chunk may have before the run stops: the destination's
// threshold, less what prepare and the other chunks found. The threshold is read
// anew, so that a run stopped by it can go on with a higher one.
func (w *attempt) allow(ctx context.Context) error {
	percent := w.plan.MaxPercent
	if cfg, err := w.Config(ctx); err == nil {
		if dest, err := cfg.Destination(w.plan.Start.Destination); err == nil {
			percent = dest.Rejects.MaxPercent
		}
	}
	w.most = allowedRejects(percent, w.plan.Rows.Read) - w.plan.Rows.Rejected
	w.allowed = w.most
	if len(w.plan.Chunks) == 1 {
		return nil
	}
	w.shared = w.threshold(w.plan)
	w.shared.looking.Lock()
	err := w.addUp(ctx)
	w.shared.looking.Unlock()
	w.share()
	return err
}

// share asks the others of this process how many rejects they have.
func (w *attempt) share() {
	w.shared.mu.Lock()
	working := slices.Clone(w.shared.working)
	w.shared.mu.Unlock()
	for _, other := range working {
		w.shared.hear(other)
	}
	others := w.shared.others(chunkName(w.phase, w.ref.N))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = w.most - others
}

// recount shares the count, and now and then with other processes too. What cannot
// be read or written now can be the next time.
func (w *attempt) recount(ctx context.Context) {
	if w.shared == nil {
		return
	}
	w.tellSoFar(ctx)
	if w.shared.looking.TryLock() {
		_ = w.addUp(ctx)
		w.shared.looking.Unlock()
	}
	w.share()
}

// addUp reads what other processes have told, unless somebody just did. Where all
// workers of a run are in one process nobody else will tell anything.
func (w *attempt) addUp(ctx context.Context) error {
	t := w.shared
	if !t.looked.IsZero() && (w.Drained || w.now().Sub(t.looked) < recountEvery) {
		return nil
	}
	for _, prefix := range []string{endedPrefix(w.plan.folder(), w.plan.By) + loadPhase + "-", soFarPrefix(w.plan)} {
		for info, err := range w.Work.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("count the rejects so far: %w", err)
			}
			name, rest, _ := strings.Cut(info.Key[strings.LastIndexByte(info.Key, '/')+1:], ".")
			_, digits, _ := strings.Cut("."+rest, ".rejected-")
			if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
				t.tell(name, n)
			}
		}
	}
	t.looked = w.now()
	return nil
}

// tellSoFar writes the count of an attempt that goes on down for other processes.
func (w *attempt) tellSoFar(ctx context.Context) {
	w.mu.Lock()
	now, n := w.now(), w.rejected
	due := !w.Drained && n > w.told && now.Sub(w.toldAt) >= recountEvery
	if due {
		w.told, w.toldAt = n, now
	}
	w.mu.Unlock()
	if due {
		key := fmt.Sprintf("%s%s.rejected-%d", soFarPrefix(w.plan), chunkName(w.phase, w.ref.N), n)
		_ = w.Work.Create(ctx, key, nil)
	}
}
