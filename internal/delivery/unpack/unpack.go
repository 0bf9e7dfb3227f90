// Package unpack recognises compressed files by their first bytes and unpacks them as a stream, within bounds.
package unpack

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"penstock/internal/fault"
)

// Kind names a compression. It is part of a run's plan: a stored format.
type Kind string

const (
	None   Kind = ""
	Gzip   Kind = "gzip" // also of several members
	Zstd   Kind = "zstd" // also of several frames
	Bzip2  Kind = "bzip2"
	Snappy Kind = "snappy" // framed
	Zip    Kind = "zip"    // an archive of one file
)

// SniffBytes is how many first bytes Sniff wants.
const SniffBytes = 10

// Sniff tells the compression of a file by its first bytes. A zip may be an archive or a workbook.
func Sniff(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return Gzip
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")), skippable(head):
		return Zstd
	case len(head) >= 10 && string(head[:3]) == "BZh" && '1' <= head[3] && head[3] <= '9' &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90"):
		return Bzip2
	case bytes.HasPrefix(head, []byte("\xff\x06\x00\x00sNaPpY")):
		return Snappy
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return Zip
	}
	return None
}

// skippable frames may stand before zstd's first one.
func skippable(head []byte) bool {
	return len(head) >= 8 && head[0]&0xf0 == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18
}

// maxWindow bounds what zstd must remember. Its command line uses at most 8 MiB unless it is told --ultra or --long.
const maxWindow = 32 << 20

// Bounds are what a file may become.
type Bounds struct {
	Bytes int64 // unpacked
	Ratio int64 // unpacked to packed, once more than After bytes came out
	After int64
}

// New unpacks r, which is not of kind Zip. name is what messages call the file.
func New(r io.Reader, kind Kind, name string, bounds Bounds) (io.ReadCloser, error) {
	in := &counted{r: r}
	u := &unpacked{read: func() int64 { return in.n }, source: func() error { return in.err }, kind: kind, name: name, bounds: bounds}
	var err error
	switch kind {
	case Gzip:
		u.out, err = gzip.NewReader(in)
	case Zstd:
		var d *zstd.Decoder
		d, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			u.out, u.close = d, d.Close
		}
	case Bzip2:
		u.out = bzip2.NewReader(in)
	case Snappy:
		u.out = snappy.NewReader(in)
	default:
		return nil, fault.New(fault.Refused, "unknown_compression", "there is no compression %q", string(kind)).At(name, 0, "")
	}
	if err != nil {
		return nil, u.broken(err)
	}
	return u, nil
}

// counted counts what is read and remembers an error of the file's own reader.
type counted struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

type unpacked struct {
	read   func() int64 // bytes so far, packed
	source func() error // of the file's own reader
	out    io.Reader
	close  func()
	kind   Kind
	name   string
	bounds Bounds
	n      int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.out.Read(p)
	u.n += int64(n)
	switch {
	case u.n > u.bounds.Bytes:
		return n, tooLarge(u.name, u.bounds)
	case u.n > u.bounds.After && u.n/max(1, u.read()) > u.bounds.Ratio:
		return n, fault.New(fault.Refused, "unpacks_too_far", "the file grows to more than %d times its size when it is unpacked", u.bounds.Ratio).
			At(u.name, 0, "").Advise("if it is what you mean, deliver it unpacked")
	case err != nil && err != io.EOF:
		return n, u.broken(err)
	}
	return n, err
}

func (u *unpacked) Close() error {
	if u.close != nil {
		u.close()
	}
	return nil
}

func tooLarge(name string, bounds Bounds) error {
	return fault.New(fault.Refused, "object_too_large", "the file is larger than %d bytes when it is unpacked", bounds.Bytes).
		At(name, 0, "").Advise("split it")
}

// broken tells a file that is damaged from one that could not be read.
func (u *unpacked) broken(err error) error {
	if source := u.source(); source != nil {
		return source
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Refused, "cut_short", "the file ends in the middle of its %s data", u.kind).
			At(u.name, 0, "").Advise("deliver it again, whole").Because(err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fault.New(fault.Refused, "window_too_large", "unpacking the file takes more than %d MiB of memory", maxWindow>>20).
			At(u.name, 0, "").Advise("compress it without --long and --ultra").Because(err)
	}
	return fault.New(fault.Refused, "broken_compression", "the file's %s data is damaged", u.kind).
		At(u.name, 0, "").Advise("deliver it again").Because(err)
}

// Archive is what a zip file holds that is of interest.
type Archive struct {
	Workbook bool // it is an Excel workbook
	entry    *zip.File
	name     string
	bounds   Bounds
	in       *anywhere
	size     int64
}

// anywhere remembers an error of the file's own reader.
type anywhere struct {
	r   io.ReaderAt
	mu  sync.Mutex
	err error
}

func (a *anywhere) ReadAt(p []byte, offset int64) (int, error) {
	n, err := a.r.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		a.mu.Lock()
		a.err = err
		a.mu.Unlock()
	}
	return n, err
}

func (a *anywhere) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// OpenArchive looks into a zip file: a workbook, or exactly one file.
func OpenArchive(r io.ReaderAt, size int64, name string, bounds Bounds) (*Archive, error) {
	refuse := func(code, advice, format string, args ...any) (*Archive, error) {
		return nil, fault.New(fault.Refused, code, format, args...).At(name, 0, "").Advise("%s", advice)
	}
	in := &anywhere{r: r}
	z, err := zip.NewReader(in, size)
	if err != nil && in.failed() != nil {
		return nil, in.failed()
	}
	if errors.Is(err, zip.ErrFormat) {
		return refuse("cut_short", "deliver it again, whole", "the file begins as a zip archive and does not end as one")
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // nothing is written under an entry's name
		return refuse("broken_compression", "pack it again", "the zip archive is damaged")
	}
	a := &Archive{name: name, bounds: bounds, in: in, size: size}
	files := 0
	for _, f := range z.File {
		switch {
		case f.Name == "xl/workbook.xml":
			a.Workbook = true
		case strings.HasSuffix(f.Name, "/"), strings.HasPrefix(f.Name, "__MACOSX/"):
			continue
		}
		files++
		a.entry = f
	}
	switch {
	case a.Workbook:
		return a, nil
	case files != 1:
		return refuse("not_one_file", "pack each file by itself; files of one delivery go into a folder with a manifest or _SUCCESS",
			"the zip archive holds %d files; it must hold exactly one", files)
	case a.entry.Flags&1 != 0:
		return refuse("encrypted", "pack it without one: permissions of the inbox say who may read it", "the file in the zip archive has a password")
	case a.entry.Method != zip.Store && a.entry.Method != zip.Deflate:
		return refuse("unsupported_compression", "pack it with deflate, or use gzip or zstd",
			"the zip archive uses compression method %d; only store and deflate can be read", a.entry.Method)
	}
	return a, nil
}

// Open unpacks the archive's one file; its checksum is checked at the end.
func (a *Archive) Open() (io.ReadCloser, error) {
	body, err := a.entry.Open()
	u := &unpacked{source: a.in.failed, out: body, kind: Zip, name: a.name, bounds: a.bounds}
	if err != nil {
		return nil, u.broken(err)
	}
	u.close = func() { body.Close() }
	// What the archive says of the packed size only counts where it cannot make the bound wider.
	u.read = func() int64 { return min(int64(a.entry.CompressedSize64), a.size) }
	return u, nil
}
