package run

import (
	"crypto/sha256"
	"encoding/binary"

	"penstock/internal/snapshot"
)

// A spool holds mapped operations until the whole file is read, spread over
// partitions by their normalised key, so that rows with one key meet in one
// partition (rules I6, P3). Partition 0 has the operations without a key, in the
// order of their rows. The others are ranges of keys' hashes, ascending: the same
// in each invocation of prepare, and the snapshot's when only changes are sent.
type spool struct {
	*bins
	bits int // 2^bits partitions of keys
}

// spoolBudget is how much of a file's operations prepare holds in memory before it spills.
const spoolBudget = 28 << 20

// partitionBytes is about how much of the input one partition covers. Sealing
// one takes up to eighty bytes of memory for each of its rows. Tests have less.
var partitionBytes int64 = 16 << 20

const mostBits = 9

// unknownBytes is taken for an input whose size nobody told.
const unknownBytes = 1 << 30

// partitionBits sizes a spool for an input of so many bytes.
func partitionBits(inputBytes int64) (bits int) {
	if inputBytes <= 0 {
		inputBytes = unknownBytes
	}
	for bits < mostBits && inputBytes>>bits > partitionBytes {
		bits++
	}
	return bits
}

func newSpool(dir string, bits, budget int) *spool {
	return &spool{newBins(dir, 1+1<<bits, budget), bits}
}

// keyHash stands for a normalised key: its SHA-256, or the snapshot's mark of it.
type keyHash [16]byte

func hashKey(normalised []byte) (h keyHash) {
	sum := sha256.Sum256(normalised)
	return keyHash(sum[:])
}

// partition is where the operations of a key are.
func (s *spool) partition(h keyHash) int {
	return 1 + int(binary.BigEndian.Uint64(h[:])>>(64-s.bits))
}

// An entry is one row in the spool.
type entry struct {
	label
	op    []byte // the operation's line; where it is when it is in a chunk already (whereabouts)
	links []byte // the lines of its links, each with place 0
}

// label says which row it is.
type label struct {
	row    int64
	line   int
	object int
	keyed  bool
	marked bool
	mark   snapshot.Mark // its Key is the key's hash; Row only when marked
}

const (
	entryKeyed  = 1 << iota // the key's hash follows
	entryMarked             // and the hash of the row
)

// appendLabel encodes what stands before an entry's lines, which follow one behind the other.
func (e *entry) appendLabel(dst []byte) []byte {
	flags := byte(0)
	if e.keyed {
		flags |= entryKeyed
	}
	if e.marked {
		flags |= entryMarked
	}
	dst = append(dst, flags)
	if e.keyed {
		dst = append(dst, e.mark.Key[:]...)
	}
	if e.marked {
		dst = append(dst, e.mark.Row[:]...)
	}
	dst = binary.AppendUvarint(dst, uint64(e.row))
	dst = binary.AppendUvarint(dst, uint64(e.line))
	dst = binary.AppendUvarint(dst, uint64(e.object))
	return binary.LittleEndian.AppendUint32(dst, uint32(len(e.op)))
}

// appendWhereabouts encodes where an operation is: in which chunk, at which place.
func appendWhereabouts(dst []byte, chunk, place int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(chunk)), uint64(place))
}

func whereabouts(b []byte) (chunk, place int, ok bool) {
	c, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, 0, false
	}
	p, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) || p >= chunkOperations || c > MaxRows {
		return 0, 0, false
	}
	return int(c), int(p), true
}

// keyOf is the key's hash of an entry that has one.
func keyOf(b []byte) (key []byte, ok bool) {
	if len(b) <= len(keyHash{}) || b[0]&entryKeyed == 0 {
		return nil, false
	}
	return b[1 : 1+len(keyHash{})], true
}

// decode reads an entry; its slices point into b.
func (e *entry) decode(b []byte) error {
	if len(b) == 0 || b[0]&^(entryKeyed|entryMarked) != 0 {
		return errSpool
	}
	*e = entry{label: label{keyed: b[0]&entryKeyed != 0, marked: b[0]&entryMarked != 0}}
	b = b[1:]
	for _, half := range []struct {
		there bool
		to    []byte
	}{{e.keyed, e.mark.Key[:]}, {e.marked, e.mark.Row[:]}} {
		if half.there {
			if len(b) < len(half.to) {
				return errSpool
			}
			b = b[copy(half.to, b):]
		}
	}
	var v [3]uint64
	for i := range v {
		n := 0
		if v[i], n = binary.Uvarint(b); n <= 0 {
			return errSpool
		}
		b = b[n:]
	}
	if v[0] > MaxRows || v[1] > 1<<60 || v[2] > 1<<30 || len(b) < 4 {
		return errSpool
	}
	size := binary.LittleEndian.Uint32(b)
	if b = b[4:]; uint64(size) > uint64(len(b)) {
		return errSpool
	}
	e.row, e.line, e.object = int64(v[0]), int(v[1]), int(v[2])
	e.op, e.links = b[:size], b[size:]
	return nil
}
