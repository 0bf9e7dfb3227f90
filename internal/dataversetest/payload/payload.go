// Package payload reads JSON bodies into values that keep the order of members and the digits of numbers.
package payload

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is what a Value is.
type Kind uint8

const (
	Null Kind = iota
	False
	True
	Number // Text is the literal
	String // Text is the string, escapes undone
	Array
	Object
)

// Value is a JSON value. Items are the elements of an array or the members of an object.
type Value struct {
	Kind  Kind
	Text  string
	Items []Member
}

// Member is a named value of an object, or an element of an array without name.
type Member struct {
	Name string
	Value
}

// maxDepth bounds nesting so that a hostile body cannot exhaust the stack.
const maxDepth = 64

// Error says where a body stops being JSON.
type Error struct {
	Offset int
	Text   string
}

func (e *Error) Error() string { return fmt.Sprintf("%s at position %d", e.Text, e.Offset) }

type reader struct {
	src   string
	pos   int
	depth int
	stack []Member // members of the objects being read; copied out when one is complete
}

// Parse reads a whole body. The strings of the result share its memory.
func Parse(body string) (Value, error) {
	r := &reader{src: strings.TrimPrefix(body, "\ufeff")}
	v, err := r.value()
	if err != nil {
		return Value{}, err
	}
	if r.space(); r.pos < len(r.src) {
		return Value{}, r.bad("unexpected text after the JSON value")
	}
	return v, nil
}

func (r *reader) bad(text string) error { return &Error{Offset: r.pos, Text: text} }

func (r *reader) space() {
	for r.pos < len(r.src) {
		switch r.src[r.pos] {
		case ' ', '\t', '\r', '\n':
			r.pos++
		default:
			return
		}
	}
}

func (r *reader) value() (Value, error) {
	r.space()
	if r.pos == len(r.src) {
		return Value{}, r.bad("unexpected end of JSON")
	}
	switch c := r.src[r.pos]; {
	case c == '"':
		s, err := r.str()
		return Value{Kind: String, Text: s}, err
	case c == '{':
		return r.container('}')
	case c == '[':
		return r.container(']')
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	for kind, word := range [...]string{Null: "null", False: "false", True: "true"} {
		if strings.HasPrefix(r.src[r.pos:], word) {
			r.pos += len(word)
			return Value{Kind: Kind(kind), Text: word}, nil
		}
	}
	return Value{}, r.bad("invalid JSON: a value was expected")
}

func (r *reader) container(end byte) (Value, error) {
	if r.depth++; r.depth > maxDepth {
		return Value{}, r.bad("JSON is nested too deeply")
	}
	defer func() { r.depth-- }()
	kind, base := Array, len(r.stack)
	if end == '}' {
		kind = Object
	}
	r.pos++
	if r.peek() == end {
		r.pos++
		return Value{Kind: kind}, nil
	}
	for {
		m, err := r.member(kind)
		if err != nil {
			return Value{}, err
		}
		r.stack = append(r.stack, m)
		switch r.peek() {
		case ',':
			r.pos++
		case end:
			r.pos++
			items := append(make([]Member, 0, len(r.stack)-base), r.stack[base:]...)
			r.stack = r.stack[:base]
			return Value{Kind: kind, Items: items}, nil
		default:
			return Value{}, r.bad("invalid JSON: a comma or an end was expected")
		}
	}
}

// peek is the next character that is not white space; 0 at the end.
func (r *reader) peek() byte {
	if r.space(); r.pos < len(r.src) {
		return r.src[r.pos]
	}
	return 0
}

func (r *reader) member(of Kind) (m Member, err error) {
	if of == Object {
		if r.peek() != '"' {
			return m, r.bad("invalid JSON: a property name was expected")
		}
		if m.Name, err = r.str(); err != nil {
			return m, err
		}
		if r.peek() != ':' {
			return m, r.bad("invalid JSON: a colon was expected")
		}
		r.pos++
	}
	m.Value, err = r.value()
	return m, err
}

func (r *reader) number() (Value, error) {
	start := r.pos
	if r.src[r.pos] == '-' {
		r.pos++
	}
	whole := r.digits()
	if whole == 0 || whole > 1 && r.src[r.pos-whole] == '0' {
		return Value{}, r.bad("invalid JSON number")
	}
	if r.at('.') {
		r.pos++
		if r.digits() == 0 {
			return Value{}, r.bad("invalid JSON number")
		}
	}
	if r.at('e') || r.at('E') {
		r.pos++
		if r.at('+') || r.at('-') {
			r.pos++
		}
		if r.digits() == 0 {
			return Value{}, r.bad("invalid JSON number")
		}
	}
	return Value{Kind: Number, Text: r.src[start:r.pos]}, nil
}

func (r *reader) at(c byte) bool { return r.pos < len(r.src) && r.src[r.pos] == c }

func (r *reader) digits() int {
	start := r.pos
	for r.pos < len(r.src) && r.src[r.pos] >= '0' && r.src[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}

// str reads a string. One without escapes is a slice of the body.
func (r *reader) str() (string, error) {
	start := r.pos + 1
	for i := start; i < len(r.src); i++ {
		switch c := r.src[i]; {
		case c == '"':
			r.pos = i + 1
			return strings.ToValidUTF8(r.src[start:i], "\ufffd"), nil
		case c == '\\':
			return r.escaped(start, i)
		case c < ' ':
			r.pos = i
			return "", r.bad("invalid JSON: a control character stands in a string")
		}
	}
	r.pos = len(r.src)
	return "", r.bad("unexpected end of JSON in a string")
}

func (r *reader) escaped(start, i int) (string, error) {
	b := append(make([]byte, 0, i-start+32), r.src[start:i]...)
	for i < len(r.src) {
		switch c := r.src[i]; {
		case c == '"':
			r.pos = i + 1
			return strings.ToValidUTF8(string(b), "\ufffd"), nil
		case c < ' ':
			r.pos = i
			return "", r.bad("invalid JSON: a control character stands in a string")
		case c != '\\':
			b = append(b, c)
			i++
		default:
			n := 0
			if b, n = unescape(b, r.src[i:]); n == 0 {
				r.pos = i
				return "", r.bad("invalid JSON: unknown escape in a string")
			}
			i += n
		}
	}
	r.pos = len(r.src)
	return "", r.bad("unexpected end of JSON in a string")
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape appends what the escape at the start of s stands for, and says how long it was; 0 when it is none.
func unescape(b []byte, s string) ([]byte, int) {
	if len(s) < 2 {
		return b, 0
	}
	if c, ok := escapes[s[1]]; ok {
		return append(b, c), 2
	}
	u, ok := hex4(s)
	if !ok {
		return b, 0
	}
	if !utf16.IsSurrogate(u) {
		return utf8.AppendRune(b, u), 6
	}
	if low, ok := hex4(s[6:]); ok {
		if pair := utf16.DecodeRune(u, low); pair != utf8.RuneError {
			return utf8.AppendRune(b, pair), 12
		}
	}
	return utf8.AppendRune(b, utf8.RuneError), 6
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// Get finds a member by name; nil when the value is no object or has none of that name.
func (v *Value) Get(name string) *Value {
	for i := range v.Items {
		if v.Kind == Object && v.Items[i].Name == name {
			return &v.Items[i].Value
		}
	}
	return nil
}
