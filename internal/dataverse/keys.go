package dataverse

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// unaddressable are the characters that must not stand in a key URL. Microsoft
// documents all but '#', which every URL parser takes for a fragment; encoding
// them does not help, because front ends decode before they route. That the
// key inside @odata.id of UpsertMultiple is as strict as a key URL is inferred:
// the same parser reads it.
const unaddressable = `/<>*%&:\?+#`

// Addressable reports whether a key can stand in a key URL. Rule I5: others
// are resolved to record ids by a filter first.
func Addressable(key []KeyPart) bool {
	for _, part := range key {
		text, quoted, err := literalText(part.Value)
		if err != nil || len(text) == 0 || !fitsURL(text, quoted) {
			return false
		}
	}
	return len(key) > 0
}

// misfits are the bytes that keep a text out of a key URL.
var misfits = func() (set [utf8.RuneSelf]bool) {
	for b := range set {
		set[b] = b < ' ' || b == 0x7f || strings.ContainsRune(unaddressable, rune(b))
	}
	return set
}()

// fitsURL is asked of every row, twice.
func fitsURL(text []byte, quoted bool) bool {
	for i, b := range text {
		if b >= utf8.RuneSelf {
			return !quoted || fitsRunes(text[i:])
		}
		if misfits[b] {
			return false
		}
	}
	return true
}

func fitsRunes(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool {
		return r == utf8.RuneError || r < utf8.RuneSelf && misfits[r]
	})
}

var (
	errNoLiteral = errors.New("the value cannot be part of a key")
	bareLiteral  = regexp.MustCompile(`^[0-9A-Za-z:.+-]{1,64}$`)
)

const jsonBlanks = " \t\r\n"

// trimBlanks takes white space off the ends of JSON. It is asked of every row several times, and there is hardly ever any.
func trimBlanks(text []byte) []byte {
	if len(text) > 0 && text[0] > ' ' && text[len(text)-1] > ' ' {
		return text
	}
	return bytes.Trim(text, jsonBlanks)
}

// literalText is the text of a key value, and whether it was a JSON string.
func literalText(value json.RawMessage) (text []byte, quoted bool, err error) {
	value = trimBlanks(value)
	if len(value) < 2 || value[0] != '"' {
		if bareLiteral.Match(value) && string(value) != "null" {
			return value, false, nil
		}
		return nil, false, errNoLiteral
	}
	if inner := value[1 : len(value)-1]; isPlain(inner) && value[len(value)-1] == '"' {
		return inner, true, nil
	}
	var decoded string
	if json.Unmarshal(value, &decoded) != nil {
		return nil, false, errNoLiteral
	}
	return []byte(decoded), true, nil
}

// isPlain reports whether the inside of a JSON string stands for itself.
func isPlain(inner []byte) bool {
	yes, ascii := Plain(inner)
	return yes && (ascii || utf8.Valid(inner))
}

// appendKeyLiteral writes a key value as an OData literal, percent-encoded, fit
// for a key URL, for @odata.id and for a $filter. A JSON string is quoted, with
// quotes inside doubled, unless the column's type is written bare (ids, dates).
func appendKeyLiteral(dst []byte, value json.RawMessage, bare bool) ([]byte, error) {
	dst, _, err := appendLiteral(dst, value, bare)
	return dst, err
}

// appendLiteral is appendKeyLiteral that also tells whether the value can stand in a key URL.
func appendLiteral(dst []byte, value json.RawMessage, bare bool) (_ []byte, addressable bool, err error) {
	text, quoted, err := literalText(value)
	if err != nil {
		return dst, false, err
	}
	addressable = len(text) > 0 && fitsURL(text, quoted)
	if !quoted || bare {
		if !bareLiteral.Match(text) {
			return dst, false, errNoLiteral
		}
		return appendEscaped(dst, text), addressable, nil
	}
	dst = append(dst, '\'')
	dst = appendEscaped(dst, text)
	return append(dst, '\''), addressable, nil
}

const hexDigits = "0123456789ABCDEF"

func appendEscaped(dst, text []byte) []byte {
	for _, b := range text {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '-', b == '.', b == '_', b == '~', b == '@':
			dst = append(dst, b)
		case b == '\'':
			dst = append(dst, "''"...)
		default:
			dst = append(dst, '%', hexDigits[b>>4], hexDigits[b&15])
		}
	}
	return dst
}

// appendJSONString writes text as a JSON string.
func appendJSONString(dst []byte, text string) []byte {
	if isPlain([]byte(text)) {
		return append(append(append(dst, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) // a string always marshals
	return append(dst, quoted...)
}

// isID reports whether text is a GUID as ids are written here. They stand in URLs unescaped.
func isID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		switch b := text[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if b != '-' {
				return false
			}
		case (b < '0' || b > '9') && (b < 'a' || b > 'f'):
			return false
		}
	}
	return true
}

// keyColumn is how a column of a key is written: its property in URLs, whether
// its texts are bare, and, for lookups, how a body sets it.
type keyColumn struct {
	property string
	bare     bool
	bind     *Target
}

// keyColumn describes a column as part of a key.
func (t *Table) keyColumn(name string) (keyColumn, bool) {
	if strings.EqualFold(name, t.PrimaryID) {
		return keyColumn{property: t.PrimaryID, bare: true}, true
	}
	c := t.Column(name)
	if c == nil {
		return keyColumn{}, false
	}
	k := keyColumn{property: c.Name}
	switch c.Type {
	case Lookup, Customer, Owner:
		k.property, k.bare = "_"+c.Name+"_value", true
		if len(c.Targets) == 1 {
			k.bind = &c.Targets[0]
		}
	case Uniqueidentifier, DateTime:
		k.bare = true
	}
	return k, true
}

// appendKey writes the parts of a key as they stand in a key URL's parentheses
// or, with eq and and, in a filter.
func (t *Table) appendKey(dst []byte, key []KeyPart, equals, separator string) ([]byte, error) {
	dst, _, err := t.appendParts(dst, key, equals, separator)
	return dst, err
}

// appendParts is appendKey that also tells whether the key can stand in a key URL (rule I5).
func (t *Table) appendParts(dst []byte, key []KeyPart, equals, separator string) (_ []byte, addressable bool, err error) {
	addressable = len(key) > 0
	for i, part := range key {
		column, ok := t.keyColumn(part.Column)
		if !ok {
			return dst, false, errNoLiteral
		}
		if i > 0 {
			dst = append(dst, separator...)
		}
		dst = append(dst, column.property...)
		dst = append(dst, equals...)
		fits := false
		if dst, fits, err = appendLiteral(dst, part.Value, column.bare); err != nil {
			return dst, false, err
		}
		addressable = addressable && fits
	}
	return dst, addressable, nil
}

// Reference is a record by alternate key as it stands in @odata.bind, in
// @odata.id and in a Link: accounts(accountnumber='x'). Not every key can (rule I5).
func (t *Table) Reference(key []KeyPart) (reference string, ok bool) {
	if !Addressable(key) {
		return "", false
	}
	dst, err := t.appendKey([]byte(t.Set+"("), key, "=", ",")
	return string(append(dst, ')')), err == nil
}
