package bucket

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/johannesboyne/gofakes3"
)

func TestChunkedReader(t *testing.T) {
	for _, c := range []struct{ name, body, want, checksum string }{
		{"signed", "4;chunk-signature=ab12\r\nrows\r\n0;chunk-signature=cd34\r\n\r\n", "rows", ""},
		{"unsigned with trailer", "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:zzzz\r\n\r\n", "abc0123456789", "zzzz"},
		{"signed trailer", "1\r\na\r\n0\r\nx-amz-checksum-crc32: zzzz\r\nx-amz-trailer-signature:ee\r\n\r\n", "a", "zzzz"},
		{"no last line", "1\r\na\r\n0\r\n", "a", ""},
		{"empty", "0\r\n\r\n", "", ""},
		{"framing inside", "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n", ""},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		} {
			r := newChunkedReader(wrap(strings.NewReader(c.body)))
			got, err := io.ReadAll(r)
			if err != nil || string(got) != c.want || r.trailer.Get("X-Amz-Checksum-Crc32") != c.checksum {
				t.Errorf("%s, %s: %q, trailer %v, error %v", c.name, how, got, r.trailer, err)
			}
		}
	}
}

func TestChunkedReaderRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"no size":           "x\r\nabc\r\n0\r\n\r\n",
		"negative size":     "-1\r\nabc\r\n0\r\n\r\n",
		"chunk too long":    "2\r\nabc\r\n0\r\n\r\n",
		"cut in a chunk":    "5\r\nabc",
		"cut after a chunk": "3\r\nabc\r\n",
		"empty body":        "",
		"endless line":      strings.Repeat("0", 20<<10),
		"bad trailer":       "0\r\nnothing\r\n\r\n",
		"endless trailers":  "0\r\n" + strings.Repeat("a:b\r\n", 100) + "\r\n",
		"size overflows":    "ffffffffffffffffff\r\nabc",
	} {
		if got, err := io.ReadAll(newChunkedReader(strings.NewReader(body))); err == nil {
			t.Errorf("%s: taken as %q", name, got)
		} else if !errors.Is(err, errChunk) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: error %v has no answer of S3", name, err)
		}
	}
}

func FuzzChunkedReader(f *testing.F) {
	f.Add([]byte("4;chunk-signature=ab12\r\nrows\r\n0;chunk-signature=cd34\r\n\r\n"), []byte("rows"))
	f.Add([]byte("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:zzzz\r\n\r\n"), []byte{0})
	f.Add([]byte("ffffffffffffffff\r\n"), []byte("\r\n"))
	f.Fuzz(func(t *testing.T, raw, payload []byte) {
		if got, err := io.ReadAll(newChunkedReader(bytes.NewReader(raw))); err == nil && len(got) > len(raw) {
			t.Errorf("%d bytes came out of %d", len(got), len(raw))
		}
		framed := frame(payload)
		got, err := io.ReadAll(newChunkedReader(bytes.NewReader(framed)))
		if err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%q became %q (%v)", payload, got, err)
		}
	})
}

// frame sends payload in chunks of at most three bytes.
func frame(payload []byte) []byte {
	var b bytes.Buffer
	for len(payload) > 0 {
		n := min(3, len(payload))
		b.WriteString("0" + string(rune('0'+n)) + ";chunk-signature=00\r\n")
		b.Write(payload[:n])
		b.WriteString("\r\n")
		payload = payload[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.Bytes()
}

// The check values of the algorithms' catalogues, of the text 123456789.
func TestChecksums(t *testing.T) {
	for name, want := range map[string][]byte{
		"X-Amz-Checksum-Crc32":     {0xcb, 0xf4, 0x39, 0x26},
		"X-Amz-Checksum-Crc32c":    {0xe3, 0x06, 0x92, 0x83},
		"X-Amz-Checksum-Crc64nvme": {0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88},
	} {
		for _, place := range []string{"header", "trailer"} {
			for _, body := range []string{"123456789", "123456780"} {
				h, trailer := http.Header{}, http.Header{}
				if place == "header" {
					h.Set(name, base64.StdEncoding.EncodeToString(want))
				} else {
					h.Set("X-Amz-Trailer", strings.ToLower(name))
					trailer.Set(name, base64.StdEncoding.EncodeToString(want))
				}
				_, err := io.ReadAll(checked(strings.NewReader(body), h, trailer))
				if good := body == "123456789"; good != (err == nil) {
					t.Errorf("%s in the %s of %s: %v", name, place, body, err)
				}
			}
		}
	}
	h := http.Header{"X-Amz-Trailer": {"x-amz-checksum-crc32"}}
	if _, err := io.ReadAll(checked(strings.NewReader("x"), h, http.Header{})); err != gofakes3.ErrBadDigest {
		t.Errorf("an announced checksum that never came: %v", err)
	}
}

func FuzzCopySource(f *testing.F) {
	for _, header := range []string{"inbox/a", "/inbox/my%20file%2B1", "inbox%2Fa%2Fb", "inbox/a?versionId=null", "inbox", "/", "%"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		bucket, key, err := copySource(header)
		if err == nil && (bucket == "" || key == "" || strings.Contains(bucket, "/")) {
			t.Errorf("%q: bucket %q, key %q", header, bucket, key)
		}
	})
}
