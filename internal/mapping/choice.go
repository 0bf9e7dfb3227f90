package mapping

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"penstock/internal/dataverse"
	"penstock/internal/row"
)

const (
	maxChoices  = 150 // of a multi-select column
	shownLabels = 8   // in messages
	ambiguous   = ""  // instead of a value: several options have the label
)

// choices is what a choice column takes.
type choices struct {
	by     string            // "value", "label" or "" (a number is a value, anything else a label)
	values map[string]bool   // in canonical decimal
	labels map[string]string // folded label to value, or ambiguous
	known  string            // for messages
	seen   spellings
}

// ordinaryLabel is how long a label is without a buffer on the heap.
const ordinaryLabel = 64

func newChoices(c *dataverse.Column, by string) *choices {
	set := &choices{by: by, values: map[string]bool{}, labels: map[string]string{}}
	var known []string
	for _, o := range c.Options {
		value := strconv.Itoa(o.Value)
		set.values[value] = true
		set.label(o.Label, value)
		if len(known) < shownLabels {
			known = append(known, fmt.Sprintf("%d (%s)", o.Value, o.Label))
		}
	}
	if len(c.Options) > shownLabels {
		known = append(known, "…")
	}
	set.known = strings.Join(known, ", ")
	return set
}

func (s *choices) label(label, value string) {
	folded := string(appendFolded(nil, []byte(label)))
	if folded == "" {
		return
	}
	if other, twice := s.labels[folded]; twice && other != value {
		value = ambiguous
	}
	s.labels[folded] = value
}

// appendFolded folds a label for comparison: outer white space and case do not count.
func appendFolded(dst, text []byte) []byte {
	for _, b := range bytes.TrimSpace(text) {
		if b >= utf8.RuneSelf {
			return append(dst, bytes.Map(unicode.ToLower, bytes.TrimSpace(text))...)
		}
	}
	for _, b := range bytes.TrimSpace(text) {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	return dst
}

// append writes the value of the choice that text names.
func (s *choices) append(dst, text []byte) ([]byte, *problem) {
	if value, ok := s.seen.value(text); ok {
		return append(dst, value...), nil
	}
	start := len(dst)
	dst, p := s.find(dst, text)
	if p == nil {
		s.seen.keep(text, string(dst[start:]))
	}
	return dst, p
}

// find reads a cell, the value or a label of a choice.
func (s *choices) find(dst, text []byte) ([]byte, *problem) {
	start := len(dst)
	var buf [ordinaryLabel]byte
	if s.by != "label" {
		n, ok := parseNumber(buf[:0], bytes.TrimSpace(text))
		if ok && n.places() == 0 && n.point <= 10 {
			if dst = n.append(dst); s.values[string(dst[start:])] {
				return dst, nil
			}
			return dst[:start], s.unknown(text)
		}
	}
	if s.by == "value" {
		return dst, s.unknown(text)
	}
	value, ok := s.labels[string(appendFolded(buf[:0], text))]
	switch {
	case !ok:
		return dst, s.unknown(text)
	case value == ambiguous:
		return dst, complain(AmbiguousChoice, "%q is the label of several choices: write the value", shown(text))
	}
	return append(dst, value...), nil
}

func (s *choices) unknown(text []byte) *problem {
	return complain(UnknownChoice, "%q is none of the column's choices: %s", shown(text), s.known)
}

// oneChoice converts to a choice column.
func oneChoice(c *dataverse.Column, by string) convert {
	set := newChoices(c, by)
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		return set.append(dst, cell.Text)
	}
}

// manyChoices converts to a multi-select column: values or labels with the
// separator between them. Without one stated these are semicolons or commas;
// with a semicolon in the cell, commas belong to labels.
func manyChoices(c *dataverse.Column, by, separator string) convert {
	set := newChoices(c, by)
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		start, count := len(dst), 0
		dst = append(dst, '"')
		rest, between := cell.Text, separator
		if between == "" {
			between = set.separator(cell.Text)
		}
		for more := true; more; {
			var part []byte
			part, rest, more = cutAt(rest, between)
			if len(bytes.TrimSpace(part)) == 0 {
				continue
			}
			before := len(dst)
			if count > 0 {
				dst = append(dst, ',')
			}
			from := len(dst)
			var p *problem
			if dst, p = set.append(dst, part); p != nil {
				return dst[:start], p
			}
			if listed(dst[start+1:before], dst[from:]) {
				dst = dst[:before]
			} else {
				count++
			}
		}
		if count > maxChoices {
			return dst[:start], complain(TooManyChoices, "the cell names %d choices and a column takes %d", count, maxChoices)
		}
		if count == 0 {
			return dst[:start], set.unknown(cell.Text)
		}
		return append(dst, '"'), nil
	}
}

// cutAt is bytes.Cut with a separator that is a string.
func cutAt(text []byte, separator string) (before, after []byte, found bool) {
	for i := 0; i+len(separator) <= len(text); i++ {
		if string(text[i:i+len(separator)]) == separator {
			return text[:i], text[i+len(separator):], true
		}
	}
	return text, nil, false
}

// listed tells whether a value is among those of a list with commas.
func listed(list, value []byte) bool {
	for len(list) > 0 {
		var one []byte
		if one, list, _ = bytes.Cut(list, comma); bytes.Equal(one, value) {
			return true
		}
	}
	return false
}

var comma = []byte(",")

// separator is what parts a cell; a cell that is one label as a whole is not parted.
func (s *choices) separator(text []byte) string {
	if bytes.IndexByte(text, ';') >= 0 {
		return ";"
	}
	if s.by != "value" {
		var buf [ordinaryLabel]byte
		if _, whole := s.labels[string(appendFolded(buf[:0], text))]; whole {
			return ";"
		}
	}
	return ","
}
