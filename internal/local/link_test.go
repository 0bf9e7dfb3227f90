package local_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/internal/report"
	"penstock/internal/run"
)

// Rule C4: a row whose link the service rejects is written, with a warning.
func TestRejectedLinkIsAWarning(t *testing.T) {
	h := &hooked{}
	f := newField(t, hook(h))
	gone := false
	h.set(func(key string) error {
		if strings.Contains(key, "/results/") && strings.Contains(key, "/link-") && !gone {
			gone = true // between the two passes somebody deletes the record that the first row refers to
			f.remove(fmt.Sprint(f.rows("cr1_parcels?$select=cr1_name", "cr1_name")["b"]["cr1_parcelid"]))
		}
		return nil
	})
	end, r := f.load("tree", "Name,No,Parent\nA,1,2\nB,2,\nC,3,1\n")
	ends(t, end, run.Partial, "", report.Removed{})
	if end.Written != 3 || end.Warned != 1 || r.Warned != 1 || len(r.WarnReasons) != 1 || r.WarnReasons[0].Line != 2 {
		t.Fatalf("%+v, warnings %+v", end, r.WarnReasons)
	}
	if names := stepNames(r); !slices.Equal(names, []string{"prepare", "turn", "load", "link"}) {
		t.Errorf("steps %v", names)
	}
	list := objectOf(t, f.shop.Steps.Work, r.Warnings)
	if !strings.HasPrefix(list, "line,file,column,code,message\n2,x.csv,,"+r.WarnReasons[0].Code+",") || strings.Count(list, "\n") != 2 {
		t.Errorf("warnings.csv: %s", list)
	}
	parent := f.rows("cr1_parcels?$select=cr1_name,_cr1_parent_value", "cr1_name")["c"]["_cr1_parent_value"]
	if a := f.rows("cr1_parcels?$select=cr1_name", "cr1_name")["a"]["cr1_parcelid"]; parent != a {
		t.Errorf("the other link leads to %v, want %v", parent, a)
	}
}

// Of a row whose link names a record that is nowhere, the missing record is told, and not that its own is.
func TestLinkToNowhereSaysSo(t *testing.T) {
	f := newField(t, nil)
	end, r := f.load("tree", "Name,No,Parent\nD,4,99\n")
	ends(t, end, run.Partial, "", report.Removed{})
	if len(r.WarnReasons) != 1 || r.WarnReasons[0].Code != "lookup_not_found" {
		t.Fatalf("warnings %+v", r.WarnReasons)
	}
	if list := objectOf(t, f.shop.Steps.Work, r.Warnings); !strings.Contains(list, "neither in the table nor in the file") {
		t.Errorf("warnings.csv: %s", list)
	}
}
