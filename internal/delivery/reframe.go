package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"penstock/internal/delivery/unpack"
	"penstock/internal/fault"
)

// Frames describes a copy of an object that can be entered anywhere (rule P2): gzip and its like can only
// be read from their beginning, so what is left of an object that takes more than one invocation is
// copied into parts that are compressed each for itself. It is a stored format.
type Frames struct {
	Part   int64  `json:"part"`             // unpacked bytes of each part but the last
	From   int64  `json:"from"`             // where in the unpacked object the copy begins
	End    int64  `json:"end"`              // and ends
	Whole  bool   `json:"whole,omitempty"`  // it ends where the object does
	SHA256 string `json:"sha256,omitempty"` // of the object itself, as it was delivered; "" as long as the copy is not whole, and of zip archives
}

// FramePart is how large parts are: one is in memory, and to enter it, half of one is unpacked for nothing.
const FramePart = 32 << 20

// Packed tells whether an object can only be unpacked from its beginning.
func Packed(ctx context.Context, from Opener, o Object) (bool, error) {
	if o.Size == 0 {
		return false, nil
	}
	kind, _, raw, err := openSniffed(ctx, from, o)
	if err != nil {
		return false, err
	}
	return kind != unpack.None, raw.Close()
}

// Reframe makes a copy longer: up to the object's end, or until stop. It hands every further part to put, which may keep
// it; the description that it returns holds once all of them are stored. When stop came before a
// single part was made, the copy is as long as it was.
func Reframe(ctx context.Context, from Opener, o Object, limits Limits, f Frames, put func(part int, data []byte) error, stop func() bool) (Frames, error) {
	if err := f.check(o); err != nil {
		return f, err
	}
	body, err := openBody(ctx, from, o, limits.orDefault(), 0)
	if err != nil {
		return f, err
	}
	defer body.Close()
	for at := int64(0); at < f.End; {
		if at > 0 && stop() {
			return f, nil
		}
		n, err := io.CopyN(io.Discard, body, min(4*f.Part, f.End-at)) // faster than making parts
		if err == io.EOF {
			err = changed(o, "is shorter than it was")
		}
		if err != nil {
			return f, placed(err, o.Name())
		}
		at += n
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return f, fmt.Errorf("copy %s: %w", o.Name(), err)
	}
	for {
		data, n, err := packPart(encoder, body, f.Part)
		if err != nil {
			return f, placed(err, o.Name())
		}
		if n > 0 {
			if err := put(f.parts(), data); err != nil {
				return f, err
			}
			f.End += n
		}
		switch {
		case n < f.Part:
			f.Whole = true
			f.SHA256, err = body.finish(o)
			return f, err
		case ctx.Err() != nil:
			return f, context.Cause(ctx)
		case stop():
			return f, nil
		}
	}
}

func packPart(encoder *zstd.Encoder, body io.Reader, size int64) (data []byte, n int64, err error) {
	var packed bytes.Buffer
	encoder.Reset(&packed)
	if n, err = encoder.ReadFrom(io.LimitReader(body, size)); err != nil {
		return nil, n, err
	}
	err = encoder.Close()
	return packed.Bytes(), n, err
}

// parts is how many parts there are; all but the last one of a whole copy are full.
func (f Frames) parts() int { return int((f.End - f.From + f.Part - 1) / f.Part) }

func (f Frames) check(o Object) error {
	if f.Part <= 0 || f.From < 0 || f.End < f.From || !f.Whole && (f.End-f.From)%f.Part != 0 {
		return fault.New(fault.Broken, "bad_object", "the description of the copy of %s is not one", o.Name())
	}
	return nil
}

// Framed opens one object's copy in its place, from where the copy begins; all else comes from the Opener.
type Framed struct {
	Opener
	Object Object
	Frames Frames
	Part   func(ctx context.Context, part int) (io.ReadCloser, error) // opens a part of the copy
}

func (f Framed) holds(o Object, offset int64) bool {
	return o == f.Object && f.Frames.Whole && offset >= f.Frames.From
}

// open begins in the part that holds the offset.
func (f Framed) open(ctx context.Context, offset int64) (*body, error) {
	if err := f.Frames.check(f.Object); err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("open the copy of %s: %w", f.Object.Name(), err)
	}
	in := offset - f.Frames.From
	r := &partsReader{ctx: ctx, copy: f, decoder: decoder, part: int(in / f.Frames.Part)}
	b := &body{Reader: r, closers: []io.Closer{r}, sum: f.Frames.SHA256}
	if _, err := io.CopyN(io.Discard, r, in%f.Frames.Part); err != nil {
		b.Close()
		if err == io.EOF {
			err = f.damaged()
		}
		return nil, err
	}
	return b, nil
}

func (f Framed) damaged() *fault.Error {
	return fault.New(fault.Broken, "piece_damaged", "the copy of %s is not as it was written", f.Object.Name()).Advise("start a new run")
}

// partsReader reads a copy from the beginning of one of its parts to its end.
type partsReader struct {
	ctx     context.Context
	copy    Framed
	decoder *zstd.Decoder
	part    int // to be opened next
	raw     io.Closer
	left    int64 // unpacked bytes of the open part
}

func (r *partsReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if r.raw == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.decoder.Read(p)
		r.left -= int64(n)
		switch {
		case err == io.EOF && r.left == 0:
			r.closePart()
		case err == io.EOF, r.left < 0:
			return 0, r.copy.damaged()
		case err != nil:
			if _, known := fault.As(err); known || r.ctx.Err() != nil {
				return 0, err
			}
			return 0, r.copy.damaged().Because(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// next opens the next part.
func (r *partsReader) next() error {
	f := r.copy.Frames
	start := f.From + int64(r.part)*f.Part
	if start >= f.End {
		return io.EOF
	}
	raw, err := r.copy.Part(r.ctx, r.part)
	if err != nil {
		return fmt.Errorf("open part %d of the copy of %s: %w", r.part, r.copy.Object.Name(), err)
	}
	r.raw, r.left, r.part = raw, min(f.Part, f.End-start), r.part+1
	return r.decoder.Reset(raw)
}

func (r *partsReader) closePart() {
	if r.raw != nil {
		r.raw.Close()
		r.raw = nil
	}
}

func (r *partsReader) Close() error {
	r.closePart()
	r.decoder.Close()
	return nil
}
