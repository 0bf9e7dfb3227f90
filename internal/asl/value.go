package asl

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Values are what encoding/json decodes into any, with json.Number for numbers,
// so that 1.10 and 12345678901234567890 leave as they came. They are shared
// between states and never changed in place.

// decode reads exactly one JSON value.
func decode(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("there is no value")
		}
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the value")
	}
	return value, nil
}

// encode writes value without spaces and without HTML escapes.
func encode(value any) (json.RawMessage, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// text is value as JSON text; values of this package always encode.
func text(value any) string {
	data, err := encode(value)
	if err != nil {
		return ""
	}
	return string(data)
}

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// integer is value as a whole number written without fraction or exponent.
func integer(value any) (int64, bool) {
	digits, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(digits.String(), 10, 64)
	return n, err == nil
}

// equal compares by JSON meaning: 1 equals 1.0, and objects have no order.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && compareNumbers(a, b) == 0
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, value := range a {
			other, there := b[name]
			if !there || !equal(value, other) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

// compareNumbers orders two JSON numbers exactly, however long or large.
func compareNumbers(a, b json.Number) int {
	x, y := parseDecimal(a), parseDecimal(b)
	switch {
	case x.sign != y.sign:
		return compareInts(x.sign, y.sign)
	case x.sign == 0:
		return 0
	case x.point != y.point:
		return x.sign * compareInts(x.point, y.point)
	}
	return x.sign * strings.Compare(x.digits, y.digits)
}

// decimal is sign × 0.digits × 10^point, digits without zeros at either end.
type decimal struct {
	sign   int
	digits string
	point  int
}

func parseDecimal(n json.Number) decimal {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(n.String()), "e")
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	whole = strings.TrimLeft(whole, "0")
	point := len(whole)
	digits := whole + fraction
	if whole == "" {
		digits = strings.TrimLeft(fraction, "0")
		point = len(digits) - len(fraction)
	}
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return decimal{}
	}
	sign := 1
	if negative {
		sign = -1
	}
	return decimal{sign: sign, digits: digits, point: point + parseExponent(exponent)}
}

// parseExponent saturates: no payload is long enough to tell the difference.
func parseExponent(digits string) int {
	const most = 1 << 50
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && digits != "" {
		n = most
		if strings.HasPrefix(digits, "-") {
			n = -most
		}
	}
	return int(max(-most, min(most, n)))
}

func compareInts(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
