package delivery

import "bytes"

// escapedRow cuts a row in which backslashes may escape: also a line end, so that the row goes on behind it.
func (s *splitter) escapedRow(data []byte, ended bool) split {
	s.quoted = true
	s.scratch = s.scratch[:0]
	cells := 0
	for pos := 0; ; pos++ {
		start := pos
		quoted := s.quoting && pos < len(data) && data[pos] == s.quote
		var text []byte
		if quoted {
			text, pos = s.escapedQuoted(data, pos, ended)
			if pos < 0 {
				return cutShort(data, start, ended)
			}
		} else {
			text, pos = s.escapedPlain(data, pos, ended)
			if pos < 0 {
				return split{verdict: incomplete, size: len(data), open: -1}
			}
		}
		if pos < len(data) && data[pos] == s.delim {
			s.add(cells, text, pos)
			cells++
			continue
		}
		end, next := rowEnd(data, start, pos, quoted, ended)
		switch {
		case next == more:
			return split{verdict: incomplete, size: len(data), open: -1}
		case next == none:
			return s.recoverAt(data, pos, ended)
		}
		switch {
		case end == pos:
		case protected(data[start:end]):
			end = pos
		default: // a CR that belongs to the line end
			text = text[:len(text)-1]
		}
		s.add(cells, text, end)
		return split{cells: cells + 1, size: end, next: next, lines: bytes.Count(data[:next], []byte{'\n'}), open: -1}
	}
}

// escapedQuoted reads from the opening quote at pos to behind the closing one; -1 when that is not there.
func (s *splitter) escapedQuoted(data []byte, pos int, ended bool) (text []byte, end int) {
	from := len(s.scratch)
	for pos++; pos < len(data); pos++ {
		b := data[pos]
		switch {
		case b == '\\':
			if pos+1 == len(data) {
				return nil, -1
			}
			pos++
			s.unescape(data[pos])
			continue
		case b != s.quote:
		case pos+1 == len(data) && !ended:
			return nil, -1
		case pos+1 == len(data) || data[pos+1] != s.quote:
			return s.scratch[from:len(s.scratch):len(s.scratch)], pos + 1
		default: // doubled
			pos++
		}
		s.scratch = append(s.scratch, b)
	}
	return nil, -1
}

// escapedPlain reads an unquoted cell to what ends it; -1 when that cannot be seen yet.
func (s *splitter) escapedPlain(data []byte, pos int, ended bool) (text []byte, end int) {
	from := len(s.scratch)
	for ; pos < len(data); pos++ {
		b := data[pos]
		if b == s.delim || b == '\n' || s.quoting && b == s.quote {
			break
		}
		if b == '\\' {
			if pos+1 < len(data) {
				pos++
				s.unescape(data[pos])
				continue
			}
			if !ended {
				return nil, -1
			}
		}
		s.scratch = append(s.scratch, b)
	}
	if pos == len(data) && !ended {
		return nil, -1
	}
	return s.scratch[from:len(s.scratch):len(s.scratch)], pos
}

var mysqlEscapes = [256]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'Z': 0x1a}

// unescape adds what a backslash and b mean.
func (s *splitter) unescape(b byte) {
	switch {
	case s.escape == MySQL && b == '0':
		b = 0
	case s.escape == MySQL && mysqlEscapes[b] != 0:
		b = mysqlEscapes[b]
	case s.escape == MySQL:
	case b == '\\', b == s.delim, b == '\n', b == '\r', s.quoting && b == s.quote:
	default:
		s.scratch = append(s.scratch, '\\')
	}
	s.scratch = append(s.scratch, b)
}

// protected says that the byte behind text is escaped: an odd number of backslashes is before it.
func protected(text []byte) bool {
	return (len(text)-len(bytes.TrimRight(text, "\\")))%2 == 1
}
