package snapshot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"penstock/internal/fault"
)

// Fate is what became of a row in a run.
type Fate uint8

// Of two fates of one row the lesser holds.
const (
	// Doubtful: the target may have the row or not; it is sent next time.
	Doubtful Fate = iota
	// Confirmed: the service said that the target has the row.
	Confirmed
	// Untouched: it was not sent, as far as is known. What the snapshot says of its key stays
	// if that is this very row, and goes otherwise: then nothing is lost but a resend when the
	// row was sent after all, by a worker that is left or one whose journal was lost.
	Untouched
)

// Change is the fate of one row.
type Change struct {
	Mark
	Fate Fate
	// Epoch is the one under which the row was written, or an earlier one of the run:
	// too low costs a resend, too high may cost a wrong skip. Of Untouched rows it says nothing.
	Epoch int
}

// changeBytes: a mark, and epoch and fate in four bytes.
const changeBytes = markBytes + 4

func appendChange(data []byte, c *Change) []byte {
	return binary.LittleEndian.AppendUint32(appendMark(data, &c.Mark), uint32(c.Epoch)<<2|uint32(c.Fate))
}

func changeOf(entry []byte) Change {
	tag := binary.LittleEndian.Uint32(entry[markBytes:])
	return Change{Mark: markAt(entry, 0), Fate: Fate(tag & 3), Epoch: int(tag >> 2)}
}

func byKey(a, b Change) int { return bytes.Compare(a.Key[:], b.Key[:]) }

// changes are a run's, sorted by key: in pieces in scratch files, and the last of them in memory.
type changes struct {
	dir   string // of our own
	files []string
	held  []Change
	count int64
}

// gather reads and sorts all changes with no more than so many in memory.
func (c *changes) gather(f Folding, held int) error {
	for change, err := range f.Changes {
		if err != nil {
			return err
		}
		if change.Fate == Untouched {
			change.Epoch = 0
		} else if change.Fate != Confirmed || change.Epoch < 0 || change.Epoch > f.Epoch {
			// A confirmation above our epoch is of a later attempt under way, which is folded for itself.
			change.Fate, change.Epoch = Doubtful, 0
		}
		if len(c.held) == held {
			if err := c.spill(f.Dir); err != nil {
				return scratchFault(err)
			}
		}
		c.held = append(c.held, change)
		c.count++
	}
	slices.SortFunc(c.held, byKey)
	return nil
}

// spill writes what is held to a file of its own, sorted.
func (c *changes) spill(dir string) (err error) {
	slices.SortFunc(c.held, byKey)
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp(dir, "changes-"); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(fmt.Sprintf("%s/%05d", c.dir, len(c.files)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	entry := make([]byte, 0, changeBytes)
	for i := range c.held {
		entry = appendChange(entry[:0], &c.held[i])
		if _, err = w.Write(entry); err != nil {
			break
		}
	}
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return err
	}
	c.files = append(c.files, f.Name())
	c.held = c.held[:0]
	return nil
}

func (c *changes) remove() {
	if c.dir != "" {
		os.RemoveAll(c.dir)
	}
}

func scratchFault(err error) error {
	return fault.New(fault.Broken, "scratch_unwritable", "the scratch directory cannot be used").
		Advise("make room, or set TMPDIR to a directory with room for 40 bytes a row").Because(err)
}

// A changeReader gives changes in the order of their keys. It can be opened as often as needed.
type changeReader struct {
	pieces []*piece // a heap: the least change is the first's
	files  []*os.File
}

// piece is one sorted run of changes and the next one in it.
type piece struct {
	next Change
	rest []Change
	file *bufio.Reader
	buf  [changeBytes]byte
}

func (c *changes) open() (*changeReader, error) {
	r := &changeReader{}
	pieces := []*piece{{rest: c.held}}
	for _, name := range c.files {
		f, err := os.Open(name)
		if err != nil {
			r.close()
			return nil, scratchFault(err)
		}
		r.files = append(r.files, f)
		pieces = append(pieces, &piece{file: bufio.NewReaderSize(f, 1<<16)})
	}
	for _, p := range pieces {
		more, err := p.advance()
		if err != nil {
			r.close()
			return nil, err
		}
		if more {
			r.pieces = append(r.pieces, p)
		}
	}
	for i := len(r.pieces)/2 - 1; i >= 0; i-- {
		r.sink(i)
	}
	return r, nil
}

func (r *changeReader) close() {
	for _, f := range r.files {
		f.Close()
	}
}

// advance moves to the piece's next change; false at its end.
func (p *piece) advance() (bool, error) {
	if p.file == nil {
		if len(p.rest) == 0 {
			return false, nil
		}
		p.next, p.rest = p.rest[0], p.rest[1:]
		return true, nil
	}
	if _, err := io.ReadFull(p.file, p.buf[:]); err == io.EOF {
		return false, nil
	} else if err != nil {
		return false, scratchFault(err)
	}
	p.next = changeOf(p.buf[:])
	return true, nil
}

// peek is the least change that is left; nil at the end.
func (r *changeReader) peek() *Change {
	if len(r.pieces) == 0 {
		return nil
	}
	return &r.pieces[0].next
}

// next drops the change that peek gave.
func (r *changeReader) next() error {
	more, err := r.pieces[0].advance()
	if err != nil {
		return err
	}
	if !more {
		last := len(r.pieces) - 1
		r.pieces[0] = r.pieces[last]
		r.pieces = r.pieces[:last]
	}
	r.sink(0)
	return nil
}

// sink moves a piece down the heap to its place.
func (r *changeReader) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(r.pieces); child++ {
			if byKey(r.pieces[child].next, r.pieces[least].next) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		r.pieces[i], r.pieces[least] = r.pieces[least], r.pieces[i]
		i = least
	}
}
