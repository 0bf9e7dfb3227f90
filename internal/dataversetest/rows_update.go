package dataversetest

import (
	"net/http"
	"strings"

	"penstock/internal/dataversetest/schema"
)

// patchRow updates a record or, where the headers allow it, creates it: PATCH /set(key).
func (s *Server) patchRow(r *request, t *table, ref *reference) (*response, error) {
	if err := writable(t, "Update"); err != nil {
		return nil, err
	}
	c, err := s.readRow(r, t)
	if err != nil {
		return nil, err
	}
	verb := "Upsert"
	if r.header.Get("If-Match") != "" {
		verb = "Update"
	}
	if err := r.begin(t, verb, 1, ref.key != nil); err != nil {
		return nil, err
	}
	a := reply(http.StatusNoContent)
	err = s.write(r, func(w *work) error {
		if err := w.resolveAll([]*change{c}); err != nil {
			return err
		}
		f, err := w.locate(ref)
		if err != nil {
			return err
		}
		if err := ref.admits(r, f); err != nil {
			return err
		}
		created, id, err := w.upsert(c, ref, f)
		if err != nil {
			return err
		}
		if created {
			return w.acknowledge(a, ref, id, http.StatusCreated)
		}
		return w.acknowledge(a, ref, id, http.StatusOK)
	})
	return a, err
}

// admits checks the conditions of If-Match and If-None-Match.
func (ref *reference) admits(r *request, f *found) error {
	match, none := r.header.Get("If-Match"), r.header.Get("If-None-Match")
	switch {
	case match == "":
	case f == nil:
		return ref.missing()
	case match != "*":
		if !ref.table.Concurrency {
			return failf(400, "0x8006088d", "Optimistic concurrency isn't enabled for entity type %s. The IfVersionMatch value of ConcurrencyBehavior can only be used if "+
				"optimistic concurrency is enabled.", ref.table.LogicalName)
		}
		if version, ok := parseEtag(match); !ok || version != f.version {
			return failf(412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided.")
		}
	}
	if none == "*" && f != nil {
		return errDuplicate()
	}
	return nil
}

// upsert updates the record that was found, or creates it when none was.
func (w *work) upsert(c *change, ref *reference, f *found) (created bool, id string, err error) {
	t := c.table
	if f == nil {
		if err := w.r.user.may("Create", t); err != nil {
			return false, "", err
		}
		c.addKey(ref)
		id, err = w.create(c, ref.id)
		return true, id, err
	}
	if err := w.r.user.may("Write", t); err != nil {
		return false, "", err
	}
	if t.partition != nil && w.r.header.Get("If-Match") == "" { // an upsert replaces the record of an elastic table
		return false, f.id, w.replace(c, ref, f)
	}
	return false, f.id, w.update(c, ref, f)
}

// addKey adds the key values of the URL where the body lacks them.
func (c *change) addKey(ref *reference) {
	if ref.partition != "" && c.part == "" && c.table.partition != nil {
		c.part = ref.partition
		c.sets = append(c.sets, set{c.table.partition, ref.partition})
	}
	if ref.key == nil {
		return
	}
	for i, col := range ref.key.columns {
		if c.has(col) {
			continue
		}
		if col.IsLookup() {
			id, _ := ref.values[i].(string)
			c.binds = append(c.binds, bind{field: field{column: col}, ref: &reference{table: &table{Table: &schema.Table{LogicalName: col.onlyTarget()}}, id: id}})
			continue
		}
		c.sets = append(c.sets, set{col, ref.values[i]})
	}
}

func (c *change) has(col *column) bool {
	for _, s := range c.sets {
		if s.column == col {
			return true
		}
	}
	for _, b := range c.binds {
		if b.field.column == col {
			return true
		}
	}
	return false
}

// update writes the values of a payload to an existing record.
func (w *work) update(c *change, ref *reference, f *found) error {
	t := c.table
	if err := w.createParents(c); err != nil {
		return err
	}
	d := w.draft(t)
	for _, s := range c.sets {
		if !s.column.ForUpdate || s.column.Type == schema.TypeFile || s.column == t.partition || ref.key != nil && ref.key.has(s.column) { // an upsert cannot change the key that it goes by
			continue
		}
		v, err := s.column.validate(t, s.value)
		if err != nil {
			return err
		}
		d.put(s.column, v)
	}
	d.bind(c.binds, false)
	if err := d.checkCleared(); err != nil {
		return err
	}
	if err := d.checkStatus(w, f.id, f.row); err != nil {
		return err
	}
	if err := w.addChanges(d, f.row); err != nil {
		return err
	}
	if err := w.checkDuplicates(d, f.row); err != nil {
		return err
	}
	if err := d.update(w.tx, f.row); err != nil {
		return w.conflict(err, d)
	}
	if err := w.repoint(d, f.id); err != nil {
		return err
	}
	w.tally(t).updated++
	for _, n := range c.nested {
		if err := w.dropParties(t, n.field, f.id); err != nil {
			return err
		}
	}
	return w.createNested(c, f.id)
}

// checkCleared keeps what the system requires from being set to null.
func (d *draft) checkCleared() error {
	for _, c := range d.table.required {
		if d.filled[c.at] && d.values[c.at] == nil {
			return errRequired(c, d.table)
		}
	}
	return nil
}

// addChanges fills in what every update changes.
func (w *work) addChanges(d *draft, row int64) error {
	d.fill("modifiedon", w.now)
	d.fillLookup("modifiedby", "systemuser", w.r.user.ID)
	d.fill("versionnumber", w.nextVersion())
	if owner := d.table.byName["ownerid"]; owner != nil && d.filled[owner.at] {
		d.fillOwner()
	}
	d.fillCurrency()
	full := d.table.fullName
	if full == nil || !d.filled[d.table.byName["firstname"].at] && !d.filled[d.table.byName["lastname"].at] {
		return nil
	}
	existing, err := w.tx.Row(`SELECT "firstname", "lastname" FROM `+d.table.sql()+` WHERE rowid = ?`, row)
	if err != nil {
		return err
	}
	name := ""
	for i, part := range []string{"firstname", "lastname"} {
		v, set := d.get(part)
		if !set {
			v = existing[i]
		}
		text, _ := v.(string)
		name += " " + text
	}
	d.put(full, nullable(strings.TrimSpace(name)))
	return nil
}

// replace puts a new record in the place of an old one.
func (w *work) replace(c *change, ref *reference, f *found) error {
	c.addKey(ref)
	d, err := w.draftOf(c, f.id)
	if err != nil {
		return err
	}
	if ref.partition != "" {
		d.put(c.table.partition, ref.partition)
	}
	if err := w.tx.Exec("DELETE FROM "+c.table.sql()+" WHERE rowid = ?", f.row); err != nil {
		return err
	}
	if err := d.insert(w.tx); err != nil {
		return w.conflict(err, d)
	}
	w.tally(c.table).updated++
	return nil
}
