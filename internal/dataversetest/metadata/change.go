package metadata

import (
	"errors"
	"net/http"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
)

// Change is a POST or DELETE on the metadata.
type Change struct {
	Method string
	Path   []odata.Segment // below the root
	Body   []byte
}

// Changed is the outcome of a change.
type Changed struct {
	Organization *schema.Organization // a changed copy; the old one is as it was
	Entity       string               // what OData-EntityId names below the root; empty after DELETE
	Table        string               // the logical name of the table that was added, changed or dropped; empty for relationships
	Key          string               // the logical name of a new key, whose index is still to be built (SetKeyStatus)
}

// Apply answers POST EntityDefinitions, its Attributes and Keys, and RelationshipDefinitions, and DELETE of one of each,
// with 204. Refusals are *odata.Error.
func Apply(org *schema.Organization, c Change) (*Changed, error) {
	e := &editor{org: org.Clone(), change: c}
	var err error
	switch c.Method {
	case http.MethodPost:
		err = e.create()
	case http.MethodDelete:
		err = e.drop()
	default:
		err = &odata.Error{Status: 501, Code: "0x80040219", Message: "The Dataverse emulator does not support " + c.Method + " on metadata."}
	}
	if err != nil {
		return nil, refusal(err)
	}
	e.org.Reindex()
	e.done.Organization = e.org
	return &e.done, nil
}

type editor struct {
	org    *schema.Organization
	change Change
	done   Changed
}

// refusal gives an error of the schema the code of the service.
func refusal(err error) error {
	var already *odata.Error
	switch {
	case errors.As(err, &already):
		return err
	case errors.Is(err, schema.ErrExists):
		return &odata.Error{Status: 400, Code: "0x80047013", Message: err.Error()}
	case errors.Is(err, schema.ErrMissing):
		return &odata.Error{Status: 404, Code: "0x80040217", Message: err.Error()}
	}
	return &odata.Error{Status: 400, Code: "0x80040203", Message: err.Error()}
}

func (e *editor) create() error {
	path := e.change.Path
	switch {
	case len(path) == 1 && path[0].Name == "EntityDefinitions" && !path[0].Keyed:
		table, err := e.org.CreateTable(e.change.Body)
		if err != nil {
			return err
		}
		e.done.Table = table.LogicalName
		e.org.Reindex() // gives ids
		e.done.Entity = "EntityDefinitions(" + table.MetadataID + ")"
		return nil
	case len(path) == 1 && path[0].Name == "RelationshipDefinitions" && !path[0].Keyed:
		id, err := e.org.CreateRelationship(e.change.Body)
		e.done.Entity = "RelationshipDefinitions(" + id + ")"
		return err
	case len(path) == 2 && path[0].Name == "EntityDefinitions" && !path[1].Keyed:
		table, err := e.table(path[0])
		if err != nil {
			return err
		}
		return e.createPart(table, path[1].Name)
	}
	return e.notHere()
}

func (e *editor) createPart(table *schema.Table, part string) error {
	e.done.Table = table.LogicalName
	entity := "EntityDefinitions(" + table.MetadataID + ")/" + part
	switch part {
	case "Attributes":
		column, err := e.org.CreateColumn(table, e.change.Body)
		if err != nil {
			return err
		}
		e.org.Reindex()
		e.done.Entity = entity + "(" + column.MetadataID + ")"
		return nil
	case "Keys":
		key, err := e.org.CreateKey(table, e.change.Body)
		if err != nil {
			return err
		}
		e.org.Reindex()
		e.done.Entity, e.done.Key = entity+"("+key.MetadataID+")", key.LogicalName
		return nil
	}
	return e.notHere()
}

func (e *editor) drop() error {
	path := e.change.Path
	switch {
	case len(path) == 1 && path[0].Name == "EntityDefinitions" && path[0].Keyed:
		table, err := e.table(path[0])
		if err != nil {
			return err
		}
		if !custom(table) {
			return &odata.Error{Status: 400, Code: "0x80040203", Message: "The entity " + table.LogicalName + " is not custom and cannot be deleted."}
		}
		e.done.Table = table.LogicalName
		e.org.DropTable(table)
		return nil
	case len(path) == 1 && path[0].Name == "RelationshipDefinitions" && path[0].Keyed:
		n, err := e.find(e.catalog().relationships(), "RelationshipMetadataBase", path[0])
		if err != nil {
			return err
		}
		return e.org.DropRelationship(n.ident)
	case len(path) == 2 && path[0].Name == "EntityDefinitions" && path[1].Keyed:
		table, err := e.table(path[0])
		if err != nil {
			return err
		}
		return e.dropPart(table, path[1])
	}
	return e.notHere()
}

func (e *editor) dropPart(table *schema.Table, part odata.Segment) error {
	e.done.Table = table.LogicalName
	switch part.Name {
	case "Attributes":
		n, err := e.find(e.catalog().attributes(table), "AttributeMetadata", part)
		if err != nil {
			return err
		}
		column := table.Column(n.keys[0].value.(string))
		if !customColumn(column) || column.IsPrimaryID || column.IsPrimaryName {
			return &odata.Error{Status: 400, Code: "0x80040203", Message: "The attribute " + column.LogicalName + " cannot be deleted."}
		}
		e.org.DropColumn(table, column)
		return nil
	case "Keys":
		n, err := e.find(e.catalog().keys(table), "EntityKeyMetadata", part)
		if err != nil {
			return err
		}
		for _, key := range table.Keys {
			if key.MetadataID == n.ident {
				e.org.DropKey(table, key)
				return nil
			}
		}
	}
	return e.notHere()
}

func (e *editor) catalog() *catalog { return &catalog{org: e.org} }

// table finds the table that a keyed segment names.
func (e *editor) table(segment odata.Segment) (*schema.Table, error) {
	n, err := e.find(e.catalog().set("EntityDefinitions").nodes, "EntityMetadata", segment)
	if err != nil {
		return nil, err
	}
	return e.org.Tables[n.keys[0].value.(string)], nil
}

func (e *editor) find(nodes []*node, kind string, segment odata.Segment) (*node, error) {
	at := &result{kind: kind, nodes: nodes}
	if !segment.Keyed {
		return nil, e.notHere()
	}
	if err := at.pick(segment); err != nil {
		return nil, err
	}
	return at.nodes[0], nil
}

func (e *editor) notHere() error {
	return &odata.Error{Status: 405, Code: "0x0", Message: "The requested resource does not support http method '" + e.change.Method + "'."}
}
