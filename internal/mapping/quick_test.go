package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// What most cells are is read on a short way. These tests hold it against the long one.

func TestSimpleNumbersAreReadAsAllNumbers(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	columns := []dataverse.Column{
		{Type: dataverse.Integer, Min: "0", Max: "1000000000"}, {Type: dataverse.Integer, Min: "-5", Max: "5"}, {Type: dataverse.Integer, Min: "7", Max: "90"},
		{Type: dataverse.Integer, Min: "-90", Max: "-7"}, {Type: dataverse.BigInt}, {Type: dataverse.Decimal, Min: "-100.25", Max: "100.75", Precision: 2},
		{Type: dataverse.Decimal, Min: "0.5", Max: "1.5", Precision: 1}, {Type: dataverse.Double, Min: "0", Max: "1000000000000", Precision: 5},
		{Type: dataverse.Money, Min: "-922337203685477", Max: "922337203685477", Precision: 4},
	}
	for range 20_000 {
		c := columns[random.IntN(len(columns))]
		text := randomNumber(random)
		convert := numbers(&c, false, notation{})
		short, p := convert(nil, row.Cell{Kind: row.Number, Text: text})
		long, q := convert(nil, row.Cell{Kind: row.Number, Text: append(text, "e0"...)})
		if string(short) != string(long) || (p == nil) != (q == nil) || p != nil && p.code != q.code {
			t.Fatalf("%s in %+v: %s, %v; with an exponent %s, %v", text, c, short, p, long, q)
		}
	}
}

func randomNumber(random *rand.Rand) []byte {
	text := []byte{}
	if random.IntN(3) == 0 {
		text = append(text, '-')
	}
	for range 1 + random.IntN(1+random.IntN(17)) {
		text = append(text, '0'+byte(random.IntN(10)))
	}
	if random.IntN(2) == 0 {
		text = append(text, '.')
		for range random.IntN(6) {
			text = append(text, '0'+byte(random.IntN(10)))
		}
	}
	return text
}

func TestSimpleDatesAreReadAsAllDates(t *testing.T) {
	convert := dates(&dataverse.Column{Type: dataverse.DateTime, DateOnly: true}, &calendar{})
	try := func(text string) {
		m, ok := parseMoment([]byte(text))
		ok = ok && !m.hasTime && m.utc.Year() >= firstYear
		got, p := convert(nil, row.Cell{Kind: row.Text, Text: []byte(text)})
		if (p == nil) != ok || ok && string(got) != `"`+text+`"` {
			t.Errorf("%s is read as %s, %v; it is a date: %t", text, got, p, ok)
		}
	}
	for day := time.Date(1752, 12, 30, 0, 0, 0, 0, time.UTC); day.Year() < 2110; day = day.AddDate(0, 0, 1) {
		try(day.Format(time.DateOnly))
	}
	for _, year := range []int{0, 1752, 1753, 1900, 2000, 2023, 2024, 9999} {
		for month := range 14 {
			for day := range 34 {
				try(fmt.Sprintf("%04d-%02d-%02d", year, month, day))
			}
		}
	}
	for at := range len("2024-01-11") {
		for b := byte(' '); b < 0x7f; b++ {
			text := []byte("2024-01-11")
			text[at] = b
			try(string(text))
		}
	}
	for _, text := range []string{"2024-1-01", "2024-01-1x", "2024/01/01", "20240101-1", "2024-01-01T", "x024-01-01"} {
		try(text)
	}
}

// What a column has seen once it reads the same again, and what it cannot read it does not remember.
func TestSpellingsOfChoicesAreRemembered(t *testing.T) {
	c := &dataverse.Column{Type: dataverse.Picklist, Options: []dataverse.Option{{Value: 1, Label: "Male"}, {Value: 2, Label: "Female"}}}
	for name, convert := range map[string]convert{"choice": oneChoice(c, ""), "boolean": booleans(&dataverse.Column{Options: []dataverse.Option{{Value: 1, Label: "Ja"}}}, nil)} {
		for range 3 {
			for _, text := range []string{"male", " FEMALE ", "1", "2.0", "3", "ja", "Yes", "x", ""} {
				first, p := convert(nil, row.Cell{Kind: row.Text, Text: []byte(text)})
				again, q := convert(nil, row.Cell{Kind: row.Text, Text: []byte(text)})
				if string(first) != string(again) || (p == nil) != (q == nil) {
					t.Errorf("%s %q: %s, %v, then %s, %v", name, text, first, p, again, q)
				}
			}
		}
		for n := range 2 * mostSeen { // spellings without end
			_, _ = convert(nil, row.Cell{Kind: row.Text, Text: fmt.Appendf(nil, "%0*d", n%60+1, 1)})
		}
		if got, p := convert(nil, row.Cell{Kind: row.Text, Text: []byte("1")}); p != nil || len(got) == 0 {
			t.Errorf("%s: %s, %v", name, got, p)
		}
	}
}

// Spellings that share a place near at hand do not stand for each other.
func TestSpellingsAreToldApart(t *testing.T) {
	c := &dataverse.Column{Type: dataverse.Picklist}
	labels := []string{"stack", "slick", "Stack", "shock", "s", "k", "sock", "smack"}
	for i, label := range labels {
		c.Options = append(c.Options, dataverse.Option{Value: i % 2, Label: label})
	}
	known := newChoices(c, "label")
	if place([]byte("stack")) != place([]byte("slick")) || place([]byte("slick")) != place([]byte("smack")) {
		t.Fatal("the labels do not share a place")
	}
	for range 3 {
		for _, label := range labels {
			want, p := newChoices(c, "label").find(nil, []byte(label))
			got, q := known.append(nil, []byte(label))
			if string(got) != string(want) || (p == nil) != (q == nil) {
				t.Errorf("%q: %s, %v; want %s, %v", label, got, q, want, p)
			}
		}
	}
}

// Each byte at each place of a word, and behind it, becomes small as bytes.ToLower has it; what is beyond ASCII is left to others.
func TestSmallLetters(t *testing.T) {
	for b := range 256 {
		for size := range 20 {
			for at := range size {
				text := bytes.Repeat([]byte("Zz@[`{Aa"), 3)[:size]
				text[at] = byte(b)
				want := bytes.ToLower(text)
				if ok := lower(text); ok != (b < 0x80) || ok && !bytes.Equal(text, want) {
					t.Errorf("byte %#x at %d of %d: %q, %t; want %q", b, at, size, text, ok, want)
				}
			}
		}
	}
}

// A column with a source takes the long way, one whose source says nothing too, and both ways lead to the same.
func TestFilledCellsAreReadAsAllCells(t *testing.T) {
	columns := []string{"emailaddress1", "firstname", "numberofchildren", "donotemail", "birthdate", "gendercode", "new_external"}
	cells := []row.Cell{
		{}, {Kind: row.Null}, {Kind: row.Number, Text: []byte("7")}, {Kind: row.Bool, Text: []byte("true")}, {Kind: row.Nested, Text: []byte(`{"a":1}`)},
	}
	for _, text := range []string{"", " ", "\u00a0", "\t ", "x", " x ", "é", "1", " 2", "yes", "2024-02-29", "Male", "\x00", "6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001"} {
		cells = append(cells, row.Cell{Kind: row.Text, Text: []byte(text)})
	}
	for _, nulls := range []config.Nulls{config.SkipNulls, config.ClearNulls} {
		dest := upsert("emailaddress1")
		dest.Values.Nulls = nulls
		short, long := compile(t, dest, columns...), compile(t, dest, columns...)
		for _, c := range slices.Concat(long.columns, long.key) {
			c.source = &source{}
		}
		for at := range columns {
			for _, cell := range cells {
				r := csvRow("jo@example.org", "Jo", "2", "no", "1990-02-28", "Female", "6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0002")
				r.Cells[at] = cell
				var got, want dataverse.Operation
				p, q := short.Map(r, &got), long.Map(r, &want)
				if diff := cmp.Diff(q, p); diff != "" {
					t.Errorf("%s, %+v: %s", columns[at], cell, diff)
				}
				if diff := cmp.Diff(want, got); p == nil && diff != "" {
					t.Errorf("%s, %+v: %s", columns[at], cell, diff)
				}
				if !bytes.Equal(short.Key(), long.Key()) {
					t.Errorf("%s, %+v: key %q, want %q", columns[at], cell, short.Key(), long.Key())
				}
			}
		}
		r := csvRow("jo@example.org") // and no more
		var got, want dataverse.Operation
		if p, q := short.Map(r, &got), long.Map(r, &want); p != nil || q != nil || !cmp.Equal(got, want) {
			t.Errorf("a row of one cell: %+v, %v; want %+v, %v", got, p, want, q)
		}
	}
}

// Texts beyond ASCII come out as encoding/json reads them.
func TestTextsBeyondASCII(t *testing.T) {
	convert := texts(&dataverse.Column{Type: dataverse.String, MaxLength: 20})
	for _, text := range []string{"Łódź", "Ní Bhriain", "日本語", "e\u0301", "😀😀😀😀😀", "12345678\u00e9", "a\u2028b", "tab\there é", `quote " é`} {
		got, p := convert(nil, row.Cell{Kind: row.Text, Text: []byte(text)})
		var back string
		if p != nil || json.Unmarshal(got, &back) != nil || back != text {
			t.Errorf("%q: %s, %v", text, got, p)
		}
	}
	for text, code := range map[string]string{"\xff12345678": InvalidText, "12345678\xc3": InvalidText, "é\ufffe": ControlCharacter, "12345678\uffff": ControlCharacter, "\x01é": ControlCharacter,
		"ééééééééééééééééééééé": TooLong} {
		if _, p := convert(nil, row.Cell{Kind: row.Text, Text: []byte(text)}); p == nil || p.code != code {
			t.Errorf("%q: %+v, want %s", text, p, code)
		}
	}
	if _, p := convert(nil, row.Cell{Kind: row.Text, Text: []byte("éééééééééééééééééééé")}); p != nil {
		t.Errorf("twenty characters of forty bytes: %+v", p)
	}
}
