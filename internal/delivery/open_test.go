package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// Open reads one file of a dialect that is assumed, without looking at it first.
func Open(r io.Reader, format Format, name string, limits Limits) (Reader, error) {
	return open(r, format, name, limits, windowBytes)
}

func open(r io.Reader, format Format, name string, limits Limits, size int) (Reader, error) {
	limits = limits.orDefault()
	in := newWindow(r, name, size, limits.RowBytes)
	bom, err := in.begin()
	if err != nil {
		return nil, err
	}
	if format == CSV {
		c := newCSV(in, limits, Style{Format: CSV, BOM: bom})
		return c, c.readHeader()
	}
	j := newJSON(in, limits, Style{Format: JSONL, BOM: bom})
	return j, j.begin()
}

func inUTF16(text string, bigEndian bool) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		if bigEndian {
			unit = unit>>8 | unit<<8
		}
		b.WriteByte(byte(unit))
		b.WriteByte(byte(unit >> 8))
	}
	return b.String()
}

func TestOpenRefusesForeignFiles(t *testing.T) {
	text := "name,city\nZoë,Zürich\nJo,日本\n"
	for _, tc := range []struct{ name, file, code, text string }{
		{"xlsx", "PK\x03\x04\x14\x00", "unsupported_format", "Excel"},
		{"parquet", "PAR1\x15\x04", "unsupported_format", "Parquet"},
		{"gzip", "\x1f\x8b\x08\x00", "unsupported_format", "gzip"},
		{"zstd", "\x28\xb5\x2f\xfd\x04", "unsupported_format", "Zstandard"},
		{"bzip2", "BZh91AY", "unsupported_format", "bzip2"},
		{"xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "unsupported_format", ".xls"},
		{"UTF-16 with a mark", "\xff\xfe" + inUTF16(text, false), "unsupported_encoding", "UTF-16"},
		{"UTF-16 big-endian with a mark", "\xfe\xff" + inUTF16(text, true), "unsupported_encoding", "UTF-16"},
		{"UTF-16", inUTF16(text, false), "unsupported_encoding", "UTF-16"},
		{"UTF-16 big-endian", inUTF16(text, true), "unsupported_encoding", "UTF-16"},
		{"UTF-32", "\xff\xfe\x00\x00a\x00\x00\x00", "unsupported_encoding", "UTF-32"},
	} {
		for _, format := range []Format{CSV, JSONL} {
			_, err := Open(strings.NewReader(tc.file), format, "people", Limits{})
			if e := wantFault(t, err, tc.code, 0); !strings.Contains(e.Error(), tc.text) || e.Advice == "" {
				t.Errorf("%s: %v", tc.name, e)
			}
		}
	}
}

func TestReadErrorsAreWrapped(t *testing.T) {
	broken := errors.New("connection reset")
	for format, text := range map[Format]string{CSV: "a,b\n1,2\n3,", JSONL: "{\"a\":1}\n{\"b\""} {
		_, err := Open(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), format, "people", Limits{})
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "people") {
			t.Errorf("%s: open: %v", format, err)
		}
		// A window that the bytes fill: the rows before the error come first.
		reader, err := open(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), format, "people", Limits{}, 9)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all(reader); !errors.Is(err, broken) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if _, err := Open(idle{}, CSV, "people", Limits{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestPick(t *testing.T) {
	var file strings.Builder
	file.WriteString("n\n")
	for i := range 5000 {
		fmt.Fprintf(&file, "%d\n", i+1)
	}
	for _, wanted := range [][]int64{nil, {1}, {2, 3, 3, 4000}, {5000}} {
		var got []string
		reader := mustOpen(t, CSV, file.String())
		err := Pick(context.Background(), reader, slices.Values(wanted), func(r *row.Row) error {
			got = append(got, string(r.Raw))
			return nil
		})
		var want []string
		for _, n := range slices.Compact(slices.Clone(wanted)) {
			want = append(want, fmt.Sprint(n))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: got %v, %v", wanted, got, err)
		}
		last := int64(0)
		if len(wanted) > 0 {
			last = wanted[len(wanted)-1]
		}
		if next, err := reader.Next(); err == nil && next.Number != last+1 {
			t.Errorf("%v: read on to row %d", wanted, next.Number)
		}
	}
}

func TestPickFails(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stop := errors.New("stop")
	nothing := func(*row.Row) error { return nil }
	for _, tc := range []struct {
		name   string
		ctx    context.Context
		wanted []int64
		emit   func(*row.Row) error
		check  func(error) bool
	}{
		{"a row that is not there", context.Background(), []int64{1, 3}, nothing, func(err error) bool { return fault.Is(err, fault.Broken) }},
		{"numbers that do not ascend", context.Background(), []int64{2, 1}, nothing, func(err error) bool { return fault.Is(err, fault.Broken) }},
		{"emit's error", context.Background(), []int64{1}, func(*row.Row) error { return stop }, func(err error) bool { return errors.Is(err, stop) }},
		{"a cancelled context", ctx, []int64{1}, nothing, func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		if err := Pick(tc.ctx, mustOpen(t, CSV, "n\na\nb\n"), slices.Values(tc.wanted), tc.emit); !tc.check(err) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	broken := mustOpen(t, CSV, "n\na\n\"b\n")
	if err := Pick(context.Background(), broken, slices.Values([]int64{2}), nothing); !fault.Is(err, fault.Refused) {
		t.Errorf("a broken file: %v", err)
	}
}
