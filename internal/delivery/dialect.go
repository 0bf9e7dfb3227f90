package delivery

import (
	"fmt"
	"strings"

	"penstock/internal/fault"
)

// Dialect is how a CSV file separates, quotes and escapes. The zero value is RFC 4180. It is part of
// a run's plan: a stored format.
type Dialect struct {
	Delimiter string `json:"delimiter,omitempty"` // one ASCII character; empty: a comma
	Quote     string `json:"quote,omitempty"`     // one ASCII character, or "none"; empty: a double quote
	Escape    Escape `json:"escape,omitempty"`
	Null      string `json:"null,omitempty"` // what stands for null when no quotes are around it; empty: nothing does
}

// Escape is how a cell holds the characters that the dialect uses itself.
type Escape string

const (
	// Doubled quotes, inside quotes: RFC 4180.
	Doubled Escape = ""
	// Backslash as Redshift's UNLOAD … ESCAPE and Spark write it: before the delimiter, a quote, a line end or
	// another backslash it says that they are text; before anything else it is a backslash.
	Backslash Escape = "backslash"
	// MySQL's, which is also PostgreSQL's text format: as Backslash, and \n, \r, \t, \b, \0 and \Z are
	// control characters, and \N alone is null; before anything else the backslash says nothing.
	MySQL Escape = "mysql"
)

// NoQuote is the Quote of a dialect without quotes.
const NoQuote = "none"

func (d Dialect) delimiter() byte {
	if d.Delimiter == "" {
		return ','
	}
	return d.Delimiter[0]
}

func (d Dialect) quote() (b byte, there bool) {
	switch d.Quote {
	case "":
		return '"', true
	case NoQuote:
		return 0, false
	}
	return d.Quote[0], true
}

// check refuses a dialect that cannot be read.
func (d Dialect) check() error {
	bad := func(setting, format string, args ...any) error {
		return fault.New(fault.Refused, "bad_dialect", "the setting %s of the file: "+format, append([]any{setting}, args...)...)
	}
	for _, s := range []struct{ setting, value string }{{"delimiter", d.Delimiter}, {"quote", d.Quote}} {
		switch {
		case s.value == "" || s.setting == "quote" && s.value == NoQuote:
		case len(s.value) != 1 || s.value[0] >= 0x80:
			return bad(s.setting, "it must be one ASCII character, not %s", fault.Count(len(s.value), "byte"))
		case strings.ContainsAny(s.value, "\n\r\x00\\"):
			return bad(s.setting, "a line end, a NUL and a backslash cannot be it")
		}
	}
	if quote, there := d.quote(); there && quote == d.delimiter() {
		return bad("quote", "it is the delimiter too")
	}
	switch d.Escape {
	case Doubled, Backslash, MySQL:
		return nil
	}
	return bad("escape", "it must be %q or %q, or absent for doubled quotes", Backslash, MySQL)
}

// String says the dialect in words.
func (d Dialect) String() string {
	parts := []string{characterName(d.delimiter()) + " between cells"}
	if quote, there := d.quote(); there {
		parts = append(parts, characterName(quote)+" around cells")
	} else {
		parts = append(parts, "no quotes")
	}
	switch d.Escape {
	case Backslash:
		parts = append(parts, "backslash escapes")
	case MySQL:
		parts = append(parts, "backslash escapes as in MySQL")
	}
	if d.Null != "" {
		parts = append(parts, fmt.Sprintf("%s for null", d.Null))
	}
	return strings.Join(parts, ", ")
}

var characterNames = map[byte]string{',': "comma", ';': "semicolon", '\t': "tab", '|': "vertical bar", '"': "double quote",
	'\'': "single quote", ' ': "space", ':': "colon", 1: "control character U+0001"}

func characterName(b byte) string {
	if name := characterNames[b]; name != "" {
		return name
	}
	if b < ' ' {
		return fmt.Sprintf("control character U+%04X", b)
	}
	return fmt.Sprintf("%q", string(rune(b)))
}
