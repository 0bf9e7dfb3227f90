package config

import (
	"cmp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones must be known in the cloud's bare system as they are here

	"github.com/goccy/go-yaml/ast"
)

// valueFields say how cells are read: of a destination, or of one of its columns.
func (r *reader) valueFields(v *Values) []field {
	return []field{
		{"nulls", r.oneOf((*string)(&v.Nulls), string(SkipNulls), string(ClearNulls))},
		{"empty", r.text(&v.Empty)},
		{"decimal", r.sign(&v.Decimal, `it is "." or ","`, ".", ",")},
		{"thousands", r.sign(&v.Thousands, `it is ",", ".", "'" or " "; where numbers have none, remove the line`, ",", ".", "'", " ")},
		{"true", r.texts(true, r.constant, func(words []string) { v.True = words })},
		{"false", r.texts(true, r.constant, func(words []string) { v.False = words })},
		{"dates", r.layouts(&v.Dates)},
		{"zone", r.zone(&v.Zone)},
		{"trim", r.oneOf(&v.Trim, "both", "none")},
		{"normalise", r.oneOf(&v.Normalise, "nfc", "nfkc")},
	}
}

// sign reads one of a few characters, a space among them if need be.
func (r *reader) sign(to *string, known string, signs ...string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		s, ok := textOf(n)
		switch {
		case !ok:
			r.wrongType(n, where, "text")
		case !slices.Contains(signs, s):
			r.add(lineOf(n), "%s: %s is not known", where, quote(s)).Advise("%s", known)
		default:
			*to = s
		}
	}
}

// zone reads the name of a time zone. "Local" would be another one on each machine.
func (r *reader) zone(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		if _, err := time.LoadLocation(s); err != nil || s == "Local" {
			r.add(lineOf(n), "%s: %s is not a time zone", where, quote(s)).
				Advise("write its IANA name, such as Europe/Berlin, America/New_York or UTC")
			return
		}
		*to = s
	}
}

// agree checks that what cells are read by tells them apart. v is complete: of a
// column with the destination's values behind its own.
func (r *reader) agree(v Values, line int, where string) {
	if point := cmp.Or(v.Decimal, "."); v.Thousands == point {
		problem := r.add(line, "%s: %s would both part thousands and be the decimal sign", where, quote(point))
		if v.Decimal == "" {
			problem.Advise(`say decimal: "," as well`)
		} else {
			problem.Advise("thousands and decimal are two signs")
		}
	}
	for _, word := range v.True {
		for _, other := range v.False {
			if word != "" && strings.EqualFold(word, other) {
				r.add(line, "%s: the word %s stands for both true and false", where, quote(word)).
					Advise("keep it in one of the lists; capitals do not count")
			}
		}
	}
}

// values checks those of the destination and of its columns.
func (w *whole) values() {
	d := w.d
	w.agree(d.Values, w.at("thousands", "decimal", "true", "false"), w.where)
	for _, c := range d.Columns {
		own := c.Values
		if own.Decimal == "" && own.Thousands == "" && own.True == nil && own.False == nil {
			continue
		}
		w.agree(own.or(d.Values), c.Line, in(w.where, "columns: "+quote(c.From)))
	}
}

// or fills in the signs and words that v leaves out.
func (v Values) or(other Values) Values {
	v.Decimal, v.Thousands = cmp.Or(v.Decimal, other.Decimal), cmp.Or(v.Thousands, other.Thousands)
	if v.True == nil {
		v.True = other.True
	}
	if v.False == nil {
		v.False = other.False
	}
	return v
}
