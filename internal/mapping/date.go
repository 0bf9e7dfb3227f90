package mapping

import (
	"bytes"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// moment is a date, or a date and time, as a cell has it.
type moment struct {
	utc      time.Time // without a zone the cell's time is taken as UTC
	hasTime  bool
	fraction bool // a part of a second that is not zero
}

// parseMoment reads 2026-01-02, optionally with T or a space and 03:04[:05[.fff]],
// optionally with Z or an offset ±hh[[:]mm] behind the time.
func parseMoment(text []byte) (m moment, ok bool) {
	s := scan{rest: text, ok: true}
	year, month, day := s.digits(4), 0, 0
	s.expect("-")
	month = s.digits(2)
	s.expect("-")
	day = s.digits(2)
	hour, minute, second, offset := 0, 0, 0, 0
	if s.take("Tt ") {
		m.hasTime = true
		hour = s.digits(2)
		s.expect(":")
		minute = s.digits(2)
		if s.take(":") {
			second = s.digits(2)
			m.fraction = s.fraction()
		}
		offset = s.offset()
	}
	m.utc = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	real := m.utc.Year() == year && int(m.utc.Month()) == month && m.utc.Day() == day &&
		hour < 24 && minute < 60 && second < 60
	m.utc = m.utc.Add(-time.Duration(offset) * time.Minute)
	return m, s.ok && len(s.rest) == 0 && real
}

// scan reads a text from the left; ok turns false at the first thing unexpected.
type scan struct {
	rest []byte
	ok   bool
}

func (s *scan) digits(n int) int {
	if len(s.rest) < n {
		s.ok = false
		return 0
	}
	value := 0
	for _, c := range s.rest[:n] {
		if c < '0' || c > '9' {
			s.ok = false
			return 0
		}
		value = value*10 + int(c-'0')
	}
	s.rest = s.rest[n:]
	return value
}

// take steps over one of the characters, if one is there.
func (s *scan) take(characters string) bool {
	if len(s.rest) > 0 && bytes.IndexByte([]byte(characters), s.rest[0]) >= 0 {
		s.rest = s.rest[1:]
		return true
	}
	return false
}

func (s *scan) expect(characters string) {
	if !s.take(characters) {
		s.ok = false
	}
}

// fraction steps over a fraction of a second and tells whether it is more than zero.
func (s *scan) fraction() bool {
	if !s.take(".,") {
		return false
	}
	digits, rest := leadingDigits(s.rest)
	s.rest = rest
	if len(digits) == 0 {
		s.ok = false
	}
	return len(bytes.Trim(digits, "0")) > 0
}

// offset reads Z, ±hh, ±hhmm or ±hh:mm, or nothing, in minutes east of UTC.
func (s *scan) offset() int {
	s.take(" ") // as databases print: 2026-01-02 03:04:05 +00
	if len(s.rest) == 0 || s.take("Zz") {
		return 0
	}
	west := s.rest[0] == '-'
	s.expect("+-")
	hours, minutes := s.digits(2), 0
	if len(s.rest) > 0 {
		s.take(":")
		minutes = s.digits(2)
	}
	if hours > 18 || minutes > 59 {
		s.ok = false
	}
	if west {
		return -(hours*60 + minutes)
	}
	return hours*60 + minutes
}

// dates converts to a date or date/time column, in UTC: the Web API converts
// no zones. A column that looks like a date but behaves as a timestamp takes both.
func dates(c *dataverse.Column) convert {
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		text := bytes.TrimSpace(cell.Text)
		m, ok := parseMoment(text)
		switch {
		case !ok:
			return dst, complain(NotADate, "%q is not a date that exists, in ISO form: write 2026-01-02 or 2026-01-02T03:04:05Z", shown(text))
		case c.DateOnly && m.hasTime:
			return dst, complain(HasTime, "%q has a time of day and the column takes dates only: write 2026-01-02", shown(text))
		case m.fraction:
			return dst, complain(TooPrecise, "%q has a fraction of a second, which the column does not keep: round it in the file", shown(text))
		case m.utc.Year() < 1753 || m.utc.Year() > 9999:
			return dst, complain(OutOfRange, "%q is out of range: dates lie between 1753-01-01 and 9999-12-31 (UTC)", shown(text))
		}
		if c.DateOnly {
			return m.utc.AppendFormat(dst, `"2006-01-02"`), nil
		}
		return m.utc.AppendFormat(dst, `"2006-01-02T15:04:05Z"`), nil
	}
}
