// Package heap decides when the garbage collector runs.
//
// Go's own rule collects whenever the heap has doubled. Where little is live
// that is often, for memory that nobody needs back; and how much a process holds
// at most depends on how much was live by chance at the last collection. Penstock
// uses the same memory whatever the file's size, so it says how much: up to a
// floor nothing is collected, and beyond it a rule like Go's holds again.
package heap

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Usual is the floor of a process that loads files: with what the runtime and the
// program take beside the heap it makes a process of some 110 MiB.
const Usual = 90 << 20

// apart is about what the runtime's limit counts that is no heap: stacks, tables of spans.
const apart = 6 << 20

// step keeps the limit from being set anew for every little change: each time stops the world.
const step = 4 << 20

// Keep lets the heap grow to floor bytes before it is collected, and beyond that to one
// and a half times what is live: most of that is bytes without pointers, which cost little
// to collect. It does nothing where the environment sets GOGC or GOMEMLIMIT: whoever does
// that has decided. Call it once, when the process begins.
func Keep(floor int64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	keep(floor, time.Tick(idleAfter), func(int64) {})
}

// keep is Keep, told when a process may be idle, and telling the limit after each collection.
func keep(floor int64, idle <-chan time.Time, told func(limit int64)) {
	// Were the limit never raised again, the runtime would still spend no more than half of its time on collecting.
	debug.SetMemoryLimit(floor)
	debug.SetGCPercent(-1)
	k := &keeper{floor: floor, told: told, live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	k.set.Store(floor)
	k.watch()
	go k.giveBack(idle)
}

// A keeper sets the limit anew after each collection.
type keeper struct {
	floor int64
	set   atomic.Int64
	live  []metrics.Sample
	told  func(limit int64)
}

// pulse is garbage at once, so that the next collection finds it. It has a
// pointer because tiny objects without one share their memory with others that may live.
type pulse struct{ _ *byte }

func (k *keeper) watch() {
	runtime.AddCleanup(new(pulse), func(k *keeper) { k.collected(); k.watch(); k.told(k.set.Load()) }, k)
}

func (k *keeper) collected() {
	metrics.Read(k.live)
	if k.live[0].Value.Kind() != metrics.KindUint64 { // a runtime that does not tell must not be held to the floor
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		return
	}
	limit := limitFor(int64(k.live[0].Value.Uint64()), k.floor)
	set := k.set.Load()
	if limit == k.floor && set != limit || limit > set || limit < set-step {
		k.set.Store(limit)
		debug.SetMemoryLimit(limit)
	}
}

// idleAfter is how often Go collects at least, which it does not without its own rule.
const idleAfter = 2 * time.Minute

// giveBack collects now and then while more is held than the floor: a process that has become idle
// would keep what it once needed.
func (k *keeper) giveBack(idle <-chan time.Time) {
	for range idle {
		if k.set.Load() > k.floor {
			runtime.GC()
		}
	}
}

// limitFor is what the process may hold when so many bytes of the heap are live.
func limitFor(live, floor int64) int64 { return max(floor, live+live/2+apart) }
