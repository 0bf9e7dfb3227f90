package metadata

import (
	"errors"
	"net/http"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
)

// Change is a POST, PUT or DELETE on the metadata.
type Change struct {
	Method string
	Path   []odata.Segment // below the root
	Body   []byte
}

// Changed is the outcome of a change.
type Changed struct {
	Organization *schema.Organization // a changed copy; the old one is as it was
	Entity       string               // what OData-EntityId names below the root; empty after DELETE
	Tables       []string             // the logical names of the tables that were added, changed or dropped
	Key          string               // the logical name of a new key, whose index is still to be built (SetKeyStatus)
}

// Apply answers POST, PUT and DELETE of EntityDefinitions, their Attributes and Keys, RelationshipDefinitions and
// GlobalOptionSetDefinitions, and the action CreateEntities. Refusals are *odata.Error.
func Apply(org *schema.Organization, c Change) (*Changed, error) {
	e := &editor{org: org.Clone(), change: c}
	var err error
	switch c.Method {
	case http.MethodPost:
		err = e.create()
	case http.MethodPut:
		err = e.update()
	case http.MethodDelete:
		err = e.drop()
	default:
		err = e.notHere()
	}
	if err != nil {
		return nil, refusal(err)
	}
	e.org.Reindex()
	e.done.Organization = e.org
	return &e.done, nil
}

// CreateEntities is the name of the action that makes several tables.
const CreateEntities = "CreateEntities"

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
	case errors.Is(err, schema.ErrUsed):
		return &odata.Error{Status: 400, Code: "0x8004f01f", Message: err.Error()}
	}
	return &odata.Error{Status: 400, Code: "0x80040203", Message: err.Error()}
}

// place is what a path names: "EntityDefinitions", "EntityDefinitions(…)", "EntityDefinitions(…)/Attributes(…)" and so
// on, keys as dots.
func (e *editor) place() string {
	var parts []string
	for _, s := range e.change.Path {
		switch {
		case odata.IsCast(s.Name): // the type of what is changed is in the body, too
		case s.Keyed:
			parts = append(parts, s.Name+"(…)")
		default:
			parts = append(parts, s.Name)
		}
	}
	return strings.Join(parts, "/")
}

func (e *editor) create() error {
	switch e.place() {
	case CreateEntities:
		tables, err := e.org.CreateTables(e.change.Body)
		for _, t := range tables {
			e.done.Tables = append(e.done.Tables, t.LogicalName)
		}
		return err
	case "EntityDefinitions":
		table, err := e.org.CreateTable(e.change.Body)
		if err != nil {
			return err
		}
		e.org.Reindex() // gives ids
		e.done.Tables = []string{table.LogicalName}
		e.done.Entity = "EntityDefinitions(" + table.MetadataID + ")"
		return nil
	case "RelationshipDefinitions":
		id, err := e.org.CreateRelationship(e.change.Body)
		e.done.Entity = "RelationshipDefinitions(" + id + ")"
		return err
	case "GlobalOptionSetDefinitions":
		set, err := e.org.CreateChoice(e.change.Body)
		if err == nil {
			e.done.Entity = "GlobalOptionSetDefinitions(" + schema.ChoiceID(set.Name) + ")"
		}
		return err
	case "EntityDefinitions(…)/Attributes", "EntityDefinitions(…)/Keys":
		table, err := e.table(e.change.Path[0])
		if err != nil {
			return err
		}
		return e.createPart(table, e.change.Path[1].Name)
	}
	return e.notHere()
}

func (e *editor) createPart(table *schema.Table, part string) error {
	e.done.Tables = []string{table.LogicalName}
	entity := "EntityDefinitions(" + table.MetadataID + ")/" + part
	if part == "Keys" {
		key, err := e.org.CreateKey(table, e.change.Body)
		if err != nil {
			return err
		}
		e.org.Reindex()
		e.done.Entity, e.done.Key = entity+"("+key.MetadataID+")", key.LogicalName
		return nil
	}
	column, err := e.org.CreateColumn(table, e.change.Body)
	if err != nil {
		return err
	}
	e.org.Reindex()
	e.done.Entity = entity + "(" + column.MetadataID + ")"
	return nil
}

func (e *editor) update() error {
	path := e.change.Path
	switch e.place() {
	case "EntityDefinitions(…)":
		table, err := e.table(path[0])
		if err != nil {
			return err
		}
		e.done.Tables = []string{table.LogicalName}
		return e.org.UpdateTable(table, e.change.Body)
	case "EntityDefinitions(…)/Attributes(…)":
		table, err := e.table(path[0])
		if err != nil {
			return err
		}
		column, err := e.column(table, path[1])
		if err != nil {
			return err
		}
		e.done.Tables = []string{table.LogicalName}
		return e.org.UpdateColumn(table, column, e.change.Body)
	case "RelationshipDefinitions(…)":
		n, err := e.find(e.catalog().relationships(), "RelationshipMetadataBase", path[0])
		if err != nil {
			return err
		}
		return e.org.UpdateRelationship(n.ident, e.change.Body)
	case "GlobalOptionSetDefinitions(…)":
		set, err := e.choice(path[0])
		if err != nil {
			return err
		}
		return e.org.UpdateChoice(set, e.change.Body)
	}
	return e.notHere()
}

func (e *editor) drop() error {
	path := e.change.Path
	switch e.place() {
	case "EntityDefinitions(…)":
		table, err := e.table(path[0])
		if err != nil {
			return err
		}
		if !custom(table) {
			return &odata.Error{Status: 400, Code: "0x80040203", Message: "The entity " + table.LogicalName + " is not custom and cannot be deleted."}
		}
		e.done.Tables = []string{table.LogicalName}
		e.org.DropTable(table)
		return nil
	case "RelationshipDefinitions(…)":
		n, err := e.find(e.catalog().relationships(), "RelationshipMetadataBase", path[0])
		if err != nil {
			return err
		}
		return e.org.DropRelationship(n.ident)
	case "GlobalOptionSetDefinitions(…)":
		set, err := e.choice(path[0])
		if err != nil {
			return err
		}
		return e.org.DropChoice(set)
	case "EntityDefinitions(…)/Attributes(…)", "EntityDefinitions(…)/Keys(…)":
		table, err := e.table(path[0])
		if err != nil {
			return err
		}
		return e.dropPart(table, path[1])
	}
	return e.notHere()
}

func (e *editor) dropPart(table *schema.Table, part odata.Segment) error {
	e.done.Tables = []string{table.LogicalName}
	if part.Name == "Attributes" {
		column, err := e.column(table, part)
		if err != nil {
			return err
		}
		if !customColumn(column) || column.IsPrimaryID || column.IsPrimaryName {
			return &odata.Error{Status: 400, Code: "0x80040203", Message: "The attribute " + column.LogicalName + " cannot be deleted."}
		}
		e.org.DropColumn(table, column)
		return nil
	}
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

func (e *editor) column(table *schema.Table, segment odata.Segment) (*schema.Column, error) {
	n, err := e.find(e.catalog().attributes(table), "AttributeMetadata", segment)
	if err != nil {
		return nil, err
	}
	return table.Column(n.keys[0].value.(string)), nil
}

func (e *editor) choice(segment odata.Segment) (*schema.OptionSet, error) {
	n, err := e.find(e.catalog().globalChoices(), "OptionSetMetadataBase", segment)
	if err != nil {
		return nil, err
	}
	return e.org.GlobalChoices[n.keys[0].value.(string)], nil
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
