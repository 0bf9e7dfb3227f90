package asl

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"math/rand/v2"
	"strings"

	"github.com/google/uuid"
)

// function is one of the States.* intrinsics.
type function struct {
	least, most int // how many arguments; most < 0: any number
	verbatim    bool
	apply       func(sc *scope, args []any) (any, error)
}

// Limits of the AWS documentation: characters for Hash and Base64, elements for ArrayRange.
const (
	longestText  = 10_000
	longestRange = 1_000
)

var functions = map[string]*function{
	"States.Format":         {least: 1, most: -1, verbatim: true, apply: format},
	"States.StringToJson":   {least: 1, most: 1, apply: stringToJSON},
	"States.JsonToString":   {least: 1, most: 1, apply: jsonToString},
	"States.Array":          {least: 0, most: -1, apply: array},
	"States.ArrayPartition": {least: 2, most: 2, apply: arrayPartition},
	"States.ArrayContains":  {least: 2, most: 2, apply: arrayContains},
	"States.ArrayRange":     {least: 3, most: 3, apply: arrayRange},
	"States.ArrayGetItem":   {least: 2, most: 2, apply: arrayGetItem},
	"States.ArrayLength":    {least: 1, most: 1, apply: arrayLength},
	"States.ArrayUnique":    {least: 1, most: 1, apply: arrayUnique},
	"States.Base64Encode":   {least: 1, most: 1, apply: base64Encode},
	"States.Base64Decode":   {least: 1, most: 1, apply: base64Decode},
	"States.Hash":           {least: 2, most: 2, apply: hashOf},
	"States.JsonMerge":      {least: 3, most: 3, apply: jsonMerge},
	"States.MathRandom":     {least: 2, most: 3, apply: mathRandom},
	"States.MathAdd":        {least: 2, most: 2, apply: mathAdd},
	"States.StringSplit":    {least: 2, most: 2, apply: stringSplit},
	"States.UUID":           {least: 0, most: 0, apply: newUUID},
}

// format replaces each {} in turn; \{ \} \\ and \' stand for the second character.
func format(_ *scope, args []any) (any, error) {
	template, err := wantString(args[0])
	if err != nil {
		return nil, err
	}
	values := args[1:]
	var out strings.Builder
	for i := 0; i < len(template); i++ {
		switch {
		case template[i] == '\\' && i+1 < len(template):
			i++
			out.WriteByte(template[i])
		case strings.HasPrefix(template[i:], "{}"):
			if len(values) == 0 {
				return nil, fmt.Errorf("there are more {} than arguments")
			}
			out.WriteString(insert(values[0]))
			values = values[1:]
			i++
		case template[i] == '{' || template[i] == '}' || template[i] == '\\':
			return nil, fmt.Errorf("%q must be escaped", template[i:i+1])
		default:
			out.WriteByte(template[i])
		}
	}
	if len(values) > 0 {
		return nil, fmt.Errorf("there are more arguments than {}")
	}
	return out.String(), nil
}

// insert is a value within a formatted string: strings without quotes, the rest as JSON.
func insert(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	return text(value)
}

func stringToJSON(_ *scope, args []any) (any, error) {
	s, err := wantString(args[0])
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	value, err := decode([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("the string is not JSON") // without the text: it is data
	}
	return value, nil
}

func jsonToString(_ *scope, args []any) (any, error) { return text(args[0]), nil }

func array(_ *scope, args []any) (any, error) { return args, nil }

func arrayPartition(_ *scope, args []any) (any, error) {
	items, err := wantArray(args[0])
	if err != nil {
		return nil, err
	}
	size, err := wantInteger(args[1])
	if err != nil {
		return nil, err
	}
	if size < 1 {
		return nil, fmt.Errorf("the size of a part must be positive")
	}
	parts := []any{}
	for len(items) > 0 {
		n := min(size, int64(len(items)))
		parts = append(parts, items[:n:n])
		items = items[n:]
	}
	return parts, nil
}

func arrayContains(_ *scope, args []any) (any, error) {
	items, err := wantArray(args[0])
	if err != nil {
		return nil, err
	}
	return contains(items, args[1]), nil
}

func contains(items []any, value any) bool {
	for _, item := range items {
		if equal(item, value) {
			return true
		}
	}
	return false
}

// arrayRange includes both ends.
func arrayRange(_ *scope, args []any) (any, error) {
	var bounds [3]int64
	for i, arg := range args {
		n, err := wantInteger(arg)
		if err != nil {
			return nil, err
		}
		bounds[i] = n
	}
	first, last, by := bounds[0], bounds[1], bounds[2]
	if by == 0 {
		return nil, fmt.Errorf("the step must not be 0")
	}
	numbers := []any{}
	for n := first; by > 0 && n <= last || by < 0 && n >= last; n += by {
		if len(numbers) == longestRange {
			return nil, fmt.Errorf("the range has more than %d elements", longestRange)
		}
		numbers = append(numbers, number(int(n)))
	}
	return numbers, nil
}

func arrayGetItem(_ *scope, args []any) (any, error) {
	items, err := wantArray(args[0])
	if err != nil {
		return nil, err
	}
	i, err := wantInteger(args[1])
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= int64(len(items)) {
		return nil, fmt.Errorf("index %d is outside of an array of %d", i, len(items))
	}
	return items[i], nil
}

func arrayLength(_ *scope, args []any) (any, error) {
	items, err := wantArray(args[0])
	if err != nil {
		return nil, err
	}
	return number(len(items)), nil
}

func arrayUnique(_ *scope, args []any) (any, error) {
	items, err := wantArray(args[0])
	if err != nil {
		return nil, err
	}
	unique := []any{}
	for _, item := range items {
		if !contains(unique, item) {
			unique = append(unique, item)
		}
	}
	return unique, nil
}

func base64Encode(_ *scope, args []any) (any, error) {
	s, err := wantShortString(args[0])
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

func base64Decode(_ *scope, args []any) (any, error) {
	s, err := wantShortString(args[0])
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("the string is not Base64")
	}
	return strings.ToValidUTF8(string(data), "\uFFFD"), nil
}

var hashes = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New,
}

func hashOf(_ *scope, args []any) (any, error) {
	data := insert(args[0])
	if len(data) > longestText {
		return nil, fmt.Errorf("the data is longer than %d characters", longestText)
	}
	algorithm, err := wantString(args[1])
	if err != nil {
		return nil, err
	}
	newHash, ok := hashes[algorithm]
	if !ok {
		return nil, fmt.Errorf("hash algorithm %q is not one of MD5, SHA-1, SHA-256, SHA-384, SHA-512", algorithm)
	}
	h := newHash()
	h.Write([]byte(data))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// jsonMerge is shallow; the service has no deep mode either.
func jsonMerge(_ *scope, args []any) (any, error) {
	left, ok1 := args[0].(map[string]any)
	right, ok2 := args[1].(map[string]any)
	deep, ok3 := args[2].(bool)
	if !ok1 || !ok2 || !ok3 || deep {
		return nil, fmt.Errorf("the arguments must be two objects and false")
	}
	merged := maps.Clone(left)
	maps.Copy(merged, right)
	return merged, nil
}

// mathRandom includes the first and excludes the last number. A seed repeats
// its number, though not the number that Step Functions would draw for it.
func mathRandom(sc *scope, args []any) (any, error) {
	first, err := wantInteger(args[0])
	if err != nil {
		return nil, err
	}
	last, err := wantInteger(args[1])
	if err != nil {
		return nil, err
	}
	if first >= last {
		return nil, fmt.Errorf("the first number must be less than the last")
	}
	draw := sc.rand
	if len(args) == 3 {
		seed, err := wantInteger(args[2])
		if err != nil {
			return nil, err
		}
		draw = rand.New(rand.NewPCG(uint64(seed), 0)).Float64
	}
	return number(int(first) + int(draw()*float64(last-first))), nil
}

func mathAdd(_ *scope, args []any) (any, error) {
	a, err := wantInteger(args[0])
	if err != nil {
		return nil, err
	}
	b, err := wantInteger(args[1])
	if err != nil {
		return nil, err
	}
	return number(int(a + b)), nil
}

// stringSplit cuts at each of the delimiter's characters and drops empty parts.
func stringSplit(_ *scope, args []any) (any, error) {
	s, err := wantString(args[0])
	if err != nil {
		return nil, err
	}
	delimiters, err := wantString(args[1])
	if err != nil {
		return nil, err
	}
	parts := []any{}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(delimiters, r) }) {
		parts = append(parts, part)
	}
	return parts, nil
}

func newUUID(*scope, []any) (any, error) {
	id, err := uuid.NewRandom()
	return id.String(), err
}
