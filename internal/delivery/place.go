package delivery

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"penstock/internal/delivery/charset"
)

// place names the byte at offset as an editor does: its line, when data starts on
// the given one, and its character in that line, 1-based.
func place(data []byte, offset, line int) (atLine, character int) {
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return line + bytes.Count(before, []byte{'\n'}), utf8.RuneCount(before[start:]) + 1
}

// badByte finds the first byte that is no UTF-8 or is NUL, and says which of both; -1 when all is well.
func badByte(data []byte) (offset int, what string) {
	if utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 {
		return -1, ""
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return i, "not UTF-8"
		case r == 0:
			return i, "a NUL byte"
		}
		i += size
	}
	return -1, ""
}

// unreadable says what is wrong with a byte that badByte found in text from a file of an encoding.
func unreadable(b byte, what string, e charset.Encoding) string {
	switch {
	case b == 0 || e == charset.UTF8:
		return fmt.Sprintf("byte 0x%02X is %s", b, what)
	case e == charset.Windows1252:
		return fmt.Sprintf("byte 0x%02X is %s", b, e.Undefined())
	}
	return e.Undefined()
}
