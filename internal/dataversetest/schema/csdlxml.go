package schema

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxCSDL bounds a $metadata document; real ones have 2 to 12 MB.
const maxCSDL = 128 << 20

// csdl is what a $metadata document says, before it means tables.
type csdl struct {
	types    map[string]*csdlType
	order    []string
	sets     map[string]string          // entity type -> set
	messages map[string]map[string]bool // entity type -> bulk actions bound to its collection
	bulk     bool                       // whether the document knows bulk actions at all
}

type csdlType struct {
	name, base string
	abstract   bool
	open       bool
	label      string
	key        []string
	properties []*csdlProperty
	navigation []*csdlNavigation
	keys       [][]string
}

type csdlProperty struct {
	name, kind     string
	computed       bool
	read, write    bool // Permissions, when given
	hasPermissions bool
}

type csdlNavigation struct {
	name, kind, partner  string
	collection           bool
	property, referenced string // of the referential constraint, if there is one
}

type csdlReader struct {
	xml   *xml.Decoder
	doc   *csdl
	alias map[string]bool // prefixes of this schema's own names
}

// readCSDL reads the document as a stream; its names are those of the document.
func readCSDL(r io.Reader) (*csdl, error) {
	limited := &io.LimitedReader{R: r, N: maxCSDL}
	decoder := xml.NewDecoder(limited)
	decoder.Entity = nil
	reader := &csdlReader{xml: decoder, doc: &csdl{
		types: map[string]*csdlType{}, sets: map[string]string{}, messages: map[string]map[string]bool{},
	}, alias: map[string]bool{}}
	err := reader.document()
	if err == nil && limited.N <= 0 {
		err = fmt.Errorf("larger than %d bytes", maxCSDL)
	}
	if err == nil && len(reader.doc.types) == 0 {
		err = errors.New("no entity types: not a $metadata document")
	}
	if err != nil {
		line, _ := decoder.InputPos()
		return nil, fmt.Errorf("read $metadata: line %d: %w", line, err)
	}
	return reader.doc, nil
}

// document finds the schemas, however deep the envelope.
func (r *csdlReader) document() error {
	for {
		token, err := r.xml.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Schema" {
			continue
		}
		r.alias[attribute(start, "Namespace")] = true
		r.alias[attribute(start, "Alias")] = true
		if err := r.children(r.schemaChild); err != nil {
			return err
		}
	}
}

// children hands each child element to read, which must consume it, until the element that is open ends.
func (r *csdlReader) children(read func(xml.StartElement) error) error {
	for {
		token, err := r.xml.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := read(t); err != nil {
				return err
			}
		}
	}
}

func (r *csdlReader) schemaChild(start xml.StartElement) error {
	switch start.Name.Local {
	case "EntityType":
		return r.entityType(start)
	case "Action":
		return r.action(start)
	case "EntityContainer":
		return r.children(func(start xml.StartElement) error {
			if start.Name.Local == "EntitySet" {
				r.doc.sets[r.local(attribute(start, "EntityType"))] = attribute(start, "Name")
			}
			return r.xml.Skip()
		})
	}
	return r.xml.Skip()
}

func (r *csdlReader) entityType(start xml.StartElement) error {
	t := &csdlType{
		name: attribute(start, "Name"), base: r.local(attribute(start, "BaseType")),
		abstract: attribute(start, "Abstract") == "true", open: attribute(start, "OpenType") == "true",
	}
	if t.name == "" {
		return errors.New("an entity type without a name")
	}
	if r.doc.types[t.name] == nil {
		r.doc.order = append(r.doc.order, t.name)
	}
	r.doc.types[t.name] = t
	return r.children(func(start xml.StartElement) error { return r.typeChild(t, start) })
}

func (r *csdlReader) typeChild(t *csdlType, start xml.StartElement) error {
	switch start.Name.Local {
	case "Key":
		return r.children(func(start xml.StartElement) error {
			t.key = append(t.key, attribute(start, "Name"))
			return r.xml.Skip()
		})
	case "Property":
		p := &csdlProperty{name: attribute(start, "Name"), kind: attribute(start, "Type")}
		if p.name == "" {
			return errors.New("a property without a name")
		}
		t.properties = append(t.properties, p)
		return r.children(func(start xml.StartElement) error { return r.propertyAnnotation(p, start) })
	case "NavigationProperty":
		n := &csdlNavigation{name: attribute(start, "Name"), partner: attribute(start, "Partner")}
		n.kind, n.collection = r.collectionOf(attribute(start, "Type"))
		t.navigation = append(t.navigation, n)
		return r.children(func(start xml.StartElement) error {
			if start.Name.Local == "ReferentialConstraint" {
				n.property, n.referenced = attribute(start, "Property"), attribute(start, "ReferencedProperty")
			}
			return r.xml.Skip()
		})
	case "Annotation":
		switch last(attribute(start, "Term")) {
		case "AlternateKeys":
			return r.alternateKeys(t)
		case "Description":
			t.label = attribute(start, "String")
		}
	}
	return r.xml.Skip()
}

func (r *csdlReader) propertyAnnotation(p *csdlProperty, start xml.StartElement) error {
	if start.Name.Local != "Annotation" {
		return r.xml.Skip()
	}
	switch last(attribute(start, "Term")) {
	case "Computed":
		p.computed = attribute(start, "Bool") != "false"
	case "Permissions":
		p.hasPermissions = true
		return r.permissions(p)
	}
	return r.xml.Skip()
}

// permissions reads `<EnumMember>...PermissionType/Read</EnumMember>`, several separated by blanks.
func (r *csdlReader) permissions(p *csdlProperty) error {
	return r.children(func(start xml.StartElement) error {
		var text string
		if err := r.xml.DecodeElement(&text, &start); err != nil {
			return err
		}
		for _, member := range strings.Fields(text) {
			p.read = p.read || strings.HasSuffix(member, "/Read") || strings.HasSuffix(member, "/ReadWrite")
			p.write = p.write || strings.HasSuffix(member, "/Write") || strings.HasSuffix(member, "/ReadWrite")
		}
		return nil
	})
}

// alternateKeys reads the annotation OData.Community.Keys.V1.AlternateKeys: a collection of records, one for each key,
// each holding a collection of records with the property under Name.
func (r *csdlReader) alternateKeys(t *csdlType) error {
	return r.children(func(start xml.StartElement) error { // Collection
		return r.children(func(start xml.StartElement) error { // Record: one key
			var columns []string
			err := r.descend(func(start xml.StartElement) {
				if start.Name.Local == "PropertyValue" && attribute(start, "Property") == "Name" {
					columns = append(columns, attribute(start, "PropertyPath")+attribute(start, "String"))
				}
			})
			if len(columns) > 0 {
				t.keys = append(t.keys, columns)
			}
			return err
		})
	})
}

// descend visits every element below the one that is open.
func (r *csdlReader) descend(visit func(xml.StartElement)) error {
	for depth := 1; depth > 0; {
		token, err := r.xml.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			visit(t)
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// action notes the bulk actions, which are bound to a collection of the type's rows.
func (r *csdlReader) action(start xml.StartElement) error {
	name := attribute(start, "Name")
	bulk := attribute(start, "IsBound") == "true" && bulkMessages(Elastic)[name]
	first := true
	return r.children(func(start xml.StartElement) error {
		if start.Name.Local == "Parameter" && first {
			first = false
			if kind, collection := r.collectionOf(attribute(start, "Type")); bulk && collection {
				r.doc.bulk = true
				if r.doc.messages[kind] == nil {
					r.doc.messages[kind] = map[string]bool{}
				}
				r.doc.messages[kind][name] = true
			}
		}
		return r.xml.Skip()
	})
}

func (r *csdlReader) collectionOf(kind string) (string, bool) {
	if inner, ok := strings.CutPrefix(kind, "Collection("); ok {
		return r.local(strings.TrimSuffix(inner, ")")), true
	}
	return r.local(kind), false
}

// local strips this schema's namespace or alias from a type's name.
func (r *csdlReader) local(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 && r.alias[name[:i]] {
		return name[i+1:]
	}
	return name
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func last(term string) string { return term[strings.LastIndexByte(term, '.')+1:] }
