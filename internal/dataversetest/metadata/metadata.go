// Package metadata answers what an emulated organisation looks like: $metadata, the service document, EntityDefinitions
// with all that hangs below it, relationship and global choice definitions.
package metadata

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
)

// Request is a GET on the metadata. The organisation must not change while it is answered.
type Request struct {
	Root  string          // the service root with its slash: https://host/api/data/v9.2/
	Path  []odata.Segment // below the root: EntityDefinitions(LogicalName='x'), Attributes …
	Query *odata.Query
}

// Serves says whether a path below the service root is one for Get, by the name of its first segment.
func Serves(name string) bool {
	switch name {
	case "EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions", "ManagedPropertyDefinitions":
		return true
	}
	return false
}

// Get answers a request with a JSON document. Refusals are *odata.Error.
func Get(org *schema.Organization, r Request) ([]byte, error) {
	if r.Query == nil {
		r.Query = &odata.Query{}
	}
	if len(r.Path) == 0 || !Serves(r.Path[0].Name) {
		return nil, notFound("Resource not found for the segment '%s'.", segmentName(r.Path))
	}
	c := &catalog{org: org}
	found, err := c.walk(r)
	if err != nil {
		return nil, err
	}
	return found.answer(r)
}

func segmentName(path []odata.Segment) string {
	if len(path) == 0 {
		return ""
	}
	return path[0].Name
}

// catalog turns the schema into the objects of the metadata types.
type catalog struct {
	org *schema.Organization
}

// result is where a path leads: a set of nodes, one node, or a value.
type result struct {
	context string // what follows $metadata# in the answer
	kind    string // the declared type
	nodes   []*node
	single  bool
	value   any // of a property; nodes are nil then
	isValue bool
}

// walk follows the path from set to key to navigation property.
func (c *catalog) walk(r Request) (*result, error) {
	at := c.set(r.Path[0].Name)
	if err := at.pick(r.Path[0]); err != nil {
		return nil, err
	}
	for _, segment := range r.Path[1:] {
		next, err := at.step(segment)
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// set is one of the sets at the root.
func (c *catalog) set(name string) *result {
	at := &result{context: name}
	switch name {
	case "EntityDefinitions":
		at.kind = "EntityMetadata"
		for _, table := range c.org.Names() {
			at.nodes = append(at.nodes, c.entity(c.org.Tables[table]))
		}
	case "RelationshipDefinitions":
		at.kind = "RelationshipMetadataBase"
		at.nodes = c.relationships()
	case "GlobalOptionSetDefinitions":
		at.kind = "OptionSetMetadataBase"
		at.nodes = c.globalChoices()
	case "ManagedPropertyDefinitions":
		at.kind = "ManagedPropertyMetadata"
	}
	return at
}

// pick applies the key of a segment, if it has one.
func (at *result) pick(segment odata.Segment) error {
	if !segment.Keyed {
		return nil
	}
	for _, n := range at.nodes {
		if n.has(segment.Args) {
			at.nodes, at.single = []*node{n}, true
			at.context += "/$entity"
			return nil
		}
	}
	return at.missing(segment)
}

// missing says in the service's words that no table, column or choice has that key.
func (at *result) missing(segment odata.Segment) error {
	var value string
	for _, arg := range segment.Args {
		if literal, ok := arg.Value.(odata.Literal); ok {
			value = literal.String()
		}
	}
	switch at.kind {
	case "EntityMetadata":
		return &odata.Error{Status: 404, Code: "0x80040217", Message: fmt.Sprintf(
			"The entity with a name = '%s' with namemapping = 'Logical' was not found in the MetadataCache.", value)}
	case "OptionSetMetadataBase":
		return &odata.Error{Status: 404, Code: "0x80040217", Message: fmt.Sprintf("Could not find optionset with name: %s", value)}
	}
	if strings.HasSuffix(at.kind, "AttributeMetadata") {
		return &odata.Error{Status: 404, Code: "0x80040217", Message: fmt.Sprintf(
			"Could not find an attribute with specified name: %s", value)}
	}
	return &odata.Error{Status: 404, Code: "0x80040217", Message: fmt.Sprintf("Could not find %s '%s' in the MetadataCache.", at.kind, value)}
}

// step follows one more segment: a cast, a navigation property, or a property.
func (at *result) step(segment odata.Segment) (*result, error) {
	if odata.IsCast(segment.Name) {
		return at.cast(odata.Unqualified(segment.Name))
	}
	if !at.single || at.isValue {
		return nil, notFound("Resource not found for the segment '%s'.", segment.Name)
	}
	n := at.nodes[0]
	base := strings.TrimSuffix(at.context, "/$entity")
	if nav := n.navigation(segment.Name); nav != nil {
		next := &result{kind: nav.kind, nodes: nav.read(), context: fmt.Sprintf("%s('%s')/%s", base, n.ident, segment.Name)}
		if nav.single {
			next.single = true
			next.context += "/$entity"
			if len(next.nodes) == 0 {
				return nil, &odata.Error{Status: 404, Code: "0x80040217", Message: fmt.Sprintf("%s is null.", segment.Name)}
			}
			return next, nil
		}
		return next, next.pick(segment)
	}
	if value, ok := n.value(segment.Name); ok && !segment.Keyed {
		return &result{context: fmt.Sprintf("%s('%s')/%s", base, n.ident, segment.Name), value: value, isValue: true}, nil
	}
	return nil, notFound("Resource not found for the segment '%s'.", segment.Name)
}

func (at *result) cast(kind string) (*result, error) {
	if kind == "EnumAttributeMetadata" || !derives(kind, at.kind) {
		return nil, &odata.Error{Status: 400, Code: "0x0", Message: fmt.Sprintf(
			"The type 'Microsoft.Dynamics.CRM.%s' specified in the URI is neither a base type nor a sub-type of the previously-specified type 'Microsoft.Dynamics.CRM.%s'.", kind, at.kind)}
	}
	next := &result{kind: kind, single: at.single, context: at.context + "/" + odata.Namespace + kind}
	for _, n := range at.nodes {
		if n.kind == kind {
			next.nodes = append(next.nodes, n)
		}
	}
	if at.single && len(next.nodes) == 0 {
		return nil, notFound("Resource not found for the segment '%s'.", odata.Namespace+kind)
	}
	return next, nil
}

// derives says whether one metadata type is, or comes from, another.
func derives(kind, base string) bool {
	switch {
	case kind == base:
		return true
	case base == "AttributeMetadata":
		return attributeKinds[kind]
	case base == "RelationshipMetadataBase":
		return kind == "OneToManyRelationshipMetadata" || kind == "ManyToManyRelationshipMetadata"
	case base == "OptionSetMetadataBase":
		return kind == "OptionSetMetadata" || kind == "BooleanOptionSetMetadata"
	}
	return false
}

// answer applies the query options and writes the document.
func (at *result) answer(r Request) ([]byte, error) {
	q := r.Query
	switch {
	case q.Top != nil:
		return nil, unsupportedOption("$top")
	case len(q.OrderBy) > 0:
		return nil, unsupportedOption("$orderby")
	case q.Apply != "":
		return nil, unsupportedOption("$apply")
	}
	context := field{"@odata.context", r.Root + "$metadata#" + withSelect(at.context, q.Select)}
	if at.isValue {
		if o, ok := at.value.(object); ok {
			return json.Marshal(append(object{context}, o...))
		}
		return json.Marshal(object{context, {"value", at.value}})
	}
	nodes := at.nodes
	if q.Filter != nil {
		if at.single {
			return nil, unsupportedOption("$filter")
		}
		var err error
		if nodes, err = filter(nodes, at.kind, q.Filter); err != nil {
			return nil, err
		}
	}
	rows := make([]object, 0, len(nodes))
	for _, n := range nodes {
		row, err := n.render(at.kind, q)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	if at.single {
		return json.Marshal(append(object{context}, rows[0]...))
	}
	if len(nodes) == 0 { // a wrong name is refused even when nothing is found
		if err := checkSelect(prototype(at.kind), at.kind, q); err != nil {
			return nil, err
		}
	}
	document := object{context}
	if q.Count {
		document = append(document, field{"@odata.count", len(rows)})
	}
	return json.Marshal(append(document, field{"value", rows}))
}

func withSelect(context string, names []string) string {
	if len(names) == 0 {
		return context
	}
	list := "(" + strings.Join(names, ",") + ")"
	if base, ok := strings.CutSuffix(context, "/$entity"); ok {
		return base + list + "/$entity"
	}
	return context + list
}

// ServiceDocument lists the sets; root is the service root with its slash.
func ServiceDocument(org *schema.Organization, root string) ([]byte, error) {
	names := []string{"EntityDefinitions", "GlobalOptionSetDefinitions", "ManagedPropertyDefinitions", "RelationshipDefinitions"}
	for name := range org.Sets {
		names = append(names, name)
	}
	slices.Sort(names)
	sets := make([]object, 0, len(names))
	for _, name := range names {
		sets = append(sets, object{{"name", name}, {"kind", "EntitySet"}, {"url", url.PathEscape(name)}})
	}
	return json.Marshal(object{{"@odata.context", root + "$metadata"}, {"value", sets}})
}

func notFound(format string, args ...any) error {
	return &odata.Error{Status: 404, Code: "0x8006088a", Message: fmt.Sprintf(format, args...)}
}

func unsupportedOption(name string) error {
	return &odata.Error{Status: 400, Code: odata.CodeSyntax, Message: fmt.Sprintf("The query parameter %s is not supported", name)}
}
