package delivery

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string from its opening to behind its closing quote. Without escapes it is part of the line.
func (s *objectScanner) text() ([]byte, bool) {
	s.pos++
	start := s.pos
	s.pos = plainText(s.line, start)
	if s.peek() == '"' {
		s.pos++
		return s.line[start : s.pos-1 : s.pos-1], true
	}
	from := len(s.scratch)
	for {
		s.scratch = append(s.scratch, s.line[start:s.pos]...)
		switch {
		case s.pos == len(s.line):
			return nil, s.fail("a string does not end")
		case s.line[s.pos] == '"':
			s.pos++
			return s.scratch[from:len(s.scratch):len(s.scratch)], true
		case s.line[s.pos] != '\\':
			return nil, s.fail("a control character in a string must be escaped")
		case !s.escape():
			return nil, false
		}
		start = s.pos
		s.pos = plainText(s.line, start)
	}
}

const (
	ones    = 0x0101010101010101
	highs   = 0x8080808080808080
	quotes  = '"' * ones
	slashes = '\\' * ones
)

// plainText finds the first byte of a string that is not itself: a quote, a backslash or a control
// character. Eight bytes at a time: a borrow can mark a byte too many, but never before the first real one.
func plainText(line []byte, pos int) int {
	for ; pos+8 <= len(line); pos += 8 {
		w := binary.LittleEndian.Uint64(line[pos:])
		quote, slash := w^quotes, w^slashes
		if ((quote-ones)&^quote|(slash-ones)&^slash|(w-0x20*ones)&^w)&highs != 0 {
			break
		}
	}
	for pos < len(line) && line[pos] != '"' && line[pos] != '\\' && line[pos] >= 0x20 {
		pos++
	}
	return pos
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads an escape and adds what it means to scratch.
func (s *objectScanner) escape() bool {
	at := s.pos
	s.pos++
	kind := s.peek()
	if plain := escapes[kind]; plain != 0 {
		s.pos++
		s.scratch = append(s.scratch, plain)
		return true
	}
	if kind != 'u' {
		return s.fail("an unknown escape in a string")
	}
	s.pos++
	unit, ok := s.hex()
	if !ok {
		return false
	}
	if utf16.IsSurrogate(unit) {
		if unit, ok = s.lowHalf(unit); !ok {
			return false
		}
		if unit == utf8.RuneError {
			s.markText(at, "half a surrogate pair")
		}
	}
	if unit == 0 {
		s.markText(at, "a NUL character")
	}
	s.scratch = utf8.AppendRune(s.scratch, unit)
	return true
}

func (s *objectScanner) markText(at int, what string) {
	if s.badText < 0 {
		s.badText, s.what = at, what
	}
}

// lowHalf joins the first half of a surrogate pair with the second, which must follow as an escape;
// utf8.RuneError when it does not.
func (s *objectScanner) lowHalf(high rune) (rune, bool) {
	back := s.pos
	if !s.literal(`\u`) {
		return utf8.RuneError, true
	}
	low, ok := s.hex()
	if !ok {
		return 0, false
	}
	joined := utf16.DecodeRune(high, low)
	if joined == utf8.RuneError {
		s.pos = back
	}
	return joined, true
}

func (s *objectScanner) hex() (rune, bool) {
	var unit rune
	for range 4 {
		b := s.peek()
		switch {
		case '0' <= b && b <= '9':
			b -= '0'
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			b = b | 0x20 - 'a' + 10
		default:
			return 0, s.fail("expected four hexadecimal digits")
		}
		unit = unit<<4 | rune(b)
		s.pos++
	}
	return unit, true
}
