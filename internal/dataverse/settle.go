package dataverse

import (
	"context"
	"net/http"
)

// settle finds out what became of a call that may or may not have run
// (rule I3). Upserts lead to the same state when they are sent again. Creates
// carry ids of our own, so what is there under them was written by this call
// or an earlier attempt: it gets its outcome and leaves the call.
func (w *Writer) settle(ctx context.Context, c *call, out []Outcome) error {
	if !c.message.creates {
		return nil
	}
	ids := make([]string, len(c.records))
	for i, r := range c.records {
		ids[i] = r.id
	}
	there, err := w.client.exists(ctx, w.table, ids, &w.options.Observer)
	if err != nil {
		return err
	}
	var left []record
	for _, r := range c.records {
		if there[r.id] {
			out[r.at] = Outcome{Result: r.result}
			continue
		}
		left = append(left, r)
	}
	c.records = left
	return nil
}

// absorb takes in an elastic table's answer, where each row ends by itself:
// what is not listed is written, what is listed with a passing status
// stays in the call, the others are rejected.
func (w *Writer) absorb(ctx context.Context, c *call, api *APIError, out []Outcome) error {
	failed := make(map[int]int, len(api.rows))
	for _, row := range api.rows {
		failed[row.RequestIndex] = row.StatusCode
	}
	var left, clashing []record
	for i, r := range c.records {
		status, listed := failed[i]
		switch {
		case !listed:
			out[r.at] = Outcome{Result: r.result}
		case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500:
			left = append(left, r)
		case status == http.StatusPreconditionFailed && c.message.creates:
			clashing = append(clashing, r)
		default:
			out[r.at] = refused(api)
		}
	}
	if len(clashing) > 0 {
		own := call{message: c.message, records: clashing}
		if err := w.settle(ctx, &own, out); err != nil {
			return err
		}
		for _, r := range own.records {
			out[r.at] = refused(api)
		}
	}
	c.records = left
	return nil
}
