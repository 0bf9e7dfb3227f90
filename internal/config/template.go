package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// template reads a text with names of the file's columns in braces: "{First} {Last}".
func (r *reader) template(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		columns, complaint := columnsOf(s)
		switch {
		case complaint != "":
			r.add(lineOf(n), "%s: %s", where, complaint).Advise(`"{First} {Last}" takes two columns of the file; {{ and }} are braces that stand for themselves`)
		case len(columns) == 0:
			r.add(lineOf(n), "%s: names no column of the file", where).Advise(`write "{First} {Last}", or value for a text that is the same in every row`)
		default:
			*to = s
		}
	}
}

// columnsOf lists the file's columns that a template names.
func columnsOf(template string) (columns []string, complaint string) {
	for rest := template; ; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			return columns, ""
		}
		rest = rest[at:]
		if strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}") {
			rest = rest[2:]
			continue
		}
		if rest[0] == '}' {
			return nil, "a } closes nothing"
		}
		name, behind, closed := strings.Cut(rest[1:], "}")
		switch {
		case !closed || strings.Contains(name, "{"):
			return nil, "a { is not closed"
		case strings.TrimSpace(name) == "":
			return nil, "{} names no column"
		}
		columns, rest = append(columns, name), behind
	}
}
