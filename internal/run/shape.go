package run

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"sync"

	"penstock/internal/dataverse"
	"penstock/internal/mapping"
)

// A shape is what the operations of many rows have in common. A chunk begins
// with a line of shapes, and most of its lines then hold nothing but values:
//
//	{"shapes":[{"do":"upsert","key":["emailaddress1"],"set":["\"firstname\":","\"lastname\":"]}]}
//	[17,18,0,"ada@example.org","Ada",{}]
//
// are row 17 on line 18 in shape 0, whose last name the row does not mention.
// Names of columns are two thirds of what a row takes, and each row is hashed, spilled,
// stored and read back. Operations that fit no shape stand as objects (chunk.go).
type shape struct {
	Do    dataverse.Verb `json:"do"`
	ID    bool           `json:"id,omitempty"`  // the first value
	Key   []string       `json:"key,omitempty"` // columns of the next ones
	New   bool           `json:"new,omitempty"` // the one behind them
	Fixed string         `json:"fixed,omitempty"`
	Set   []string       `json:"set"` // `"firstname":`, of the rest
}

// absent stands for the value of a column that a row does not mention.
const absent = mapping.Nothing

// Shapes are few: one for each column that a file without a header shows late.
// Beyond these bounds rows are stored as objects.
const (
	mostShapes     = 64
	mostShapeBytes = 64 << 10
)

// shapes are all shapes of a run. Mappers share them.
type shapes struct {
	mu    sync.Mutex
	all   []shape
	bytes int
}

// number is a shape's place among all; false when there is no room for it.
func (s *shapes) number(one *shape) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.all {
		if s.all[n].equal(one) {
			return n, true
		}
	}
	size := one.size()
	if len(s.all) == mostShapes || s.bytes+size > mostShapeBytes {
		return 0, false
	}
	s.all, s.bytes = append(s.all, *one), s.bytes+size
	return len(s.all) - 1, true
}

// list is what a step keeps, and restore takes it up.
func (s *shapes) list() []shape {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func (s *shapes) restore(all []shape) {
	for i := range all {
		s.number(&all[i])
	}
}

// head is the first line of a chunk; none while there are no shapes.
func (s *shapes) head() []byte {
	all := s.list()
	if len(all) == 0 {
		return nil
	}
	line, _ := json.Marshal(shapesLine{all}) // of texts and flags: always marshals
	return append(line, '\n')
}

type shapesLine struct {
	Shapes []shape `json:"shapes"`
}

func (s *shape) equal(t *shape) bool {
	return s.Do == t.Do && s.ID == t.ID && s.New == t.New && s.Fixed == t.Fixed && slices.Equal(s.Key, t.Key) && slices.Equal(s.Set, t.Set)
}

// size is about how many bytes the shape takes.
func (s *shape) size() int {
	n := 64 + len(s.Fixed)
	for _, list := range [][]string{s.Key, s.Set} {
		for _, name := range list {
			n += len(name) + 6
		}
	}
	return n
}

// valid tells whether names are names: what is read back becomes part of a call.
func (s *shape) valid() bool {
	for _, name := range s.Set {
		if !json.Valid([]byte("{"+name+"0}")) || bytes.Count([]byte(name), []byte{'"'}) != 2 {
			return false
		}
	}
	return slices.Contains(verbs[:], s.Do) && json.Valid([]byte("{"+s.Fixed+"}"))
}

// A shaper finds the shape of a mapper's operations: nearly always the last one's.
type shaper struct {
	all    *shapes
	layout mapping.Layout
	known  [shapeForms]int // number plus one; 0 not asked yet, -1 none
}

// shapeForms is how many shapes a layout can have: the verb is the mapping's.
const shapeForms = 8

func newShaper(all *shapes, m *mapping.Mapping) *shaper {
	return &shaper{all: all, layout: m.Layout()}
}

// number is the shape of an operation; -1 when it has none.
func (s *shaper) number(op *dataverse.Operation) int {
	form := 0
	for i, there := range [...]bool{op.ID != "", op.New != "", len(op.Key) > 0} {
		if there {
			form |= 1 << i
		}
	}
	if s.known[form] == 0 {
		one := shape{Do: op.Do, ID: op.ID != "", New: op.New != "", Fixed: s.layout.Fixed, Set: s.layout.Names}
		for _, part := range op.Key {
			one.Key = append(one.Key, part.Column)
		}
		s.known[form] = -1
		if n, ok := s.all.number(&one); ok {
			s.known[form] = n + 1
		}
	}
	return max(s.known[form]-1, -1)
}

// appendShaped writes an operation that has a shape as a line of values.
func appendShaped(dst []byte, n int, op *dataverse.Operation, values []byte) []byte {
	dst = strconv.AppendInt(append(dst, '['), op.Row, 10)
	dst = strconv.AppendInt(append(dst, ','), int64(op.Line), 10)
	dst = strconv.AppendInt(append(dst, ','), int64(n), 10)
	if op.ID != "" {
		dst = appendMember(dst, `,"`, op.ID)
	}
	for _, part := range op.Key {
		dst = append(append(dst, ','), part.Value...)
	}
	if op.New != "" {
		dst = appendMember(dst, `,"`, op.New)
	}
	if len(values) > 0 {
		dst = append(append(dst, ','), values...)
	}
	return append(dst, "]\n"...)
}
