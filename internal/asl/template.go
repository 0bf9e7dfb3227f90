package asl

import (
	"errors"
	"strings"
)

// An expression has a value within a scope: a path, an intrinsic call, a
// constant, or a payload template made of them.
type expression interface {
	eval(sc *scope) (any, error)
}

// constant is a JSON value that stands for itself.
type constant struct{ value any }

func (c constant) eval(*scope) (any, error) { return c.value, nil }

func (p *path) eval(sc *scope) (any, error) {
	value, ok := p.lookup(sc)
	if !ok {
		return nil, &missing{p}
	}
	return value, nil
}

// parseExpression reads what may stand behind a name that ends in ".$".
func parseExpression(source string) (expression, error) {
	if strings.HasPrefix(source, "$") {
		return parsePath(source)
	}
	return parseIntrinsic(source)
}

// objectTemplate is an object of a payload template (Parameters, ItemSelector, ResultSelector).
type objectTemplate struct{ fields []templateField }

type templateField struct {
	name  string // without ".$"
	value expression
}

func (t *objectTemplate) eval(sc *scope) (any, error) {
	object := make(map[string]any, len(t.fields))
	for _, field := range t.fields {
		value, err := field.value.eval(sc)
		if lost, ok := errors.AsType[*missing](err); ok {
			return nil, failf(errParameterPath, "The JSONPath '%s' specified for the field '%s.$' could not be found in the input", lost.path.text, field.name)
		}
		if err != nil {
			return nil, err
		}
		object[field.name] = value
	}
	return object, nil
}

type arrayTemplate struct{ items []expression }

func (t *arrayTemplate) eval(sc *scope) (any, error) {
	array := make([]any, 0, len(t.items))
	for _, item := range t.items {
		value, err := item.eval(sc)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	return array, nil
}

// template compiles a payload template. Parts without a dynamic field become constants.
func (c *checker) template(where string, n *node) expression {
	switch n.kind {
	case objectNode:
		return c.objectTemplate(where, n)
	case arrayNode:
		array := &arrayTemplate{}
		for _, item := range n.items {
			array.items = append(array.items, c.template(where, item))
		}
		return array
	}
	return constant{n.plain()}
}

func (c *checker) objectTemplate(where string, n *node) expression {
	object := &objectTemplate{}
	dynamic := map[string]bool{}
	for _, member := range n.members {
		name, isDynamic := strings.CutSuffix(member.name, ".$")
		if dynamic[name] {
			c.fail(member.line, "%s: field %q is given twice, with and without \".$\"", where, name)
		}
		dynamic[name] = true
		value := c.template(where, member.value)
		if isDynamic {
			value = c.dynamic(where, member)
		}
		object.fields = append(object.fields, templateField{name: name, value: value})
	}
	return object
}

func (c *checker) dynamic(where string, member member) expression {
	if member.value.kind != stringNode {
		c.fail(member.line, "%s: field %q must be a path or an intrinsic function", where, member.name)
		return constant{}
	}
	value, err := parseExpression(member.value.text)
	if err != nil {
		c.fail(member.line, "%s: field %q: %w", where, member.name, err)
		return constant{}
	}
	return value
}
