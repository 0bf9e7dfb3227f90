package mapping

import (
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/row"
)

func TestBooleanWords(t *testing.T) {
	lists := config.Values{True: []string{"Ja", "x", " Y "}, False: []string{"nein", "N", "ÄHM", "1"}}
	for _, c := range []struct {
		set            config.Values
		to, cell, want string
	}{
		{lists, "donotemail", "JA", "true"},
		{lists, "donotemail", " ja ", "true"},
		{lists, "donotemail", "y", "true"},
		{lists, "donotemail", "Nein", "false"},
		{lists, "donotemail", "ähm", "false"},
		{lists, "donotemail", "true", "true"},
		{lists, "donotemail", "no", "false"},
		{lists, "donotemail", "1", "false"}, // a list wins over a built-in word
		{lists, "donotemail", "Do not allow", "true"},
		{lists, "donotemail", "0", "false"},
		{lists, "donotemail", "jein", NotABoolean},
		{config.Values{}, "donotemail", "ja", NotABoolean},
		{config.Values{}, "new_odd", "yes", AmbiguousChoice},
		{config.Values{True: []string{"yes"}}, "new_odd", "yes", "true"}, // and over a label
		{config.Values{True: []string{"yes"}}, "new_odd", "never", "true"},
	} {
		if got, message := read(t, c.set, config.Column{From: "B", To: c.to}, text(c.cell)); got != c.want {
			t.Errorf("%s %q: %s (%s), want %s", c.to, c.cell, got, message, c.want)
		}
	}
	own := config.Column{From: "B", To: "donotemail", Values: config.Values{True: []string{"oui"}}}
	for cell, want := range map[string]string{"oui": "true", "ja": NotABoolean, "nein": "false"} {
		if got, _ := read(t, lists, own, text(cell)); got != want {
			t.Errorf("a column's own list: %q is %s, want %s", cell, got, want)
		}
	}
	if _, message := read(t, lists, config.Column{From: "B", To: "donotemail"}, text("jein")); !strings.Contains(message, "words that the destination lists") {
		t.Error(message)
	}
}

// TestTypedBooleans: true of a typed format is true, whatever words mean.
func TestTypedBooleans(t *testing.T) {
	odd := config.Values{True: []string{"false"}}
	if got, _ := read(t, odd, config.Column{From: "B", To: "donotemail"}, row.Cell{Kind: row.Bool, Text: []byte("false")}); got != "false" {
		t.Error(got)
	}
	if got, _ := read(t, odd, config.Column{From: "B", To: "donotemail"}, text("false")); got != "true" {
		t.Error(got)
	}
}

func TestSeparator(t *testing.T) {
	for _, c := range []struct{ separator, cell, want string }{
		{"|", "1|3", `"1,3"`},
		{"|", "Food, drink|wine", `"2,1"`},
		{"|", "1;3", UnknownChoice},
		{" / ", "Wine / Travel", `"1,3"`},
		{",", "1,3", `"1,3"`},
		{",", "Food, drink", UnknownChoice},
		{"", "Food, drink;1", `"2,1"`},
		{"", "1,3,1", `"1,3"`},
	} {
		if got, _ := read(t, config.Values{}, config.Column{From: "T", To: "new_topics", Separator: c.separator}, text(c.cell)); got != c.want {
			t.Errorf("%q by %q: %s, want %s", c.cell, c.separator, got, c.want)
		}
	}
}
