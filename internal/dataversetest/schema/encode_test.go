package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestOrganizationsComeBackAsTheyWereWritten(t *testing.T) {
	want := Default()
	data, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	numbers := cmp.Transformer("number", func(v any) any { // JSON has one kind of numbers
		if n, ok := v.(int); ok {
			return float64(n)
		}
		return v
	})
	for name, table := range want.Tables {
		diff := cmp.Diff(table, got.Tables[name], cmpopts.IgnoreUnexported(Table{}), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Table{}, "Incoming"),
			cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Default" }, numbers))
		if diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(table.Incoming) != len(got.Tables[name].Incoming) {
			t.Errorf("%s: %d incoming, want %d", name, len(got.Tables[name].Incoming), len(table.Incoming))
		}
	}
	parcel := got.Tables["cr1_parcel"]
	if parcel.Column("cr1_soil").Options != got.GlobalChoices["cr1_soil"] || parcel.Many[0] != got.Tables["cr1_tag"].Many[0] {
		t.Error("what was shared is not shared any more")
	}
}
