package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"penstock/internal/delivery/charset"
	"penstock/internal/delivery/unpack"
	"penstock/internal/fault"
)

// stream is the text of one object as UTF-8. A goroutine of its own reads, unpacks and decodes ahead of
// whoever reads the stream, so that the objects of a delivery are worked on in parallel.
type stream struct {
	blocks chan block
	free   chan []byte
	stop   context.CancelFunc

	object int
	offset int64 // of the unpacked object, where reading began

	cur   block
	text  []byte // unread of cur
	out   int64  // bytes of text handed out
	marks []mark // of blocks that hold text behind the last place asked for, and the one before
	err   error
	sum   string // SHA-256 of the object, once it was read whole
}

type block struct {
	buf  []byte
	text []byte
	raw  int64 // where its text begins in the unpacked object
	hash hashState
	err  error
	sum  string
}

// hashState is the hash of so many first bytes of an object that is not compressed.
type hashState struct {
	bytes int64
	state []byte // nil: not known
}

// mark says that the text from out on begins at byte raw of the unpacked object.
type mark struct {
	out, raw int64
	hash     hashState
}

const (
	streamBlock  = 128 << 10
	streamBlocks = 8 // in flight
)

// openStream begins to read an object from a byte of its unpacked content, and goes on with its hash.
func openStream(ctx context.Context, src Source, i int, e charset.Encoding, limits Limits, offset int64, begun *Hashed) *stream {
	ctx, stop := context.WithCancel(ctx)
	s := &stream{object: i, offset: offset, blocks: make(chan block, streamBlocks), free: make(chan []byte, streamBlocks), stop: stop}
	for range streamBlocks {
		s.free <- nil
	}
	go func() {
		defer close(s.blocks)
		sum, err := s.produce(ctx, src, e, limits, begun)
		if err == nil {
			err = io.EOF
		}
		s.send(ctx, block{err: err, sum: sum})
	}()
	return s
}

func (s *stream) send(ctx context.Context, b block) bool {
	select {
	case s.blocks <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// produce sends the object's text in blocks.
func (s *stream) produce(ctx context.Context, src Source, e charset.Encoding, limits Limits, begun *Hashed) (sum string, err error) {
	o := src.Objects[s.object]
	body, err := openBody(ctx, src.From, o, limits, s.offset)
	if err != nil {
		return "", err
	}
	defer body.Close()
	if begun != nil && begun.Object == s.object {
		body.goOnHashing(begun, s.offset)
	}
	d := decoding{r: body, encoding: e, raw: s.offset}
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if buf == nil {
			buf = make([]byte, 0, streamBlock)
		}
		b := block{buf: buf, raw: d.raw, hash: body.hashState()}
		b.text, err = d.fill(buf[:0])
		if len(b.text) > 0 && !s.send(ctx, b) {
			return "", ctx.Err()
		}
		if err == io.EOF {
			return body.finish(o)
		}
		if err != nil {
			return "", placed(err, o.Name())
		}
	}
}

// decoding reads bytes and gives text.
type decoding struct {
	r        io.Reader
	encoding charset.Encoding
	raw      int64 // bytes that became text
	rest     []byte
	ended    bool
}

// fill gives up to cap(text) bytes of text.
func (d *decoding) fill(text []byte) ([]byte, error) {
	if d.encoding == charset.UTF8 {
		n, err := io.ReadFull(d.r, text[:cap(text)])
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		d.raw += int64(n)
		return text[:n], err
	}
	if d.rest == nil {
		d.rest = make([]byte, 0, streamBlock)
	}
	for !d.ended && len(text)+4 <= cap(text) {
		n, err := d.r.Read(d.rest[len(d.rest):cap(d.rest)])
		d.rest = d.rest[:len(d.rest)+n]
		if err != nil && err != io.EOF {
			return text, err
		}
		d.ended = err == io.EOF
		var taken int
		text, taken = d.encoding.Decode(text, d.rest, cap(text))
		d.raw += int64(taken)
		d.rest = append(d.rest[:0], d.rest[taken:]...)
	}
	if !d.ended {
		return text, nil
	}
	text, taken := d.encoding.Decode(text, d.rest, cap(text))
	d.raw += int64(taken)
	d.rest = append(d.rest[:0], d.rest[taken:]...)
	if taken > 0 || len(text)+4 > cap(text) {
		return text, nil
	}
	text, ok := d.encoding.DecodeEnd(text, d.rest)
	if !ok {
		return text, fault.New(fault.Refused, "cut_short", "the file ends in the middle of a character of %s", d.encoding).
			Advise("deliver it again, whole")
	}
	return text, io.EOF
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.text) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if s.cur.buf != nil {
			s.free <- s.cur.buf
			s.cur.buf = nil
		}
		b, ok := <-s.blocks
		if !ok { // stopped
			s.err = context.Canceled
			continue
		}
		if b.err != nil {
			s.err, s.sum = b.err, b.sum
			continue
		}
		s.cur, s.text = b, b.text
		s.marks = append(s.marks, mark{out: s.out, raw: b.raw, hash: b.hash})
	}
	n := copy(p, s.text)
	s.text = s.text[n:]
	s.out += int64(n)
	return n, nil
}

// at says where to begin again to come to a place in the text: a byte of the unpacked object, how much
// text to pass over from there, and the hash up to there or a little further. Places are asked for in ascending order.
func (s *stream) at(out int64) (offset, skip int64, hashed *Hashed) {
	for len(s.marks) > 1 && s.marks[1].out <= out {
		s.marks = s.marks[1:]
	}
	if len(s.marks) == 0 {
		return s.offset, out, nil
	}
	m := s.marks[0]
	if m.hash.state != nil {
		hashed = &Hashed{Object: s.object, Bytes: m.hash.bytes, State: m.hash.state}
	}
	return m.raw, out - m.out, hashed
}

// Close stops the goroutine and waits for it.
func (s *stream) Close() {
	s.stop()
	for range s.blocks {
	}
}

// body is an object, unpacked.
type body struct {
	io.Reader
	closers []io.Closer
	raw     io.Reader // of the object itself, nil where it is not read in one go
	hash    *hasher
	plain   bool   // it is not compressed
	sum     string // SHA-256 of the object, where it is known already
}

// openBody opens an object at a byte of its unpacked content and looks for itself how it is compressed.
func openBody(ctx context.Context, from Opener, o Object, limits Limits, offset int64) (*body, error) {
	if o.Size == 0 {
		return &body{Reader: bytes.NewReader(nil), hash: newHasher(), raw: bytes.NewReader(nil)}, nil
	}
	if f, ok := from.(Framed); ok && f.holds(o, offset) {
		return f.open(ctx, offset)
	}
	kind, whole, raw, err := openSniffed(ctx, from, o)
	if err != nil {
		return nil, err
	}
	if kind == unpack.None && offset > 0 {
		raw.Close()
		stream, err := from.OpenFrom(ctx, o, offset)
		return &body{Reader: stream, closers: []io.Closer{stream}, plain: true}, err
	}
	b := &body{closers: []io.Closer{raw}, hash: newHasher(), plain: kind == unpack.None}
	if err := b.unpack(ctx, from, o, limits, kind, whole); err != nil {
		b.Close()
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, b.Reader, offset); err != nil {
		b.Close()
		return nil, fmt.Errorf("unpack %s up to byte %d: %w", o.Name(), offset, err)
	}
	return b, nil
}

// openSniffed opens an object from its beginning and looks how it is compressed. To be closed is raw.
func openSniffed(ctx context.Context, from Opener, o Object) (kind unpack.Kind, whole io.Reader, raw io.ReadCloser, err error) {
	if raw, err = from.OpenFrom(ctx, o, 0); err != nil {
		return unpack.None, nil, nil, err
	}
	head := make([]byte, unpack.SniffBytes)
	n, err := io.ReadFull(raw, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		raw.Close()
		return unpack.None, nil, nil, fmt.Errorf("read %s: %w", o.Name(), err)
	}
	return unpack.Sniff(head[:n]), io.MultiReader(bytes.NewReader(head[:n]), raw), raw, nil
}

// goOnHashing goes on with the hash of an object that is read from an offset.
func (b *body) goOnHashing(begun *Hashed, offset int64) {
	if !b.plain || b.hash != nil || begun.Bytes < offset {
		return
	}
	if b.hash = begun.hasher(); b.hash != nil {
		b.hash.at = offset
		b.raw = io.TeeReader(b.Reader, b.hash)
		b.Reader = b.raw
	}
}

// hashState is the hash of what was read so far.
func (b *body) hashState() hashState {
	if !b.plain || b.hash == nil {
		return hashState{}
	}
	return hashState{b.hash.bytes, b.hash.state()}
}

func (b *body) unpack(ctx context.Context, from Opener, o Object, limits Limits, kind unpack.Kind, whole io.Reader) error {
	if kind == unpack.Zip {
		archive, closer, err := openArchive(ctx, from, o, limits)
		if err != nil {
			return err
		}
		b.closers = append(b.closers, closer)
		if archive.Workbook {
			return fault.New(fault.Refused, "other_format", "the file is an Excel workbook, and the delivery's first file is none").At(o.Name(), 0, "")
		}
		entry, err := archive.Open()
		if err != nil {
			return err
		}
		b.closers, b.Reader, b.hash = append(b.closers, entry), entry, nil
		return nil
	}
	b.raw = io.TeeReader(whole, b.hash)
	b.Reader = b.raw
	if kind == unpack.None {
		return nil
	}
	out, err := unpack.New(b.raw, kind, o.Name(), limits.bounds())
	if err != nil {
		return err
	}
	b.closers, b.Reader = append(b.closers, out), out
	return nil
}

func openArchive(ctx context.Context, from Opener, o Object, limits Limits) (*unpack.Archive, io.Closer, error) {
	file, err := from.OpenAt(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	archive, err := unpack.OpenArchive(file, o.Size, o.Name(), limits.bounds())
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return archive, file, nil
}

func (b *body) Close() error {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i].Close()
	}
	b.closers = nil
	return nil
}

// finish holds the content against what was delivered, and gives its hash; "" when it was not read whole.
func (b *body) finish(o Object) (string, error) {
	if b.raw == nil || b.hash == nil {
		return b.sum, nil
	}
	if _, err := io.Copy(io.Discard, b.raw); err != nil { // what stands behind compressed data
		return "", fmt.Errorf("read %s: %w", o.Name(), err)
	}
	return b.hash.finish(o)
}

// placed adds the file to a fault that knows none.
func placed(err error, name string) error {
	if e, ok := fault.As(err); ok && e.File == "" {
		e.File = name
	}
	return err
}
