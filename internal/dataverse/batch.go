package dataverse

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"penstock/internal/fault"
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

// partAnswer is what became of a part: its body, or why there is none.
type partAnswer struct {
	status int
	body   []byte
	err    *APIError
}

// appendBatch writes parts as multipart/mixed. Each line ends in CR LF, the
// last boundary too: the service refuses a batch that does not.
func (c *Client) appendBatch(dst []byte, boundary string, parts []part) []byte {
	for _, p := range parts {
		dst = append(dst, "--"+boundary+"\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"...)
		dst = append(dst, p.method+" "+c.path+p.path+" HTTP/1.1\r\nAccept: application/json\r\n"+p.header+"\r\n"...)
		dst = append(dst, p.body...)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "--"+boundary+"--\r\n\r\n"...)
}

// batch sends one $batch that changes nothing and returns its parts in order.
// There may be fewer answers than parts: the service stopped, or the answer was cut.
func (c *Client) batch(ctx context.Context, parts []part, observer *Observer) ([]partAnswer, error) {
	boundary := "batch_" + rand.Text()
	p := newPayload()
	defer p.release()
	p.bytes = c.appendBatch(p.bytes, boundary, parts)
	out, err := c.read(ctx, &request{
		method: http.MethodPost, url: c.root + "$batch", body: p, observer: observer,
		contentType: `multipart/mixed; boundary="` + boundary + `"`, prefer: "odata.continue-on-error",
	})
	if err != nil {
		return nil, err
	}
	return c.parseBatch(out)
}

func (c *Client) parseBatch(out *answer) ([]partAnswer, error) {
	kind, params, err := mime.ParseMediaType(out.header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return nil, fault.New(fault.Broken, "unexpected_answer", "the service answered a batch with something else")
	}
	var answers []partAnswer
	reader := multipart.NewReader(bytes.NewReader(out.body), params["boundary"])
	for {
		piece, err := reader.NextRawPart()
		if err != nil {
			return answers, nil // the end, or an answer that was cut: whoever asked counts
		}
		answer, err := c.parsePart(piece)
		if err != nil {
			return answers, nil
		}
		answers = append(answers, answer)
	}
}

func (c *Client) parsePart(piece io.Reader) (partAnswer, error) {
	resp, err := http.ReadResponse(bufio.NewReader(piece), nil)
	if err != nil {
		return partAnswer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // bounded: the whole answer is in memory
	if err != nil {
		return partAnswer{}, err
	}
	if resp.StatusCode/100 == 2 {
		return partAnswer{status: resp.StatusCode, body: body}, nil
	}
	return partAnswer{status: resp.StatusCode, err: parseError(resp.StatusCode, resp.Header, body, c.clock.Now())}, nil
}

// readAll gets many paths with few calls, in order: filters that are too long
// for a URL, or whose values must not stand in one. Parts that fail for passing
// reasons are asked again, the others not.
func (c *Client) readAll(ctx context.Context, paths []string, observer *Observer) ([][]byte, error) {
	bodies := make([][]byte, len(paths))
	open := make([]int, len(paths))
	for i := range open {
		open[i] = i
	}
	watch := observer
	if watch == nil {
		watch = &c.observer
	}
	for tries := 1; len(open) > 0; {
		some := open[:min(len(open), maxParts)]
		parts := make([]part, len(some))
		for i, at := range some {
			parts[i] = part{method: http.MethodGet, path: paths[at]}
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
