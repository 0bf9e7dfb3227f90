package run

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
)

// Rows with one key may stand far apart in a file, and which of them counts is
// known when all were seen. Those that do not are in chunks by then, and stay
// there: the chunk's reference says of which operations nobody must take notice.

// opSet is a set of a chunk's operations by their places, a bit for each, as long as the highest needs.
type opSet []byte

func (p opSet) has(n int) bool { return n/8 < len(p) && p[n/8]&(1<<(n%8)) != 0 }

// with adds a place.
func (p opSet) with(n int) opSet {
	for len(p) <= n/8 {
		p = append(p, 0)
	}
	p[n/8] |= 1 << (n % 8)
	return p
}

func (p opSet) count() (n int) {
	for _, b := range p {
		n += bits.OnesCount8(b)
	}
	return n
}

// MarshalText writes the bits, or the gaps between them where that is shorter: mostly they are few.
func (p opSet) MarshalText() ([]byte, error) {
	var gaps []byte
	last := -1
	for n := range 8 * len(p) {
		if p.has(n) {
			gaps = binary.AppendUvarint(gaps, uint64(n-last-1))
			last = n
		}
	}
	if len(gaps) < len(p) {
		return base64.RawStdEncoding.AppendEncode([]byte{'g'}, gaps), nil
	}
	return base64.RawStdEncoding.AppendEncode([]byte{'b'}, p), nil
}

var errOpSet = errors.New("a set of operations that is none of ours")

// UnmarshalText reads what MarshalText wrote.
func (p *opSet) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errOpSet
	}
	data, err := base64.RawStdEncoding.DecodeString(string(text[1:]))
	if err != nil || len(data) > chunkOperations/8 {
		return errOpSet
	}
	*p = nil
	switch text[0] {
	case 'b':
		*p = data
		return nil
	case 'g':
		for last := -1; len(data) > 0; {
			gap, n := binary.Uvarint(data)
			if n <= 0 || gap >= uint64(chunkOperations-last-1) {
				return errOpSet
			}
			last += int(gap) + 1
			*p, data = p.with(last), data[n:]
		}
		return nil
	}
	return errOpSet
}

// drop adds operations to those that are not sent.
func (r *ChunkRef) drop(set opSet) {
	for len(r.Dropped) < len(set) {
		r.Dropped = append(r.Dropped, 0)
	}
	for i, b := range set {
		r.Dropped[i] |= b
	}
}

// live is how many operations are to be sent.
func (r *ChunkRef) live() int { return r.Operations - r.Dropped.count() }

// states are those of the operations before anybody has sent one.
func (r *ChunkRef) states() []opState {
	states := make([]opState, r.Operations)
	if len(r.Dropped) == 0 {
		return states
	}
	for i := range states {
		if r.Dropped.has(i) {
			states[i] = needless
		}
	}
	return states
}

// proof is what a reference has as its hash, from that of the chunk's bytes: what is
// dropped is part of it, so that a version of Penstock that knows nothing of that sends nothing of the chunk.
func (r *ChunkRef) proof(sum [sha256.Size]byte) string {
	if len(r.Dropped) > 0 {
		sum = sha256.Sum256(append(sum[:], r.Dropped...))
	}
	return hex.EncodeToString(sum[:])
}

// prove takes what is dropped into the hash of the chunk's bytes, once, when it is known.
func (r *ChunkRef) prove() error {
	var sum [sha256.Size]byte
	if n, err := hex.Decode(sum[:], []byte(r.SHA256)); err != nil || n != len(sum) {
		return errSpool
	}
	r.SHA256 = r.proof(sum)
	return nil
}
