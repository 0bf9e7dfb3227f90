package run

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"testing"

	"penstock/internal/dataverse"
)

// A record that the database tells from the one that is meant must not be written:
// where collations differ in what they ignore, the service is asked.
func TestIndexAnswersOnlyWhatIsCertain(t *testing.T) {
	x := &index{odd: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	for _, text := range []string{"Miller", "Müller", "smith ", "ＷＩＤＥ"} {
		x.fold(text)
	}
	x.read = true
	for text, want := range map[string]bool{
		"Miller": true, "MILLER ": true, "nobody": true, "Smith": true, // case and trailing blanks no collation tells apart
		"Muller": false, "muller": false, "Müller": false, "wide": false, // an accent, or the width, of the record or of the row
		"Zoë": false, "Straße": false, "Strasse": true,
	} {
		value, _ := json.Marshal(text)
		key := []dataverse.KeyPart{{Column: "lastname", Value: value}, {Column: "cr1_no", Value: json.RawMessage("7")}}
		if got := x.certain([]string{"lastname", "cr1_no"}, key); got != want {
			t.Errorf("%s: certain is %v", text, got)
		}
	}
	x.fold("Strasse")
	if len(x.odd) != 2 {
		t.Errorf("%d odd spellings", len(x.odd))
	}
	if x.certain([]string{"cr1_no"}, []dataverse.KeyPart{{Column: "other", Value: json.RawMessage("7")}}) || x.certain([]string{"cr1_no"}, nil) {
		t.Error("certain of a key over other columns")
	}
}

// An index that a worker has read is there for the next one of its phase, and goes when another is wanted.
func TestIndexesAreSharedAndGo(t *testing.T) {
	var c crew
	of := func(n int) indexOf { return indexOf{fmt.Sprint("run", n), loadPhase, 1} }
	first, leave := c.index(of(1))
	same, leaveToo := c.index(of(1))
	if first != same {
		t.Fatal("two workers read the table twice")
	}
	leave()
	leave()
	if next, _ := c.index(of(2)); next == first || len(c.indexes) != 2 {
		t.Error("an index in use is gone")
	}
	leaveToo()
	if again, left := c.index(of(1)); again != first {
		t.Error("an idle index is gone although no other was wanted")
	} else {
		left()
	}
	if c.index(of(3)); len(c.indexes) != 2 {
		t.Errorf("%d indexes are kept", len(c.indexes))
	}
}
