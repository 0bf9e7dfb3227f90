package delivery

import "penstock/internal/row"

// member is one name and value of an object.
type member struct {
	name       []byte // unescaped
	cell       row.Cell
	start, end int  // from the name's quote to behind the value
	own        bool // one of Penstock's own
	column     int
}

type trouble uint8

const (
	notJSON trouble = iota
	notObject
	tooDeep
)

// objectScanner reads one line as a JSON object (RFC 8259) and keeps its members, strings unescaped, all
// other values in their source spelling. Bytes that are not UTF-8 are the caller's to find.
type objectScanner struct {
	nesting int // how deep values may be nested

	line    []byte
	pos     int
	members []member
	own     int    // how many members are Penstock's own
	scratch []byte // unescaped strings
	badText int    // the first escape that is no character, or NUL; -1 when there is none

	trouble trouble
	at      int    // where the line goes wrong
	what    string // what is wrong there, or with badText
}

// object scans a line; false means that trouble, at and what say why not.
func (s *objectScanner) object(line []byte) bool {
	s.line, s.pos, s.members, s.own = line, 0, s.members[:0], 0
	s.scratch, s.badText, s.what = s.scratch[:0], -1, ""
	s.space()
	if s.peek() != '{' {
		return s.other()
	}
	return s.each('}', s.member) && s.lineEnd()
}

// other judges a line that does not begin as an object.
func (s *objectScanner) other() bool {
	start := s.pos
	cell, ok := s.value(1)
	if !ok || !s.lineEnd() {
		return false
	}
	s.what = map[row.Kind]string{row.Text: "a string", row.Number: "a number", row.Bool: "true or false", row.Null: "null", row.Nested: "an array"}[cell.Kind]
	s.trouble, s.at = notObject, start
	return false
}

// each reads what stands between a bracket and its partner, separated by commas.
func (s *objectScanner) each(closing byte, one func() bool) bool {
	s.pos++
	s.space()
	if s.peek() == closing {
		s.pos++
		return true
	}
	for {
		if !one() {
			return false
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case closing:
			s.pos++
			return true
		default:
			return s.fail("expected a comma or the closing bracket")
		}
	}
}

func (s *objectScanner) member() bool {
	start := s.pos
	if s.peek() != '"' {
		return s.fail("expected a name in double quotes")
	}
	name, ok := s.text()
	if !ok || !s.colon() {
		return false
	}
	bad, what := s.badText, s.what
	cell, ok := s.value(1)
	if !ok {
		return false
	}
	own := len(name) > 0 && name[0] == '_' && isOwn(string(name))
	if own {
		s.own++
		s.badText, s.what = bad, what
	}
	s.members = append(s.members, member{name: name, cell: cell, start: start, end: s.pos, own: own})
	return true
}

func (s *objectScanner) colon() bool {
	s.space()
	if s.peek() != ':' {
		return s.fail("expected a colon after the name")
	}
	s.pos++
	s.space()
	return true
}

func (s *objectScanner) value(depth int) (row.Cell, bool) {
	start := s.pos
	switch b := s.peek(); {
	case b == '"':
		text, ok := s.text()
		return row.Cell{Kind: row.Text, Text: text}, ok
	case b == '-' || '0' <= b && b <= '9':
		ok := s.number()
		return row.Cell{Kind: row.Number, Text: s.line[start:s.pos]}, ok
	case b == '{' || b == '[':
		ok := s.nested(depth + 1)
		return row.Cell{Kind: row.Nested, Text: s.line[start:s.pos]}, ok
	case s.literal("true"), s.literal("false"):
		return row.Cell{Kind: row.Bool, Text: s.line[start:s.pos]}, true
	case s.literal("null"):
		return row.Cell{Kind: row.Null}, true
	}
	return row.Cell{}, s.fail("expected a value")
}

func (s *objectScanner) literal(word string) bool {
	if len(s.line)-s.pos < len(word) || string(s.line[s.pos:s.pos+len(word)]) != word {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *objectScanner) nested(depth int) bool {
	if depth > s.nesting {
		s.trouble, s.at = tooDeep, s.pos
		return false
	}
	if s.line[s.pos] == '[' {
		return s.each(']', func() bool { _, ok := s.value(depth); return ok })
	}
	return s.each('}', func() bool {
		if s.peek() != '"' {
			return s.fail("expected a name in double quotes")
		}
		if _, ok := s.text(); !ok || !s.colon() {
			return false
		}
		_, ok := s.value(depth)
		return ok
	})
}

func (s *objectScanner) number() bool {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.fail("expected a digit")
	}
	if b := s.peek(); '0' <= b && b <= '9' {
		return s.fail("a number must not begin with 0")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("expected a digit after the decimal point")
		}
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if b := s.peek(); b == '+' || b == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("expected a digit in the exponent")
		}
	}
	return true
}

func (s *objectScanner) digits() bool {
	start := s.pos
	for s.pos < len(s.line) && '0' <= s.line[s.pos] && s.line[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

func (s *objectScanner) space() {
	for s.pos < len(s.line) {
		if b := s.line[s.pos]; b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return
		}
		s.pos++
	}
}

// peek is the next byte; 0, which is no part of JSON, at the end of the line.
func (s *objectScanner) peek() byte {
	if s.pos < len(s.line) {
		return s.line[s.pos]
	}
	return 0
}

func (s *objectScanner) lineEnd() bool {
	s.space()
	if s.pos < len(s.line) {
		return s.fail("text behind the object")
	}
	return true
}

func (s *objectScanner) fail(what string) bool {
	s.trouble, s.at, s.what = notJSON, s.pos, what
	if s.pos >= len(s.line) {
		s.at = len(s.line)
		s.what += ", but the line ends here"
	}
	return false
}
