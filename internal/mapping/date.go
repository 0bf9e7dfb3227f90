package mapping

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"

	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// moment is a date, or a date and time, as a cell has it.
type moment struct {
	utc       time.Time // without an offset the cell's time is taken as UTC
	hasTime   bool
	hasOffset bool
	fraction  bool // a part of a second that is not zero
}

// clock is what the parts of a cell say.
type clock struct {
	year, month, day, hour, minute, second int
	offset                                 int  // minutes east
	halves, afternoon                      bool // hours go to 12
	hasTime, hasOffset, fraction           bool
}

// moment is the one that a clock shows, if there is such a one.
func (c *clock) moment() (m moment, ok bool) {
	t := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, time.UTC)
	ok = t.Year() == c.year && int(t.Month()) == c.month && t.Day() == c.day && c.hour < 24 && c.minute < 60 && c.second < 60
	return moment{t.Add(-time.Duration(c.offset) * time.Minute), c.hasTime, c.hasOffset, c.fraction}, ok
}

// parseMoment reads 2026-01-02, optionally with T or a space and 03:04[:05[.fff]],
// optionally with Z or an offset ±hh[[:]mm] behind the time.
func parseMoment(text []byte) (m moment, ok bool) {
	s, c := scan{rest: text, ok: true}, clock{}
	c.year = s.digits(4)
	s.expect("-")
	c.month = s.digits(2)
	s.expect("-")
	c.day = s.digits(2)
	if s.take("Tt ") {
		c.hasTime = true
		c.hour = s.digits(2)
		s.expect(":")
		c.minute = s.digits(2)
		if s.take(":") {
			c.second = s.digits(2)
			c.fraction = s.fraction()
		}
		c.hasOffset = len(s.rest) > 0
		c.offset = s.offset()
	}
	m, ok = c.moment()
	return m, ok && s.ok && len(s.rest) == 0
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
	for i := range len(characters) {
		if len(s.rest) > 0 && s.rest[0] == characters[i] {
			s.rest = s.rest[1:]
			return true
		}
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

// calendar is how the file's dates are written and what they mean.
type calendar struct {
	layouts []layout       // to try in order; none is ISO 8601
	zone    *time.Location // of times without an offset; nil is UTC
}

func (c *calendar) parse(text []byte) (m moment, ok bool) {
	if len(c.layouts) == 0 {
		return parseMoment(text)
	}
	for i := range c.layouts {
		if m, ok = c.layouts[i].parse(text); ok {
			return m, true
		}
	}
	return m, false
}

// dates converts to a date or date/time column, in UTC: the Web API converts
// no zones. A column that looks like a date but behaves as a timestamp takes both.
func dates(c *dataverse.Column, in *calendar) convert {
	if c.WallTime && !c.DateOnly {
		in = &calendar{layouts: in.layouts} // the column's times are those of no zone, so none is converted
	}
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		text := bytes.TrimSpace(cell.Text)
		if c.DateOnly && len(in.layouts) == 0 && isDay(text) {
			return append(append(append(dst, '"'), text...), '"'), nil
		}
		m, ok := in.parse(text)
		if !ok {
			return dst, in.complain(text)
		}
		if c.DateOnly {
			if !in.day(&m) {
				return dst, complain(HasTime, "%q has a time of day and the column takes dates only: write %s", shown(text), in.example(false))
			}
		} else if p := in.instant(&m, text); p != nil {
			return dst, p
		}
		if m.utc.Year() < firstYear || m.utc.Year() > 9999 {
			return dst, complain(OutOfRange, "%q is out of range: dates lie between 1753-01-01 and 9999-12-31 (UTC)", shown(text))
		}
		dst = appendDay(append(dst, '"'), m.utc)
		if !c.DateOnly {
			dst = append(appendTime(append(dst, 'T'), m.utc), 'Z')
		}
		return append(dst, '"'), nil
	}
}

// isDay tells whether a text is a date of the service as it writes it: what most dates are.
func isDay(text []byte) bool {
	if len(text) != len("2006-01-02") || text[4] != '-' || text[7] != '-' {
		return false
	}
	year, month, day := 100*two(text[0], text[1])+two(text[2], text[3]), two(text[5], text[6]), two(text[8], text[9])
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	return year >= firstYear && month >= 1 && month <= 12 && day >= 1 && (day <= daysOf[month-1] || day == 29 && month == 2 && leap)
}

// two is the number that two digits are; without them it is less than any number of days or years.
func two(tens, ones byte) int {
	if tens -= '0'; tens > 9 {
		return math.MinInt16
	}
	if ones -= '0'; ones > 9 {
		return math.MinInt16
	}
	return 10*int(tens) + int(ones)
}

// firstYear of the service's calendar.
const firstYear = 1753

var daysOf = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func appendDay(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	dst = append(appendTwo(appendTwo(dst, year/100), year%100), '-')
	return appendTwo(append(appendTwo(dst, int(month)), '-'), day)
}

func appendTime(dst []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	dst = append(appendTwo(append(appendTwo(dst, hour), ':'), minute), ':')
	return appendTwo(dst, second)
}

// appendTwo appends a number below 100 as two digits.
func appendTwo(dst []byte, n int) []byte { return append(dst, '0'+byte(n/10), '0'+byte(n%10)) }

// day makes a date of a moment, unless a time of day would be lost. Midnight is
// none where the destination says how times are meant: with an offset only a
// zone tells whose midnight it is.
func (c *calendar) day(m *moment) bool {
	if !m.hasTime {
		return true
	}
	if c.zone == nil && (m.hasOffset || len(c.layouts) == 0) {
		return false
	}
	if m.hasOffset {
		m.utc = m.utc.In(c.zone)
	}
	hour, minute, second := m.utc.Clock()
	return hour+minute+second == 0 && !m.fraction
}

// instant makes of a local time the moment that it is in the destination's zone.
func (c *calendar) instant(m *moment, text []byte) *problem {
	if m.fraction {
		return complain(TooPrecise, "%q has a fraction of a second, which the column does not keep: round it in the file", shown(text))
	}
	if m.hasOffset || c.zone == nil {
		return nil
	}
	utc, found := instants(m.utc, c.zone)
	switch found {
	case 0:
		return complain(NotADate, "%q does not exist in %s, whose clocks skip it: correct it, or write the time with its offset, such as +01:00", shown(text), c.zone)
	case 2:
		return complain(AmbiguousTime, "%q happens twice in %s, whose clocks go back then: write the time with its offset, such as +01:00", shown(text), c.zone)
	}
	m.utc = utc
	return nil
}

// instants finds the moment at which clocks in a zone show what wall shows in
// UTC, and how many there are: none where clocks skip it, two where they go back.
func instants(wall time.Time, zone *time.Location) (first time.Time, found int) {
	year, month, day := wall.Date()
	hour, minute, second := wall.Clock()
	near := time.Date(year, month, day, hour, minute, second, 0, zone)
	start, end := near.ZoneBounds()
	// A time that is skipped or doubled lies at a change of offsets, so that
	// the offsets before, at and after near are all that can be.
	var tried [3]int
	for i, t := range [...]time.Time{near, start.Add(-time.Second), end} {
		if i == 1 && start.IsZero() || i == 2 && end.IsZero() { // for ever
			t = near
		}
		_, offset := t.In(zone).Zone()
		tried[i] = offset
		if slices.Contains(tried[:i], offset) {
			continue
		}
		utc := wall.Add(-time.Duration(offset) * time.Second)
		if _, there := utc.In(zone).Zone(); there == offset {
			if found++; found == 1 {
				first = utc
			}
		}
	}
	return first, found
}

// complain says how dates are to be written.
func (c *calendar) complain(text []byte) *problem {
	if len(c.layouts) == 0 {
		return complain(NotADate, "%q is not a date that exists, in ISO form: write 2026-01-02 or 2026-01-02T03:04:05Z", shown(text))
	}
	return complain(NotADate, "%q is not a date that exists and fits a layout of the destination: write it like %s", shown(text), c.example(true))
}

// example is a date, or one for each layout.
func (c *calendar) example(all bool) string {
	sample := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var written []string
	for i := range c.layouts {
		if all || !c.layouts[i].time && c.layouts[i].parts != nil {
			written = append(written, c.layouts[i].format(sample))
		}
	}
	const most = 3
	switch {
	case len(written) == 0:
		return "2026-01-02"
	case len(written) > most:
		written = written[:most]
	}
	return strings.Join(written, " or ")
}
