package asl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parsePath reads a whole path.
func parsePath(source string) (*path, error) {
	p := pathParser{rest: source}
	parsed, err := p.path()
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", source, err)
	}
	if p.rest != "" {
		return nil, fmt.Errorf("path %q: %q is not supported there", source, p.rest)
	}
	parsed.text = source
	return parsed, nil
}

type pathParser struct{ rest string }

func (p *pathParser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

// path stops at the first character that cannot go on, so that an intrinsic's argument may end there.
func (p *pathParser) path() (*path, error) {
	if !p.take("$") {
		return nil, fmt.Errorf(`must start with "$"`)
	}
	parsed := &path{context: p.take("$")}
	if r, _ := utf8.DecodeRuneInString(p.rest); nameRune(r) {
		return nil, fmt.Errorf("variables are not supported")
	}
	for p.rest != "" && (p.rest[0] == '.' || p.rest[0] == '[') {
		s, err := p.step()
		if err != nil {
			return nil, err
		}
		if s.deep && slices.ContainsFunc(parsed.steps, func(s step) bool { return s.deep }) {
			return nil, fmt.Errorf(`more than one ".." is not supported`) // its work grows beyond bounds
		}
		parsed.steps = append(parsed.steps, s)
	}
	if parsed.context {
		return parsed, checkContextPath(parsed)
	}
	return parsed, nil
}

func (p *pathParser) step() (step, error) {
	deep := p.take("..")
	if !deep {
		p.take(".")
	}
	switch {
	case strings.HasPrefix(p.rest, "["):
		s, err := p.brackets()
		s.deep = deep
		return s, err
	case p.take("*"):
		return step{kind: wildcard, deep: deep}, nil
	}
	name := p.name()
	if name == "" {
		return step{}, fmt.Errorf("a name is missing before %q", p.rest)
	}
	if strings.HasPrefix(p.rest, "(") {
		return step{}, fmt.Errorf("function %s() is not supported", name)
	}
	return step{kind: child, names: []string{name}, deep: deep}, nil
}

func (p *pathParser) name() string {
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !nameRune(r) })
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

// nameRune: other characters need the form ['…'], as Step Functions documents it.
func nameRune(r rune) bool {
	if r == utf8.RuneError {
		return false
	}
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || r > unicode.MaxASCII && !unicode.IsSpace(r)
}

func (p *pathParser) brackets() (step, error) {
	p.take("[")
	p.spaces()
	switch {
	case p.take("*"):
		return step{kind: wildcard}, p.close()
	case strings.HasPrefix(p.rest, "?"):
		return step{}, fmt.Errorf("filters are not supported")
	case strings.HasPrefix(p.rest, "("), strings.HasPrefix(p.rest, "@"):
		return step{}, fmt.Errorf("scripts are not supported")
	case strings.HasPrefix(p.rest, "'"), strings.HasPrefix(p.rest, `"`):
		return p.names()
	}
	return p.numbers()
}

func (p *pathParser) names() (step, error) {
	s := step{kind: child}
	for {
		name, err := p.quoted()
		if err != nil {
			return s, err
		}
		s.names = append(s.names, name)
		p.spaces()
		if !p.take(",") {
			return s, p.close()
		}
		p.spaces()
	}
}

func (p *pathParser) quoted() (string, error) {
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return "", fmt.Errorf("a quoted name is missing before %q", p.rest)
	}
	quote := p.rest[0]
	var name strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == quote:
			p.rest = p.rest[i+1:]
			return name.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			name.WriteByte(p.rest[i])
		default:
			name.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the name in quotes has no end")
}

func (p *pathParser) numbers() (step, error) {
	first, err := p.number()
	if err != nil {
		return step{}, err
	}
	if p.take(":") {
		p.spaces()
		last, err := p.number()
		if err != nil {
			return step{}, err
		}
		return step{kind: slice, from: first, to: last}, p.close()
	}
	s := step{kind: element}
	for {
		if first == nil {
			return s, fmt.Errorf("an index is missing before %q", p.rest)
		}
		s.indexes = append(s.indexes, *first)
		if !p.take(",") {
			return s, p.close()
		}
		p.spaces()
		if first, err = p.number(); err != nil {
			return s, err
		}
	}
}

// number reads an optional whole number and the spaces after it.
func (p *pathParser) number() (*int, error) {
	end := 0
	for end < len(p.rest) && (p.rest[end] >= '0' && p.rest[end] <= '9' || end == 0 && p.rest[0] == '-') {
		end++
	}
	digits := p.rest[:end]
	p.rest = p.rest[end:]
	p.spaces()
	if digits == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%q is not an index", digits)
	}
	i := int(n)
	return &i, nil
}

func (p *pathParser) spaces() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *pathParser) close() error {
	p.spaces()
	if !p.take("]") {
		return fmt.Errorf(`"]" is missing before %q`, p.rest)
	}
	return nil
}
