package run

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/bits"
	"slices"

	"penstock/internal/dataverse"
)

// A lineReader takes the lines of a chunk apart, as appendOperation, appendShaped
// and appendLink wrote them: what else is JSON is not one of ours. It is written
// by hand because it sees every row; FuzzLine and FuzzShapedLine hold it against
// encoding/json. What it yields lies in the chunk's own memory, but for ids and names.
type lineReader struct {
	text   []byte
	at     int
	names  []string            // seen so far: few, and the same ones in each line
	parts  []dataverse.KeyPart // of all keys
	shapes []shape
	sets   []byte // put together from the values of lines that have a shape
}

// begin reads the line of shapes, if there is one.
func (r *lineReader) begin() bool {
	if !bytes.HasPrefix(r.text, []byte(`{"shapes":`)) {
		return true
	}
	end := bytes.IndexByte(r.text, '\n') + 1
	if end == 0 || end > 2*mostShapeBytes {
		return false
	}
	var head shapesLine
	if json.Unmarshal(r.text[:end], &head) != nil {
		return false
	}
	r.at, r.shapes = end, head.Shapes
	return !slices.ContainsFunc(head.Shapes, func(s shape) bool { return !s.valid() })
}

// next reads a line into op. The place in the load's chunk is -1 where the line names none.
func (r *lineReader) next(op *dataverse.Operation) (of int, ok bool) {
	*op = dataverse.Operation{}
	if r.at < len(r.text) && r.text[r.at] == '[' {
		return -1, r.shaped(op)
	}
	line := int64(0)
	ok = r.take(`{"row":`) && r.integer(&op.Row) && r.take(`,"line":`) && r.integer(&line) && line <= math.MaxInt &&
		r.take(`,"do":"`) && r.verb(&op.Do) &&
		(!r.take(`,"id":"`) || r.word(&op.ID)) &&
		(!r.take(`,"key":[`) || r.key(op)) &&
		(!r.take(`,"new":"`) || r.word(&op.New)) &&
		r.take(`,"set":`) && r.object(&op.Set) &&
		(!r.take(`,"partition":`) || r.decoded(&op.Partition)) &&
		(!r.take(`,"link":{"navigation":"`) || r.link(op))
	op.Line = int(line)
	place := int64(-1)
	ok = ok && (!r.take(`,"of":`) || r.integer(&place) && place <= maxChunkBytes) && r.take("}\n")
	return int(place), ok
}

// shaped reads a line of values.
func (r *lineReader) shaped(op *dataverse.Operation) bool {
	line, n := int64(0), int64(0)
	if !r.take("[") || !r.integer(&op.Row) || !r.take(",") || !r.integer(&line) || line > math.MaxInt ||
		!r.take(",") || !r.integer(&n) || n >= int64(len(r.shapes)) {
		return false
	}
	s := &r.shapes[n]
	op.Line, op.Do = int(line), s.Do
	if s.ID && !(r.take(`,"`) && r.word(&op.ID)) {
		return false
	}
	first := len(r.parts)
	for _, column := range s.Key {
		part := dataverse.KeyPart{Column: column}
		if !r.take(",") || !r.value((*[]byte)(&part.Value)) {
			return false
		}
		r.parts = append(r.parts, part)
	}
	if len(s.Key) > 0 {
		op.Key = r.parts[first:len(r.parts):len(r.parts)]
	}
	if s.New && !(r.take(`,"`) && r.word(&op.New)) {
		return false
	}
	return r.members(s, op) && r.take("]\n")
}

// members puts an operation's Set together.
func (r *lineReader) members(s *shape, op *dataverse.Operation) bool {
	start := len(r.sets)
	set := append(append(r.sets, '{'), s.Fixed...)
	empty := len(s.Fixed) == 0
	for _, name := range s.Set {
		if !r.take(",") {
			return false
		}
		if r.take(absent) {
			continue
		}
		end := skipValue(r.text, r.at, 0)
		if end < 0 {
			return false
		}
		if !empty {
			set = append(set, ',')
		}
		empty = false
		set = append(append(set, name...), r.text[r.at:end]...)
		r.at = end
	}
	r.sets = append(set, '}')
	op.Set = json.RawMessage(r.sets[start:len(r.sets):len(r.sets)])
	return true
}

func (r *lineReader) end() bool { return r.at == len(r.text) }

// take goes past a text, if it is what comes next.
func (r *lineReader) take(text string) bool {
	if len(r.text)-r.at < len(text) || string(r.text[r.at:r.at+len(text)]) != text {
		return false
	}
	r.at += len(text)
	return true
}

// integer reads a whole number that is not negative.
func (r *lineReader) integer(into *int64) bool {
	start, n := r.at, int64(0)
	for ; r.at < len(r.text) && r.text[r.at]-'0' <= 9; r.at++ {
		digit := int64(r.text[r.at] - '0')
		if n > (math.MaxInt64-digit)/10 {
			return false
		}
		n = 10*n + digit
	}
	*into = n
	digits := r.at - start
	return digits == 1 || digits > 1 && r.text[start] != '0'
}

// plain reads to the end of a string in which every byte stands for itself.
func (r *lineReader) plain() ([]byte, bool) {
	n := bytes.IndexByte(r.text[r.at:], '"')
	if n < 0 {
		return nil, false
	}
	text := r.text[r.at : r.at+n]
	for _, b := range text {
		if b < ' ' || b == '\\' || b >= 0x80 {
			return nil, false
		}
	}
	r.at += n + 1
	return text, true
}

// word is a plain text that differs from line to line, and is not empty.
func (r *lineReader) word(into *string) bool {
	text, ok := r.plain()
	*into = string(text)
	return ok && len(text) > 0
}

// name is a plain text of which there are few.
func (r *lineReader) name(into *string) bool {
	text, ok := r.plain()
	if !ok {
		return false
	}
	for _, known := range r.names {
		if string(text) == known {
			*into = known
			return true
		}
	}
	*into = string(text)
	if len(r.names) < 32 {
		r.names = append(r.names, *into)
	}
	return true
}

var verbs = [...]dataverse.Verb{dataverse.Upsert, dataverse.Create, dataverse.Update, dataverse.Delete, dataverse.Associate, dataverse.Disassociate}

func (r *lineReader) verb(into *dataverse.Verb) bool {
	text, ok := r.plain()
	if !ok {
		return false
	}
	for _, verb := range verbs {
		if string(text) == string(verb) {
			*into = verb
			return true
		}
	}
	return false
}

func (r *lineReader) key(op *dataverse.Operation) bool {
	first := len(r.parts)
	for {
		var part dataverse.KeyPart
		if !r.take(`{"column":"`) || !r.name(&part.Column) || !r.take(`,"value":`) || !r.value((*[]byte)(&part.Value)) || !r.take(`}`) {
			return false
		}
		r.parts = append(r.parts, part)
		if r.take(`]`) {
			op.Key = r.parts[first:len(r.parts):len(r.parts)]
			return true
		}
		if !r.take(`,`) {
			return false
		}
	}
}

func (r *lineReader) link(op *dataverse.Operation) bool {
	op.Link = new(dataverse.Link)
	return r.name(&op.Link.Navigation) && r.take(`,"to":"`) && r.word(&op.Link.To) && r.take(`}`)
}

func (r *lineReader) object(into *json.RawMessage) bool {
	return r.at < len(r.text) && r.text[r.at] == '{' && r.value((*[]byte)(into))
}

// decoded reads a string that may hold anything.
func (r *lineReader) decoded(into *string) bool {
	var raw []byte
	return r.at < len(r.text) && r.text[r.at] == '"' && r.value(&raw) && json.Unmarshal(raw, into) == nil && *into != ""
}

// value reads any JSON value as it stands.
func (r *lineReader) value(into *[]byte) bool {
	end := skipValue(r.text, r.at, 0)
	if end < 0 {
		return false
	}
	*into = r.text[r.at:end:end]
	r.at = end
	return true
}

// maxNesting of a value: a party list has three levels.
const maxNesting = 100

// skipValue is where the JSON value that begins at i ends; -1 when it is none.
func skipValue(text []byte, i, depth int) int {
	if i >= len(text) || depth > maxNesting {
		return -1
	}
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '{', '[':
		return skipMembers(text, i, depth)
	case 't':
		return skipWord(text, i, "true")
	case 'f':
		return skipWord(text, i, "false")
	case 'n':
		return skipWord(text, i, "null")
	}
	return skipNumber(text, i)
}

// skipMembers goes past an object or an array.
func skipMembers(text []byte, i, depth int) int {
	object, closing := text[i] == '{', text[i]+2 // in ASCII
	i = skipBlanks(text, i+1)
	if i < len(text) && text[i] == closing {
		return i + 1
	}
	for {
		if object {
			if i >= len(text) || text[i] != '"' {
				return -1
			}
			if i = skipString(text, i); i < 0 {
				return -1
			}
			if i = skipBlanks(text, i); i >= len(text) || text[i] != ':' {
				return -1
			}
			i = skipBlanks(text, i+1)
		}
		if i = skipValue(text, i, depth+1); i < 0 {
			return -1
		}
		i = skipBlanks(text, i)
		switch {
		case i >= len(text):
			return -1
		case text[i] == closing:
			return i + 1
		case text[i] != ',':
			return -1
		}
		i = skipBlanks(text, i+1)
	}
}

// skipBlanks goes past white space; a line's end is none here.
func skipBlanks(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	return i
}

func skipWord(text []byte, i int, word string) int {
	if len(text)-i < len(word) || string(text[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipString(text []byte, i int) int {
	for i = skipPlain(text, i+1); i < len(text); i = skipPlain(text, i+1) {
		switch b := text[i]; {
		case b == '"':
			return i + 1
		case b < ' ':
			return -1
		case b != '\\':
			continue
		}
		if i++; i >= len(text) {
			return -1
		}
		switch text[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			for range 4 {
				if i++; i >= len(text) || !isHex(text[i]) {
					return -1
				}
			}
		default:
			return -1
		}
	}
	return -1
}

// skipPlain goes past what stands for itself in a string, eight bytes at a time:
// nearly all of a chunk is that.
func skipPlain(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	zeros := func(x uint64) uint64 { return (x - ones) & ^x & highs } // not 0 where a byte is 0
	for ; len(text)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		special := zeros(x^'"'*ones) | zeros(x^'\\'*ones) | (x-' '*ones)&^x&highs
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

func isHex(b byte) bool { return b-'0' <= 9 || b-'a' <= 5 || b-'A' <= 5 }

func skipNumber(text []byte, i int) int {
	if text[i] == '-' {
		i++
	}
	whole := i
	if i = skipDigits(text, i); i == whole || text[whole] == '0' && i > whole+1 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		start := i + 1
		if i = skipDigits(text, start); i == start {
			return -1
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		start := i
		if i = skipDigits(text, start); i == start {
			return -1
		}
	}
	return i
}

func skipDigits(text []byte, i int) int {
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	return i
}
