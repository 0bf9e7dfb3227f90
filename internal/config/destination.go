package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

const (
	defaultMaxPercent = 10
	maxParallel       = 1000
)

var (
	modes        = []string{string(Append), string(Upsert)}
	plannedModes = []string{"update", "delete", "mirror", "truncate"}
	audiences    = []string{"admin", "business", "restricted"}
	logicalName  = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
)

func (r *reader) destination(e entry, where string) *Destination {
	d := &Destination{Name: e.name, Line: e.line, Nulls: SkipNulls, Audiences: []string{"admin"}, Rejects: Rejects{MaxPercent: defaultMaxPercent}}
	var parallel float64
	lines := r.section(e.value, where,
		field{"connection", r.text(&d.Connection)},
		field{"table", r.logical(&d.Table)},
		field{"segment", func(n ast.Node, where string) {
			r.add(lineOf(n), "%s: segments are not supported by this version", where).Advise("write to a table")
		}},
		field{"mode", r.mode(&d.Mode)},
		field{"key", r.texts(true, r.logical, func(key []string) { d.Key = key })},
		field{"format", r.oneOf(&d.Format, "csv", "jsonl")},
		field{"audiences", r.texts(false, r.audience, func(list []string) { d.Audiences = list })},
		field{"nulls", r.oneOf((*string)(&d.Nulls), string(SkipNulls), string(ClearNulls))},
		field{"columns", func(n ast.Node, where string) { d.Columns = r.columns(n, where) }},
		field{"parallel", r.number(&parallel, 1, maxParallel, true)},
		field{"rejects", func(n ast.Node, where string) {
			r.section(n, where, field{"max_percent", r.number(&d.Rejects.MaxPercent, 0, 100, false)})
		}},
	)
	d.Parallel = int(parallel)
	if lines != nil {
		r.connectionLine[e.name] = lines["connection"]
		r.complete(d, lines, where)
		r.keyed(d, lines, where)
	}
	return d
}

// complete checks that what every destination needs is there.
func (r *reader) complete(d *Destination, lines map[string]int, where string) {
	if lines["connection"] == 0 {
		r.add(d.Line, "%s: connection is missing", where).Advise("name one of the section connections")
	}
	if lines["table"] == 0 && lines["segment"] == 0 {
		r.add(d.Line, "%s: table is missing", where).Advise("the logical name, such as contact")
	}
	if lines["mode"] == 0 {
		r.add(d.Line, "%s: mode is missing", where).
			Advise("append creates a record for every row; upsert updates the record that has the row's key, or creates it")
	}
}

// keyed checks the key against the mode and the columns.
func (r *reader) keyed(d *Destination, lines map[string]int, where string) {
	switch {
	case d.Mode == Upsert && lines["key"] == 0:
		r.add(d.Line, "%s: mode upsert needs a key", where).
			Advise("the columns of an alternate key, or the primary id: key: emailaddress1")
	case d.Mode == Append && lines["key"] != 0:
		r.add(lines["key"], "%s: mode append takes no key: it creates a record for every row and looks for none", where).
			Advise("remove key, or say mode: upsert to update records that exist")
	}
	if d.Columns == nil {
		return
	}
	for _, key := range d.Key {
		if key != "" && !slices.ContainsFunc(d.Columns, func(c Column) bool { return c.To == key }) {
			r.add(lines["columns"], "%s: no column is mapped to %s of the key", where, quote(key)).
				Advise("add a line to columns that leads there")
		}
	}
}

func (r *reader) mode(to *Mode) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		switch {
		case slices.Contains(modes, s):
			*to = Mode(s)
		case slices.Contains(plannedModes, s):
			r.add(lineOf(n), "%s %s is not supported by this version", where, s).Advise("supported are append and upsert")
		default:
			r.mustBe(n, where, s, modes)
		}
	}
}

func (r *reader) audience(to *string) func(ast.Node, string) { return r.oneOf(to, audiences...) }

// logical reads a logical name of a table or a column.
func (r *reader) logical(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		if logicalName.MatchString(s) {
			*to = s
			return
		}
		problem := r.add(lineOf(n), "%s: %s is not a logical name", where, quote(s))
		if lower := strings.ToLower(s); logicalName.MatchString(lower) {
			problem.Advise("logical names are lower case: %s", lower)
		} else {
			problem.Advise("logical names are lower-case letters, digits and underscores, such as emailaddress1")
		}
	}
}

// columns reads the mapping from the file's columns to the table's, in file order.
func (r *reader) columns(n ast.Node, where string) []Column {
	entries, ok := r.entries(n, where)
	if ok && len(entries) == 0 {
		r.add(lineOf(n), "%s: is empty", where).Advise("map at least one column, or remove the line: then headers are logical names")
	}
	lines := map[string]int{}
	list := make([]Column, 0, len(entries))
	for _, e := range entries {
		if strings.TrimSpace(e.name) == "" {
			r.add(e.line, "%s: a column of the file has no name", where)
			continue
		}
		c := r.column(e, in(where, quote(e.name)))
		if first := lines[c.To]; first != 0 {
			r.add(e.line, "%s: %s leads to %s, as another column on line %d does", where, quote(e.name), quote(c.To), first).
				Advise("a column of the table takes one column of the file: {skip: true} ignores the other")
		} else if c.To != "" {
			lines[c.To] = e.line
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
	lines := r.section(e.value, where,
		field{"to", r.logical(&c.To)},
		field{"round", r.boolean(&c.Round)},
		field{"choice", r.oneOf(&c.Choice, "value", "label")},
		field{"table", r.logical(&c.Table)},
		field{"by", r.by(&c.By)},
		field{"skip", r.boolean(&c.Skip)},
	)
	switch {
	case c.Skip && len(lines) > 1:
		r.add(e.line, "%s: skip: true ignores the column, so it stands alone", where).Advise("remove skip, or everything else")
	case !c.Skip && lines["to"] == 0:
		r.add(e.line, "%s: to is missing", where).Advise("name the table's column, or say skip: true")
	case c.Choice != "" && (c.Table != "" || c.By != ""), c.Round && (c.Choice != "" || c.Table != "" || c.By != ""):
		r.add(e.line, "%s: round is for numbers, choice for choice columns, table and by for lookups", where).Advise("keep what fits the column")
	}
	return c
}

// by reads how a lookup's cell identifies the target.
func (r *reader) by(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.logical(&s)(n, where); s == "" {
			return
		}
		if s != "id" {
			r.add(lineOf(n), "%s %s is not supported by this version", where, s).
				Advise("a lookup takes the id (GUID) of its record: by: id, or leave by out")
			return
		}
		*to = s
	}
}
