package dataversetest

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"penstock/internal/dataversetest/odata"
)

// fetchQuery is a FetchXML query.
type fetchQuery struct {
	Top       int         `xml:"top,attr"`
	Count     int         `xml:"count,attr"`
	Page      int         `xml:"page,attr"`
	Aggregate bool        `xml:"aggregate,attr"`
	Distinct  bool        `xml:"distinct,attr"`
	Total     bool        `xml:"returntotalrecordcount,attr"`
	Entity    fetchEntity `xml:"entity"`
}

// fetchEntity is the table of a query, or with the attributes of a link one that is joined to it.
type fetchEntity struct {
	Name       string           `xml:"name,attr"`
	From       string           `xml:"from,attr"` // column of this table
	To         string           `xml:"to,attr"`   // column of the table that it is joined to
	Alias      string           `xml:"alias,attr"`
	LinkType   string           `xml:"link-type,attr"`
	All        *struct{}        `xml:"all-attributes"`
	Attributes []fetchAttribute `xml:"attribute"`
	Filters    []fetchFilter    `xml:"filter"`
	Orders     []fetchOrder     `xml:"order"`
	Links      []fetchEntity    `xml:"link-entity"`
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
	Entity     string `xml:"entityname,attr"`
	Descending bool   `xml:"descending,attr"`
}

type fetchFilter struct {
	Type       string           `xml:"type,attr"`
	Conditions []fetchCondition `xml:"condition"`
	Filters    []fetchFilter    `xml:"filter"`
	Links      []struct{}       `xml:"link-entity"`
}

type fetchCondition struct {
	Attribute string   `xml:"attribute,attr"`
	Entity    string   `xml:"entityname,attr"`
	Operator  string   `xml:"operator,attr"`
	Value     *string  `xml:"value,attr"`
	ValueOf   string   `xml:"valueof,attr"`
	Values    []string `xml:"value"`
}

func readFetch(text string) (*fetchQuery, error) {
	var q fetchQuery
	if err := xml.Unmarshal([]byte(text), &q); err != nil {
		return nil, failf(400, "0x80041102", "Invalid FetchXML: %v", err)
	}
	if q.Top > 0 && (q.Count > 0 || q.Page > 0) {
		return nil, failf(400, "0x80041102", "The top attribute can't be specified with paging attribute page.")
	}
	return &q, nil
}

func (f fetchFilter) criteria() (criteria, error) {
	c := criteria{or: f.Type == "or"}
	if len(f.Links) > 0 {
		return c, unsupported("link-entity within a filter in FetchXML.")
	}
	for _, condition := range f.Conditions {
		if condition.ValueOf != "" {
			return c, unsupported("conditions that compare columns (valueof) in FetchXML.")
		}
		values := condition.Values
		if condition.Value != nil {
			values = append([]string{*condition.Value}, values...)
		}
		c.conditions = append(c.conditions, criterion{condition.Attribute, condition.Operator, values, condition.Entity})
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
	q, err := readFetch(text)
	if err != nil {
		return nil, err
	}
	if q.Entity.Name != t.LogicalName {
		return nil, failf(400, "0x80060888", "The entity '%s' of the FetchXML is not that of the set '%s'.", q.Entity.Name, t.SetName)
	}
	var o output
	err = s.read(r, func(w *work) error {
		if err := w.syncMessages(t); err != nil {
			return err
		}
		f := &fetching{w: w, q: q}
		if err := f.open(t); err != nil {
			return err
		}
		if q.Aggregate {
			return f.writeAggregate(&o)
		}
		return f.writeRows(&o)
	})
	if err != nil {
		return nil, err
	}
	a := jsonReply(&o)
	r.applied(a)
	return a, nil
}

// fetching is a FetchXML query on its way to SQL.
type fetching struct {
	w       *work
	q       *fetchQuery
	sel     *selection // of the main table
	aliases map[string]*selection
	where   string
	shown   []*column  // of the main table
	extra   []aliased  // what goes by an alias, of any table
	orders  []string   // SQL
	groups  []grouping // of an aggregate
	totals  []total
}

// aliased is a column that is shown under another name.
type aliased struct {
	place
	name string
}

// open reads the main table, then everything joined to it.
func (f *fetching) open(t *table) error {
	sel, _, err := f.w.restrict(t, nil, nil)
	if err != nil {
		return err
	}
	f.sel, f.aliases = sel, map[string]*selection{}
	if err := f.join(sel, f.q.Entity.Links); err != nil {
		return err
	}
	if f.where, err = f.filters(sel, f.q.Entity.Filters); err != nil {
		return err
	}
	return f.entity(sel, &f.q.Entity, true)
}

// filters compiles the filters of one table; conditions may name others by their alias.
func (f *fetching) filters(s *selection, list []fetchFilter) (string, error) {
	all := criteria{}
	for _, filter := range list {
		c, err := filter.criteria()
		if err != nil {
			return "", err
		}
		all.filters = append(all.filters, c)
	}
	s.aliases = f.aliases
	return s.compile(all)
}

// join adds the tables that are linked. SQL's arguments stand in the order of its text, so that the filter of a link is
// compiled where its join is.
func (f *fetching) join(parent *selection, links []fetchEntity) error {
	for i := range links {
		link := &links[i]
		next, err := f.joined(parent, link)
		if err != nil {
			return err
		}
		if link.Alias == "" {
			link.Alias = link.Name + strconv.Itoa(len(f.aliases)+1) // as the service names them: account1, contact2
		}
		if f.aliases[link.Alias] != nil {
			return failf(400, "0x80041102", "The alias '%s' is used more than once.", link.Alias)
		}
		f.aliases[link.Alias] = next
		condition, err := f.filters(next, link.Filters)
		if err != nil {
			return err
		}
		fmt.Fprintf(next.joins, " AND %s", condition)
		f.sel.args, next.args = append(f.sel.args, next.args...), nil
		if err := f.join(next, link.Links); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetching) joined(parent *selection, link *fetchEntity) (*selection, error) {
	kind := map[string]string{"": "JOIN", "inner": "JOIN", "outer": "LEFT JOIN"}[link.LinkType]
	target := f.w.s.table(link.Name)
	switch {
	case kind == "":
		return nil, unsupported("the link-type '%s' in FetchXML.", link.LinkType)
	case target == nil:
		return nil, failf(400, "0x80041102", "The entity with a name = '%s' was not found in the MetadataCache.", link.Name)
	case parent.t.elastic() || target.elastic():
		return nil, errElasticJoin()
	}
	if err := f.w.r.user.may("Read", target); err != nil {
		return nil, err
	}
	if err := f.w.ready(target); err != nil {
		return nil, err
	}
	from, to := target.byName[link.From], parent.t.byName[link.To]
	switch {
	case from == nil:
		return nil, errAttribute(target, link.From)
	case to == nil:
		return nil, errAttribute(parent.t, link.To)
	}
	for _, side := range []struct {
		t *table
		c *column
	}{{target, from}, {parent.t, to}} {
		if side.c.IsLookup() {
			if err := f.w.indexLookup(side.t, side.c); err != nil {
				return nil, err
			}
		}
	}
	next := *parent
	next.t, next.alias, next.args = target, f.sel.nextAlias(), nil
	fmt.Fprintf(f.sel.joins, " %s %s AS %s ON %s = %s", kind, target.sql(), next.alias, from.comparable(next.col(from)), to.comparable(parent.col(to)))
	return &next, nil
}

// entity takes the attributes and orders of a table, and of those joined to it.
func (f *fetching) entity(s *selection, e *fetchEntity, main bool) error {
	if e.All != nil || main && len(e.Attributes) == 0 && !f.q.Aggregate {
		if main {
			f.shown, _ = s.t.shown(nil)
		} else {
			for _, c := range s.t.columns {
				if c.property != "" && c.ForRead {
					f.extra = append(f.extra, aliased{place{s, c}, e.Alias + "." + c.LogicalName})
				}
			}
		}
	}
	for _, a := range e.Attributes {
		if err := f.attribute(s, e, a, main); err != nil {
			return err
		}
	}
	for _, by := range e.Orders {
		if err := f.order(s, by); err != nil {
			return err
		}
	}
	for i := range e.Links {
		if err := f.entity(f.aliases[e.Links[i].Alias], &e.Links[i], false); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetching) attribute(s *selection, e *fetchEntity, a fetchAttribute, main bool) error {
	c := s.t.byName[a.Name]
	switch {
	case c == nil || c.property == "":
		return errAttribute(s.t, a.Name)
	case f.q.Aggregate:
		return f.aggregated(place{s, c}, a)
	case a.Alias != "":
		f.extra = append(f.extra, aliased{place{s, c}, a.Alias})
	case main:
		f.shown = append(f.shown, c)
	default:
		f.extra = append(f.extra, aliased{place{s, c}, e.Alias + "." + a.Name})
	}
	return nil
}

func (f *fetching) order(s *selection, by fetchOrder) error {
	direction := ""
	if by.Descending {
		direction = " DESC"
	}
	if by.Alias != "" && f.q.Aggregate {
		f.orders = append(f.orders, quoteAlias(by.Alias)+direction)
		return nil
	}
	if by.Entity != "" {
		if s = f.aliases[by.Entity]; s == nil {
			return failf(400, "0x80041102", "There is no link-entity with the alias '%s'.", by.Entity)
		}
	}
	c := s.t.byName[by.Attribute]
	if c == nil || c.property == "" {
		return errAttribute(s.t, by.Attribute)
	}
	f.orders = append(f.orders, c.sortable(s.col(c))+direction)
	return nil
}

func quoteAlias(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func errAttribute(t *table, name string) error {
	return failf(400, "0x80041103", "'%s' entity doesn't contain attribute with Name = '%s' and NameMapping = 'Logical'.", t.LogicalName, name)
}

// columns lists what a row is read as: the main table's columns, then those with an alias.
func (f *fetching) columns() (string, []*column) {
	shown := append([]*column(nil), f.shown...)
	var b strings.Builder
	if f.q.Distinct {
		b.WriteString("DISTINCT 0, '', 0")
		for _, c := range f.shown {
			f.sel.writeColumn(&b, c)
		}
	} else {
		b.WriteString(f.w.columnsSQL(f.sel, f.shown))
	}
	for _, a := range f.extra {
		a.s.writeColumn(&b, a.c)
		shown = append(shown, a.c)
	}
	return b.String(), shown
}

func (f *fetching) writeRows(o *output) error {
	if !f.q.Distinct && f.sel.t.id != nil {
		f.shown = withColumn(f.shown, f.sel.t.id)
	}
	columns, shown := f.columns()
	p := &page{t: f.sel.t, query: &odata.Query{}, total: -1, shown: f.shown, extra: f.extra, bare: f.q.Distinct}
	size, number := maxPage, max(f.q.Page, 1)
	if n := f.q.Count + f.q.Top; n > 0 {
		size = min(n, maxPage)
	}
	text := f.sel.from(columns) + " WHERE " + f.where
	if f.q.Total {
		row, err := f.w.tx.Row("SELECT count(*) FROM ("+text+" LIMIT "+itoa(maxPage)+")", f.sel.args...)
		if err != nil {
			return err
		}
		p.total, _ = row[0].(int64)
	}
	orders := f.orders
	if !f.q.Distinct {
		orders = append(orders, f.sel.alias+".rowid")
	}
	if len(orders) > 0 {
		text += " ORDER BY " + strings.Join(orders, ", ")
	}
	text += " LIMIT " + itoa(size+1) + " OFFSET " + itoa(size*(min(number, 1_000_000)-1))
	var err error
	if p.rows, err = f.w.records(text, f.sel.args, shown); err != nil {
		return err
	}
	more := len(p.rows) > size
	p.rows = p.rows[:min(len(p.rows), size)]
	if err := f.w.writePage(o, p); err != nil || !more || f.q.Top > 0 {
		return err
	}
	// FetchXML pages by number; the cookie says that there is more.
	o.b = o.b[:len(o.b)-1]
	o.raw(`,"@Microsoft.Dynamics.CRM.fetchxmlpagingcookie":`).str(fmt.Sprintf(`<cookie pagenumber="%d" pagingcookie="%s" istracking="False" />`,
		number+1, "%253ccookie%2520page%253d%2522"+itoa(number)+"%2522%253e%253c%252fcookie%253e"))
	o.raw(`,"@Microsoft.Dynamics.CRM.morerecords":true}`)
	return nil
}

func withColumn(list []*column, c *column) []*column {
	for _, other := range list {
		if other == c {
			return list
		}
	}
	return append(list, c)
}

// grouping is a column by which an aggregate groups; total is one that it computes.
type grouping struct {
	aliased
	part string // of a date: year, quarter, month, week, day
}

type total struct {
	place
	aggregate
}

var fetchAggregates = map[string]string{"count": "$count", "countcolumn": "count", "sum": "sum", "avg": "average", "min": "min", "max": "max"}

func (f *fetching) aggregated(p place, a fetchAttribute) error {
	if a.Alias == "" {
		return failf(400, "0x80041102", "Every attribute of an aggregate query needs the name of a column and an alias.")
	}
	if a.GroupBy {
		f.groups = append(f.groups, grouping{aliased{p, a.Alias}, a.Grouping})
		return nil
	}
	method, ok := fetchAggregates[a.Aggregate]
	if !ok {
		return unsupported("the aggregate '%s' in FetchXML.", a.Aggregate)
	}
	if a.Distinct && a.Aggregate == "countcolumn" {
		method = "countdistinct"
	}
	f.totals = append(f.totals, total{p, aggregate{p.c.property, method, a.Alias}})
	return nil
}

func (f *fetching) writeAggregate(o *output) error {
	n, err := f.w.countUpTo(f.sel, f.where, maxAggregated+1)
	if err != nil {
		return err
	}
	if n > maxAggregated {
		return errTooManyToAggregate()
	}
	return f.w.writeAggregates(o, f.sel, f.where, f.groups, f.totals, f.orders)
}

func errTooManyToAggregate() error {
	return failf(400, "0x8004e023", "The maximum record limit of %d is exceeded. Reduce the number of records.", maxAggregated)
}
