package bucket

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"

	"github.com/johannesboyne/gofakes3"
)

// The polynomial of CRC-64/NVME, bits reversed as hash/crc64 wants it.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// checksums are the algorithms that clients send by default or by choice. Others
// are not checked; Content-MD5 is checked by gofakes3.
var checksums = map[string]func() hash.Hash{
	"X-Amz-Checksum-Crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"X-Amz-Checksum-Crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"X-Amz-Checksum-Crc64nvme": func() hash.Hash { return crc64.New(nvme) },
	"X-Amz-Checksum-Sha1":      sha1.New,
	"X-Amz-Checksum-Sha256":    sha256.New,
}

// checkedReader compares the sum of a body with what the client says, at its end.
type checkedReader struct {
	r    io.Reader
	sum  hash.Hash
	want func() string // known at the end only, when it is a trailer
	show func(sum []byte) string
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	if err == io.EOF && c.show(c.sum.Sum(nil)) != c.want() {
		err = gofakes3.ErrBadDigest
	}
	return n, err
}

// checked wraps body in a check for each checksum that the headers or the trailer bring.
func checked(body io.Reader, h http.Header, trailer http.Header) io.Reader {
	announced := http.CanonicalHeaderKey(h.Get("X-Amz-Trailer"))
	for name, newSum := range checksums {
		from := h
		if name == announced {
			from = trailer
		} else if h.Get(name) == "" {
			continue
		}
		body = &checkedReader{r: body, sum: newSum(), want: func() string { return from.Get(name) },
			show: base64.StdEncoding.EncodeToString}
	}
	if want := h.Get("X-Amz-Content-Sha256"); isSHA256(want) {
		body = &checkedReader{r: body, sum: sha256.New(), want: func() string { return want },
			show: hex.EncodeToString}
	}
	return body
}

// isSHA256 tells a hash from UNSIGNED-PAYLOAD and STREAMING-….
func isSHA256(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == sha256.Size
}
