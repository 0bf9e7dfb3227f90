package dataversetest

import (
	"database/sql/driver"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"penstock/internal/dataversetest/odata"
)

// maxPage is how many records a page holds at most, and how far $count counts.
const maxPage = 5000

// membership restricts a query to the collection of one record.
type membership struct {
	of    *reference
	field field
}

// getRows answers GET /set and GET /set(key)/collection.
func (s *Server) getRows(r *request, t *table, m *membership) (*response, error) {
	if t == nil {
		return nil, errNoSegment(r.path[len(r.path)-1].Name)
	}
	if err := s.mayQuery(r, t, m); err != nil {
		return nil, err
	}
	if err := refuseOptions(r); err != nil {
		return nil, err
	}
	if err := r.begin(t, "RetrieveMultiple", 1, false); err != nil {
		return nil, err
	}
	if r.query.Apply != "" {
		return s.getAggregate(r, t, m)
	}
	if fetch := r.query.Other.Get("fetchXml"); fetch != "" {
		return s.getFetch(r, t, fetch)
	}
	if sql := r.query.Other.Get("sql"); sql != "" {
		return s.getSQL(r, t, sql)
	}
	if r.tracks() {
		return s.getChanges(r, t, m)
	}
	var o output
	err := s.read(r, func(w *work) error {
		if err := w.syncMessages(t); err != nil {
			return err
		}
		p, err := w.page(t, r.query, m)
		if err != nil {
			return err
		}
		return w.writePage(&o, p)
	})
	if err != nil {
		return nil, err
	}
	a := jsonReply(&o)
	r.applied(a)
	return a, nil
}

func (s *Server) mayQuery(r *request, t *table, m *membership) error {
	if m != nil {
		if err := r.user.may("Read", m.of.table); err != nil {
			return err
		}
	}
	return r.user.may("Read", t)
}

// refuseOptions names what the emulator does not do, before it could answer wrongly.
func refuseOptions(r *request) error {
	for option, name := range map[string]string{"savedQuery": "saved queries (savedQuery).", "userQuery": "user queries (userQuery)."} {
		if r.query.Other.Has(option) {
			return unsupported("%s", name)
		}
	}
	if r.query.Search != "" {
		return unsupported("$search.")
	}
	return nil
}

func (r *request) applied(a *response) {
	if len(r.prefer.applied) > 0 {
		a.header.Set("Preference-Applied", strings.Join(r.prefer.applied, ","))
	}
}

// page is one page of a query's records.
type page struct {
	t     *table
	query *odata.Query
	shown []*column
	rows  []record
	total int64 // -1 when not asked for
	next  string
	delta string     // link to the changes from now on
	since deltaToken // when the query began that tracks changes
	gone  []string   // ids of deleted records
	extra []aliased  // further columns, under names of their own
	bare  bool       // rows are no records: they have neither etag nor id
}

// record is a row as it was read.
type record struct {
	row     int64
	id      string
	version int64
	values  []driver.Value // of the shown columns
	points  []string
}

// page runs a query.
func (w *work) page(t *table, q *odata.Query, m *membership) (*page, error) {
	p := &page{t: t, query: q, total: -1}
	var err error
	if p.shown, err = t.shown(q.Select); err != nil {
		return nil, err
	}
	sel, where, err := w.restrict(t, q.Filter, m)
	if err != nil {
		return nil, err
	}
	order, err := sel.order(q.OrderBy)
	if err != nil {
		return nil, err
	}
	if q.Count {
		if p.total, err = w.countUpTo(sel, where, maxPage); err != nil {
			return nil, err
		}
	}
	size, final := w.pageSize(q)
	token, err := parseToken(q.SkipToken)
	if err != nil {
		return nil, err
	}
	args := sel.args
	text := sel.from(w.columnsSQL(sel, p.shown)) + " WHERE " + where
	switch {
	case token.page == 0:
	case len(q.OrderBy) == 0:
		text += " AND " + sel.alias + ".rowid > " + strconv.FormatInt(token.last, 10)
	}
	text += " ORDER BY " + order + " LIMIT " + strconv.Itoa(size+1)
	if token.page > 0 && len(q.OrderBy) > 0 {
		text += " OFFSET " + strconv.FormatInt(token.last, 10)
	}
	if p.rows, err = w.records(text, args, p.shown); err != nil {
		return nil, err
	}
	if len(p.rows) > size {
		p.rows = p.rows[:size]
		if !final && size > 0 {
			p.next = w.nextLink(p, token, size)
		}
	}
	return p, nil
}

// pageSize is how many records to return. A page size that the client prefers goes before $top.
func (w *work) pageSize(q *odata.Query) (size int, final bool) {
	if n := w.r.prefer.pageSize; n > 0 && q == w.r.query {
		return min(n, maxPage), false
	}
	if q.Top != nil && *q.Top <= maxPage {
		return *q.Top, true
	}
	return maxPage, false
}

// restrict begins a query over the records that match.
func (w *work) restrict(t *table, filter odata.Expr, m *membership) (*selection, string, error) {
	if err := w.ready(t); err != nil {
		return nil, "", err
	}
	sel := w.newSelection(t)
	where := "1"
	if m != nil {
		f, err := w.locate(m.of)
		if err == nil && f == nil {
			err = m.of.missing()
		}
		if err != nil {
			return nil, "", err
		}
		if where, err = sel.memberOf(m.field, m.of.table, "'"+f.id+"'"); err != nil {
			return nil, "", err
		}
	}
	if filter != nil {
		condition, err := sel.condition(filter)
		if err != nil {
			return nil, "", err
		}
		where += " AND " + condition
	}
	return sel, where, nil
}

func (s *selection) from(columns string) string {
	return "SELECT " + columns + " FROM " + s.t.sql() + " AS " + s.alias + s.joins.String()
}

func (w *work) countUpTo(sel *selection, where string, limit int) (int64, error) {
	row, err := w.tx.Row("SELECT count(*) FROM ("+sel.from("1")+" WHERE "+where+" LIMIT "+strconv.Itoa(limit)+")", sel.args...)
	if err != nil {
		return 0, err
	}
	return row[0].(int64), nil
}

// columnsSQL lists what records() reads.
func (w *work) columnsSQL(sel *selection, shown []*column) string {
	var b strings.Builder
	b.WriteString(sel.alias + ".rowid, ")
	if sel.t.id != nil {
		b.WriteString(sel.col(sel.t.id) + ", ")
	} else {
		b.WriteString("'', ")
	}
	if sel.t.version != nil {
		b.WriteString(sel.col(sel.t.version))
	} else {
		b.WriteString("0")
	}
	for _, c := range shown {
		sel.writeColumn(&b, c)
	}
	return b.String()
}

// writeColumn adds a column to a list of columns.
func (s *selection) writeColumn(b *strings.Builder, c *column) {
	b.WriteString(", " + s.col(c))
	if c.manyTo {
		b.WriteString(", " + s.alias + "." + c.pointsTo)
	}
}

func (w *work) records(text string, args []driver.Value, shown []*column) ([]record, error) {
	var out []record
	err := w.tx.Query(text, args, func(row []driver.Value) error {
		rec := record{row: row[0].(int64), values: make([]driver.Value, len(shown)), points: make([]string, len(shown))}
		rec.id, _ = row[1].(string)
		rec.version, _ = row[2].(int64)
		at := 3
		for i, c := range shown {
			rec.values[i] = row[at]
			at++
			if c.manyTo {
				rec.points[i], _ = row[at].(string)
				at++
			} else if len(c.Targets) == 1 {
				rec.points[i] = c.Targets[0]
			}
		}
		out = append(out, rec)
		return nil
	})
	return out, err
}

// shown are the columns that a $select asks for; the primary id is always among them.
func (t *table) shown(names []string) ([]*column, error) {
	var out []*column
	if len(names) == 0 {
		for _, c := range t.columns {
			if c.property != "" && c.ForRead {
				out = append(out, c)
			}
		}
		return out, nil
	}
	seen := map[*column]bool{}
	add := func(c *column) {
		if c != nil && !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	for _, name := range names {
		f, ok := t.fields[name]
		switch {
		case name == "*":
			return t.shown(nil)
		case !ok || f.bind:
			return nil, errProperty(name, t.LogicalName)
		case f.lookup == nil && f.column != nil:
			add(f.column)
		}
	}
	add(t.id)
	return out, nil
}

// skipToken is where the next page starts: after a row, or with an order of its own after so many.
type skipToken struct {
	page  int
	last  int64
	since deltaToken // of a query that tracks changes
}

var cookiePattern = regexp.MustCompile(`^<cookie pagenumber="(\d{1,9})" pagingcookie="([^"]*)" istracking="(?:False|True)" />$`)
var lastPattern = regexp.MustCompile(`last="(\d{1,18})"`)
var sincePattern = regexp.MustCompile(`since="([^"]*)"`)

func parseToken(text string) (skipToken, error) {
	if text == "" {
		return skipToken{}, nil
	}
	m := cookiePattern.FindStringSubmatch(text)
	if m == nil {
		return skipToken{}, failf(400, "0x80060888", "Malformed XML in the Paging Cookie")
	}
	inner, err := url.QueryUnescape(m[2])
	last := lastPattern.FindStringSubmatch(inner)
	if err != nil || last == nil {
		return skipToken{}, failf(400, "0x80060888", "Malformed XML in the Paging Cookie")
	}
	var token skipToken
	token.page, _ = strconv.Atoi(m[1])
	token.last, _ = strconv.ParseInt(last[1], 10, 64)
	if since := sincePattern.FindStringSubmatch(inner); since != nil {
		if token.since, err = parseDelta(since[1]); err != nil {
			return skipToken{}, err
		}
	}
	return token, nil
}

// nextLink leads to the next page. Clients follow it as it is.
func (w *work) nextLink(p *page, token skipToken, size int) string {
	last := p.rows[len(p.rows)-1].row
	if len(p.query.OrderBy) > 0 {
		last = token.last + int64(size)
	}
	return w.nextLinkAt(p, token, last)
}

// nextLinkAt leads to the page after a row, or after so many of them.
func (w *work) nextLinkAt(p *page, token skipToken, last int64) string {
	number := max(token.page, 1)
	since, tracking := "", "False"
	if p.since.version > 0 {
		since, tracking = fmt.Sprintf(` since="%s"`, p.since), "True"
	}
	cookie := fmt.Sprintf(`<cookie page="%d"><row last="%d"%s /></cookie>`, number, last, since)
	outer := fmt.Sprintf(`<cookie pagenumber="%d" pagingcookie="%s" istracking="%s" />`, number+1, url.QueryEscape(cookie), tracking)
	base, _, _ := strings.Cut(w.r.url, "?")
	if !strings.Contains(base, "://") {
		base = w.r.base + strings.TrimPrefix(base, "/api/data/v"+w.r.version+"/")
	}
	kept := append(keptOptions(p.query.Raw, "$skiptoken"), "$skiptoken="+strings.ReplaceAll(url.QueryEscape(outer), "+", "%20"))
	return base + "?" + strings.Join(kept, "&")
}

// keptOptions are those of a query without the ones named.
func keptOptions(raw string, without ...string) []string {
	var kept []string
	for option := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(option, "=")
		if option != "" && !slices.Contains(without, strings.Replace(name, "%24", "$", 1)) {
			kept = append(kept, option)
		}
	}
	return kept
}

// getCount answers /set/$count: a bare number.
func (s *Server) getCount(r *request, t *table, m *membership) (*response, error) {
	if t == nil {
		return nil, errNoSegment("$count")
	}
	if err := s.mayQuery(r, t, m); err != nil {
		return nil, err
	}
	if err := refuseOptions(r); err != nil {
		return nil, err
	}
	if err := r.begin(t, "RetrieveMultiple", 1, false); err != nil {
		return nil, err
	}
	if r.tracks() {
		return s.countChanges(r, t, m)
	}
	var n int64
	err := s.read(r, func(w *work) error {
		sel, where, err := w.restrict(t, r.query.Filter, m)
		if err == nil {
			n, err = w.countUpTo(sel, where, maxPage)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	a := reply(http.StatusOK)
	a.header.Set("Content-Type", "text/plain")
	a.body = []byte(strconv.FormatInt(n, 10))
	return a, nil
}

// getRow answers GET /set(key).
func (s *Server) getRow(r *request, ref *reference) (*response, error) {
	if err := r.user.may("Read", ref.table); err != nil {
		return nil, err
	}
	if err := r.begin(ref.table, "Retrieve", 1, ref.key != nil); err != nil {
		return nil, err
	}
	a := reply(http.StatusOK)
	err := s.read(r, func(w *work) error {
		f, err := w.locate(ref)
		if err != nil {
			return err
		}
		if f == nil {
			return ref.missing()
		}
		if version, ok := parseEtag(r.header.Get("If-None-Match")); ok && version == f.version {
			a.status = http.StatusNotModified
			a.header.Set("ETag", etag(f.version))
			return nil
		}
		r.applied(a)
		return w.representation(a, &reference{table: ref.table, id: f.id, partition: ref.partition})
	})
	return a, err
}

func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

func parseEtag(text string) (int64, bool) {
	text = strings.Trim(strings.TrimPrefix(text, "W/"), `"`)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// representation writes one record as the body of an answer.
func (w *work) representation(a *response, ref *reference) error {
	shown, err := ref.table.shown(w.r.query.Select)
	if err != nil {
		return err
	}
	sel := w.newSelection(ref.table)
	where, args := sel.col(ref.table.id)+" = ?", []driver.Value{ref.id}
	if ref.table.partition != nil {
		where += " AND " + sel.col(ref.table.partition) + " = ?"
		args = append(args, ref.inPartition())
	}
	rows, err := w.records(sel.from(w.columnsSQL(sel, shown))+" WHERE "+where, args, shown)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return ref.missing()
	}
	var o output
	o.raw("{")
	if !w.r.plain() {
		o.raw(`"@odata.context":`).str(w.r.context(ref.table) + "/$entity").raw(",")
	}
	if err := w.writeRecord(&o, ref.table, shown, &rows[0], w.r.query); err != nil {
		return err
	}
	a.body = o.raw("}").bytes()
	a.header.Set("Content-Type", w.r.contentType())
	a.header.Set("ETag", etag(rows[0].version))
	return nil
}
