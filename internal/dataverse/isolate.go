package dataverse

import (
	"context"
	"fmt"
)

// isolate finds one bad row of a call that the service refused for its data: a
// standard table takes all or nothing and does not say which row it was. It
// returns the records it did not come to, to be sent at full size again. With
// n rows that is about log2(n) more calls per bad row, half of which write.
func (w *Writer) isolate(ctx context.Context, bad call, verdict *APIError, out []Outcome) (untried call, err error) {
	untried = call{message: bad.message}
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
		untried.records = append(right.records, untried.records...)
		bad, verdict, inferred = left, v, false
	}
	if inferred {
		if verdict, err = w.probe(ctx, &bad, out); err != nil || verdict == nil {
			return untried, err
		}
	}
	return untried, w.reject(ctx, bad, verdict, out)
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
	if verdict.action() == duplicate && r.withKey {
		_, found, err := w.place(ctx, c.records, out)
		if err != nil {
			return err
		}
		if len(found) == 1 {
			update := call{message: upsertMultiple, records: found, repeat: true}
			v, err := w.conclude(ctx, &update, out)
			if err != nil || v == nil {
				return err
			}
			verdict = v
		} else if out[r.at].Result == Rejected {
			return nil // several have come up
		}
	}
	out[r.at] = refused(verdict)
	return nil
}

// refused is the outcome of a row that the service will not take.
func refused(api *APIError) Outcome {
	code := api.Code
	if code == "" {
		code = fmt.Sprintf("status_%d", api.Status)
	}
	return Outcome{Result: Rejected, Code: code, Message: api.Message}
}
