package mapping

import "testing"

func TestRoundIsHalfAwayFromZero(t *testing.T) {
	for _, c := range []struct {
		text   string
		places int
		want   string
	}{
		{"31.95376472", 5, "31.95376"}, {"-89.234565", 5, "-89.23457"}, {"0.5", 0, "1"}, {"0.4999", 0, "0"}, {"-0.5", 0, "-1"},
		{"9.995", 2, "10"}, {"99.99", 1, "100"}, {"0.05", 1, "0.1"}, {"0.04", 1, "0"}, {"0.0004", 1, "0"}, {"1.5", 3, "1.5"},
		{"1234", 2, "1234"}, {"0", 2, "0"}, {"999999999999999.9", 0, "1000000000000000"}, {"1e-9", 2, "0"}, {"0.95", 1, "1"},
	} {
		n, ok := parseNumber(nil, []byte(c.text))
		if !ok {
			t.Fatalf("%s is a number", c.text)
		}
		n = n.round(c.places)
		if got := string(n.append(nil)); got != c.want {
			t.Errorf("%s to %d places: got %s, want %s", c.text, c.places, got, c.want)
		}
	}
}
