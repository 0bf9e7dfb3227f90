package delivery

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"penstock/internal/row"
)

// splitter cuts one row into cells. It keeps at most as many as cells has room for
// and counts the rest, so that a row of nothing but commas costs no memory.
type splitter struct {
	delim   byte
	delims  uint64 // delim eight times
	quote   byte
	quotes  uint64
	quoting bool // the dialect has quotes
	escape  Escape
	null    []byte // what stands for null in a cell without quotes; nil for nothing

	cells   []row.Cell
	ends    []int  // behind each cell as the file has it, quotes included; only of quoted rows
	quoted  bool   // the row has quotes or escapes, so ends is filled
	nulls   bool   // a cell's kind was set to Null
	scratch []byte // cells whose doubled quotes or escapes were undone
}

func newSplitter(d Dialect) splitter {
	s := splitter{delim: d.delimiter(), escape: d.Escape}
	s.delims = ones * uint64(s.delim)
	s.quote, s.quoting = d.quote()
	s.quotes = ones * uint64(s.quote)
	if d.Null != "" {
		s.null = []byte(d.Null)
	}
	return s
}

type verdict uint8

const (
	whole      verdict = iota
	empty              // a line without anything on it
	incomplete         // the row's end is not there yet
	strayQuote         // at says where
	unclosed           // a quote is open at the end of the file
)

// split is what was found at the beginning of some bytes.
type split struct {
	verdict verdict
	cells   int    // how many, also beyond those kept
	size    int    // bytes of the row without its line end; what is there of an incomplete one
	next    int    // bytes up to the next row
	lines   int    // line ends in them
	open    int    // the quote that does not close (incomplete, unclosed); -1 when there is none
	at      int    // the byte that breaks the quoting rules (strayQuote)
	what    string // how it does
}

// keep makes room for n cells.
func (s *splitter) keep(n int) {
	s.cells = make([]row.Cell, n)
	for i := range s.cells {
		s.cells[i].Kind = row.Text
	}
	s.ends = make([]int, n)
}

// row splits the row at the beginning of data. ended says that nothing comes after data.
func (s *splitter) row(data []byte, ended bool) split {
	end := bytes.IndexByte(data, '\n')
	if end < 0 && !ended {
		return split{verdict: incomplete, size: len(data), open: -1}
	}
	found := split{open: -1, next: end + 1, lines: 1}
	if end < 0 {
		end, found.next, found.lines = len(data), len(data), 0
	}
	line := trimCR(data[:end])
	if len(line) == 0 {
		found.verdict = empty
		return found
	}
	s.quoted = false
	switch {
	case s.escape != "" && bytes.IndexByte(line, '\\') >= 0:
		found = s.escapedRow(data, ended)
	case s.quoting && bytes.IndexByte(line, s.quote) >= 0:
		if s.escape != "" { // an escape may follow on another line of the row
			found = s.escapedRow(data, ended)
		} else {
			found = s.quotedRow(data, ended)
		}
	default:
		found.size, found.cells = len(line), s.plain(line)
	}
	if (s.null != nil || s.escape != Doubled) && found.verdict == whole {
		s.nullify(data, min(found.cells, len(s.cells)))
	}
	return found
}

// nullify makes cells that are the word for null, without quotes, nulls.
func (s *splitter) nullify(data []byte, n int) {
	cells := s.cells[:n]
	if s.nulls {
		s.nulls = false
		for i := range s.cells {
			s.cells[i].Kind = row.Text
		}
	}
	start := 0
	for i := range cells {
		text := cells[i].Text
		if s.quoted {
			text = data[start:s.ends[i]]
			start = s.ends[i] + 1
		}
		if s.null != nil && bytes.Equal(text, s.null) || s.escape != Doubled && string(text) == `\N` {
			cells[i] = row.Cell{Kind: row.Null}
			s.nulls = true
		}
	}
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

const lows = 0x7f7f7f7f7f7f7f7f

// plain cuts a line without quotes, eight bytes at a time.
func (s *splitter) plain(line []byte) int {
	cells, delims, delim := s.cells, s.delims, s.delim
	n, start, i := 0, 0, 0
	for ; i+8 <= len(line); i += 8 {
		other := binary.LittleEndian.Uint64(line[i:]) ^ delims
		for found := ^((other&lows + lows) | other | lows); found != 0; found &= found - 1 {
			at := i + bits.TrailingZeros64(found)>>3
			if n < len(cells) {
				cells[n].Text = line[start:at:at]
			}
			n++
			start = at + 1
		}
	}
	for ; i < len(line); i++ {
		if line[i] == delim {
			if n < len(cells) {
				cells[n].Text = line[start:i:i]
			}
			n++
			start = i + 1
		}
	}
	if n < len(cells) {
		cells[n].Text = line[start:]
	}
	return n + 1
}

// quotedRow cuts a row whose first line has a quote in it; the row may go on behind that line.
func (s *splitter) quotedRow(data []byte, ended bool) split {
	s.quoted = true
	s.scratch = s.scratch[:0]
	cells := 0
	for pos := 0; ; pos++ {
		start := pos
		var text []byte
		if pos < len(data) && data[pos] == s.quote {
			if text, pos = s.quotedCell(data, pos, ended); pos < 0 {
				return cutShort(data, start, ended)
			}
		} else {
			pos = s.plainEnd(data, pos)
			text = data[start:pos:pos]
		}
		if pos < len(data) && data[pos] == s.delim {
			s.add(cells, text, pos)
			cells++
			continue
		}
		quoted := start < len(data) && data[start] == s.quote
		end, next := rowEnd(data, start, pos, quoted, ended)
		switch {
		case next == more:
			return split{verdict: incomplete, size: len(data), open: -1}
		case next == none:
			return s.recoverAt(data, pos, ended)
		}
		if end < pos { // a CR that belongs to the line end
			text = data[start:end:end]
		}
		s.add(cells, text, end)
		return split{cells: cells + 1, size: end, next: next, lines: bytes.Count(data[:next], []byte{'\n'}), open: -1}
	}
}

func (s *splitter) add(i int, text []byte, end int) {
	if i < len(s.cells) {
		s.cells[i].Text = text
		s.ends[i] = end
	}
}

// quotedCell reads from the opening quote at pos to behind the closing one; -1 when that is not there.
func (s *splitter) quotedCell(data []byte, pos int, ended bool) (text []byte, end int) {
	start, escaped := pos+1, false
	for pos = start; ; pos++ {
		pos = s.quoteAt(data, pos) + 1
		if pos > len(data) || pos == len(data) && !ended {
			return nil, -1
		}
		if pos == len(data) || data[pos] != s.quote {
			break
		}
		escaped = true
	}
	text = data[start : pos-1 : pos-1]
	if escaped {
		text = s.undouble(text)
	}
	return text, pos
}

// quoteAt finds the next quote; len(data) when there is none. Most cells are short, so it looks at
// eight bytes before it calls for more.
func (s *splitter) quoteAt(data []byte, pos int) int {
	for near := min(pos+32, len(data)); pos+8 <= near; pos += 8 {
		other := binary.LittleEndian.Uint64(data[pos:]) ^ s.quotes
		if found := (other - ones) &^ other & highs; found != 0 {
			return pos + bits.TrailingZeros64(found)>>3
		}
	}
	if at := bytes.IndexByte(data[pos:], s.quote); at >= 0 {
		return pos + at
	}
	return len(data)
}

// undouble copies text with its doubled quotes made single: the row's own bytes stay as they are for Raw.
func (s *splitter) undouble(text []byte) []byte {
	start := len(s.scratch)
	for {
		quote := bytes.IndexByte(text, s.quote)
		if quote < 0 {
			break
		}
		s.scratch = append(s.scratch, text[:quote+1]...)
		text = text[quote+2:]
	}
	s.scratch = append(s.scratch, text...)
	return s.scratch[start:len(s.scratch):len(s.scratch)]
}

// plainEnd finds what ends an unquoted cell: a delimiter, a line end, a quote that has no place in it, or the end.
func (s *splitter) plainEnd(data []byte, pos int) int {
	delim, quote := s.delim, s.quote
	for ; pos < len(data); pos++ {
		if b := data[pos]; b == delim || b == '\n' || b == quote {
			break
		}
	}
	return pos
}

const (
	none = -1 // there is no row end
	more = -2 // it cannot be seen yet whether there is one
)

// rowEnd looks for the row's end behind the cell from start to pos, where no delimiter is. end is behind
// the cell, without the CR of a line end; next is the beginning of the next row, or none or more.
func rowEnd(data []byte, start, pos int, quoted, ended bool) (end, next int) {
	end = pos
	switch {
	case !quoted:
		end = start + len(trimCR(data[start:pos]))
	case pos < len(data) && data[pos] == '\r':
		pos++
	}
	switch {
	case pos < len(data) && data[pos] == '\n':
		return end, pos + 1
	case pos < len(data):
		return 0, none
	case !ended:
		return 0, more
	}
	return end, pos
}

// cutShort is a row whose quote at open has not closed yet.
func cutShort(data []byte, open int, ended bool) split {
	if ended {
		return split{verdict: unclosed, size: len(data), open: open}
	}
	return split{verdict: incomplete, size: len(data), open: open}
}

// recoverAt is a row that breaks the quoting rules at a byte: it is given up to the end of that line.
func (s *splitter) recoverAt(data []byte, at int, ended bool) split {
	found := split{verdict: strayQuote, open: -1, at: at, what: "text after a closing quote"}
	if data[at] == s.quote {
		found.what = "a quote inside an unquoted cell"
	}
	end := bytes.IndexByte(data[at:], '\n')
	if end < 0 && !ended {
		return split{verdict: incomplete, size: len(data), open: -1}
	}
	found.size, found.next = at+end, at+end+1
	if end < 0 {
		found.size, found.next = len(data), len(data)
	}
	found.size = len(trimCR(data[:found.size]))
	found.lines = bytes.Count(data[:found.next], []byte{'\n'})
	return found
}

// rawEnd is where the first n cells end in the row as the file has it.
func (s *splitter) rawEnd(n int) int {
	if s.quoted {
		return s.ends[n-1]
	}
	end := n - 1
	for _, cell := range s.cells[:n] {
		if cell.Kind == row.Null {
			end += len(s.null)
		}
		end += len(cell.Text)
	}
	return end
}
