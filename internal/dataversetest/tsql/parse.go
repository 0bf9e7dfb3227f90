package tsql

import (
	"slices"
	"strconv"
	"strings"
)

// maxDepth bounds nesting so that a hostile statement cannot exhaust the stack.
const maxDepth = 100

type parser struct {
	lex   lexer
	tok   token
	depth int
}

// Parse reads one SELECT statement.
func Parse(sql string) (*Select, error) {
	p := &parser{lex: lexer{src: sql}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.tok.is("SELECT") {
		return nil, p.unsupported("Only SELECT statements are supported")
	}
	s, err := p.statement()
	if err != nil {
		return nil, err
	}
	if p.tok.punct(";") {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if p.tok.kind != end {
		return nil, p.unexpected()
	}
	return s, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

// refused are words of SQL that the service knows and does not take.
var refused = []string{"UNION", "HAVING", "EXISTS", "WITH", "INTERSECT", "EXCEPT", "CROSS", "RIGHT", "FULL", "APPLY", "CASE", "OVER", "PIVOT", "INTO", "SELECT"}

func (p *parser) unexpected() error {
	if slices.ContainsFunc(refused, p.tok.is) {
		return p.unsupported(strings.ToUpper(p.tok.text) + " is not supported")
	}
	if p.tok.kind == end {
		return &Error{Offset: p.tok.at, Message: "Incorrect syntax near the end of the statement."}
	}
	return &Error{Offset: p.tok.at, Message: "Incorrect syntax near '" + p.tok.text + "'."}
}

func (p *parser) unsupported(message string) error {
	return &Error{Offset: p.tok.at, Message: message + " by the SQL endpoint.", Unsupported: true}
}

// accept takes a keyword when it is there.
func (p *parser) accept(keyword string) (bool, error) {
	if !p.tok.is(keyword) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(keyword string) error {
	if !p.tok.is(keyword) {
		return p.unexpected()
	}
	return p.advance()
}

func (p *parser) mark(mark string) error {
	if !p.tok.punct(mark) {
		return p.unexpected()
	}
	return p.advance()
}

func (p *parser) statement() (*Select, error) {
	s := &Select{}
	steps := []func(*Select) error{p.head, p.items, p.from, p.where, p.groupBy, p.orderBy, p.window}
	for _, step := range steps {
		if err := step(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (p *parser) head(s *Select) (err error) {
	if err = p.advance(); err != nil {
		return err
	}
	if s.Distinct, err = p.accept("DISTINCT"); err != nil {
		return err
	}
	top, err := p.accept("TOP")
	if !top || err != nil {
		return err
	}
	bracket := p.tok.punct("(")
	if bracket {
		if err = p.advance(); err != nil {
			return err
		}
	}
	if s.Top, err = p.count(); err != nil {
		return err
	}
	if bracket {
		err = p.mark(")")
	}
	if p.tok.is("PERCENT") {
		return p.unsupported("TOP … PERCENT is not supported")
	}
	return err
}

// count reads an integer literal.
func (p *parser) count() (int, error) {
	n, err := strconv.ParseInt(p.tok.text, 10, 31)
	if p.tok.kind != number || err != nil || n < 0 {
		return 0, p.unexpected()
	}
	return int(n), p.advance()
}

func (p *parser) items(s *Select) error {
	for {
		if p.tok.punct("*") {
			return p.unsupported("SELECT * is not supported")
		}
		item, err := p.item()
		if err != nil {
			return err
		}
		s.Items = append(s.Items, item)
		if !p.tok.punct(",") {
			return nil
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

var functions = []string{"COUNT", "SUM", "AVG", "MIN", "MAX"}

func (p *parser) item() (item Item, err error) {
	if p.tok.kind == text || p.tok.kind == number {
		return item, p.unsupported("Constants and expressions in the select list are not supported")
	}
	first := p.tok
	if item.Column, err = p.column(); err != nil {
		return item, err
	}
	if p.tok.punct("(") {
		item.Function = strings.ToUpper(first.text)
		if item.Column.Table != "" || !slices.Contains(functions, item.Function) {
			return item, p.unsupported("The function " + item.Function + " is not supported")
		}
		if err = p.argument(&item); err != nil {
			return item, err
		}
	}
	as, err := p.accept("AS")
	if err != nil {
		return item, err
	}
	if as || p.tok.kind == quoted || p.tok.kind == word && !p.keyword() {
		item.Alias, err = p.name()
	}
	return item, err
}

// argument reads what stands in the parentheses of an aggregate.
func (p *parser) argument(item *Item) (err error) {
	if err = p.advance(); err != nil {
		return err
	}
	if item.Distinct, err = p.accept("DISTINCT"); err != nil {
		return err
	}
	if p.tok.punct("*") && item.Function == "COUNT" && !item.Distinct {
		item.Column = Column{}
		err = p.advance()
	} else {
		item.Column, err = p.column()
	}
	if err != nil {
		return err
	}
	return p.mark(")")
}

var keywords = []string{"FROM", "WHERE", "GROUP", "ORDER", "INNER", "LEFT", "JOIN", "ON", "AND", "OR", "NOT", "OFFSET", "FETCH", "ASC", "DESC", "AS",
	"IN", "LIKE", "IS", "BETWEEN", "NULL", "BY", "OUTER"}

func (p *parser) keyword() bool {
	return slices.ContainsFunc(keywords, p.tok.is) || slices.ContainsFunc(refused, p.tok.is)
}

func (p *parser) name() (string, error) {
	if p.tok.kind != quoted && (p.tok.kind != word || p.keyword()) || p.tok.text == "" {
		return "", p.unexpected()
	}
	name := p.tok.text
	return name, p.advance()
}

// column reads name or alias.name. Names of columns are in lower case, however they are written.
func (p *parser) column() (c Column, err error) {
	if c.Name, err = p.name(); err != nil || !p.tok.punct(".") {
		c.Name = strings.ToLower(c.Name)
		return c, err
	}
	c.Table = strings.ToLower(c.Name)
	if err = p.advance(); err != nil {
		return c, err
	}
	if p.tok.punct("*") {
		return c, p.unsupported("SELECT * is not supported")
	}
	c.Name, err = p.name()
	c.Name = strings.ToLower(c.Name)
	return c, err
}

func (p *parser) from(s *Select) (err error) {
	if err = p.expect("FROM"); err != nil {
		return err
	}
	if s.From, err = p.table(); err != nil {
		return err
	}
	if p.tok.punct(",") {
		return p.unsupported("A list of tables after FROM is not supported")
	}
	for {
		joined, err := p.join(s)
		if err != nil || !joined {
			return err
		}
	}
}

func (p *parser) table() (t Table, err error) {
	if p.tok.punct("(") {
		return t, p.unsupported("A subquery is not supported")
	}
	if t.Name, err = p.name(); err != nil {
		return t, err
	}
	t.Name = strings.ToLower(t.Name)
	t.Alias = t.Name
	as, err := p.accept("AS")
	if err == nil && (as || p.tok.kind == quoted || p.tok.kind == word && !p.keyword()) {
		t.Alias, err = p.name()
		t.Alias = strings.ToLower(t.Alias)
	}
	return t, err
}

func (p *parser) join(s *Select) (found bool, err error) {
	j := Join{}
	inner, err := p.accept("INNER")
	if err != nil {
		return false, err
	}
	if j.Left, err = p.accept("LEFT"); err != nil {
		return false, err
	}
	if j.Left {
		if _, err = p.accept("OUTER"); err != nil {
			return false, err
		}
	}
	if !p.tok.is("JOIN") {
		if inner || j.Left {
			return false, p.unexpected()
		}
		return false, nil
	}
	if err = p.advance(); err != nil {
		return false, err
	}
	if j.Table, err = p.table(); err != nil {
		return false, err
	}
	if err = p.expect("ON"); err != nil {
		return false, err
	}
	for {
		pair, err := p.pair()
		if err != nil {
			return false, err
		}
		j.On = append(j.On, pair)
		if more, err := p.accept("AND"); !more || err != nil {
			s.Joins = append(s.Joins, j)
			return true, err
		}
	}
}

// pair reads a.x = b.y.
func (p *parser) pair() (pair [2]Column, err error) {
	if pair[0], err = p.column(); err != nil {
		return pair, err
	}
	if err = p.mark("="); err != nil {
		return pair, err
	}
	pair[1], err = p.column()
	return pair, err
}

func (p *parser) where(s *Select) error {
	found, err := p.accept("WHERE")
	if found && err == nil {
		s.Where, err = p.or()
	}
	return err
}

func (p *parser) groupBy(s *Select) error {
	found, err := p.accept("GROUP")
	if !found || err != nil {
		return err
	}
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		c, err := p.column()
		if err != nil {
			return err
		}
		s.GroupBy = append(s.GroupBy, c)
		if !p.tok.punct(",") {
			return nil
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

func (p *parser) orderBy(s *Select) error {
	found, err := p.accept("ORDER")
	if !found || err != nil {
		return err
	}
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		c, err := p.column()
		if err != nil {
			return err
		}
		o := Order{Column: c}
		if o.Desc, err = p.accept("DESC"); err == nil && !o.Desc {
			_, err = p.accept("ASC")
		}
		if err != nil {
			return err
		}
		s.OrderBy = append(s.OrderBy, o)
		if !p.tok.punct(",") {
			return nil
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

// window reads OFFSET n ROWS FETCH NEXT m ROWS ONLY.
func (p *parser) window(s *Select) error {
	found, err := p.accept("OFFSET")
	if !found || err != nil {
		return err
	}
	if len(s.OrderBy) == 0 || s.Top > 0 {
		return p.unexpected()
	}
	if s.Offset, err = p.count(); err != nil {
		return err
	}
	if err := p.either("ROWS", "ROW"); err != nil {
		return err
	}
	found, err = p.accept("FETCH")
	if !found || err != nil {
		return err
	}
	if err := p.either("NEXT", "FIRST"); err != nil {
		return err
	}
	if s.Fetch, err = p.count(); err != nil {
		return err
	}
	if err := p.either("ROWS", "ROW"); err != nil {
		return err
	}
	return p.expect("ONLY")
}

func (p *parser) either(a, b string) error {
	if p.tok.is(b) {
		return p.advance()
	}
	return p.expect(a)
}
