package mapping

import (
	"bytes"
	"fmt"
	"slices"
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
	buf    []byte
}

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
	start := len(dst)
	if s.by != "label" {
		n, ok := parseNumber(s.buf, bytes.TrimSpace(text))
		s.buf = n.digits[:0]
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
	s.buf = appendFolded(s.buf[:0], text)
	value, ok := s.labels[string(s.buf)]
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

// manyChoices converts to a multi-select column: values or labels separated by
// semicolons or commas. With a semicolon in the cell, commas belong to labels.
func manyChoices(c *dataverse.Column, by string) convert {
	set := newChoices(c, by)
	var taken []string
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		start := len(dst)
		dst, taken = append(dst, '"'), taken[:0]
		rest, separator := cell.Text, set.separator(cell.Text)
		for more := true; more; {
			var part []byte
			part, rest, more = bytes.Cut(rest, separator)
			if len(bytes.TrimSpace(part)) == 0 {
				continue
			}
			before := len(dst)
			if len(taken) > 0 {
				dst = append(dst, ',')
			}
			from := len(dst)
			var p *problem
			if dst, p = set.append(dst, part); p != nil {
				return dst[:start], p
			}
			if value := string(dst[from:]); slices.Contains(taken, value) {
				dst = dst[:before]
			} else {
				taken = append(taken, value)
			}
		}
		if len(taken) > maxChoices {
			return dst[:start], complain(TooManyChoices, "the cell names %d choices and a column takes %d", len(taken), maxChoices)
		}
		if len(taken) == 0 {
			return dst[:start], set.unknown(cell.Text)
		}
		return append(dst, '"'), nil
	}
}

// separator is what parts a cell; a cell that is one label as a whole is not parted.
func (s *choices) separator(text []byte) []byte {
	if bytes.IndexByte(text, ';') >= 0 {
		return []byte(";")
	}
	if s.by != "value" {
		s.buf = appendFolded(s.buf[:0], text)
		if _, whole := s.labels[string(s.buf)]; whole {
			return []byte(";")
		}
	}
	return []byte(",")
}

// booleans converts to a yes/no column: true, yes, 1 and the column's own labels.
func booleans(c *dataverse.Column) convert {
	set := newChoices(&dataverse.Column{}, "label")
	for value, words := range [2][]string{{"false", "no", "0"}, {"true", "yes", "1"}} {
		for _, word := range words {
			set.label(word, strconv.FormatBool(value == 1))
		}
	}
	for _, o := range c.Options {
		set.label(o.Label, strconv.FormatBool(o.Value == 1))
	}
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		set.buf = appendFolded(set.buf[:0], cell.Text)
		value, ok := set.labels[string(set.buf)]
		switch {
		case !ok:
			return dst, complain(NotABoolean, "%q is neither true nor false: write true or false (yes, no, 1, 0 do as well)", shown(cell.Text))
		case value == ambiguous:
			return dst, complain(AmbiguousChoice, "%q is a label of this column that contradicts its usual meaning: write true or false", shown(cell.Text))
		}
		return append(dst, value...), nil
	}
}
