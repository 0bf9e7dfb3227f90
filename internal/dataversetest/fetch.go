package dataversetest

import (
	"encoding/xml"
	"fmt"
	"strconv"

	"penstock/internal/dataversetest/odata"
)

// fetchQuery is a FetchXML query over one table.
type fetchQuery struct {
	Top       int         `xml:"top,attr"`
	Count     int         `xml:"count,attr"`
	Page      int         `xml:"page,attr"`
	Aggregate bool        `xml:"aggregate,attr"`
	Distinct  bool        `xml:"distinct,attr"`
	Total     bool        `xml:"returntotalrecordcount,attr"`
	Entity    fetchEntity `xml:"entity"`
}

type fetchEntity struct {
	Name       string           `xml:"name,attr"`
	All        *struct{}        `xml:"all-attributes"`
	Attributes []fetchAttribute `xml:"attribute"`
	Filters    []fetchFilter    `xml:"filter"`
	Orders     []fetchOrder     `xml:"order"`
	Links      []struct{}       `xml:"link-entity"`
}

type fetchAttribute struct {
	Name      string `xml:"name,attr"`
	Alias     string `xml:"alias,attr"`
	Aggregate string `xml:"aggregate,attr"`
	Distinct  bool   `xml:"distinct,attr"`
	GroupBy   bool   `xml:"groupby,attr"`
	Grouping  string `xml:"dategrouping,attr"`
}

type fetchOrder struct {
	Attribute  string `xml:"attribute,attr"`
	Alias      string `xml:"alias,attr"`
	Descending bool   `xml:"descending,attr"`
}

type fetchFilter struct {
	Type       string           `xml:"type,attr"`
	Conditions []fetchCondition `xml:"condition"`
	Filters    []fetchFilter    `xml:"filter"`
}

type fetchCondition struct {
	Attribute string   `xml:"attribute,attr"`
	Entity    string   `xml:"entityname,attr"`
	Operator  string   `xml:"operator,attr"`
	Value     *string  `xml:"value,attr"`
	Values    []string `xml:"value"`
}

func parseFetch(text string, t *table) (*fetchQuery, error) {
	var q fetchQuery
	if err := xml.Unmarshal([]byte(text), &q); err != nil {
		return nil, failf(400, "0x80041102", "Invalid FetchXML: %v", err)
	}
	switch {
	case q.Entity.Name != t.LogicalName:
		return nil, failf(400, "0x80060888", "The entity '%s' of the FetchXML is not that of the set '%s'.", q.Entity.Name, t.SetName)
	case len(q.Entity.Links) > 0:
		return nil, unsupported("link-entity in FetchXML.")
	case q.Distinct && !q.Aggregate:
		return nil, unsupported("distinct in FetchXML.")
	case q.Top > 0 && (q.Count > 0 || q.Page > 0):
		return nil, failf(400, "0x80041102", "The top attribute can't be specified with paging attribute page.")
	}
	return &q, nil
}

func (f fetchFilter) criteria() (criteria, error) {
	c := criteria{or: f.Type == "or"}
	for _, condition := range f.Conditions {
		if condition.Entity != "" {
			return c, unsupported("conditions on other tables (entityname) in FetchXML.")
		}
		values := condition.Values
		if condition.Value != nil {
			values = append([]string{*condition.Value}, values...)
		}
		c.conditions = append(c.conditions, criterion{condition.Attribute, condition.Operator, values})
	}
	for _, inner := range f.Filters {
		nested, err := inner.criteria()
		if err != nil {
			return c, err
		}
		c.filters = append(c.filters, nested)
	}
	return c, nil
}

// getFetch answers GET /set?fetchXml=….
func (s *Server) getFetch(r *request, t *table, text string) (*response, error) {
	q, err := parseFetch(text, t)
	if err != nil {
		return nil, err
	}
	var c criteria
	for _, f := range q.Entity.Filters {
		nested, err := f.criteria()
		if err != nil {
			return nil, err
		}
		c.filters = append(c.filters, nested)
	}
	var o output
	err = s.read(r, func(w *work) error {
		if err := w.syncMessages(t); err != nil {
			return err
		}
		sel, _, err := w.restrict(t, nil, nil)
		if err != nil {
			return err
		}
		where, err := sel.compile(c)
		if err != nil {
			return err
		}
		if q.Aggregate {
			return w.fetchAggregate(&o, sel, where, q)
		}
		return w.fetchRows(&o, sel, where, q)
	})
	if err != nil {
		return nil, err
	}
	a := jsonReply(&o)
	r.applied(a)
	return a, nil
}

func (w *work) fetchRows(o *output, sel *selection, where string, q *fetchQuery) error {
	p := &page{t: sel.t, query: &odata.Query{}, total: -1}
	var names []string
	for _, a := range q.Entity.Attributes {
		c := sel.t.byName[a.Name]
		if c == nil || c.property == "" {
			return failf(400, "0x80041103", "'%s' entity doesn't contain attribute with Name = '%s' and NameMapping = 'Logical'.", sel.t.LogicalName, a.Name)
		}
		names = append(names, c.property)
	}
	var err error
	if p.shown, err = sel.t.shown(names); err != nil {
		return err
	}
	var orders []odata.Order
	for _, by := range q.Entity.Orders {
		c := sel.t.byName[by.Attribute]
		if c == nil {
			return failf(400, "0x80041103", "'%s' entity doesn't contain attribute with Name = '%s' and NameMapping = 'Logical'.", sel.t.LogicalName, by.Attribute)
		}
		orders = append(orders, odata.Order{By: odata.Path{Segments: []string{c.property}}, Desc: by.Descending})
	}
	order, err := sel.order(orders)
	if err != nil {
		return err
	}
	if q.Total {
		if p.total, err = w.countUpTo(sel, where, maxPage); err != nil {
			return err
		}
	}
	size, number := maxPage, max(q.Page, 1)
	if n := q.Count + q.Top; n > 0 {
		size = min(n, maxPage)
	}
	text := sel.from(w.columnsSQL(sel, p.shown)) + " WHERE " + where + " ORDER BY " + order +
		" LIMIT " + strconv.Itoa(size+1) + " OFFSET " + strconv.Itoa(size*(number-1))
	if p.rows, err = w.records(text, sel.args, p.shown); err != nil {
		return err
	}
	more := len(p.rows) > size
	p.rows = p.rows[:min(len(p.rows), size)]
	if err := w.writePage(o, p); err != nil || !more || q.Top > 0 {
		return err
	}
	// FetchXML pages by number; the cookie says that there is more.
	o.b = o.b[:len(o.b)-1]
	o.raw(`,"@Microsoft.Dynamics.CRM.fetchxmlpagingcookie":`).str(fmt.Sprintf(`<cookie pagenumber="%d" pagingcookie="%s" istracking="False" />`,
		number+1, "%253ccookie%2520page%253d%2522"+strconv.Itoa(number)+"%2522%253e%253c%252fcookie%253e"))
	o.raw(`,"@Microsoft.Dynamics.CRM.morerecords":true}`)
	return nil
}

var fetchAggregates = map[string]string{"count": "$count", "countcolumn": "count", "sum": "sum", "avg": "average", "min": "min", "max": "max"}

func (w *work) fetchAggregate(o *output, sel *selection, where string, q *fetchQuery) error {
	steps := &transformation{}
	for _, a := range q.Entity.Attributes {
		c := sel.t.byName[a.Name]
		if c == nil || a.Alias == "" {
			return failf(400, "0x80041102", "Every attribute of an aggregate query needs the name of a column and an alias.")
		}
		if a.GroupBy {
			if a.Grouping != "" {
				return unsupported("dategrouping in FetchXML.")
			}
			steps.groups, steps.aliases = append(steps.groups, c.property), append(steps.aliases, a.Alias)
			continue
		}
		method, ok := fetchAggregates[a.Aggregate]
		if !ok {
			return unsupported("the aggregate '%s' in FetchXML.", a.Aggregate)
		}
		if a.Distinct && a.Aggregate == "countcolumn" {
			method = "countdistinct"
		}
		steps.aggregates = append(steps.aggregates, aggregate{c.property, method, a.Alias})
	}
	if len(q.Entity.Orders) > 0 {
		return unsupported("order in an aggregate FetchXML query.")
	}
	n, err := w.countUpTo(sel, where, maxAggregated+1)
	if err != nil {
		return err
	}
	if n > maxAggregated {
		return errTooManyToAggregate()
	}
	return w.writeAggregates(o, sel, where, steps)
}

func errTooManyToAggregate() error {
	return failf(400, "0x8004e023", "The maximum record limit of %d is exceeded. Reduce the number of records.", maxAggregated)
}
