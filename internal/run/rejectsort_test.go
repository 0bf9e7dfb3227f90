package run

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/report"
	"penstock/internal/row"
)

func TestRejectsComeBackByRow(t *testing.T) {
	for _, most := range []int{1000, 7, 1} {
		dir := t.TempDir()
		s := newRejectSorter(dir)
		s.most = most
		for _, i := range rand.Perm(100) {
			code := "too_long"
			if i%3 == 0 {
				code = "not_found"
			}
			if err := s.add(row.Reject{Row: int64(i + 1), Line: i + 2, Code: code, Message: "x\ny"}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // it may be asked for again
			want := int64(0)
			for r, err := range s.sorted() {
				if want++; err != nil || r.Row != want || r.Message != "x\ny" {
					t.Fatalf("at most %d held: %+v, %v; want row %d", most, r, err, want)
				}
			}
			if want != 100 {
				t.Errorf("%d rows", want)
			}
		}
		reasons := []report.RejectReason{{Code: "too_long", Count: 66, Line: 3}, {Code: "not_found", Count: 34, Line: 2}}
		if diff := cmp.Diff(reasons, s.reasonsFirst()); diff != "" {
			t.Error(diff)
		}
		s.close()
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%d files are left, %v", len(left), err)
		}
	}
}
