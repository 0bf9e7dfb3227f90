package asl

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// deepestCall is how far Step Functions lets intrinsic functions nest.
const deepestCall = 10

// call is an intrinsic function with its arguments.
type call struct {
	text     string
	function *function
	args     []expression
}

// quoted is a string literal; States.Format needs it as it was written.
type quoted struct{ raw string }

func (q quoted) eval(*scope) (any, error) { return unescape(q.raw), nil }

func (c *call) eval(sc *scope) (any, error) {
	args := make([]any, 0, len(c.args))
	for _, arg := range c.args {
		value, err := arg.eval(sc)
		if lost, ok := errors.AsType[*missing](err); ok {
			return nil, c.failure(lost)
		}
		if err != nil {
			return nil, err
		}
		args = append(args, value)
	}
	if c.function.verbatim {
		if template, ok := c.args[0].(quoted); ok {
			args[0] = template.raw
		}
	}
	value, err := c.function.apply(sc, args)
	if err != nil {
		return nil, c.failure(err)
	}
	return value, nil
}

func (c *call) failure(err error) *Failure {
	return failf(errIntrinsic, "The function '%s' had the following error: %s", c.text, err)
}

// parseIntrinsic reads a whole call, such as States.Format('run-{}', $.run).
func parseIntrinsic(source string) (expression, error) {
	p := intrinsicParser{pathParser: pathParser{rest: source}}
	parsed, err := p.call(1)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", source, err)
	}
	if p.spaces(); p.rest != "" {
		return nil, fmt.Errorf("%q: %q after the end", source, p.rest)
	}
	return parsed, nil
}

type intrinsicParser struct{ pathParser }

func (p *intrinsicParser) call(depth int) (expression, error) {
	if depth > deepestCall {
		return nil, fmt.Errorf("more than %d functions within each other", deepestCall)
	}
	source := p.rest
	end := strings.IndexByte(p.rest, '(')
	if end < 0 || !strings.HasPrefix(p.rest, "States.") {
		return nil, fmt.Errorf("neither a path nor an intrinsic function")
	}
	name := p.rest[:end]
	known, ok := functions[name]
	if !ok {
		return nil, fmt.Errorf("intrinsic function %s is not supported", name)
	}
	p.rest = p.rest[end+1:]
	args, err := p.arguments(depth)
	if err != nil {
		return nil, err
	}
	if len(args) < known.least || known.most >= 0 && len(args) > known.most {
		return nil, fmt.Errorf("%s has %d arguments, which is not what it takes", name, len(args))
	}
	return &call{text: source[:len(source)-len(p.rest)], function: known, args: args}, nil
}

func (p *intrinsicParser) arguments(depth int) ([]expression, error) {
	var args []expression
	if p.spaces(); p.take(")") {
		return nil, nil
	}
	for {
		p.spaces()
		arg, err := p.argument(depth)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		p.spaces()
		if p.take(")") {
			return args, nil
		}
		if !p.take(",") {
			return nil, fmt.Errorf(`"," or ")" is missing before %q`, p.rest)
		}
	}
}

func (p *intrinsicParser) argument(depth int) (expression, error) {
	switch {
	case strings.HasPrefix(p.rest, "'"):
		return p.literal()
	case strings.HasPrefix(p.rest, "$"):
		start := p.rest
		parsed, err := p.path()
		if err == nil {
			parsed.text = start[:len(start)-len(p.rest)]
		}
		return parsed, err
	case strings.HasPrefix(p.rest, "States."):
		return p.call(depth + 1)
	}
	return p.word()
}

// literal reads a string in single quotes; ' { } and \ may be escaped, nothing else.
func (p *intrinsicParser) literal() (expression, error) {
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\'':
			raw := p.rest[1:i]
			p.rest = p.rest[i+1:]
			return quoted{raw}, nil
		case '\\':
			i++
			if i == len(p.rest) || !strings.ContainsRune(`'{}\`, rune(p.rest[i])) {
				return nil, fmt.Errorf(`a backslash must be followed by ' { } or \`)
			}
		}
	}
	return nil, fmt.Errorf("the string has no end")
}

// word reads a number, true, false or null.
func (p *intrinsicParser) word() (expression, error) {
	end := strings.IndexAny(p.rest, ",) ")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	switch word {
	case "null":
		return constant{nil}, nil
	case "true", "false":
		return constant{word == "true"}, nil
	}
	if !isNumber(word) {
		return nil, fmt.Errorf("%q is not an argument", word)
	}
	return constant{json.Number(word)}, nil
}

// isNumber reports whether s is a number as JSON writes it.
func isNumber(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	last := s[len(s)-1]
	return last >= '0' && last <= '9' && json.Valid([]byte(s))
}

func unescape(raw string) string {
	var out strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			i++
		}
		out.WriteByte(raw[i])
	}
	return out.String()
}
