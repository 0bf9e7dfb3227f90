package delivery

import (
	"context"
	"slices"
	"strings"

	"penstock/internal/row"
)

// header finds out whether the first row holds names.
func (d *detection) header(r *reading) error {
	d.how.Header, d.how.Names = d.hints.Header, d.hints.Names
	switch d.hints.Header {
	case HeaderEach, HeaderFirst, HeaderNone:
		d.say("Header %s: the destination says so.", d.hints.Header)
		return nil
	case "":
	default:
		return d.refuse("unknown_header", "there is no kind of header %q", string(d.hints.Header)).Advise("the setting header takes each, first and none")
	}
	d.how.Header = HeaderEach
	if len(r.table) == 0 {
		return nil
	}
	first := r.table[0]
	if own := len(first) - len(row.ExtraColumns); own > 0 && isReport(first[own:]) {
		d.say("Header: the first row ends with the columns of a reject file.")
		return nil
	}
	if d.knows(r) {
		d.say("Header: the first row has a column that the destination maps.")
		return nil
	}
	if len(d.hints.Names) > 0 {
		d.how.Header = HeaderNone
		d.say("No header: the destination names the columns, and the first row has other texts.")
		return nil
	}
	return d.judgeHeader(first, r.table[1:])
}

// judgeHeader compares the kinds of values of the first row with those of the rows below.
func (d *detection) judgeHeader(first []string, below [][]string) error {
	names, values := -1, -1 // a column that speaks for a header, and one against
	for i, text := range first {
		kind, mixed := kindBelow(below, i)
		switch own := kindOf(text); {
		case mixed || text == "":
		case own == plain && kind > plain:
			names = i
		case own > plain && kind == own, own > number && kind == unknown:
			values = i
		}
	}
	switch {
	case names >= 0 && values >= 0:
		return d.ambiguous("whether the first row is a header is not clear: column "+numbered(len(first))[names]+" of it looks like a name and column "+
			numbered(len(first))[values]+" like a value", "header", "a header (each)", "a row like the others (none)")
	case values >= 0:
		d.how.Header = HeaderNone
		d.say("No header: column %d of the first row is a value like those below it.", values+1)
	case names >= 0:
		d.say("Header: column %d of the first row is a word and all below it are %s.", names+1, kindNames[kindOfColumn(below, names)])
	default:
		d.say("Header: assumed, for nothing in the first row looks like a value.")
	}
	return nil
}

// valueKind is what a text looks like. The later kinds hardly ever name a column.
type valueKind uint8

const (
	unknown valueKind = iota // no text
	plain
	truth
	number
	date
	guid
	email
)

var kindNames = map[valueKind]string{plain: "texts", truth: "true or false", number: "numbers", date: "dates", guid: "ids", email: "e-mail addresses"}

func kindOf(text string) valueKind {
	digits, others := 0, 0
	for _, b := range []byte(text) {
		switch {
		case '0' <= b && b <= '9':
			digits++
		case strings.IndexByte("+-., ", b) < 0:
			others++
		}
	}
	lower := strings.ToLower(text)
	at := strings.IndexByte(text, '@')
	switch {
	case text == "":
		return unknown
	case isDate(text):
		return date
	case digits > 0 && others == 0:
		return number
	case at > 0 && strings.IndexByte(text[at:], '.') > 1 && !strings.ContainsAny(text, " \t"):
		return email
	case isGUID(lower):
		return guid
	case lower == "true" || lower == "false":
		return truth
	}
	return plain
}

// isDate takes 2026-01-02 and 02.01.2026 and 1/2/2026, with anything behind.
func isDate(text string) bool {
	groups, length, separator := 0, 0, byte(0)
	for i := range len(text) {
		b := text[i]
		switch {
		case '0' <= b && b <= '9':
			length++
		case groups < 2 && length > 0 && (b == '-' || b == '/' || b == '.') && (separator == 0 || b == separator):
			separator = b
			groups, length = groups+1, 0
		case groups == 2 && (b == ' ' || b == 'T') && length > 0:
			return true
		default:
			return false
		}
		if length > 4 {
			return false
		}
	}
	return groups == 2 && length > 0
}

func isGUID(lower string) bool {
	lower = strings.Trim(lower, "{}")
	if len(lower) != 36 || strings.Count(lower, "-") != 4 {
		return false
	}
	return strings.Trim(lower, "0123456789abcdef-") == ""
}

// kindBelow is the one kind of a column's values; mixed when they differ.
func kindBelow(rows [][]string, i int) (kind valueKind, mixed bool) {
	for _, cells := range rows {
		if i >= len(cells) || cells[i] == "" {
			continue
		}
		own := kindOf(cells[i])
		if kind != unknown && own != kind {
			return plain, true
		}
		kind = own
	}
	return kind, false
}

func kindOfColumn(rows [][]string, i int) valueKind {
	kind, _ := kindBelow(rows, i)
	return kind
}

// headerOfOthers looks whether the second object has the header, too.
func (d *detection) headerOfOthers(ctx context.Context, header []string) error {
	at := slices.IndexFunc(d.src.Objects, func(o Object) bool { return o.Size > 0 })
	for _, o := range d.src.Objects[at+1:] {
		if o.Size == 0 {
			continue
		}
		other := &detection{src: d.src, hints: d.hints, limits: d.limits, object: o}
		raw, ended, err := other.sample(ctx, o)
		if err != nil {
			return err
		}
		if other.how.Format != "" {
			return other.refuse("other_format", "the file is %s, and the delivery's first file is CSV", other.how.Format)
		}
		other.how.Encoding = d.how.Encoding
		r := read(other.decode(raw), ended, d.how.Dialect)
		if len(r.table) == 0 {
			continue
		}
		return d.compareHeaders(o, header, r.table[0])
	}
	return nil
}

func (d *detection) compareHeaders(o Object, header, first []string) error {
	if slices.Equal(header, first) {
		d.say("Each of the %d objects is taken to have the header: the second one has.", len(d.src.Objects))
		return nil
	}
	shared := slices.ContainsFunc(first, func(text string) bool {
		return text != "" && slices.ContainsFunc(header, func(name string) bool { return strings.EqualFold(name, text) })
	})
	if shared {
		d.object = o
		return d.ambiguous("the first row shares names with the first object's header and is not the same", "header",
			"another header, with which the objects do not fit together", "a row (first)")
	}
	d.how.Header = HeaderFirst
	d.say("Only the first of the %d objects has the header: the second one begins with other texts.", len(d.src.Objects))
	return nil
}
