package unpack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"penstock/internal/fault"
)

// bzip2ed is "penstock\n" as bzip2 1.0.8 writes it; the standard library has no writer.
const bzip2ed = "425a6839314159265359c65d2648000003418000100a09cc00200031064c41068c2695c6273c5dc914e1424319749920"

var wide = Bounds{Bytes: 1 << 40, Ratio: 1 << 40}

func packed(t testing.TB, kind Kind, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch kind {
	case Gzip:
		w = gzip.NewWriter(&b)
	case Zstd:
		w, _ = zstd.NewWriter(&b)
	case Snappy:
		w = snappy.NewBufferedWriter(&b)
	}
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpackedText(data []byte, kind Kind, bounds Bounds) (string, error) {
	r, err := New(bytes.NewReader(data), kind, "people", bounds)
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return string(text), err
}

func TestUnpack(t *testing.T) {
	text := strings.Repeat("Ada,Lovelace\n", 20000)
	for _, kind := range []Kind{Gzip, Zstd, Snappy} {
		data := packed(t, kind, text)
		if Sniff(data) != kind {
			t.Errorf("%s is taken for %q", kind, Sniff(data))
		}
		if got, err := unpackedText(data, kind, wide); err != nil || got != text {
			t.Errorf("%s: %d bytes, %v", kind, len(got), err)
		}
		twice := append(bytes.Clone(data), data...)
		if got, err := unpackedText(twice, kind, wide); err != nil || got != text+text {
			t.Errorf("%s, two members: %d bytes, %v", kind, len(got), err)
		}
		for _, cut := range []int{len(data) / 2, len(data) - 1} {
			if _, err := unpackedText(data[:cut], kind, wide); !isRefused(err, "cut_short") && !isRefused(err, "broken_compression") {
				t.Errorf("%s cut at %d of %d: %v", kind, cut, len(data), err)
			}
		}
		damaged := bytes.Clone(data)
		damaged[len(data)/2] ^= 0x55
		if _, err := unpackedText(damaged, kind, wide); !isRefused(err, "") {
			t.Errorf("%s damaged: %v", kind, err)
		}
	}
}

func TestBzip2(t *testing.T) {
	data, err := hex.DecodeString(bzip2ed)
	if err != nil || Sniff(data) != Bzip2 {
		t.Fatal(Sniff(data), err)
	}
	if got, err := unpackedText(append(bytes.Clone(data), data...), Bzip2, wide); err != nil || got != "penstock\npenstock\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := unpackedText(data[:len(data)-9], Bzip2, wide); !isRefused(err, "") {
		t.Errorf("cut short: %v", err)
	}
}

type failing struct {
	io.ReaderAt
	from int64
	err  error
}

func (f failing) ReadAt(p []byte, offset int64) (int, error) {
	if offset < f.from {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, offset)
}

func TestErrorsOfTheSourceOfAnArchive(t *testing.T) {
	broken := errors.New("connection reset")
	data := archived("a.csv", strings.Repeat("Ada,", 10))
	for _, from := range []int64{1 << 30, 45} {
		a, err := OpenArchive(failing{bytes.NewReader(data), from, broken}, int64(len(data)), "people", wide)
		if err == nil {
			var r io.ReadCloser
			if r, err = a.Open(); err == nil {
				_, err = io.ReadAll(r)
			}
		}
		if !errors.Is(err, broken) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

func TestErrorsOfTheSourceAreNotTheFiles(t *testing.T) {
	broken := errors.New("connection reset")
	for _, kind := range []Kind{Gzip, Zstd, Snappy} {
		data := packed(t, kind, strings.Repeat("Ada", 1000))
		r, err := New(io.MultiReader(bytes.NewReader(data[:len(data)-5]), iotest.ErrReader(broken)), kind, "people", wide)
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func isRefused(err error, code string) bool {
	e, ok := fault.As(err)
	return ok && e.Kind == fault.Refused && e.File == "people" && (code == "" || e.Code == code)
}

func TestBounds(t *testing.T) {
	zeros := strings.Repeat("\x00", 2<<20)
	for _, kind := range []Kind{Gzip, Zstd} {
		data := packed(t, kind, zeros)
		if _, err := unpackedText(data, kind, Bounds{Bytes: 1 << 40, Ratio: 300, After: 1 << 20}); !isRefused(err, "unpacks_too_far") {
			t.Errorf("%s, ratio: %v", kind, err)
		}
		if _, err := unpackedText(data, kind, Bounds{Bytes: 1 << 20, Ratio: 1 << 40}); !isRefused(err, "object_too_large") {
			t.Errorf("%s, size: %v", kind, err)
		}
	}
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	_, _ = io.WriteString(w, "x")
	_ = w.Flush()
	_ = w.Close()
	if _, err := unpackedText(b.Bytes(), Zstd, wide); !isRefused(err, "window_too_large") {
		t.Errorf("a large window: %v", err)
	}
}

func archived(files ...string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, _ := w.Create(files[i])
		_, _ = io.WriteString(f, files[i+1])
	}
	_ = w.Close()
	return b.Bytes()
}

func TestArchives(t *testing.T) {
	for _, tc := range []struct {
		name string
		data []byte
		text string
		code string
	}{
		{"one file", archived("people.csv", "a,b\n"), "a,b\n", ""},
		{"from a Macintosh", archived("people/", "", "people/people.csv", "a,b\n", "__MACOSX/._people.csv", "x"), "a,b\n", ""},
		{"two files", archived("a.csv", "a", "b.csv", "b"), "", "not_one_file"},
		{"none", archived(), "", "not_one_file"},
		{"cut short", archived("a.csv", strings.Repeat("a", 100))[:60], "", "cut_short"},
	} {
		a, err := OpenArchive(bytes.NewReader(tc.data), int64(len(tc.data)), "people", wide)
		if tc.code != "" {
			if !isRefused(err, tc.code) {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Open()
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != tc.text {
			t.Errorf("%s: %q, %v", tc.name, text, err)
		}
		r.Close()
	}
	workbook := archived("[Content_Types].xml", "", "xl/workbook.xml", "<workbook/>")
	if a, err := OpenArchive(bytes.NewReader(workbook), int64(len(workbook)), "people", wide); err != nil || !a.Workbook {
		t.Errorf("a workbook: %+v, %v", a, err)
	}
	damaged := bytes.Replace(archived("a.csv", "Ada,Lovelace,London,1815"), []byte("CRC"), []byte("CRC"), 1)
	damaged[45] ^= 1
	if a, err := OpenArchive(bytes.NewReader(damaged), int64(len(damaged)), "people", wide); err == nil {
		r, err := a.Open()
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !isRefused(err, "broken_compression") {
			t.Errorf("damaged: %v", err)
		}
	}
}

func TestSniffTakesNoTextForCompressed(t *testing.T) {
	for _, text := range []string{"", "BZh", "BZhave,fun\n1,2\n", "PK,b\n", "PACKED", "a"} {
		if kind := Sniff([]byte(text)); kind != None {
			t.Errorf("%q is taken for %s", text, kind)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, kind := range []Kind{Gzip, Zstd, Snappy} {
		f.Add(packed(f, kind, "Ada,Lovelace\n"))
	}
	f.Add(archived("a.csv", "a,b\n"))
	if data, err := hex.DecodeString(bzip2ed); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		bounds := Bounds{Bytes: 1 << 20, Ratio: 100}
		kind := Sniff(data)
		switch kind {
		case None:
		case Zip:
			if a, err := OpenArchive(bytes.NewReader(data), int64(len(data)), "people", bounds); err == nil && !a.Workbook {
				if r, err := a.Open(); err == nil {
					_, _ = io.Copy(io.Discard, r)
					r.Close()
				}
			}
		default:
			if text, err := unpackedText(data, kind, bounds); err == nil && len(text) > 1<<20 {
				t.Fatalf("%d bytes came out", len(text))
			} else if err != nil && !isRefused(err, "") {
				t.Fatalf("no refusal: %v", err)
			}
		}
	})
}
