package tsql

import (
	"strings"
	"unicode/utf8"
)

type kind int

const (
	end kind = iota
	word
	quoted // a [name] or a "name"
	text
	number
	punct
)

type token struct {
	kind kind
	text string // of a word as written
	at   int
}

// is says whether the token is a keyword.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

func (t token) punct(p string) bool { return t.kind == punct && t.text == p }

type lexer struct {
	src string
	pos int
}

func (l *lexer) next() (token, error) {
	if err := l.blank(); err != nil {
		return token{}, err
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: end, at: start}, nil
	}
	switch c := l.src[start]; {
	case c == '\'' || (c == 'N' || c == 'n') && strings.HasPrefix(l.src[start+1:], "'"):
		if c != '\'' {
			l.pos++
		}
		s, err := l.delimited('\'')
		return token{text, s, start}, err
	case c == '[':
		s, err := l.delimited(']')
		return token{quoted, s, start}, err
	case c == '"':
		s, err := l.delimited('"')
		return token{quoted, s, start}, err
	case letter(c):
		l.run(func(c byte) bool { return letter(c) || digit(c) })
		return token{word, l.src[start:l.pos], start}, nil
	case digit(c) || c == '-' && start+1 < len(l.src) && digit(l.src[start+1]):
		l.pos++
		l.run(func(c byte) bool { return digit(c) || c == '.' })
		return token{number, l.src[start:l.pos], start}, nil
	}
	for _, p := range []string{"<>", "!=", "<=", ">="} {
		if strings.HasPrefix(l.src[start:], p) {
			l.pos += 2
			return token{punct, p, start}, nil
		}
	}
	if strings.IndexByte("(),.*=<>;", l.src[start]) >= 0 {
		l.pos++
		return token{punct, l.src[start:l.pos], start}, nil
	}
	r, _ := utf8.DecodeRuneInString(l.src[start:])
	return token{}, &Error{Offset: start, Message: "Incorrect syntax near '" + string(r) + "'."}
}

// blank skips white space and comments.
func (l *lexer) blank() error {
	for l.pos < len(l.src) {
		switch rest := l.src[l.pos:]; {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "--"):
			line, _, _ := strings.Cut(rest, "\n")
			l.pos += len(line)
		case strings.HasPrefix(rest, "/*"):
			length := strings.Index(rest, "*/")
			if length < 0 {
				return &Error{Offset: l.pos, Message: "Missing end comment mark '*/'."}
			}
			l.pos += length + 2
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) run(more func(byte) bool) {
	for l.pos < len(l.src) && more(l.src[l.pos]) {
		l.pos++
	}
}

// delimited reads up to a closing mark, which stands for itself when it is doubled.
func (l *lexer) delimited(mark byte) (string, error) {
	var b strings.Builder
	for i := l.pos + 1; i < len(l.src); i++ {
		if l.src[i] != mark {
			b.WriteByte(l.src[i])
			continue
		}
		if i+1 < len(l.src) && l.src[i+1] == mark {
			b.WriteByte(mark)
			i++
			continue
		}
		l.pos = i + 1
		return b.String(), nil
	}
	return "", &Error{Offset: l.pos, Message: "Unclosed quotation mark after the character string '" + l.src[l.pos+1:] + "'."}
}

func letter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }
