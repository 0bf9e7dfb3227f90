package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// isoLayout stands for the forms that are read where no layout is said.
const isoLayout = "ISO"

// layoutRuns are the letters of layouts, and how many of each in a row mean something.
// One letter is a number of one or two digits, two are two digits, MMM is Jan.
var layoutRuns = map[byte][]int{
	'Y': {4}, 'M': {1, 2, 3}, 'D': {1, 2}, 'H': {1, 2}, 'h': {1, 2}, 'm': {1, 2}, 's': {1, 2},
	'S': {1, 2, 3, 4, 5, 6, 7, 8, 9}, 'A': {1}, 'Z': {1},
}

const layoutAdvice = "YYYY, MM or M, MMM (Jan), DD or D, HH or H, hh or h with A (AM, PM), mm, ss, SSS (fractions), Z (offset), " +
	"other words in [brackets]: DD.MM.YYYY HH:mm; ISO is 2026-01-31T14:05:00Z"

// layoutPart is a run of one letter, or a text that stands for itself.
type layoutPart struct {
	letter byte // 0 of a text
	text   string
}

// layouts reads those to try in order.
func (r *reader) layouts(to *[]string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		r.texts(true, r.layout, func(list []string) { *to = list })(n, where)
		if one, other, found := twofold(*to); found {
			r.add(lineOf(n), "%s: %s and %s read one text as two days", where, quote(one), quote(other)).
				Advise("keep the one that the file has; where columns differ, say dates in each column")
		}
	}
}

// layout reads how a date, or a date and time, is written.
func (r *reader) layout(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		parts, complaint := partsOf(s)
		if complaint == "" && s != isoLayout {
			complaint = incomplete(parts)
		}
		if complaint != "" {
			r.add(lineOf(n), "%s: %s %s", where, quote(s), complaint).Advise(layoutAdvice)
			return
		}
		*to = s
	}
}

// partsOf takes a layout apart. Of letters only T stands for itself, as in 2026-01-31T14:05:
// what looks like a part of a date and is none would be found in no cell.
func partsOf(layout string) (parts []layoutPart, complaint string) {
	if layout == isoLayout {
		return []layoutPart{{text: layout}}, ""
	}
	for rest := layout; rest != ""; {
		letter, n := rest[0], 1
		for n < len(rest) && rest[n] == letter {
			n++
		}
		run := rest[:n]
		switch {
		case letter == '[':
			text, behind, closed := strings.Cut(rest[1:], "]")
			if !closed {
				return nil, "has a [ that is not closed"
			}
			parts, rest = append(parts, layoutPart{text: text}), behind
			continue
		case !isLetter(letter) || letter == 'T':
			parts = append(parts, layoutPart{text: run})
		case !slices.Contains(layoutRuns[letter], n):
			return nil, "has " + run + ", which is no part of a date"
		default:
			parts = append(parts, layoutPart{letter, run})
		}
		rest = rest[n:]
	}
	return parts, ""
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }

// incomplete says what a layout lacks to name a moment without guessing.
func incomplete(parts []layoutPart) string {
	count := map[byte]int{}
	for i, p := range parts {
		if p.letter == 0 {
			continue
		}
		if count[p.letter]++; count[p.letter] > 1 {
			return fmt.Sprintf("has %c in two places", p.letter)
		}
		if i+1 < len(parts) && p.growing() && parts[i+1].continues(p) {
			return "has nothing between " + p.text + " and " + parts[i+1].text + ", so it is not clear where one ends"
		}
	}
	has := func(letter byte) bool { return count[letter] > 0 }
	hour := has('H') || has('h')
	switch {
	case !has('Y'):
		return "has no YYYY, the year in four digits"
	case !has('M'):
		return "has no MM, the month"
	case !has('D'):
		return "has no DD, the day"
	case has('H') && (has('h') || has('A')):
		return "has hours twice over: H counts to 23, h with A to 12"
	case has('h') != has('A'):
		return "needs h and A together: hours to 12, and AM or PM"
	case has('m') && !hour, has('s') && !has('m'), has('S') && !has('s'), has('Z') && !hour:
		return "has a part of a time without the larger one: hours, minutes, seconds, fractions; Z needs hours"
	}
	return ""
}

// growing tells whether a part has no fixed number of digits.
func (p layoutPart) growing() bool {
	return len(p.text) == 1 && strings.IndexByte("MDHhms", p.letter) >= 0 || p.letter == 'S' || p.letter == 'Z'
}

// continues tells whether a part may begin with what the one before could take for its own.
func (p layoutPart) continues(before layoutPart) bool {
	if p.letter == 0 {
		return p.text == "" || p.text[0] >= '0' && p.text[0] <= '9' || before.letter == 'Z' && p.text[0] == ':'
	}
	return p.letter != 'A' && p.letter != 'Z' && p.text != "MMM"
}

// twofold finds layouts of a list that read one text as two days: 01/02/2026 by DD/MM/YYYY and M/D/YYYY.
func twofold(layouts []string) (one, other string, found bool) {
	for i, layout := range layouts {
		turned := shape(layout, true)
		for _, later := range layouts[i+1:] {
			if turned != shape(layout, false) && shape(later, false) == turned {
				return layout, later, true
			}
		}
	}
	return "", "", false
}

// shape is a layout without the number of digits of its parts; turned exchanges day and month.
func shape(layout string, turned bool) string {
	parts, _ := partsOf(layout)
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.letter == 0:
			b.WriteString("[" + p.text + "]")
		case p.text == "MMM":
			b.WriteString(p.text)
		case turned && p.letter == 'M':
			b.WriteByte('D')
		case turned && p.letter == 'D':
			b.WriteByte('M')
		default:
			b.WriteByte(p.letter)
		}
	}
	return b.String()
}
