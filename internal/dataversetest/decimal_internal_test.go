package dataversetest

import "testing"

func TestCanonicalDecimal(t *testing.T) {
	for _, c := range []struct {
		in     string
		places int
		want   string
	}{
		{"12.50", -1, "12.5"}, {"007", -1, "7"}, {"-0.00", -1, "0"}, {"0.125", 2, "0.13"}, {"-0.125", 2, "-0.13"}, {"9.999", 2, "10"},
		{"99.5", 0, "100"}, {"922337203685477.5807", 4, "922337203685477.5807"}, {"0.004", 2, "0"}, {"-0.004", 2, "0"}, {"1.10", 5, "1.1"},
	} {
		if got := canonicalDecimal(c.in, c.places); got != c.want {
			t.Errorf("%s to %d places: %s, want %s", c.in, c.places, got, c.want)
		}
	}
}
