package tsql

// or, and, not: conditions by rising precedence.
func (p *parser) or() (Condition, error) {
	left, err := p.and()
	for err == nil {
		var more bool
		if more, err = p.accept("OR"); !more || err != nil {
			return left, err
		}
		var right Condition
		right, err = p.and()
		left = Or{left, right}
	}
	return nil, err
}

func (p *parser) and() (Condition, error) {
	left, err := p.not()
	for err == nil {
		var more bool
		if more, err = p.accept("AND"); !more || err != nil {
			return left, err
		}
		var right Condition
		right, err = p.not()
		left = And{left, right}
	}
	return nil, err
}

func (p *parser) not() (Condition, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, &Error{Offset: p.tok.at, Message: "The statement is nested too deeply."}
	}
	defer func() { p.depth-- }()
	negated, err := p.accept("NOT")
	if err != nil {
		return nil, err
	}
	if negated {
		of, err := p.not()
		return Not{of}, err
	}
	if !p.tok.punct("(") {
		return p.leaf()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	inner, err := p.or()
	if err != nil {
		return nil, err
	}
	return inner, p.mark(")")
}

// leaf reads a comparison of a column with constants, the column on either side.
func (p *parser) leaf() (Condition, error) {
	if p.tok.kind == text || p.tok.kind == number {
		return p.mirrored()
	}
	c, err := p.column()
	if err != nil {
		return nil, err
	}
	if p.tok.punct("(") {
		return nil, p.unsupported("A function in WHERE is not supported")
	}
	for _, op := range []string{"=", "<>", "!=", "<", "<=", ">", ">="} {
		if p.tok.punct(op) {
			return p.compare(c, op)
		}
	}
	if is, err := p.accept("IS"); is || err != nil {
		if err != nil {
			return nil, err
		}
		return p.null(c)
	}
	negated, err := p.accept("NOT")
	if err != nil {
		return nil, err
	}
	condition, err := p.test(c)
	if negated && err == nil {
		return Not{condition}, nil
	}
	return condition, err
}

func (p *parser) compare(c Column, op string) (Condition, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	v, err := p.value()
	if op == "!=" {
		op = "<>"
	}
	return Compare{c, op, v}, err
}

var mirrors = map[string]string{"=": "=", "<>": "<>", "!=": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func (p *parser) mirrored() (Condition, error) {
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	op, ok := mirrors[p.tok.text]
	if p.tok.kind != punct || !ok {
		return nil, p.unexpected()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	c, err := p.column()
	return Compare{c, op, v}, err
}

func (p *parser) null(c Column) (Condition, error) {
	not, err := p.accept("NOT")
	if err != nil {
		return nil, err
	}
	if err := p.expect("NULL"); err != nil {
		return nil, err
	}
	if not {
		return Not{IsNull{c}}, nil
	}
	return IsNull{c}, nil
}

// test reads LIKE, IN and BETWEEN.
func (p *parser) test(c Column) (Condition, error) {
	switch {
	case p.tok.is("LIKE"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		v, err := p.value()
		if err == nil && v.Number {
			err = p.unexpected()
		}
		return Like{c, v.Text}, err
	case p.tok.is("BETWEEN"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		low, err := p.value()
		if err == nil {
			err = p.expect("AND")
		}
		if err != nil {
			return nil, err
		}
		high, err := p.value()
		return Between{c, low, high}, err
	case p.tok.is("IN"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		return p.in(c)
	}
	return nil, p.unexpected()
}

func (p *parser) in(c Column) (Condition, error) {
	if err := p.mark("("); err != nil {
		return nil, err
	}
	in := In{Column: c}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		in.Values = append(in.Values, v)
		if p.tok.punct(")") {
			return in, p.advance()
		}
		if err := p.mark(","); err != nil {
			return nil, err
		}
	}
}

// value reads a constant.
func (p *parser) value() (Value, error) {
	switch p.tok.kind {
	case text, number:
		v := Value{p.tok.text, p.tok.kind == number}
		return v, p.advance()
	case word, quoted:
		if !p.keyword() {
			return Value{}, p.unsupported("A comparison of two columns is not supported")
		}
	}
	return Value{}, p.unexpected()
}
