package mapping

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// notation is how people of a place write numbers. The zero value is that of
// programs: a point before decimals and nothing between thousands.
type notation struct {
	decimal   byte   // 0 is the point
	thousands string // "" is none
}

const (
	noBreakSpace       = "\u00a0"
	narrowNoBreakSpace = "\u202f"
	rightQuote         = "\u2019" // the apostrophe of typesetters and of Switzerland
	minusSign          = "\u2212"
)

// newNotation checks the settings. What is wrong comes back as text.
func newNotation(decimal, thousands string) (l notation, wrong string) {
	switch decimal {
	case "", ".":
	case ",":
		l.decimal = ','
	default:
		return l, fmt.Sprintf("decimal is %q, and numbers have a point or a comma before decimals", decimal)
	}
	switch thousands {
	case rightQuote:
		thousands = "'"
	case noBreakSpace, narrowNoBreakSpace:
		thousands = " "
	case "", ".", ",", "'", " ":
	default:
		return l, fmt.Sprintf("thousands is %q, and thousands are parted by a point, a comma, a space or an apostrophe", thousands)
	}
	if l.thousands = thousands; thousands == string(l.sign()) {
		return l, fmt.Sprintf("decimal and thousands are both %q, so that 1%s234 could be either", thousands, thousands)
	}
	return l, ""
}

// sign is the decimal sign.
func (l notation) sign() byte {
	if l.decimal == 0 {
		return '.'
	}
	return l.decimal
}

// plain appends text in the notation of programs. It never guesses: groups have
// three digits each, the first has one to three and does not begin with 0, for
// 0.500 with points between thousands is somebody's half.
func (l notation) plain(dst, text []byte) ([]byte, bool) {
	dst, text = appendSign(dst, text)
	whole, rest := leadingDigits(text)
	dst = append(dst, whole...)
	grouped := false
	for n := l.separator(rest); n > 0; n = l.separator(rest) {
		var group []byte
		if group, rest = leadingDigits(rest[n:]); len(group) != 3 {
			return dst, false
		}
		if !grouped && (len(whole) == 0 || len(whole) > 3 || whole[0] == '0') {
			return dst, false
		}
		grouped = true
		dst = append(dst, group...)
	}
	if len(rest) > 0 && rest[0] == l.sign() {
		var fraction []byte
		fraction, rest = leadingDigits(rest[1:])
		dst = append(append(dst, '.'), fraction...)
	}
	exponent := len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E')
	if len(rest) > 0 && (grouped || !exponent) {
		return dst, false
	}
	return append(dst, rest...), true
}

// appendSign takes a sign off, with the blanks behind it.
func appendSign(dst, text []byte) (signed, rest []byte) {
	switch {
	case bytes.HasPrefix(text, []byte("-")), bytes.HasPrefix(text, []byte("+")):
		dst, text = append(dst, text[0]), text[1:]
	case bytes.HasPrefix(text, []byte(minusSign)):
		dst, text = append(dst, '-'), text[len(minusSign):]
	default:
		return dst, text
	}
	return dst, bytes.TrimLeftFunc(text, unicode.IsSpace)
}

// separator is the length of the thousands separator at the beginning of text, 0 without one.
func (l notation) separator(text []byte) int {
	if l.thousands == "" || len(text) == 0 {
		return 0
	}
	if text[0] == l.thousands[0] {
		return 1
	}
	var also []string
	switch l.thousands {
	case " ":
		also = spaces[:]
	case "'":
		also = quotes[:]
	}
	for _, s := range also {
		if len(text) >= len(s) && string(text[:len(s)]) == s {
			return len(s)
		}
	}
	return 0
}

var (
	spaces = [...]string{noBreakSpace, narrowNoBreakSpace}
	quotes = [...]string{rightQuote}
)

// complain says why text is no number in this notation.
func (l notation) complain(text []byte) *problem {
	why := "is not a number: write " + l.instructions()
	_, unsigned := appendSign(nil, text)
	last, _ := utf8.DecodeLastRune(text)
	switch {
	case bytes.ContainsAny(text, "%‰٪"):
		why = "has a percent sign: write the number alone, as the column holds it (5 % may be 5 or 0.05 there)"
	case bytes.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Sc, r) }):
		why = "has a currency sign: write the amount alone, such as " + l.example()
	case bytes.ContainsFunc(text, func(r rune) bool { return unicode.IsDigit(r) && r > unicode.MaxASCII }):
		why = "has other digits than 0 to 9: write " + l.example()
	case strings.ContainsRune("+-−", last) && bytes.ContainsAny(unsigned, "0123456789"):
		why = "has its sign at the end: write it before the number, such as -" + l.example()
	}
	return complain(NotANumber, "%q %s", shown(text), why)
}

func (l notation) instructions() string {
	if l == (notation{}) {
		return "digits with a point before decimals and no thousands separators, such as 1234.5, or set decimal and thousands to how the file writes numbers"
	}
	between := "nothing between them"
	if l.thousands != "" {
		between = fmt.Sprintf("in groups of three with %q between them, or nothing", l.thousands)
	}
	return fmt.Sprintf("digits, %s, and %q before decimals, such as %s", between, string(l.sign()), l.example())
}

func (l notation) example() string { return "1" + l.thousands + "234" + string(l.sign()) + "5" }
