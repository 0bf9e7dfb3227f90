package asl

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// node is a value of the definition with the line that it begins on.
type node struct {
	line    int
	kind    nodeKind
	text    string // stringNode, after substitution; numberNode, as it was written
	bare    bool   // stringNode without quotes
	truth   bool   // boolNode
	members []member
	items   []*node
}

type nodeKind int

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

func (k nodeKind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// member is a named value of an objectNode.
type member struct {
	name  string
	line  int
	value *node
}

// plain is n as a JSON value.
func (n *node) plain() any {
	switch n.kind {
	case boolNode:
		return n.truth
	case numberNode:
		return json.Number(n.text)
	case stringNode:
		return n.text
	case arrayNode:
		items := make([]any, 0, len(n.items))
		for _, item := range n.items {
			items = append(items, item.plain())
		}
		return items
	case objectNode:
		object := make(map[string]any, len(n.members))
		for _, m := range n.members {
			object[m.name] = m.value.plain()
		}
		return object
	}
	return nil
}

// parseTree reads YAML, of which JSON is a part, and keeps to what every YAML
// and JSON reader understands alike: no anchors, aliases, tags, merge keys or
// second documents, and no scalars that older YAML reads as another type.
func (c *checker) parseTree(data []byte) *node {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		c.syntaxError(err)
		return nil
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		c.fail(1, "there is no state machine")
		return nil
	}
	if len(file.Docs) > 1 {
		c.fail(lineOf(file.Docs[1].Body), "a second document is not supported")
	}
	return c.convert(file.Docs[0].Body)
}

func (c *checker) syntaxError(err error) {
	if problem, ok := errors.AsType[yaml.Error](err); ok && problem.GetToken() != nil {
		c.fail(problem.GetToken().Position.Line, "%s", problem.GetMessage())
		return
	}
	c.fail(1, "%s", err)
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil {
		return 1
	}
	return n.GetToken().Position.Line
}

func (c *checker) convert(n ast.Node) *node {
	out := &node{line: lineOf(n)}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		out.kind, out.truth = boolNode, n.Value
	case *ast.IntegerNode, *ast.FloatNode:
		c.number(out, n.GetToken().Value)
	case *ast.StringNode:
		c.scalar(out, n)
	case *ast.LiteralNode:
		out.kind, out.text = stringNode, n.Value.Value
	case *ast.SequenceNode:
		out.kind = arrayNode
		for _, item := range n.Values {
			out.items = append(out.items, c.convert(item))
		}
	case *ast.MappingNode:
		out.kind = objectNode
		c.object(out, n.Values)
	case *ast.MappingValueNode:
		out.kind = objectNode
		c.object(out, []*ast.MappingValueNode{n})
	case *ast.AnchorNode:
		c.fail(out.line, "YAML anchors and aliases are not supported")
		return c.convert(n.Value)
	case *ast.AliasNode:
		c.fail(out.line, "YAML anchors and aliases are not supported")
	case *ast.TagNode:
		c.fail(out.line, "YAML tags are not supported")
		return c.convert(n.Value)
	case nil:
	default:
		c.fail(out.line, "YAML %s is not supported", n.Type())
	}
	return out
}

func (c *checker) number(out *node, written string) {
	out.kind, out.text = numberNode, written
	if !isNumber(written) {
		c.fail(out.line, "%s is not a number that JSON can write", written)
		out.text = "0"
	}
}

// ambiguous are bare words and dates that are strings here and something else to YAML 1.1.
var ambiguous = regexp.MustCompile(`^(?:[yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF|\d{4}-\d\d?-\d\d?(?:[Tt ].*)?)$`)

func (c *checker) scalar(out *node, n *ast.StringNode) {
	out.kind, out.text = stringNode, n.Value
	out.bare = n.Token.Type != token.SingleQuoteType && n.Token.Type != token.DoubleQuoteType
	switch {
	case out.bare && isNumber(n.Value): // the parser leaves 1e3 and long integers as strings
		c.number(out, n.Value)
	case out.bare && ambiguous.MatchString(n.Value):
		c.fail(out.line, "%s needs quotes: not every YAML reader takes it for a string", n.Value)
	default:
		c.substitute(out)
	}
}

func (c *checker) object(out *node, values []*ast.MappingValueNode) {
	for _, value := range values {
		m := member{line: lineOf(value.Key), value: c.convert(value.Value)}
		key, ok := value.Key.(*ast.StringNode)
		if !ok {
			c.fail(m.line, "the name %s is not a string", strings.TrimSpace(value.Key.String()))
			continue
		}
		m.name = key.Value
		if strings.Contains(m.name, "${") {
			c.fail(m.line, "a substitution cannot stand in the name %q", m.name)
		}
		if slices.ContainsFunc(out.members, func(other member) bool { return other.name == m.name }) {
			c.fail(m.line, "%q is given twice", m.name)
			continue
		}
		out.members = append(out.members, m)
	}
}
