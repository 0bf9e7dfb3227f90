package config

import (
	"fmt"
	"slices"
	"strings"
)

// ISO is the layout of the forms that are read where no layout is said.
const ISO = "ISO"

// layoutRuns are the letters of layouts, and how many of each in a row mean something.
// One letter is a number of one or two digits, two are two digits, MMM is Jan.
var layoutRuns = map[byte][]int{
	'Y': {4}, 'M': {1, 2, 3}, 'D': {1, 2}, 'H': {1, 2}, 'h': {1, 2}, 'm': {1, 2}, 's': {1, 2},
	'S': {1, 2, 3, 4, 5, 6, 7, 8, 9}, 'A': {1}, 'Z': {1},
}

const layoutAdvice = "YYYY, MM or M, MMM (Jan), DD or D, HH or H, hh or h with A (AM, PM), mm, ss, SSS (fractions), Z (offset), " +
	"other words in [brackets]: DD.MM.YYYY HH:mm; ISO is 2026-01-31T14:05:00Z"

// LayoutPart is a run of one letter, or a text that stands for itself.
type LayoutPart struct {
	Letter byte // 0 of a text
	Text   string
}

// ParseLayout takes apart how a date, or a date and time, is written, and says what is wrong with it. ISO has no parts.
func ParseLayout(layout string) (parts []LayoutPart, complaint string) {
	if layout == ISO {
		return nil, ""
	}
	if parts, complaint = partsOf(layout); complaint == "" {
		complaint = incomplete(parts)
	}
	return parts, complaint
}

// partsOf takes a layout apart. Of letters only T stands for itself, as in 2026-01-31T14:05:
// what looks like a part of a date and is none would be found in no cell.
func partsOf(layout string) (parts []LayoutPart, complaint string) {
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
			parts, rest = append(parts, LayoutPart{Text: text}), behind
			continue
		case !isLetter(letter) || letter == 'T':
			parts = append(parts, LayoutPart{Text: run})
		case run == "YY":
			return nil, "has YY: a year of two digits could be of any century, so the file must hold all four, YYYY"
		case !slices.Contains(layoutRuns[letter], n):
			return nil, "has " + run + ", which is no part of a date"
		default:
			parts = append(parts, LayoutPart{letter, run})
		}
		rest = rest[n:]
	}
	return parts, ""
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }

// incomplete says what a layout lacks to name a moment without guessing.
func incomplete(parts []LayoutPart) string {
	count := map[byte]int{}
	for i, p := range parts {
		if p.Letter == 0 {
			continue
		}
		if count[p.Letter]++; count[p.Letter] > 1 {
			return fmt.Sprintf("has %c in two places", p.Letter)
		}
		if i+1 < len(parts) && p.growing() && parts[i+1].continues(p) {
			return "has nothing between " + p.Text + " and " + parts[i+1].Text + ", so it is not clear where one ends"
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
func (p LayoutPart) growing() bool {
	return len(p.Text) == 1 && strings.IndexByte("MDHhms", p.Letter) >= 0 || p.Letter == 'S' || p.Letter == 'Z'
}

// continues tells whether a part may begin with what the one before could take for its own.
func (p LayoutPart) continues(before LayoutPart) bool {
	if p.Letter == 0 {
		return p.Text == "" || p.Text[0] >= '0' && p.Text[0] <= '9' || before.Letter == 'Z' && p.Text[0] == ':'
	}
	return p.Letter != 'A' && p.Letter != 'Z' && p.Text != "MMM"
}
