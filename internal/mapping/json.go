package mapping

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendString appends text as a JSON string. The text is valid UTF-8.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i, b := range text {
		if b >= ' ' && b != '"' && b != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// shown is a value as a message quotes it: at most 60 characters of it.
func shown(text []byte) string {
	const most = 60
	count := 0
	for i := range string(text) {
		if count++; count > most {
			return string(text[:i]) + "…"
		}
	}
	return string(text)
}

// utf16Length counts UTF-16 code units, the unit of Dataverse's lengths. The text is valid UTF-8.
func utf16Length(text []byte) int {
	n := 0
	for _, b := range text {
		if utf8.RuneStart(b) {
			n++
		}
		if b >= 0xf0 { // the first of four bytes: a surrogate pair
			n++
		}
	}
	return n
}
