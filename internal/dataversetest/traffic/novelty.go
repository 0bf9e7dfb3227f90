package traffic

import (
	"strings"
	"sync"
)

// novelty knows which bulk actions have not been used on a table yet. Dataverse
// builds their SQL objects at the first use, and first uses at the same time collide.
type novelty struct {
	mu   sync.Mutex
	seen map[novel]*use
}

type novel struct{ table, verb string }

type use struct {
	underWay int
	built    bool
}

// enter begins a use of n and says whether it races with another first use.
func (v *novelty) enter(n novel) (racing bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen == nil {
		v.seen = map[novel]*use{}
	}
	if v.seen[n] == nil {
		v.seen[n] = &use{}
	}
	u := v.seen[n]
	u.underWay++
	return u.races()
}

// racing says the same for a use that has begun already.
func (v *novelty) racing(n novel) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.seen[n]
	return u != nil && u.races()
}

func (u *use) races() bool { return !u.built && u.underWay > 1 }

// leave ends a use. One that went well has built the SQL objects.
func (v *novelty) leave(n novel, well bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u := v.seen[n]; u != nil { // nil when it was forgotten meanwhile
		u.underWay = max(0, u.underWay-1)
		u.built = u.built || well
	}
}

// forget makes a table new, or every table for "".
func (v *novelty) forget(table string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.seen {
		if table == "" || n.table == strings.ToLower(table) {
			delete(v.seen, n)
		}
	}
}
