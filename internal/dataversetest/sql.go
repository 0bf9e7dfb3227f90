package dataversetest

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/tsql"
)

// getSQL answers GET /set?sql=SELECT …: read-only queries, as Microsoft's SDK for Python sends them.
func (s *Server) getSQL(r *request, t *table, text string) (*response, error) {
	statement, err := tsql.Parse(text)
	if err != nil {
		return nil, errSQL(err)
	}
	if statement.From.Name != t.LogicalName {
		return nil, failf(400, "0x80060888", "The table '%s' of the SQL query is not that of the set '%s'.", statement.From.Name, t.SetName)
	}
	var o output
	err = s.read(r, func(w *work) error {
		if err := w.syncMessages(t); err != nil {
			return err
		}
		q := &sqlQuery{w: w, s: statement}
		if err := q.open(t); err != nil {
			return err
		}
		return q.write(&o)
	})
	if err != nil {
		return nil, err
	}
	a := jsonReply(&o)
	r.applied(a)
	return a, nil
}

// errSQL is a refusal of the parser. What the service itself does not take is a bad request, not a gap of the emulator.
func errSQL(err error) error {
	var refusal *tsql.Error
	if errors.As(err, &refusal) {
		return failf(400, "0x80040203", "The SQL query is not valid: %v", err)
	}
	return err
}

// sqlQuery is a statement on its way to the database.
type sqlQuery struct {
	w      *work
	s      *tsql.Select
	sel    *selection
	tables []sqlTable
	items  []sqlItem
}

type sqlTable struct {
	alias string
	s     *selection
}

// sqlItem is a column of the result.
type sqlItem struct {
	name, sql string
	c         *column
	key       string // what an aggregate query groups by; "" for an aggregate
}

func (q *sqlQuery) open(t *table) error {
	sel, _, err := q.w.restrict(t, nil, nil)
	if err != nil {
		return err
	}
	q.sel = sel
	q.tables = []sqlTable{{q.s.From.Alias, sel}}
	for _, j := range q.s.Joins {
		if err := q.join(j); err != nil {
			return err
		}
	}
	for _, item := range q.s.Items {
		if err := q.item(item); err != nil {
			return err
		}
	}
	return q.checkGroups()
}

func (q *sqlQuery) join(j tsql.Join) error {
	target := q.w.s.table(j.Name)
	switch {
	case target == nil:
		return failf(400, "0x80040217", "The entity with a name = '%s' was not found in the MetadataCache.", j.Name)
	case target.elastic() || q.sel.t.elastic():
		return errElasticJoin()
	}
	if err := q.w.r.user.may("Read", target); err != nil {
		return err
	}
	if err := q.w.ready(target); err != nil {
		return err
	}
	next := *q.sel
	next.t, next.alias = target, q.sel.nextAlias()
	q.tables = append(q.tables, sqlTable{j.Alias, &next})
	var on []string
	for _, pair := range j.On {
		left, err := q.column(pair[0])
		if err != nil {
			return err
		}
		right, err := q.column(pair[1])
		if err != nil {
			return err
		}
		for _, p := range []place{left, right} {
			if p.c.IsLookup() {
				if err := q.w.indexLookup(p.s.t, p.c); err != nil {
					return err
				}
			}
		}
		on = append(on, left.c.comparable(left.sql())+" = "+right.c.comparable(right.sql()))
	}
	kind := "JOIN"
	if j.Left {
		kind = "LEFT JOIN"
	}
	fmt.Fprintf(q.sel.joins, " %s %s AS %s ON %s", kind, target.sql(), next.alias, strings.Join(on, " AND "))
	return nil
}

// column finds a column by its logical name, in the table of its alias or in the only one that has it.
func (q *sqlQuery) column(c tsql.Column) (place, error) {
	var found []place
	known := c.Table == ""
	for _, t := range q.tables {
		if c.Table != "" && c.Table != t.alias {
			continue
		}
		known = true
		if col := t.s.t.byName[c.Name]; col != nil && col.property != "" {
			found = append(found, place{t.s, col})
		}
	}
	switch {
	case !known:
		return place{}, failf(400, "0x80040203", "The SQL query is not valid: the multi-part identifier '%s.%s' could not be bound.", c.Table, c.Name)
	case len(found) == 0:
		return place{}, errAttribute(q.sel.t, c.Name)
	case len(found) > 1:
		return place{}, failf(400, "0x80040203", "The SQL query is not valid: ambiguous column name '%s'.", c.Name)
	}
	return found[0], nil
}

var sqlFunctions = map[string]string{"COUNT": "count", "SUM": "sum", "AVG": "average", "MIN": "min", "MAX": "max"}

func (q *sqlQuery) item(item tsql.Item) error {
	if item.Function == "" {
		p, err := q.column(item.Column)
		if err != nil {
			return err
		}
		q.items = append(q.items, sqlItem{q.named(item.Alias, p.c.LogicalName), p.sql(), p.c, p.c.comparable(p.sql())})
		return nil
	}
	t := total{aggregate: aggregate{column: item.Column.Name, method: sqlFunctions[item.Function]}}
	switch {
	case item.Column.Name == "":
		t.method = "$count"
	case item.Distinct && item.Function == "COUNT":
		t.method = "countdistinct"
	case item.Distinct:
		return failf(400, "0x80040203", "The SQL query is not valid: DISTINCT is supported in COUNT only.")
	}
	if item.Column.Name != "" {
		p, err := q.column(item.Column)
		if err != nil {
			return err
		}
		t.place = p
	}
	sql, c, err := t.sql()
	if err != nil {
		return err
	}
	q.items = append(q.items, sqlItem{name: q.named(item.Alias, strings.ToLower(item.Function)), sql: sql, c: c})
	return nil
}

// named makes the names of the result's columns unique.
func (q *sqlQuery) named(alias, name string) string {
	if alias != "" {
		name = alias
	}
	unique := name
	for n := 1; ; n++ {
		taken := false
		for _, item := range q.items {
			taken = taken || item.name == unique
		}
		if !taken {
			return unique
		}
		unique = name + strconv.Itoa(n)
	}
}

// checkGroups refuses columns beside aggregates that nothing groups by.
func (q *sqlQuery) checkGroups() error {
	if !q.aggregates() {
		return nil
	}
	keys, err := q.groupKeys()
	if err != nil {
		return err
	}
	for i, item := range q.items {
		if item.key == "" {
			continue
		}
		grouped := false
		for _, key := range keys {
			grouped = grouped || key == item.key
		}
		if !grouped {
			return failf(400, "0x80040203", "The SQL query is not valid: column '%s' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.", item.name)
		}
		q.items[i].sql = "min(" + item.sql + ")"
	}
	return nil
}

func (q *sqlQuery) aggregates() bool {
	for _, item := range q.items {
		if item.key == "" {
			return true
		}
	}
	return len(q.s.GroupBy) > 0
}

func (q *sqlQuery) groupKeys() (keys []string, err error) {
	for _, c := range q.s.GroupBy {
		p, err := q.column(c)
		if err != nil {
			return nil, err
		}
		keys = append(keys, p.c.comparable(p.sql()))
	}
	return keys, nil
}

func (q *sqlQuery) write(o *output) error {
	var columns []string
	for _, item := range q.items {
		columns = append(columns, item.sql+" AS "+quoteAlias(item.name))
	}
	list := strings.Join(columns, ", ")
	if q.s.Distinct {
		list = "DISTINCT " + list
	}
	text := q.sel.from(list)
	if q.s.Where != nil {
		where, err := q.condition(q.s.Where)
		if err != nil {
			return err
		}
		text += " WHERE " + where
	}
	keys, err := q.groupKeys()
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		text += " GROUP BY " + strings.Join(keys, ", ")
	}
	order, err := q.order()
	if err != nil {
		return err
	}
	return q.page(o, text+order)
}

func (q *sqlQuery) order() (string, error) {
	var terms []string
	for _, by := range q.s.OrderBy {
		sql := ""
		for _, item := range q.items {
			if by.Table == "" && strings.EqualFold(item.name, by.Name) {
				if sql = quoteAlias(item.name); item.key != "" && !q.aggregates() {
					sql = item.c.comparable(item.sql)
				}
			}
		}
		if sql == "" {
			p, err := q.column(by.Column)
			if err != nil {
				return "", err
			}
			sql = p.c.comparable(p.sql())
		}
		if by.Desc {
			sql += " DESC"
		}
		terms = append(terms, sql)
	}
	if !q.aggregates() && !q.s.Distinct {
		terms = append(terms, q.sel.alias+".rowid") // pages need an order that is always the same
	}
	if len(terms) == 0 {
		return "", nil
	}
	return " ORDER BY " + strings.Join(terms, ", "), nil
}

// page runs the statement and writes one page of its rows.
func (q *sqlQuery) page(o *output, text string) error {
	token, err := parseToken(q.w.r.query.SkipToken)
	if err != nil {
		return err
	}
	size := maxPage
	if n := q.w.r.prefer.pageSize; n > 0 {
		size = min(n, maxPage)
	}
	limit := q.s.Top + q.s.Fetch // the statement has one of them, if any
	left := size + 1
	if limit > 0 {
		left = max(0, min(left, limit-int(token.last)))
	}
	text += " LIMIT " + itoa(left) + " OFFSET " + strconv.FormatInt(int64(q.s.Offset)+token.last, 10)
	o.raw(`{"@odata.context":`).str(q.w.r.base + "$metadata#" + q.sel.t.SetName).raw(`,"value":[`)
	rows := 0
	err = q.w.tx.Query(text, q.sel.args, func(row []driver.Value) error {
		if rows++; rows > size {
			return nil
		}
		if rows > 1 {
			o.raw(",")
		}
		o.raw("{")
		for i, item := range q.items {
			if i > 0 {
				o.raw(",")
			}
			o.str(item.name).raw(":")
			item.c.write(o, row[i])
		}
		o.raw("}")
		return nil
	})
	o.raw("]")
	if rows > size {
		p := &page{t: q.sel.t, query: q.w.r.query, next: ""}
		o.raw(`,"@odata.nextLink":`).str(q.w.nextLinkAt(p, token, token.last+int64(size)))
	}
	o.raw("}")
	return err
}

// condition compiles a WHERE clause.
func (q *sqlQuery) condition(c tsql.Condition) (string, error) {
	switch c := c.(type) {
	case tsql.And:
		return q.both(c.Left, c.Right, "AND")
	case tsql.Or:
		return q.both(c.Left, c.Right, "OR")
	case tsql.Not:
		inner, err := q.condition(c.Of)
		return "NOT (" + inner + ")", err
	case tsql.IsNull:
		p, err := q.column(c.Column)
		return p.nullable(), err
	case tsql.Compare:
		p, err := q.column(c.Column)
		if err != nil {
			return "", err
		}
		return q.compare(p, c.Op, c.Value)
	case tsql.Like:
		p, err := q.column(c.Column)
		if err != nil {
			return "", err
		}
		return q.sel.criterionLike(p, criterion{column: c.Name, operator: "like", values: []string{c.Pattern}})
	case tsql.Between:
		p, err := q.column(c.Column)
		if err != nil {
			return "", err
		}
		low, err := q.compare(p, ">=", c.Low)
		if err != nil {
			return "", err
		}
		high, err := q.compare(p, "<=", c.High)
		return "(" + low + " AND " + high + ")", err
	case tsql.In:
		p, err := q.column(c.Column)
		if err != nil {
			return "", err
		}
		in := criterion{column: c.Name, operator: "in"}
		for _, v := range c.Values {
			in.values = append(in.values, v.Text)
		}
		return q.sel.criterionIn(p, in)
	}
	return "", failf(400, odata.CodeSyntax, "The SQL query is not valid.")
}

func (p place) nullable() string {
	if p.c == nil {
		return ""
	}
	return p.sql() + " IS NULL"
}

func (q *sqlQuery) both(left, right tsql.Condition, glue string) (string, error) {
	l, err := q.condition(left)
	if err != nil {
		return "", err
	}
	r, err := q.condition(right)
	return "(" + l + " " + glue + " " + r + ")", err
}

// compare is SQL's: what is null is neither equal nor unequal to anything.
func (q *sqlQuery) compare(p place, op string, v tsql.Value) (string, error) {
	lit, err := p.c.literalOf(v.Text)
	if err != nil {
		return "", err
	}
	value, err := p.c.operand(lit, "eq")
	if err != nil {
		return "", err
	}
	return p.c.comparable(p.sql()) + " " + op + " " + q.sel.arg(value), nil
}
