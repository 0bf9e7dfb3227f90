package delivery

import (
	"context"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Source is what a delivery is read from: one or several objects in order, and where they lie.
type Source struct {
	Objects []Object
	From    Opener
}

// Opener opens objects in the very version that was delivered: one that changed or vanished since is
// refused. Files and Bucket are Openers.
type Opener interface {
	// OpenFrom streams an object from an offset to its end.
	OpenFrom(ctx context.Context, o Object, offset int64) (io.ReadCloser, error)
	// OpenAt reads an object anywhere.
	OpenAt(ctx context.Context, o Object) (RandomAccess, error)
}

// RandomAccess reads anywhere in an object, also by several goroutines.
type RandomAccess interface {
	io.ReaderAt
	io.Closer
}

// Name is what messages call an object: its last part.
func (o Object) Name() string { return path.Base(strings.ReplaceAll(o.Key, `\`, "/")) }

// steadyTries is how often a lost connection is taken up again without a byte having come in between.
const steadyTries = 4

// steady reads an object to its last byte, over as many connections as it takes: those of a large
// object live for minutes, and the SDK repeats no read of a body.
type steady struct {
	ctx    context.Context
	from   Bucket
	object Object
	offset int64
	body   io.ReadCloser
	failed int // connections lost in a row
}

func openSteady(ctx context.Context, from Bucket, o Object, offset int64) (io.ReadCloser, error) {
	s := &steady{ctx: ctx, from: from, object: o, offset: offset}
	if offset >= o.Size && offset > 0 {
		return s, nil
	}
	return s, s.connect()
}

func (s *steady) connect() (err error) {
	span := ""
	if s.offset > 0 {
		span = strconv.FormatInt(s.offset, 10) + "-"
	}
	s.body, err = s.from.get(s.ctx, s.object, span)
	return err
}

func (s *steady) Read(p []byte) (int, error) {
	for {
		if s.body == nil && s.offset >= s.object.Size {
			return 0, io.EOF
		}
		n, err := s.body.Read(p)
		s.offset += int64(n)
		if n > 0 {
			s.failed = 0
		}
		if err == io.EOF && s.offset < s.object.Size {
			err = io.ErrUnexpectedEOF
		}
		if err == nil || err == io.EOF {
			return n, err
		}
		if s.failed++; s.ctx.Err() != nil || s.failed > steadyTries {
			return n, unreachable(s.object, err)
		}
		s.body.Close()
		if err := s.connect(); err != nil {
			s.body = io.NopCloser(strings.NewReader(""))
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (s *steady) Close() error {
	if s.body == nil {
		return nil
	}
	return s.body.Close()
}

const (
	blockBytes = 256 << 10
	blockCount = 160 // 40 MiB: a block for each column of a wide Parquet file
)

// blocks is random access by ranges, with the blocks used last kept.
type blocks struct {
	size  int64
	fetch func(from, to int64) ([]byte, error)

	mu    sync.Mutex
	kept  map[int64]*keptBlock
	clock int64
}

type keptBlock struct {
	once sync.Once
	data []byte
	err  error
	used int64
}

func newBlocks(size int64, fetch func(from, to int64) ([]byte, error)) *blocks {
	return &blocks{size: size, fetch: fetch, kept: map[int64]*keptBlock{}}
}

func (b *blocks) Close() error { return nil }

func (b *blocks) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		if offset >= b.size {
			return n, io.EOF
		}
		data, err := b.block(offset / blockBytes)
		if err != nil {
			return n, err
		}
		copied := copy(p[n:], data[offset%blockBytes:])
		n, offset = n+copied, offset+int64(copied)
	}
	return n, nil
}

func (b *blocks) block(i int64) ([]byte, error) {
	b.mu.Lock()
	k := b.kept[i]
	if k == nil {
		b.forget()
		k = &keptBlock{}
		b.kept[i] = k
	}
	b.clock++
	k.used = b.clock
	b.mu.Unlock()
	k.once.Do(func() {
		k.data, k.err = b.fetch(i*blockBytes, min((i+1)*blockBytes, b.size))
	})
	if k.err != nil {
		b.mu.Lock()
		if b.kept[i] == k { // the next one may have more luck
			delete(b.kept, i)
		}
		b.mu.Unlock()
	}
	return k.data, k.err
}

// forget makes room for one block.
func (b *blocks) forget() {
	if len(b.kept) < blockCount {
		return
	}
	oldest, used := int64(0), int64(-1)
	for i, k := range b.kept {
		if used < 0 || k.used < used {
			oldest, used = i, k.used
		}
	}
	delete(b.kept, oldest)
}
