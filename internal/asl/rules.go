package asl

import (
	"fmt"
	"strings"
)

func compileChoice(f *fields, s *state) {
	f.ways(s)
	c := &choice{fallback: f.string("Default")}
	s.router = c
	list := f.required("Choices", arrayNode)
	if list == nil {
		return
	}
	if len(list.items) == 0 {
		f.fail("Choices", "must not be empty")
	}
	for i, n := range list.items {
		e := f.checker.fields(fmt.Sprintf("%s: Choices[%d]", f.where, i), n)
		c.rules = append(c.rules, rule{next: e.requiredString("Next"), holds: e.condition()})
	}
}

// condition compiles a rule, or a part of one, and takes all its fields.
func (f *fields) condition() condition {
	f.string("Comment")
	operator := f.operator()
	if operator == "" {
		return nil
	}
	var holds condition
	switch operator {
	case "And", "Or":
		holds = f.combination(operator)
	case "Not":
		if n := f.of("Not", objectNode); n != nil {
			holds = not(f.inner("Not", n))
		}
	default:
		holds = f.dataTest(operator)
	}
	f.done()
	return holds
}

// operator is the name of the one field that says what to do.
func (f *fields) operator() string {
	var found []string
	for _, m := range f.node.members {
		if !f.taken[m.name] && m.name != "Variable" && m.name != "Next" {
			found = append(found, m.name)
		}
	}
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		f.checker.fail(f.node.line, "%s: has no comparison", f.where)
	default:
		f.checker.fail(f.node.line, "%s: has more than one comparison: %s", f.where, strings.Join(found, ", "))
	}
	return ""
}

func (f *fields) inner(name string, n *node) condition {
	e := f.checker.fields(f.where+": "+name, n)
	return e.condition()
}

func (f *fields) combination(name string) condition {
	list := f.of(name, arrayNode)
	if list == nil {
		return nil
	}
	if len(list.items) == 0 {
		f.fail(name, "must not be empty")
	}
	var parts []condition
	for i, n := range list.items {
		parts = append(parts, f.inner(fmt.Sprintf("%s[%d]", name, i), n))
	}
	if name == "And" {
		return all(parts)
	}
	return some(parts)
}

func (f *fields) dataTest(operator string) condition {
	if f.required("Variable", stringNode) == nil {
		f.take(operator)
		return nil
	}
	variable := f.path("Variable")
	if test, ok := tests[operator]; ok {
		return testType(variable, test, f.truth(operator))
	}
	switch operator {
	case "IsPresent":
		return isPresent(variable, f.truth(operator))
	case "StringMatches":
		return matchesPattern(variable, f.pattern(operator))
	}
	k, verdict, byPath, ok := comparison(operator)
	if !ok {
		f.fail(operator, "is not supported")
		f.take(operator)
		return nil
	}
	if byPath {
		return compareTo(variable, k, verdict, f.path(operator))
	}
	return compareTo(variable, k, verdict, f.operand(operator, k))
}

func (f *fields) truth(name string) bool {
	n := f.required(name, boolNode)
	return n != nil && n.truth
}

func (f *fields) pattern(name string) []string {
	parts, err := parsePattern(f.requiredString(name))
	if err != nil {
		f.fail(name, "has a pattern in which %s", err)
	}
	return parts
}

func (f *fields) operand(name string, k kind) expression {
	value := f.take(name).plain()
	if !k.valid(value) {
		f.fail(name, "must be a %s value", strings.ToLower(k.name))
	}
	return constant{value}
}
