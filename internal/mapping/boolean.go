package mapping

import (
	"strconv"

	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// booleans converts to a yes/no column: true, yes, 1, the column's own labels,
// and the destination's words, which win over both.
func booleans(c *dataverse.Column, words words) convert {
	set := newChoices(&dataverse.Column{}, "label")
	for value, builtIn := range [2][]string{{"false", "no", "0"}, {"true", "yes", "1"}} {
		for _, word := range builtIn {
			set.label(word, strconv.FormatBool(value == 1))
		}
	}
	for _, o := range c.Options {
		set.label(o.Label, strconv.FormatBool(o.Value == 1))
	}
	for word, value := range words {
		set.labels[word] = strconv.FormatBool(value)
	}
	also := "yes, no, 1, 0 do as well"
	if len(words) > 0 {
		also += ", and the words that the destination lists"
	}
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		if text := string(cell.Text); cell.Kind == row.Bool && (text == "true" || text == "false") {
			return append(dst, text...), nil
		}
		if value, ok := set.seen.value(cell.Text); ok {
			return append(dst, value...), nil
		}
		var buf [ordinaryLabel]byte
		value, ok := set.labels[string(appendFolded(buf[:0], cell.Text))]
		switch {
		case !ok:
			return dst, complain(NotABoolean, "%q is neither true nor false: write true or false (%s)", shown(cell.Text), also)
		case value == ambiguous:
			return dst, complain(AmbiguousChoice, "%q is a label of this column that contradicts its usual meaning: write true or false", shown(cell.Text))
		}
		set.seen.keep(cell.Text, value)
		return append(dst, value...), nil
	}
}

// words are further spellings of true and false, folded.
type words map[string]bool

// newWords takes both lists. What is wrong comes back as text.
func newWords(yes, no []string) (all words, wrong string) {
	if len(yes)+len(no) == 0 {
		return nil, ""
	}
	all = words{}
	for i, list := range [2][]string{no, yes} {
		for _, word := range list {
			folded := string(appendFolded(nil, []byte(word)))
			if folded == "" {
				return all, "true and false hold an empty word: an empty cell is neither (say what it means with default)"
			}
			if other, twice := all[folded]; twice && other != (i == 1) {
				return all, strconv.Quote(word) + " stands in both lists, true and false"
			}
			all[folded] = i == 1
		}
	}
	return all, ""
}
