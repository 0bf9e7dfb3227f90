package mapping

import (
	"encoding/json"
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

const someID = "6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001"

// TestConvert: a cell, the column it goes to, and what is written, or the code of the reject.
func TestConvert(t *testing.T) {
	long := strings.Repeat("a", 51)
	for _, c := range []struct{ to, cell, want string }{
		{"firstname", "Jo", `"Jo"`},
		{"firstname", " Jo ", `" Jo "`},
		{"firstname", `"\ ` + "\t", `"\"\\ \t"`},
		{"firstname", "O'Neil ä 😀 <&>", `"O'Neil ä 😀 <&>"`},
		{"firstname", strings.Repeat("a", 50), `"` + strings.Repeat("a", 50) + `"`},
		{"firstname", long, TooLong},
		{"firstname", strings.Repeat("ä", 50), `"` + strings.Repeat("ä", 50) + `"`},
		{"firstname", strings.Repeat("😀", 25), `"` + strings.Repeat("😀", 25) + `"`},
		{"firstname", strings.Repeat("😀", 25) + "a", TooLong},
		{"firstname", "a\x00b", ControlCharacter},
		{"firstname", "a\x1fb", ControlCharacter},
		{"firstname", "a\uFFFEb", ControlCharacter},
		{"firstname", "a\uFFFDb", `"a` + "\uFFFD" + `b"`},
		{"firstname", "a\xffb", InvalidText},
		{"firstname", "a\xed\xa0\x80b", InvalidText}, // a lone surrogate
		{"description", "a\r\nb", `"a\r\nb"`},

		{"numberofchildren", "42", "42"},
		{"numberofchildren", " 42 ", "42"},
		{"numberofchildren", "007", "7"},
		{"numberofchildren", "+7", "7"},
		{"numberofchildren", "7.00", "7"},
		{"numberofchildren", "1e3", "1000"},
		{"numberofchildren", "-0", "0"},
		{"numberofchildren", "0e9999", "0"},
		{"numberofchildren", "1000000000", "1000000000"},
		{"numberofchildren", "1000000001", OutOfRange},
		{"numberofchildren", "-1", OutOfRange},
		{"numberofchildren", "1e9999", OutOfRange},
		{"numberofchildren", "1e99999", NotANumber},
		{"numberofchildren", strings.Repeat("9", 5000), OutOfRange},
		{"numberofchildren", "1.5", NotWhole},
		{"numberofchildren", "1e-9999", NotWhole},
		{"numberofchildren", "1,000", NotANumber},
		{"numberofchildren", "0x10", NotANumber},
		{"numberofchildren", "1_000", NotANumber},
		{"numberofchildren", "e5", NotANumber},
		{"numberofchildren", "1e", NotANumber},
		{"numberofchildren", ".", NotANumber},
		{"numberofchildren", "-", NotANumber},
		{"numberofchildren", "NaN", NotANumber},
		{"numberofchildren", "١", NotANumber},
		{"new_no", "2147483647", "2147483647"},
		{"new_no", "2147483648", OutOfRange},
		{"new_no", "-2147483648", "-2147483648"},
		{"new_no", "-2147483649", OutOfRange},
		{"new_big", "9223372036854775807", "9223372036854775807"},
		{"new_big", "-9223372036854775808", "-9223372036854775808"},
		{"new_big", "9223372036854775808", OutOfRange},
		{"new_big", "9007199254740993", "9007199254740993"},
		{"new_score", "12.34", "12.34"},
		{"new_score", "12.340", "12.34"},
		{"new_score", "-.5", "-0.5"},
		{"new_score", "5.", "5"},
		{"new_score", "0.010", "0.01"},
		{"new_score", "-0.00", "0"},
		{"new_score", "8.675E-06", TooPrecise},
		{"new_score", "12.345", TooPrecise},
		{"new_score", "1.234e1", "12.34"},
		{"new_score", "100000000000", "100000000000"},
		{"new_score", "100000000000.01", OutOfRange},
		{"new_score", "-100000000000", "-100000000000"},
		{"new_score", "-100000000000.01", OutOfRange},
		{"new_ratio", "0.1", "0.1"},
		{"new_ratio", "0.123456", TooPrecise},
		{"new_ratio", "99999999999.12345", TooPrecise},
		{"new_ratio", "9999999999.12345", "9999999999.12345"},
		{"creditlimit", "99999999999999.99", "99999999999999.99"},
		{"creditlimit", "-0.01", OutOfRange},
		{"creditlimit", "€5", NotANumber},

		{"donotemail", "true", "true"},
		{"donotemail", "FALSE", "false"},
		{"donotemail", "1", "true"},
		{"donotemail", "0", "false"},
		{"donotemail", "Yes", "true"},
		{"donotemail", "no", "false"},
		{"donotemail", "do not allow", "true"},
		{"donotemail", " Allow", "false"},
		{"donotemail", "2", NotABoolean},
		{"donotemail", "y", NotABoolean},
		{"new_odd", "yes", AmbiguousChoice},
		{"new_odd", "never", "true"},

		{"birthdate", "2026-01-02", `"2026-01-02"`},
		{"birthdate", "2024-02-29", `"2024-02-29"`},
		{"birthdate", "2026-02-29", NotADate},
		{"birthdate", "2026-13-01", NotADate},
		{"birthdate", "1753-01-01", `"1753-01-01"`},
		{"birthdate", "1752-12-31", OutOfRange},
		{"birthdate", "9999-12-31", `"9999-12-31"`},
		{"birthdate", "2026-01-02T00:00:00Z", HasTime},
		{"birthdate", "2026-01-02 00:00", HasTime},
		{"birthdate", "02.01.2026", NotADate},
		{"birthdate", "1/2/2026", NotADate},
		{"birthdate", "20260102", NotADate},
		{"birthdate", "2026-1-2", NotADate},
		{"birthdate", "2026-01-02x", NotADate},
		{"lastonholdtime", "2026-01-02", `"2026-01-02T00:00:00Z"`},
		{"lastonholdtime", "2026-01-02T03:04:05Z", `"2026-01-02T03:04:05Z"`},
		{"lastonholdtime", "2026-01-02t03:04:05z", `"2026-01-02T03:04:05Z"`},
		{"lastonholdtime", "2026-01-02 03:04:05", `"2026-01-02T03:04:05Z"`},
		{"lastonholdtime", "2026-01-02T03:04", `"2026-01-02T03:04:00Z"`},
		{"lastonholdtime", "2026-01-02T03:04:05+02:00", `"2026-01-02T01:04:05Z"`},
		{"lastonholdtime", "2026-01-01T00:00:00+05:30", `"2025-12-31T18:30:00Z"`},
		{"lastonholdtime", "2026-12-31 23:00:00-0200", `"2027-01-01T01:00:00Z"`},
		{"lastonholdtime", "2026-01-02 03:04:05 +00", `"2026-01-02T03:04:05Z"`},
		{"lastonholdtime", "2026-01-02T03:04:05.000Z", `"2026-01-02T03:04:05Z"`},
		{"lastonholdtime", "2026-01-02T03:04:05.100Z", TooPrecise},
		{"lastonholdtime", "2026-01-02T03:04:05.Z", NotADate},
		{"lastonholdtime", "2026-01-02T03:04:05+02:00Z", NotADate},
		{"lastonholdtime", "2026-01-02T24:00:00Z", NotADate},
		{"lastonholdtime", "2026-01-02T23:59:60Z", NotADate},
		{"lastonholdtime", "2026-01-02T03:60:00Z", NotADate},
		{"lastonholdtime", "2026-01-02T", NotADate},
		{"lastonholdtime", "2026-01-02Z", NotADate},
		{"lastonholdtime", "1753-01-01T00:00:00+01:00", OutOfRange},
		{"lastonholdtime", "9999-12-31T23:59:59-01:00", OutOfRange},
		{"lastonholdtime", "1767323045", NotADate},

		{"gendercode", "1", "1"},
		{"gendercode", "01", "1"},
		{"gendercode", "2.0", "2"},
		{"gendercode", "female", "2"},
		{"gendercode", " FEMALE ", "2"},
		{"gendercode", "3", UnknownChoice},
		{"gendercode", "99999999999999999999", UnknownChoice},
		{"gendercode", "diverse", UnknownChoice},
		{"new_tier", "gold", AmbiguousChoice},
		{"new_tier", "ÖSTERREICH", "100000002"},
		{"new_tier", "-1", "-1"},
		{"new_tier", "2024", UnknownChoice}, // a number is a value
		{"new_topics", "1;3", `"1,3"`},
		{"new_topics", "1, 3", `"1,3"`},
		{"new_topics", "wine; food, drink", `"1,2"`},
		{"new_topics", "Food, drink", `"2"`},
		{"new_topics", "3;3;", `"3"`},
		{"new_topics", "1;9", UnknownChoice},
		{"new_topics", ";", UnknownChoice},

		{"new_external", someID, `"` + someID + `"`},
		{"new_external", "{" + strings.ToUpper(someID) + "}", `"` + someID + `"`},
		{"new_external", " " + someID + " ", `"` + someID + `"`},
		{"new_external", "00000000-0000-0000-0000-000000000000", `"00000000-0000-0000-0000-000000000000"`},
		{"new_external", strings.ReplaceAll(someID, "-", ""), NotAGUID},
		{"new_external", "{" + someID, NotAGUID},
		{"new_external", someID[:35] + "g", NotAGUID},
		{"preferredsystemuserid", strings.ToUpper(someID), `"/systemusers(` + someID + `)"`},
		{"preferredsystemuserid", "00000000-0000-0000-0000-000000000000", NotAGUID},
		{"preferredsystemuserid", "Jo", NotAGUID},
		{"ownerid", someID, `"/systemusers(` + someID + `)"`},
	} {
		m := compile(t, appendTo(), c.to)
		var op dataverse.Operation
		reject := m.Map(csvRow(c.cell), &op)
		if reject != nil {
			if reject.Code != c.want {
				t.Errorf("%s %.40q: reject %s (%s), want %s", c.to, c.cell, reject.Code, reject.Message, c.want)
			}
			if len([]rune(reject.Message)) > 300 || reject.Column != c.to || reject.Row != 7 || reject.Line != 9 {
				t.Errorf("%s %.40q: %+v", c.to, c.cell, reject)
			}
			continue
		}
		if got := valueOf(t, op.Set); got != c.want {
			t.Errorf("%s %.40q: %s, want %s", c.to, c.cell, got, c.want)
		}
	}
}

// valueOf is the only value of a rendered object.
func valueOf(t *testing.T, set json.RawMessage) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(set, &fields); err != nil || len(fields) != 1 {
		t.Fatalf("%s is not an object with one field: %v", set, err)
	}
	for _, v := range fields {
		return string(v)
	}
	return ""
}

func TestConvertChoiceBy(t *testing.T) {
	for _, c := range []struct{ by, cell, want string }{
		{"label", "2024", "-1"},
		{"label", "100000002", UnknownChoice},
		{"value", "100000000", "100000000"},
		{"value", "österreich", UnknownChoice},
	} {
		dest := appendTo()
		dest.Columns = []config.Column{{From: "Tier", To: "new_tier", Choice: c.by}}
		var op dataverse.Operation
		m := compile(t, dest, "Tier")
		if reject := m.Map(csvRow(c.cell), &op); reject != nil && reject.Code != c.want {
			t.Errorf("%s %q: %+v", c.by, c.cell, reject)
		} else if reject == nil && valueOf(t, op.Set) != c.want {
			t.Errorf("%s %q: %s, want %s", c.by, c.cell, op.Set, c.want)
		}
	}
}

// TestConvertJSON: the cells of a typed format.
func TestConvertJSON(t *testing.T) {
	for _, c := range []struct{ to, cell, want string }{
		{"firstname", "4912345", `"4912345"`},
		{"firstname", "1.10", `"1.10"`},
		{"firstname", "true", `"true"`},
		{"firstname", `{"a":1}`, NestedValue},
		{"new_topics", "[1,2]", NestedValue},
		{"new_score", "1.5e1", "15"},
		{"new_score", `"15"`, "15"},
		{"new_score", "true", NotANumber},
		{"donotemail", "false", "false"},
		{"donotemail", "1", "true"},
		{"gendercode", "2", "2"},
		{"gendercode", "true", UnknownChoice},
		{"birthdate", "20260102", NotADate},
	} {
		var op dataverse.Operation
		m := compile(t, appendTo(), c.to)
		if reject := m.Map(jsonRow(c.cell), &op); reject != nil && reject.Code != c.want {
			t.Errorf("%s %s: %+v", c.to, c.cell, reject)
		} else if reject == nil && valueOf(t, op.Set) != c.want {
			t.Errorf("%s %s: %s, want %s", c.to, c.cell, op.Set, c.want)
		}
	}
}

func TestUnknownChoiceNamesTheLabels(t *testing.T) {
	var op dataverse.Operation
	reject := compile(t, appendTo(), "gendercode").Map(csvRow(strings.Repeat("x", 100)), &op)
	want := `"` + strings.Repeat("x", 60) + `…" is none of the column's choices: 1 (Male), 2 (Female)`
	if reject == nil || reject.Message != want {
		t.Errorf("%+v, want %s", reject, want)
	}
}

// FuzzConvert: whatever a cell holds, exactly one of a valid JSON value or a reject comes out, and nothing of a
// refused value is left in the buffer.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{"", " ", "Jo", "1.50", "-0", "1e400", "9223372036854775808", "2026-01-02T03:04:05+02:00", "yes", "Gold",
		"1;2", "food, drink", "1 234,5", "2.1.2026 3:04", "25.10.2026 2:30", "-", someID, "{" + someID + "}", "a\xff", "\ufffe", "\x00"} {
		for kind := row.Text; kind <= row.Nested; kind++ {
			f.Add([]byte(seed), byte(kind))
		}
	}
	table := contact()
	var columns []string
	var mappings []*Mapping
	for _, c := range table.Columns {
		plain, settled := appendTo(), appendTo()
		settled.Values = config.Values{Nulls: config.ClearNulls, Decimal: ",", Thousands: " ", Dates: []string{"D.M.YYYY H:m", "ISO"}, Zone: "Europe/Berlin",
			True: []string{"ja"}, Trim: "both", Normalise: "nfkc", Empty: "-"}
		for _, dest := range []*config.Destination{plain, settled} {
			if m, err := Compile(dest, table, []string{c.Name}, nil); err == nil {
				columns, mappings = append(columns, c.Name), append(mappings, m)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, kind byte) {
		r := &row.Row{Number: 1, Line: 1, Cells: []row.Cell{{Kind: row.Kind(kind % byte(row.Nested+1)), Text: text}}}
		for i, m := range mappings {
			var op dataverse.Operation
			if reject := m.Map(r, &op); reject != nil {
				if reject.Code == "" || reject.Message == "" || op.Set != nil {
					t.Fatalf("%s: %+v %s", columns[i], reject, op.Set)
				}
				continue
			}
			if !json.Valid(op.Set) {
				t.Fatalf("%s: %s is not JSON", columns[i], op.Set)
			}
		}
	})
}

// FuzzString holds our escaper against encoding/json.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a", `"\`, "\x00\x1f\x7f", "ä\u2028😀", "\r\n\t<>&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		var got string
		text := appendString(nil, []byte(s))
		if err := json.Unmarshal(text, &got); err != nil || got != s {
			t.Fatalf("%q became %s: %v", s, text, err)
		}
	})
}

// FuzzNumber: a number that is read is written as plain digits and read back as the same.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "007", "1.50", ".5", "5.", "1e3", "-1.25e-3", "1e99", "1E+9999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseNumber(nil, []byte(s))
		if !ok {
			return
		}
		text := n.append(nil)
		if !json.Valid(text) || strings.ContainsAny(string(text), "eE+") {
			t.Fatalf("%q became %s", s, text)
		}
		again, ok := parseNumber(nil, text)
		if !ok || n.compare(&again) != 0 || string(again.append(nil)) != string(text) {
			t.Fatalf("%q became %s and then %s", s, text, again.append(nil))
		}
	})
}
