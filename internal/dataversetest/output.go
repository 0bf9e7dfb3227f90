package dataversetest

import (
	"strconv"
	"unicode/utf8"
)

// output writes JSON.
type output struct{ b []byte }

func (o *output) bytes() []byte { return o.b }

func (o *output) raw(s string) *output {
	o.b = append(o.b, s...)
	return o
}

func (o *output) num(n int64) *output {
	o.b = strconv.AppendInt(o.b, n, 10)
	return o
}

const hexDigits = "0123456789abcdef"

func (o *output) str(s string) *output {
	o.b = append(o.b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		o.b = append(o.b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			o.b = append(o.b, '\\', c)
		case '\n':
			o.b = append(o.b, '\\', 'n')
		case '\r':
			o.b = append(o.b, '\\', 'r')
		case '\t':
			o.b = append(o.b, '\\', 't')
		default:
			o.b = append(o.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	rest := s[start:]
	if utf8.ValidString(rest) {
		o.b = append(o.b, rest...)
	} else {
		o.b = append(o.b, string([]rune(rest))...)
	}
	o.b = append(o.b, '"')
	return o
}
