package asl

import (
	"encoding/json"
	"fmt"
	"math"
)

func wantString(value any) (string, error) {
	s, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("a string is needed, not %s", kindOf(value))
	}
	return s, nil
}

func wantShortString(value any) (string, error) {
	s, err := wantString(value)
	if err == nil && len(s) > longestText {
		err = fmt.Errorf("the string is longer than %d characters", longestText)
	}
	return s, err
}

func wantArray(value any) ([]any, error) {
	items, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("an array is needed, not %s", kindOf(value))
	}
	return items, nil
}

// wantInteger rounds a fraction, as the service does, and keeps to 32 bits.
func wantInteger(value any) (int64, error) {
	digits, ok := value.(json.Number)
	if !ok {
		return 0, fmt.Errorf("a number is needed, not %s", kindOf(value))
	}
	f, err := digits.Float64()
	if f = math.Round(f); err != nil || f < math.MinInt32 || f > math.MaxInt32 {
		return 0, fmt.Errorf("the number is not a 32-bit integer")
	}
	return int64(f), nil
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}
