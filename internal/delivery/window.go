package delivery

import (
	"bytes"
	"fmt"
	"io"

	"penstock/internal/fault"
)

// window is the part of a file that is in memory: what is unread, up to one whole row.
type window struct {
	r     io.Reader
	name  string
	buf   []byte
	pos   int   // the first unread byte
	end   int   // behind the last byte that is there
	max   int   // buf never grows beyond it
	ended bool  // nothing comes after end
	line  int   // the line of the first unread byte, 1-based
	read  int64 // bytes that came from r
}

const windowBytes = 128 << 10

func newWindow(r io.Reader, name string, size, rowBytes int) *window {
	return &window{r: r, name: name, buf: make([]byte, size), max: max(size, rowBytes+len("\r\n")+1), line: 1}
}

func (w *window) rest() []byte { return w.buf[w.pos:w.end] }

// passed is how many bytes are behind.
func (w *window) passed() int64 { return w.read - int64(w.end-w.pos) }

// pass moves on by n bytes that hold so many line ends.
func (w *window) pass(n, lines int) {
	w.pos += n
	w.line += lines
}

// more keeps the unread bytes and reads until the window is full or the file ends. When the unread
// bytes fill it, it doubles first, so that scanning a row again from its start stays linear in all.
func (w *window) more() error {
	unread := w.end - w.pos
	switch {
	case w.pos > 0:
		copy(w.buf, w.rest())
	case unread == len(w.buf):
		grown := make([]byte, min(2*len(w.buf), w.max))
		copy(grown, w.buf)
		w.buf = grown
	}
	w.pos, w.end = 0, unread
	for idle := 0; w.end < len(w.buf); {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.read += int64(n)
		if err == io.EOF {
			w.ended = true
			return nil
		}
		if e, ok := fault.As(err); ok && e.Kind == fault.Refused && e.Line == 0 {
			e.Line = w.line // the file breaks behind it
			return err
		}
		if err != nil {
			return fmt.Errorf("read %s after line %d: %w", w.name, w.line, err)
		}
		if idle++; n > 0 {
			idle = 0
		}
		if idle == 100 {
			return fmt.Errorf("read %s after line %d: %w", w.name, w.line, io.ErrNoProgress)
		}
	}
	return nil
}

const byteOrderMark = "\xef\xbb\xbf"

// begin reads the first bytes, refuses what is no UTF-8 text and passes over a byte order mark.
func (w *window) begin() (bom bool, err error) {
	if err := w.more(); err != nil {
		return false, err
	}
	if err := refuseForeign(w.rest(), w.name); err != nil {
		return false, err
	}
	if bytes.HasPrefix(w.rest(), []byte(byteOrderMark)) {
		w.pass(len(byteOrderMark), 0)
		return true, nil
	}
	return false, nil
}
