package fault

import "fmt"

// Count is a number of things in words: 1 row, 2 rows.
func Count[N int | int64](n N, thing string) string {
	return fmt.Sprintf("%d %s", n, Plural(n, thing, thing+"s"))
}

// Plural is the word for one or that for several.
func Plural[N int | int64](n N, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}
