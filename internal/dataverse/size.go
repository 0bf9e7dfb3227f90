package dataverse

import (
	"math"
	"sync"
	"time"
)

const (
	// fixedCost is what a call costs the service beside its rows, and the network, at most: a quicker call is believed.
	fixedCost = 50 * time.Millisecond
	// badMemory is over how many rows the share of bad ones is averaged.
	badMemory = 5000
	// rottenShare of bad rows makes a bulk call of even the least size cost about as much as its
	// rows one by one, which Microsoft's own figures put at five times a row in bulk.
	rottenShare = 0.06
	// elasticCall is how many rows Microsoft advises for a call to an elastic table.
	elasticCall = 100
	// slowGrowth and fastGrowth bound by how much a call may carry more than the one before.
	slowGrowth, fastGrowth = 1.1, 10
	// leap is how many times more rows than usual the first calls must be able to carry to do so.
	leap = 4
	// fewRows: calls with fewer say more about the call than about a row, of which they say only how long it takes at most.
	fewRows = 10
)

// sizer finds how many operations a call to one table should carry.
//
// Past about 100 rows little is won by larger calls, while one bad row fails a
// whole call: with a share p of bad rows, a call of B rows costs a + b·B and
// each bad row about a call's rows twice more, so that the
// cost of a row is least at B = √(a / 2pb). Within that bound a call should take between
// Flow.ShortCall and Flow.LongCall; one that the service found too large is halved.
type sizer struct {
	flow *Flow

	mu      sync.Mutex
	most    float64
	size    float64
	leapt   bool          // size is a guess of the first row's
	ceiling float64       // since the service found a call too large
	fixed   time.Duration // what a call costs beside its rows
	bad     float64       // share of bad rows lately
	perRow  float64       // seconds
	best    float64       // the least that perRow was
}

func newSizer(flow *Flow, elastic bool) *sizer {
	most := float64(flow.MostCall)
	if elastic {
		most = min(most, elasticCall)
	}
	return &sizer{flow: flow, most: most, size: min(float64(flow.StartCall), most), ceiling: most, fixed: fixedCost}
}

// next is the suggested size of the next call.
func (s *sizer) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(s.size, s.ceiling)
	if s.bad > 1e-6 && s.perRow > 0 {
		n = min(n, math.Sqrt(s.fixed.Seconds()/(2*s.bad*s.perRow)))
	}
	return int(max(n, min(float64(s.flow.LeastCall), s.most)))
}

// answered takes in a call that was done, and says how many times longer than at their best its rows took.
func (s *sizer) answered(rows int, took time.Duration) (slower float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rows < fewRows {
		s.fixed = min(s.fixed, took)
		s.atFirst(rows, took)
		return 0
	}
	perRow := max(took-s.fixed, took/10).Seconds() / float64(rows)
	if s.perRow == 0 {
		s.perRow, s.best = perRow, perRow
	}
	s.perRow += 0.1 * (perRow - s.perRow)
	s.best = min(s.best*1.0005, s.perRow) // a table may become slow for good
	s.ceiling = min(s.ceiling*1.02, s.most)
	leapt := s.leapt
	s.leapt = false
	switch {
	case leapt && took > s.flow.ShortCall: // as large as growing would have made it
		s.size = max(float64(rows)*s.flow.ShortCall.Seconds()/took.Seconds(), float64(s.flow.StartCall))
	case took > s.flow.LongCall:
		middle := (s.flow.ShortCall + s.flow.LongCall) / 2
		s.size = max(s.size*max(middle.Seconds()/took.Seconds(), 0.5), float64(s.flow.LeastCall))
	case took < s.flow.ShortCall && float64(rows) >= 0.9*s.size:
		// Towards most of what is short, as if rows took all of the time: where a hundred take a twentieth of a
		// second, a thousand need no caution.
		grow := min(max(0.75*s.flow.ShortCall.Seconds()/took.Seconds(), slowGrowth), fastGrowth)
		s.size = min(s.size*grow, s.most)
	}
	return perRow / s.best
}

// atFirst takes in a call of a few rows, which says how long a row takes at most. Where it is the
// first that was heard of the table (rule W2), the next ones carry as many as would even so end in
// LongCall, if that is many more than usual: growing finds a few more as well. Where all is so quick
// that a wave of small calls costs hardly anything, it goes first: a large call with bad rows costs more.
func (s *sizer) atFirst(rows int, took time.Duration) {
	if s.perRow == 0 && took >= fixedCost/2 {
		perRow := max(took-fixedCost, took/20).Seconds() / float64(rows)
		if size := s.flow.LongCall.Seconds() / perRow; size >= leap*s.size {
			s.size, s.leapt = min(size, s.most), true
		}
	}
}

// judged takes in how many of the rows of a call were bad.
func (s *sizer) judged(rows, bad int) {
	if rows == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	share := float64(bad) / float64(rows)
	s.bad += (share - s.bad) * min(1, float64(rows)/badMemory)
}

// rotten reports whether so many rows are bad lately that hardly any bulk call
// would pass: then each row is written as a part of its own.
func (s *sizer) rotten() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad > rottenShare
}

// expects is how many bad rows there should be among so many.
func (s *sizer) expects(rows int) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad * float64(rows)
}

// tooMuch takes in a call that the service could not do for its size.
func (s *sizer) tooMuch(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ceiling = max(min(s.ceiling, float64(rows)/2), 1)
	s.size = min(s.size, s.ceiling)
}

// sizer is the one of a table and a message, shared by all Writers of the client:
// what is done to a row decides how long it takes.
func (c *Client) sizer(table *Table, m *message) *sizer {
	fresh := newSizer(&c.limiter.flow, table.Type == "Elastic")
	known, _ := c.sizers.LoadOrStore(table.Name+"/"+string(m.verb), fresh)
	return known.(*sizer)
}

// Size is how many operations the next Write should carry. It is fed by every
// call of the kind that was made last, by this Writer or else by another one of
// the client to this table, and changes from call to call.
func (w *Writer) Size() int {
	return w.sizer().next()
}

func (w *Writer) sizer() *sizer {
	if s := w.latest.Load(); s != nil {
		return s
	}
	if s, known := w.client.latest.Load(w.table.Name); known {
		return s.(*sizer)
	}
	return newSizer(&w.client.limiter.flow, w.elastic())
}

// evenCalls is over how many calls what is left is shared out evenly, and
// evenOver how much more than the suggested size a call may then carry.
const (
	evenCalls = 12
	evenOver  = 1.05
)

// SizeOf is Size where left operations are left: near their end calls are of one
// size, because a call of a few rows takes a place as long as one of many.
func (w *Writer) SizeOf(left int) int {
	s := w.sizer()
	size := max(s.next(), 1)
	if left <= size || left > evenCalls*size {
		return size
	}
	most := max(size, s.atMost(evenOver*float64(size)))
	calls := (left + most - 1) / most
	return (left + calls - 1) / calls
}

// atMost is size where the service takes so many.
func (s *sizer) atMost(size float64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(1, int(min(size, s.ceiling, s.most)))
}

// sizes makes Size that of a message's calls.
func (w *Writer) sizes(m *message) {
	if s := w.sizers[m.order]; w.latest.Swap(s) != s {
		w.client.latest.Store(w.table.Name, s)
	}
}
