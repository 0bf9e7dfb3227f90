package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxDepth bounds how deep a document may nest; a schema needs six levels.
const maxDepth = 20

// yamlEntry is one line of a mapping, in the order in which it is written.
type yamlEntry struct {
	name  string
	value ast.Node
}

// yamlRoot parses one document and refuses what a schema never needs: several documents, anchors, tags.
func yamlRoot(data []byte) (ast.Node, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			return nil, yamlError(doc.Body, "a schema is one document")
		}
		root = doc.Body
	}
	if root == nil {
		return nil, fmt.Errorf("read schema: the document is empty")
	}
	return root, checkDepth(root, 0)
}

func checkDepth(node ast.Node, depth int) error {
	if depth > maxDepth {
		return yamlError(node, "nested too deeply")
	}
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, value := range n.Values {
			if err := checkDepth(value.Value, depth+1); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return checkDepth(n.Value, depth+1)
	case *ast.SequenceNode:
		for _, value := range n.Values {
			if err := checkDepth(value, depth+1); err != nil {
				return err
			}
		}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return yamlError(node, "anchors, aliases and tags are not part of a schema")
	}
	return nil
}

func yamlError(node ast.Node, format string, args ...any) error {
	line := 0
	if node != nil && node.GetToken() != nil && node.GetToken().Position != nil {
		line = node.GetToken().Position.Line
	}
	return fmt.Errorf("read schema: line %d: %s", line, fmt.Sprintf(format, args...))
}

// yamlMap returns the entries of a mapping; what says which mapping, for the message.
func yamlMap(node ast.Node, what string) ([]yamlEntry, error) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode, nil:
		return nil, nil
	default:
		return nil, yamlError(node, "%s must be a mapping", what)
	}
	entries := make([]yamlEntry, 0, len(values))
	for _, value := range values {
		if value.Key == nil || value.Key.GetToken() == nil || value.Key.Type() == ast.MergeKeyType {
			return nil, yamlError(value, "%s has a key that is not text", what)
		}
		entries = append(entries, yamlEntry{name: value.Key.GetToken().Value, value: value.Value})
	}
	return entries, nil
}

// yamlFields hands each entry of a mapping to its reader and refuses the others.
func yamlFields(node ast.Node, what string, readers map[string]func(ast.Node) error) error {
	entries, err := yamlMap(node, what)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		read, ok := readers[entry.name]
		if !ok {
			return yamlError(entry.value, "%s has no field %q", what, entry.name)
		}
		if err := read(entry.value); err != nil {
			return err
		}
	}
	return nil
}

func yamlText(node ast.Node, what string) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	}
	return "", yamlError(node, "%s must be text", what)
}

func yamlInt(node ast.Node, what string) (int, error) {
	text, err := yamlText(node, what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, yamlError(node, "%s must be a whole number", what)
	}
	return n, nil
}

func yamlBool(node ast.Node, what string) (bool, error) {
	b, ok := node.(*ast.BoolNode)
	if !ok {
		return false, yamlError(node, "%s must be true or false", what)
	}
	return b.Value, nil
}

func yamlTexts(node ast.Node, what string) ([]string, error) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		text, err := yamlText(node, what)
		return strings.Fields(text), err
	}
	texts := make([]string, 0, len(list.Values))
	for _, value := range list.Values {
		text, err := yamlText(value, what)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func textInto(target *string, what string) func(ast.Node) error {
	return func(node ast.Node) (err error) { *target, err = yamlText(node, what); return err }
}

func textsInto(target *[]string, what string) func(ast.Node) error {
	return func(node ast.Node) (err error) { *target, err = yamlTexts(node, what); return err }
}

func intInto(target *int, what string) func(ast.Node) error {
	return func(node ast.Node) (err error) { *target, err = yamlInt(node, what); return err }
}

func boolInto(target *bool, what string) func(ast.Node) error {
	return func(node ast.Node) (err error) { *target, err = yamlBool(node, what); return err }
}
