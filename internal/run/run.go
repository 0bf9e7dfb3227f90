// Package run holds the steps of a run, one file per step, in the order of the state machine.
//
//	receive   something arrived: which run is it?             (receive.go)
//	prepare   delivery → proven operations in chunks           (prepare.go, spool.go, chunk.go, plan.go)
//	turn      queue for, take, check and give back the turn    (turn.go)
//	survey    what is in the target now                        (survey.go, clear.go, compare.go, sweep.go)
//	apply     one chunk → Dataverse                            (apply.go, calls.go, crew.go, journal.go, linkphase.go)
//	finish    account for every row, report, give back         (finish.go, tally.go, rejects.go)
//
// Nothing here knows whether it runs in the cloud or on a laptop: Steps holds
// what differs. Every step may run twice, late or half; the run's folder in the
// work store is what they agree through.
package run

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/delivery"
	"penstock/internal/store"
)

// Steps are the steps of a run with what they need of the world around them.
type Steps struct {
	Work    store.Store                                                                    // the work bucket: runs/, turns/, starts/
	Inbox   delivery.Lister                                                                // where deliveries are found and read
	Config  func(context.Context) (*config.Config, error)                                  // read anew for every run
	Connect func(context.Context, *config.Connection) (*dataverse.Client, error)           // cached by the caller: all runs of a connection share one budget
	Launch  func(ctx context.Context, name string, input []byte) (started bool, err error) // starts an execution; false: that name was started before
	Now     func() time.Time
	Sleep   func(context.Context, time.Duration) error // nil: a timer
	Log     *slog.Logger

	Scratch string          // directory for spill files; "" is the system's
	Limits  delivery.Limits // of the files read

	// Worker is the longest that a worker may go on after its execution died: the
	// functions' time-out in the cloud, zero where all workers end with their process.
	Worker time.Duration
	// Patience is the first wait for a turn; every further one is longer by as much, up to 300 s. Zero is 15 s.
	Patience time.Duration
	// Alive tells whether a run's process lives, where that can be known; nil where it cannot.
	Alive func(run string) (alive, known bool)
	// Drained: when Finish runs, no worker of the run is left, even if the run failed.
	Drained bool

	Progress func(Progress) // nil: nobody watches

	mu    sync.Mutex
	plans map[string]*Plan // of the runs that this process is applying
	crew  crew

	thresholds map[string]*threshold // likewise
	portions   map[*dataverse.Client]*portion
}

// Progress is what a person who watches is told.
type Progress struct {
	Run         string
	Destination string
	Step        string // prepare, turn, load, finish
	Rows        int64  // done so far in this step
	Total       int64  // 0: not known
	Rejected    int64
	Note        string // why it waits; empty otherwise
}

func (s *Steps) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC()
	}
	return time.Now().UTC()
}

func (s *Steps) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (s *Steps) scratch() string {
	if s.Scratch != "" {
		return s.Scratch
	}
	return os.TempDir()
}

func (s *Steps) progress(p Progress) {
	if s.Progress != nil {
		s.Progress(p)
	}
}
