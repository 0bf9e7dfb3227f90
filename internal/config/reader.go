package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"penstock/internal/fault"
	"penstock/internal/near"
)

// reader turns YAML nodes into values and tells what is wrong with them.
type reader struct {
	problems
	connectionLine map[string]int // by destination: where it names its connection
}

// field is one field that a section may have, and what takes its value.
type field struct {
	name string
	take func(n ast.Node, where string)
}

// entry is one key and value of a mapping with free keys.
type entry struct {
	name  string
	line  int
	value ast.Node
}

// section reads a mapping with fixed fields. It returns the line of each field
// that is there, a misspelled one included, so that it is not called missing
// as well; nil when n is no mapping.
func (r *reader) section(n ast.Node, where string, fields ...field) map[string]int {
	lines := map[string]int{}
	entries, ok := r.entries(n, where)
	if !ok {
		return nil
	}
	for _, e := range entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == e.name })
		if i < 0 {
			if near := r.unknown(e, where, fields); near != "" && lines[near] == 0 {
				lines[near] = e.line
			}
			continue
		}
		lines[e.name] = e.line
		fields[i].take(e.value, in(where, e.name))
	}
	return lines
}

// unknown reports a field that the section does not have and returns the one that was probably meant.
func (r *reader) unknown(e entry, where string, fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	problem := r.add(e.line, "%s", in(where, "unknown field "+quote(e.name)))
	like := near.Name(e.name, names)
	if like != "" {
		problem.Advise("did you mean %q?", like)
	} else {
		problem.Advise("known are %s", strings.Join(names, ", "))
	}
	return like
}

// entries reads a mapping whose keys are names that the user chose.
func (r *reader) entries(n ast.Node, where string) ([]entry, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		r.wrongType(n, where, "a mapping (name: value)")
		return nil, false
	}
	var all []entry
	seen := map[string]int{}
	for _, kv := range m.Values {
		e := entry{line: lineOf(kv.Key), value: kv.Value}
		if e.name, ok = r.key(kv.Key, where); !ok {
			continue
		}
		if first, twice := seen[e.name]; twice {
			r.add(e.line, "%s", in(where, quote(e.name)+" stands here twice")).Advise("first on line %d", first)
			continue
		}
		seen[e.name] = e.line
		all = append(all, e)
	}
	return all, true
}

// key is a key as it is spelled: 2024 and yes are names like any other.
func (r *reader) key(n ast.MapKeyNode, where string) (string, bool) {
	switch k := n.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	}
	r.wrongType(n, where, "a plain name before the colon")
	return "", false
}

// text reads a string. Numbers and booleans are refused rather than read as
// text: YAML has lost their spelling for every other program (1.10 is 1.1).
func (r *reader) text(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		s, ok := textOf(n)
		switch {
		case !ok:
			r.wrongType(n, where, "text")
		case strings.TrimSpace(s) == "":
			r.add(lineOf(n), "%s", in(where, "is empty")).Advise("give it a value or remove the line")
		case hasControl(s):
			r.add(lineOf(n), "%s", in(where, "holds a line break or another control character"))
		default:
			*to = s
		}
	}
}

// oneOf reads a string that must be one of the choices.
func (r *reader) oneOf(to *string, choices ...string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		s, ok := textOf(n)
		switch {
		case !ok:
			r.wrongType(n, where, "one of "+strings.Join(choices, ", "))
		case !slices.Contains(choices, s):
			r.mustBe(n, where, s, choices)
		default:
			*to = s
		}
	}
}

func (r *reader) mustBe(n ast.Node, where, s string, choices []string) {
	r.add(lineOf(n), "%s", in(where, quote(s)+" is not known")).Advise("it is one of %s", strings.Join(choices, ", "))
}

// texts reads a list of distinct strings; one string stands for a list of one.
func (r *reader) texts(single bool, one func(to *string) func(ast.Node, string), take func([]string)) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		values := []ast.Node{n}
		if seq, ok := n.(*ast.SequenceNode); ok {
			values = seq.Values
		} else if !single {
			r.wrongType(n, where, "a list [a, b]")
			return
		}
		if len(values) == 0 {
			r.add(lineOf(n), "%s", in(where, "is an empty list")).Advise("name at least one, or remove the line")
		}
		var list []string
		for _, v := range values {
			var s string
			one(&s)(v, where)
			if s != "" && slices.Contains(list, s) {
				r.add(lineOf(v), "%s", in(where, quote(s)+" is named twice"))
			}
			list = append(list, s)
		}
		take(list)
	}
}

func (r *reader) boolean(to *bool) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		b, ok := n.(*ast.BoolNode)
		if !ok {
			r.wrongType(n, where, "true or false")
			return
		}
		*to = b.Value
	}
}

// number reads a plain decimal number within low and high.
func (r *reader) number(to *float64, low, high float64, whole bool) func(ast.Node, string) {
	want := "a number"
	if whole {
		want = "a whole number"
	}
	return func(n ast.Node, where string) {
		f, err := math.NaN(), error(nil)
		switch n.(type) {
		case *ast.IntegerNode, *ast.FloatNode:
			f, err = strconv.ParseFloat(n.GetToken().Value, 64)
		}
		if err != nil || math.IsNaN(f) {
			r.wrongType(n, where, want)
			return
		}
		if whole && f != math.Trunc(f) {
			r.add(lineOf(n), "%s", in(where, fmt.Sprintf("%v is not a whole number", f)))
			return
		}
		if f < low || f > high {
			r.add(lineOf(n), "%s", in(where, fmt.Sprintf("%v is out of range", f))).Advise("from %s to %s", plain(low), plain(high))
			return
		}
		*to = f
	}
}

// plain writes a bound out: 1000000000, not 1e+09.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// wrongType names what was found and what is wanted, never the value itself
// (rule S2: somebody may have pasted a secret here).
func (r *reader) wrongType(n ast.Node, where, want string) *fault.Error {
	if where == "" {
		where = "the file"
	}
	problem := r.add(lineOf(n), "%s", in(where, "must be "+want+", not "+typeName(n)))
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		problem.Advise("anchors (&), aliases (*) and merge keys (<<) are not supported: write the value out")
	case *ast.TagNode:
		problem.Advise("tags (!) are not supported: write the plain value")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		if want == "text" {
			problem.Advise("put it in quotes")
		}
	}
	return problem
}

func typeName(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.BoolNode:
		return "a boolean"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.AnchorNode:
		return "an anchor"
	case *ast.AliasNode:
		return "an alias"
	case *ast.MergeKeyNode:
		return "a merge key"
	case *ast.TagNode:
		return "a tag"
	case *ast.MappingKeyNode:
		return "a complex key (?)"
	}
	return "this kind of YAML"
}

func textOf(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		if v.Value == nil {
			return "", true
		}
		return strings.TrimRight(v.Value.Value, "\n"), true
	}
	return "", false
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// in puts a place before what is said about it.
func in(where, what string) string {
	if where == "" {
		return what
	}
	return where + ": " + what
}

// quote shows a name from the file; a very long one is cut.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}
