package mapping

import (
	"bytes"
	"slices"

	"penstock/internal/row"
)

// source is where a column's cells come from, for columns that say more than
// which column of the file. Others have none and pay nothing for it.
type source struct {
	template template
	parts    textRules // for the template's columns
	text     textRules // for the cell, however it came to be
	stated   *row.Cell // the configuration's value or default
	always   bool      // it is a value: there is no other cell
	rendered []byte    // stated, as JSON
	built    []byte    // buffer of the last cell
	normal   []byte
}

// Kinds of cells that no file has.
const (
	emptyText  = row.Nested + 1 + iota // a text without characters that is meant, and no null
	configured                         // stands in the configuration, and is rendered already
)

// supply gives a finished column its source, if it needs one, or a source of its
// own to a copy.
func (m *Mapping) supply(c *column) error {
	rule, set := c.ruled(), m.valuesOf(c)
	if err := c.fits(); err != nil {
		return err
	}
	s := &source{parts: set.text, always: rule.Value != nil}
	if c.isText || c.by != nil || c.isList() {
		s.text = set.text
	}
	if !c.isText { // only a text can be empty and yet no null
		s.text.empty = ""
	}
	if rule.Template != "" {
		if err := m.compileTemplate(c, s); err != nil {
			return err
		}
	}
	if err := m.compileStated(c, s); err != nil {
		return err
	}
	c.source = nil
	if s.stated != nil || s.template != nil || s.text != (textRules{}) {
		c.source = s
	}
	return nil
}

// compileStated converts what the configuration says instead of the file.
func (m *Mapping) compileStated(c *column, s *source) error {
	rule, word := c.ruled(), "value"
	text := rule.Value
	if text == nil {
		text, word = rule.Default, "default"
	} else if rule.Default != nil || rule.Template != "" {
		return misset(WrongOption, rule.Line, c.from, "value is what every row gets, so that default and template say nothing").Advise("keep one of them")
	}
	if text == nil {
		return nil
	}
	s.stated = &row.Cell{Kind: row.Text, Text: []byte(*text)}
	convert, _ := m.converter(c, m.valuesOf(c).configured())
	if convert == nil {
		convert = c.convert
	}
	var p *problem
	switch {
	case !c.isText && c.null(*s.stated):
		p = complain(BadValue, "it is empty, and the column takes no empty text")
	case c.by != nil || c.isList(): // only a row can say whether the record is there
		return nil
	default:
		s.rendered, p = convert(nil, *s.stated)
	}
	if p != nil {
		return misset(BadValue, rule.Line, c.from, "its %s cannot be written to %s: %s", word, c.to.Name, p.message).Advise("correct the %s", word)
	}
	s.stated.Kind = configured
	return nil
}

// compileTemplate reads a column's template and finds its columns. A copy of a
// column knows them already.
func (m *Mapping) compileTemplate(c *column, s *source) error {
	if c.source != nil {
		s.template = slices.Clone(c.source.template)
		return nil
	}
	var wrong string
	rule := c.ruled()
	if s.template, wrong = parseTemplate(rule.Template); wrong != "" {
		return misset(WrongOption, rule.Line, c.from, "its template %q cannot be used: %s", rule.Template, wrong).Advise("correct the template")
	}
	if unknown := s.template.find(m.columns); len(unknown) > 0 && !m.open {
		return m.unknownIn(c, unknown[0])
	}
	return nil
}

// cell is what a row has for a column, and whether that is a null. What a source
// built is valid until the column is asked again.
func (m *Mapping) cell(c *column, r *row.Row) (cell row.Cell, null bool) {
	switch {
	case c.fixed != nil:
		cell = *c.fixed
	case c.source == nil:
		cell = cellAt(r, c.index)
	default:
		cell = c.source.cell(c, r)
	}
	return cell, c.null(cell)
}

func (s *source) cell(c *column, r *row.Row) row.Cell {
	if s.always {
		return *s.stated
	}
	cell := cellAt(r, c.index)
	if s.template != nil {
		cell = s.fill(r)
	}
	if cell = s.tidy(cell); s.stated != nil && c.null(cell) {
		return *s.stated
	}
	return cell
}

// tidy applies the rules for texts.
func (s *source) tidy(cell row.Cell) row.Cell {
	rules := &s.text
	if cell.Kind != row.Text {
		return cell
	}
	if rules.empty != "" && string(cell.Text) == rules.empty {
		return row.Cell{Kind: emptyText}
	}
	if rules.trim {
		cell.Text = bytes.TrimSpace(cell.Text)
	}
	if rules.normalise && !rules.form.IsNormal(cell.Text) {
		s.normal = rules.form.Append(s.normal[:0], cell.Text...)
		cell.Text = s.normal
	}
	return cell
}
