package dataversetest

import (
	"database/sql/driver"
	"net/http"

	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// deleteRow deletes a record: DELETE /set(key).
func (s *Server) deleteRow(r *request, t *table, ref *reference) (*response, error) {
	if err := writable(t, "Delete"); err != nil {
		return nil, err
	}
	if err := r.user.may("Delete", t); err != nil {
		return nil, err
	}
	if err := r.begin(t, "Delete", 1, ref.key != nil); err != nil {
		return nil, err
	}
	err := s.write(r, func(w *work) error {
		f, err := w.locate(ref)
		if err != nil {
			return err
		}
		if f == nil {
			return ref.missing()
		}
		if err := ref.admits(r, f); err != nil {
			return err
		}
		return w.delete(t, f)
	})
	return reply(http.StatusNoContent), err
}

// delete removes a record, and does to those that point to it what their relationships say.
func (w *work) delete(t *table, f *found) error {
	if activity, at, err := w.activityOf(t, f); err != nil || activity != nil {
		if err == nil {
			err = w.delete(activity, at)
		}
		return err
	}
	self := identifier{t.LogicalName, f.id}
	if w.leaving[self] {
		return nil
	}
	w.leaving[self] = true
	defer delete(w.leaving, self)
	for _, r := range t.Incoming {
		if err := w.cascade(t, r, f.id); err != nil {
			return err
		}
	}
	for _, m := range t.Many {
		if err := w.unlinkAll(t, m, f.id); err != nil {
			return err
		}
	}
	if err := w.dropFiles(t, f.row); err != nil {
		return err
	}
	if err := w.tx.Exec("DELETE FROM "+t.sql()+" WHERE rowid = ?", f.row); err != nil {
		return err
	}
	if err := w.trackDeletion(t, f.id); err != nil {
		return err
	}
	if err := w.unpoint(t, f.id); err != nil {
		return err
	}
	delete(w.exists, self)
	w.tally(t).deleted++
	return nil
}

func (t *table) sql() string { return storage.Quote(t.LogicalName) }

func (w *work) cascade(t *table, r *schema.Relationship, id string) error {
	child := w.s.table(r.Referencing)
	if child == nil || r.Delete == "" || r.Delete == "NoCascade" || w.s.prepared[child.LogicalName] == nil {
		return nil // where nothing was ever written, nothing points anywhere
	}
	c := child.byName[r.Column]
	if c == nil || child.id == nil || c == child.byName["ownerid"] {
		return nil
	}
	if err := w.ready(child); err != nil {
		return err
	}
	if err := w.indexLookup(child, c); err != nil {
		return err
	}
	where, args := c.quoted+" = ?", []driver.Value{id}
	if c.manyTo {
		where += " AND " + c.pointsTo + " = ?"
		args = append(args, t.LogicalName)
	}
	switch r.Delete {
	case "Restrict":
		row, err := w.tx.Row("SELECT 1 FROM "+child.sql()+" WHERE "+where+" LIMIT 1", args...)
		if err == nil && row != nil {
			err = failf(405, "0x80040227", "The object you tried to delete is associated with another object and cannot be deleted.")
		}
		return err
	case "Cascade":
		return w.deleteAll(child, where, args)
	}
	return w.removeLinks(child, c, where, args)
}

func (w *work) deleteAll(child *table, where string, args []driver.Value) error {
	var children []*found
	err := w.tx.Query("SELECT rowid, "+child.id.quoted+" FROM "+child.sql()+" WHERE "+where, args, func(row []driver.Value) error {
		children = append(children, &found{row: row[0].(int64), id: row[1].(string)})
		return nil
	})
	for _, f := range children {
		if err == nil {
			err = w.delete(child, f)
		}
	}
	return err
}

func (w *work) removeLinks(child *table, c *column, where string, args []driver.Value) error {
	var rows []int64
	err := w.tx.Query("SELECT rowid FROM "+child.sql()+" WHERE "+where, args, func(row []driver.Value) error {
		rows = append(rows, row[0].(int64))
		return nil
	})
	for _, row := range rows {
		if err != nil {
			return err
		}
		d := w.draft(child)
		d.put(c, nil)
		d.fill("versionnumber", w.nextVersion())
		err = d.update(w.tx, row)
	}
	return err
}
