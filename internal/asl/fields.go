package asl

import (
	"encoding/json"
	"fmt"
	"slices"
)

// fields hands out the members of an object; what nobody took is not supported.
type fields struct {
	checker *checker
	where   string // `state "Load"`
	node    *node
	taken   map[string]bool
}

func (c *checker) fields(where string, n *node) *fields {
	if n.kind != objectNode {
		c.fail(n.line, "%s must be an object, not %s", where, n.kind)
		n = &node{line: n.line, kind: objectNode}
	}
	return &fields{checker: c, where: where, node: n, taken: map[string]bool{}}
}

func (f *fields) take(name string) *node {
	f.taken[name] = true
	for _, m := range f.node.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (f *fields) has(name string) bool {
	return slices.ContainsFunc(f.node.members, func(m member) bool { return m.name == name })
}

// done refuses the fields that nobody took.
func (f *fields) done() {
	for _, m := range f.node.members {
		if !f.taken[m.name] {
			f.checker.fail(m.line, "%s: field %q is not supported", f.where, m.name)
		}
	}
}

// fail is a problem with the field name.
func (f *fields) fail(name, format string, args ...any) {
	line := f.node.line
	for _, m := range f.node.members {
		if m.name == name {
			line = m.line
		}
	}
	f.checker.fail(line, "%s: field %q %s", f.where, name, fmt.Sprintf(format, args...))
}

// of takes a field that must have one kind; nil where it is absent or wrong.
func (f *fields) of(name string, kind nodeKind) *node {
	n := f.take(name)
	if n != nil && n.kind != kind {
		f.fail(name, "must be %s, not %s", kind, n.kind)
		return nil
	}
	return n
}

func (f *fields) required(name string, kind nodeKind) *node {
	if !f.has(name) {
		f.checker.fail(f.node.line, "%s: field %q is missing", f.where, name)
	}
	return f.of(name, kind)
}

func (f *fields) string(name string) string {
	if n := f.of(name, stringNode); n != nil {
		return n.text
	}
	return ""
}

func (f *fields) requiredString(name string) string {
	n := f.required(name, stringNode)
	if n == nil {
		return ""
	}
	if n.text == "" {
		f.fail(name, "must not be empty")
	}
	return n.text
}

func (f *fields) bool(name string) bool {
	n := f.of(name, boolNode)
	return n != nil && n.truth
}

// integer takes a whole number between least and most, or otherwise.
func (f *fields) integer(name string, otherwise, least, most int) int {
	n := f.of(name, numberNode)
	if n == nil {
		return otherwise
	}
	value, ok := integer(json.Number(n.text))
	if !ok || value < int64(least) || value > int64(most) {
		f.fail(name, "must be a whole number from %d to %d, not %s", least, most, n.text)
		return otherwise
	}
	return int(value)
}

// float takes a number between least and most, or otherwise.
func (f *fields) float(name string, otherwise, least, most float64) float64 {
	n := f.of(name, numberNode)
	if n == nil {
		return otherwise
	}
	value, err := json.Number(n.text).Float64()
	if err != nil || value < least || value > most {
		f.fail(name, "must be a number from %g to %g, not %s", least, most, n.text)
		return otherwise
	}
	return value
}

func (f *fields) path(name string) *path {
	n := f.of(name, stringNode)
	if n == nil {
		return nil
	}
	p, err := parsePath(n.text)
	if err != nil {
		f.fail(name, "has %s", err)
		return nil
	}
	return p
}

// either refuses more than one of several fields, and counts them.
func (f *fields) either(names ...string) int {
	var given []string
	for _, name := range names {
		if f.has(name) {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		f.fail(given[1], "cannot stand beside %s", given[0])
		for _, name := range given {
			f.taken[name] = true
		}
	}
	return len(given)
}

// wholeOrPath reads a whole number of at least least, or the field's Path form; or otherwise.
func (f *fields) wholeOrPath(name string, otherwise, least int) expression {
	f.either(name, name+"Path")
	if p := f.path(name + "Path"); p != nil {
		return p
	}
	return constant{number(f.integer(name, otherwise, least, longestSeconds))}
}
