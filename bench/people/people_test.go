package people

import (
	"encoding/csv"
	"strings"
	"testing"
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
