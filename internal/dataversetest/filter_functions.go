package dataversetest

import (
	"fmt"
	"strings"
	"time"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// call compiles a function of a $filter.
func (s *selection) call(c odata.Call) (string, error) {
	switch c.Name {
	case "contains", "startswith", "endswith":
		return s.search(c)
	}
	if !odata.IsCast(c.Name) {
		return "", errNode("SingleValueFunctionCall")
	}
	return s.dataverseFunction(c)
}

// search compiles contains, startswith and endswith.
func (s *selection) search(c odata.Call) (string, error) {
	if len(c.Args) != 2 {
		return "", failf(400, odata.CodeSyntax, "No function signature for the function with name '%s' matches the specified arguments.", c.Name)
	}
	path, isPath := c.Args[0].(odata.Path)
	lit, isText := c.Args[1].(odata.Literal)
	if !isPath || !isText || lit.Kind != odata.String {
		return "", failf(400, odata.CodeSyntax, "No function signature for the function with name '%s' matches the specified arguments.", c.Name)
	}
	p, err := s.path(path)
	if err != nil {
		return "", err
	}
	if edmOf(p.c) != "Edm.String" {
		return "", failf(400, odata.CodeSyntax, "No function signature for the function with name '%s' matches the specified arguments.", c.Name)
	}
	text, sql := storage.FoldInner(lit.String()), "fold("+p.sql()+")"
	switch c.Name {
	case "startswith":
		return "instr(" + sql + ", " + s.arg(text) + ") = 1", nil
	case "endswith":
		return fmt.Sprintf("substr(%s, -%d) = %s", sql, max(1, len([]rune(text))), s.arg(text)), nil
	}
	return "instr(" + sql + ", " + s.arg(text) + ") > 0", nil
}

// dataverseFunction compiles Microsoft.Dynamics.CRM.In and its kin.
func (s *selection) dataverseFunction(c odata.Call) (string, error) {
	property, ok := c.Arg("PropertyName").(odata.Literal)
	if !ok || property.Kind != odata.String {
		return "", failf(400, odata.CodeSyntax, "The function '%s' needs the parameter PropertyName.", c.Name)
	}
	p, err := s.path(odata.Path{Segments: strings.Split(property.String(), "/")})
	if err != nil {
		return "", err
	}
	return s.function(p, c)
}

// function compiles a function of a column.
func (s *selection) function(p place, c odata.Call) (string, error) {
	name := odata.Unqualified(c.Name)
	switch name {
	case "In", "NotIn":
		return s.in(p, c, name == "NotIn")
	case "Between", "NotBetween":
		return s.between(p, c, name == "NotBetween")
	case "ContainValues", "DoesNotContainValues":
		return s.containValues(p, c, name == "DoesNotContainValues")
	case "EqualUserId":
		return p.sql() + " = " + s.arg(s.w.r.user.ID), nil
	case "NotEqualUserId":
		return "(" + p.sql() + " <> " + s.arg(s.w.r.user.ID) + " OR " + p.sql() + " IS NULL)", nil
	case "EqualBusinessId":
		return p.sql() + " = " + s.arg(businessUnit), nil
	}
	from, to, err := s.period(name, c)
	if err != nil {
		return "", err
	}
	return s.within(p, from, to)
}

// values reads the list of a function. Numbers may stand in quotes.
func (p place) values(c odata.Call) ([]odata.Literal, error) {
	list, ok := c.Arg("PropertyValues").(odata.List)
	if !ok || len(list.Items) == 0 {
		return nil, failf(400, odata.CodeSyntax, "The function '%s' needs the parameter PropertyValues.", c.Name)
	}
	var out []odata.Literal
	for _, item := range list.Items {
		lit, ok := item.(odata.Literal)
		if !ok {
			return nil, failf(400, odata.CodeSyntax, "The parameter PropertyValues of '%s' is not a list of values.", c.Name)
		}
		out = append(out, p.unquoted(lit))
	}
	return out, nil
}

// unquoted reads a value that was given as text: functions take collections of strings whatever the column's type.
func (p place) unquoted(lit odata.Literal) odata.Literal {
	if lit.Kind != odata.String || edmOf(p.c) == "Edm.String" {
		return lit
	}
	if e, err := odata.ParseExpr(lit.String(), nil); err == nil {
		if inner, ok := e.(odata.Literal); ok {
			return inner
		}
	}
	return lit
}

func (s *selection) in(p place, c odata.Call, not bool) (string, error) {
	values, err := p.values(c)
	if err != nil {
		return "", err
	}
	marks := make([]string, len(values))
	for i, lit := range values {
		v, err := p.c.operand(lit, "eq")
		if err != nil {
			return "", err
		}
		marks[i] = s.arg(v)
	}
	sql := p.c.comparable(p.sql()) + " IN (" + strings.Join(marks, ", ") + ")"
	if not {
		return "(NOT " + sql + " OR " + p.sql() + " IS NULL)", nil
	}
	return sql, nil
}

func (s *selection) between(p place, c odata.Call, not bool) (string, error) {
	values, err := p.values(c)
	if err != nil {
		return "", err
	}
	if len(values) != 2 {
		return "", failf(400, odata.CodeSyntax, "The function '%s' needs two values.", c.Name)
	}
	low, err := p.c.operand(values[0], "ge")
	if err != nil {
		return "", err
	}
	high, err := p.c.operand(values[1], "le")
	if err != nil {
		return "", err
	}
	sql := p.c.comparable(p.sql())
	sql = "(" + sql + " >= " + s.arg(low) + " AND " + sql + " <= " + s.arg(high) + ")"
	if not {
		return "NOT " + sql, nil
	}
	return sql, nil
}

func (s *selection) containValues(p place, c odata.Call, not bool) (string, error) {
	values, err := p.values(c)
	if err != nil {
		return "", err
	}
	if p.c.Type != schema.TypeMultiSelect {
		return "", failf(400, odata.CodeSyntax, "The function '%s' can be used with multi-select choices only.", c.Name)
	}
	var parts []string
	for _, lit := range values {
		parts = append(parts, "instr(',' || "+p.sql()+" || ',', "+s.arg(","+lit.String()+",")+") > 0")
	}
	sql := "(" + strings.Join(parts, " OR ") + ")"
	if not {
		return "(NOT " + sql + " OR " + p.sql() + " IS NULL)", nil
	}
	return sql, nil
}

// within compiles a half-open period; a zero bound is open.
func (s *selection) within(p place, from, to time.Time) (string, error) {
	if p.c.Type != schema.TypeDateTime {
		return "", failf(400, odata.CodeSyntax, "The function can be used with dates only, not with '%s'.", p.c.LogicalName)
	}
	layout := timestamp
	if p.c.dateOnly() {
		layout = time.DateOnly
	}
	sql := p.sql() + " IS NOT NULL"
	if !from.IsZero() {
		sql += " AND " + p.sql() + " >= " + s.arg(from.Format(layout))
	}
	if !to.IsZero() {
		sql += " AND " + p.sql() + " < " + s.arg(to.Format(layout))
	}
	return "(" + sql + ")", nil
}

// period is the span of time that a function speaks of, in UTC.
func (s *selection) period(name string, c odata.Call) (from, to time.Time, err error) {
	now := s.w.s.now()
	day := now.Truncate(24 * time.Hour)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	year := time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	week := day.AddDate(0, 0, -int(day.Weekday()))
	switch name {
	case "Today":
		return day, day.AddDate(0, 0, 1), nil
	case "Yesterday":
		return day.AddDate(0, 0, -1), day, nil
	case "Tomorrow":
		return day.AddDate(0, 0, 1), day.AddDate(0, 0, 2), nil
	case "Last7Days":
		return day.AddDate(0, 0, -7), now.Add(time.Second), nil
	case "Next7Days":
		return now, day.AddDate(0, 0, 8), nil
	case "ThisWeek":
		return week, week.AddDate(0, 0, 7), nil
	case "LastWeek":
		return week.AddDate(0, 0, -7), week, nil
	case "NextWeek":
		return week.AddDate(0, 0, 7), week.AddDate(0, 0, 14), nil
	case "ThisMonth":
		return month, month.AddDate(0, 1, 0), nil
	case "LastMonth":
		return month.AddDate(0, -1, 0), month, nil
	case "NextMonth":
		return month.AddDate(0, 1, 0), month.AddDate(0, 2, 0), nil
	case "ThisYear":
		return year, year.AddDate(1, 0, 0), nil
	case "LastYear":
		return year.AddDate(-1, 0, 0), year, nil
	case "NextYear":
		return year.AddDate(1, 0, 0), year.AddDate(2, 0, 0), nil
	case "On", "OnOrAfter", "OnOrBefore":
		return onDay(name, c)
	}
	return s.countedPeriod(name, c, now, day)
}

func onDay(name string, c odata.Call) (from, to time.Time, err error) {
	lit, _ := c.Arg("PropertyValue").(odata.Literal)
	if lit.Kind == odata.String {
		lit, _ = odata.ParseTime(lit.String())
	}
	at, ok := lit.Time()
	if !ok {
		return from, to, failf(400, odata.CodeSyntax, "The function '%s' needs a date as PropertyValue.", c.Name)
	}
	day := at.Truncate(24 * time.Hour)
	switch name {
	case "OnOrAfter":
		return day, to, nil
	case "OnOrBefore":
		return from, day.AddDate(0, 0, 1), nil
	}
	return day, day.AddDate(0, 0, 1), nil
}

// countedPeriod reads LastXDays, NextXMonths, OlderThanXYears and the like.
func (s *selection) countedPeriod(name string, c odata.Call, now, day time.Time) (from, to time.Time, err error) {
	unsupportedFunction := unsupported("the function '%s' in $filter.", c.Name)
	direction, unit, ok := strings.Cut(name, "X")
	lit, isNumber := c.Arg("PropertyValue").(odata.Literal)
	if isNumber && lit.Kind == odata.String {
		e, _ := odata.ParseExpr(lit.String(), nil)
		lit, _ = e.(odata.Literal)
	}
	n64, isInt := lit.Value.(int64)
	if !ok || !isNumber || !isInt || n64 < 0 || n64 > 100_000 {
		return from, to, unsupportedFunction
	}
	n := int(n64)
	shift := func(base time.Time, n int) (time.Time, bool) {
		switch unit {
		case "Minutes":
			return now.Add(time.Duration(n) * time.Minute), true
		case "Hours":
			return now.Add(time.Duration(n) * time.Hour), true
		case "Days":
			return base.AddDate(0, 0, n), true
		case "Weeks":
			return base.AddDate(0, 0, 7*n), true
		case "Months":
			return base.AddDate(0, n, 0), true
		case "Years":
			return base.AddDate(n, 0, 0), true
		}
		return base, false
	}
	var known bool
	switch direction {
	case "Last":
		from, known = shift(day, -n)
		to = now.Add(time.Second)
	case "Next":
		to, known = shift(day.AddDate(0, 0, 1), n)
		from = now
	case "OlderThan":
		to, known = shift(now, -n)
	}
	if !known {
		return from, to, unsupportedFunction
	}
	return from, to, nil
}
