package mapping

import (
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// NormaliseKey gives texts that the database takes for one key the same bytes
// (rule I5): letter case, accents, full and half width and trailing spaces do
// not count, and ß is ss.
//
// It is inferred, not documented: Dataverse says nothing about its collations,
// and they differ with an organisation's language. The function follows SQL
// Server's usual case- and accent-insensitive ones. What it takes for equal and
// the database does not costs a reject that a person sees (duplicate_key); what
// it misses (æ and ae, ignorable characters such as the soft hyphen) leaves two
// rows to one record, in no order.
func NormaliseKey(s string) []byte { return appendNormalised(nil, []byte(s)) }

func appendNormalised(dst, text []byte) []byte {
	start := len(dst)
	dst = append(dst, text...)
	if !lower(dst[start:]) {
		dst = appendFoldedKey(dst[:start], text)
	}
	return trimSpaces(dst, start)
}

// lower makes the letters of a text small, if it is all ASCII, as most keys are; so it takes eight at a time.
func lower(text []byte) bool {
	const each, top = 0x0101010101010101, 0x8080808080808080
	for ; len(text) >= 8; text = text[8:] {
		w := binary.LittleEndian.Uint64(text)
		if w&top != 0 {
			return false
		}
		// What is added brings a byte from 'A' on, or from behind 'Z' on, to its top bit.
		capital := (w + each*(0x80-'A')) &^ (w + each*(0x7f-'Z')) & top
		binary.LittleEndian.PutUint64(text, w|capital>>2)
	}
	for i, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
		if b >= 'A' && b <= 'Z' {
			text[i] = b + 'a' - 'A'
		}
	}
	return true
}

// appendFoldedKey takes marks off after decomposing, once before folding case
// and once after, because folding may bring marks forth.
func appendFoldedKey(dst, text []byte) []byte {
	text = withoutMarks(width.Fold.Bytes(text))
	return append(dst, withoutMarks(foldCase(text))...)
}

// foldCase goes through the upper case, which unites what has several lower
// cases (σ and ς). cases.Fold of x/text does not: it swaps the two cases of Cherokee.
func foldCase(text []byte) []byte {
	folded := make([]byte, 0, len(text)+4)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == 'ß' || r == 'ẞ':
			folded = append(folded, "ss"...)
		case r == utf8.RuneError:
			folded = append(folded, text[:n]...)
		default:
			folded = utf8.AppendRune(folded, unicode.ToLower(unicode.ToUpper(r)))
		}
		text = text[n:]
	}
	return folded
}

func withoutMarks(text []byte) []byte {
	text = norm.NFD.Bytes(text)
	kept := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if !unicode.Is(unicode.Mn, r) {
			kept = append(kept, text[:n]...)
		}
		text = text[n:]
	}
	return kept
}

func trimSpaces(dst []byte, start int) []byte {
	for len(dst) > start && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendPart adds a part to a composite key: with its length in front no two
// different lists of parts give the same bytes.
func appendPart(dst, part []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(part)))
	return append(dst, part...)
}
