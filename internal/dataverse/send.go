package dataverse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"penstock/internal/fault"
)

const (
	maxAnswer     = 64 << 20 // bytes; a page of 5,000 rows is a few MB
	maxAttempts   = 5        // at a call that fails for passing reasons
	firstAttempts = 3        // at reaching a service that has never answered: its address may be wrong
	firstPause    = 500 * time.Millisecond
	longPause     = 30 * time.Second // the longest back-off, and a throttle's pause when it names none
)

// request is one call, as often as it must be sent.
type request struct {
	method      string
	url         string
	body        *payload // nil for none; its owner releases it
	contentType string
	prefer      string
	headers     []header
	user        *user // nil: any application user
	rows        int
	parts       int                         // operations of a $batch that reads
	sizer       *sizer                      // of the table that is written
	session     *session                    // of the elastic table that is called
	observer    *Observer                   // nil: the context's, or the client's
	before      func(context.Context) error // called when the call has its slot; an error keeps it from being sent
	batch       bool                        // a multipart answer is one whatever its status: each part has its own
}

type answer struct {
	status int
	header http.Header
	body   []byte
	user   *user // who has called
	took   time.Duration
}

// send makes one attempt: slot, token, call. Its errors are a *fault.Error
// (nothing was sent, or nothing will help), an *APIError, or a *transportError.
// A token that is turned down is renewed once, here: a 401 has not run.
func (c *Client) send(ctx context.Context, r *request) (*answer, error) {
	ready(ctx)
	if err := c.budget.take(ctx, int64(max(r.rows, r.parts, 1))); err != nil {
		return nil, err
	}
	u, err := c.limiter.acquire(ctx, r.user, c.watcher(ctx, r.observer))
	if err != nil {
		return nil, err
	}
	defer c.limiter.release(u)
	token, err := u.tokens.get(ctx, "")
	if err != nil {
		return nil, err
	}
	if r.before != nil {
		if err := r.before(ctx); err != nil {
			return nil, err
		}
	}
	out, err := c.attempt(ctx, r, u, token)
	var api *APIError
	if !errors.As(err, &api) || api.action() != renew {
		return out, err
	}
	if token, err = u.tokens.get(ctx, token); err != nil {
		return nil, err
	}
	return c.attempt(ctx, r, u, token)
}

func (c *Client) attempt(ctx context.Context, r *request, u *user, token string) (*answer, error) {
	start := c.clock.Now()
	out, err := c.roundTrip(ctx, r, token)
	if err != nil {
		if ctx.Err() != nil {
			return nil, cancelled(ctx.Err())
		}
		if lost := hopeless(err); lost != nil {
			return nil, lost
		}
		return nil, newTransportError(err)
	}
	c.reached.Store(true)
	now := c.clock.Now()
	observer := c.watcher(ctx, r.observer)
	if observer.Call != nil {
		observer.Call(r.rows, now.Sub(start))
	}
	if hint, err := strconv.Atoi(out.header.Get("x-ms-dop-hint")); err == nil {
		c.limiter.learn(u, hint)
	}
	out.user, out.took = u, now.Sub(start)
	r.session.listen(out.header)
	if out.status/100 == 2 && r.sizer != nil {
		if slower := r.sizer.answered(r.rows, out.took); slower > 0 {
			c.limiter.feel(u, slower)
		}
	}
	if out.status/100 == 2 || r.batch && multipartBoundary(out.header) != "" {
		return out, nil
	}
	api := parseError(out.status, out.header, out.body, now)
	c.heed(u, api, observer)
	return nil, api
}

// heed rests a user when the service asks for it, by a throttle or by a
// Retry-After of any other failure. Everyone who shares the user waits with it.
func (c *Client) heed(u *user, api *APIError, observer *Observer) {
	pause := api.RetryAfter
	if pause == 0 && api.action() == wait {
		pause = longPause
	}
	if pause == 0 {
		return
	}
	if api.action() == wait {
		c.limiter.throttle(u, api, pause)
	} else {
		c.limiter.pause(u, pause)
	}
	if observer.Throttled != nil {
		observer.Throttled(pause)
	}
}

// watcher is who hears a call: its Writer's observer, else the context's, else the client's.
func (c *Client) watcher(ctx context.Context, own *Observer) *Observer {
	if own != nil {
		return own
	}
	if o, ok := ctx.Value(watchedKey{}).(*Observer); ok {
		return o
	}
	return &c.observer
}

func (c *Client) roundTrip(ctx context.Context, r *request, token string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		req.Body = r.body.reader()
		req.ContentLength = int64(len(r.body.bytes))
		req.GetBody = func() (io.ReadCloser, error) { return r.body.reader(), nil }
		req.Header.Set("Content-Type", r.contentType)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set("OData-MaxVersion", "4.0")
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	if r.prefer != "" {
		req.Header.Set("Prefer", r.prefer)
	}
	for _, h := range r.headers {
		req.Header[h.name] = []string{h.value} // spelt as documented
	}
	for _, h := range r.session.header() {
		req.Header[h.name] = []string{h.value}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// read sends a call that changes nothing until it is answered: throttles
// without limit, passing failures a bounded number of times.
func (c *Client) read(ctx context.Context, r *request) (*answer, error) {
	limit := maxAttempts
	for tries := 1; ; {
		out, err := c.send(ctx, r)
		if err == nil {
			return out, nil
		}
		if _, known := fault.As(err); known {
			return nil, err
		}
		var (
			api  *APIError
			wire *transportError
		)
		switch {
		case errors.As(err, &api) && api.action() == wait:
			continue // the limiter holds the next attempt back
		case errors.As(err, &api) && !api.passes():
			return nil, toFault(err)
		case errors.As(err, &wire) && !wire.sent && !c.reached.Load():
			limit = firstAttempts
			if unknown := unknownHost(err); unknown != nil {
				return nil, unknown
			}
		}
		if tries++; tries > limit {
			return nil, toFault(err)
		}
		if err := c.backOff(ctx, c.watcher(ctx, r.observer), tries); err != nil {
			return nil, err
		}
	}
}

// backOff waits before attempt number tries, longer each time, with jitter so
// that workers which failed together do not come back together.
func (c *Client) backOff(ctx context.Context, observer *Observer, tries int) error {
	if observer.Retried != nil {
		observer.Retried()
	}
	pause := min(firstPause<<(2*(tries-2)), longPause)
	pause = pause/2 + rand.N(pause/2+1)
	now := c.clock.Now()
	observer.waiting(WaitRetry, now, now.Add(pause))
	select {
	case <-ctx.Done():
		return cancelled(ctx.Err())
	case <-c.clock.After(pause):
		return nil
	}
}
