package dataversetest

import (
	"database/sql/driver"
	"regexp"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
)

// maxAggregated is how many records the service aggregates at most.
const maxAggregated = 50_000

// transformation is one step of an $apply.
type transformation struct {
	filter     string
	groups     []string
	aggregates []aggregate
	grouped    bool
}

// aggregate is "revenue with sum as total", or "$count as n".
type aggregate struct{ column, method, alias string }

var (
	countPattern     = regexp.MustCompile(`^\$count\s+as\s+(\w+)$`)
	aggregatePattern = regexp.MustCompile(`^(\w+)\s+with\s+(\w+)\s+as\s+(\w+)$`)
)

// parseApply reads filter(…)/groupby((a,b),aggregate(…)) and aggregate(…).
func parseApply(text string) (*transformation, error) {
	t := &transformation{}
	for _, step := range odata.Split(text, '/') {
		name, inner, ok := strings.Cut(strings.TrimSpace(step), "(")
		inner, closed := strings.CutSuffix(inner, ")")
		if !ok || !closed {
			return nil, failf(400, odata.CodeSyntax, "The $apply expression '%s' is not valid.", text)
		}
		var err error
		switch {
		case name == "filter" && t.filter == "" && !t.grouped && t.aggregates == nil:
			t.filter = inner
		case name == "aggregate" && t.aggregates == nil && !t.grouped:
			err = t.parseAggregates(inner)
		case name == "groupby" && !t.grouped && t.aggregates == nil:
			err = t.parseGroups(inner)
		default:
			err = unsupported("the $apply step '%s' here.", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(t.groups) == 0 && t.grouped {
		return nil, failf(400, odata.CodeSyntax, "The groupby expression '%s' names no property.", text)
	}
	if !t.grouped && len(t.aggregates) == 0 {
		return nil, unsupported("an $apply without aggregate and groupby.")
	}
	return t, nil
}

func (t *transformation) parseGroups(text string) error {
	t.grouped = true
	for i, part := range odata.Split(text, ',') {
		part = strings.TrimSpace(part)
		inner, isList := strings.CutPrefix(part, "(")
		inner, closed := strings.CutSuffix(inner, ")")
		switch {
		case i == 0 && isList && closed:
			for _, name := range odata.Split(inner, ',') {
				t.groups = append(t.groups, strings.TrimSpace(name))
			}
		case i == 1 && strings.HasPrefix(part, "aggregate(") && strings.HasSuffix(part, ")"):
			if err := t.parseAggregates(part[len("aggregate(") : len(part)-1]); err != nil {
				return err
			}
		default:
			return failf(400, odata.CodeSyntax, "The groupby expression '%s' is not valid.", text)
		}
	}
	return nil
}

func (t *transformation) parseAggregates(text string) error {
	for _, part := range odata.Split(text, ',') {
		part = strings.TrimSpace(part)
		if m := countPattern.FindStringSubmatch(part); m != nil {
			t.aggregates = append(t.aggregates, aggregate{method: "$count", alias: m[1]})
			continue
		}
		m := aggregatePattern.FindStringSubmatch(part)
		if m == nil {
			return failf(400, odata.CodeSyntax, "The aggregate expression '%s' is not valid.", part)
		}
		t.aggregates = append(t.aggregates, aggregate{m[1], m[2], m[3]})
	}
	return nil
}

// getAggregate answers GET /set?$apply=….
func (s *Server) getAggregate(r *request, t *table, m *membership) (*response, error) {
	steps, err := parseApply(r.query.Apply)
	if err != nil {
		return nil, err
	}
	filter := r.query.Filter
	if steps.filter != "" {
		inner, err := odata.ParseExpr(steps.filter, r.query.Aliases)
		if err != nil {
			return nil, err
		}
		if filter = inner; r.query.Filter != nil {
			filter = odata.Binary{Op: "and", Left: r.query.Filter, Right: inner}
		}
	}
	if t.elastic() && steps.grouped {
		return nil, unsupported("groupby on elastic tables.")
	}
	var o output
	err = s.read(r, func(w *work) error {
		sel, where, err := w.restrict(t, filter, m)
		if err != nil {
			return err
		}
		n, err := w.countUpTo(sel, where, maxAggregated+1)
		if err != nil {
			return err
		}
		if n > maxAggregated {
			return errTooManyToAggregate()
		}
		groups, totals, err := steps.resolve(sel)
		if err != nil {
			return err
		}
		return w.writeAggregates(&o, sel, where, groups, totals, nil)
	})
	if err != nil {
		return nil, err
	}
	return jsonReply(&o), nil
}

// resolve finds the columns that the steps of an $apply name.
func (t *transformation) resolve(sel *selection) (groups []grouping, totals []total, err error) {
	for _, name := range t.groups {
		if strings.Contains(name, "/") {
			return nil, nil, unsupported("groupby over a navigation property ('%s').", name)
		}
		p, err := sel.path(odata.Path{Segments: []string{name}})
		if err != nil {
			return nil, nil, err
		}
		groups = append(groups, grouping{aliased: aliased{p, name}})
	}
	for _, a := range t.aggregates {
		var p place
		if a.method != "$count" {
			if p, err = sel.path(odata.Path{Segments: []string{a.column}}); err != nil {
				return nil, nil, err
			}
		}
		totals = append(totals, total{p, a})
	}
	return groups, totals, nil
}

// writeAggregates runs an aggregate query.
func (w *work) writeAggregates(o *output, sel *selection, where string, groups []grouping, totals []total, orders []string) error {
	var columns, by, names []string
	var shown []*column
	for _, g := range groups {
		sql, key, c, err := g.sql()
		if err != nil {
			return err
		}
		columns, by = append(columns, sql+" AS "+quoteAlias(g.name)), append(by, key)
		names, shown = append(names, g.name), append(shown, c)
	}
	for _, a := range totals {
		sql, c, err := a.sql()
		if err != nil {
			return err
		}
		columns, names, shown = append(columns, sql+" AS "+quoteAlias(a.alias)), append(names, a.alias), append(shown, c)
	}
	if len(columns) == 0 {
		return failf(400, "0x80041102", "An aggregate query needs at least one attribute.")
	}
	text := sel.from(strings.Join(columns, ", ")) + " WHERE " + where
	if len(by) > 0 {
		text += " GROUP BY " + strings.Join(by, ", ")
	}
	if len(orders) > 0 {
		text += " ORDER BY " + strings.Join(orders, ", ")
	}
	o.raw(`{"@odata.context":`).str(w.r.base + "$metadata#" + sel.t.SetName).raw(`,"value":[`)
	err := w.writeGroups(o, text, sel.args, names, shown)
	o.raw("]}")
	return err
}

// dateParts are the parts of a date by which FetchXML groups.
var dateParts = map[string]string{"year": "%Y", "month": "%m", "week": "%W", "day": "%d"}

// sql is what is read of a group, and what it is told apart by.
func (g grouping) sql() (read, key string, c *column, err error) {
	if g.part == "" {
		return "min(" + g.place.sql() + ")", g.c.comparable(g.place.sql()), g.c, nil
	}
	whole := &column{Column: &schema.Column{Type: schema.TypeBigInt}}
	if g.c.Type != schema.TypeDateTime {
		return "", "", nil, failf(400, "0x80041102", "The attribute '%s' is no date: it cannot be grouped by %s.", g.c.LogicalName, g.part)
	}
	if g.part == "quarter" {
		sql := "(CAST(strftime('%m', " + g.place.sql() + ") AS INTEGER) + 2) / 3"
		return sql, sql, whole, nil
	}
	format, ok := dateParts[g.part]
	if !ok {
		return "", "", nil, unsupported("dategrouping by '%s' in FetchXML.", g.part)
	}
	sql := "CAST(strftime('" + format + "', " + g.place.sql() + ") AS INTEGER)"
	if g.part == "week" {
		sql += " + 1" // the first week has the number 1
	}
	return sql, sql, whole, nil
}

func (w *work) writeGroups(o *output, text string, args []driver.Value, names []string, shown []*column) error {
	first := true
	return w.tx.Query(text, args, func(row []driver.Value) error {
		if !first {
			o.raw(",")
		}
		first = false
		o.raw("{")
		for i, c := range shown {
			if i > 0 {
				o.raw(",")
			}
			o.str(names[i]).raw(":")
			c.write(o, row[i])
		}
		o.raw("}")
		return nil
	})
}

// sql compiles one aggregate, and says as which type its value is written.
func (a total) sql() (string, *column, error) {
	whole, real := &column{Column: &schema.Column{Type: schema.TypeBigInt}}, &column{Column: &schema.Column{Type: schema.TypeDouble}}
	if a.method == "$count" {
		return "count(*)", whole, nil
	}
	p := a.place
	switch a.method {
	case "countdistinct":
		return "count(DISTINCT " + p.c.comparable(p.sql()) + ")", whole, nil
	case "count":
		return "count(" + p.sql() + ")", whole, nil
	}
	number := p.c.sqlType() == "INTEGER" || p.c.sqlType() == "REAL"
	decimal := p.c.Type == schema.TypeDecimal || p.c.Type == schema.TypeMoney
	switch a.method {
	case "min", "max":
		if decimal {
			return a.method + "(CAST(" + p.sql() + " AS REAL))", real, nil
		}
		return a.method + "(" + p.sql() + ")", p.c, nil
	case "sum":
		if number || decimal {
			return "sum(" + p.sql() + ")", real, nil
		}
	case "average":
		if number || decimal {
			return "avg(" + p.sql() + ")", real, nil
		}
	}
	return "", nil, failf(400, odata.CodeSyntax, "The aggregate method '%s' cannot be used with '%s'.", a.method, a.column)
}
