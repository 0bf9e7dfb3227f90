package dataversetest

import (
	"strconv"
	"strings"

	"penstock/internal/dataversetest/odata"
)

// fetchToQuery answers FetchXmlToQueryExpression(FetchXml=@x): the same query in the form that BulkDelete takes.
func (s *Server) fetchToQuery(r *request) (*response, error) {
	e, err := r.path[0].Arg("FetchXml", r.query.Aliases)
	if err != nil {
		return nil, err
	}
	lit, ok := e.(odata.Literal)
	if !ok || lit.Kind != odata.String {
		return nil, failf(400, "0x80040203", "The parameter FetchXml is missing or is no string.")
	}
	q, err := readFetch(lit.String())
	if err != nil {
		return nil, err
	}
	t := s.table(q.Entity.Name)
	switch {
	case t == nil:
		return nil, failf(400, "0x80041102", "The entity with a name = '%s' was not found in the MetadataCache.", q.Entity.Name)
	case q.Aggregate:
		return nil, failf(400, "0x80041102", "Aggregate queries cannot be converted to a QueryExpression.")
	case len(q.Entity.Links) > 0:
		return nil, unsupported("link-entity in FetchXmlToQueryExpression.")
	}
	c, err := q.Entity.criteria()
	if err != nil {
		return nil, err
	}
	var o output
	r.typed(&o, "FetchXmlToQueryExpressionResponse").raw(`,"Query":{"Distinct":`).raw(strconv.FormatBool(q.Distinct)).raw(`,"NoLock":false,"PageInfo":{"PageNumber":`)
	o.num(int64(q.Page)).raw(`,"Count":`).num(int64(q.Count)).raw(`,"ReturnTotalRecordCount":`).raw(strconv.FormatBool(q.Total)).raw(`,"PagingCookie":null},"LinkEntities":[],"Criteria":`)
	if err := o.criteria(t, c); err != nil {
		return nil, err
	}
	o.raw(`,"Orders":[`)
	for i, by := range q.Entity.Orders {
		if i > 0 {
			o.raw(",")
		}
		kind := "Ascending"
		if by.Descending {
			kind = "Descending"
		}
		o.raw(`{"AttributeName":`).str(by.Attribute).raw(`,"OrderType":"` + kind + `"}`)
	}
	o.raw(`],"EntityName":`).str(t.LogicalName).raw(`,"ColumnSet":`)
	o.columnSet(q.Entity)
	if q.Top > 0 {
		o.raw(`,"TopCount":`).num(int64(q.Top))
	}
	return jsonReply(o.raw("}}")), nil
}

func (e *fetchEntity) criteria() (criteria, error) {
	var all criteria
	for _, f := range e.Filters {
		c, err := f.criteria()
		if err != nil {
			return all, err
		}
		all.filters = append(all.filters, c)
	}
	if len(all.filters) == 1 {
		return all.filters[0], nil
	}
	return all, nil
}

func (o *output) columnSet(e fetchEntity) {
	o.raw(`{"AllColumns":`).raw(strconv.FormatBool(e.All != nil)).raw(`,"Columns":[`)
	for i, a := range e.Attributes {
		if i > 0 {
			o.raw(",")
		}
		o.str(a.Name)
	}
	o.raw(`],"AttributeExpressions":[]}`)
}

// criteria writes a FilterExpression.
func (o *output) criteria(t *table, c criteria) error {
	operator := "And"
	if c.or {
		operator = "Or"
	}
	o.raw(`{"FilterOperator":"` + operator + `","Conditions":[`)
	for i, condition := range c.conditions {
		if i > 0 {
			o.raw(",")
		}
		if err := o.condition(t, condition); err != nil {
			return err
		}
	}
	o.raw(`],"Filters":[`)
	for i, f := range c.filters {
		if i > 0 {
			o.raw(",")
		}
		if err := o.criteria(t, f); err != nil {
			return err
		}
	}
	o.raw("]}")
	return nil
}

func (o *output) condition(t *table, c criterion) error {
	col := t.byName[c.column]
	if col == nil {
		return errAttribute(t, c.column)
	}
	name := ""
	for expression, fetch := range queryOperators {
		if fetch == c.operator || fetch == "ne" && c.operator == "neq" {
			name = expression
		}
	}
	if name == "" {
		return unsupported("the condition operator '%s'.", c.operator)
	}
	o.raw(`{"EntityName":null,"AttributeName":`).str(c.column).raw(`,"Operator":"` + name + `","CompareColumns":false,"Values":[`)
	for i, v := range c.values {
		if i > 0 {
			o.raw(",")
		}
		o.raw(`{"Value":`).str(v).raw(`,"Type":`).str("System." + clrName(edmOf(col))).raw("}")
	}
	o.raw("]}")
	return nil
}

// clrName is the .NET type of an OData type.
func clrName(edm string) string {
	name := strings.TrimPrefix(edm, "Edm.")
	switch name {
	case "DateTimeOffset", "Date":
		return "DateTime"
	}
	return name
}
