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
	aliases    []string // of the groups, where they have other names
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
		return w.writeAggregates(&o, sel, where, steps)
	})
	if err != nil {
		return nil, err
	}
	return jsonReply(&o), nil
}

// writeAggregates runs the query that steps stand for.
func (w *work) writeAggregates(o *output, sel *selection, where string, steps *transformation) error {
	var columns, groups []string
	var names []string
	var shown []*column
	for i, name := range steps.groups {
		p, err := sel.path(odata.Path{Segments: strings.Split(name, "/")})
		if err != nil {
			return err
		}
		columns = append(columns, "min("+p.sql()+")")
		groups = append(groups, p.c.comparable(p.sql()))
		shown = append(shown, p.c)
		if steps.aliases != nil {
			names = append(names, steps.aliases[i])
		} else {
			names = append(names, p.c.property)
		}
		if len(strings.Split(name, "/")) > 1 {
			return unsupported("groupby over a navigation property ('%s').", name)
		}
	}
	for _, a := range steps.aggregates {
		sql, c, err := sel.aggregate(a)
		if err != nil {
			return err
		}
		columns = append(columns, sql)
		names, shown = append(names, a.alias), append(shown, c)
	}
	text := sel.from(strings.Join(columns, ", ")) + " WHERE " + where
	if len(groups) > 0 {
		text += " GROUP BY " + strings.Join(groups, ", ")
	}
	o.raw(`{"@odata.context":`).str(w.r.base + "$metadata#" + sel.t.SetName).raw(`,"value":[`)
	first := true
	err := w.tx.Query(text, sel.args, func(row []driver.Value) error {
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
	o.raw("]}")
	return err
}

// aggregate compiles one aggregate, and says as which type its value is written.
func (s *selection) aggregate(a aggregate) (string, *column, error) {
	whole, real := &column{Column: &schema.Column{Type: schema.TypeBigInt}}, &column{Column: &schema.Column{Type: schema.TypeDouble}}
	if a.method == "$count" {
		return "count(*)", whole, nil
	}
	p, err := s.path(odata.Path{Segments: []string{a.column}})
	if err != nil {
		return "", nil, err
	}
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
