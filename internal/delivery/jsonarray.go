package delivery

import (
	"bytes"
	"io"
	"unicode/utf8"

	"penstock/internal/fault"
)

// arrayFrame finds the elements of a JSON array, however they are laid out. What is wrong inside an
// element is that row's reject; what is wrong between elements breaks the file.
type arrayFrame struct {
	name   string
	state  arrayState
	before int // characters of the line before the window's first byte
}

// arrayState is what may come next.
type arrayState uint8

const (
	arrayStart  arrayState = iota // [
	arrayFirst                    // an element or ]
	arrayMore                     // a comma or ]
	arrayNext                     // an element
	arrayBehind                   // nothing
)

// element finds the next element; it leaves the window before it.
func (a *arrayFrame) element(in *window, limits Limits) (text []byte, next int, err error) {
	for {
		b, there, err := a.peek(in)
		if err != nil {
			return nil, 0, err
		}
		switch {
		case !there && a.state == arrayBehind:
			return nil, 0, io.EOF
		case !there:
			return nil, 0, a.broken(in, "cut_short", "the array does not end", "deliver the file again, whole")
		case a.state == arrayStart && b == '[':
			a.state = arrayFirst
		case a.state == arrayMore && b == ',':
			a.state = arrayNext
		case (a.state == arrayMore || a.state == arrayFirst) && b == ']':
			a.state = arrayBehind
		case (a.state == arrayFirst || a.state == arrayNext) && b != ',' && b != ']':
			return a.whole(in, limits)
		default:
			return nil, 0, a.broken(in, "bad_json", a.complaint(), "write one array of objects, with commas between them")
		}
		a.pass(in, 1)
	}
}

func (a *arrayFrame) complaint() string {
	switch a.state {
	case arrayStart:
		return "expected the opening bracket of an array"
	case arrayMore:
		return "expected a comma or the closing bracket of the array"
	case arrayBehind:
		return "text behind the array"
	}
	return "expected an element of the array"
}

func (a *arrayFrame) broken(in *window, code, what, advice string) error {
	return fault.New(fault.Refused, code, "character %d: %s", a.before+1, what).At(a.name, in.line, "").Advise("%s", advice)
}

// peek passes over white space and shows the byte behind it.
func (a *arrayFrame) peek(in *window) (b byte, there bool, err error) {
	for {
		rest := in.rest()
		n := 0
		for n < len(rest) && (rest[n] == ' ' || rest[n] == '\t' || rest[n] == '\r' || rest[n] == '\n') {
			n++
		}
		a.pass(in, n)
		if n < len(rest) {
			return rest[n], true, nil
		}
		if in.ended {
			return 0, false, nil
		}
		if err := in.more(); err != nil {
			return 0, false, err
		}
	}
}

// whole reads on until the element that begins the window is there to its end.
func (a *arrayFrame) whole(in *window, limits Limits) (text []byte, next int, err error) {
	for {
		rest := in.rest()
		size := elementSize(rest)
		switch {
		case size > limits.RowBytes || size < 0 && beyond(len(rest), limits):
			return nil, 0, limits.rowTooLong(a.name, in.line)
		case size >= 0:
			a.state = arrayMore
			return rest[:size], size, nil
		case in.ended:
			return nil, 0, a.broken(in, "cut_short", "this element of the array does not end", "close its brackets and quotes, or deliver the file again, whole")
		}
		if err := in.more(); err != nil {
			return nil, 0, err
		}
	}
}

// elementSize finds the end of a value by its brackets and quotes alone; -1 when it is not there.
func elementSize(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
			if depth < 0 {
				return i
			}
		case '"':
			if i = stringEnd(data, i+1); i < 0 {
				return -1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return -1
}

// stringEnd finds the closing quote; -1 when it is not there.
func stringEnd(data []byte, pos int) int {
	for pos < len(data) {
		pos = plainText(data, pos)
		switch {
		case pos >= len(data):
			return -1
		case data[pos] == '"':
			return pos
		case data[pos] == '\\':
			pos++
		}
		pos++
	}
	return -1
}

// pass moves the window on and keeps count of lines and characters.
func (a *arrayFrame) pass(in *window, n int) {
	data := in.rest()[:n]
	lines := bytes.Count(data, []byte{'\n'})
	if lines > 0 {
		a.before, data = 0, data[bytes.LastIndexByte(data, '\n')+1:]
	}
	a.before += utf8.RuneCount(data)
	in.pass(n, lines)
}

// place names a byte of the window as an editor does.
func (a *arrayFrame) place(in *window, at int) (line, character int) {
	line, character = place(in.rest(), at, in.line)
	if line == in.line {
		character += a.before
	}
	return line, character
}
