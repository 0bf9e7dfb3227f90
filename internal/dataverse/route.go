package dataverse

import "context"

// route is which way operations go.
type route struct {
	by         [len(messages)][]record
	unresolved []record // found by their key first
}

func (to *route) add(m *message, r record) { to.by[m.order] = append(to.by[m.order], r) }

// sort looks at each operation before anything is sent, and says which way it goes.
func (w *Writer) sort(ctx context.Context, ops []Operation, out []Outcome) (to route, err error) {
	var keys []byte // of all operations
	for i := range ops {
		op := &ops[i]
		r := record{op: op, at: i, id: op.ID, again: op.Again}
		m, err := w.check(op, &r)
		if err == nil && (op.ID != "" && !isID(op.ID) || op.New != "" && !isID(op.New)) {
			err = broken(op, "has an id that is no GUID in lower case")
		}
		if err == nil && r.id == "" && w.elastic() && !w.options.Match {
			err = w.elasticKey(&r)
		}
		if err != nil {
			return to, err
		}
		if r.id != "" {
			to.add(m, r)
			continue
		}
		start, addressable := len(keys), false
		keys, addressable, err = w.table.appendParts(keys, op.Key, "=", ",")
		r.key = keys[start:len(keys):len(keys)]
		if err != nil || len(op.Key) == 0 {
			out[i] = Outcome{Result: Rejected, Code: "bad_key", Message: "the key has a value that no query takes"}
			continue
		}
		resolve, err := w.resolves(ctx, op, addressable)
		switch {
		case err != nil:
			return to, err
		case !resolve:
			w.known(op, &r)
			to.add(m, r)
		case op.Do == Upsert && op.New == "":
			return to, broken(op, "must be resolved and has no id to be created with") // rule I2
		default:
			to.unresolved = append(to.unresolved, r)
		}
	}
	return to, nil
}

// known has an upsert written by id where the local look-up knows its record: a
// key costs the service more than twice as much as an id. The key's columns go
// into the body, so that a record that is gone meanwhile is made anew with them.
func (w *Writer) known(op *Operation, r *record) {
	if op.Do != Upsert || op.Again || w.options.Lookup == nil {
		return
	}
	ids, known := w.options.Lookup([][]KeyPart{op.Key})
	if known[0] && len(ids[0]) == 1 {
		r.id, r.withKey = ids[0][0], true
	}
}

// check refuses what must not be sent, and names the message that it goes by and what its success means.
func (w *Writer) check(op *Operation, r *record) (*message, error) {
	switch op.Do {
	case Create, Upsert, Update:
		if !isObject(op.Set) {
			return nil, broken(op, "has no JSON object of columns")
		}
	case Associate, Disassociate:
		if op.Link == nil || !logicalName.MatchString(op.Link.Navigation) || !linkTo.MatchString(op.Link.To) {
			return nil, broken(op, "does not say which record it links to by which navigation property")
		}
	}
	switch op.Do {
	case Create:
		r.result = Created
		if op.ID == "" {
			return nil, broken(op, "is a create without an id of its own") // rule I2
		}
		return createMultiple, nil
	case Upsert:
		r.result = Upserted
		return upsertMultiple, nil
	case Update:
		r.result = Updated
		return w.updating(op)
	case Delete:
		r.result = Deleted
		return deleteMultiple, nil
	case Associate, Disassociate:
		r.result = Updated
		return messageOf(op.Do), nil
	}
	return nil, broken(op, "has a verb that is not written here: "+string(op.Do))
}

// resolves reports whether an operation by key is better written by id. Keys
// that cannot stand in a URL have to be (rule I5), and those that are no keys of
// the table. Updates are where the table takes many at once by id: a query per
// row and one bulk call cost the service far less than an update per row, each
// with its own look-up.
func (w *Writer) resolves(ctx context.Context, op *Operation, addressable bool) (bool, error) {
	if w.options.Match || !addressable {
		return true, nil
	}
	if op.Do != Update {
		return false, nil
	}
	return w.takes(ctx, updateMultiple)
}

// place finds the records of keys, and says what becomes of those that are
// not there. Rule I5: found ones are written by id, absent ones created with
// the operation's own id where the verb creates.
func (w *Writer) place(ctx context.Context, to *route, out []Outcome) error {
	records := to.unresolved
	if len(records) == 0 {
		return nil
	}
	ids, err := w.find(ctx, records)
	if err != nil {
		return err
	}
	for i, r := range records {
		switch len(ids[i]) {
		case 0:
			w.placeAbsent(to, r, out)
		case 1:
			r.id, r.withKey = ids[i][0], false
			switch {
			case r.op.Do == Upsert && r.id == r.op.New:
				r.result = Created // by an attempt of ours that did not live to tell
			case r.op.Do == Upsert:
				r.result = Updated
			}
			m, err := w.check(r.op, &record{})
			if err != nil {
				return err
			}
			to.add(m, r)
		default:
			out[r.at] = Outcome{Result: Rejected, Code: "ambiguous_key", Message: "several records of the table have this key"}
		}
	}
	return nil
}

// find resolves keys to ids: by the local look-up what it knows, by queries the
// rest. Rule I3: what an earlier call may have created only the service knows.
func (w *Writer) find(ctx context.Context, records []record) ([][]string, error) {
	ids := make([][]string, len(records))
	known := make([]bool, len(records))
	if w.options.Lookup != nil {
		keys := make([][]KeyPart, len(records))
		for i, r := range records {
			keys[i] = r.op.Key
		}
		ids, known = w.options.Lookup(keys)
	}
	var asked [][]KeyPart
	var at []int
	for i, r := range records {
		if !known[i] || r.again {
			asked, at = append(asked, r.op.Key), append(at, i)
		}
	}
	if len(asked) == 0 {
		return ids, nil
	}
	found, err := w.client.resolve(ctx, w.table, asked, &w.options.Observer)
	if err != nil {
		return nil, err
	}
	for n, i := range at {
		ids[i] = found[n]
	}
	return ids, nil
}

func (w *Writer) placeAbsent(to *route, r record, out []Outcome) {
	switch r.op.Do {
	case Upsert:
		// What is matched by columns has them in its body anyway.
		r.id, r.withKey, r.result = r.op.New, !w.options.Match, Created
		to.add(createMultiple, r)
	case Delete, Disassociate:
		out[r.at] = gone(r)
	default:
		out[r.at] = notFound
	}
}

func messageOf(do Verb) *message {
	for _, m := range messages {
		if m.verb == do {
			return m
		}
	}
	return nil
}
