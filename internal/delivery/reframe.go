package delivery

import (
	"context"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"penstock/internal/fault"
)

// Frames is the index of a copy of an object that can be entered anywhere (rule P2): gzip and its like can only
// be read from their beginning, so a file that takes more than one invocation is copied once into
// blocks that are compressed each for itself. It is a stored format.
type Frames struct {
	Block  int64   `json:"block"`            // unpacked bytes of each block but the last
	Size   int64   `json:"size"`             // unpacked bytes of all
	Ends   []int64 `json:"ends"`             // where each block ends in the copy
	SHA256 string  `json:"sha256,omitempty"` // of the object itself, as it was delivered
}

const frameBlock = 4 << 20

// Reframe writes the copy of an object to w.
func Reframe(ctx context.Context, from Opener, o Object, w io.Writer, limits Limits) (*Frames, error) {
	return reframe(ctx, from, o, w, limits, frameBlock)
}

func reframe(ctx context.Context, from Opener, o Object, w io.Writer, limits Limits, blockBytes int64) (*Frames, error) {
	body, err := openBody(ctx, from, o, limits.orDefault(), 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("reframe %s: %w", o.Name(), err)
	}
	frames := &Frames{Block: blockBytes}
	block := make([]byte, blockBytes)
	var packed []byte
	for end := int64(0); ; {
		n, err := io.ReadFull(body, block)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, placed(err, o.Name())
		}
		if n > 0 {
			packed = encoder.EncodeAll(block[:n], packed[:0])
			if _, err := w.Write(packed); err != nil {
				return nil, fmt.Errorf("reframe %s: %w", o.Name(), err)
			}
			end += int64(len(packed))
			frames.Size, frames.Ends = frames.Size+int64(n), append(frames.Ends, end)
		}
		if err != nil {
			break
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	frames.SHA256, err = body.finish(o)
	return frames, err
}

// Framed opens copies in place of the objects that have one, as if those had never been compressed.
type Framed struct {
	Opener
	Frames map[string]*Frames                                                       // by the object's key
	Copy   func(ctx context.Context, o Object, offset int64) (io.ReadCloser, error) // opens an object's copy at an offset
}

// Object is the object as Framed gives it: a Source with a Framed names this one.
func (f *Frames) Object(o Object) Object {
	o.Size, o.SHA256 = f.Size, ""
	return o
}

// OpenFrom begins in the block that holds the offset.
func (f Framed) OpenFrom(ctx context.Context, o Object, offset int64) (io.ReadCloser, error) {
	frames := f.Frames[o.Key]
	if frames == nil {
		return f.Opener.OpenFrom(ctx, o, offset)
	}
	if frames.Block <= 0 || offset < 0 || int64(len(frames.Ends)) != (frames.Size+frames.Block-1)/frames.Block {
		return nil, fault.New(fault.Broken, "bad_object", "the index of the copy of %s is not one", o.Name())
	}
	i, start := offset/frames.Block, int64(0)
	if i >= int64(len(frames.Ends)) {
		return io.NopCloser(eof{}), nil
	}
	if i > 0 {
		start = frames.Ends[i-1]
	}
	raw, err := f.Copy(ctx, o, start)
	if err != nil {
		return nil, fmt.Errorf("open the copy of %s: %w", o.Name(), err)
	}
	decoder, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("open the copy of %s: %w", o.Name(), err)
	}
	b := &body{Reader: decoder, closers: []io.Closer{raw, decoder.IOReadCloser()}}
	if _, err := io.CopyN(io.Discard, decoder, offset%frames.Block); err != nil {
		b.Close()
		return nil, fmt.Errorf("read the copy of %s: %w", o.Name(), err)
	}
	return b, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
