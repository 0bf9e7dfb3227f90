package asl

import (
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

var substitution = regexp.MustCompile(`\$\{([^}]*)\}?`)

// substitute fills in ${Name}. CloudFormation replaces text before it reads the
// definition and this package after, so the result must be the same string both ways.
func (c *checker) substitute(n *node) {
	before, broken := n.text, len(c.problems)
	n.text = substitution.ReplaceAllStringFunc(before, func(found string) string {
		name, closed := strings.CutSuffix(strings.TrimPrefix(found, "${"), "}")
		value, known := c.substitutions[name]
		switch {
		case !closed:
			c.fail(n.line, `"${" has no end`)
		case !known:
			c.fail(n.line, "substitution %s is not known", found)
		case strings.ContainsFunc(value, unquotable):
			c.fail(n.line, "the value for %s has characters that a definition cannot carry", found)
		default:
			c.names.substitutions = addOnce(c.names.substitutions, name)
			return value
		}
		return found
	})
	if len(c.problems) == broken && n.bare && n.text != before && !staysString(n.text) {
		c.fail(n.line, "the value for %s does not stay a string: put it in quotes", before)
	}
}

func unquotable(r rune) bool { return r < ' ' || strings.ContainsRune("\"'\\${}", r) }

func staysString(text string) bool {
	file, err := parser.ParseBytes([]byte("value: "+text), 0)
	if err != nil || len(file.Docs) != 1 {
		return false
	}
	mapping, ok := file.Docs[0].Body.(*ast.MappingNode)
	if !ok || len(mapping.Values) != 1 {
		return false
	}
	value, ok := mapping.Values[0].Value.(*ast.StringNode)
	return ok && value.Value == text && !isNumber(text) && !ambiguous.MatchString(text)
}
