package dataverse

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAddressable(t *testing.T) {
	tests := map[string]bool{
		`"a@b.org"`: true, `"O'Neil"`: true, `"ä ß 🐟"`: true, `"a,b;c=(d)!$"`: true, `42`: true, `-1.5`: true,
		`2b0d4b5e-0000-0000-0000-000000000001`: true, `"a\u00e4"`: true,
		`"a+b@x.org"`: false, `"a/b"`: false, `"50%"`: false, `"a&b"`: false, `"#1"`: false, `"a:b"`: false, `"a\\b"`: false,
		`"a?"`: false, `"<b>"`: false, `"*"`: false, `"a\nb"`: false, `"a\u007f"`: false, `"\ud800"`: false,
		`""`: false, `null`: false, `{}`: false, `[1]`: false, `"cut`: false, `1e+5`: false, ``: false,
		"\"\xff\"": false,
	}
	for value, want := range tests {
		if got := Addressable([]KeyPart{{Column: "c", Value: json.RawMessage(value)}}); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
	if Addressable(nil) {
		t.Error("no key is addressable")
	}
	if Addressable([]KeyPart{{Value: json.RawMessage(`"a"`)}, {Value: json.RawMessage(`"+"`)}}) {
		t.Error("one part of two is not")
	}
}

func TestAppendKeyLiteral(t *testing.T) {
	tests := []struct {
		value string
		bare  bool
		want  string
	}{
		{`"O'Neil"`, false, `'O''Neil'`},
		{`"ä b"`, false, `'%C3%A4%20b'`},
		{`"a@b.org"`, false, `'a@b.org'`},
		{`"a\u002bb&#"`, false, `'a%2Bb%26%23'`},
		{` 42 `, false, `42`},
		{`"2B0D4B5E-0000-0000-0000-000000000001"`, true, `2B0D4B5E-0000-0000-0000-000000000001`},
		{`"2026-01-02T03:04:05Z"`, true, `2026-01-02T03%3A04%3A05Z`},
		{`"x' or 1 eq 1"`, true, ""},
		{`true or 1`, false, ""},
		{`null`, false, ""},
	}
	for _, tt := range tests {
		got, err := appendKeyLiteral(nil, json.RawMessage(tt.value), tt.bare)
		if (err != nil) != (tt.want == "") || err == nil && string(got) != tt.want {
			t.Errorf("%s: %s %v", tt.value, got, err)
		}
	}
}

// readLiteral is what the other side does: decode the URL, then read the literal.
func readLiteral(encoded string) (text string, quoted bool, err error) {
	decoded, err := url.PathUnescape(encoded)
	if err != nil {
		return "", false, err
	}
	if !strings.HasPrefix(decoded, "'") {
		return decoded, false, nil
	}
	rest := decoded[1:]
	var out strings.Builder
	for {
		i := strings.IndexByte(rest, '\'')
		if i < 0 {
			return "", false, errors.New("no closing quote")
		}
		out.WriteString(rest[:i])
		rest = rest[i+1:]
		if rest == "" {
			return out.String(), true, nil
		}
		if rest[0] != '\'' {
			return "", false, errors.New("something after the closing quote")
		}
		out.WriteByte('\'')
		rest = rest[1:]
	}
}

func FuzzKeyLiteral(f *testing.F) {
	for _, seed := range []string{"O'Neil", "''", "a+b@x.org", "50% / 2", "ä\u0000", "\xff", "', x eq '", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := json.Marshal(text)
		if err != nil {
			t.Skip("no value that a chunk could hold")
		}
		literal, addressable, err := appendLiteral(nil, value, false)
		if alone := Addressable([]KeyPart{{Value: value}}); err == nil && addressable != alone {
			t.Fatalf("%s can stand in a URL: %t by itself, %t on its way there", value, alone, addressable)
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if strings.ContainsAny(string(literal), ` "\+&#?/<>*:()=,;`+"\r\n") {
			t.Errorf("%q is written as %s", text, literal)
		}
		got, quoted, err := readLiteral(string(literal))
		if want := strings.ToValidUTF8(text, "\ufffd"); err != nil || !quoted || utf8.ValidString(text) && got != want {
			t.Errorf("%q came back as %q (%v)", text, got, err)
		}
		// Bare values must never leave their place.
		if bare, err := appendKeyLiteral(nil, value, true); err == nil && strings.ContainsAny(string(bare), "'() ,&") {
			t.Errorf("%q is written bare as %s", text, bare)
		}
	})
}

func FuzzRawLiteral(f *testing.F) {
	f.Add(`"x"`)
	f.Add(`12`)
	f.Add(`"a"b"`)
	f.Fuzz(func(t *testing.T, raw string) {
		literal, err := appendKeyLiteral(nil, json.RawMessage(raw), false)
		if err != nil {
			return
		}
		text, quoted, err := readLiteral(string(literal))
		if err != nil {
			t.Fatalf("%s is written as %s: %v", raw, literal, err)
		}
		var want string
		if quoted && (json.Unmarshal([]byte(raw), &want) != nil || want != text) {
			t.Errorf("%s came back as %q", raw, text)
		}
	})
}
