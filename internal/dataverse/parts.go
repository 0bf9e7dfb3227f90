package dataverse

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"penstock/internal/fault"
)

// inBatches writes records one by one, as parts of $batch calls: where the
// service has no bulk action for them. Change sets are not used and the service
// goes on after an error, so each part ends by itself.
func (w *Writer) inBatches(ctx context.Context, c call, out []Outcome) error {
	size := maxParts
	pending := c.records
	for tries := 1; len(pending) > 0; {
		some := call{message: c.message, records: pending[:min(len(pending), size)], repeat: true, found: c.found}
		before := len(some.records)
		answers, sent := w.sendParts(ctx, some)
		var (
			left    []record
			passing error
			err     error
		)
		if sent == nil {
			left, passing, err = w.sortParts(ctx, some, answers, out)
		} else {
			left, passing, err = w.judgeBatch(ctx, some, sent, out)
		}
		if err != nil {
			return err
		}
		pending = pending[before:]
		if len(left) > 0 {
			pending = append(left[:len(left):len(left)], pending...)
		}
		switch {
		case errors.Is(passing, errTooMuch):
			size = max(before/2, 1)
			w.sizers[c.message.order].tooMuch(before)
			continue
		case passing == nil || throttled(passing):
			continue
		case len(left) < before:
			tries = 1 // it goes forward
		}
		if tries++; tries > maxAttempts {
			return toFault(passing)
		}
		if err := w.client.backOff(ctx, &w.options.Observer, tries); err != nil {
			return err
		}
	}
	return nil
}

// errTooMuch says that a $batch must be sent in smaller pieces.
var errTooMuch = errors.New("too much for one call")

func throttled(err error) bool {
	var api *APIError
	return errors.As(err, &api) && api.action() == wait
}

// judgeBatch says what is left of a $batch that failed as a whole.
func (w *Writer) judgeBatch(ctx context.Context, c call, sent error, out []Outcome) (left []record, passing, err error) {
	do, api, err := w.judge(ctx, &c, sent, out)
	if err != nil {
		return nil, nil, err
	}
	switch do {
	case blame, duplicate:
		if len(c.records) > 1 {
			return c.records, errTooMuch, nil // one of them spoils the whole
		}
		out[c.records[0].at] = w.refusal(c.message, c.records[0], api)
		return nil, nil, nil
	case settle:
		err = w.settle(ctx, &c, out)
	}
	return c.records, sent, err
}

// sendParts makes one attempt at one $batch.
func (w *Writer) sendParts(ctx context.Context, c call) ([]partAnswer, error) {
	body := newPayload()
	defer body.release()
	boundary := newBoundary()
	for i := range c.records {
		var err error
		if body.bytes, err = w.appendOperation(body.bytes, boundary, c.message, &c.records[i]); err != nil {
			return nil, err
		}
	}
	body.bytes = closeBatch(body.bytes, boundary)
	sizer := w.sizers[c.message.order]
	if c.found > 0 {
		sizer = nil // the rest of a bulk call: its rows are dearer here, which says nothing of the next one
	}
	answer, err := w.client.send(ctx, &request{
		method: http.MethodPost, url: w.client.root + "$batch", body: body, batch: true, headers: w.options.caller(),
		contentType: `multipart/mixed; boundary="` + boundary + `"`, prefer: "odata.continue-on-error",
		rows: len(c.records), sizer: sizer, observer: &w.options.Observer, before: w.options.Before,
	})
	if err != nil {
		return nil, err
	}
	answers, err := w.client.parseBatch(answer)
	if err == nil && len(answers) > len(c.records) {
		err = fault.New(fault.Broken, "unexpected_answer", "the service answered %d parts of a batch with %d", len(c.records), len(answers))
	}
	w.heedParts(answer.user, answers)
	return answers, err
}

// heedParts rests the user as long as the part asks that asks for most.
func (w *Writer) heedParts(u *user, answers []partAnswer) {
	var most *APIError
	for i := range answers {
		if e := answers[i].err; e != nil && (e.action() == wait || e.RetryAfter > 0) && (most == nil || e.RetryAfter > most.RetryAfter) {
			most = e
		}
	}
	if most != nil {
		w.client.heed(u, most, &w.options.Observer)
	}
}

// sortParts gives the parts of an answered $batch their outcomes, and says what
// is left to be sent again and why. Rule I3: each part is settled by its own verb.
func (w *Writer) sortParts(ctx context.Context, c call, answers []partAnswer, out []Outcome) (left []record, passing, err error) {
	var doubtful []record
	before := w.passed.Load()
	for i := range min(len(answers), len(c.records)) {
		if answers[i].err == nil {
			w.passed.Add(1)
		}
	}
	verdicts := make(map[int]*APIError)
	for i, r := range c.records {
		if i >= len(answers) {
			passing = errors.Join(passing, errors.New("the batch was answered in part"))
			doubtful = append(doubtful, r)
			continue
		}
		a := &answers[i]
		if a.err == nil {
			if c.message == createMultiple && !w.created(a.entity, r.id) {
				return nil, nil, w.idsIgnored()
			}
			out[r.at] = Outcome{Result: r.result}
			continue
		}
		switch do := w.judgePart(c.message, &r, a.err); do {
		case wait, again:
			left = append(left, r)
			if passing == nil || throttled(passing) {
				passing = a.err
			}
		case settle, duplicate:
			doubtful = append(doubtful, r)
			verdicts[r.at] = a.err
			if do == settle {
				passing = a.err
			}
		case blame:
			if err := w.trust(ctx, a.err, w.passed.Load() > before, len(c.records)); err != nil {
				return nil, nil, err
			}
			out[r.at] = w.refusal(c.message, r, a.err)
		default:
			return nil, nil, toFault(a.err)
		}
	}
	own := call{message: c.message, records: doubtful}
	if len(doubtful) > 0 {
		if err := w.settle(ctx, &own, out); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range own.records {
		if e := verdicts[r.at]; e != nil && e.action() == duplicate {
			if err := w.reject(ctx, call{message: c.message, records: []record{r}}, e, out); err != nil {
				return nil, nil, err
			}
			continue
		}
		left = append(left, r)
	}
	return left, passing, nil
}

// judgePart says what to do about one failed part. A duplicate is returned for
// creates only: whether the record is our own is to be seen.
func (w *Writer) judgePart(m *message, r *record, e *APIError) action {
	switch do := e.action(); do {
	case shrink:
		return again
	case once:
		if !r.tried {
			r.tried = true
			return again
		}
		return blame
	case duplicate:
		switch {
		case m == createMultiple:
			return duplicate
		case m == upsertMultiple && !r.tried:
			r.tried = true // two upserts of one missing key race; the loser's repeat is an update
			return again
		}
		return blame
	case stop:
		if m == deleteMultiple && e.Status == http.StatusMethodNotAllowed && e.structured {
			return blame // something keeps the record from being deleted
		}
		return do
	default:
		return do
	}
}

// created compares the address of a created record with the id it was to have.
func (w *Writer) created(entity, id string) bool {
	open, end := strings.LastIndexByte(entity, '('), strings.LastIndexByte(entity, ')')
	if open < 0 || end < open {
		return false
	}
	key, _, _ := strings.Cut(entity[open+1:end], ",")
	if _, value, named := strings.Cut(key, "="); named {
		key = value
	}
	return strings.EqualFold(key, id)
}

// appendOperation writes one operation as a part of a $batch.
func (w *Writer) appendOperation(dst []byte, boundary string, m *message, r *record) ([]byte, error) {
	method := http.MethodPatch
	switch m {
	case createMultiple:
		method = http.MethodPost
	case deleteMultiple:
		method = http.MethodDelete
	case associating, disassociating:
		return w.appendLink(dst, boundary, m, r)
	case peopling:
		return w.appendPeople(dst, boundary, r)
	}
	dst = w.client.openPart(dst, boundary, method)
	dst = append(dst, w.table.Set...)
	var err error
	if m != createMultiple {
		if dst, err = w.appendAddress(dst, r); err != nil {
			return dst, err
		}
	}
	dst = append(dst, w.query...)
	dst = closeHead(dst)
	dst = append(dst, w.lines...)
	if m == updateMultiple {
		dst = append(dst, "If-Match: *\r\n"...) // without it a PATCH creates what is not there
	}
	if m == deleteMultiple {
		return append(dst, "\r\n\r\n"...), nil
	}
	dst = append(dst, "Content-Type: application/json\r\n\r\n"...)
	if dst, err = w.appendBody(dst, m, r); err != nil {
		return dst, err
	}
	return append(dst, "\r\n"...), nil
}

// appendAddress writes the key of a record as it stands in a URL.
func (w *Writer) appendAddress(dst []byte, r *record) ([]byte, error) {
	if w.elastic() {
		return w.appendElasticAddress(dst, r)
	}
	dst = append(dst, '(')
	if r.id != "" {
		dst = append(dst, r.id...)
		return append(dst, ')'), nil
	}
	dst, err := w.table.appendKey(dst, r.op.Key, "=", ",")
	if err != nil {
		return dst, broken(r.op, "has a key that cannot be written")
	}
	return append(dst, ')'), nil
}

// appendBody writes the columns of a record as the body of its own request.
func (w *Writer) appendBody(dst []byte, m *message, r *record) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '{')
	if m == createMultiple {
		dst = append(dst, `,"`...)
		dst = append(dst, w.table.PrimaryID...)
		dst = append(dst, `":"`...)
		dst = append(dst, r.id...)
		dst = append(dst, '"')
		if w.elastic() {
			dst = appendPartition(dst, r)
		}
	}
	if r.withKey {
		var err error
		if dst, err = w.appendKeyColumns(dst, r.op); err != nil {
			return dst, err
		}
	}
	if inner := members(r.op.Set); len(inner) > 0 {
		dst = append(dst, ',')
		dst = append(dst, inner...)
	}
	if len(dst) > start+1 { // the first member needs no comma before it
		dst = append(dst[:start+1], dst[start+2:]...)
	}
	return append(dst, '}'), nil
}
