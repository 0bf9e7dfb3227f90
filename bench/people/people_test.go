package people

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/parquet-go/parquet-go"
)

// Files differ in nothing but the bad rows' account.
func TestWrite(t *testing.T) {
	const rows = 2000
	records := func(o Options) ([][]string, int) {
		t.Helper()
		var b strings.Builder
		bad, err := Write(&b, o)
		if err != nil {
			t.Fatal(err)
		}
		all, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return all, bad
	}
	clean, none := records(Options{Rows: rows})
	mixed, some := records(Options{Rows: rows, Lookup: true, Bad: 0.01})
	if none != 0 || some < rows/200 || some > rows/50 {
		t.Errorf("%d and %d bad rows of %d, want 0 and about 1 %%", none, some, rows)
	}
	if len(clean) != rows+1 || strings.Join(clean[0], ",") != Header {
		t.Fatalf("%d rows below %q", len(clean)-1, clean[0])
	}
	pointing := 0
	for i, r := range mixed {
		if r[10] == absent {
			pointing++
		}
		if strings.Join(r[:10], ",") != strings.Join(clean[i], ",") {
			t.Fatalf("row %d differs: %q and %q", i, r, clean[i])
		}
	}
	if pointing != some {
		t.Errorf("%d rows point to an account that is not there, %d were told", pointing, some)
	}
}

// All formats hold the same people.
func TestFormats(t *testing.T) {
	const rows = 500
	var text, lines, columns bytes.Buffer
	if _, err := Write(&text, Options{Rows: rows}); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSONLines(&lines, rows); err != nil {
		t.Fatal(err)
	}
	if err := WriteParquet(&columns, rows); err != nil {
		t.Fatal(err)
	}
	stored, err := parquet.Read[person](bytes.NewReader(columns.Bytes()), int64(columns.Len()))
	if err != nil {
		t.Fatal(err)
	}
	cells := strings.Split(strings.TrimSpace(text.String()), "\n")[1:]
	objects := json.NewDecoder(&lines)
	for i, p := range everyone(rows) {
		var object struct {
			Email  string      `json:"emailaddress1"`
			Credit json.Number `json:"creditlimit"`
		}
		if err := objects.Decode(&object); err != nil {
			t.Fatal(err)
		}
		credit := string(p.Credit.append(nil))
		if stored[i] != *p || object.Email != p.Email || string(object.Credit) != credit ||
			!strings.HasPrefix(cells[i], p.Email+",") || !strings.Contains(cells[i], ","+credit+",") {
			t.Fatalf("row %d: %+v, %+v and %s", i+1, stored[i], object, cells[i])
		}
	}
}

// A file of a size ends with a whole row, at that size or a little later.
func TestWriteUpTo(t *testing.T) {
	var b bytes.Buffer
	rows, err := WriteUpTo(&b, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "\n") - 1; got != rows || b.Len() < 10_000 || b.Len() > 10_500 || !strings.HasSuffix(b.String(), "\n") {
		t.Errorf("%d rows told, %d there, %d bytes", rows, got, b.Len())
	}
}

// A large file has the rows that were told, and the same people come again.
func TestFill(t *testing.T) {
	lines := func(data []byte) (rows []string) { return strings.Split(strings.TrimSpace(string(data)), "\n") }
	const size, many = 100 << 10, 300
	for format, read := range map[Format]func(data []byte) []string{
		CSV:       func(data []byte) []string { return lines(data)[1:] },
		JSONLines: lines,
		UTF16: func(data []byte) []string {
			units := make([]uint16, len(data)/2)
			_ = binary.Read(bytes.NewReader(data), binary.LittleEndian, units)
			return lines([]byte(string(utf16.Decode(units))))[1:]
		},
		JSONArray: func(data []byte) []string {
			var all []json.RawMessage
			if err := json.Unmarshal(data, &all); err != nil {
				t.Error(err)
			}
			rows := make([]string, len(all))
			for i, one := range all {
				rows[i] = string(one)
			}
			return rows
		},
		Parquet: func(data []byte) []string {
			all, err := parquet.Read[person](bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Error(err)
			}
			rows := make([]string, len(all))
			for i, p := range all {
				rows[i] = string(p.appendCSV(nil))
			}
			return rows
		},
	} {
		var b bytes.Buffer
		told, err := fill(&b, format, size, many)
		if err != nil {
			t.Fatal(err)
		}
		rows := read(b.Bytes())
		if int64(len(rows)) != told || told < 2*many || b.Len() < size {
			t.Fatalf("%s: %d rows told, %d there, %d bytes", format, told, len(rows), b.Len())
		}
		if rows[0] != rows[many] || rows[0] == rows[1] {
			t.Errorf("%s: %q, %q … %q", format, rows[0], rows[1], rows[many])
		}
	}
	if _, err := Fill(io.Discard, "DBF", size); err == nil {
		t.Error("a file of no known format")
	}
}
