package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// parties are the roles of people in an activity.
var parties = []string{"from", "to", "cc", "bcc", "required", "optional", "organizer", "customer", "owner", "regarding", "sender", "resource"}

// navigation is a navigation property: like a schema name, with capitals.
var navigation = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const maxSeparator = 16

// columns reads the mapping from the file's columns to the table's, in file order.
func (r *reader) columns(n ast.Node, where string) []Column {
	entries, ok := r.entries(n, where)
	if ok && len(entries) == 0 {
		r.add(lineOf(n), "%s: is empty", where).Advise("map at least one column, or remove the line: then headers are logical names")
	}
	taken := map[string]Column{}
	list := make([]Column, 0, len(entries))
	for _, e := range entries {
		if strings.TrimSpace(e.name) == "" {
			r.add(e.line, "%s: a column of the file has no name", where)
			continue
		}
		c := r.column(e, in(where, quote(e.name)))
		first, twice := taken[c.To]
		switch {
		case c.To == "":
		case twice && (c.Party == "" || first.Party == ""): // several columns may fill one party list
			r.add(e.line, "%s: %s leads to %s, as another column on line %d does", where, quote(e.name), quote(c.To), first.Line).
				Advise("a column of the table takes one column of the file: {skip: true} ignores the other; a party list takes several, each with party")
		default:
			taken[c.To] = c
		}
		list = append(list, c)
	}
	return list
}

// column reads one of them: a logical name, or a mapping that says more.
func (r *reader) column(e entry, where string) Column {
	c := Column{From: e.name, Line: e.line}
	switch e.value.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		r.logical(&c.To)(e.value, where)
		return c
	case *ast.MappingNode:
	default:
		r.wrongType(e.value, where, "a logical name or a mapping {to: …}")
		return c
	}
	lines := r.section(e.value, where, slices.Concat([]field{
		{"to", r.logical(&c.To)},
		{"skip", r.boolean(&c.Skip)},
		{"round", r.boolean(&c.Round)},
		{"choice", r.oneOf(&c.Choice, "value", "label")},
		{"pii", r.boolean(&c.PII)},
		{"table", r.logical(&c.Table)},
		{"by", r.logical(&c.By)},
		{"missing", r.oneOf((*string)(&c.Missing), string(MissingReject), string(MissingEmpty))},
		{"associate", r.pattern(&c.Associate, navigation, "is not a navigation property", "the name of a many-to-many relationship's, such as accountleads_association")},
		{"party", r.oneOf(&c.Party, parties...)},
		{"separator", r.separator(&c.Separator)},
		{"value", r.given(&c.Value, "leave the column out; a destination's filter names records without a value")},
		{"template", r.template(&c.Template)},
		{"default", r.given(&c.Default, "remove the line: without a default an empty cell is empty")},
	}, r.valueFields(&c.Values))...)
	if c.Skip && len(lines) > 1 {
		r.add(e.line, "%s: skip: true ignores the column, so it stands alone", where).Advise("remove skip, or everything else")
	} else if !c.Skip && lines != nil {
		r.fits(&c, lines, where)
	}
	return c
}

// fits checks that the fields of a column speak of one kind of column.
func (r *reader) fits(c *Column, lines map[string]int, where string) {
	line := func(names ...string) int { return firstLine(lines, c.Line, names...) }
	lookup := lines["table"]+lines["by"]+lines["missing"] != 0
	several := lines["associate"] != 0 || lines["party"] != 0
	switch {
	case lines["to"] == 0 && lines["associate"] == 0:
		r.add(c.Line, "%s: to is missing", where).Advise("name the table's column, or say skip: true")
	case lines["associate"] != 0 && lines["party"] != 0:
		r.add(line("party"), "%s: both associate and party are given", where).Advise("associate is for many-to-many relationships, party for the people of an activity: keep what fits the column")
	case c.Choice != "" && (lookup || several), c.Round && (c.Choice != "" || lookup || several):
		r.add(line("round", "choice"), "%s: round is for numbers, choice for choice columns, table, by, missing, associate and party for lookups", where).
			Advise("keep what fits the column")
	}
	if lines["separator"] != 0 && (c.Round || lookup && !several) {
		r.add(line("separator"), "%s: separator is for columns that take several values, and this one takes one", where).
			Advise("remove it; choices and associate take several, and the people of an activity do: say party as well")
	}
	if lines["value"] != 0 {
		for _, other := range []string{"default", "template"} {
			if lines[other] != 0 {
				r.add(line(other), "%s: value is the same for every row, so %s has no use beside it", where, other).Advise("keep one of them")
			}
		}
	}
}

// given reads a constant that rows get. It is never null.
func (r *reader) given(to **string, instead string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		if _, null := n.(*ast.NullNode); null {
			r.wrongType(n, where, "a text, a number or a boolean").Advise("%s", instead)
			return
		}
		var s string
		if r.constant(&s)(n, where); s != "" {
			*to = &s
		}
	}
}

// separator reads what stands between the values of one cell.
func (r *reader) separator(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		s, ok := textOf(n)
		s = cmp.Or(signs[s], s)
		switch {
		case !ok:
			r.wrongType(n, where, "text")
		case s == "" || len(s) > maxSeparator || hasControl(strings.ReplaceAll(s, "\t", "")):
			r.add(lineOf(n), "%s: is no separator", where).
				Advise(`up to %d characters in quotes, such as ";" or ", "; or tab, comma, semicolon, pipe`, maxSeparator)
		default:
			*to = s
		}
	}
}
