package mapping

import (
	"bytes"

	"penstock/internal/row"
)

const guidLength = 36

// appendGUID reads a GUID with dashes, in either case, with or without braces, and appends it lower case.
func appendGUID(dst, text []byte) ([]byte, bool) {
	if len(text) == guidLength+2 && text[0] == '{' && text[guidLength+1] == '}' {
		text = text[1 : guidLength+1]
	}
	if len(text) != guidLength {
		return dst, false
	}
	start := len(dst)
	for i, b := range text {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		switch {
		case dash && b == '-', !dash && (b >= '0' && b <= '9' || b >= 'a' && b <= 'f'):
		case !dash && b >= 'A' && b <= 'F':
			b += 'a' - 'A'
		default:
			return dst[:start], false
		}
		dst = append(dst, b)
	}
	return dst, true
}

var nobody = []byte("00000000-0000-0000-0000-000000000000")

// guids converts to a uniqueidentifier column. Where the value names a record
// it must not be all zeros: for the service that is no id, and a create would get another.
func guids(before, after string, names bool) convert {
	return func(dst []byte, cell row.Cell) ([]byte, *problem) {
		text := bytes.TrimSpace(cell.Text)
		start := len(dst)
		dst = append(dst, before...)
		id := len(dst)
		dst, ok := appendGUID(dst, text)
		if !ok {
			return dst[:start], complain(NotAGUID, "%q is not a GUID: write it like 6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001", shown(text))
		}
		if names && bytes.Equal(dst[id:], nobody) {
			return dst[:start], complain(NotAGUID, "the GUID of zeros names no record: leave the cell empty")
		}
		return append(dst, after...), nil
	}
}
