package asl

import (
	"maps"
	"slices"
)

// path is a JSONPath: "$" starts at a state's data, "$$" at the context object.
type path struct {
	text    string
	context bool
	steps   []step
}

// step selects from each value that the steps before it found.
type step struct {
	kind    stepKind
	names   []string // child: one name, or several as a union
	indexes []int    // element: one index, or several as a union
	from    *int     // slice
	to      *int
	deep    bool // "..": of the value and of all its descendants
}

type stepKind int

const (
	child stepKind = iota
	element
	slice
	wildcard
)

// definite reports whether the path can only ever select one value.
func (p *path) definite() bool {
	for _, s := range p.steps {
		if s.deep || s.kind == slice || s.kind == wildcard || len(s.names)+len(s.indexes) > 1 {
			return false
		}
	}
	return true
}

// lookup is the selected value, or the array of all values that an indefinite
// path selects; false where a definite path selects nothing.
func (p *path) lookup(sc *scope) (any, bool) {
	found := p.find(sc)
	if !p.definite() {
		return found, true
	}
	if len(found) == 0 {
		return nil, false
	}
	return found[0], true
}

// find lists all selected values, members of objects in the order of their names.
func (p *path) find(sc *scope) []any {
	root := sc.input
	if p.context {
		root = sc.context
	}
	found := []any{root}
	for _, s := range p.steps {
		next := []any{}
		for _, value := range found {
			next = s.collect(value, next)
		}
		found = next
	}
	return found
}

func (s *step) collect(value any, found []any) []any {
	if !s.deep {
		return s.pick(value, found)
	}
	found = s.pick(value, found)
	for _, below := range members(value) {
		found = s.collect(below, found)
	}
	return found
}

func (s *step) pick(value any, found []any) []any {
	switch s.kind {
	case wildcard:
		return append(found, members(value)...)
	case child:
		object, _ := value.(map[string]any)
		for _, name := range s.names {
			if member, ok := object[name]; ok {
				found = append(found, member)
			}
		}
	case element:
		array, _ := value.([]any)
		for _, i := range s.indexes {
			if i < 0 {
				i += len(array)
			}
			if i >= 0 && i < len(array) {
				found = append(found, array[i])
			}
		}
	case slice:
		array, _ := value.([]any)
		from, to := bound(s.from, 0, len(array)), bound(s.to, len(array), len(array))
		if from < to {
			found = append(found, array[from:to]...)
		}
	}
	return found
}

func bound(at *int, absent, length int) int {
	if at == nil {
		return absent
	}
	n := *at
	if n < 0 {
		n += length
	}
	return max(0, min(n, length))
}

func members(value any) []any {
	switch value := value.(type) {
	case []any:
		return value
	case map[string]any:
		all := make([]any, 0, len(value))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			all = append(all, value[name])
		}
		return all
	}
	return nil
}
