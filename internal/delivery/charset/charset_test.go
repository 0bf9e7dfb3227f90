package charset

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

var all = []Encoding{UTF8, UTF16LE, UTF16BE, Windows1252}

// decoded reads src in steps of at most max bytes of output.
func decoded(t testing.TB, e Encoding, src []byte, max int) (text []byte, ok bool) {
	t.Helper()
	for {
		out, n := e.Decode(nil, src, max)
		text, src = append(text, out...), src[n:]
		if n == 0 {
			return e.DecodeEnd(text, src)
		}
		if len(out) > max {
			t.Fatalf("%d bytes came where %d were allowed", len(out), max)
		}
	}
}

func TestTextFromOtherEncoders(t *testing.T) {
	text := "Zoë Grünwald, 12 € – “œuvre” ÿ\r\n\tX"
	for e, other := range map[Encoding]encoding.Encoding{
		Windows1252: charmap.Windows1252,
		UTF16LE:     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
		UTF16BE:     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	} {
		text := text
		if e != Windows1252 {
			text += "日本 🙂"
		}
		encoded, err := other.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, max := range []int{4, 5, 7, 1000} {
			if got, ok := decoded(t, e, []byte(encoded), max); !ok || string(got) != text {
				t.Errorf("%v in steps of %d: %q", e, max, got)
			}
		}
		if back := e.Append(nil, []byte(text)); string(back) != encoded {
			t.Errorf("%v: back to %q", e, back)
		}
	}
}

func TestWhatHasNoMeaningIsNotUTF8(t *testing.T) {
	for _, c := range []struct {
		e    Encoding
		file string
	}{
		{Windows1252, "a\x81b"}, {Windows1252, "\xfc\x9d"}, {UTF16LE, "a\x00\x3d\xd8"}, {UTF16LE, "\x3d\xd8a\x00"},
		{UTF16BE, "\xde\x42"}, {UTF16BE, "\xd8\x3d\xd8\x3d\xde\x42"},
	} {
		text, ok := decoded(t, c.e, []byte(c.file), 100)
		if !ok || utf8.Valid(text) {
			t.Errorf("%v %q became %q", c.e, c.file, text)
		}
		if back := c.e.Append(nil, text); string(back) != c.file {
			t.Errorf("%v %q came back as %q", c.e, c.file, back)
		}
	}
	if _, ok := decoded(t, UTF16LE, []byte("a\x00b"), 100); ok {
		t.Error("a file that ends inside a character was taken")
	}
	if got := string(Windows1252.Append(nil, []byte("日"))); got != "?" {
		t.Errorf("a character that Windows-1252 lacks: %q", got)
	}
}

// Every file comes back as it was.
func FuzzLossless(f *testing.F) {
	for _, seed := range []string{"a\x81ü", "\x3d\xd8\x42\xde", "\x00\xd8\x00", "\xed\xa0\x80", "\xfe\xff"} {
		f.Add([]byte(seed), uint8(9))
	}
	f.Fuzz(func(t *testing.T, file []byte, max uint8) {
		for _, e := range all {
			text, ok := decoded(t, e, file, int(max)+4)
			if !ok {
				if len(file)%2 == 0 {
					t.Fatalf("%v: %q is not read", e, file)
				}
				continue
			}
			if back := e.Append(nil, text); !bytes.Equal(back, file) {
				t.Fatalf("%v: %q, %q, %q", e, file, text, back)
			}
			if at, _ := e.Decode(nil, file, 1<<20); e == Windows1252 && len(at) < len(file) {
				t.Fatalf("%q lost bytes", file)
			}
		}
	})
}
