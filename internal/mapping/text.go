package mapping

import (
	"bytes"
	"unicode/utf8"

	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// texts converts to a string or memo column: every character as the file has it.
func texts(c *dataverse.Column) convert {
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		text := cell.Text
		// A text has at least as many bytes as UTF-16 code units.
		simple, ascii := dataverse.Plain(text)
		if simple && (ascii || utf8.Valid(text) && refused(text) < 0) && (c.MaxLength <= 0 || len(text) <= c.MaxLength) {
			return append(append(append(dst, '"'), text...), '"'), nil
		}
		if !utf8.Valid(text) {
			return dst, complain(InvalidText, "the text is not UTF-8: save the file as UTF-8")
		}
		if at := refused(text); at >= 0 {
			r, _ := utf8.DecodeRune(text[at:])
			return dst, complain(ControlCharacter, "the text holds the control character U+%04X, which Dataverse refuses: remove it", r)
		}
		if c.MaxLength > 0 && len(text) > c.MaxLength {
			if n := utf16Length(text); n > c.MaxLength {
				return dst, complain(TooLong, "%q has %d characters and the column takes %d (in UTF-16: an emoji counts twice)", shown(text), n, c.MaxLength)
			}
		}
		return appendString(dst, text), nil
	}
}

// refused finds the first character that Dataverse refuses in texts: control
// characters but tab and line ends, and the two non-characters of the first plane.
func refused(text []byte) int {
	for i, b := range text {
		if b >= ' ' && b != 0xef {
			continue
		}
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' {
			return i
		}
		if b == 0xef && (bytes.HasPrefix(text[i:], []byte("\uFFFE")) || bytes.HasPrefix(text[i:], []byte("\uFFFF"))) {
			return i
		}
	}
	return -1
}
