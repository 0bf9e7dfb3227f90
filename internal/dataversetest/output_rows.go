package dataversetest

import (
	"database/sql/driver"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
)

const formattedValue = "OData.Community.Display.V1.FormattedValue"

// plain says whether the client wants no metadata with the values.
func (r *request) plain() bool {
	return strings.Contains(strings.ReplaceAll(r.header.Get("Accept"), " ", ""), "odata.metadata=none")
}

func (r *request) contentType() string {
	if r.plain() {
		return "application/json; odata.metadata=none"
	}
	return jsonType
}

// context is what @odata.context says of the rows of a table.
func (r *request) context(t *table) string {
	text := r.base + "$metadata#" + t.SetName
	var parts []string
	parts = append(parts, r.query.Select...)
	for _, e := range r.query.Expand {
		parts = append(parts, e.Name+"("+strings.Join(e.Query.Select, ",")+")")
	}
	if len(parts) > 0 {
		text += "(" + strings.Join(parts, ",") + ")"
	}
	return text
}

// writePage writes a collection.
func (w *work) writePage(o *output, p *page) error {
	o.raw("{")
	if !w.r.plain() {
		o.raw(`"@odata.context":`).str(w.r.context(p.t)).raw(",")
	}
	if p.total >= 0 {
		o.raw(`"@odata.count":`).num(p.total).raw(",")
	}
	if w.r.prefer.annotates("Microsoft.Dynamics.CRM.totalrecordcount") {
		o.raw(`"@Microsoft.Dynamics.CRM.totalrecordcount":`).num(p.total).raw(",")
		o.raw(`"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded":`).raw(strconv.FormatBool(p.total >= maxPage)).raw(",")
	}
	o.raw(`"value":[`)
	for i := range p.rows {
		if i > 0 {
			o.raw(",")
		}
		o.raw("{")
		if err := w.writeRow(o, p, &p.rows[i]); err != nil {
			return err
		}
		o.raw("}")
	}
	for i, id := range p.gone {
		if i > 0 || len(p.rows) > 0 {
			o.raw(",")
		}
		o.raw(`{"@odata.context":`).str(w.r.base + "$metadata#" + p.t.SetName + "/$deletedEntity").raw(`,"id":`).str(id).raw(`,"reason":"deleted"}`)
	}
	o.raw("]")
	if p.delta != "" {
		o.raw(`,"@odata.deltaLink":`).str(p.delta)
	}
	if p.next != "" {
		o.raw(`,"@odata.nextLink":`).str(p.next)
	}
	o.raw("}")
	return nil
}

// writeRow writes one row of a page: a record, and what was read beside it.
func (w *work) writeRow(o *output, p *page, rec *record) error {
	start := len(o.b)
	if p.bare {
		for i, c := range p.shown {
			w.writeAliased(o, c, c.property, rec, i)
		}
	} else {
		if err := w.writeRecord(o, p.t, p.shown, rec, p.query); err != nil {
			return err
		}
		o.raw(",")
	}
	for i, a := range p.extra {
		w.writeAliased(o, a.c, a.name, rec, len(p.shown)+i)
	}
	if len(o.b) > start {
		o.b = o.b[:len(o.b)-1]
	}
	return nil
}

// writeAliased writes a column under a name of its own.
func (w *work) writeAliased(o *output, c *column, name string, rec *record, at int) {
	v := rec.values[at]
	if w.r.prefer.annotates(formattedValue) {
		text := c.format(v)
		if c.IsLookup() && v != nil {
			text = w.nameOf(rec.points[at], v.(string))
		}
		if text != "" {
			o.str(name + "@" + formattedValue).raw(":").str(text).raw(",")
		}
	}
	if c.IsLookup() && v != nil && w.r.prefer.annotates("Microsoft.Dynamics.CRM.lookuplogicalname") {
		o.str(name + "@Microsoft.Dynamics.CRM.lookuplogicalname").raw(":").str(rec.points[at]).raw(",")
	}
	o.str(name).raw(":")
	c.write(o, v)
	o.raw(",")
}

// writeRecord writes the members of one record, without braces.
func (w *work) writeRecord(o *output, t *table, shown []*column, rec *record, q *odata.Query) error {
	start := len(o.b)
	if !w.r.plain() {
		o.raw(`"@odata.etag":`).str(etag(rec.version)).raw(",")
	}
	formatted := w.r.prefer.annotates(formattedValue)
	for i, c := range shown {
		if formatted {
			w.writeFormatted(o, c, rec.values[i], rec.points[i])
		}
		if c.IsLookup() && rec.values[i] != nil {
			w.writeLookupAnnotations(o, t, c, rec.points[i])
		}
		o.str(c.property).raw(":")
		c.write(o, rec.values[i])
		o.raw(",")
	}
	for _, e := range q.Expand {
		if err := w.writeExpanded(o, t, rec, e); err != nil {
			return err
		}
	}
	if len(o.b) > start {
		o.b = o.b[:len(o.b)-1]
	}
	return nil
}

// write writes the value of a column as JSON.
func (c *column) write(o *output, v driver.Value) {
	switch v := v.(type) {
	case int64:
		if c.Type == schema.TypeBoolean || c.Type == schema.TypeManagedProperty {
			o.raw(strconv.FormatBool(v != 0))
			return
		}
		o.num(v)
	case float64:
		o.b = strconv.AppendFloat(o.b, v, 'f', -1, 64)
	case []byte:
		o.str(base64.StdEncoding.EncodeToString(v))
	case string:
		if c.Type == schema.TypeDecimal || c.Type == schema.TypeMoney {
			o.raw(v)
			return
		}
		o.str(v)
	default:
		o.raw("null")
	}
}

// writeFormatted writes the value as people see it, where that differs.
func (w *work) writeFormatted(o *output, c *column, v driver.Value, points string) {
	text := c.format(v)
	if c.IsLookup() && v != nil {
		text = w.nameOf(points, v.(string))
	}
	if text != "" {
		o.str(c.property + "@" + formattedValue).raw(":").str(text).raw(",")
	}
}

func (w *work) writeLookupAnnotations(o *output, t *table, c *column, points string) {
	if w.r.prefer.annotates("Microsoft.Dynamics.CRM.associatednavigationproperty") {
		if name := t.navigationTo(c, points); name != "" {
			o.str(c.property + "@Microsoft.Dynamics.CRM.associatednavigationproperty").raw(":").str(name).raw(",")
		}
	}
	if w.r.prefer.annotates("Microsoft.Dynamics.CRM.lookuplogicalname") {
		o.str(c.property + "@Microsoft.Dynamics.CRM.lookuplogicalname").raw(":").str(points).raw(",")
	}
}

// navigationTo is the navigation property of a lookup that leads to a table.
func (t *table) navigationTo(c *column, target string) string {
	if c.Type == schema.TypeOwner {
		return "ownerid"
	}
	for _, r := range t.Outgoing {
		if r.Column == c.LogicalName && (r.Referenced == target || target == "") {
			return r.Navigation
		}
	}
	return ""
}

// format is a value as people see it in English; "" where it is no different.
func (c *column) format(v driver.Value) string {
	switch v := v.(type) {
	case int64:
		return c.formatInteger(v)
	case float64:
		return group(strconv.FormatFloat(v, 'f', c.Precision, 64))
	case string:
		return c.formatText(v)
	}
	return ""
}

func (c *column) formatInteger(n int64) string {
	switch c.Type {
	case schema.TypeInteger, schema.TypeBigInt:
		return group(strconv.FormatInt(n, 10))
	}
	if o := c.Options.Option(int(n)); o != nil {
		return o.Label
	}
	return ""
}

func (c *column) formatText(s string) string {
	switch c.Type {
	case schema.TypeDecimal:
		return group(fixed(s, c.Precision))
	case schema.TypeMoney:
		return "$" + group(fixed(s, c.places()))
	case schema.TypeDateTime:
		if c.dateOnly() || c.Format == "DateOnly" {
			at, _ := time.Parse(time.DateOnly, s[:min(10, len(s))])
			return at.Format("1/2/2006")
		}
		at, _ := time.Parse(timestamp, s)
		return at.Format("1/2/2006 3:04 PM")
	case schema.TypeMultiSelect:
		var labels []string
		for part := range strings.SplitSeq(s, ",") {
			n, _ := strconv.Atoi(part)
			if o := c.Options.Option(n); o != nil {
				labels = append(labels, o.Label)
			}
		}
		return strings.Join(labels, "; ")
	}
	return ""
}

// fixed pads a canonical decimal to so many places.
func fixed(s string, places int) string {
	whole, fraction, _ := strings.Cut(s, ".")
	if places <= 0 {
		return whole
	}
	return whole + "." + (fraction + strings.Repeat("0", places))[:max(places, len(fraction))]
}

// group sets thousands apart.
func group(s string) string {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, dot := strings.Cut(digits, ".")
	var b strings.Builder
	if negative {
		b.WriteByte('-')
	}
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if dot {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// nameOf is the primary name of a record.
func (w *work) nameOf(table, id string) string {
	if w.names == nil {
		w.names = map[identifier]string{}
	}
	key := identifier{table, id}
	if name, ok := w.names[key]; ok {
		return name
	}
	name := ""
	if t := w.s.table(table); t != nil && t.byName[t.PrimaryName] != nil && t.id != nil && w.ready(t) == nil {
		row, err := w.tx.Row("SELECT "+t.byName[t.PrimaryName].quoted+" FROM "+t.sql()+" WHERE "+t.id.quoted+" = ?", id)
		if err == nil && row != nil {
			name, _ = row[0].(string)
		}
	}
	w.names[key] = name
	return name
}

// writeExpanded writes what a navigation property of a record leads to.
func (w *work) writeExpanded(o *output, t *table, rec *record, e odata.Expand) error {
	f, ok := t.fields[e.Name]
	if !ok || f.bind || f.lookup == nil && f.column != nil {
		return errProperty(e.Name, t.LogicalName)
	}
	if e.Ref {
		return unsupported("$expand of references ($ref).")
	}
	if t.elastic() {
		return errElasticJoin()
	}
	if f.lookup != nil {
		return w.writeExpandedLookup(o, t, rec, f, e)
	}
	child := w.s.table(f.other(t))
	if child == nil {
		return errProperty(e.Name, t.LogicalName)
	}
	if err := w.r.user.may("Read", child); err != nil {
		return err
	}
	p, err := w.page(child, e.Query, &membership{of: &reference{table: t, id: rec.id}, field: f})
	if err != nil {
		return err
	}
	o.str(e.Name).raw(":[")
	for i := range p.rows {
		if i > 0 {
			o.raw(",")
		}
		o.raw("{")
		if err := w.writeRecord(o, child, p.shown, &p.rows[i], e.Query); err != nil {
			return err
		}
		o.raw("}")
	}
	o.raw("],")
	return nil
}

func (w *work) writeExpandedLookup(o *output, t *table, rec *record, f field, e odata.Expand) error {
	id, points, err := w.lookupOf(t, rec.row, f)
	if err != nil {
		return err
	}
	o.str(e.Name).raw(":")
	target := w.s.table(points)
	if id == "" || target == nil || !w.s.leadsTo(f.lookup, target) {
		o.raw("null,")
		return nil
	}
	if err := w.r.user.may("Read", target); err != nil {
		return err
	}
	shown, err := target.shown(e.Query.Select)
	if err != nil {
		return err
	}
	if err := w.ready(target); err != nil {
		return err
	}
	sel := w.newSelection(target)
	rows, err := w.records(sel.from(w.columnsSQL(sel, shown))+" WHERE "+sel.col(target.id)+" = ?", []driver.Value{id}, shown)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		o.raw("null,")
		return nil
	}
	o.raw("{")
	err = w.writeRecord(o, target, shown, &rows[0], e.Query)
	o.raw("},")
	return err
}

// lookupOf reads where a lookup of a record points to.
func (w *work) lookupOf(t *table, row int64, f field) (id, points string, err error) {
	columns := f.column.quoted
	if f.column.manyTo {
		columns += ", " + f.column.pointsTo
	}
	v, err := w.tx.Row("SELECT "+columns+" FROM "+t.sql()+" WHERE rowid = ?", row)
	if err != nil || v == nil {
		return "", "", err
	}
	id, _ = v[0].(string)
	points = f.column.onlyTarget()
	if f.column.manyTo {
		points, _ = v[1].(string)
	}
	return id, points, nil
}
