package mapping

import (
	"bytes"
	"slices"
	"strings"

	"penstock/internal/config"
	"penstock/internal/near"
	"penstock/internal/row"
)

// template builds a text from the columns of a row.
type template []piece

// piece is a column's place in a template, or a text between places.
type piece struct {
	text string
	name string // of a column; "" for a text
	at   int    // its index in the file; -1 while it has not been seen
}

// parseTemplate reads "{First} {Last}"; {{ and }} are braces. What is wrong comes back as text.
func parseTemplate(text string) (t template, wrong string) {
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			t = append(t, piece{text: plain.String()})
			plain.Reset()
		}
	}
	for rest := text; rest != ""; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			plain.WriteString(rest)
			break
		}
		plain.WriteString(rest[:at])
		brace := rest[at : at+1]
		if rest = rest[at+1:]; strings.HasPrefix(rest, brace) {
			plain.WriteString(brace)
			rest = rest[1:]
			continue
		}
		name, after, closed := strings.Cut(rest, "}")
		if brace == "}" || !closed || name == "" || strings.Contains(name, "{") {
			return nil, "a brace has no partner or nothing inside: write {Name of a column}, and {{ or }} for a brace as such"
		}
		flush()
		t, rest = append(t, piece{name: name, at: -1}), after
	}
	flush()
	if !slices.ContainsFunc(t, func(p piece) bool { return p.name != "" }) {
		return nil, "it names no column: write {Name of a column}, or say value instead of template"
	}
	return t, ""
}

// find looks the columns up among the file's.
func (t template) find(columns []*column) (unknown []string) {
	for i := range t {
		p := &t[i]
		if p.name == "" || p.at >= 0 {
			continue
		}
		if p.at = slices.IndexFunc(columns, func(c *column) bool { return c.from == p.name }); p.at < 0 {
			unknown = append(unknown, p.name)
		}
	}
	return unknown
}

// fill builds the text of a row. Nulls count as empty, and when all are, so is the whole.
func (s *source) fill(r *row.Row) row.Cell {
	whole, filled := row.Cell{}, false
	s.built = s.built[:0]
	for i := range s.template {
		p := &s.template[i]
		if p.name == "" {
			s.built = append(s.built, p.text...)
			continue
		}
		cell := cellAt(r, p.at)
		switch cell.Kind {
		case row.Absent:
			continue
		case row.Nested:
			return cell
		case row.Null:
			whole.Kind = max(whole.Kind, row.Null)
			continue
		}
		whole.Kind = row.Text
		text := s.parts.apply(cell)
		filled = filled || len(text) > 0
		s.built = append(s.built, text...)
	}
	if filled {
		whole.Text = s.built
	}
	return whole
}

// apply is what a cell adds to a template, which is normalised as a whole.
func (rules *textRules) apply(cell row.Cell) []byte {
	switch {
	case cell.Kind != row.Text:
		return cell.Text
	case rules.empty != "" && string(cell.Text) == rules.empty:
		return nil
	case rules.trim:
		return bytes.TrimSpace(cell.Text)
	}
	return cell.Text
}

// templated tells whether a template is built from a column of the file.
func (m *Mapping) templated(from string) bool {
	return slices.ContainsFunc(m.dest.Columns, func(rule config.Column) bool {
		t, _ := parseTemplate(rule.Template)
		return slices.ContainsFunc(t, func(p piece) bool { return p.name == from })
	})
}

// templateOf is the first column that is built from a column of the file; nil when there is none.
func (m *Mapping) templateOf(from string) *column {
	for _, c := range m.made {
		if c.source != nil && slices.ContainsFunc(c.source.template, func(p piece) bool { return p.name == from }) {
			return c
		}
	}
	return nil
}

// unknownIn is the refusal of a template's column that the file lacks.
func (m *Mapping) unknownIn(c *column, name string) error {
	var known []string
	for _, other := range m.columns {
		known = append(known, other.from)
	}
	problem := refuse(MissingColumn, c.from, "its template names the column %q, and the file has none of that name", name)
	if like := near.Name(name, known); like != "" {
		return problem.Advise("did you mean %q? The file has %s", like, names(known))
	}
	return problem.Advise("the file has %s: correct the template or the file", names(known))
}
