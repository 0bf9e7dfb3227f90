package dataversetest

import (
	"database/sql/driver"
	"errors"
	"net/http"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// serveLink answers …/nav/$ref: associate, disassociate, and the references themselves.
func (s *Server) serveLink(r *request, ref *reference, f field, segment odata.Segment) (*response, error) {
	verb := r.method
	if f.lookup == nil && verb == http.MethodPut {
		return nil, errVerb(r)
	}
	switch verb {
	case http.MethodGet:
		return s.getLinks(r, ref, f)
	case http.MethodPost, http.MethodPut:
		return s.addLink(r, ref, f)
	case http.MethodDelete:
		return s.removeLink(r, ref, f, segment)
	}
	return nil, errVerb(r)
}

func (s *Server) addLink(r *request, ref *reference, f field) (*response, error) {
	other, err := s.referenceOf(r)
	if err != nil {
		return nil, err
	}
	if f.lookup == nil && other.table != s.table(f.other(ref.table)) || f.lookup != nil && !s.leadsTo(f.lookup, other.table) {
		return nil, errPayload(ref.table.SetName, "The entity reference link leads to '%s', which '%s' cannot hold.", other.table.LogicalName, f.name)
	}
	if err := r.begin(ref.table, "Associate", 1, false); err != nil {
		return nil, err
	}
	err = s.write(r, func(w *work) error {
		self, err := w.located(ref)
		if err != nil {
			return err
		}
		if err := w.mayAppend(ref.table, other.table); err != nil {
			return err
		}
		return w.associate(f, self, other)
	})
	return reply(http.StatusNoContent), err
}

// located is the reference by id of a record that has to be there.
func (w *work) located(ref *reference) (*reference, error) {
	f, err := w.locate(ref)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, ref.missing()
	}
	return &reference{table: ref.table, id: f.id, partition: ref.partition}, nil
}

// associate puts other into a collection of self, or behind a lookup of it.
func (w *work) associate(f field, self, other *reference) error {
	id, err := w.resolve(other)
	if err != nil {
		return err
	}
	other = &reference{table: other.table, id: id, partition: other.partition}
	switch {
	case f.lookup != nil:
		return w.setLookup(self, f.column, other)
	case f.collection != nil:
		return w.setLookup(other, other.table.byName[f.collection.Column], self)
	}
	return w.linkMany(f, self, other)
}

// setLookup points a lookup of a record to another one, or nowhere.
func (w *work) setLookup(ref *reference, c *column, to *reference) error {
	f, err := w.locate(ref)
	if err != nil {
		return err
	}
	if f == nil {
		return ref.missing()
	}
	change := &change{table: ref.table, binds: []bind{{field: field{column: c}, ref: to}}}
	return w.update(change, &reference{table: ref.table, id: f.id, partition: ref.partition}, f)
}

// link is a many-to-many relationship in SQL, seen from one side.
type link struct {
	table     string // quoted
	near, far string // quoted columns
	of        *table // the intersect table, where the schema has it
}

func (w *work) link(f field, of *table) (*link, error) {
	m := f.many
	first, second := w.linkColumns(m)
	l := &link{table: storage.Quote(m.Intersect), near: storage.Quote(first), far: storage.Quote(second)}
	if m.Entity1 != of.LogicalName || m.Navigation1 != f.name {
		l.near, l.far = l.far, l.near
	}
	l.of = w.s.table(m.Intersect)
	name := "many " + m.Intersect
	if w.s.indexed[name] {
		return l, nil
	}
	if l.of != nil && l.of.byName[first] != nil && l.of.byName[second] != nil {
		if err := w.ready(l.of); err != nil {
			return nil, err
		}
	} else {
		l.of = nil
		if err := w.tx.Exec("CREATE TABLE IF NOT EXISTS " + l.table + " (" + storage.Quote(first) + " TEXT, " + storage.Quote(second) + " TEXT)"); err != nil {
			return nil, err
		}
	}
	for suffix, columns := range map[string]string{" forth": storage.Quote(first) + ", " + storage.Quote(second), " back": storage.Quote(second) + ", " + storage.Quote(first)} {
		if err := w.tx.Exec("CREATE UNIQUE INDEX IF NOT EXISTS " + storage.Quote(name+suffix) + " ON " + l.table + " (" + columns + ")"); err != nil {
			return nil, err
		}
	}
	w.s.indexed[name] = true
	w.tx.OnRollback(func() { delete(w.s.indexed, name) })
	return l, nil
}

func (w *work) linkColumns(m *schema.Many) (first, second string) {
	first, second = m.Column1, m.Column2
	if first == "" {
		first = m.Entity1 + "id"
	}
	if second == "" {
		second = m.Entity2 + "id"
	}
	return first, second
}

func (w *work) linkMany(f field, self, other *reference) error {
	l, err := w.link(f, self.table)
	if err != nil {
		return err
	}
	first, second := w.linkColumns(f.many)
	a, b := self, other
	if l.near != storage.Quote(first) {
		a, b = other, self
	}
	if l.of == nil {
		err = w.tx.Exec("INSERT INTO "+l.table+" ("+storage.Quote(first)+", "+storage.Quote(second)+") VALUES (?, ?)", a.id, b.id)
	} else {
		err = w.insertLink(l.of, first, second, a, b)
	}
	var conflict *storage.Conflict
	if errors.As(err, &conflict) {
		return errDuplicate()
	}
	return err
}

// insertLink writes a record of an intersect table that the schema knows.
func (w *work) insertLink(t *table, first, second string, a, b *reference) error {
	d := w.draft(t)
	if t.id != nil {
		d.put(t.id, w.s.options.NewID())
	}
	d.point(t.byName[first], a.table.LogicalName, a.id)
	d.point(t.byName[second], b.table.LogicalName, b.id)
	d.fill("entitytype", b.table.LogicalName)
	w.addDefaults(d)
	if err := d.insert(w.tx); err != nil {
		return err
	}
	w.tally(t).created++
	return nil
}

// unlinkAll removes a record from a many-to-many relationship.
func (w *work) unlinkAll(t *table, m *schema.Many, id string) error {
	if !w.s.indexed["many "+m.Intersect] {
		return nil
	}
	first, second := w.linkColumns(m)
	for column, entity := range map[string]string{first: m.Entity1, second: m.Entity2} {
		if entity != t.LogicalName {
			continue
		}
		if err := w.tx.Exec("DELETE FROM "+storage.Quote(m.Intersect)+" WHERE "+storage.Quote(column)+" = ?", id); err != nil {
			return err
		}
	}
	return nil
}

// removeLink answers DELETE …/nav/$ref, …/nav(key)/$ref and …/nav/$ref?$id=URL.
func (s *Server) removeLink(r *request, ref *reference, f field, segment odata.Segment) (*response, error) {
	var other *reference
	var err error
	if f.lookup == nil {
		if other, err = s.unlinked(r, ref, f, segment); err != nil {
			return nil, err
		}
	}
	if err := r.begin(ref.table, "Disassociate", 1, false); err != nil {
		return nil, err
	}
	err = s.write(r, func(w *work) error {
		self, err := w.located(ref)
		if err != nil {
			return err
		}
		if err := r.user.may("Append", ref.table); err != nil {
			return err
		}
		if f.lookup != nil {
			return w.setLookup(self, f.column, nil)
		}
		if other, err = w.located(other); err != nil {
			return err
		}
		return w.disassociate(f, self, other)
	})
	return reply(http.StatusNoContent), err
}

// unlinked is the record that is to leave a collection.
func (s *Server) unlinked(r *request, ref *reference, f field, segment odata.Segment) (*reference, error) {
	if segment.Keyed {
		return s.referenceTo(s.table(f.other(ref.table)), segment, nil)
	}
	if id := r.query.Other.Get("$id"); id != "" {
		return s.parseReference(r, id)
	}
	return nil, failf(400, "0x80060888", "The entity reference to remove from '%s' is missing: name it by its key or with $id.", f.name)
}

func (w *work) disassociate(f field, self, other *reference) error {
	if f.collection != nil {
		c := other.table.byName[f.collection.Column]
		at, err := w.locate(other)
		if err != nil {
			return err
		}
		id, _, err := w.lookupOf(other.table, at.row, field{column: c})
		if err != nil || id != self.id {
			return err
		}
		return w.setLookup(other, c, nil)
	}
	l, err := w.link(f, self.table)
	if err != nil {
		return err
	}
	return w.tx.Exec("DELETE FROM "+l.table+" WHERE "+l.near+" = ? AND "+l.far+" = ?", self.id, other.id)
}

// getLinks lists references.
func (s *Server) getLinks(r *request, ref *reference, f field) (*response, error) {
	if err := r.user.may("Read", ref.table); err != nil {
		return nil, err
	}
	if err := r.begin(ref.table, "Retrieve", 1, false); err != nil {
		return nil, err
	}
	var urls []string
	err := s.read(r, func(w *work) (err error) {
		urls, err = w.linkURLs(ref, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	var o output
	if f.lookup != nil {
		if len(urls) == 0 {
			return reply(http.StatusNoContent), nil
		}
		return jsonReply(o.raw(`{"@odata.context":`).str(r.base + "$metadata#$ref").raw(`,"@odata.id":`).str(urls[0]).raw("}")), nil
	}
	o.raw(`{"@odata.context":`).str(r.base + "$metadata#Collection($ref)").raw(`,"value":[`)
	for i, u := range urls {
		if i > 0 {
			o.raw(",")
		}
		o.raw(`{"@odata.id":`).str(u).raw("}")
	}
	return jsonReply(o.raw("]}")), nil
}

func (w *work) linkURLs(ref *reference, f field) ([]string, error) {
	at, err := w.locate(ref)
	if err != nil {
		return nil, err
	}
	if at == nil {
		return nil, ref.missing()
	}
	var urls []string
	if f.lookup != nil {
		id, points, err := w.lookupOf(ref.table, at.row, f)
		if t := w.s.table(points); t != nil && id != "" && w.s.leadsTo(f.lookup, t) {
			urls = append(urls, w.r.base+t.SetName+"("+id+")")
		}
		return urls, err
	}
	other := w.s.table(f.other(ref.table))
	sel, where, err := w.restrict(other, nil, &membership{of: ref, field: f})
	if err != nil {
		return nil, err
	}
	err = w.tx.Query(sel.from(sel.col(other.id))+" WHERE "+where+" LIMIT "+itoa(maxPage), sel.args, func(row []driver.Value) error {
		urls = append(urls, w.r.base+other.SetName+"("+row[0].(string)+")")
		return nil
	})
	return urls, err
}

// getLookup answers GET /set(key)/lookup: the record that it points to.
func (s *Server) getLookup(r *request, ref *reference, f field, rest []odata.Segment) (*response, error) {
	if len(rest) > 0 {
		return nil, unsupported("paths beyond a navigation property ('%s').", strings.Join([]string{f.name, rest[0].Name}, "/"))
	}
	if err := r.user.may("Read", ref.table); err != nil {
		return nil, err
	}
	if err := r.begin(ref.table, "Retrieve", 1, ref.key != nil); err != nil {
		return nil, err
	}
	a := reply(http.StatusOK)
	err := s.read(r, func(w *work) error {
		at, err := w.locate(ref)
		if err != nil {
			return err
		}
		if at == nil {
			return ref.missing()
		}
		id, points, err := w.lookupOf(ref.table, at.row, f)
		if err != nil {
			return err
		}
		target := s.table(points)
		if id == "" || target == nil || !s.leadsTo(f.lookup, target) {
			a.status = http.StatusNoContent
			return nil
		}
		if err := r.user.may("Read", target); err != nil {
			return err
		}
		if err := w.ready(target); err != nil {
			return err
		}
		return w.representation(a, &reference{table: target, id: id})
	})
	return a, err
}
