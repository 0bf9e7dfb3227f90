package run

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"

	"penstock/internal/fault"
)

// bins are streams of items that grow side by side: in memory while they fit,
// and in one scratch file beyond that. Each gives its items back in the order in
// which they came. A bin as bytes is its items, each behind its length.
type bins struct {
	dir    string
	budget int // bytes of memory for items
	block  int // bytes of one piece of it
	all    []bin
	held   int // bytes of memory in use
	free   [][]byte
	file   *os.File // nil until the first spill
	w      *bufio.Writer
	end    int64
}

type bin struct {
	spilled []extent // in the file, before what is in memory
	blocks  [][]byte
	items   int
	bytes   int64
}

type extent struct{ at, size int64 }

// Blocks of memory are small when there are many bins, so that half-filled ones do not use up the budget.
const (
	leastBlock = 8 << 10
	mostBlock  = 256 << 10
)

func newBins(dir string, n, budget int) *bins {
	return &bins{dir: dir, budget: budget, block: min(max(budget/(2*n), leastBlock), mostBlock), all: make([]bin, n)}
}

// put adds an item, in one or two parts, to a bin, copying it. An item without bytes is none.
func (b *bins) put(i int, item, rest []byte) error {
	var length [binary.MaxVarintLen64]byte
	head := length[:binary.PutUvarint(length[:], uint64(len(item)+len(rest)))]
	size := len(head) + len(item) + len(rest)
	one := &b.all[i]
	if n := len(one.blocks); n == 0 || cap(one.blocks[n-1])-len(one.blocks[n-1]) < size {
		if err := b.grow(one, size); err != nil {
			return err
		}
	}
	last := &one.blocks[len(one.blocks)-1]
	*last = append(append(append(*last, head...), item...), rest...)
	one.items++
	one.bytes += int64(size)
	return nil
}

// grow gives a bin room for an item, after spilling when memory is used up.
func (b *bins) grow(one *bin, size int) error {
	if b.held+max(size, b.block) > b.budget && b.held > 0 {
		if err := b.spill(); err != nil {
			return err
		}
	}
	var block []byte
	switch n := len(b.free); {
	case size > b.block:
		block = make([]byte, 0, size)
	case n > 0:
		block, b.free = b.free[n-1], b.free[:n-1]
	default:
		block = make([]byte, 0, b.block)
	}
	b.held += cap(block)
	one.blocks = append(one.blocks, block)
	return nil
}

// spill moves all that is in memory to the end of the file.
func (b *bins) spill() error {
	if b.file == nil {
		f, err := os.CreateTemp(b.dir, "spool-*")
		if err != nil {
			return spillFault(err)
		}
		b.file, b.w = f, bufio.NewWriterSize(f, 64<<10) // larger blocks go past it
	}
	for i := range b.all {
		one := &b.all[i]
		size := int64(0)
		for _, block := range one.blocks {
			b.w.Write(block) // the writer keeps the error for Flush
			size += int64(len(block))
			b.release(block)
		}
		clear(one.blocks)
		one.blocks = one.blocks[:0]
		if size > 0 {
			one.spilled = append(one.spilled, extent{b.end, size})
			b.end += size
		}
	}
	if err := b.w.Flush(); err != nil {
		return spillFault(err)
	}
	return nil
}

func (b *bins) release(block []byte) {
	b.held -= cap(block)
	if cap(block) == b.block {
		b.free = append(b.free, block[:0])
	}
}

// each hands a bin's items to visit, which must not keep them.
func (b *bins) each(i int, visit func(item []byte) error) error {
	one := &b.all[i]
	if len(one.spilled) > 0 {
		if err := eachItem(b.spilled(i), visit); err != nil {
			return err
		}
	}
	for _, block := range one.blocks {
		for len(block) > 0 {
			item, rest, ok := cutItem(block)
			if !ok {
				return errSpool
			}
			if err := visit(item); err != nil {
				return err
			}
			block = rest
		}
	}
	return nil
}

// spilled reads what a bin has in the file.
func (b *bins) spilled(i int) io.Reader {
	var parts []io.Reader
	for _, e := range b.all[i].spilled {
		parts = append(parts, io.NewSectionReader(b.file, e.at, e.size))
	}
	return io.MultiReader(parts...)
}

// body is a bin as bytes, for storing it elsewhere.
func (b *bins) body(i int) io.ReadSeeker {
	one := &b.all[i]
	return io.NewSectionReader(binBytes{b.file, one.spilled, one.blocks}, 0, one.bytes)
}

// binBytes reads a bin anywhere.
type binBytes struct {
	file    *os.File
	spilled []extent
	blocks  [][]byte
}

func (r binBytes) ReadAt(p []byte, off int64) (n int, err error) {
	for _, e := range r.spilled {
		if off < e.size && n < len(p) {
			got, err := r.file.ReadAt(p[n:min(int64(len(p)), int64(n)+e.size-off)], e.at+off)
			n, off = n+got, off+int64(got)
			if err != nil {
				return n, spillFault(err)
			}
		}
		off -= e.size
	}
	for _, block := range r.blocks {
		size := int64(len(block))
		if off < size && n < len(p) {
			got := copy(p[n:], block[off:])
			n, off = n+got, off+int64(got)
		}
		off -= size
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// drop forgets a bin's items.
func (b *bins) drop(i int) {
	for _, block := range b.all[i].blocks {
		b.release(block)
	}
	b.all[i] = bin{}
}

// close gives the file back. The memory goes with b.
func (b *bins) close() {
	if b.file != nil {
		b.file.Close()
		_ = os.Remove(b.file.Name())
	}
}

// cutItem takes the first item off b.
func cutItem(b []byte) (item, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}

// maxItem is more than any row becomes: rows of a file are far smaller.
const maxItem = 1 << 30

var itemBuffers = sync.Pool{New: func() any { return new([mostBlock]byte) }}

// eachItem reads items from r to its end, through one buffer that is as large as the largest item.
func eachItem(r io.Reader, visit func(item []byte) error) error {
	usual := itemBuffers.Get().(*[mostBlock]byte)
	defer itemBuffers.Put(usual)
	buffer := usual[:]
	start, end := 0, 0
	for {
		if item, rest, ok := cutItem(buffer[start:end]); ok {
			if err := visit(item); err != nil {
				return err
			}
			start = end - len(rest)
			continue
		}
		switch {
		case start == end:
			start, end = 0, 0
		case end < len(buffer):
		case start > 0:
			end = copy(buffer, buffer[start:end])
			start = 0
		case end >= maxItem:
			return errSpool
		default:
			buffer = append(buffer, make([]byte, len(buffer))...)
		}
		n, err := r.Read(buffer[end:])
		end += n
		switch {
		case n > 0 || err == nil:
		case !errors.Is(err, io.EOF):
			return readFault(err)
		case end > start:
			return errSpool // the last item is cut short
		default:
			return nil
		}
	}
}

// readFault keeps what a store says about its own failing; anything else is the scratch file's.
func readFault(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	return spillFault(err)
}

func spillFault(err error) error {
	return fault.New(fault.Broken, "scratch_unwritable", "the scratch directory cannot be written").
		Advise("make room, or set TMPDIR to a directory with at least twice the file's size").Because(err)
}

var errSpool = fault.New(fault.Broken, "scratch_damaged", "a spill file is not as it was written")
