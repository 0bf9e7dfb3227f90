package config

import (
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

// clearingFields are those that only modes have which delete more than the file says.
var clearingFields = []string{"filter", "allow_whole_table", "clear", "max_deletes", "leave_undeletable"}

// maxCount bounds max_deletes.count; a table beyond it has no such thing as a count that guards.
const maxCount = 1_000_000_000_000

func (w *whole) clearFields() []field {
	d := w.d
	return []field{
		{"filter", func(n ast.Node, where string) { d.Filter = w.filter(n, where) }},
		{"allow_whole_table", w.boolean(&d.AllowWholeTable)},
		{"clear", w.oneOf((*string)(&d.Clear), string(ClearRows), string(ClearJob))},
		{"max_deletes", func(n ast.Node, where string) { w.maxDeletes(&d.MaxDeletes, n, where) }},
		{"leave_undeletable", w.boolean(&d.LeaveUndeletable)},
	}
}

// maxDeletes reads a number, which is a percentage, or both bounds by name.
func (r *reader) maxDeletes(to *MaxDeletes, n ast.Node, where string) {
	percent := r.number(&to.Percent, 0, 100, false)
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		percent(n, where)
	case *ast.MappingNode:
		count := float64(to.Count)
		r.section(n, where, field{"percent", percent}, field{"count", r.number(&count, 1, maxCount, true)})
		to.Count = int64(count)
	default:
		r.wrongType(n, where, "a number (percent) or a mapping {percent: 20, count: 1000}")
	}
}

// filter reads which records are ours.
func (r *reader) filter(n ast.Node, where string) []Constant {
	entries, ok := r.entries(n, where)
	if ok && len(entries) == 0 {
		r.add(lineOf(n), "%s: is empty", where).Advise("name the columns and values by which your records are known: filter: {new_source: shop}")
	}
	var list []Constant
	for _, e := range entries {
		c := Constant{Line: e.line}
		at := in(where, quote(e.name))
		if !logicalName.MatchString(e.name) {
			r.add(e.line, "%s is not a logical name", at).Advise("the left side is a column of the table, such as new_source")
			continue
		}
		c.Column = e.name
		if _, c.Null = e.value.(*ast.NullNode); !c.Null {
			r.constant(&c.Value)(e.value, at)
		}
		list = append(list, c)
	}
	return list
}

// plainNumber is a number that every program reads alike and that is written as it is read: no octal 010, no 0x10, no 1_000.
var plainNumber = regexp.MustCompile(`^[+-]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// constant reads a text, a number or a boolean as it is spelled: the column that it goes to has the type.
func (r *reader) constant(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		switch n.(type) {
		case *ast.StringNode, *ast.LiteralNode:
			r.text(to)(n, where)
			return
		case *ast.BoolNode:
			*to = n.GetToken().Value
			return
		case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
			if s := n.GetToken().Value; plainNumber.MatchString(s) {
				*to = s
				return
			}
			r.add(lineOf(n), "%s", in(where, "the number is written in a way that programs read differently")).
				Advise("write it plainly, or in quotes to have it as it stands")
			return
		}
		r.wrongType(n, where, "a text, a number or a boolean")
	}
}

// clearing checks which records a mode may delete (rules D2, D3).
func (w *whole) clearing() {
	d := w.d
	if d.Mode == "" {
		return
	}
	if !d.Mode.Clears() {
		for _, name := range clearingFields {
			if w.lines[name] != 0 {
				w.say(name, "%s is for the modes that delete more than a file names, and mode %s does not", name, d.Mode).
					Advise("remove it, or say mode: mirror or truncate")
			}
		}
		return
	}
	if d.Mode == Mirror && w.lines["clear"] != 0 {
		w.say("clear", "clear is how mode truncate empties the table, and mode mirror does not").Advise("remove it")
	}
	switch {
	case w.lines["filter"] != 0 && d.AllowWholeTable:
		w.say("allow_whole_table", "both filter and allow_whole_table are given").
			Advise("keep filter to delete among its records only, or allow_whole_table: true to delete among all of the table")
	case w.lines["filter"] == 0 && !d.AllowWholeTable:
		w.say("mode", "mode %s deletes records, and nothing says which are yours", d.Mode).
			Advise("filter: {new_source: shop} names them by columns that every loaded row gets; allow_whole_table: true means all records of the table")
	}
}
