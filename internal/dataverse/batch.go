package dataverse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
)

// maxParts is the service's limit of operations in one $batch.
const maxParts = 1000

// part is one operation of a $batch.
type part struct {
	method string
	path   string // below the service root, encoded; up to 65,536 characters
	header string // lines that end in CR LF
	body   []byte
}

// appendBatch writes parts as multipart/mixed. Each line ends in CR LF, the
// last boundary too: the service refuses a batch that does not.
func (c *Client) appendBatch(dst []byte, boundary string, parts []part) []byte {
	for _, p := range parts {
		dst = c.openPart(dst, boundary, p.method)
		dst = append(dst, p.path...)
		dst = closeHead(dst)
		dst = append(dst, p.header...)
		dst = append(dst, "\r\n"...)
		dst = append(dst, p.body...)
		dst = append(dst, "\r\n"...)
	}
	return closeBatch(dst, boundary)
}

// openPart begins a part, up to where its path below the service root stands.
func (c *Client) openPart(dst []byte, boundary, method string) []byte {
	dst = append(dst, "--"...)
	dst = append(dst, boundary...)
	dst = append(dst, "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"...)
	dst = append(dst, method...)
	dst = append(dst, ' ')
	return append(dst, c.path...)
}

// closeHead ends a part's request line. More headers, an empty line and a body follow.
func closeHead(dst []byte) []byte {
	return append(dst, " HTTP/1.1\r\nAccept: application/json\r\n"...)
}

func closeBatch(dst []byte, boundary string) []byte {
	dst = append(dst, "--"...)
	dst = append(dst, boundary...)
	return append(dst, "--\r\n\r\n"...)
}

// newBoundary names the line between parts; no value of a row can be it.
func newBoundary() string { return "batch_" + rand.Text() }

// batch sends one $batch that changes nothing and returns its parts in order.
// There may be fewer answers than parts: the service stopped, or the answer was cut.
func (c *Client) batch(ctx context.Context, parts []part, observer *Observer) ([]partAnswer, error) {
	boundary := newBoundary()
	p := newPayload()
	defer p.release()
	p.bytes = c.appendBatch(p.bytes, boundary, parts)
	out, err := c.read(ctx, &request{
		method: http.MethodPost, url: c.root + "$batch", body: p, batch: true, parts: len(parts), observer: observer,
		contentType: `multipart/mixed; boundary="` + boundary + `"`, prefer: "odata.continue-on-error",
	})
	if err != nil {
		return nil, err
	}
	return c.parseBatch(out)
}

// readAll gets many paths with few calls, in order: filters that are too long
// for a URL, or whose values must not stand in one. Parts that fail for passing
// reasons are asked again, the others not.
func (c *Client) readAll(ctx context.Context, paths []string, s *session, observer *Observer) ([][]byte, error) {
	bodies := make([][]byte, len(paths))
	open := make([]int, len(paths))
	for i := range open {
		open[i] = i
	}
	watch := c.watcher(ctx, observer)
	for tries := 1; len(open) > 0; {
		some := open[:min(len(open), maxParts)]
		parts := make([]part, len(some))
		for i, at := range some {
			parts[i] = part{method: http.MethodGet, path: paths[at], header: lines(s.header())}
		}
		answers, err := c.batch(ctx, parts, observer)
		if err != nil {
			return nil, err
		}
		var left []int
		var passing error
		for i, at := range some {
			if i >= len(answers) {
				left, passing = append(left, at), errors.Join(passing, errors.New("the batch was answered in part"))
				continue
			}
			if e := answers[i].err; e != nil {
				if !e.passes() {
					return nil, toFault(e)
				}
				left, passing = append(left, at), e
				continue
			}
			s.keep(answers[i].token)
			bodies[at] = answers[i].body
		}
		open = append(left, open[len(some):]...)
		if passing == nil {
			continue
		}
		if len(left) < len(some) {
			tries = 1 // it goes forward
		}
		if tries++; tries > maxAttempts {
			return nil, toFault(fmt.Errorf("read in batches: %w", passing))
		}
		if err := c.backOff(ctx, watch, tries); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// passes reports whether a read that got e is worth repeating.
func (e *APIError) passes() bool {
	switch e.action() {
	case wait, again, once, settle, shrink:
		return true
	}
	return false
}
