package people

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

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
