package mapping

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"penstock/internal/config"
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

// parseLayout reads a layout such as DD.MM.YYYY HH:mm. What is wrong comes back as text.
func parseLayout(text string) (l layout, wrong string) {
	parts, wrong := config.ParseLayout(text)
	for _, p := range parts {
		if p.Letter == 0 {
			l.parts = append(l.parts, part{text: p.Text})
			continue
		}
		l.parts = append(l.parts, part{letter: p.Letter, width: len(p.Text)})
		l.time = l.time || p.Letter == 'H' || p.Letter == 'h'
	}
	return l, wrong
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
