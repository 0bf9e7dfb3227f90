package dataversetest

import (
	"database/sql/driver"
	"fmt"
	"net/http"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// criteria is a filter as FetchXML and QueryExpression write it.
type criteria struct {
	or         bool
	conditions []criterion
	filters    []criteria
}

// criterion compares a column; operator is FetchXML's name of it.
type criterion struct {
	column, operator string
	values           []string
	alias            string // of a joined table; "" is the filter's own
}

// compile turns criteria into SQL; an empty filter holds for every record.
func (s *selection) compile(c criteria) (string, error) {
	var parts []string
	for _, condition := range c.conditions {
		sql, err := s.criterion(condition)
		if err != nil {
			return "", err
		}
		parts = append(parts, sql)
	}
	for _, f := range c.filters {
		sql, err := s.compile(f)
		if err != nil {
			return "", err
		}
		parts = append(parts, sql)
	}
	if len(parts) == 0 {
		return "1", nil
	}
	glue := " AND "
	if c.or {
		glue = " OR "
	}
	return "(" + strings.Join(parts, glue) + ")", nil
}

var criterionOperators = map[string]string{"eq": "eq", "ne": "ne", "neq": "ne", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le"}

func (s *selection) criterion(c criterion) (string, error) {
	at := s
	if c.alias != "" {
		if at = s.aliases[c.alias]; at == nil {
			return "", failf(400, "0x80041102", "There is no link-entity with the alias '%s'.", c.alias)
		}
	}
	col := at.t.byName[c.column]
	if col == nil {
		return "", errAttribute(at.t, c.column)
	}
	p := place{at, col}
	switch c.operator {
	case "null":
		return p.sql() + " IS NULL", nil
	case "not-null":
		return p.sql() + " IS NOT NULL", nil
	case "in", "not-in":
		return s.criterionIn(p, c)
	case "like", "not-like", "begins-with", "not-begin-with", "ends-with", "not-end-with":
		return s.criterionLike(p, c)
	case "eq-userid":
		return p.sql() + " = " + s.arg(s.w.r.user.ID), nil
	}
	name, ok := criterionOperators[c.operator]
	if !ok {
		return s.criterionFunction(p, c)
	}
	if len(c.values) != 1 {
		return "", failf(400, "0x8004025c", "The condition on '%s' needs one value.", c.column)
	}
	lit, err := col.literalOf(c.values[0])
	if err != nil {
		return "", err
	}
	return s.compare(p, name, operators[name], lit)
}

// functionNames are those of FetchXML's operators that are not the same words run together.
var functionNames = map[string]string{"last-seven-days": "Last7Days", "next-seven-days": "Next7Days", "contain-values": "ContainValues",
	"not-contain-values": "DoesNotContainValues", "ne-userid": "NotEqualUserId", "eq-businessid": "EqualBusinessId"}

// criterionFunction compiles the operators that $filter knows as functions: last-x-days is LastXDays.
func (s *selection) criterionFunction(p place, c criterion) (string, error) {
	name := functionNames[c.operator]
	if name == "" {
		for word := range strings.SplitSeq(c.operator, "-") {
			if word != "" {
				name += strings.ToUpper(word[:1]) + word[1:]
			}
		}
	}
	call := odata.Call{Name: odata.Namespace + name}
	var list odata.List
	for _, v := range c.values {
		list.Items = append(list.Items, odata.Literal{Kind: odata.String, Text: v, Value: v})
	}
	call.Args = append(call.Args, odata.Named{Name: "PropertyValues", Value: list})
	if len(c.values) > 0 {
		call.Args = append(call.Args, odata.Named{Name: "PropertyValue", Value: list.Items[0]})
	}
	sql, err := s.function(p, call)
	if refusal := asError(err); err != nil && refusal.Status == http.StatusNotImplemented {
		return "", unsupported("the condition operator '%s'.", c.operator)
	}
	return sql, err
}

// literalOf reads a value that is given as text, by the type of its column.
func (c *column) literalOf(text string) (odata.Literal, error) {
	if edmOf(c) == "Edm.String" {
		return odata.Literal{Kind: odata.String, Text: text, Value: text}, nil
	}
	if c.Type == schema.TypeBoolean && (text == "0" || text == "1") {
		return odata.Literal{Kind: odata.Boolean, Text: text, Value: text == "1"}, nil
	}
	e, err := odata.ParseExpr(strings.ToLower(strings.Trim(text, "{}")), nil)
	lit, ok := e.(odata.Literal)
	if at, isTime := odata.ParseTime(text); isTime {
		lit, ok, err = at, true, nil
	}
	if err != nil || !ok {
		return lit, failf(400, "0x8004025c", "The value '%s' is not valid for the attribute '%s'.", text, c.LogicalName)
	}
	return lit, nil
}

func (s *selection) criterionIn(p place, c criterion) (string, error) {
	if len(c.values) == 0 {
		return "", failf(400, "0x8004025c", "The condition on '%s' needs values.", c.column)
	}
	marks := make([]string, len(c.values))
	for i, text := range c.values {
		lit, err := p.c.literalOf(text)
		if err != nil {
			return "", err
		}
		v, err := p.c.operand(lit, "eq")
		if err != nil {
			return "", err
		}
		marks[i] = s.arg(v)
	}
	sql := p.c.comparable(p.sql()) + " IN (" + strings.Join(marks, ", ") + ")"
	if c.operator == "not-in" {
		return "(NOT " + sql + " OR " + p.sql() + " IS NULL)", nil
	}
	return sql, nil
}

func (s *selection) criterionLike(p place, c criterion) (string, error) {
	if edmOf(p.c) != "Edm.String" || len(c.values) != 1 {
		return "", failf(400, "0x8004025c", "The condition '%s' on '%s' needs a text column and one value.", c.operator, c.column)
	}
	text := storage.FoldInner(c.values[0])
	switch c.operator {
	case "begins-with", "not-begin-with":
		text += "%"
	case "ends-with", "not-end-with":
		text = "%" + text
	}
	sql := fmt.Sprintf("fold(%s) LIKE %s", p.sql(), s.arg(driver.Value(text)))
	if strings.HasPrefix(c.operator, "not-") {
		return "(NOT " + sql + " OR " + p.sql() + " IS NULL)", nil
	}
	return sql, nil
}
