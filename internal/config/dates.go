package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// layouts reads those to try in order.
func (r *reader) layouts(to *[]string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		r.texts(true, r.layout, func(list []string) { *to = list })(n, where)
		if one, other, found := twofold(*to); found {
			r.add(lineOf(n), "%s: %s and %s read one text as two days", where, quote(one), quote(other)).
				Advise("keep the one that the file has; where columns differ, say dates in each column")
		}
	}
}

// layout reads how a date, or a date and time, is written.
func (r *reader) layout(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		if _, complaint := ParseLayout(s); complaint != "" {
			r.add(lineOf(n), "%s: %s %s", where, quote(s), complaint).Advise(layoutAdvice)
			return
		}
		*to = s
	}
}

// twofold finds layouts of a list that read one text as two days: 01/02/2026 by DD/MM/YYYY and M/D/YYYY.
func twofold(layouts []string) (one, other string, found bool) {
	for i, layout := range layouts {
		turned := shape(layout, true)
		for _, later := range layouts[i+1:] {
			if turned != shape(layout, false) && shape(later, false) == turned {
				return layout, later, true
			}
		}
	}
	return "", "", false
}

// shape is a layout without the number of digits of its parts; turned exchanges day and month.
func shape(layout string, turned bool) string {
	if layout == ISO {
		return layout
	}
	parts, _ := partsOf(layout)
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.Letter == 0:
			b.WriteString("[" + p.Text + "]")
		case p.Text == "MMM":
			b.WriteString(p.Text)
		case turned && p.Letter == 'M':
			b.WriteByte('D')
		case turned && p.Letter == 'D':
			b.WriteByte('M')
		default:
			b.WriteByte(p.Letter)
		}
	}
	return b.String()
}
