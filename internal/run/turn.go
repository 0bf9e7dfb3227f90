package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// The right to write to a target (rules T). Objects in the work store:
//
//	turns/TARGET/queue/MILLISECONDS-RUN     a ticket: orders the queue, nothing else
//	turns/TARGET/waiting/RUN                a sign of life of a run that waits
//	turns/TARGET/loaded/DESTINATION/…       the newest delivery that was loaded (loaded.go)
//	turns/TARGET/jobs/RUN                   the service may be deleting for a run (job.go)
//	turns/TARGET/epoch-00000012             the turn itself, written create-once by its run
//	turns/TARGET/epoch-00000012.stopped     its run failed: workers that are left must stop
//	turns/TARGET/epoch-00000012.released    its end, create-once
//	turns/TARGET/life/00000012-WORKER       a sign of life of a worker
//
// Only the run of the highest epoch may write; every worker carries its epoch
// and looks before it calls. No clock decides who may write, only when somebody
// who shows no sign of life is given up.

const (
	// serverMargin is how long a call may go on at the server after its client is gone.
	serverMargin = 5 * time.Minute
	// waiterLife is how long a ticket counts after its run last looked: three of the longest waits.
	waiterLife = 15 * time.Minute
	// holderLife is how long a holder that nobody has seen fail keeps its turn without a sign of
	// life: its workers may only be starved of concurrency. Its death is told by an event (Finish).
	holderLife = 6 * time.Hour
	// turnWaits bounds the loop: at 300 s a look this is two days, and 10 history events a look stay below 25,000 (rule M2).
	turnWaits = 600
	// turnTrust is how long a worker trusts its last look at the epochs (rule T3).
	turnTrust = 3 * time.Second
	// lifeEvery is how often a worker shows that it lives.
	lifeEvery = 30 * time.Second
)

// holder is the content of an epoch.
type holder struct {
	Run         string    `json:"run"`
	Destination string    `json:"destination"`
	Taken       time.Time `json:"taken"`
	Execution   string    `json:"execution,omitempty"` // the run's execution that took it (execution.go)

	// Since which epoch without a gap this run has held the turn: what an earlier epoch of it left in
	// the target is as it was only if nobody else wrote in between.
	RunSince int `json:"run_since,omitempty"`
	// Since which epoch without a gap runs of this destination that keep its snapshot have (rule H1); 0: this one keeps none.
	SnapshotSince int `json:"snapshot_since,omitempty"`
}

// next is the holder of epoch n+1 after h, which held n.
func (h holder) next(n int, plan *Plan, execution string, taken time.Time) holder {
	next := holder{Run: plan.Start.Run, Destination: plan.Start.Destination, Taken: taken, Execution: execution, RunSince: n + 1}
	if h.Run == next.Run && h.RunSince > 0 {
		next.RunSince = h.RunSince
	}
	if plan.Terms == nil {
		return next
	}
	next.SnapshotSince = n + 1
	if h.Destination == next.Destination && h.SnapshotSince > 0 {
		next.SnapshotSince = h.SnapshotSince
	}
	return next
}

// Turn queues for the target's turn and takes it when it is free and this run is first.
func (s *Steps) Turn(ctx context.Context, in TurnIn) (Turn, error) {
	plan, err := s.plan(ctx, in.Destination, in.Run)
	if err != nil {
		return Turn{}, err
	}
	waits := 0
	if in.Turn != nil {
		waits = in.Turn.Waits
	}
	if err := s.enter(ctx, plan, in.Execution); err != nil {
		return Turn{}, err
	}
	if overtaken, err := s.overtaken(ctx, plan, in.Execution); err != nil || overtaken {
		return Turn{State: Skip, Reason: passedOn(in.Run)}, err
	}
	t := s.turnsOf(plan, in.Execution)
	turn, err := t.take(ctx, plan)
	if err != nil {
		return Turn{}, fmt.Errorf("take the turn of run %s: %w", in.Run, err)
	}
	if turn.State == Skip {
		return turn, nil
	}
	if turn.State == Mine {
		// Looked at after the turn was taken: see job.go.
		working, err := t.working(ctx, plan)
		if err != nil {
			return Turn{}, fmt.Errorf("take the turn of run %s: %w", in.Run, err)
		}
		if working != "" {
			turn = Turn{State: Waiting, Behind: working}
		}
	}
	if turn.State == Mine {
		if err := s.checkContent(ctx, plan); err != nil {
			if !fault.Is(err, fault.Refused) {
				return Turn{}, err
			}
			return Turn{State: Refused, Epoch: turn.Epoch, Reason: reasonOf(err)}, nil
		}
		return turn, s.tellWritten(ctx, plan)
	}
	turn.Waits = waits + 1
	if turn.Waits > turnWaits {
		return Turn{State: Refused, Reason: reasonOf(fault.New(fault.Refused, "turn_not_free", "the turn did not come free in %d looks; run %s is ahead", turnWaits, turn.Behind).
			Advise("see what holds run %s up, then deliver again", turn.Behind))}, nil
	}
	if turn.Seconds == 0 {
		turn.Seconds = min(int(s.patience().Seconds())*turn.Waits, 300)
	}
	s.progress(Progress{Run: in.Run, Destination: in.Destination, Step: "turn", Note: turn.words(plan.Table.Name)})
	return turn, nil
}

// words say why a run waits, and what ends it sooner.
func (t Turn) words(table string) string {
	if t.Dead {
		return fmt.Sprintf("waiting %d s: run %s ended in the middle and still has the turn of %s; it is given up after a while, and `penstock resume %s` goes on with it at once",
			t.Seconds, t.Behind, table, t.Behind)
	}
	return fmt.Sprintf("waiting %d s: run %s writes to %s or is ahead in the queue", t.Seconds, t.Behind, table)
}

func (s *Steps) patience() time.Duration {
	if s.Patience == 0 {
		return 15 * time.Second
	}
	return max(s.Patience, time.Second)
}

// turns is one target's turn.
type turns struct {
	*Steps
	prefix    string
	execution string // of the run, that looks; "" where it is not known
	of        *Execution
}

func (s *Steps) turnsOf(plan *Plan, e *Execution) *turns {
	return &turns{Steps: s, prefix: "turns/" + plan.target() + "/", execution: e.id(), of: e}
}

// ours tells whether a holder is this very execution of a run, or one that nobody can tell from it.
func (t *turns) ours(h holder, run string) bool {
	return h.Run == run && (h.Execution == "" || h.Execution == t.execution)
}

func (t *turns) epochKey(n int) string { return fmt.Sprintf("%sepoch-%08d", t.prefix, n) }

// take looks once. An execution that holds the turn already (a retry) holds it
// still; another one of the same run takes a new epoch, because nobody knows what the earlier
// one's workers still do (rule T6).
func (t *turns) take(ctx context.Context, plan *Plan) (Turn, error) {
	run := plan.Start.Run
	ticket := t.ticket(plan)
	if err := t.Work.Create(ctx, ticket, []byte(run)); err != nil && !errors.Is(err, store.ErrExists) {
		return Turn{}, err
	}
	if err := t.wait(ctx, plan); err != nil {
		return Turn{}, err
	}
	for {
		last, err := t.last(ctx)
		if err != nil {
			return Turn{}, err
		}
		held := last.n > 0 && !last.released
		own := held && last.holder.Run == run
		if own && last.holder.Execution == t.execution && !last.stopped {
			return t.mine(ctx, plan, last.n, last.holder.Taken)
		}
		if !own {
			if behind, err := t.comeFree(ctx, last, held, ticket); err != nil || behind != nil {
				return turnOr(behind), err
			}
		}
		why, err := t.needless(ctx, plan, ticket)
		if err == nil && why == nil && own {
			why, err = t.passed(ctx, plan)
		} else if err == nil && why != nil && own {
			// Not released: who comes next has to wait for what an earlier execution may have in flight (rule T4).
			err = t.mark(ctx, last.n, "stopped", "the run is needless")
		}
		if err != nil || why != nil {
			return Turn{State: Skip, Reason: why}, err
		}
		taken := t.now()
		body, _ := json.Marshal(last.holder.next(last.n, plan, t.execution, taken))
		switch err := t.Work.Create(ctx, t.epochKey(last.n+1), body); {
		case err == nil:
			t.forget(ctx, last.n)
			return t.mine(ctx, plan, last.n+1, taken)
		case !errors.Is(err, store.ErrExists):
			return Turn{}, err
		}
		// Somebody was faster: look again.
	}
}

// comeFree gives a holder up whose time is over. It says for whom this run waits; nil when
// it is first. A run that goes on asks for neither: it takes a new epoch after its own, which fences its stragglers.
func (t *turns) comeFree(ctx context.Context, last epoch, held bool, ticket string) (*Turn, error) {
	if held {
		wait, err := t.untilGivenUp(ctx, last)
		if err != nil {
			return nil, err
		}
		if wait > 0 {
			dead := last.stopped || t.knownDead(last.holder.Run)
			return &Turn{State: Waiting, Behind: last.holder.Run, Dead: dead, Seconds: givenUpIn(wait, t.patience())}, nil
		}
		if err := t.release(ctx, last.n, "given up"); err != nil {
			return nil, err
		}
	}
	ahead, err := t.ahead(ctx, ticket)
	if err != nil || ahead == "" {
		return nil, err
	}
	return &Turn{State: Waiting, Behind: ahead}, nil
}

func turnOr(t *Turn) Turn {
	if t == nil {
		return Turn{}
	}
	return *t
}

// passed asks once more, right before another execution's epoch is succeeded, whether that one began later.
func (t *turns) passed(ctx context.Context, plan *Plan) (*Reason, error) {
	overtaken, err := t.overtaken(ctx, plan, t.of)
	if err != nil || !overtaken {
		return nil, err
	}
	return passedOn(plan.Start.Run), nil
}

// mine is the turn taken, with the warning that a load which does not replace all
// there is comes after a newer one (rule T5).
func (t *turns) mine(ctx context.Context, plan *Plan, epoch int, taken time.Time) (Turn, error) {
	newer := ""
	var err error
	if plan.Mode != config.Append { // rows that are only added do not mind their order
		newer, err = t.newer(ctx, plan)
	}
	return Turn{State: Mine, Epoch: epoch, Taken: taken, Newer: newer}, err
}

// ticket is the run's place in the queue, by time of arrival (rule T2).
func (t *turns) ticket(plan *Plan) string {
	return fmt.Sprintf("%squeue/%013d-%s", t.prefix, plan.Start.Arrived.UnixMilli(), plan.Start.Run)
}

// epoch is the state of the highest epoch; n is 0 when there was none yet.
type epoch struct {
	n        int
	released bool
	stopped  bool
	holder   holder
	taken    time.Time
}

// last finds the highest epoch.
func (t *turns) last(ctx context.Context) (epoch, error) {
	var e epoch
	for info, err := range t.Work.List(ctx, t.prefix+"epoch-") {
		if err != nil {
			return e, err
		}
		name, mark, _ := strings.Cut(strings.TrimPrefix(info.Key, t.prefix+"epoch-"), ".")
		n, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if n > e.n {
			e = epoch{n: n, taken: info.Modified}
		}
		e.released = e.released || mark == "released"
		e.stopped = e.stopped || mark == "stopped"
	}
	if e.n == 0 {
		return e, nil
	}
	return e, store.ReadJSON(ctx, t.Work, t.epochKey(e.n), &e.holder)
}

// untilGivenUp is how long to wait until the holder's workers are certainly
// gone; zero or less when they are (rule T4): nothing cancels a function when
// its execution dies, and a call may go on at the server after that.
func (t *turns) untilGivenUp(ctx context.Context, e epoch) (time.Duration, error) {
	if t.Alive != nil {
		if alive, known := t.Alive(e.holder.Run); known && alive {
			return t.patience(), nil
		}
	}
	if ended, err := t.ended(ctx, e.holder); err != nil || ended {
		return 0, err
	}
	seen := e.taken
	for info, err := range t.Work.List(ctx, fmt.Sprintf("%slife/%08d-", t.prefix, e.n)) {
		if err != nil {
			return 0, err
		}
		if info.Modified.After(seen) {
			seen = info.Modified
		}
	}
	life := t.Worker + lifeEvery + serverMargin
	if !e.stopped && !t.knownDead(e.holder.Run) {
		life = holderLife
	}
	return seen.Add(life).Sub(t.now()), nil
}

// ended tells whether a holder came to its end and only died before it gave the
// turn back: its report is written and no worker of it is left.
func (t *turns) ended(ctx context.Context, h holder) (bool, error) {
	if !t.complete(ctx, h.Destination, h.Run) {
		return false, nil
	}
	plan, err := t.readPlan(ctx, h.Destination, h.Run)
	if err != nil || plan == nil {
		return false, err
	}
	open, err := t.openAttempts(ctx, plan)
	return err == nil && len(open) == 0, err
}

func (t *turns) knownDead(run string) bool {
	if t.Alive == nil {
		return false
	}
	alive, known := t.Alive(run)
	return known && !alive
}

// ahead is the run of the first live ticket before ours; "" when we are first.
func (t *turns) ahead(ctx context.Context, ticket string) (string, error) {
	for info, err := range t.Work.List(ctx, t.prefix+"queue/") {
		if err != nil {
			return "", err
		}
		if info.Key >= ticket {
			return "", nil
		}
		_, run, ok := strings.Cut(strings.TrimPrefix(info.Key, t.prefix+"queue/"), "-")
		if !ok {
			continue
		}
		live, err := t.waits(ctx, run)
		if err != nil {
			return "", err
		}
		if live {
			return run, nil
		}
	}
	return "", nil
}

// waits tells whether a run that has a ticket still comes for it.
func (t *turns) waits(ctx context.Context, run string) (bool, error) {
	if t.Alive != nil {
		if alive, known := t.Alive(run); known {
			return alive, nil
		}
	}
	for info, err := range t.Work.List(ctx, t.prefix+"waiting/"+run) {
		if err != nil {
			return false, err
		}
		return t.now().Sub(info.Modified) < waiterLife, nil
	}
	return false, nil
}

func (t *turns) release(ctx context.Context, n int, why string) error {
	return t.mark(ctx, n, "released", why)
}

func (t *turns) mark(ctx context.Context, n int, mark, why string) error {
	body, _ := json.Marshal(map[string]string{"why": why})
	err := t.Work.Create(ctx, t.epochKey(n)+"."+mark, body)
	if errors.Is(err, store.ErrExists) {
		return nil // marked is marked
	}
	return err
}

// stop tells the workers that a failed run left behind to stop before their next call.
func (t *turns) stop(ctx context.Context, run string) error {
	last, err := t.last(ctx)
	if err != nil || last.n == 0 || last.released || !t.ours(last.holder, run) {
		return err
	}
	return t.mark(ctx, last.n, "stopped", "the run failed")
}

// leave takes the run out of the queue, and gives its turn back when clean says that no worker of it is left.
func (t *turns) leave(ctx context.Context, plan *Plan, clean bool) error {
	if err := t.Work.Delete(ctx, t.ticket(plan)); err != nil {
		return err
	}
	if err := t.Work.Delete(ctx, t.prefix+"waiting/"+plan.Start.Run); err != nil {
		return err
	}
	if !clean {
		return t.stop(ctx, plan.Start.Run)
	}
	last, err := t.last(ctx)
	if err != nil || last.n == 0 || last.released || !t.ours(last.holder, plan.Start.Run) {
		return err
	}
	return t.release(ctx, last.n, "finished")
}

// forget tidies epochs that nobody can ask about any more. The two latest stay:
// a worker of an older one sees a higher epoch in any case. What cannot be
// deleted now is deleted next time.
func (t *turns) forget(ctx context.Context, before int) {
	for _, prefix := range []string{"epoch-", "life/"} {
		for info, err := range t.Work.List(ctx, t.prefix+prefix) {
			if err != nil {
				return
			}
			name := strings.TrimPrefix(info.Key, t.prefix+prefix)
			if n, err := strconv.Atoi(name[:min(8, len(name))]); err == nil && n < before {
				_ = t.Work.Delete(ctx, info.Key)
			}
		}
	}
}

// A fence lets a worker ask before each call whether its epoch still is the
// highest (rule T3), and shows that it lives.
type fence struct {
	turns  *turns
	epoch  int
	worker string

	mu     sync.Mutex
	looked time.Time
	shown  time.Time
}

// check is fault.LostTurn when the worker must not write any more. It looks at most every few seconds.
func (f *fence) check(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.turns.now()
	if now.Sub(f.shown) >= lifeEvery {
		key := fmt.Sprintf("%slife/%08d-%s", f.turns.prefix, f.epoch, f.worker)
		if err := f.turns.Work.Put(ctx, key, strings.NewReader(now.Format(time.RFC3339Nano))); err != nil {
			return fmt.Errorf("show a sign of life: %w", err)
		}
		f.shown = now
	}
	if since := now.Sub(f.looked); !f.looked.IsZero() && since >= 0 && since < turnTrust { // clocks may go back
		return nil
	}
	last, err := f.turns.last(ctx)
	if err != nil {
		return fmt.Errorf("look at the turn: %w", err)
	}
	if last.n != f.epoch || last.released || last.stopped {
		return fault.New(fault.LostTurn, "turn_lost", "epoch %d is not the turn any more (%d is the highest, or the run was stopped)", f.epoch, last.n)
	}
	f.looked = now
	return nil
}

// givenUpIn turns the time until a holder is given up into the next wait; 0 leaves it to grow as waits do.
func givenUpIn(wait, patience time.Duration) int {
	if wait <= patience {
		return 0
	}
	return int(min(wait, 300*time.Second).Seconds()) + 1
}
