package dataverse

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// settle finds out what became of a call that may or may not have run
// (rule I3). Upserts, updates, deletes and references lead to the same state when they
// are sent again; that they are is noted, because it changes what a 404 or
// a duplicate means. Creates carry ids of our own, so what is there under them was written by
// this call or an earlier attempt: it gets its outcome and leaves the call.
func (w *Writer) settle(ctx context.Context, c *call, out []Outcome) error {
	for _, r := range c.records {
		out[r.at] = Outcome{Result: NotAttempted, Uncertain: true} // until it is known
	}
	if c.message != createMultiple {
		for i := range c.records {
			c.records[i].again = true
		}
		return nil
	}
	there, err := w.there(ctx, c.records)
	if err != nil {
		return err
	}
	var left, upserts []record
	for i, r := range c.records {
		switch {
		case !there[i]:
			left = append(left, r)
		case r.op.Do == Upsert && !r.own():
			upserts = append(upserts, r)
		default:
			out[r.at] = Outcome{Result: r.result}
		}
	}
	c.records = left
	// An elastic table's row under an id that is not of our making: ours, or another's that came up since. It gets our columns.
	return w.run(ctx, call{message: updateMultiple, records: upserts}, out)
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
		case c.message == createMultiple && (status == http.StatusPreconditionFailed || status == http.StatusConflict):
			clashing = append(clashing, r)
		default:
			out[r.at] = w.refusal(c.message, r, rowRefusal(api, status))
		}
	}
	if len(clashing) > 0 {
		own := call{message: c.message, records: clashing}
		if err := w.settle(ctx, &own, out); err != nil {
			return err
		}
		for _, r := range own.records {
			out[r.at] = refused(rowRefusal(api, http.StatusPreconditionFailed))
		}
	}
	c.records = left
	return nil
}

// rowRefusal is what an elastic table says of one of several rows that it
// refused: code and text of the answer are those of the first one only.
func rowRefusal(api *APIError, status int) *APIError {
	if status == 0 || status == api.Status {
		return api
	}
	row := APIError{Status: status, Message: http.StatusText(status), structured: true}
	if len(api.rows) == 1 {
		row.Code, row.Message = api.Code, api.Message
	}
	return &row
}

// refusal is the outcome of a row that the service will not take, after what
// the verb makes of it (rules C4, I3).
func (w *Writer) refusal(m *message, r record, e *APIError) Outcome {
	absent := e.missing() || e.Status == http.StatusNotFound && e.structured
	switch {
	case (m == updateMultiple || m == peopling) && absent && w.means(r, e):
		return notFound
	case m == deleteMultiple && absent, m == disassociating && absent:
		return gone(r)
	case m == associating && e.action() == duplicate:
		if r.again {
			return Outcome{Result: Updated}
		}
		return Outcome{Result: Unchanged}
	}
	return refused(e)
}

// means reports whether a missing record is r itself, and not one that it
// points to: the service names the one it misses by its id, or its table.
func (w *Writer) means(r record, e *APIError) bool {
	text := strings.ToLower(e.Message)
	if r.id == "" {
		_, table, named := strings.Cut(text, "does not exist in ")
		return !named || strings.HasPrefix(table, w.table.Name+" ")
	}
	return strings.Contains(text, r.id) || !anyGUID.MatchString(text)
}

// notFound is the outcome of an update of a record that does not exist (rule C4).
var notFound = Outcome{Result: Rejected, Code: "not_found", Message: "the table has no such record to update"}

// gone is the outcome of a delete whose record is not there. Rule C4: it was so
// already, or the earlier call whose answer was lost has done it.
func gone(r record) Outcome {
	if r.again {
		return Outcome{Result: r.result}
	}
	return Outcome{Result: Unchanged}
}

// refused is the outcome of a row that the service will not take.
func refused(api *APIError) Outcome {
	code := api.Code
	if code == "" {
		code = fmt.Sprintf("status_%d", api.Status)
	}
	return Outcome{Result: Rejected, Code: code, Message: api.Message}
}
