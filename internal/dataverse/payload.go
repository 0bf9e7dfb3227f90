package dataverse

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// payload is a pooled request body. It goes back to the pool when its owner and
// every request that was made of it have let go: net/http may still read a body
// after the call has returned.
type payload struct {
	bytes   []byte
	holders atomic.Int32
}

var payloads = sync.Pool{New: func() any { return &payload{bytes: make([]byte, 0, 64<<10)} }}

// maxPooled keeps one huge call from holding its memory for good.
const maxPooled = 8 << 20

func newPayload() *payload {
	p := payloads.Get().(*payload)
	p.bytes = p.bytes[:0]
	p.holders.Store(1)
	return p
}

func (p *payload) release() {
	if p.holders.Add(-1) == 0 && cap(p.bytes) <= maxPooled {
		payloads.Put(p)
	}
}

// reader is a fresh body of one request; its Close lets go of the payload.
func (p *payload) reader() io.ReadCloser {
	p.holders.Add(1)
	return &payloadReader{payload: p}
}

type payloadReader struct {
	mu      sync.Mutex
	payload *payload // nil when closed
	at      int
}

var errBodyClosed = errors.New("request body is closed")

func (r *payloadReader) Read(dst []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.payload == nil {
		return 0, errBodyClosed
	}
	if r.at == len(r.payload.bytes) {
		return 0, io.EOF
	}
	n := copy(dst, r.payload.bytes[r.at:])
	r.at += n
	return n, nil
}

func (r *payloadReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.payload != nil {
		r.payload.release()
		r.payload = nil
	}
	return nil
}
