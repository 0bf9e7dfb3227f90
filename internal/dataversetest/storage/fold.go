package storage

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"modernc.org/sqlite"
)

// Fold is the form in which two texts are equal to the service: its collation disregards case, accents and
// trailing spaces.
func Fold(s string) string { return strings.TrimRight(FoldInner(s), " ") }

// FoldInner is Fold for a piece of a text, where spaces at its end count.
func FoldInner(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return foldUnicode(s)
		}
	}
	return strings.ToLower(s)
}

func foldUnicode(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(cases.Fold().String(s)) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// newDriver is SQLite with two additions: fold(text), and the collation "decimal" that compares texts as numbers.
// Neither occurs in the definition of a table or an index, so that any tool can open the file.
func newDriver() (*sqlite.Driver, error) {
	d := &sqlite.Driver{}
	err := d.RegisterDeterministicScalarFunction("fold", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if s, ok := args[0].(string); ok {
			return Fold(s), nil
		}
		return args[0], nil
	})
	if err != nil {
		return nil, fmt.Errorf("add function fold to SQLite: %w", err)
	}
	if err := d.RegisterCollationUtf8("decimal", CompareDecimals); err != nil {
		return nil, fmt.Errorf("add collation decimal to SQLite: %w", err)
	}
	return d, nil
}

// CompareDecimals compares two decimals in canonical form by value.
func CompareDecimals(a, b string) int {
	an, bn := strings.HasPrefix(a, "-"), strings.HasPrefix(b, "-")
	switch {
	case an && !bn:
		return -1
	case !an && bn:
		return 1
	case an:
		return compareMagnitudes(b[1:], a[1:])
	}
	return compareMagnitudes(a, b)
}

func compareMagnitudes(a, b string) int {
	aw, af, _ := strings.Cut(a, ".")
	bw, bf, _ := strings.Cut(b, ".")
	if len(aw) != len(bw) {
		if len(aw) < len(bw) {
			return -1
		}
		return 1
	}
	if c := strings.Compare(aw, bw); c != 0 {
		return c
	}
	return strings.Compare(af, bf)
}
