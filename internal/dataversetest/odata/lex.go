package odata

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenLiteral
	tokenAlias
	tokenObject // a JSON object, balanced
	tokenPunct
)

type token struct {
	kind tokenKind
	text string
	lit  Literal
	at   int
}

type lexer struct {
	src string
	pos int
}

// next reads one token. The service counts positions in characters of the option's text.
func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) && (l.src[l.pos] == ' ' || l.src[l.pos] == '\t') {
		l.pos++
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: tokenEnd, at: start}, nil
	}
	switch c := l.src[start]; {
	case c == '\'' || c == '"':
		return l.quoted(c)
	case strings.IndexByte("(),/=:[]", c) >= 0:
		l.pos++
		return token{kind: tokenPunct, text: l.src[start:l.pos], at: start}, nil
	case c == '{':
		return l.object()
	case c == '@':
		l.pos++
		name := l.word()
		if name == "" {
			return token{}, l.bad(start)
		}
		return token{kind: tokenAlias, text: "@" + name, at: start}, nil
	case isHex(c) && IsGUID(prefix(l.src[start:], 36)) && !l.wordAt(start+36):
		l.pos += 36
		text := l.src[start:l.pos]
		return token{kind: tokenLiteral, text: text, at: start, lit: Literal{Kind: GUID, Text: text, Value: strings.ToLower(text)}}, nil
	case c >= '0' && c <= '9' || c == '-':
		return l.number()
	}
	if text := l.word(); text != "" {
		return l.named(text, start)
	}
	return token{}, l.bad(start)
}

func (l *lexer) bad(at int) error {
	r, _ := utf8.DecodeRuneInString(l.src[at:])
	return refuse("Syntax error: character '%c' is not valid at position %d in '%s'.", r, at, l.src)
}

// word reads letters, digits, underscores and dots. Names of properties may hold any letter.
func (l *lexer) word() string {
	start := l.pos
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if !wordRune(r) {
			break
		}
		l.pos += n
	}
	return l.src[start:l.pos]
}

func wordRune(r rune) bool {
	return r == '_' || r == '.' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func (l *lexer) wordAt(pos int) bool {
	if pos >= len(l.src) {
		return false
	}
	r, _ := utf8.DecodeRuneInString(l.src[pos:])
	return wordRune(r)
}

// named turns a word into a constant where it is one, and joins an enumeration with its quoted member.
func (l *lexer) named(text string, start int) (token, error) {
	lit := Literal{Text: text}
	switch text {
	case "null":
		lit.Kind = Null
	case "true", "false":
		lit.Kind, lit.Value = Boolean, text == "true"
	default:
		if l.pos == len(l.src) || l.src[l.pos] != '\'' || !strings.Contains(text, ".") {
			return token{kind: tokenWord, text: text, at: start}, nil
		}
		member, err := l.quoted('\'')
		if err != nil {
			return token{}, err
		}
		lit = Literal{Kind: Enum, Type: text, Text: l.src[start:l.pos], Value: member.lit.Value}
	}
	return token{kind: tokenLiteral, text: text, lit: lit, at: start}, nil
}

func (l *lexer) quoted(q byte) (token, error) {
	start := l.pos
	var b strings.Builder
	for i := start + 1; i < len(l.src); i++ {
		switch c := l.src[i]; {
		case c == q && q == '\'' && i+1 < len(l.src) && l.src[i+1] == q:
			b.WriteByte(q)
			i++
		case c == q:
			l.pos = i + 1
			text := l.src[start:l.pos]
			value := b.String()
			if q == '"' {
				unquoted, err := strconv.Unquote(text)
				if err != nil {
					return token{}, l.bad(start)
				}
				value = unquoted
			}
			return token{kind: tokenLiteral, text: text, at: start, lit: Literal{Kind: String, Text: text, Value: value}}, nil
		case c == '\\' && q == '"' && i+1 < len(l.src):
			i++
		default:
			b.WriteByte(c)
		}
	}
	return token{}, refuse("There is an unterminated string literal at position %d in '%s'.", len(l.src), l.src)
}

// object reads a JSON object up to its closing brace.
func (l *lexer) object() (token, error) {
	start, depth, inString := l.pos, 0, false
	for i := start; i < len(l.src); i++ {
		switch c := l.src[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			depth++
		case c == '}':
			depth--
			if depth == 0 {
				l.pos = i + 1
				return token{kind: tokenObject, text: l.src[start:l.pos], at: start}, nil
			}
		}
	}
	return token{}, l.bad(start)
}

// number reads a number, a date or a point in time: 42, -1.5, 1e3, 2026-01-02, 2026-01-02T03:04:05.5Z.
func (l *lexer) number() (token, error) {
	start := l.pos
	if t, ok := l.timeLiteral(); ok {
		return t, nil
	}
	i := start
	if l.src[i] == '-' {
		i++
	}
	for i < len(l.src) && (l.src[i] >= '0' && l.src[i] <= '9' || strings.IndexByte(".eE", l.src[i]) >= 0 ||
		(l.src[i] == '-' || l.src[i] == '+') && (l.src[i-1] == 'e' || l.src[i-1] == 'E')) {
		i++
	}
	text := l.src[start:i]
	if l.wordAt(i) {
		return token{}, l.bad(i)
	}
	if text == "-" {
		l.pos = i
		return token{kind: tokenPunct, text: text, at: start}, nil
	}
	l.pos = i
	t := token{kind: tokenLiteral, text: text, at: start}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		t.lit = Literal{Kind: Integer, Text: text, Value: n}
		return t, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return token{}, refuse("Unrecognized '%s' literal '%s' at '%d' in '%s'.", "Edm.Decimal", text, start, l.src)
	}
	t.lit = Literal{Kind: Decimal, Text: text, Value: f}
	return t, nil
}

func (l *lexer) timeLiteral() (token, bool) {
	rest := l.src[l.pos:]
	if len(rest) < 10 || rest[4] != '-' || rest[7] != '-' {
		return token{}, false
	}
	end := 10
	if len(rest) > 10 && (rest[10] == 'T' || rest[10] == 't') {
		for end < len(rest) && (rest[end] >= '0' && rest[end] <= '9' || strings.IndexByte("TtZz:.+-", rest[end]) >= 0) {
			end++
		}
	}
	lit, ok := ParseTime(rest[:end])
	if !ok || l.wordAt(l.pos+end) {
		return token{}, false
	}
	at := l.pos
	l.pos += end
	return token{kind: tokenLiteral, text: rest[:end], lit: lit, at: at}, true
}

// ParseTime reads a date or a point in time as OData writes it.
func ParseTime(text string) (Literal, bool) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return Literal{Kind: Date, Text: text, Value: t}, true
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, strings.ToUpper(text)); err == nil {
			return Literal{Kind: Instant, Text: text, Value: t.UTC()}, true
		}
	}
	return Literal{}, false
}

// IsGUID says whether s is 36 characters of a dashed GUID.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < 36; i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
			continue
		}
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func prefix(s string, n int) string { return s[:min(n, len(s))] }
