package metadata

import (
	"fmt"
	"strings"

	"penstock/internal/dataversetest/odata"
)

// filter keeps the nodes for which the condition holds.
func filter(nodes []*node, declared string, condition odata.Expr) ([]*node, error) {
	if len(nodes) == 0 {
		if p := prototype(declared); p != nil {
			_, err := (&scope{n: p, declared: declared}).holds(condition)
			return nil, err
		}
		return nil, nil
	}
	var kept []*node
	for _, n := range nodes {
		ok, err := (&scope{n: n, declared: declared}).holds(condition)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, n)
		}
	}
	return kept, nil
}

// scope evaluates a condition on one node.
type scope struct {
	n        *node
	declared string
}

func (s *scope) holds(e odata.Expr) (bool, error) {
	v, err := s.eval(e)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok && v != nil {
		return false, badFilter("The $filter expression must evaluate to a single boolean value.")
	}
	return b, nil
}

// eval computes nil, bool, string, int64, float64, enum or []any.
func (s *scope) eval(e odata.Expr) (any, error) {
	switch e := e.(type) {
	case odata.Literal:
		return literalValue(e), nil
	case odata.Path:
		return s.path(e.Segments)
	case odata.Not:
		ok, err := s.holds(e.Of)
		return !ok, err
	case odata.Binary:
		return s.binary(e)
	case odata.Call:
		return s.call(e)
	case odata.List:
		var list []any
		for _, item := range e.Items {
			v, err := s.eval(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case odata.Alias:
		return nil, nil // an alias without a value is null
	}
	return nil, badFilter("The $filter expression is not supported on metadata.")
}

func literalValue(l odata.Literal) any {
	switch l.Kind {
	case odata.Null:
		return nil
	case odata.Enum:
		return enum{odata.Unqualified(l.Type), l.String()}
	case odata.Boolean, odata.Integer, odata.Decimal, odata.String:
		return l.Value
	}
	return l.String()
}

func (s *scope) path(segments []string) (any, error) {
	value, ok := s.n.value(segments[0])
	if !ok || s.n.kind != s.declared && !baseProperty(s.declared, segments[0]) {
		return nil, noProperty(segments[0], s.declared)
	}
	for _, name := range segments[1:] {
		if value == nil {
			return nil, nil
		}
		o, isObject := value.(object)
		if !isObject {
			return nil, noProperty(name, s.declared)
		}
		if value, ok = o.get(name); !ok {
			return nil, noProperty(name, s.declared)
		}
	}
	switch v := value.(type) {
	case int:
		return int64(v), nil
	case nil, bool, string, int64, float64, enum:
		return v, nil
	}
	return nil, badFilter("The property '" + strings.Join(segments, "/") + "' cannot be used in a $filter expression.")
}

func (s *scope) binary(e odata.Binary) (any, error) {
	if e.Op == "and" || e.Op == "or" {
		left, err := s.holds(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := s.holds(e.Right) // also when left decides: a wrong name is refused always
		if e.Op == "and" {
			return left && right, err
		}
		return left || right, err
	}
	left, err := s.eval(e.Left)
	if err != nil {
		return nil, err
	}
	right, err := s.eval(e.Right)
	if err != nil {
		return nil, err
	}
	if e.Op == "in" {
		return in(left, right)
	}
	return compare(e.Op, left, right)
}

func in(value, list any) (any, error) {
	items, ok := list.([]any)
	if !ok {
		return nil, badFilter("The right operand of 'in' must be a list.")
	}
	for _, item := range items {
		equal, err := compare("eq", value, item)
		if err != nil || equal == true {
			return equal, err
		}
	}
	return false, nil
}

var operatorKinds = map[string]string{"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual", "lt": "LessThan", "le": "LessThanOrEqual"}

func compare(op string, left, right any) (any, error) {
	kind, ok := operatorKinds[op]
	if !ok {
		return nil, badFilter(fmt.Sprintf("The operator '%s' is not supported on metadata.", op))
	}
	if left == nil || right == nil {
		equal := left == nil && right == nil
		return op == "eq" && equal || op == "ne" && !equal, nil
	}
	var order int
	switch l := left.(type) {
	case enum:
		r, isEnum := right.(enum)
		if !isEnum || l.kind != r.kind {
			return nil, incompatible(left, right, kind)
		}
		order = strings.Compare(l.value, r.value)
	case string:
		r, isText := right.(string)
		if !isText {
			return nil, incompatible(left, right, kind)
		}
		order = strings.Compare(l, r)
	case bool:
		r, isBool := right.(bool)
		if !isBool {
			return nil, incompatible(left, right, kind)
		}
		if l != r {
			order = 1
		}
	default:
		l64, okLeft := asFloat(left)
		r64, okRight := asFloat(right)
		if !okLeft || !okRight {
			return nil, incompatible(left, right, kind)
		}
		order = int(sign(l64 - r64))
	}
	switch op {
	case "eq":
		return order == 0, nil
	case "ne":
		return order != 0, nil
	case "gt":
		return order > 0, nil
	case "ge":
		return order >= 0, nil
	case "lt":
		return order < 0, nil
	}
	return order <= 0, nil
}

func sign(f float64) float64 {
	switch {
	case f < 0:
		return -1
	case f > 0:
		return 1
	}
	return 0
}

func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func edmName(v any) string {
	switch v := v.(type) {
	case enum:
		return odata.Namespace + v.kind
	case string:
		return "Edm.String"
	case bool:
		return "Edm.Boolean"
	case int64:
		return "Edm.Int32"
	case float64:
		return "Edm.Double"
	}
	return "Edm.Untyped"
}

func incompatible(left, right any, kind string) error {
	return badFilter(fmt.Sprintf("A binary operator with incompatible types was detected. Found operand types '%s' and '%s' for operator kind '%s'.",
		edmName(left), edmName(right), kind))
}

func (s *scope) call(e odata.Call) (any, error) {
	test, ok := map[string]func(string, string) bool{
		"contains": strings.Contains, "startswith": strings.HasPrefix, "endswith": strings.HasSuffix,
	}[e.Name]
	if !ok || len(e.Args) != 2 {
		return nil, badFilter(fmt.Sprintf("The function '%s' is not supported on metadata.", e.Name))
	}
	var texts [2]string
	for i, arg := range e.Args {
		v, err := s.eval(arg)
		if err != nil {
			return nil, err
		}
		text, isText := v.(string)
		if !isText {
			return false, nil
		}
		texts[i] = text
	}
	return test(texts[0], texts[1]), nil
}

func badFilter(message string) error {
	return &odata.Error{Status: 400, Code: odata.CodeSyntax, Message: message}
}
