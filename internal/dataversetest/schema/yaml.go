package schema

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxYAML bounds a schema that a person writes.
const maxYAML = 16 << 20

// LoadYAML reads tables in the notation that people write:
//
//	choices:                                   # global choices
//	  cr1_soil: {727000000: Sand, 727000001: Clay}
//	groups:                                    # columns that several tables share
//	  place: {cr1_City: text 80, cr1_Country: text 80}
//	tables:
//	  cr1_Parcel:                              # by schema name; the logical name is its lower case
//	    set: cr1_parcels                       # default: plural of the logical name
//	    name: cr1_Name                         # primary name column
//	    ownership: user                        # user (default), organization, none
//	    type: Standard                         # Standard (default), Elastic
//	    uses: [place]
//	    columns:                               # by schema name, in the notation of parseColumn
//	      cr1_Name: text 100 required
//	      cr1_No: int 0..1000000 "Parcel Number"
//	      cr1_Kind: {type: choice, options: {727000000: Arable, 727000001: Pasture}, default: 727000000}
//	      cr1_Soil: {type: choice, global: cr1_soil}
//	      cr1_Owner_Account: {type: lookup >account, via: cr1_account_parcel, delete: RemoveLink}
//	    states:                                # default: 0 Active: {1: Active}, 1 Inactive: {2: Inactive}
//	      0 Active: {1: Active, 727000002: Let}
//	      1 Inactive: {2: Inactive}
//	    keys: {cr1_ParcelNo: [cr1_no]}
//	many:
//	  cr1_parcel_contact: {tables: [cr1_parcel, contact]}
//
// Every table gets the columns that the service gives it (createdon, ownerid, statecode and so on). Unknown fields are
// refused, and errors name the line.
func LoadYAML(r io.Reader) (*Organization, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxYAML+1))
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	if len(data) > maxYAML {
		return nil, fmt.Errorf("read schema: larger than %d bytes", maxYAML)
	}
	root, err := yamlRoot(data)
	if err != nil {
		return nil, err
	}
	doc := &yamlDocument{
		org:    &Organization{Tables: map[string]*Table{}, GlobalChoices: map[string]*OptionSet{}},
		groups: map[string]ast.Node{},
	}
	if err := doc.read(root); err != nil {
		return nil, err
	}
	doc.org.Reindex()
	return doc.org, nil
}

type yamlDocument struct {
	org    *Organization
	groups map[string]ast.Node
}

func (d *yamlDocument) read(root ast.Node) error {
	var choices, groups, tables, many ast.Node
	err := yamlFields(root, "a schema", map[string]func(ast.Node) error{
		"choices": func(n ast.Node) error { choices = n; return nil },
		"groups":  func(n ast.Node) error { groups = n; return nil },
		"tables":  func(n ast.Node) error { tables = n; return nil },
		"many":    func(n ast.Node) error { many = n; return nil },
	})
	if err != nil {
		return err
	}
	// Tables may use what stands below them, so the order of reading is fixed.
	for _, part := range []struct {
		node ast.Node
		what string
		read func(yamlEntry) error
	}{
		{choices, "choices", d.readChoice},
		{groups, "groups", func(e yamlEntry) error { d.groups[e.name] = e.value; return nil }},
		{tables, "tables", d.readTable},
		{many, "many", d.readMany},
	} {
		entries, err := yamlMap(part.node, part.what)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := part.read(entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *yamlDocument) readChoice(e yamlEntry) error {
	options, err := readOptions(e.value)
	if err != nil {
		return err
	}
	d.org.GlobalChoices[e.name] = &OptionSet{Name: e.name, IsGlobal: true, Options: options}
	return nil
}

// yamlTable is a table while it is read.
type yamlTable struct {
	doc       *yamlDocument
	table     *Table
	node      ast.Node
	id, name  string
	ownership string
	noLife    bool // states: none
	states    ast.Node
	columns   ast.Node
	keys      ast.Node
	messages  []string
	hasMsgs   bool
	uses      []string
	names     map[string]string // of the relationships of the service's own columns
	bare      bool
}

func (d *yamlDocument) readTable(e yamlEntry) error {
	logical := strings.ToLower(e.name)
	if !validName(logical) {
		return yamlError(e.value, "%q is not a table name", e.name)
	}
	if d.org.Tables[logical] != nil {
		return yamlError(e.value, "table %s is declared twice", logical)
	}
	t := &yamlTable{doc: d, node: e.value, id: e.name + "Id", ownership: "user", names: map[string]string{}, table: &Table{
		LogicalName: logical, SchemaName: e.name, SetName: plural(logical), DisplayName: spaced(e.name), TableType: Standard,
		Concurrency: true, Messages: map[string]bool{},
	}}
	if err := t.readFields(); err != nil {
		return err
	}
	if err := t.build(); err != nil {
		return err
	}
	d.org.Tables[logical] = t.table
	return nil
}

func (t *yamlTable) readFields() error {
	keep := func(target *ast.Node) func(ast.Node) error {
		return func(n ast.Node) error { *target = n; return nil }
	}
	return yamlFields(t.node, "table "+t.table.LogicalName, map[string]func(ast.Node) error{
		"set":         textInto(&t.table.SetName, "set"),
		"display":     textInto(&t.table.DisplayName, "display"),
		"id":          textInto(&t.id, "id"),
		"name":        textInto(&t.name, "name"),
		"ownership":   textInto(&t.ownership, "ownership"),
		"type":        textInto(&t.table.TableType, "type"),
		"code":        intInto(&t.table.ObjectTypeCode, "code"),
		"activity":    boolInto(&t.table.IsActivity, "activity"),
		"intersect":   boolInto(&t.table.IsIntersect, "intersect"),
		"tracking":    boolInto(&t.table.ChangeTracking, "tracking"),
		"concurrency": boolInto(&t.table.Concurrency, "concurrency"),
		"bare":        boolInto(&t.bare, "bare"),
		"uses":        textsInto(&t.uses, "uses"),
		"columns":     keep(&t.columns),
		"states":      keep(&t.states),
		"keys":        keep(&t.keys),
		"messages":    func(n ast.Node) (err error) { t.hasMsgs = true; t.messages, err = yamlTexts(n, "messages"); return err },
		"names":       t.readNames,
	})
}

func (t *yamlTable) readNames(n ast.Node) error {
	entries, err := yamlMap(n, "names")
	for _, entry := range entries {
		if t.names[entry.name], err = yamlText(entry.value, "names"); err != nil {
			return err
		}
	}
	return err
}

// build makes the table: its id, the columns that were asked for, and those that the service adds.
func (t *yamlTable) build() error {
	table := t.table
	switch table.TableType {
	case Standard, Elastic, Virtual:
	default:
		return yamlError(t.node, "table %s: type is Standard, Elastic or Virtual", table.LogicalName)
	}
	ownership, ok := map[string]string{"user": "UserOwned", "organization": "OrganizationOwned", "none": "None"}[t.ownership]
	if !ok {
		return yamlError(t.node, "table %s: ownership is user, organization or none", table.LogicalName)
	}
	table.OwnershipType = ownership
	table.PrimaryID, table.PrimaryName = strings.ToLower(t.id), strings.ToLower(t.name)
	table.add(primaryID(t.id, table.DisplayName))
	for _, use := range t.uses {
		group, ok := t.doc.groups[use]
		if !ok {
			return yamlError(t.node, "table %s uses the group %q, which is not declared", table.LogicalName, use)
		}
		if err := t.readColumns(group); err != nil {
			return err
		}
	}
	if err := t.readColumns(t.columns); err != nil {
		return err
	}
	if table.PrimaryName != "" {
		name := table.Column(table.PrimaryName)
		if name == nil {
			return yamlError(t.node, "table %s: the name column %s is not declared", table.LogicalName, table.PrimaryName)
		}
		name.IsPrimaryName = true
	}
	if err := t.readStates(); err != nil {
		return err
	}
	if !t.bare {
		table.addStandard(t.names, t.noLife)
	}
	table.addShadows()
	if err := t.readKeys(); err != nil {
		return err
	}
	return t.setMessages()
}

func (t *yamlTable) setMessages() error {
	if !t.hasMsgs {
		t.table.Messages = bulkMessages(t.table.TableType)
		return nil
	}
	for _, message := range t.messages {
		switch message {
		case "none":
		case "CreateMultiple", "UpdateMultiple", "UpsertMultiple", "DeleteMultiple":
			t.table.Messages[message] = true
		default:
			return yamlError(t.node, "table %s: %q is not a bulk message", t.table.LogicalName, message)
		}
	}
	return nil
}

// bulkMessages are those of a custom table.
func bulkMessages(tableType string) map[string]bool {
	switch tableType {
	case Elastic:
		return map[string]bool{"CreateMultiple": true, "UpdateMultiple": true, "UpsertMultiple": true, "DeleteMultiple": true}
	case Virtual:
		return map[string]bool{}
	}
	return map[string]bool{"CreateMultiple": true, "UpdateMultiple": true, "UpsertMultiple": true}
}

func (t *yamlTable) readColumns(node ast.Node) error {
	entries, err := yamlMap(node, "columns of "+t.table.LogicalName)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := t.readColumn(entry); err != nil {
			return err
		}
	}
	return nil
}

// yamlColumn is what the long form of a column may say.
type yamlColumn struct {
	spec, display, global, navigation, collection, delete string
	options                                               ast.Node
	defaultValue                                          ast.Node
	via                                                   map[string]string // by target; "" for every target
}

func (t *yamlTable) readColumn(e yamlEntry) error {
	var long yamlColumn
	if _, ok := e.value.(ast.ScalarNode); ok {
		spec, err := yamlText(e.value, "column "+e.name)
		if err != nil {
			return err
		}
		long.spec = spec
	} else if err := long.read(e); err != nil {
		return err
	}
	if !validName(strings.ToLower(e.name)) {
		return yamlError(e.value, "%q is not a column name", e.name)
	}
	column, err := parseColumn(e.name, long.spec)
	if err != nil {
		return yamlError(e.value, "%v", err)
	}
	if long.display != "" {
		column.DisplayName = long.display
	}
	if err := long.setOptions(column, t.doc.org.GlobalChoices); err != nil {
		return yamlError(e.value, "%v", err)
	}
	t.table.replace(column)
	for _, target := range column.Targets {
		if column.IsLookup() {
			t.table.Outgoing = append(t.table.Outgoing, long.relationship(t.table, column, target))
		}
		if column.Type == TypeOwner {
			break // users and teams are reached through one relationship to owner
		}
	}
	return nil
}

func (c *yamlColumn) read(e yamlEntry) error {
	keep := func(target *ast.Node) func(ast.Node) error {
		return func(n ast.Node) error { *target = n; return nil }
	}
	return yamlFields(e.value, "column "+e.name, map[string]func(ast.Node) error{
		"type":       textInto(&c.spec, "type"),
		"display":    textInto(&c.display, "display"),
		"global":     textInto(&c.global, "global"),
		"navigation": textInto(&c.navigation, "navigation"),
		"collection": textInto(&c.collection, "collection"),
		"delete":     textInto(&c.delete, "delete"),
		"options":    keep(&c.options),
		"default":    keep(&c.defaultValue),
		"via":        c.readVia,
	})
}

func (c *yamlColumn) readVia(n ast.Node) error {
	c.via = map[string]string{}
	if _, ok := n.(ast.ScalarNode); ok {
		name, err := yamlText(n, "via")
		c.via[""] = name
		return err
	}
	entries, err := yamlMap(n, "via")
	for _, entry := range entries {
		if c.via[entry.name], err = yamlText(entry.value, "via"); err != nil {
			return err
		}
	}
	return err
}

func (c *yamlColumn) setOptions(column *Column, global map[string]*OptionSet) error {
	choice := column.Type == TypePicklist || column.Type == TypeMultiSelect
	switch {
	case c.global != "":
		if column.Options = global[c.global]; column.Options == nil {
			return fmt.Errorf("column %s: the global choice %q is not declared", column.SchemaName, c.global)
		}
	case c.options != nil:
		options, err := readOptions(c.options)
		if err != nil {
			return err
		}
		if column.Type == TypeBoolean && (len(options) != 2 || options[0].Value != 0 || options[1].Value != 1) {
			return fmt.Errorf("column %s: a bool has the options 0 and 1", column.SchemaName)
		}
		column.Options = &OptionSet{Options: options}
	case choice:
		return fmt.Errorf("column %s: a choice needs options or global", column.SchemaName)
	}
	if column.Options != nil && !choice && column.Type != TypeBoolean {
		return fmt.Errorf("column %s: only choices and bools have options", column.SchemaName)
	}
	if c.defaultValue == nil {
		return nil
	}
	text, err := yamlText(c.defaultValue, "default")
	if err != nil {
		return err
	}
	if column.Default, err = column.parseDefault(text); err != nil {
		return fmt.Errorf("column %s: %q is not a default", column.SchemaName, text)
	}
	return nil
}

// relationship names the lookup from column to one target as the service would, unless the file says otherwise.
func (c *yamlColumn) relationship(table *Table, column *Column, target string) *Relationship {
	name := c.via[target]
	if name == "" && len(column.Targets) == 1 {
		name = c.via[""]
	}
	if name == "" {
		name = table.LogicalName + "_" + column.LogicalName + "_" + target
	}
	r := &Relationship{
		SchemaName: name, Referencing: table.LogicalName, Column: column.LogicalName, Referenced: target,
		ReferencedColumn: target + "id", Navigation: navigationName(table, column, target), Collection: name, Delete: "RemoveLink",
	}
	if column.Type == TypeOwner {
		r.Referenced, r.ReferencedColumn = "owner", "ownerid"
	}
	if c.navigation != "" {
		r.Navigation = strings.ReplaceAll(c.navigation, "{target}", target)
	}
	if c.collection != "" {
		r.Collection = c.collection
	}
	if c.delete != "" {
		r.Delete = c.delete
	}
	return r
}

// navigationName follows the service: system lookups in lower case, custom ones as their schema name has it; several
// targets tell themselves apart by name; and an activity adds its own name to what it has from activitypointer.
func navigationName(table *Table, column *Column, target string) string {
	name := column.LogicalName
	if strings.Contains(column.SchemaName, "_") {
		name = column.SchemaName
	}
	if len(column.Targets) > 1 && column.Type != TypeOwner {
		name += "_" + target
	}
	if table.IsActivity && table.LogicalName != "activitypointer" && activityColumns[column.LogicalName] {
		name += "_" + table.LogicalName
	}
	return name
}

func readOptions(node ast.Node) ([]Option, error) {
	entries, err := yamlMap(node, "options")
	if err != nil {
		return nil, err
	}
	options := make([]Option, 0, len(entries))
	for _, entry := range entries {
		value, err := strconv.ParseInt(entry.name, 10, 32)
		if err != nil {
			return nil, yamlError(entry.value, "the option %q is not a whole number", entry.name)
		}
		label, err := yamlText(entry.value, "option "+entry.name)
		if err != nil {
			return nil, err
		}
		options = append(options, Option{Value: int(value), Label: label})
	}
	return options, nil
}

func (t *yamlTable) readStates() error {
	if t.states == nil {
		t.table.states = defaultStates()
		return nil
	}
	if text, err := yamlText(t.states, "states"); err == nil {
		if text != "none" {
			return yamlError(t.states, "states is a mapping, or none")
		}
		t.noLife = true
		return nil
	}
	entries, err := yamlMap(t.states, "states")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := t.readState(entry); err != nil {
			return err
		}
	}
	return nil
}

// readState reads `0 Active: {1: Active}`: the first status of a state is its default.
func (t *yamlTable) readState(e yamlEntry) error {
	number, label, _ := strings.Cut(e.name, " ")
	value, err := strconv.Atoi(number)
	if err != nil || label == "" {
		return yamlError(e.value, "a state is written as number and label, such as `0 Active`")
	}
	statuses, err := readOptions(e.value)
	if err != nil {
		return err
	}
	if len(statuses) == 0 {
		return yamlError(e.value, "state %d has no status", value)
	}
	for i := range statuses {
		statuses[i].State = value
	}
	t.table.states = append(t.table.states, state{Option{Value: value, Label: label, DefaultStatus: statuses[0].Value}, statuses})
	return nil
}

func (t *yamlTable) readKeys() error {
	entries, err := yamlMap(t.keys, "keys")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		columns, err := yamlTexts(entry.value, "key "+entry.name)
		if err != nil {
			return err
		}
		var display []string
		for i, name := range columns {
			columns[i] = strings.ToLower(name)
			column := t.table.Column(columns[i])
			if column == nil {
				return yamlError(entry.value, "key %s: table %s has no column %s", entry.name, t.table.LogicalName, name)
			}
			display = append(display, column.DisplayName)
		}
		if len(columns) == 0 || len(columns) > 16 {
			return yamlError(entry.value, "key %s: a key has 1 to 16 columns", entry.name)
		}
		t.table.Keys = append(t.table.Keys, &Key{
			LogicalName: strings.ToLower(entry.name), SchemaName: entry.name, DisplayName: strings.Join(display, ", "),
			Columns: columns, Status: "Active",
		})
	}
	return nil
}

func (d *yamlDocument) readMany(e yamlEntry) error {
	many := &Many{SchemaName: e.name, Intersect: strings.ToLower(e.name), Navigation1: e.name, Navigation2: e.name}
	var set string
	var tables []string
	pair := func(first, second *string, what string) func(ast.Node) error {
		return func(n ast.Node) error {
			texts, err := yamlTexts(n, what)
			if err == nil && len(texts) != 2 {
				err = yamlError(n, "%s of many %s are two", what, e.name)
			}
			if err == nil {
				*first, *second = texts[0], texts[1]
			}
			return err
		}
	}
	err := yamlFields(e.value, "many "+e.name, map[string]func(ast.Node) error{
		"tables":     textsInto(&tables, "tables"),
		"intersect":  textInto(&many.Intersect, "intersect"),
		"set":        textInto(&set, "set"),
		"columns":    pair(&many.Column1, &many.Column2, "columns"),
		"navigation": pair(&many.Navigation1, &many.Navigation2, "navigation"),
	})
	if err != nil {
		return err
	}
	if len(tables) != 2 {
		return yamlError(e.value, "many %s names two tables", e.name)
	}
	many.Entity1, many.Entity2 = tables[0], tables[1]
	if many.Entity1 == many.Entity2 && many.Navigation1 == many.Navigation2 {
		many.Navigation2 += "_two" // one property cannot lead both ways
	}
	d.org.addMany(many, set)
	return nil
}

// validName accepts what the service accepts as a logical name.
func validName(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != "" && len(name) <= 128
}
