package dataverse

import (
	"context"
	"fmt"
	"sync/atomic"

	"penstock/internal/fault"
)

// Writer writes records of one table. Several goroutines may use it at once,
// as long as no two of them have operations on one record (rule I6).
type Writer struct {
	client  *Client
	table   *Table
	options WriteOptions
	odata   string // `{"@odata.type":"Microsoft.Dynamics.CRM.contact"`: how each target starts
	first   *FirstCalls
	sizers  [len(messages)]*sizer
	latest  atomic.Pointer[sizer] // of the message that was sent last
	passed  atomic.Int64          // rows that the service took
	headers []header              // of each call
	lines   string                // the same in each part of a $batch
	query   string                // of each URL: "" or ?tag=…
}

// NewWriter prepares to write a table; it makes no call yet.
func (c *Client) NewWriter(_ context.Context, table *Table, opts WriteOptions) (*Writer, error) {
	if table.Set == "" || table.PrimaryID == "" || !logicalName.MatchString(table.Name) {
		return nil, fault.New(fault.Refused, "unwritable_table", "table %q has no entity set or primary id to write by", table.Name)
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	if opts.Match && table.Type == "Elastic" {
		return nil, fault.New(fault.Refused, "elastic_match", "records of the elastic table %q are found by id and partition only", table.Name)
	}
	w := &Writer{
		client: c, table: table, options: opts,
		headers: opts.headers(), lines: lines(opts.headers()), query: opts.query(),
		odata: `{"@odata.type":"Microsoft.Dynamics.CRM.` + table.Name + `"`,
		first: opts.First,
	}
	if w.first == nil || opts.Warm {
		w.first = newFirstCalls(opts.Warm)
	}
	for _, m := range messages {
		w.sizers[m.order] = c.sizer(table, m)
	}
	return w, nil
}

// record is one operation on its way.
type record struct {
	op      *Operation
	at      int    // its place in the caller's slice
	id      string // the primary id it is written by; "" is by alternate key
	key     []byte // that key as a URL has it; nil where nobody has rendered it yet
	withKey bool   // the key's columns belong into the body: a create of what was not found
	again   bool   // an earlier call may have written it
	tried   bool   // it has had its second chance
	result  Result // what success means
}

// own reports whether the record would be, or is, there only because of this
// operation: its key was not found, so it has the id of our making.
func (r *record) own() bool { return r.op.New != "" && r.id == r.op.New }

// call is one call of the service.
type call struct {
	message *message
	records []record
	repeat  bool  // send once more where a race or a passing mishap may be the cause
	found   int   // bad rows that were found in it so far
	passed  int64 // rows that the service had taken when this was first sent
}

// Write sends operations and reports what became of each of them, in order. It
// is one logical call: of any size that suits the service, split where rows
// are wrong. With an error the outcomes are what is known so far, and what
// is not known is NotAttempted.
func (w *Writer) Write(ctx context.Context, ops []Operation) ([]Outcome, error) {
	out := make([]Outcome, len(ops))
	to, err := w.sort(ctx, ops, out)
	if err != nil {
		return out, err
	}
	if err := w.place(ctx, &to, out); err != nil {
		return out, w.failed(err, ops)
	}
	if err := w.placeElastic(ctx, &to); err != nil {
		return out, w.failed(err, ops)
	}
	for _, m := range messages {
		if err := w.run(ctx, call{message: m, records: to.by[m.order]}, out); err != nil {
			return out, w.failed(err, ops)
		}
	}
	return out, nil
}

func (w *Writer) failed(err error, ops []Operation) error {
	return fmt.Errorf("write %d rows from row %d to table %q: %w", len(ops), ops[0].Row, w.table.Name, err)
}

func broken(op *Operation, what string) error {
	return fault.New(fault.Broken, "bad_operation", "the operation of row %d %s", op.Row, what)
}

// run writes all records of a call by the table's bulk message, or one by one in $batch calls where it takes none.
func (w *Writer) run(ctx context.Context, c call, out []Outcome) error {
	if len(c.records) == 0 {
		return nil
	}
	w.sizes(c.message)
	c, alone := w.withPeople(c)
	if len(alone.records) > 0 {
		err := w.inBatches(ctx, alone, out)
		w.weigh(alone, out)
		if err != nil || len(c.records) == 0 {
			return err
		}
	}
	bulk, err := w.takes(ctx, c.message)
	if err != nil {
		return err
	}
	if !bulk || !w.elastic() && w.sizers[c.message.order].rotten() {
		if bulk {
			c.found = 1 // what it takes says nothing of bulk calls
		}
		err := w.inBatches(ctx, c, out)
		w.weigh(c, out)
		return err
	}
	rest, err := w.warmUp(ctx, c, out)
	if err == nil {
		err = w.drain(ctx, rest, out)
	}
	w.weigh(c, out)
	if f, ok := fault.As(err); !ok || f.Code != unsupportedCall {
		return err
	}
	// The table says so itself, after all. What is refused has not run.
	w.client.offer(c.message.name, w.table.Name, false)
	return w.inBatches(ctx, call{message: c.message, records: untold(c.records, out)}, out)
}

// weigh tells the sizer how many rows of a bulk call were bad. Where each row ends by itself they cost nothing.
func (w *Writer) weigh(c call, out []Outcome) {
	if w.elastic() {
		return
	}
	bad := 0
	for _, r := range c.records {
		if o := &out[r.at]; o.Result == Rejected && o.Code != notFound.Code {
			bad++
		}
	}
	w.sizers[c.message.order].judged(len(c.records), bad)
}

// untold are the records whose fate is not known yet.
func untold(records []record, out []Outcome) []record {
	var left []record
	for _, r := range records {
		if out[r.at].Result == NotAttempted {
			left = append(left, r)
		}
	}
	return left
}

// drain sends bulk calls until every record has its outcome.
func (w *Writer) drain(ctx context.Context, c call, out []Outcome) error {
	c.passed = w.passed.Load()
	pending := []call{c}
	for len(pending) > 0 {
		next := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if len(next.records) == 0 {
			continue
		}
		next.repeat = true
		verdict, err := w.conclude(ctx, &next, out)
		if err != nil {
			return err
		}
		if verdict == nil {
			continue
		}
		if verdict.action() == shrink && len(next.records) > 1 {
			w.sizers[next.message.order].tooMuch(len(next.records))
			left, right := next.halves()
			pending = append(pending, right, left)
			continue
		}
		untried, err := w.isolate(ctx, next, verdict, out)
		if err != nil {
			return err
		}
		pending = append(pending, untried)
	}
	return nil
}

func (c call) halves() (left, right call) {
	left, right = c, c
	half := len(c.records) / 2
	left.records, right.records = c.records[:half:half], c.records[half:]
	return left, right
}
