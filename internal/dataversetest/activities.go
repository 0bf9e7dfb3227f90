package dataversetest

import (
	"database/sql/driver"
	"net/http"

	"penstock/internal/dataversetest/payload"
)

// An activity is two records with one id: its own, and one of activitypointer, which shows what all activities have.
// The second follows the first; nobody writes it. Its people are records of activityparty, which come and go with the
// activity, and are only written through it.
const (
	pointerTable = "activitypointer"
	partyTable   = "activityparty"
)

// writable refuses what the service has no message for on the tables that activities keep by themselves.
func writable(t *table, message string) error {
	if t.LogicalName == pointerTable || t.LogicalName == partyTable {
		return failf(400, "0x80040800", "The '%s' method does not support entities of type '%s'.", message, t.LogicalName)
	}
	return nil
}

// pointerOf is the table of pointers, where records of t have one; else nil.
func (w *work) pointerOf(t *table) (*table, error) {
	if !t.IsActivity || t.LogicalName == pointerTable {
		return nil, nil
	}
	pointers := w.s.table(pointerTable)
	if pointers == nil || pointers.id == nil {
		return nil, nil // an organisation of somebody's own may lack it
	}
	return pointers, w.ready(pointers)
}

// point makes the pointer of a new activity.
func (w *work) point(activity *draft, id string) error {
	pointers, err := w.pointerOf(activity.table)
	if err != nil || pointers == nil {
		return err
	}
	d := w.shared(activity, pointers)
	d.put(pointers.id, id)
	return w.conflict(d.insert(w.tx), d) // an id is one activity's, of whatever kind
}

// repoint writes to an activity's pointer what was written to the activity.
func (w *work) repoint(activity *draft, id string) error {
	pointers, err := w.pointerOf(activity.table)
	if err != nil || pointers == nil {
		return err
	}
	f, err := w.locate(&reference{table: pointers, id: id})
	if err != nil || f == nil {
		return err
	}
	return w.shared(activity, pointers).update(w.tx, f.row)
}

// unpoint removes the pointer of an activity that is gone.
func (w *work) unpoint(t *table, id string) error {
	pointers, err := w.pointerOf(t)
	if err != nil || pointers == nil {
		return err
	}
	if err := w.tx.Exec("DELETE FROM "+pointers.sql()+" WHERE "+pointers.id.quoted+" = ?", id); err != nil {
		return err
	}
	delete(w.exists, identifier{pointerTable, id})
	return w.trackDeletion(pointers, id)
}

// shared is what a draft of an activity says of the columns that all activities have.
func (w *work) shared(activity *draft, pointers *table) *draft {
	d := w.draft(pointers)
	for _, at := range activity.order {
		own := activity.table.columns[at]
		c := pointers.byName[own.LogicalName]
		if c == nil || c == pointers.id {
			continue
		}
		d.put(c, activity.values[at])
		if d.points[c.at] = activity.points[at]; d.points[c.at] == "" && activity.values[at] != nil {
			d.points[c.at] = own.onlyTarget()
		}
	}
	return d
}

// activityOf finds the activity that a pointer shows; nil for records of other tables.
func (w *work) activityOf(t *table, pointer *found) (*table, *found, error) {
	if t.LogicalName != pointerTable {
		return nil, nil, nil
	}
	kind := t.byName["activitytypecode"]
	if kind == nil {
		return nil, nil, nil
	}
	row, err := w.tx.Row("SELECT "+kind.quoted+" FROM "+t.sql()+" WHERE rowid = ?", pointer.row)
	if err != nil || row == nil {
		return nil, nil, err
	}
	name, _ := row[0].(string)
	activity := w.s.table(name)
	if activity == nil || activity == t {
		return nil, nil, nil
	}
	f, err := w.locate(&reference{table: activity, id: pointer.id})
	if f == nil {
		activity = nil
	}
	return activity, f, err
}

// tells says whether a lookup to several tables has to lead to records of t to mean one of them. To an activity's
// pointer leads whatever leads to the activity: they have one id.
func (c *column) tells(t *table) bool { return c.manyTo && t.LogicalName != pointerTable }

// holdsParties says whether a navigation property is the collection of an activity's people.
func (f *field) holdsParties() bool {
	return f.collection != nil && f.collection.Referencing == partyTable && f.collection.Column == "activityid"
}

// putParties replaces the people of an activity: PUT /emails(id)/email_activity_parties. It is the only collection that
// can be put.
func (s *Server) putParties(r *request, ref *reference, f field) (*response, error) {
	if err := r.user.may("Write", ref.table); err != nil {
		return nil, err
	}
	c, err := s.readParties(r, ref.table, f)
	if err != nil {
		return nil, err
	}
	if err := r.begin(ref.table, "Update", 1, ref.key != nil); err != nil {
		return nil, err
	}
	err = s.write(r, func(w *work) error {
		at, err := w.locate(ref)
		if err != nil {
			return err
		}
		if at == nil {
			return ref.missing()
		}
		if err := ref.admits(r, at); err != nil {
			return err
		}
		return w.update(c, &reference{table: ref.table, id: at.id}, at)
	})
	return reply(http.StatusNoContent), err
}

// readParties reads {"value":[…]}.
func (s *Server) readParties(r *request, t *table, f field) (*change, error) {
	if err := r.expectJSON(); err != nil {
		return nil, err
	}
	body, err := payload.Parse(r.body)
	if err != nil {
		return nil, errPayload(t.SetName, "%v", err)
	}
	list := body.Get("value")
	if list == nil {
		return nil, errPayload(t.SetName, "A property with name 'value' was expected.")
	}
	c := &change{table: t}
	return c, s.decodeCollection(r, c, f, &payload.Member{Name: f.name, Value: *list})
}

// dropParties removes the people of an activity before others take their place: what is written to their collection is
// the whole of it.
func (w *work) dropParties(t *table, f field, id string) error {
	if !f.holdsParties() {
		return nil
	}
	parties := w.s.table(partyTable)
	if err := w.ready(parties); err != nil {
		return err
	}
	c := parties.byName[f.collection.Column]
	if err := w.indexLookup(parties, c); err != nil {
		return err
	}
	where, args := c.quoted+" = ?", []driver.Value{id}
	if c.tells(t) {
		where, args = where+" AND "+c.pointsTo+" = ?", append(args, t.LogicalName)
	}
	return w.deleteAll(parties, where, args)
}
