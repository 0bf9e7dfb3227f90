package xlsx

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"time"
)

// style says how a cell shows a number: whether as a date, a time of day, or both.
type style uint8

const (
	plainNumber style = iota
	dateOnly
	timeOnly
	dateTime
)

const stylesPart = "xl/styles.xml"

// readStyles reads which of the workbook's cell styles show dates.
func (b *book) readStyles() error {
	if b.files[stylesPart] == nil {
		return nil
	}
	custom := map[int]style{}
	inCells := false
	return b.elements(stylesPart, func(_ *xml.Decoder, e xml.StartElement) error {
		switch e.Name.Local {
		case "numFmt":
			if id, err := strconv.Atoi(attribute(e, "numFmtId")); err == nil {
				custom[id] = styleOf(attribute(e, "formatCode"))
			}
		case "cellXfs":
			inCells = true
		case "cellStyles", "cellStyleXfs", "dxfs":
			inCells = false
		case "xf":
			if !inCells {
				return nil
			}
			id, _ := strconv.Atoi(attribute(e, "numFmtId"))
			s, isCustom := custom[id]
			if !isCustom {
				s = builtIn(id)
			}
			b.styles = append(b.styles, s)
		}
		return nil
	})
}

// builtIn are the formats that have a number instead of a code; 27 to 36 and 50 to 58 are East Asian ones.
func builtIn(id int) style {
	switch {
	case 14 <= id && id <= 17, 27 <= id && id <= 31, id == 36, 50 <= id && id <= 54, id == 57, id == 58:
		return dateOnly
	case 18 <= id && id <= 21, 32 <= id && id <= 35, id == 45, id == 47, id == 55, id == 56:
		return timeOnly
	case id == 22:
		return dateTime
	}
	return plainNumber
}

// styleOf reads a format code, such as yyyy-mm-dd or [$-407]d. mmmm yyyy;@ or #,##0.00 "days".
func styleOf(code string) style {
	code, _, _ = strings.Cut(code, ";")
	hasDate, hasTime, hasMonth := false, false, false
	for i := 0; i < len(code); i++ {
		switch b := code[i] | 0x20; {
		case code[i] == '"':
			end := strings.IndexByte(code[i+1:], '"')
			if end < 0 {
				return plainNumber
			}
			i += end + 1
		case code[i] == '\\' || code[i] == '_' || code[i] == '*':
			i++
		case code[i] == '[':
			end := strings.IndexByte(code[i:], ']')
			if end < 0 {
				return plainNumber
			}
			if inner := strings.ToLower(code[i+1 : i+end]); strings.Trim(inner, "hms") == "" && inner != "" {
				return plainNumber // elapsed time is a length, not a time of day
			}
			i += end
		case strings.HasPrefix(code[i:], "General"):
			i += len("General") - 1
		case b == 'y' || b == 'd':
			hasDate = true
		case b == 'h' || b == 's':
			hasTime = true
		case b == 'm':
			hasMonth = true
		case code[i] == '#' || code[i] == '?':
			return plainNumber
		}
	}
	switch {
	case hasDate && hasTime:
		return dateTime
	case hasDate || hasMonth && !hasTime:
		return dateOnly
	case hasTime:
		return timeOnly
	}
	return plainNumber
}

// appendMoment writes a day number as a date and time of no zone. ok is false when it is none.
func appendMoment(dst []byte, serial float64, s style, since1904 bool) (out []byte, ok bool) {
	days := math.Floor(serial)
	millis := int64(math.Round((serial - days) * 86400000))
	if millis == 86400000 {
		days, millis = days+1, 0
	}
	clock := time.UnixMilli(millis).UTC()
	if s == timeOnly && days == 0 {
		return clock.AppendFormat(dst, "15:04:05.999"), true
	}
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case since1904:
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case days == 60: // Excel counts 29 February 1900, which did not exist
		return dst, false
	case days < 60:
		epoch = epoch.AddDate(0, 0, 1)
	}
	if days < 0 || days == 0 && !since1904 || days > 2958465 {
		return dst, false
	}
	day := epoch.AddDate(0, 0, int(days))
	if s == dateOnly && millis == 0 {
		return day.AppendFormat(dst, time.DateOnly), day.Year() <= 9999
	}
	return day.Add(time.Duration(millis)*time.Millisecond).AppendFormat(dst, "2006-01-02T15:04:05.999"), day.Year() <= 9999
}

// appendNumber writes a number with the fifteen digits that Excel shows; the file may hold more, which are
// noise of binary fractions (0.30000000000000004).
func appendNumber(dst, text []byte) (out []byte, ok bool) {
	digits, plain := 0, true
	for i, b := range text {
		switch {
		case '0' <= b && b <= '9':
			if digits > 0 || b != '0' {
				digits++
			}
		case b == '.' || b == '-' && i == 0:
		default:
			plain = false
		}
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return dst, false
	}
	if plain && digits <= 15 {
		return append(dst, text...), true
	}
	x, err = strconv.ParseFloat(strconv.FormatFloat(x, 'e', 14, 64), 64)
	if size := math.Abs(x); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(dst, x, 'e', -1, 64), err == nil
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64), err == nil
}
