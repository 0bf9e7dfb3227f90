package dataversetest

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// selection is a query on its way to SQL.
type selection struct {
	w      *work
	t      *table
	alias  string
	joins  *strings.Builder
	joined map[string]string // navigation path to alias
	count  *int              // of aliases
	args   []driver.Value
	vars   map[string]*selection // range variables of lambdas

	aliases map[string]*selection // tables that FetchXML has joined, by their alias
}

func (w *work) newSelection(t *table) *selection {
	n := 0
	return &selection{w: w, t: t, alias: "t0", joins: &strings.Builder{}, joined: map[string]string{}, count: &n, vars: map[string]*selection{}}
}

func (s *selection) nextAlias() string {
	*s.count++
	return "t" + itoa(*s.count)
}

func (s *selection) arg(v driver.Value) string {
	s.args = append(s.args, v)
	return "?"
}

func (s *selection) col(c *column) string { return s.alias + "." + c.quoted }

// place is a column in the query, or with navigation set a lookup as such.
type place struct {
	s *selection
	c *column
}

func (p place) sql() string { return p.s.col(p.c) }

// condition compiles an expression that is true or false.
func (s *selection) condition(e odata.Expr) (string, error) {
	switch e := e.(type) {
	case odata.Binary:
		return s.binary(e)
	case odata.Not:
		inner, err := s.condition(e.Of)
		return "NOT (" + inner + ")", err
	case odata.Call:
		return s.call(e)
	case odata.Lambda:
		return s.lambda(e)
	case odata.Path:
		p, err := s.path(e)
		if err == nil && p.c.Type != schema.TypeBoolean {
			err = failf(400, odata.CodeSyntax, "The $filter expression must evaluate to a single boolean value.")
		}
		if err != nil {
			return "", err
		}
		return p.sql() + " = 1", nil
	case odata.Literal:
		if b, ok := e.Value.(bool); ok && e.Kind == odata.Boolean {
			if b {
				return "1", nil
			}
			return "0", nil
		}
	case odata.Alias:
		return "", failf(400, odata.CodeSyntax, "The parameter alias '%s' has no value.", e.Name)
	}
	return "", failf(400, odata.CodeSyntax, "The $filter expression must evaluate to a single boolean value.")
}

var operators = map[string]string{"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}

func (s *selection) binary(e odata.Binary) (string, error) {
	if e.Op == "and" || e.Op == "or" {
		left, err := s.condition(e.Left)
		if err != nil {
			return "", err
		}
		right, err := s.condition(e.Right)
		return "(" + left + " " + strings.ToUpper(e.Op) + " " + right + ")", err
	}
	op, ok := operators[e.Op]
	if !ok {
		return "", errNode(e.Op)
	}
	left, isPath := e.Left.(odata.Path)
	if !isPath {
		return "", errNode(nodeOf(e.Left))
	}
	p, err := s.path(left)
	if err != nil {
		return "", err
	}
	switch right := e.Right.(type) {
	case odata.Literal:
		return s.compare(p, e.Op, op, right)
	case odata.Path:
		other, err := s.path(right)
		if err != nil {
			return "", err
		}
		if other.c.sqlType() != p.c.sqlType() {
			return "", errOperands(p.c, edmOf(other.c), e.Op)
		}
		return p.c.comparable(p.sql()) + " " + op + " " + other.c.comparable(other.sql()), nil
	case odata.Alias:
		return "", failf(400, odata.CodeSyntax, "The parameter alias '%s' has no value.", right.Name)
	}
	return "", errNode(nodeOf(e.Right))
}

// queryNodes are the OData library's names of what the service does not translate.
var queryNodes = map[string]string{"in": "In", "has": "BinaryOperator", "add": "BinaryOperator", "sub": "BinaryOperator", "mul": "BinaryOperator",
	"div": "BinaryOperator", "mod": "BinaryOperator"}

// errNode refuses what is OData, but not of the part that the service documents: the comparison and logical operators,
// contains, startswith, endswith, its own functions, any and all.
func errNode(name string) error {
	if node := queryNodes[name]; node != "" {
		name = node
	}
	return failf(400, odata.CodeSyntax, "The query node %s is not supported.", name)
}

func nodeOf(e odata.Expr) string {
	switch e.(type) {
	case odata.Call:
		return "SingleValueFunctionCall"
	case odata.Negate:
		return "UnaryOperator"
	case odata.List:
		return "CollectionConstant"
	case odata.Literal:
		return "Constant"
	}
	return "BinaryOperator"
}

// comparable makes SQL compare as the service's collation and its decimals do.
func (c *column) comparable(sql string) string {
	switch c.Type {
	case schema.TypeString, schema.TypeMemo, schema.TypeEntityName:
		return "fold(" + sql + ")"
	case schema.TypeDecimal, schema.TypeMoney:
		return sql + " COLLATE decimal"
	}
	return sql
}

func (s *selection) compare(p place, name, op string, lit odata.Literal) (string, error) {
	if lit.Kind == odata.Null {
		switch name {
		case "eq":
			return p.sql() + " IS NULL", nil
		case "ne":
			return p.sql() + " IS NOT NULL", nil
		}
		return "0", nil
	}
	v, err := p.c.operand(lit, name)
	if err != nil {
		return "", err
	}
	if name == "eq" {
		if sql := s.byKey(p, v); sql != "" {
			return sql, nil
		}
		if err := s.indexed(p); err != nil {
			return "", err
		}
	}
	sql := p.c.comparable(p.sql()) + " " + op + " " + s.arg(v)
	if name == "ne" { // what is null is not equal to anything
		return "(" + sql + " OR " + p.sql() + " IS NULL)", nil
	}
	return sql, nil
}

// byKey finds by the index of an alternate key over this column alone.
func (s *selection) byKey(p place, v driver.Value) string {
	for _, k := range p.c.keys {
		if len(k.columns) == 1 {
			return p.s.alias + "." + k.quoted + " = " + s.arg(k.value([]driver.Value{v}))
		}
	}
	return ""
}

// indexed makes sure that finding by a lookup is fast.
func (s *selection) indexed(p place) error {
	if !p.c.IsLookup() {
		return nil
	}
	return s.w.indexLookup(p.s.t, p.c)
}

// operand is the value that the database compares a column with.
func (c *column) operand(lit odata.Literal, op string) (driver.Value, error) {
	numeric := lit.Kind == odata.Integer || lit.Kind == odata.Decimal
	switch c.Type {
	case schema.TypeString, schema.TypeMemo, schema.TypeEntityName:
		if lit.Kind == odata.String {
			return storage.Fold(lit.String()), nil
		}
	case schema.TypeInteger, schema.TypePicklist, schema.TypeState, schema.TypeStatus, schema.TypeBigInt, schema.TypeDouble:
		if numeric {
			return lit.Value, nil
		}
	case schema.TypeDateTime:
		if at, ok := lit.Time(); ok && (lit.Kind == odata.Date || lit.Kind == odata.Instant) {
			if c.dateOnly() {
				return at.Format("2006-01-02"), nil
			}
			return at.Format(timestamp), nil
		}
	default:
		if v, ok := c.fromLiteral(lit); ok {
			return v, nil
		}
	}
	return nil, errOperands(c, lit.Kind.EDM(), op)
}

var operatorKinds = map[string]string{"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual",
	"lt": "LessThan", "le": "LessThanOrEqual"}

func errOperands(c *column, found, op string) error {
	return failf(400, odata.CodeSyntax, "A binary operator with incompatible types was detected. Found operand types '%s' and '%s' for operator kind '%s'.",
		edmOf(c), found, operatorKinds[op])
}

func edmOf(c *column) string {
	switch c.Type {
	case schema.TypeString, schema.TypeMemo, schema.TypeEntityName, schema.TypeMultiSelect:
		return "Edm.String"
	case schema.TypeInteger, schema.TypePicklist, schema.TypeState, schema.TypeStatus:
		return "Edm.Int32"
	case schema.TypeBigInt:
		return "Edm.Int64"
	case schema.TypeDecimal, schema.TypeMoney:
		return "Edm.Decimal"
	case schema.TypeDouble:
		return "Edm.Double"
	case schema.TypeBoolean:
		return "Edm.Boolean"
	case schema.TypeDateTime:
		if c.dateOnly() {
			return "Edm.Date"
		}
		return "Edm.DateTimeOffset"
	case schema.TypeImage:
		return "Edm.Binary"
	}
	return "Edm.Guid"
}

// path finds the column that a path leads to, joining tables on the way.
func (s *selection) path(p odata.Path) (place, error) {
	at, segments := s, p.Segments
	if v, ok := s.vars[segments[0]]; ok {
		at, segments = v, segments[1:]
	}
	for i, name := range segments {
		f, ok := at.t.fields[name]
		last := i == len(segments)-1
		switch {
		case !ok:
			return place{}, errProperty(name, at.t.LogicalName)
		case last && f.column != nil:
			return place{at, f.column}, nil
		case f.lookup == nil || last:
			return place{}, unsupported("the path '%s' in $filter.", strings.Join(p.Segments, "/"))
		}
		next, err := at.join(f, name)
		if err != nil {
			return place{}, err
		}
		at = next
	}
	return place{}, failf(400, odata.CodeSyntax, "A property was expected in '%s'.", strings.Join(p.Segments, "/"))
}

// join reaches the table behind a lookup.
func (s *selection) join(f field, name string) (*selection, error) {
	target := s.w.s.table(f.lookup.Referenced)
	if target == nil || target.id == nil {
		return nil, errProperty(name, s.t.LogicalName)
	}
	if s.t.elastic() {
		return nil, errElasticJoin()
	}
	if err := s.w.r.user.may("Read", target); err != nil {
		return nil, err
	}
	if err := s.w.ready(target); err != nil {
		return nil, err
	}
	next := *s
	next.t = target
	path := s.alias + "/" + name
	if alias, ok := s.joined[path]; ok {
		next.alias = alias
		return &next, nil
	}
	next.alias = s.nextAlias()
	s.joined[path] = next.alias
	fmt.Fprintf(s.joins, " LEFT JOIN %s AS %s ON %s = %s", target.sql(), next.alias, next.col(target.id), s.col(f.column))
	if f.column.tells(target) {
		fmt.Fprintf(s.joins, " AND %s.%s = '%s'", s.alias, f.column.pointsTo, target.LogicalName)
	}
	return &next, nil
}

func errElasticJoin() error {
	return failf(400, "0x80048d0b", "Link entities are not supported for elastic tables.")
}

// lambda compiles any and all over a collection.
func (s *selection) lambda(l odata.Lambda) (string, error) {
	at, segments := s, l.Over.Segments
	if v, ok := s.vars[segments[0]]; ok {
		at, segments = v, segments[1:]
	}
	if len(segments) != 1 {
		return "", unsupported("any and all over a longer path.")
	}
	f, ok := at.t.fields[segments[0]]
	if !ok {
		return "", errProperty(segments[0], at.t.LogicalName)
	}
	if f.collection == nil && f.many == nil {
		return "", failf(400, odata.CodeSyntax, "The property '%s' is no collection.", segments[0])
	}
	if at.t.elastic() {
		return "", errElasticJoin()
	}
	return at.exists(f, l, s)
}

func (s *selection) exists(f field, l odata.Lambda, outer *selection) (string, error) {
	child := s.w.s.table(f.other(s.t))
	if child == nil {
		return "", errProperty(f.name, s.t.LogicalName)
	}
	if err := s.w.ready(child); err != nil {
		return "", err
	}
	inner := &selection{w: s.w, t: child, alias: s.nextAlias(), joins: &strings.Builder{}, joined: map[string]string{}, count: s.count,
		vars: map[string]*selection{}}
	for name, v := range outer.vars {
		inner.vars[name] = v
	}
	inner.vars[l.Var] = inner
	link, err := inner.memberOf(f, s.t, s.col(s.t.id))
	if err != nil {
		return "", err
	}
	where := ""
	if l.Body != nil {
		body, err := inner.condition(l.Body)
		if err != nil {
			return "", err
		}
		where = " AND (" + body + ")"
		if l.All {
			where = " AND NOT COALESCE(" + body + ", 0)"
		}
	}
	outer.args = append(outer.args, inner.args...)
	sql := "EXISTS (SELECT 1 FROM " + child.sql() + " AS " + inner.alias + inner.joins.String() + " WHERE " + link + where + ")"
	if l.All {
		return "NOT " + sql, nil
	}
	return sql, nil
}

// memberOf is the condition that a record belongs to a collection of another one, whose id is the SQL given.
func (s *selection) memberOf(f field, of *table, id string) (string, error) {
	if f.many != nil {
		l, err := s.w.link(f, of)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s IN (SELECT %s FROM %s WHERE %s = %s)", s.col(s.t.id), l.far, l.table, l.near, id), nil
	}
	c := s.t.byName[f.collection.Column]
	if c == nil {
		return "", errProperty(f.collection.Column, s.t.LogicalName)
	}
	if err := s.w.indexLookup(s.t, c); err != nil {
		return "", err
	}
	sql := s.col(c) + " = " + id
	if c.tells(of) {
		sql += fmt.Sprintf(" AND %s.%s = '%s'", s.alias, c.pointsTo, of.LogicalName)
	}
	return sql, nil
}

// order compiles an $orderby; records that are equal in it stay in the order of their creation.
func (s *selection) order(terms []odata.Order) (string, error) {
	var parts []string
	for _, term := range terms {
		path, ok := term.By.(odata.Path)
		if !ok {
			return "", unsupported("$orderby by an expression.")
		}
		p, err := s.path(path)
		if err != nil {
			return "", err
		}
		sql := p.c.sortable(p.sql())
		if term.Desc {
			sql += " DESC"
		}
		parts = append(parts, sql)
	}
	return strings.Join(append(parts, s.alias+".rowid"), ", "), nil
}

// sortable sorts choices by their labels, as the service does.
func (c *column) sortable(sql string) string {
	choice := c.Type == schema.TypePicklist || c.Type == schema.TypeState || c.Type == schema.TypeStatus
	if !choice || c.Options == nil || len(c.Options.Options) == 0 {
		return c.comparable(sql)
	}
	options := slices.Clone(c.Options.Options)
	slices.SortStableFunc(options, func(a, b schema.Option) int { return strings.Compare(storage.Fold(a.Label), storage.Fold(b.Label)) })
	var b strings.Builder
	b.WriteString("CASE " + sql)
	for i, o := range options {
		fmt.Fprintf(&b, " WHEN %d THEN %d", o.Value, i)
	}
	return b.String() + " END"
}
