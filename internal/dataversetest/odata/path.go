package odata

import (
	"net/url"
	"strings"
)

// Segment is one part of a resource path: a set with its key, a navigation property, a property, a function
// with its parameters, an action, a cast, $ref, $count, $value, $batch, $metadata, or $1 (a Content-ID).
type Segment struct {
	Name   string
	Keyed  bool // parentheses follow, even empty ones
	Args   []Argument
	Source string // as written, unescaped
}

// Argument is a part of a key or a parameter of a function. The single value of contacts(GUID) has no name.
type Argument struct {
	Name  string
	Value Expr // Literal, List or Alias
}

// reserved cannot stand in a key, not even percent-encoded: the front end decodes first and refuses.
const reserved = `/<>*%&:\?+`

// ParsePath parses a resource path relative to the service root, percent-encoded as received.
func ParsePath(path string) ([]Segment, error) { return parsePath(path, reserved) }

// ParseReference parses a path that stands in a body, where no front end sees it: keys may hold any character.
func ParseReference(path string) ([]Segment, error) { return parsePath(path, "") }

func parsePath(path, refused string) ([]Segment, error) {
	text, err := url.PathUnescape(path)
	if err != nil {
		return nil, errKeySyntax
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "/"), "/")
	if text == "" {
		return nil, nil
	}
	var out []Segment
	for _, part := range Split(text, '/') {
		s, err := parseSegment(part, refused)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func parseSegment(text, refused string) (Segment, error) {
	s := Segment{Name: text, Source: text}
	open := strings.IndexByte(text, '(')
	if open < 0 {
		if text == "" || strings.ContainsAny(text, `<>*%&:\?+')`) {
			return s, errKeySyntax
		}
		return s, nil
	}
	if open == 0 || !strings.HasSuffix(text, ")") {
		return s, errKeySyntax
	}
	s.Name, s.Keyed = text[:open], true
	if strings.ContainsAny(s.Name, `<>*%&:\?+')`) {
		return s, errKeySyntax
	}
	for _, part := range Split(text[open+1:len(text)-1], ',') {
		arg, err := parseArgument(part, refused)
		if err != nil {
			return s, err
		}
		s.Args = append(s.Args, arg)
	}
	return s, nil
}

func parseArgument(text, refused string) (Argument, error) {
	var arg Argument
	value := strings.TrimSpace(text)
	if name, rest, ok := strings.Cut(value, "="); ok && !strings.ContainsAny(name, "'[{ ") {
		arg.Name, value = name, rest
		if name == "" {
			return arg, errKeySyntax
		}
	}
	e, err := ParseExpr(value, nil)
	if err != nil {
		return arg, errKeySyntax
	}
	arg.Value = e
	return arg, checkArgument(e, refused)
}

// checkArgument lets constants pass, and refuses strings with reserved characters.
func checkArgument(e Expr, refused string) error {
	switch e := e.(type) {
	case Literal:
		if e.Kind == String && strings.ContainsAny(e.Value.(string), refused) {
			return errKeySyntax
		}
		return nil
	case List:
		for _, item := range e.Items {
			if err := checkArgument(item, refused); err != nil {
				return err
			}
		}
		return nil
	case Alias:
		return nil
	}
	return errKeySyntax
}

// Arg finds a parameter by name and puts in the value of its alias; nil when it is not there.
func (s Segment) Arg(name string, aliases map[string]string) (Expr, error) {
	for _, a := range s.Args {
		if a.Name != name {
			continue
		}
		if alias, ok := a.Value.(Alias); ok {
			text, ok := aliases[alias.Name]
			if !ok {
				return nil, refuse("The parameter alias '%s' has no value.", alias.Name)
			}
			return ParseExpr(text, aliases)
		}
		return a.Value, nil
	}
	return nil, nil
}

// GUID is the single unnamed value of a key, in lower case; false when the key is another.
func (s Segment) GUID() (string, bool) {
	if len(s.Args) != 1 || s.Args[0].Name != "" {
		return "", false
	}
	lit, ok := s.Args[0].Value.(Literal)
	if !ok || lit.Kind != GUID {
		return "", false
	}
	return lit.Value.(string), true
}
