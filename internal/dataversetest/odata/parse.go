package odata

import "strings"

// maxDepth bounds nesting so that a hostile URL cannot exhaust the stack.
const maxDepth = 100

type parser struct {
	lex     lexer
	tok     token
	aliases map[string]string
	depth   int
}

// ParseExpr parses an expression such as a $filter; aliases that it names are put in.
func ParseExpr(text string, aliases map[string]string) (Expr, error) {
	return parseExpr(text, aliases, 0)
}

func parseExpr(text string, aliases map[string]string, depth int) (Expr, error) {
	p := &parser{lex: lexer{src: text}, aliases: aliases, depth: depth}
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.unexpected()
	}
	return e, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) unexpected() error {
	if p.tok.kind == tokenEnd {
		return refuse("Expression expected at position %d in '%s'.", p.tok.at, p.lex.src)
	}
	return refuse("Syntax error at position %d in '%s'.", p.tok.at, p.lex.src)
}

func (p *parser) punct(text string) bool { return p.tok.kind == tokenPunct && p.tok.text == text }

func (p *parser) expect(text string) error {
	if !p.punct(text) {
		return p.unexpected()
	}
	return p.advance()
}

// levels are the operators by rising precedence.
var levels = [][]string{{"or"}, {"and"}, {"eq", "ne"}, {"gt", "ge", "lt", "le", "has", "in"}, {"add", "sub"}, {"mul", "div", "mod"}}

func (p *parser) operator(level int) string {
	if p.tok.kind != tokenWord {
		return ""
	}
	for _, op := range levels[level] {
		if p.tok.text == op {
			return op
		}
	}
	return ""
}

func (p *parser) enter() error {
	p.depth++
	if p.depth > maxDepth {
		return refuse("The recursion limit has been reached while parsing '%s'.", prefix(p.lex.src, 100))
	}
	return nil
}

func (p *parser) binary(level int) (Expr, error) {
	if level == len(levels) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil {
		op := p.operator(level)
		if op == "" {
			return left, nil
		}
		if err = p.advance(); err != nil {
			break
		}
		var right Expr
		if op == "in" {
			right, err = p.list()
		} else {
			right, err = p.binary(level + 1)
		}
		left = Binary{Op: op, Left: left, Right: right}
	}
	return nil, err
}

func (p *parser) unary() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	switch {
	case p.tok.kind == tokenWord && p.tok.text == "not":
		if err := p.advance(); err != nil {
			return nil, err
		}
		of, err := p.unary()
		return Not{Of: of}, err
	case p.punct("-"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		of, err := p.unary()
		return Negate{Of: of}, err
	}
	return p.primary()
}

func (p *parser) primary() (Expr, error) {
	t := p.tok
	switch {
	case t.kind == tokenLiteral:
		return t.lit, p.advance()
	case t.kind == tokenObject:
		return Literal{Kind: JSON, Text: t.text, Value: t.text}, p.advance()
	case t.kind == tokenAlias:
		if err := p.advance(); err != nil {
			return nil, err
		}
		return p.resolve(t.text)
	case p.punct("["):
		return p.array()
	case p.punct("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case t.kind == tokenWord:
		return p.pathOrCall()
	}
	return nil, p.unexpected()
}

func (p *parser) resolve(name string) (Expr, error) {
	text, ok := p.aliases[name]
	if !ok {
		return Alias{Name: name}, nil
	}
	if err := p.enter(); err != nil { // an alias may name another, or itself
		return nil, err
	}
	defer func() { p.depth-- }()
	return parseExpr(text, p.aliases, p.depth)
}

func (p *parser) pathOrCall() (Expr, error) {
	var path Path
	for {
		if p.tok.kind != tokenWord {
			return nil, p.unexpected()
		}
		name := p.tok.text
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.punct("(") {
			return p.call(path, name)
		}
		path.Segments = append(path.Segments, name)
		if !p.punct("/") {
			return path, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) call(over Path, name string) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if len(over.Segments) > 0 {
		if name != "any" && name != "all" {
			return nil, refuse("An unknown function with name '%s' was found. This may also be a function import or a key lookup on a navigation property, which is not allowed.", name)
		}
		return p.lambda(over, name == "all")
	}
	c := Call{Name: name}
	for !p.punct(")") {
		arg, err := p.argument()
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, arg)
		if p.punct(",") {
			if err := p.advance(); err != nil {
				return nil, err
			}
			if p.punct(")") {
				return nil, p.unexpected()
			}
		} else if !p.punct(")") {
			return nil, p.unexpected()
		}
	}
	return c, p.advance()
}

func (p *parser) argument() (Expr, error) {
	e, err := p.binary(0)
	if err != nil || !p.punct("=") {
		return e, err
	}
	name, ok := e.(Path)
	if !ok || len(name.Segments) != 1 {
		return nil, p.unexpected()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	value, err := p.binary(0)
	return Named{Name: name.Segments[0], Value: value}, err
}

func (p *parser) lambda(over Path, all bool) (Expr, error) {
	l := Lambda{Over: over, All: all}
	if p.punct(")") && !all {
		return l, p.advance()
	}
	if p.tok.kind != tokenWord {
		return nil, p.unexpected()
	}
	l.Var = p.tok.text
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	body, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	l.Body = body
	return l, p.expect(")")
}

// list reads the operand of in: ('a','b') or ['a','b'] or an alias of one.
func (p *parser) list() (Expr, error) {
	if p.punct("[") || p.tok.kind == tokenAlias {
		return p.primary()
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	return p.items(")")
}

func (p *parser) array() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.items("]")
}

func (p *parser) items(end string) (Expr, error) {
	list := List{}
	for !p.punct(end) {
		item, err := p.primary()
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, item)
		if p.punct(",") {
			if err := p.advance(); err != nil {
				return nil, err
			}
			if p.punct(end) {
				return nil, p.unexpected()
			}
		} else if !p.punct(end) {
			return nil, p.unexpected()
		}
	}
	return list, p.advance()
}

// IsCast says whether a name is qualified, as types, bound functions and bound actions are.
func IsCast(name string) bool { return strings.HasPrefix(name, Namespace) }

// Namespace stands before the names of types, actions and functions.
const Namespace = "Microsoft.Dynamics.CRM."

// Unqualified is a name without the namespace.
func Unqualified(name string) string { return strings.TrimPrefix(name, Namespace) }
