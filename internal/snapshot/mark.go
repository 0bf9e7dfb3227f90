package snapshot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"penstock/internal/fault"
)

// Mark names a row and its content. Both are keyed hashes, so that nobody
// without the secret can test a guess (rule H4).
type Mark struct{ Key, Row [markHalf]byte }

const (
	markHalf  = 16
	markBytes = 2 * markHalf
)

// What a hash is of stands in its first byte.
const (
	ofKey    = 'k'
	ofRow    = 'r'
	ofSecret = 's'
)

// Marker makes marks. It is for one goroutine.
type Marker struct {
	mac  hash.Hash
	text []byte
	sum  []byte
}

// NewMarker makes marks with a place's secret.
func NewMarker(secret []byte) *Marker {
	return &Marker{mac: hmac.New(sha256.New, secret), sum: make([]byte, 0, sha256.Size)}
}

// Mark is the mark of the row with this normalised key and content. It keeps
// neither. One run has at most one row for a key.
func (m *Marker) Mark(key []byte, content ...[]byte) Mark {
	var mark Mark
	m.text = appendPart(append(m.text[:0], ofKey), key)
	copy(mark.Key[:], m.hash())
	// With the key among it, equal rows of different keys have nothing in common to see.
	m.text[0] = ofRow
	for _, part := range content {
		m.text = appendPart(m.text, part)
	}
	copy(mark.Row[:], m.hash())
	return mark
}

// appendPart puts the length first: "a","bc" and "ab","c" are two things.
func appendPart(text, part []byte) []byte {
	return append(binary.AppendUvarint(text, uint64(len(part))), part...)
}

func (m *Marker) hash() []byte {
	m.mac.Reset()
	m.mac.Write(m.text)
	m.sum = m.mac.Sum(m.sum[:0])
	return m.sum
}

// Fingerprint tells secrets apart and tells nothing of them.
func Fingerprint(secret []byte) string {
	m := NewMarker(secret)
	m.text = append(m.text, ofSecret)
	return hex.EncodeToString(m.hash()[:8])
}

var marksFormat = format{magic: "PSmark\x00\x01"}

// EncodeMarks makes an object of a chunk's marks, in the order of its operations.
func EncodeMarks(marks []Mark) []byte {
	data := marksFormat.begin(make([]byte, 0, headerBytes+len(marks)*markBytes))
	for i := range marks {
		data = appendMark(data, &marks[i])
	}
	return marksFormat.end(data)
}

// DecodeMarks reads what EncodeMarks wrote. What was damaged is Broken, code "bad_marks".
func DecodeMarks(data []byte) ([]Mark, error) {
	entries, err := marksFormat.entries(data)
	if err != nil {
		return nil, fault.New(fault.Broken, "bad_marks", "the marks of a chunk are damaged").Because(err)
	}
	marks := make([]Mark, len(entries)/markBytes)
	for i := range marks {
		marks[i] = markAt(entries, i)
	}
	return marks, nil
}
