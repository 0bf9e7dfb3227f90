package local_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/internal/report"
	"penstock/internal/run"
)

func TestMirror(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", 1, 2, 3, 4)
	end, r := f.load("mirror", land(2, 3, 5))
	ends(t, end, run.Succeeded, "", report.Removed{Found: 2, Deleted: 2})
	f.wants("new 2", "new 3", "new 5")
	if names := stepNames(r); !slices.Equal(names, []string{"prepare", "turn", "load", "sweep"}) {
		t.Errorf("steps %v", names)
	}
	if !r.WholeTable || len(r.Filter) > 0 || r.Doubtful > 0 {
		t.Errorf("the whole table, and nothing in doubt: %+v", r)
	}
	if text := report.Sentence(*r); !strings.Contains(text, "removed 2 records that the file does not hold") {
		t.Error(text)
	}
	end, _ = f.load("mirror", land(2, 3, 5))
	ends(t, end, run.Succeeded, "", report.Removed{})
}

// Rule D4: the key of a rejected row keeps its record, a doubtful match too, and what is not ours is not looked at.
func TestMirrorKeepsWhatIsDoubtful(t *testing.T) {
	f := newField(t, nil)
	f.seedJSON(`{"cr1_parcel":[
		{"cr1_name":"Rejected","cr1_no":1,"cr1_region":"north","cr1_code":"R"},
		{"cr1_name":"Case","cr1_no":2,"cr1_region":"north","cr1_code":"b"},
		{"cr1_name":"Stale","cr1_no":3,"cr1_region":"north","cr1_code":"C"},
		{"cr1_name":"Keyless","cr1_no":4,"cr1_region":"north"},
		{"cr1_name":"Other","cr1_no":5,"cr1_region":"south","cr1_code":"D"}]}`)
	end, r := f.load("coded", "cr1_name,cr1_code,cr1_no\nNew,B,2\nOld,R,much\nMore,E,6\n")
	ends(t, end, run.Partial, "", report.Removed{Found: 1, Deleted: 1})
	f.wants("rejected", "new", "keyless", "other", "more")
	if !slices.ContainsFunc(r.Notes, func(note string) bool { return strings.HasPrefix(note, "1 record whose key is empty") }) {
		t.Errorf("notes %q", r.Notes)
	}
}

// Rule D4: a row whose key cannot be read may mean any record, so none is deleted.
func TestMirrorWithAKeylessRowDeletesNothing(t *testing.T) {
	f := newField(t, nil)
	f.seed("south", 1, 2)
	end, r := f.load("mirror", land(2)+"Nameless,,x\n")
	ends(t, end, run.Partial, "", report.Removed{})
	f.wants("old 1", "new 2")
	if !slices.ContainsFunc(r.Notes, func(note string) bool {
		return strings.Contains(note, "No record was removed: 1 row has no readable key")
	}) {
		t.Errorf("notes %q", r.Notes)
	}
}

// Rule D4: of records whose keys are one in their normal form the file may mean each; none goes, and the
// report tells how many there are beside those that rows have, and which.
func TestMirrorTellsWhatIsDoubtful(t *testing.T) {
	t.Parallel()
	f := newField(t, nil)
	// The service tells the dotless i from the other one, and the normal form does not.
	f.seedJSON(`{"cr1_parcel":[
		{"cr1_name":"Dotless","cr1_no":1,"cr1_region":"north","cr1_code":"k\u0131r"},
		{"cr1_name":"Stale","cr1_no":2,"cr1_region":"north","cr1_code":"dal"}]}`)
	end, r := f.load("coded", "cr1_name,cr1_code,cr1_no\nDotted,kir,3\nOther,ova,4\n")
	ends(t, end, run.Succeeded, "", report.Removed{Found: 1, Deleted: 1})
	f.wants("dotless", "dotted", "other")
	if r.Doubtful != 1 || !strings.Contains(report.Sentence(*r), "1 record was left, because it is doubtful") {
		t.Errorf("%d doubtful: %s", r.Doubtful, report.Sentence(*r))
	}
	list := objectOf(t, f.shop.Steps.Work, r.Doubts)
	if lines := strings.Split(list, "\n"); len(lines) != 3 || lines[0] != "id,cr1_region,cr1_code" || !strings.Contains(lines[1], ",north,k") {
		t.Errorf("doubtful.csv: %s", list)
	}
	if got := fmt.Sprint(r.Filter); got != `[cr1_region = "north"]` || r.WholeTable {
		t.Errorf("the filter is told as %s", got)
	}
	// What the service itself takes for one key is one record, and in no doubt.
	end, r = f.load("coded", "cr1_name,cr1_code,cr1_no\nDotted,KIR,3\nOther,öva,4\nDotless,kır,1\n")
	if end.Rejected != 1 || r.Doubtful != 1 {
		t.Errorf("%+v, %d doubtful", end, r.Doubtful)
	}
}
