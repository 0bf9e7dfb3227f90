package mapping

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// layout is how dates, or dates and times, are written: what stands in a cell from left to right.
type layout struct {
	parts []part
	time  bool // has a time of day
}

// part is one piece of a layout: a letter's run (YYYY, MM …), or a text as it is.
type part struct {
	letter byte // of letters; 0 for a text
	width  int  // of the run
	text   string
}

// isoLayout stands for the forms that are read without any layout.
const isoLayout = "ISO"

// widths are the runs that mean something.
var widths = map[byte][]int{
	'Y': {4}, 'M': {1, 2, 3}, 'D': {1, 2}, 'H': {1, 2}, 'h': {1, 2}, 'm': {1, 2}, 's': {1, 2},
	'S': {1, 2, 3, 4, 5, 6, 7, 8, 9}, 'A': {1}, 'Z': {1},
}

const layoutLetters = "letters are YYYY, MM or M or MMM (Jan), DD or D, HH or H, hh or h with A (AM, PM), mm or m, ss or s, SSS (fractions), Z (offset); [brackets] hold text"

// parseLayout reads a layout such as DD.MM.YYYY HH:mm. What is wrong comes back as text.
func parseLayout(text string) (l layout, wrong string) {
	if text == isoLayout {
		return layout{}, ""
	}
	for rest := text; rest != ""; {
		var p part
		if p, rest, wrong = nextPart(rest); wrong != "" {
			return l, wrong
		}
		l.parts = append(l.parts, p)
	}
	return l, l.check()
}

// nextPart takes the first part off.
func nextPart(text string) (p part, rest, wrong string) {
	if text[0] == '[' {
		inner, rest, closed := strings.Cut(text[1:], "]")
		if !closed {
			return p, "", "a [ is not closed"
		}
		return part{text: inner}, rest, ""
	}
	known, isLetter := widths[text[0]]
	if !isLetter {
		end := 1
		for end < len(text) && text[end] != '[' && widths[text[end]] == nil {
			end++
		}
		return part{text: text[:end]}, text[end:], ""
	}
	p = part{letter: text[0], width: len(text) - len(strings.TrimLeft(text, text[:1]))}
	run := text[:p.width]
	for _, w := range known {
		if w == p.width {
			return p, text[p.width:], ""
		}
	}
	if p.letter == 'Y' {
		return p, "", run + " is no year: a year of two digits could be of any century, so write YYYY, and have the file hold all four"
	}
	return p, "", run + " means nothing: " + layoutLetters
}

// check refuses layouts that leave something to guess.
func (l *layout) check() (wrong string) {
	has := map[byte]int{}
	for i, p := range l.parts {
		if p.letter == 0 {
			continue
		}
		if has[p.letter]++; has[p.letter] > 1 {
			return fmt.Sprintf("%c stands in it twice (text goes into [brackets])", p.letter)
		}
		if i+1 < len(l.parts) && p.growing() && l.parts[i+1].continues(p) {
			return fmt.Sprintf("nothing stands between %s and what follows, and it has no fixed number of digits: use two letters, or a separator",
				strings.Repeat(string(p.letter), p.width))
		}
	}
	l.time = has['H']+has['h'] > 0
	switch {
	case has['Y'] == 0 || has['M'] == 0 || has['D'] == 0:
		return "it needs a year, a month and a day: " + layoutLetters
	case has['H'] > 0 && has['h'] > 0:
		return "H counts hours to 24 and h to 12: keep one of them"
	case (has['h'] > 0) != (has['A'] > 0):
		return "h and A (AM, PM) belong together; without A, hours are H"
	case has['m'] > 0 && !l.time, has['s'] > has['m'], has['S'] > has['s'], has['Z'] > 0 && !l.time:
		return "it has a part of a time without the larger one before it: hours, minutes, seconds, fractions; Z needs hours"
	}
	return ""
}

// growing tells whether a part may have more or fewer digits.
func (p part) growing() bool {
	return p.width == 1 && strings.IndexByte("MDHhms", p.letter) >= 0 || p.letter == 'S' || p.letter == 'Z'
}

// continues tells whether a part may begin with what the one before could take for its own.
func (p part) continues(before part) bool {
	if p.letter == 0 {
		return p.text == "" || isDigit(p.text[0]) || before.letter == 'Z' && p.text[0] == ':'
	}
	return p.letter != 'A' && p.letter != 'Z' && (p.letter != 'M' || p.width != 3)
}

// parse reads a cell that fits the layout from end to end and names a moment that exists.
func (l *layout) parse(text []byte) (m moment, ok bool) {
	if l.parts == nil {
		return parseMoment(text)
	}
	s, c := scan{rest: text, ok: true}, clock{}
	for i := range l.parts {
		if l.parts[i].read(&s, &c); !s.ok {
			return m, false
		}
	}
	if c.halves {
		if c.hour < 1 || c.hour > 12 {
			return m, false
		}
		if c.hour %= 12; c.afternoon {
			c.hour += 12
		}
	}
	c.hasTime = l.time
	m, ok = c.moment()
	return m, ok && len(s.rest) == 0
}

// read takes one part of a cell.
func (p *part) read(s *scan, c *clock) {
	switch p.letter {
	case 0:
		s.text(p.text)
	case 'Y':
		c.year = s.digits(4)
	case 'M':
		if p.width == 3 {
			c.month = s.month()
		} else {
			c.month = s.upTo2(p.width)
		}
	case 'D':
		c.day = s.upTo2(p.width)
	case 'H', 'h':
		c.hour = s.upTo2(p.width)
	case 'm':
		c.minute = s.upTo2(p.width)
	case 's':
		c.second = s.upTo2(p.width)
	case 'S':
		c.fraction = s.decimals()
	case 'A':
		c.afternoon, c.halves = s.afternoon(), true
	case 'Z':
		c.offset, c.hasOffset = s.zone(), true
	}
}

// text steps over exactly this.
func (s *scan) text(text string) {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		s.ok = false
		return
	}
	s.rest = s.rest[len(text):]
}

// upTo2 reads two digits, or from one on.
func (s *scan) upTo2(least int) int {
	if least == 1 && (len(s.rest) < 2 || s.rest[1] < '0' || s.rest[1] > '9') {
		return s.digits(1)
	}
	return s.digits(2)
}

// decimals reads one to nine digits and tells whether one of them is not zero.
func (s *scan) decimals() bool {
	digits, rest := leadingDigits(s.rest)
	if len(digits) == 0 || len(digits) > 9 {
		s.ok = false
	}
	s.rest = rest
	return len(bytes.Trim(digits, "0")) > 0
}

var months = [...]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// month reads the short English name of one.
func (s *scan) month() int {
	for i, name := range months {
		if s.word(name) {
			return i + 1
		}
	}
	s.ok = false
	return 0
}

// afternoon reads AM or PM.
func (s *scan) afternoon() bool {
	if s.word("pm") {
		return true
	}
	if !s.word("am") {
		s.ok = false
	}
	return false
}

// word steps over a word of lower-case letters, in whatever case, if it is there.
func (s *scan) word(word string) bool {
	if len(s.rest) < len(word) {
		return false
	}
	for i := range len(word) {
		if s.rest[i]|0x20 != word[i] {
			return false
		}
	}
	s.rest = s.rest[len(word):]
	return true
}

// zone reads Z, ±hh, ±hhmm or ±hh:mm, in minutes east of UTC.
func (s *scan) zone() int {
	if s.take("Zz") {
		return 0
	}
	sign := 1
	if len(s.rest) > 0 && s.rest[0] == '-' {
		sign = -1
	}
	s.expect("+-")
	hours, minutes := s.digits(2), 0
	switch {
	case len(s.rest) >= 3 && s.rest[0] == ':' && isDigit(s.rest[1]):
		s.take(":")
		minutes = s.digits(2)
	case len(s.rest) >= 2 && isDigit(s.rest[0]):
		minutes = s.digits(2)
	}
	if hours > 18 || minutes > 59 {
		s.ok = false
	}
	return sign * (hours*60 + minutes)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// format writes a moment as the layout has it: messages show an example.
func (l *layout) format(t time.Time) string {
	if l.parts == nil {
		return t.Format("2006-01-02T15:04:05Z07:00")
	}
	var b strings.Builder
	for _, p := range l.parts {
		switch p.letter {
		case 0:
			b.WriteString(p.text)
		case 'Y':
			fmt.Fprintf(&b, "%04d", t.Year())
		case 'M':
			if p.width == 3 {
				b.WriteString(t.Format("Jan"))
			} else {
				fmt.Fprintf(&b, "%0*d", p.width, int(t.Month()))
			}
		case 'D':
			fmt.Fprintf(&b, "%0*d", p.width, t.Day())
		case 'H':
			fmt.Fprintf(&b, "%0*d", p.width, t.Hour())
		case 'h':
			fmt.Fprintf(&b, "%0*d", p.width, (t.Hour()+11)%12+1)
		case 'm':
			fmt.Fprintf(&b, "%0*d", p.width, t.Minute())
		case 's':
			fmt.Fprintf(&b, "%0*d", p.width, t.Second())
		case 'S':
			b.WriteString(fmt.Sprintf("%09d", t.Nanosecond())[:p.width])
		case 'A':
			b.WriteString(t.Format("PM"))
		case 'Z':
			b.WriteString(t.Format("-07:00"))
		}
	}
	return b.String()
}
