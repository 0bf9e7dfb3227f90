// Package charset turns text of other encodings into UTF-8 and back without losing a byte.
package charset

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Encoding names how characters are bytes. It is part of a run's plan: a stored format.
type Encoding string

const (
	UTF8        Encoding = "" // also "utf-8"
	UTF16LE     Encoding = "utf-16le"
	UTF16BE     Encoding = "utf-16be"
	Windows1252 Encoding = "windows-1252" // Latin-1 with more characters; browsers read Latin-1 as it, too
)

// String names the encoding as people do.
func (e Encoding) String() string {
	if e == UTF8 {
		return "UTF-8"
	}
	return map[Encoding]string{UTF16LE: "UTF-16 (little-endian)", UTF16BE: "UTF-16 (big-endian)", Windows1252: "Windows-1252"}[e]
}

// Parse takes the spellings that people use.
func Parse(name string) (Encoding, bool) {
	e, known := spellings[name]
	return e, known
}

var spellings = map[string]Encoding{"utf-8": UTF8, "utf8": UTF8, "utf-16le": UTF16LE, "utf-16be": UTF16BE, "utf-16": UTF16LE,
	"windows-1252": Windows1252, "cp1252": Windows1252, "latin-1": Windows1252, "latin1": Windows1252, "iso-8859-1": Windows1252}

// Mark is the byte order mark with which a file of the encoding may begin.
func (e Encoding) Mark() string {
	return map[Encoding]string{UTF8: "\xef\xbb\xbf", UTF16LE: "\xff\xfe", UTF16BE: "\xfe\xff"}[e]
}

// What an encoding cannot mean stays visible: it becomes bytes that are no UTF-8, from which Append
// makes the same bytes again. Of Windows-1252 those are its five undefined bytes, as they are (each is a
// continuation byte, which cannot stand alone); of UTF-16 half a surrogate pair, as three bytes.

var toUTF8 = func() (table [256]string) {
	for i := range table {
		b := byte(i)
		switch b {
		case 0x81, 0x8d, 0x8f, 0x90, 0x9d:
			table[i] = string([]byte{b})
		default:
			table[i] = string(charmap.Windows1252.DecodeByte(b))
		}
	}
	return table
}()

// Decode appends src as UTF-8 to dst, as far as it is whole characters and dst does not grow beyond
// max bytes. It returns how many bytes of src it took: all of them but at most three when dst has room.
func (e Encoding) Decode(dst, src []byte, max int) (out []byte, taken int) {
	switch e {
	case UTF8:
		n := min(len(src), max-len(dst))
		return append(dst, src[:n]...), n
	case Windows1252:
		return decode1252(dst, src, max)
	}
	return e.decode16(dst, src, max)
}

func decode1252(dst, src []byte, max int) ([]byte, int) {
	for i, b := range src {
		if len(dst)+utf8.UTFMax > max {
			return dst, i
		}
		if b < utf8.RuneSelf {
			dst = append(dst, b)
		} else {
			dst = append(dst, toUTF8[b]...)
		}
	}
	return dst, len(src)
}

func (e Encoding) unit(src []byte) rune {
	if e == UTF16BE {
		return rune(src[0])<<8 | rune(src[1])
	}
	return rune(src[1])<<8 | rune(src[0])
}

func (e Encoding) decode16(dst, src []byte, max int) ([]byte, int) {
	i := 0
	for ; i+2 <= len(src) && len(dst)+utf8.UTFMax <= max; i += 2 {
		unit := e.unit(src[i:])
		switch {
		case unit < utf8.RuneSelf:
			dst = append(dst, byte(unit))
		case !utf16.IsSurrogate(unit):
			dst = utf8.AppendRune(dst, unit)
		case unit < 0xdc00 && i+4 > len(src): // its other half may follow
			return dst, i
		default:
			r := rune(utf8.RuneError)
			if unit < 0xdc00 {
				r = utf16.DecodeRune(unit, e.unit(src[i+2:]))
			}
			if r == utf8.RuneError {
				dst = append(dst, 0xe0|byte(unit>>12), 0x80|byte(unit>>6)&0x3f, 0x80|byte(unit)&0x3f)
				continue
			}
			dst = utf8.AppendRune(dst, r)
			i += 2
		}
	}
	return dst, i
}

// DecodeEnd appends what Decode left at the end of a file: half a surrogate pair. ok is false when
// the file ends inside a character.
func (e Encoding) DecodeEnd(dst, src []byte) (out []byte, ok bool) {
	if len(src) == 0 {
		return dst, true
	}
	if len(src) != 2 || e != UTF16LE && e != UTF16BE {
		return dst, false
	}
	unit := e.unit(src)
	return append(dst, 0xe0|byte(unit>>12), 0x80|byte(unit>>6)&0x3f, 0x80|byte(unit)&0x3f), true
}

// Append appends text, which Decode made, in the encoding. Other text loses what the encoding has no
// character for: a question mark stands for it.
func (e Encoding) Append(dst, text []byte) []byte {
	if e == UTF8 {
		return append(dst, text...)
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1 && e == Windows1252:
			dst = append(dst, text[i])
		case r == utf8.RuneError && size == 1 && halfPair(text[i:]):
			r = rune(text[i]&0x0f)<<12 | rune(text[i+1]&0x3f)<<6 | rune(text[i+2]&0x3f)
			dst, size = e.appendUnit(dst, r), 3
		case e == Windows1252:
			dst = append1252(dst, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = e.appendUnit(e.appendUnit(dst, high), low)
		default:
			dst = e.appendUnit(dst, r)
		}
		i += size
	}
	return dst
}

func append1252(dst []byte, r rune) []byte {
	if b, ok := charmap.Windows1252.EncodeRune(r); ok {
		return append(dst, b)
	}
	return append(dst, '?')
}

func halfPair(text []byte) bool {
	return len(text) >= 3 && text[0] == 0xed && text[1] >= 0xa0 && text[1] <= 0xbf && text[2]&0xc0 == 0x80
}

func (e Encoding) appendUnit(dst []byte, unit rune) []byte {
	if e == UTF16BE {
		return append(dst, byte(unit>>8), byte(unit))
	}
	return append(dst, byte(unit), byte(unit>>8))
}

// Undefined says of bytes that are no UTF-8 what they were in a file of this encoding.
func (e Encoding) Undefined() string {
	switch e {
	case UTF8:
		return "not UTF-8"
	case Windows1252:
		return "no character in Windows-1252"
	}
	return "half a surrogate pair"
}
