package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"penstock/internal/dataversetest/odata"
)

// object is a JSON object whose members keep their order: readers of OData expect annotations first.
type object []field

type field struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", f.name, err)
		}
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (o object) get(name string) (any, bool) {
	for _, f := range o {
		if f.name == name {
			return f.value, true
		}
	}
	return nil, false
}

// enum is a value of an enumeration: it reads like text, but a filter compares it with a typed literal.
type enum struct{ kind, value string }

// MarshalJSON writes the name of the member.
func (e enum) MarshalJSON() ([]byte, error) { return json.Marshal(e.value) }

// node is one object of the metadata: a table, a column, a key, a relationship, a choice.
type node struct {
	kind   string  // its own type, which may derive from the declared one
	ident  string  // its MetadataId
	keys   []field // other properties by which it can be addressed, with their values
	fields func() object
	navs   []nav

	built object
}

// nav is a navigation property of a node.
type nav struct {
	name, kind string
	single     bool
	read       func() []*node
}

func (n *node) object() object {
	if n.built == nil {
		n.built = n.fields()
	}
	return n.built
}

func (n *node) value(name string) (any, bool) { return n.object().get(name) }

func (n *node) navigation(name string) *nav {
	for i := range n.navs {
		if n.navs[i].name == name {
			return &n.navs[i]
		}
	}
	return nil
}

// has says whether the node has this key: its MetadataId without a name, or one of its alternate keys by name.
func (n *node) has(args []odata.Argument) bool {
	if len(args) != 1 {
		return false
	}
	literal, ok := args[0].Value.(odata.Literal)
	if !ok {
		return false
	}
	if args[0].Name == "" || args[0].Name == "MetadataId" {
		return strings.EqualFold(n.ident, literal.String())
	}
	for _, key := range n.keys {
		if key.name == args[0].Name {
			return key.value == literal.String()
		}
	}
	return false
}

// render shapes the node as $select and $expand ask. Where the declared type is a base of the node's own, the node says
// what it is, and only properties of the declared type can be selected.
func (n *node) render(declared string, q *odata.Query) (object, error) {
	if err := checkSelect(n, declared, q); err != nil {
		return nil, err
	}
	var row object
	if n.kind != declared {
		row = append(row, field{"@odata.type", "#" + odata.Namespace + n.kind})
	}
	wanted := make(map[string]bool, len(q.Select))
	for _, name := range q.Select {
		wanted[name] = true
	}
	for _, e := range q.Expand {
		wanted[e.Name] = true // privileges are a property, which readers may name either way
	}
	all := len(q.Select) == 0 || wanted["*"]
	for _, f := range n.object() {
		if all || wanted[f.name] || f.name == "MetadataId" {
			row = append(row, f)
		}
	}
	for _, e := range q.Expand {
		value, err := n.expand(e)
		if err != nil {
			return nil, err
		}
		if value != nil {
			row = append(row, *value)
		}
	}
	return row, nil
}

func checkSelect(n *node, declared string, q *odata.Query) error {
	for _, name := range q.Select {
		if name == "*" {
			continue
		}
		if _, ok := n.value(name); !ok || n.kind != declared && !baseProperty(declared, name) {
			return noProperty(name, declared)
		}
	}
	for _, e := range q.Expand {
		if !expandable(n, declared, e.Name) {
			return noProperty(e.Name, declared)
		}
	}
	return nil
}

func expandable(n *node, declared, name string) bool {
	if n.kind == declared && n.navigation(name) != nil {
		return true
	}
	return n.navigation(name) != nil && declared != "AttributeMetadata" || name == "Privileges" && declared == "EntityMetadata"
}

func noProperty(name, declared string) error {
	return &odata.Error{Status: 400, Code: "0x0", Message: fmt.Sprintf(
		"Could not find a property named '%s' on type 'Microsoft.Dynamics.CRM.%s'.", name, declared)}
}

// expand reads a navigation property along.
func (n *node) expand(e odata.Expand) (*field, error) {
	to := n.navigation(e.Name)
	if to == nil {
		return nil, nil
	}
	q := e.Query
	if q == nil {
		q = &odata.Query{}
	}
	nodes := to.read()
	if q.Filter != nil {
		var err error
		if nodes, err = filter(nodes, to.kind, q.Filter); err != nil {
			return nil, err
		}
	}
	rows := make([]object, 0, len(nodes))
	for _, other := range nodes {
		row, err := other.render(to.kind, q)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	if !to.single {
		return &field{e.Name, rows}, nil
	}
	if len(rows) == 0 {
		return &field{e.Name, nil}, nil
	}
	return &field{e.Name, rows[0]}, nil
}
