package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"penstock/internal/fault"
	"penstock/internal/row"
)

var bounds = Bounds{Columns: 1000, FieldBytes: 1 << 20, GroupBytes: 512 << 20, PageBytes: 128 << 20}

// written is a file with the columns and rows given; a nil is a null.
func written(t testing.TB, columns []node, rows [][]pq.Value, options ...pq.WriterOption) []byte {
	t.Helper()
	group := pq.Group{}
	for _, c := range columns {
		group[c.name] = c.node
	}
	var b bytes.Buffer
	w := pq.NewWriter(&b, append([]pq.WriterOption{pq.NewSchema("rows", group)}, options...)...)
	for _, values := range rows {
		r := make(pq.Row, len(values))
		for i, v := range values {
			level := 0
			if columns[i].node.Optional() && !v.IsNull() {
				level = 1
			}
			r[i] = v.Level(0, level, i)
		}
		if _, err := w.WriteRows([]pq.Row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type node struct {
	name string
	node pq.Node
}

func open(data []byte) (*Reader, error) {
	return Open(bytes.NewReader(data), int64(len(data)), "people", bounds, Codes{BadEncoding: "bad_encoding"})
}

var kinds = map[row.Kind]string{row.Null: "null", row.Text: "", row.Number: "number:", row.Bool: "bool:"}

func readAll(f *Reader) (rows [][]string, err error) {
	for {
		r, err := f.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		cells := []string{}
		for _, c := range r.Cells {
			cells = append(cells, kinds[c.Kind]+string(c.Text))
		}
		if r.Reject != nil {
			cells = append(cells, fmt.Sprintf("!%d %s %s: %s", r.Reject.Line, r.Reject.Column, r.Reject.Code, r.Reject.Message))
		}
		rows = append(rows, cells)
	}
}

// TestTypes: a type, a value as it is stored, and the cell that it becomes.
func TestTypes(t *testing.T) {
	id := uuid.MustParse("6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001")
	at := time.Date(2026, 3, 1, 2, 0, 5, 123456000, time.UTC)
	big38, _ := new(big.Int).SetString("-12345678901234567890123456789012345678", 10)
	twos := func(n *big.Int, size int) []byte {
		if n.Sign() < 0 {
			n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
		}
		return n.FillBytes(make([]byte, size))
	}
	for _, tc := range []struct {
		node  pq.Node
		value any
		typed string
		want  string
	}{
		{pq.String(), "Zoë 日本", "text", "Zoë 日本"},
		{pq.String(), "", "text", ""},
		{pq.Enum(), "gold", "text", "gold"},
		{pq.JSON(), `{"a":1}`, "text", `{"a":1}`},
		{pq.Leaf(pq.ByteArrayType), "plain", "text", "plain"},
		{pq.Leaf(pq.FixedLenByteArrayType(3)), "DEU", "text", "DEU"},
		{pq.Leaf(pq.BooleanType), true, "boolean", "bool:true"},
		{pq.Leaf(pq.BooleanType), false, "boolean", "bool:false"},
		{pq.Leaf(pq.Int32Type), int32(math.MinInt32), "int32", "number:-2147483648"},
		{pq.Leaf(pq.Int64Type), int64(math.MinInt64), "int64", "number:-9223372036854775808"},
		{pq.Int(8), int32(-128), "int8", "number:-128"},
		{pq.Int(64), int64(7), "int64", "number:7"},
		{pq.Uint(8), int32(255), "uint8", "number:255"},
		{pq.Uint(32), uint32(math.MaxUint32), "uint32", "number:4294967295"},
		{pq.Uint(64), uint64(math.MaxUint64), "uint64", "number:18446744073709551615"},
		{pq.Leaf(pq.FloatType), float32(0.1), "real", "number:0.1"},
		{pq.Leaf(pq.DoubleType), 1e6, "double", "number:1000000"},
		{pq.Leaf(pq.DoubleType), -1.5e300, "double", "number:-1.5e+300"},
		{pq.Leaf(pq.DoubleType), 5e-324, "double", "number:5e-324"},
		{pq.Leaf(pq.DoubleType), math.NaN(), "double", "number:NaN"},
		{pq.Decimal(2, 9, pq.Int32Type), int32(-5), "decimal(9,2)", "number:-0.05"},
		{pq.Decimal(2, 9, pq.Int32Type), int32(12345), "decimal(9,2)", "number:123.45"},
		{pq.Decimal(0, 9, pq.Int32Type), int32(12345), "decimal(9,0)", "number:12345"},
		{pq.Decimal(18, 18, pq.Int64Type), int64(math.MinInt64), "decimal(18,18)", "number:-9.223372036854775808"},
		{pq.Decimal(4, 38, pq.FixedLenByteArrayType(16)), string(twos(big38, 16)), "decimal(38,4)", "number:-1234567890123456789012345678901234.5678"},
		{pq.Decimal(2, 10, pq.ByteArrayType), "\xff\x85", "decimal(10,2)", "number:-1.23"},
		{pq.Decimal(2, 10, pq.ByteArrayType), "\x00", "decimal(10,2)", "number:0.00"},
		{pq.Date(), int32(-1), "date", "1969-12-31"},
		{pq.Date(), int32(20513), "date", "2026-03-01"},
		{pq.Time(pq.Millisecond), int32(3723004), "time", "01:02:03.004"},
		{pq.Time(pq.Nanosecond), int64(86399999999999), "time", "23:59:59.999999999"},
		{pq.Timestamp(pq.Microsecond), at.UnixMicro(), "timestamp with time zone", "2026-03-01T02:00:05.123456Z"},
		{pq.Timestamp(pq.Millisecond), at.UnixMilli() / 1000 * 1000, "timestamp with time zone", "2026-03-01T02:00:05Z"},
		{pq.TimestampAdjusted(pq.Nanosecond, false), at.UnixNano(), "timestamp", "2026-03-01T02:00:05.123456"},
		{pq.TimestampAdjusted(pq.Millisecond, false), int64(-1), "timestamp", "1969-12-31T23:59:59.999"},
		{pq.Leaf(pq.Int96Type), deprecated.Int96{1000000000, 0, 2440589}, "timestamp", "1970-01-02T00:00:01"},
		{pq.UUID(), string(id[:]), "uuid", id.String()},
	} {
		name := fmt.Sprintf("%s %v", tc.typed, tc.value)
		value := pq.ValueOf(tc.value)
		if text, isText := tc.value.(string); isText && tc.node.Type().Kind() == pq.FixedLenByteArray {
			value = pq.FixedLenByteArrayValue([]byte(text))
		} else if isText {
			value = pq.ByteArrayValue([]byte(text))
		}
		for _, nodes := range [][]node{{{"c", tc.node}}, {{"c", pq.Optional(tc.node)}}, {{"c", pq.Encoded(tc.node, &pq.Plain)}}} {
			f, err := open(written(t, nodes, [][]pq.Value{{value}}))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			rows, err := readAll(f)
			if err != nil || len(rows) != 1 || rows[0][0] != tc.want {
				t.Errorf("%s: %q, %v, want %q", name, rows, err, tc.want)
			}
			if got := f.Types()[0].String(); got != tc.typed {
				t.Errorf("%s: type %q, want %q", name, got, tc.typed)
			}
			f.Close()
		}
	}
}

func TestDays(t *testing.T) {
	for day := int64(-720000); day < 2932896; day += 17 {
		want := time.Unix(day*86400, 0).UTC()
		if got := string(appendDay(nil, day)); want.Year() >= 0 && got != want.Format(time.DateOnly) {
			t.Fatalf("day %d: %s, want %s", day, got, want.Format(time.DateOnly))
		}
	}
}

func TestFloat16(t *testing.T) {
	for bits, want := range map[string]string{"\x00\x3c": "1", "\x00\xc0": "-2", "\x01\x00": "5.9604645e-08", "\xff\x7b": "65504", "\x00\x7c": "+Inf", "\x00\x00": "0", "\x00\x7e": "NaN"} {
		if got := string(appendFloat(nil, half([]byte(bits)), 32)); got != want {
			t.Errorf("%q: %s, want %s", bits, got, want)
		}
	}
}

func TestNullsAndRejects(t *testing.T) {
	columns := []node{{"a", pq.Optional(pq.String())}, {"b", pq.Optional(pq.Leaf(pq.Int32Type))}}
	null := pq.NullValue()
	data := written(t, columns, [][]pq.Value{{null, pq.Int32Value(1)}, {pq.ByteArrayValue([]byte("\xff")), null}, {pq.ByteArrayValue([]byte("a\x00")), null}})
	f, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := readAll(f)
	want := [][]string{{"null", "number:1"}, {"\xff", "null", "!2 a bad_encoding: the value is not UTF-8"}, {"a\x00", "null", "!3 a bad_encoding: the value is text with a NUL byte"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func numbered(t testing.TB, n int, options ...pq.WriterOption) []byte {
	var rows [][]pq.Value
	for i := range n {
		rows = append(rows, []pq.Value{pq.Int64Value(int64(i)), pq.ByteArrayValue([]byte(fmt.Sprint("name ", i%50)))})
	}
	return written(t, []node{{"id", pq.Leaf(pq.Int64Type)}, {"name", pq.Encoded(pq.String(), &pq.RLEDictionary)}}, rows, options...)
}

func TestRowGroupsAndSkip(t *testing.T) {
	for _, codec := range []pq.WriterOption{pq.Compression(&pq.Snappy), pq.Compression(&pq.Zstd), pq.Compression(&pq.Gzip), pq.Compression(&pq.Lz4Raw), pq.Compression(&pq.Brotli)} {
		data := numbered(t, 1000, pq.MaxRowsPerRowGroup(300), pq.PageBufferSize(500), codec)
		for _, skip := range []int64{0, 1, 299, 300, 301, 899, 1000} {
			f, err := open(data)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Skip(skip); err != nil {
				t.Fatal(err)
			}
			rows, err := readAll(f)
			if err != nil || len(rows) != 1000-int(skip) {
				t.Fatalf("behind %d: %d rows, %v", skip, len(rows), err)
			}
			if len(rows) > 0 && (rows[0][0] != fmt.Sprint("number:", skip) || rows[len(rows)-1][1] != "name 49") {
				t.Errorf("behind %d: %v … %v", skip, rows[0], rows[len(rows)-1])
			}
			f.Close()
		}
	}
}

func wantRefused(t *testing.T, what string, err error, codes ...string) {
	t.Helper()
	e, ok := fault.As(err)
	if !ok || e.Kind != fault.Refused || e.File != "people" || !strings.Contains(strings.Join(codes, " "), e.Code) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		node pq.Node
		code string
	}{
		{"a list", pq.List(pq.String()), "nested_column"},
		{"a repeated column", pq.Repeated(pq.String()), "nested_column"},
		{"a struct", pq.Group{"x": pq.String()}, "nested_column"},
		{"a map", pq.Map(pq.String(), pq.String()), "nested_column"},
		{"BSON", pq.BSON(), "unsupported_column"},
	} {
		var b bytes.Buffer
		w := pq.NewWriter(&b, pq.NewSchema("rows", pq.Group{"c": tc.node}))
		_ = w.Close()
		_, err := open(b.Bytes())
		wantRefused(t, tc.name, err, tc.code)
		if e, _ := fault.As(err); e != nil && (e.Column != "c" || e.Advice == "") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	data := numbered(t, 100)
	for _, n := range []int{0, 5, 11, 12, len(data) / 2, len(data) - 1} {
		_, err := open(data[:n])
		wantRefused(t, fmt.Sprint("cut at ", n), err, "cut_short broken_file")
	}
	_, err := Open(bytes.NewReader(data), int64(len(data)), "people", Bounds{Columns: 10, FieldBytes: 100, GroupBytes: 500}, Codes{})
	wantRefused(t, "a large row group", err, "row_group_too_large")
	_, err = Open(bytes.NewReader(data), int64(len(data)), "people", Bounds{Columns: 1, GroupBytes: 1 << 30}, Codes{})
	wantRefused(t, "many columns", err, "too_many_columns")
	f, err := Open(bytes.NewReader(data), int64(len(data)), "people", Bounds{Columns: 10, FieldBytes: 5, GroupBytes: 1 << 30, PageBytes: 1 << 20}, Codes{})
	if err == nil {
		_, err = readAll(f)
	}
	wantRefused(t, "a long cell", err, "field_too_long")
}

// What counts is what is held at a time: a row group of many small pages is read, one large page or a
// large dictionary is not.
func TestLargePages(t *testing.T) {
	var rows [][]pq.Value
	for i := range 4000 {
		rows = append(rows, []pq.Value{pq.ValueOf(fmt.Sprintf("value %06d", i)), pq.ValueOf(fmt.Sprintf("another %06d", i))})
	}
	plain := []node{{"a", pq.String()}, {"b", pq.String()}}
	read := func(columns []node, skip int64, options ...pq.WriterOption) error {
		data := written(t, columns, rows, options...)
		f, err := Open(bytes.NewReader(data), int64(len(data)), "people", Bounds{Columns: 10, FieldBytes: 100, GroupBytes: 1 << 20, PageBytes: 50 << 10}, Codes{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Skip(skip); err != nil {
			return err
		}
		_, err = readAll(f)
		return err
	}
	if err := read(plain, 0, pq.PageBufferSize(8<<10)); err != nil {
		t.Errorf("small pages: %v", err)
	}
	if err := read(plain, 3000, pq.PageBufferSize(8<<10)); err != nil {
		t.Errorf("small pages, from the middle: %v", err)
	}
	wantRefused(t, "large pages", read(plain, 0, pq.PageBufferSize(1<<20)), "pages_too_large")
	wantRefused(t, "large pages, from the middle", read(plain, 10, pq.PageBufferSize(1<<20)), "pages_too_large")
	dictionaries := []node{{"a", pq.Encoded(pq.String(), &pq.RLEDictionary)}, {"b", pq.Encoded(pq.String(), &pq.RLEDictionary)}}
	wantRefused(t, "large dictionaries", read(dictionaries, 0, pq.PageBufferSize(8<<10)), "pages_too_large")
}

type failing struct {
	*bytes.Reader
	err error
}

func (f failing) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 100 {
		return 0, f.err
	}
	return f.Reader.ReadAt(p, offset)
}

func TestErrorsOfTheSourceStayInTheChain(t *testing.T) {
	data, broken := numbered(t, 100), errors.New("connection reset")
	_, err := Open(failing{bytes.NewReader(data), broken}, int64(len(data)), "people", bounds, Codes{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// A damaged file is refused or read, and nothing else.
func FuzzParquet(f *testing.F) {
	f.Add(numbered(f, 3))
	f.Add(numbered(f, 40, pq.MaxRowsPerRowGroup(20), pq.DataPageVersion(1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(bytes.NewReader(data), int64(len(data)), "people", Bounds{Columns: 20, FieldBytes: 1 << 10, GroupBytes: 1 << 20, PageBytes: 1 << 20}, Codes{})
		if err == nil {
			for n := 0; err == nil && n < 10000; n++ {
				_, err = r.Next()
			}
			r.Close()
		}
		if err != nil && err != io.EOF && !fault.Is(err, fault.Refused) {
			t.Fatalf("no refusal: %v", err)
		}
	})
}
