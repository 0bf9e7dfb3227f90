package asl

import (
	"fmt"
	"maps"
	"slices"
)

// reference is a Reference Path: it names one place, which need not exist yet.
type reference struct {
	text  string
	steps []step
}

func parseReference(source string) (*reference, error) {
	p, err := parsePath(source)
	if err != nil {
		return nil, err
	}
	if p.context {
		return nil, fmt.Errorf("path %q: the context object cannot be written to", source)
	}
	if !p.definite() {
		return nil, fmt.Errorf("path %q: must name one place: no wildcard, slice, union or descent", source)
	}
	for _, s := range p.steps {
		if s.kind == element && s.indexes[0] < 0 {
			return nil, fmt.Errorf("path %q: an index counts from the start", source)
		}
	}
	return &reference{text: source, steps: p.steps}, nil
}

// set returns root with value at the reference, sharing all that is not on the
// way to it. Missing objects are made; false where the way leads through
// something that is no object, or past the end of an array.
func (r *reference) set(root, value any) (any, bool) { return set(root, r.steps, value) }

func set(root any, steps []step, value any) (any, bool) {
	if len(steps) == 0 {
		return value, true
	}
	if s := steps[0]; s.kind == element {
		return setElement(root, s.indexes[0], steps[1:], value)
	}
	object, ok := root.(map[string]any)
	if !ok {
		return nil, false
	}
	name := steps[0].names[0]
	below, there := object[name]
	if !there && len(steps) > 1 {
		below = map[string]any{}
	}
	below, ok = set(below, steps[1:], value)
	if !ok {
		return nil, false
	}
	object = maps.Clone(object)
	if object == nil {
		object = map[string]any{}
	}
	object[name] = below
	return object, true
}

func setElement(root any, index int, steps []step, value any) (any, bool) {
	array, ok := root.([]any)
	if !ok || index >= len(array) {
		return nil, false
	}
	below, ok := set(array[index], steps, value)
	if !ok {
		return nil, false
	}
	array = slices.Clone(array)
	array[index] = below
	return array, true
}
