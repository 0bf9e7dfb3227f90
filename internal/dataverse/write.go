package dataverse

import (
	"context"
	"fmt"
	"sync/atomic"

	"penstock/internal/fault"
)

// WriteOptions say how a Writer works.
type WriteOptions struct {
	// Warm: the table has been written to before in this run, so the first call need not be a single row (rule W2).
	Warm bool
	// Replace allows upserts on an elastic table, where they replace the whole row (rule W1).
	Replace bool
	// Before is called when a writing call is about to be sent, after all waiting. An error keeps it
	// from being sent and ends Write: the place to check the turn (rule T3) and to journal (rule I3).
	Before func(context.Context) error
	// Observer hears what this Writer's calls cost.
	Observer Observer
}

// Writer writes records of one table. Several goroutines may use it at once,
// as long as no two of them have operations on one record (rule I6).
type Writer struct {
	client  *Client
	table   *Table
	options WriteOptions
	odata   string // `{"@odata.type":"Microsoft.Dynamics.CRM.contact"`: how each target starts
	first   map[*message]*firstCall
	taken   atomic.Int64 // writing calls that ended well
}

// message is a bulk action of the service.
type message struct {
	name string
	// creates: the records must not exist before; what is there after an ambiguous end was written by it.
	creates bool
}

var (
	createMultiple = &message{name: "CreateMultiple", creates: true}
	upsertMultiple = &message{name: "UpsertMultiple"}
)

// NewWriter prepares to write a table. It asks which bulk messages the table
// takes, once per client and table.
func (c *Client) NewWriter(ctx context.Context, table *Table, opts WriteOptions) (*Writer, error) {
	if table.Set == "" || table.PrimaryID == "" || !logicalName.MatchString(table.Name) {
		return nil, fault.New(fault.Refused, "unwritable_table", "table %q has no entity set or primary id to write by", table.Name)
	}
	w := &Writer{
		client: c, table: table, options: opts,
		odata: `{"@odata.type":"Microsoft.Dynamics.CRM.` + table.Name + `"`,
		first: make(map[*message]*firstCall),
	}
	for _, m := range []*message{createMultiple, upsertMultiple} {
		takes, err := c.Supports(ctx, m.name, table.Name)
		switch {
		case fault.Is(err, fault.Denied):
			takes = true // it may not be asked; the table itself will tell
		case err != nil:
			return nil, err
		}
		w.first[m] = newFirstCall(takes, opts.Warm)
	}
	return w, nil
}

// record is one operation on its way.
type record struct {
	op      *Operation
	at      int    // its place in the caller's slice
	id      string // the primary id it is written by; "" is by alternate key
	withKey bool   // the key's columns belong into the body: a create of what was not found
	result  Result // what success means
}

// call is one call of the service.
type call struct {
	message *message
	records []record
	repeat  bool  // send once more where a race or a passing mishap may be the cause
	taken   int64 // writing calls that the service had taken when this one was first sent
}

// Write sends operations and reports what became of each of them, in order. It
// is one logical call: of any size that suits the service, split where rows
// are wrong. With an error the outcomes are what is known so far, and what
// is not known is NotAttempted.
func (w *Writer) Write(ctx context.Context, ops []Operation) ([]Outcome, error) {
	out := make([]Outcome, len(ops))
	to, err := w.sort(ops, out)
	if err != nil {
		return out, err
	}
	absent, found, err := w.place(ctx, to.unresolved, out)
	if err != nil {
		return out, w.failed(err, ops)
	}
	for _, c := range []call{
		{message: upsertMultiple, records: append(to.upserts, found...)},
		{message: createMultiple, records: append(to.creates, absent...)},
	} {
		if err := w.run(ctx, c, out); err != nil {
			return out, w.failed(err, ops)
		}
	}
	return out, nil
}

func (w *Writer) failed(err error, ops []Operation) error {
	return fmt.Errorf("write %d rows from row %d to table %q: %w", len(ops), ops[0].Row, w.table.Name, err)
}

// route is which way operations go.
type route struct{ creates, upserts, unresolved []record }

// sort looks at each operation before anything is sent, and says which way it goes.
func (w *Writer) sort(ops []Operation, out []Outcome) (to route, err error) {
	var scratch []byte
	for i := range ops {
		op := &ops[i]
		r := record{op: op, at: i, id: op.ID, result: Upserted}
		switch {
		case !isObject(op.Set):
			return to, broken(op, "has no JSON object of columns")
		case op.Do == Create && op.ID != "":
			r.result = Created
			to.creates = append(to.creates, r)
			continue
		case op.Do == Create:
			return to, broken(op, "is a create without an id of its own") // rule I2
		case op.Do != Upsert:
			return to, broken(op, "has a verb that is not written here: "+string(op.Do))
		case w.table.Type == "Elastic" && !w.options.Replace:
			return to, fault.New(fault.Refused, "elastic_upsert", // rule W1
				"table %q is elastic: an upsert would replace whole rows", w.table.Name)
		case op.ID != "":
			to.upserts = append(to.upserts, r)
			continue
		}
		scratch, err = w.table.appendKey(scratch[:0], op.Key, "=", ",")
		switch {
		case err != nil || len(op.Key) == 0:
			out[i] = Outcome{Result: Rejected, Code: "bad_key", Message: "the key has a value that no query takes"}
		case Addressable(op.Key):
			to.upserts = append(to.upserts, r)
		case op.New == "":
			return to, broken(op, "must be resolved and has no id to be created with") // rule I2
		default:
			to.unresolved = append(to.unresolved, r)
		}
	}
	return to, nil
}

func broken(op *Operation, what string) error {
	return fault.New(fault.Broken, "bad_operation", "the operation of row %d %s", op.Row, what)
}

// place finds the records whose keys cannot stand in a key URL. Rule I5: found
// ones are written by id, absent ones created with the operation's own id.
func (w *Writer) place(ctx context.Context, records []record, out []Outcome) (absent, found []record, err error) {
	if len(records) == 0 {
		return nil, nil, nil
	}
	keys := make([][]KeyPart, len(records))
	for i, r := range records {
		keys[i] = r.op.Key
	}
	ids, err := w.client.resolve(ctx, w.table, keys, &w.options.Observer)
	if err != nil {
		return nil, nil, err
	}
	for i, r := range records {
		switch len(ids[i]) {
		case 0:
			r.id, r.withKey, r.result = r.op.New, true, Created
			absent = append(absent, r)
		case 1:
			r.id, r.withKey, r.result = ids[i][0], false, Updated
			if r.id == r.op.New {
				r.result = Created // by an attempt of ours that did not live to tell
			}
			found = append(found, r)
		default:
			out[r.at] = Outcome{Result: Rejected, Code: "ambiguous_key", Message: "several records of the table have this key"}
		}
	}
	return absent, found, nil
}

// run writes all records of a call: first one alone where the table is new to
// us, then as many as possible at once, the wrong ones sorted out.
func (w *Writer) run(ctx context.Context, c call, out []Outcome) error {
	if len(c.records) == 0 {
		return nil
	}
	rest, err := w.warmUp(ctx, c, out)
	if err != nil {
		return err
	}
	return w.drain(ctx, rest, out)
}

// drain sends calls until every record has its outcome.
func (w *Writer) drain(ctx context.Context, c call, out []Outcome) error {
	c.taken = w.taken.Load()
	pending := []call{c}
	for len(pending) > 0 {
		next := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if len(next.records) == 0 {
			continue
		}
		next.repeat = true
		verdict, err := w.conclude(ctx, &next, out)
		switch {
		case err != nil:
			return err
		case verdict == nil:
		case verdict.action() == shrink && len(next.records) > 1:
			left, right := next.halves()
			pending = append(pending, right, left)
		default:
			untried, err := w.isolate(ctx, next, verdict, out)
			if err != nil {
				return err
			}
			pending = append(pending, untried)
		}
	}
	return nil
}

func (c call) halves() (left, right call) {
	left, right = c, c
	half := len(c.records) / 2
	left.records, right.records = c.records[:half:half], c.records[half:]
	return left, right
}
