package run

import "math/bits"

// Rows with one key may stand far apart in a file, and which of them counts is
// known when all were seen. Those that do not are in chunks by then, and stay
// there: the chunk's reference says of which operations nobody must take notice.

// setBit sets a bit of a set that is as long as its highest bit needs.
func setBit(set []byte, n int) []byte {
	for len(set) <= n/8 {
		set = append(set, 0)
	}
	set[n/8] |= 1 << (n % 8)
	return set
}

// drop adds operations to those that are not sent.
func (r *ChunkRef) drop(set []byte) {
	for len(r.Dropped) < len(set) {
		r.Dropped = append(r.Dropped, 0)
	}
	for i, b := range set {
		r.Dropped[i] |= b
	}
}

// live is how many operations are to be sent.
func (r *ChunkRef) live() int {
	n := r.Operations
	for _, b := range r.Dropped {
		n -= bits.OnesCount8(b)
	}
	return n
}

// states are those of the operations before anybody has sent one.
func (r *ChunkRef) states() []opState {
	states := make([]opState, r.Operations)
	for i := range states {
		if i/8 < len(r.Dropped) && r.Dropped[i/8]&(1<<(i%8)) != 0 {
			states[i] = needless
		}
	}
	return states
}
