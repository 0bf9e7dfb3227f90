package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// choice is a Choice state: the first rule that holds says what comes next.
type choice struct {
	rules    []rule
	fallback string // Default; "" is none
}

type rule struct {
	holds condition
	next  string
}

// condition is a Choice Rule or a part of one.
type condition func(sc *scope) (bool, error)

func (c *choice) route(_ context.Context, _ *branch, sc *scope) (string, error) {
	for _, r := range c.rules {
		ok, err := r.holds(sc)
		if lost, is := errors.AsType[*missing](err); is {
			return "", failf(errRuntime, "Invalid path '%s': The choice state's condition path references an invalid value.", lost.path.text)
		}
		if err != nil {
			return "", err
		}
		if ok {
			return r.next, nil
		}
	}
	if c.fallback == "" {
		return "", failf(errNoChoice, "No Choice Rule matched, and there is no Default.")
	}
	return c.fallback, nil
}

// kind is a type that values can be compared within. Values of another type
// make a comparison false, not an error.
type kind struct {
	name  string
	valid func(value any) bool
	order func(a, b any) int
}

var kinds = []kind{
	{"String", isType[string], func(a, b any) int { return strings.Compare(a.(string), b.(string)) }},
	{"Numeric", isType[json.Number], func(a, b any) int { return compareNumbers(a.(json.Number), b.(json.Number)) }},
	{"Timestamp", isTimestamp, func(a, b any) int { return timestamp(a).Compare(timestamp(b)) }},
	{"Boolean", isType[bool], func(a, b any) int {
		if a == b {
			return 0
		}
		return 1
	}},
}

var verdicts = map[string]func(order int) bool{
	"Equals":            func(order int) bool { return order == 0 },
	"LessThan":          func(order int) bool { return order < 0 },
	"GreaterThan":       func(order int) bool { return order > 0 },
	"LessThanEquals":    func(order int) bool { return order <= 0 },
	"GreaterThanEquals": func(order int) bool { return order >= 0 },
}

func isType[T any](value any) bool {
	_, ok := value.(T)
	return ok
}

func isTimestamp(value any) bool { return !timestamp(value).IsZero() }

// timestamp reads the RFC 3339 profile of the specification: capital T and Z.
// The zero time means that value is none.
func timestamp(value any) time.Time {
	s, ok := value.(string)
	if !ok || strings.ContainsAny(s, "tz ,") {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// comparison finds the meaning of an operator such as NumericLessThanPath.
func comparison(operator string) (k kind, verdict func(int) bool, byPath bool, ok bool) {
	rest, byPath := strings.CutSuffix(operator, "Path")
	for _, k := range kinds {
		name, is := strings.CutPrefix(rest, k.name)
		verdict, known := verdicts[name]
		if is && known && (k.name != "Boolean" || name == "Equals") {
			return k, verdict, byPath, true
		}
	}
	return kind{}, nil, false, false
}

// tests are the operators that ask for a type; the value to compare with is true or false.
var tests = map[string]func(value any) bool{
	"IsNull":      func(value any) bool { return value == nil },
	"IsNumeric":   isType[json.Number],
	"IsString":    isType[string],
	"IsBoolean":   isType[bool],
	"IsTimestamp": isTimestamp,
}

// compareTo tests variable against another expression of kind k.
func compareTo(variable *path, k kind, verdict func(int) bool, other expression) condition {
	return func(sc *scope) (bool, error) {
		a, err := variable.eval(sc)
		if err != nil {
			return false, err
		}
		b, err := other.eval(sc)
		if err != nil {
			return false, err
		}
		return k.valid(a) && k.valid(b) && verdict(k.order(a, b)), nil
	}
}

func testType(variable *path, test func(any) bool, want bool) condition {
	return func(sc *scope) (bool, error) {
		value, err := variable.eval(sc)
		return err == nil && test(value) == want, err
	}
}

// isPresent is the one test that may ask for a path that selects nothing.
func isPresent(variable *path, want bool) condition {
	return func(sc *scope) (bool, error) { return (len(variable.find(sc)) > 0) == want, nil }
}

func matchesPattern(variable *path, pattern []string) condition {
	return func(sc *scope) (bool, error) {
		value, err := variable.eval(sc)
		s, ok := value.(string)
		return err == nil && ok && matchParts(s, pattern), err
	}
}

// parsePattern cuts a StringMatches pattern at its stars; \* and \\ are literal.
func parsePattern(pattern string) ([]string, error) {
	parts := []string{}
	var part strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			parts = append(parts, part.String())
			part.Reset()
		case '\\':
			i++
			if i == len(pattern) || pattern[i] != '*' && pattern[i] != '\\' {
				return nil, fmt.Errorf(`a backslash must be followed by * or \`)
			}
			part.WriteByte(pattern[i])
		default:
			part.WriteByte(c)
		}
	}
	return append(parts, part.String()), nil
}

// matchParts reports whether s is parts with anything between them.
func matchParts(s string, parts []string) bool {
	if len(parts) == 1 {
		return s == parts[0]
	}
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(s, part)
		if !found {
			return false
		}
		s = after
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

func all(conditions []condition) condition {
	return func(sc *scope) (bool, error) {
		for _, holds := range conditions {
			if ok, err := holds(sc); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	}
}

func some(conditions []condition) condition {
	return func(sc *scope) (bool, error) {
		for _, holds := range conditions {
			if ok, err := holds(sc); err != nil || ok {
				return ok, err
			}
		}
		return false, nil
	}
}

func not(holds condition) condition {
	return func(sc *scope) (bool, error) {
		ok, err := holds(sc)
		return err == nil && !ok, err
	}
}
