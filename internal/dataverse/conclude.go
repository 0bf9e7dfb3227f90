package dataverse

import (
	"context"
	"errors"
	"math"
	"net/http"

	"penstock/internal/fault"
)

// conclude sends a call until it is known what became of it. What is written
// gets its outcome and leaves the call. A verdict is why the service will not
// take what is left in it, of which nothing is written; without one nothing is left.
func (w *Writer) conclude(ctx context.Context, c *call, out []Outcome) (verdict *APIError, err error) {
	for tries := 1; len(c.records) > 0; {
		before := len(c.records)
		sent := w.send(ctx, *c, out)
		if sent == nil {
			c.records = nil
			return nil, nil
		}
		do, api, err := w.judge(ctx, c, sent, out)
		if err != nil {
			return nil, err
		}
		switch do {
		case blame:
			return api, nil
		case wait:
			continue // the limiter holds the next attempt back
		case duplicate, settle:
			// Rule I3: before anything is regrouped. What is not there yet is sent again by the same call.
			if err := w.settle(ctx, c, out); err != nil {
				return nil, err
			}
		case once:
			c.repeat = false
		}
		if do == duplicate {
			if c.message == createMultiple && len(c.records) == before {
				return api, nil
			}
			// Two upserts of one missing key race; the loser's repeat is an update.
			c.repeat = c.message == createMultiple
			continue
		}
		switch {
		case len(c.records) == 0:
			return nil, nil
		case len(c.records) < before:
			tries = 1 // it goes forward
		}
		if tries++; tries > patience(sent) && before > 1 && len(c.records) > 1 {
			w.sizers[c.message.order].tooMuch(len(c.records))
			return &APIError{Status: http.StatusRequestEntityTooLarge}, nil // what it may have done is settled: it may be halved
		}
		if tries > maxAttempts {
			if api != nil && api.action() == once && w.passed.Load() > c.passed {
				return api, nil // the service takes other rows meanwhile: it is this one
			}
			return nil, toFault(sent)
		}
		if err := w.client.backOff(ctx, &w.options.Observer, tries); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// patience is how often a call may end this way before its size is suspected:
// one that takes too long gets no answer of its own.
func patience(sent error) int {
	var api *APIError
	if errors.Is(sent, context.DeadlineExceeded) || errors.As(sent, &api) && (api.Status == http.StatusGatewayTimeout || api.action() == once) {
		return 2
	}
	return math.MaxInt
}

// judge says what to do about a call that failed; with an error there is nothing to do.
func (w *Writer) judge(ctx context.Context, c *call, sent error, out []Outcome) (action, *APIError, error) {
	var (
		api  *APIError
		wire *transportError
	)
	if _, known := fault.As(sent); known {
		return stop, nil, sent
	}
	switch {
	case errors.As(sent, &wire) && wire.sent:
		if errors.Is(sent, context.DeadlineExceeded) {
			w.sizers[c.message.order].tooMuch(len(c.records))
		}
		return settle, nil, nil
	case errors.As(sent, &wire):
		return again, nil, nil
	case !errors.As(sent, &api):
		return stop, nil, sent
	case len(api.rows) > 0:
		return settle, api, w.absorb(ctx, c, api, out)
	}
	switch do := api.action(); do {
	case wait, again, settle, blame:
		return do, api, nil
	case once, duplicate:
		if do == once && api.Status >= http.StatusInternalServerError {
			return settle, api, nil // it may have run, or the service be in trouble: no row is blamed at once
		}
		// A create that was committed and answered with an error clashes with itself: settle tells.
		if !c.repeat && (do == once || c.message != createMultiple) {
			return blame, api, nil
		}
		return do, api, nil
	case shrink:
		if len(c.records) > 1 || api.Status == http.StatusRequestEntityTooLarge {
			return blame, api, nil // of its size; drain halves it
		}
		return again, api, nil
	}
	return stop, nil, toFault(api)
}
