package bucket

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// chunkedReader takes the framing of aws-chunked off a body:
//
//	1000;chunk-signature=…\r\n  (extensions are optional)
//	<0x1000 bytes>\r\n
//	0\r\n
//	x-amz-checksum-crc32:…\r\n  (trailers, as announced in x-amz-trailer)
//	\r\n
//
// Chunk signatures are not checked, as no signature is.
type chunkedReader struct {
	r       *bufio.Reader
	left    int64 // of the chunk being read
	started bool
	ended   bool
	trailer http.Header
}

// errChunk is a constant because gofakes3 writes the request's id into an error value.
const errChunk = gofakes3.ErrIncompleteBody

// maxLine bounds a chunk's header and a trailer; real ones are under 200 bytes.
const maxLine = 8 << 10

// maxTrailers: a checksum and its signature, and room.
const maxTrailers = 16

func newChunkedReader(r io.Reader) *chunkedReader {
	return &chunkedReader{r: bufio.NewReaderSize(r, maxLine), trailer: http.Header{}}
}

func (c *chunkedReader) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.nextChunk(); err != nil {
			return 0, err
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, cutShort(err)
}

func (c *chunkedReader) nextChunk() error {
	if c.started {
		if line, err := c.line(); err != nil {
			return err
		} else if line != "" {
			return errChunk
		}
	}
	c.started = true
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";")
	c.left, err = strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	if err != nil || c.left < 0 {
		c.left = 0
		return errChunk
	}
	if c.left == 0 {
		c.ended = true
		return c.readTrailer()
	}
	return nil
}

// readTrailer reads to the empty line; some clients end the body without it.
func (c *chunkedReader) readTrailer() error {
	for range maxTrailers {
		line, err := c.line()
		if errors.Is(err, io.ErrUnexpectedEOF) && line == "" || err == nil && line == "" {
			return nil
		}
		if err != nil {
			return err
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return errChunk
		}
		c.trailer.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return errChunk
}

// line reads up to \r\n or \n, which it leaves out.
func (c *chunkedReader) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return "", errChunk
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	return text, cutShort(err)
}

// cutShort: the body may not end inside the framing.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
