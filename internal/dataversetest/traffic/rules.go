package traffic

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
)

// rules are the faults in force and how often each has struck.
type rules struct {
	count atomic.Int64 // so that the usual case, none, costs nothing
	mu    sync.Mutex
	last  int
	list  []*rule
}

type rule struct {
	id int
	Fault
	path    *regexp.Regexp
	draw    *rand.Rand
	matched int
	struck  int
}

// RuleState is a fault in force.
type RuleState struct {
	ID      int `json:"id"`
	Matched int `json:"matched"` // requests (or operations) that met its conditions
	Struck  int `json:"struck"`
	Fault
}

// add puts faults in force, all or none, and returns their ids.
func (r *rules) add(faults []Fault) ([]int, error) {
	for i, f := range faults {
		if err := f.Validate(); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := []int{}
	for _, f := range faults {
		r.last++
		one := &rule{id: r.last, Fault: f, path: regexp.MustCompile(f.Path)}
		one.restart()
		r.list = append(r.list, one)
		ids = append(ids, r.last)
	}
	r.count.Store(int64(len(r.list)))
	return ids, nil
}

// remove lifts the fault with an id, or every fault for id 0, and says how many that were.
func (r *rules) remove(id int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, kept := len(r.list), []*rule{}
	for _, one := range r.list {
		if id != 0 && one.id != id {
			kept = append(kept, one)
		}
	}
	r.list = kept
	r.count.Store(int64(len(kept)))
	return before - len(kept)
}

func (r *rules) states() []RuleState {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []RuleState{}
	for _, one := range r.list {
		list = append(list, RuleState{ID: one.id, Matched: one.matched, Struck: one.struck, Fault: one.Fault})
	}
	return list
}

// restart counts from nothing again.
func (r *rules) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.list {
		one.restart()
	}
}

func (r *rule) restart() {
	r.matched, r.struck = 0, 0
	r.draw = rand.New(rand.NewPCG(r.Seed, 0))
}

// An event is what a rule is asked about: a request, or an operation in it.
type event struct {
	request   *http.Request
	user      string
	operation *Work // nil for the request as a whole
	racing    bool
}

// A strike is a fault that hits.
type strike struct {
	id int
	Fault
}

func (s strike) String() string { return fmt.Sprintf("%s#%d", s.What, s.id) }

// ask returns the faults of which that hit e: any number of latencies, and at most
// one other. Rules behind that one are not asked, so their counters stand still.
func (r *rules) ask(e event, of func(*Fault) bool) []strike {
	if r.count.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var hits []strike
	decided := false
	for _, one := range r.list {
		latency := one.What == Latency || one.What == LatencyAfter
		if decided && !latency || !of(&one.Fault) || !one.matches(e) || !one.strikes() {
			continue
		}
		decided = decided || !latency
		hits = append(hits, strike{one.id, one.Fault})
	}
	return hits
}

func (r *rule) matches(e event) bool {
	if r.ofOperations() != (e.operation != nil) ||
		r.Method != "" && !strings.EqualFold(r.Method, e.request.Method) ||
		r.User != "" && !strings.EqualFold(r.User, e.user) ||
		r.Path != "" && !r.path.MatchString(e.request.URL.Path) {
		return false
	}
	if e.operation == nil {
		return true
	}
	return (r.Table == "" || strings.EqualFold(r.Table, e.operation.Table)) &&
		(r.Verb == "" || strings.EqualFold(r.Verb, e.operation.Verb)) &&
		e.operation.Rows >= r.MinRows &&
		(!r.Racing || e.racing)
}

// strikes counts a match and says whether it is hit.
func (r *rule) strikes() bool {
	r.matched++
	n := r.matched - r.After
	hit := n > 0 &&
		(r.First == 0 || n <= r.First) &&
		(r.Every == 0 || n%r.Every == 0) &&
		(r.Times == 0 || r.struck < r.Times) &&
		(r.Probability == 0 || r.draw.Float64() < r.Probability)
	if hit {
		r.struck++
	}
	return hit
}
