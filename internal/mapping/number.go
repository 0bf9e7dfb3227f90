package mapping

import (
	"bytes"
	"math"
	"strconv"

	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// number is a decimal number exactly as written, in the one form that makes
// numbers comparable: ±0.DIGITS × 10^point, without a zero at either end.
type number struct {
	negative bool
	digits   []byte // empty for zero
	point    int
}

// parseNumber reads [+-]digits[.digits][e±digits]; the digits go into buf.
func parseNumber(buf, text []byte) (number, bool) {
	n := number{digits: buf[:0]}
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		n.negative = text[0] == '-'
		text = text[1:]
	}
	whole, rest := leadingDigits(text)
	n.digits, n.point = append(n.digits, whole...), len(whole)
	var fraction []byte
	if len(rest) > 0 && rest[0] == '.' {
		fraction, rest = leadingDigits(rest[1:])
		n.digits = append(n.digits, fraction...)
	}
	if len(whole)+len(fraction) == 0 {
		return n, false
	}
	exponent, ok := parseExponent(rest)
	n.point += exponent
	return n.normal(), ok
}

func leadingDigits(text []byte) (digits, rest []byte) {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return text[:i], text[i:]
}

// parseExponent reads e±digits, or nothing at all. Four digits are far beyond every column's range.
func parseExponent(text []byte) (int, bool) {
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, false
	}
	text, sign := text[1:], 1
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	digits, rest := leadingDigits(text)
	digits = bytes.TrimLeft(digits, "0")
	if len(text) == 0 || len(rest) > 0 || len(digits) > 4 {
		return 0, false
	}
	value := 0
	for _, d := range digits {
		value = value*10 + int(d-'0')
	}
	return sign * value, true
}

// normal is the number without zeros at either end. (It and round return what
// they change, so that the digits can lie on the stack.)
func (n number) normal() number {
	lead := 0
	for lead < len(n.digits) && n.digits[lead] == '0' {
		lead++
	}
	n.digits, n.point = n.digits[lead:], n.point-lead
	for len(n.digits) > 0 && n.digits[len(n.digits)-1] == '0' {
		n.digits = n.digits[:len(n.digits)-1]
	}
	if len(n.digits) == 0 {
		n.negative, n.point = false, 0
	}
	return n
}

// places is how many decimal places the number needs.
func (n *number) places() int { return max(0, len(n.digits)-n.point) }

// compare is -1, 0 or +1.
func (n *number) compare(o *number) int {
	if n.negative != o.negative {
		if n.negative {
			return -1
		}
		return 1
	}
	c := n.compareSize(o)
	if n.negative {
		return -c
	}
	return c
}

func (n *number) compareSize(o *number) int {
	switch {
	case len(n.digits) == 0 || len(o.digits) == 0:
		return min(1, len(n.digits)) - min(1, len(o.digits))
	case n.point != o.point:
		if n.point < o.point {
			return -1
		}
		return 1
	}
	return bytes.Compare(n.digits, o.digits) // no trailing zeros: a longer one is larger
}

// append writes plain decimal notation: the service refuses exponents for
// Edm.Decimal. Callers have checked range and places, which bound the zeros.
func (n *number) append(dst []byte) []byte {
	if len(n.digits) == 0 {
		return append(dst, '0')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	if n.point <= 0 {
		dst = append(dst, '0', '.')
		for range -n.point {
			dst = append(dst, '0')
		}
		return append(dst, n.digits...)
	}
	for i, d := range n.digits {
		if i == n.point {
			dst = append(dst, '.')
		}
		dst = append(dst, d)
	}
	for range n.point - len(n.digits) {
		dst = append(dst, '0')
	}
	return dst
}

// widest are the ranges of the types, for columns that state none.
var widest = map[dataverse.Type][2]string{
	dataverse.Integer: {"-2147483648", "2147483647"},
	dataverse.BigInt:  {"-9223372036854775808", "9223372036854775807"},
	dataverse.Decimal: {"-100000000000", "100000000000"},
	dataverse.Double:  {"-100000000000", "100000000000"},
	dataverse.Money:   {"-922337203685477", "922337203685477"},
}

// sureDigits is how many significant digits a double keeps whatever the value.
const sureDigits = 15

// limit is one end of a column's range.
func limit(stated, otherwise string) number {
	if n, ok := parseNumber(nil, []byte(stated)); ok {
		return n
	}
	n, _ := parseNumber(nil, []byte(otherwise))
	return n
}

// round keeps so many decimal places, half away from zero.
func (n number) round(places int) number {
	keep := n.point + places // digits
	if keep >= len(n.digits) {
		return n
	}
	if keep < 0 {
		n.digits = n.digits[:0]
		return n.normal()
	}
	up := n.digits[keep] >= '5'
	n.digits = n.digits[:keep]
	for i := keep - 1; up && i >= 0; i-- {
		if up = n.digits[i] == '9'; up {
			n.digits[i] = '0'
		} else {
			n.digits[i]++
		}
	}
	if up { // 9.99 became 10.0
		n.digits = append(n.digits[:0], '1')
		n.point++
	}
	return n.normal()
}

// ordinaryDigits is how long a number is without a buffer on the heap.
const ordinaryDigits = 48

// numbers converts to a numeric column. Nothing is rounded unless the
// destination says so: what the column cannot hold exactly is rejected. Zeros
// that say nothing (007, 1.50, -0) go. The notation is that of texts: numbers of
// typed formats are written as programs write them.
func numbers(c *dataverse.Column, round bool, written notation) convert {
	low, high := limit(c.Min.String(), widest[c.Type][0]), limit(c.Max.String(), widest[c.Type][1])
	whole := c.Type == dataverse.Integer || c.Type == dataverse.BigInt
	least, most, precision := low.whole(), high.whole(), c.Precision
	if whole {
		precision = 0
	}
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		text := bytes.TrimSpace(cell.Text)
		if written == (notation{}) || cell.Kind != row.Text {
			if size, places, ok := simple(text); ok && least <= min(0, size) && max(0, size) <= most && places <= precision {
				return append(dst, text...), nil
			}
		}
		var buf [ordinaryDigits]byte
		n, p := readNumber(buf[:0], text, written, cell.Kind)
		if p != nil {
			return dst, p
		}
		if round {
			n = n.round(c.Precision)
			if over := len(n.digits) - sureDigits; c.Type == dataverse.Double && over > 0 {
				n = n.round(n.places() - over)
			}
		}
		switch {
		case n.compare(&low) < 0 || n.compare(&high) > 0:
			return dst, complain(OutOfRange, "%q is out of range: the column takes %s to %s", shown(text), low.append(nil), high.append(nil))
		case whole && n.places() > 0:
			return dst, complain(NotWhole, "%q is not a whole number, and the column takes no other", shown(text))
		case !whole && n.places() > c.Precision:
			return dst, complain(TooPrecise, "%q has more than the %d decimal places that the column keeps: round it in the file, or say round: true for the column", shown(text), c.Precision)
		case c.Type == dataverse.Double && len(n.digits) > sureDigits:
			return dst, complain(TooPrecise, "%q has more than the %d digits that the column keeps exactly: round it in the file", shown(text), sureDigits)
		}
		return n.append(dst), nil
	}
}

// readNumber reads a cell: first as programs write numbers, where that is the
// notation, for nearly all are written so.
func readNumber(buf, text []byte, written notation, kind row.Kind) (number, *problem) {
	if written == (notation{}) || kind != row.Text {
		if n, ok := parseNumber(buf, text); ok {
			return n, nil
		}
		written = notation{}
	}
	var room [ordinaryDigits]byte
	if kind == row.Text {
		if plain, ok := written.plain(room[:0], text); ok {
			if n, ok := parseNumber(buf, plain); ok {
				return n, nil
			}
		}
	}
	return number{}, written.complain(text)
}

// simpleDigits are those that every column of numbers keeps, and an int64 holds.
const simpleDigits = 15

// simple reads a number that is written as the service is told: no exponent, no
// zeros that say nothing. Most are. It lies between zero and the whole number size.
func simple(text []byte) (size int64, places int, ok bool) {
	digits, sign := text, int64(1)
	if len(digits) > 0 && digits[0] == '-' {
		digits, sign = digits[1:], -1
	}
	if len(digits) == 0 || len(digits) > simpleDigits || digits[0] == '0' {
		return 0, 0, false
	}
	point := len(digits)
	for i, b := range digits {
		switch {
		case b == '.' && point == len(digits):
			point = i
		case b < '0' || b > '9':
			return 0, 0, false
		case point == len(digits):
			size = 10*size + int64(b-'0')
		}
	}
	if point == len(digits) {
		return sign * size, 0, true
	}
	last := digits[len(digits)-1]
	return sign * (size + 1), len(digits) - point - 1, point > 0 && last != '0' && last != '.'
}

// whole is the number without its decimal places; of a large one, a large one.
func (n *number) whole() int64 {
	const large = 1 << 52
	f, err := strconv.ParseFloat(string(n.append(nil)), 64)
	if err != nil || math.Abs(f) > large {
		f = math.Copysign(large, f)
	}
	return int64(f)
}
