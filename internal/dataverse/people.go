package dataverse

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// The people of an activity are records of its collection NAME_activity_parties.
// A create takes them along. The one documented way to change them is to put the
// whole collection, PUT emails(id)/email_activity_parties, which takes the place of
// all who were in it and may so be repeated. An update that has nothing but them is sent that way.

// people is the verb of that call.
const people Verb = "people"

// Parties is the collection of an activity's people.
func (t *Table) Parties() string { return t.Name + "_activity_parties" }

// updating is the message of an update: that of its columns, or of its people.
func (w *Writer) updating(op *Operation) (*message, error) {
	switch list, has := w.peopleOf(op); {
	case !has:
		return updateMultiple, nil
	case list == nil:
		return nil, broken(op, "updates people and columns at once")
	}
	return peopling, nil
}

// peopleOf is the list of people that an operation writes; nil where it writes columns too.
func (w *Writer) peopleOf(op *Operation) (list json.RawMessage, has bool) {
	if w.table.Type != "Activity" {
		return nil, false
	}
	name := `"` + w.table.Parties() + `":[`
	if !bytes.Contains(op.Set, []byte(name)) { // within a text its quotes would be escaped
		return nil, false
	}
	rest, first := bytes.CutPrefix(members(op.Set), []byte(name[:len(name)-1]))
	if !first || !json.Valid(rest) {
		return nil, true
	}
	return rest, true
}

// withPeople parts a call's records with people from those without. That bulk
// actions take people along is documented nowhere, and one that dropped them
// would not say so: such records are created one by one, in $batch calls.
func (w *Writer) withPeople(c call) (without, with call) {
	if w.table.Type != "Activity" || c.message.name == "" {
		return c, call{}
	}
	without, with = c, c
	without.records, with.records = nil, nil
	for _, r := range c.records {
		if _, has := w.peopleOf(r.op); has && r.op.Do != Delete {
			with.records = append(with.records, r)
			continue
		}
		without.records = append(without.records, r)
	}
	return without, with
}

// appendPeople writes the replacing of an activity's people as a part of a $batch.
func (w *Writer) appendPeople(dst []byte, boundary string, r *record) ([]byte, error) {
	list, _ := w.peopleOf(r.op)
	dst = w.client.openPart(dst, boundary, http.MethodPut)
	dst = append(dst, w.table.Set...)
	dst, err := w.appendAddress(dst, r)
	if err != nil {
		return dst, err
	}
	dst = append(append(append(dst, '/'), w.table.Parties()...), w.query...)
	dst = append(closeHead(dst), w.lines...)
	dst = append(dst, "Content-Type: application/json\r\n\r\n{\"value\":"...)
	return append(append(dst, list...), "}\r\n"...), nil
}
