package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A format is a header – magic with version, number of entries, checksum – and
// the entries, a mark each. The checksum starts from a label, so that an object
// in another's place is no more taken for it than one that was damaged.
type format struct{ magic, label string }

const headerBytes = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged: the bytes are not what was written.
var errDamaged = errors.New("damaged")

// begin appends room for the header to data, which is empty.
func (f format) begin(data []byte) []byte {
	data = append(data, f.magic...)
	return append(data, make([]byte, headerBytes-len(f.magic))...)
}

// end fills the header in.
func (f format) end(data []byte) []byte {
	entries := data[headerBytes:]
	binary.LittleEndian.PutUint32(data[8:], uint32(len(entries)/markBytes))
	binary.LittleEndian.PutUint32(data[12:], f.checksum(entries))
	return data
}

func (f format) checksum(entries []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(f.label), castagnoli), castagnoli, entries)
}

// entries checks an object and gives what follows its header.
func (f format) entries(data []byte) ([]byte, error) {
	if len(data) < headerBytes || string(data[:len(f.magic)]) != f.magic {
		return nil, fmt.Errorf("%w: not this format or version", errDamaged)
	}
	entries := data[headerBytes:]
	if n := binary.LittleEndian.Uint32(data[8:]); uint64(len(entries)) != uint64(n)*markBytes {
		return nil, fmt.Errorf("%w: %d bytes for %d entries", errDamaged, len(entries), n)
	}
	if binary.LittleEndian.Uint32(data[12:]) != f.checksum(entries) {
		return nil, fmt.Errorf("%w: the checksum differs", errDamaged)
	}
	return entries, nil
}

func appendMark(data []byte, m *Mark) []byte {
	data = append(data, m.Key[:]...)
	return append(data, m.Row[:]...)
}

func markAt(entries []byte, i int) Mark {
	entry := entries[i*markBytes:][:markBytes]
	return Mark{Key: [markHalf]byte(entry[:markHalf]), Row: [markHalf]byte(entry[markHalf:])}
}

func keyAt(entries []byte, i int) []byte { return entries[i*markBytes:][:markHalf] }
