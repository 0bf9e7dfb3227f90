package dataverse

import (
	"context"

	"penstock/internal/fault"
)

// manyBad is how many bad rows of one call are found by bisection. The rest of
// a call that has more is written as a $batch: each row costs the service more
// there, but finding the next k among n would cost about k·log2(n/k) calls.
const manyBad = 3

// isolate finds one bad row of a call that the service refused for its data: a
// standard table takes all or nothing and does not say which row it was. It
// returns the records it did not come to, to be sent at full size again. With
// n rows that is about log2(n) more calls per bad row, half of which write.
func (w *Writer) isolate(ctx context.Context, bad call, verdict *APIError, out []Outcome) (untried call, err error) {
	if w.offersMore(bad, verdict) {
		if left, err := w.dropMissing(ctx, bad, out); err != nil || len(left.records) < len(bad.records) {
			return left, err
		}
	}
	if !w.elastic() && (bad.found >= manyBad || w.sizers[bad.message.order].expects(len(bad.records)) > manyBad) {
		bad.found++
		return untried, w.inBatches(ctx, bad, out)
	}
	untried = call{message: bad.message, found: bad.found + 1}
	before, whole := w.passed.Load(), len(bad.records)
	inferred := false // bad is so by elimination: its other half was taken
	for len(bad.records) > 1 {
		left, right := bad.halves()
		v, err := w.probe(ctx, &left, out)
		if err != nil {
			return untried, err
		}
		if v == nil {
			bad, inferred = right, true
			continue
		}
		untried.records = append(right.records[:len(right.records):len(right.records)], untried.records...)
		bad, verdict, inferred = left, v, false
	}
	if inferred {
		if verdict, err = w.probe(ctx, &bad, out); err != nil || verdict == nil {
			return untried, err
		}
	}
	if err := w.trust(ctx, verdict, w.passed.Load() > before, whole); err != nil {
		return untried, err
	}
	return untried, w.reject(ctx, bad, verdict, out)
}

// trust doubts an error that may be the service's own: in an outage every row
// looks bad. It is a row's when others got through meanwhile, or, for a row that came alone, when the
// service still answers questions about the table.
func (w *Writer) trust(ctx context.Context, verdict *APIError, passed bool, rows int) error {
	switch {
	case verdict == nil || verdict.action() != once || verdict.Status < 500 || passed:
		return nil
	case rows > 1:
		return toFault(verdict)
	}
	if _, _, err := w.client.First(ctx, w.table, nil); err != nil && !fault.Is(err, fault.Denied) {
		return toFault(verdict)
	}
	return nil
}

// offersMore reports whether a refused call can be asked about as a whole: an
// update of records that do not exist.
func (w *Writer) offersMore(c call, verdict *APIError) bool {
	return c.message == updateMultiple && len(c.records) > 1 && verdict.missing()
}

// dropMissing asks which records of an update are there, all at once, and gives the others their outcome.
func (w *Writer) dropMissing(ctx context.Context, c call, out []Outcome) (left call, err error) {
	left = call{message: c.message, found: c.found}
	there, err := w.there(ctx, c.records)
	if err != nil {
		return left, err
	}
	for i, r := range c.records {
		if there[i] {
			left.records = append(left.records, r)
			continue
		}
		out[r.at] = notFound
	}
	return left, nil
}

// probe sends a part of a refused call. A single row gets its second chance, more rows do not.
func (w *Writer) probe(ctx context.Context, c *call, out []Outcome) (*APIError, error) {
	if w.options.Observer.Bisected != nil {
		w.options.Observer.Bisected()
	}
	c.repeat = len(c.records) == 1
	return w.conclude(ctx, c, out)
}

// reject gives a single refused record its outcome. One that was created
// because its key was not found, and clashes with a record that has come up
// since, is resolved once more and written by id (rule I3).
func (w *Writer) reject(ctx context.Context, c call, verdict *APIError, out []Outcome) error {
	if len(c.records) == 0 {
		return nil
	}
	r := c.records[0]
	if verdict.action() == duplicate && c.message == createMultiple && r.own() {
		c.records[0].again = true // what a look-up knew is not so any more
		again := route{unresolved: c.records}
		if err := w.place(ctx, &again, out); err != nil {
			return err
		}
		if found := again.by[upsertMultiple.order]; len(found) == 1 {
			return w.run(ctx, call{message: upsertMultiple, records: found}, out)
		}
		if out[r.at].Result == Rejected {
			return nil // several have come up
		}
	}
	out[r.at] = w.refusal(c.message, r, verdict)
	return nil
}
