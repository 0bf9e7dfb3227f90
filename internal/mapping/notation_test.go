package mapping

import (
	"encoding/json"
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// read maps one cell to one column under settings, and gives what is written or the code of the reject.
func read(t *testing.T, set config.Values, rule config.Column, cell row.Cell) (got, message string) {
	t.Helper()
	dest := withRules(appendTo(), rule)
	dest.Values = set
	if dest.Values.Nulls == "" {
		dest.Values.Nulls = config.ClearNulls
	}
	m := compile(t, dest, rule.From)
	var op dataverse.Operation
	if reject := m.Map(&row.Row{Number: 7, Line: 9, Cells: []row.Cell{cell}}, &op); reject != nil {
		return reject.Code, reject.Message
	}
	return valueOf(t, op.Set), ""
}

func text(s string) row.Cell { return row.Cell{Kind: row.Text, Text: []byte(s)} }

var (
	german  = config.Values{Decimal: ",", Thousands: "."}
	french  = config.Values{Decimal: ",", Thousands: " "}
	swiss   = config.Values{Thousands: "'"}
	english = config.Values{Decimal: ".", Thousands: ","}
	commas  = config.Values{Decimal: ","}
)

// TestNumbersAsWritten: how numbers of a place are read. What could be meant otherwise is rejected.
func TestNumbersAsWritten(t *testing.T) {
	for _, c := range []struct {
		set        config.Values
		cell, want string
	}{
		{german, "1.234,5", "1234.5"},
		{german, "1.234.567,89", "1234567.89"},
		{german, "1234,5", "1234.5"},
		{german, "1.234", "1234"},
		{german, "999.999.999", "999999999"},
		{german, ",5", "0.5"},
		{german, "5,", "5"},
		{german, "0,05", "0.05"},
		{german, "-1.234,5", "-1234.5"},
		{german, " - 1.234,5 ", "-1234.5"},
		{german, "+ 7", "7"},
		{german, "−7,5", "-7.5"}, // U+2212
		{german, "1,5e1", "15"},
		{german, "1e3", "1000"},
		{german, "1.23,4", NotANumber},
		{german, "1.2345", NotANumber},
		{german, "12.34", NotANumber},
		{german, "1234.567", NotANumber},
		{german, "1.234567,8", NotANumber},
		{german, "1234567.890", NotANumber},
		{german, ".234", NotANumber},
		{german, "0.234", NotANumber}, // nobody writes 234 so; somebody's point is another sign
		{german, "012.345", NotANumber},
		{german, "1..234", NotANumber},
		{german, "1.234.", NotANumber},
		{german, "1,234.5", NotANumber},
		{german, "1,2,3", NotANumber},
		{german, "1.234e5", NotANumber},
		{german, "1 234,5", NotANumber},
		{german, "1.234,5-", NotANumber},
		{german, "--5", NotANumber},
		{german, "-+5", NotANumber},
		{german, "-", NotANumber},
		{german, ",", NotANumber},
		{german, "1.234,5 €", NotANumber},
		{german, "12,345", TooPrecise},

		{commas, "1234,5", "1234.5"},
		{commas, "1.234", NotANumber},
		{commas, "1.5", NotANumber},

		{french, "1 234 567,8", "1234567.8"},
		{french, "1\u00a0234\u00a0567,8", "1234567.8"},
		{french, "1\u202f234,8", "1234.8"},
		{french, "1 234\u00a0567", "1234567"},
		{french, "1  234", NotANumber},
		{french, "1 23", NotANumber},
		{french, "1\u2009234", NotANumber}, // thin space: not one that we were told of

		{swiss, "1'234.5", "1234.5"},
		{swiss, "1’234’567.5", "1234567.5"},
		{swiss, "1'234,5", NotANumber},
		{swiss, "1'23", NotANumber},

		{english, "1,234.5", "1234.5"},
		{english, "1,234,567", "1234567"},
		{english, "1,23", NotANumber},
		{english, "0,5", NotANumber},
		{english, "1.234,5", NotANumber},

		{config.Values{}, "1,234", NotANumber},
		{config.Values{}, "- 5", "-5"},
		{config.Values{}, "−5", "-5"},
		{config.Values{}, "1234.5", "1234.5"},
		{config.Values{}, "１２", NotANumber},
		{config.Values{Normalise: "nfkc"}, "１２", NotANumber}, // texts are normalised, not numbers
		{config.Values{}, strings.Repeat("0", 100) + "7", "7"},
		{german, strings.Repeat("0", 100) + "7", "7"},
	} {
		got, message := read(t, c.set, config.Column{From: "N", To: "new_score"}, text(c.cell))
		if got != c.want {
			t.Errorf("%q with %+v: %s (%s), want %s", c.cell, c.set, got, message, c.want)
		}
	}
}

// TestTypedNumbers: how a place writes numbers says nothing about the numbers of typed formats.
func TestTypedNumbers(t *testing.T) {
	for cell, want := range map[string]string{"1.5": "1.5", "1.234e3": "1234", "1,5": NotANumber} {
		if got, _ := read(t, german, config.Column{From: "N", To: "new_score"}, row.Cell{Kind: row.Number, Text: []byte(cell)}); got != want {
			t.Errorf("%s: %s, want %s", cell, got, want)
		}
	}
	if got, _ := read(t, german, config.Column{From: "N", To: "new_score"}, text("1.234")); got != "1234" {
		t.Errorf("a number in a JSON text is text: %s", got)
	}
}

// TestNotANumberSays: what is in the way, and how this destination's numbers look.
func TestNotANumberSays(t *testing.T) {
	for _, c := range []struct {
		set        config.Values
		cell, want string
	}{
		{german, "1.23,4", `"1.23,4" is not a number: write digits, in groups of three with "." between them, or nothing, and "," before decimals, such as 1.234,5`},
		{commas, "1.5", `"1.5" is not a number: write digits, nothing between them, and "," before decimals, such as 1234,5`},
		{config.Values{}, "1,5", `"1,5" is not a number: write digits with a point before decimals and no thousands separators, such as 1234.5, or set decimal and thousands to how the file writes numbers`},
		{german, "5 %", `"5 %" has a percent sign: write the number alone, as the column holds it (5 % may be 5 or 0.05 there)`},
		{german, "€ 5", `"€ 5" has a currency sign: write the amount alone, such as 1.234,5`},
		{config.Values{}, "$5", `"$5" has a currency sign: write the amount alone, such as 1234.5`},
		{config.Values{}, "５", `"５" has other digits than 0 to 9: write 1234.5`},
		{config.Values{}, "5-", `"5-" has its sign at the end: write it before the number, such as -1234.5`},
	} {
		if _, got := read(t, c.set, config.Column{From: "N", To: "new_score"}, text(c.cell)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestNumbersOfAColumn: a column's settings stand before the destination's.
func TestNumbersOfAColumn(t *testing.T) {
	own := config.Column{From: "N", To: "new_score", Values: config.Values{Decimal: ".", Thousands: ","}}
	if got, _ := read(t, german, own, text("1,234.5")); got != "1234.5" {
		t.Error(got)
	}
	half := config.Column{From: "N", To: "new_score", Values: config.Values{Thousands: "'"}}
	if got, _ := read(t, german, half, text("1'234,5")); got != "1234.5" {
		t.Error(got)
	}
}

// FuzzNotation: what is written by a notation is read back, and whatever is read is a number that
// would be written with the same digits.
func FuzzNotation(f *testing.F) {
	for _, s := range []string{"0", "-1234.5", "1234567.89", "0.05", "1.234,5", "1 234", "0.234", "−5", "- 5", "1e3", "1'234", "1’234.5"} {
		f.Add(s, byte(0))
		f.Add(s, byte(7))
	}
	f.Fuzz(func(t *testing.T, s string, which byte) {
		l := notation{thousands: []string{"", ",", "'", " ", ".", ""}[which%6]}
		if which%6 > 3 {
			l.decimal = ','
		}
		if n, ok := parseNumber(nil, []byte(s)); ok && len(n.digits) < 40 && n.point > -40 && n.point < 40 {
			written := l.write(n)
			plain, ok := l.plain(nil, []byte(written))
			again, numeric := parseNumber(nil, plain)
			if !ok || !numeric || again.compare(&n) != 0 {
				t.Fatalf("%+v writes %q as %q and reads %q", l, s, written, plain)
			}
		}
		plain, ok := l.plain(nil, []byte(s))
		if !ok {
			return
		}
		n, ok := parseNumber(nil, plain)
		if !ok {
			return
		}
		if text := n.append(nil); len(text) < 100 && !json.Valid(text) {
			t.Fatalf("%q became %s", s, text)
		}
		digits := func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}
		if strings.Map(digits, s) != strings.Map(digits, string(plain)) {
			t.Fatalf("%q became %s", s, plain)
		}
	})
}

// write is a number as people of a place write it.
func (l notation) write(n number) string {
	whole, fraction, _ := strings.Cut(string(n.append(nil)), ".")
	sign := strings.TrimRight(whole, "0123456789")
	whole = whole[len(sign):]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + l.thousands + whole[i:]
	}
	if fraction != "" {
		whole += string(l.sign()) + fraction
	}
	return sign + whole
}
