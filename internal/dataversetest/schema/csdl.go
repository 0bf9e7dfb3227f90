package schema

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// LoadCSDL reads a $metadata document as exported from an environment (`GET /api/data/v9.2/$metadata`, with or without
// `?annotations=true`).
//
// CSDL has no lengths, choices, required levels, table kinds, nor the schema names of columns. What it lacks gets
// permissive defaults: text up to 1,048,576 characters, whole numbers over all of Int32, decimals with 10 places, no
// column required, any value for statecode and statuscode, deleting a row clears the lookups to it. A decimal with a
// `_base` column beside it is money; a date-time is UserLocal; a table with ownerid is owned by users, one with
// partitionid and ttlinseconds is elastic. A document from before the bulk actions gets them on the tables that support
// them today. Enrich fills in what another source knows better.
func LoadCSDL(r io.Reader) (*Organization, error) {
	doc, err := readCSDL(r)
	if err != nil {
		return nil, err
	}
	b := &csdlBuilder{doc: doc, org: &Organization{Tables: map[string]*Table{}, GlobalChoices: map[string]*OptionSet{}}}
	for _, name := range doc.order {
		if t := doc.types[name]; b.isTable(t) {
			table := b.table(t)
			b.org.Tables[table.LogicalName] = table
		}
	}
	for _, name := range doc.order {
		if t := doc.types[name]; b.isTable(t) {
			b.lookups(t)
		}
	}
	for _, name := range doc.order {
		if t := doc.types[name]; b.isTable(t) {
			b.many(t)
		}
	}
	b.org.Reindex()
	return b.org, nil
}

type csdlBuilder struct {
	doc *csdl
	org *Organization
}

// The base types: every row's, that of metadata, and those whose tables go by another name.
const (
	rowType       = "crmbaseentity"
	metadataType  = "crmmodelbaseentity"
	principalType = "principal"
	activityType  = "activitypointer"
)

// maxBases bounds the chain of base types; a cycle must not hang the loader.
const maxBases = 8

// isTable says whether the type stands for a table rather than for a part of the metadata or an open payload.
func (b *csdlBuilder) isTable(t *csdlType) bool {
	if t == nil || t.name == rowType || t.name == metadataType || t.open {
		return false
	}
	for i := 0; t != nil && i < maxBases; i++ {
		if t.name == rowType {
			return true
		}
		if t.base == "" {
			return t.name != metadataType
		}
		t = b.doc.types[t.base]
	}
	return false
}

// tableName is the logical name of a type's table: users and teams derive from principal, whose table is owner.
func tableName(name string) string {
	if name == principalType {
		return "owner"
	}
	return name
}

func (b *csdlBuilder) table(t *csdlType) *Table {
	table := &Table{
		LogicalName: tableName(t.name), SchemaName: capital(t.name), SetName: b.doc.sets[t.name], DisplayName: capital(t.name),
		TableType: Standard, OwnershipType: "None", Concurrency: true,
		IsActivity: t.name == activityType || t.base == activityType,
	}
	properties := b.properties(t)
	names := make(map[string]bool, len(properties))
	for _, p := range properties {
		names[p.name] = true
	}
	table.PrimaryID = b.primaryID(t, names)
	table.PrimaryName = primaryName(t.name, names)
	for _, p := range properties {
		if column := csdlColumn(table, p, names); column != nil && table.Column(column.LogicalName) == nil {
			table.Columns = append(table.Columns, column)
		}
	}
	switch {
	case names["_ownerid_value"]:
		table.OwnershipType = "UserOwned"
	case names["_organizationid_value"] || names["organizationid"]:
		table.OwnershipType = "OrganizationOwned"
	}
	if names["partitionid"] && names["ttlinseconds"] {
		table.TableType = Elastic
	}
	b.messages(t, table)
	for _, columns := range t.keys {
		table.Keys = append(table.Keys, csdlKey(columns))
	}
	return table
}

// properties are the type's own after those it inherits.
func (b *csdlBuilder) properties(t *csdlType) []*csdlProperty {
	var chain []*csdlType
	for i := 0; t != nil && i < maxBases; i++ {
		chain = append(chain, t)
		t = b.doc.types[t.base]
	}
	var list []*csdlProperty
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].name == principalType && i > 0 {
			continue // a user's ownerid is the same value as its systemuserid, and no column of its own
		}
		list = append(list, chain[i].properties...)
	}
	return list
}

// primaryID is the type's key, except that users and teams declare their key as ownerid.
func (b *csdlBuilder) primaryID(t *csdlType, names map[string]bool) string {
	if t.base == principalType && names[t.name+"id"] {
		return t.name + "id"
	}
	for i := 0; t != nil && i < maxBases; i++ {
		if len(t.key) > 0 {
			return lookupColumn(t.key[0])
		}
		t = b.doc.types[t.base]
	}
	return ""
}

// primaryName guesses: CSDL does not say which column names a row.
func primaryName(table string, names map[string]bool) string {
	prefix, _, custom := strings.Cut(table, "_")
	for _, name := range []string{prefix + "_name", "fullname", "name", "subject", "title", table + "name", "friendlyname", "displayname", "uniquename"} {
		if names[name] && (custom || name != prefix+"_name") {
			return name
		}
	}
	return ""
}

// unsupportedBulk are tables of which the service says that it has no bulk actions.
var unsupportedBulk = map[string]bool{
	"activityparty": true, "activitypointer": true, "businessunit": true, "listmember": true, "organization": true, "owner": true,
	"queue": true, "role": true, "solution": true, "systemuser": true, "team": true,
}

func (b *csdlBuilder) messages(t *csdlType, table *Table) {
	table.Messages = map[string]bool{}
	switch {
	case b.doc.bulk:
		for message := range b.doc.messages[t.name] {
			table.Messages[message] = true
		}
		if table.Messages["DeleteMultiple"] {
			table.TableType = Elastic
		}
	case table.SetName != "" && !t.abstract && !unsupportedBulk[table.LogicalName]:
		table.Messages = bulkMessages(table.TableType)
	}
}

func csdlKey(columns []string) *Key {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = lookupColumn(column)
	}
	name := "key_" + strings.Join(names, "_")
	return &Key{LogicalName: name, SchemaName: name, DisplayName: strings.Join(names, ", "), Columns: names, Status: "Active"}
}

// csdlColumn makes a column of a property; nil for properties of complex types, which no row writes.
func csdlColumn(table *Table, p *csdlProperty, names map[string]bool) *Column {
	c := &Column{
		LogicalName: lookupColumn(p.name), ForCreate: true, ForUpdate: true, ForRead: true, RequiredLevel: "None",
	}
	c.SchemaName, c.DisplayName = csdlSchemaName(c.LogicalName), c.LogicalName
	if !c.setEdmType(p, names) {
		return nil
	}
	if table.PrimaryID == c.LogicalName {
		c.Type, c.IsPrimaryID, c.ForUpdate, c.RequiredLevel = TypeUniqueidentifier, true, false, "SystemRequired"
	}
	c.IsPrimaryName = table.PrimaryName == c.LogicalName
	c.setAccess(p, table)
	c.limits()
	return c
}

func (c *Column) setEdmType(p *csdlProperty, names map[string]bool) bool {
	switch p.kind {
	case "Edm.String":
		c.Type, c.MaxLength = TypeString, maxMemo
	case "Edm.Guid":
		c.Type = TypeUniqueidentifier
		if p.name != c.LogicalName {
			c.Type = TypeLookup
		}
	case "Edm.Int32", "Edm.Int16":
		c.setWholeNumber()
	case "Edm.Int64":
		c.Type = TypeBigInt
	case "Edm.Boolean":
		c.Type = TypeBoolean
	case "Edm.Decimal":
		c.Type, c.Precision = TypeDecimal, 10
		if names[p.name+"_base"] || strings.HasSuffix(p.name, "_base") {
			c.Type, c.Precision = TypeMoney, 4
		}
	case "Edm.Double":
		c.Type, c.Precision = TypeDouble, 5
		c.Min, c.Max = number(-1e300), number(1e300)
	case "Edm.Date":
		c.Type, c.Format, c.DateTimeBehavior = TypeDateTime, "DateOnly", "DateOnly"
	case "Edm.DateTimeOffset":
		c.Type = TypeDateTime
	case "Edm.Binary":
		c.Type = TypeImage
	default:
		return false
	}
	for _, image := range []string{"_url", "_timestamp", "id"} {
		if owner, ok := strings.CutSuffix(p.name, image); ok && owner == "entityimage" {
			c.AttributeOf = owner
		}
	}
	return true
}

func (c *Column) setWholeNumber() {
	c.Type = TypeInteger
	switch c.LogicalName {
	case "statecode":
		c.Type, c.Default = TypeState, 0
	case "statuscode":
		c.Type, c.Default = TypeStatus, 1
	}
}

// readOnlyColumns are written by the service alone, whatever a document says or does not say about them.
var readOnlyColumns = map[string]bool{
	"createdby": true, "createdon": true, "createdonbehalfby": true, "createdbyexternalparty": true, "modifiedby": true,
	"modifiedon": true, "modifiedonbehalfby": true, "modifiedbyexternalparty": true, "versionnumber": true, "owninguser": true,
	"owningteam": true, "organizationid": true, "masterid": true, "slainvokedid": true, "exchangerate": true,
}

// setAccess reads who may write a column. Annotations count for plain columns only: as a property, the value of every
// lookup is read-only, because it is written through its navigation property.
func (c *Column) setAccess(p *csdlProperty, table *Table) {
	if c.LogicalName == "importsequencenumber" || c.LogicalName == "overriddencreatedon" {
		c.ForUpdate = false
	}
	readOnly := readOnlyColumns[c.LogicalName] || strings.HasSuffix(c.LogicalName, "_base") || strings.HasSuffix(c.LogicalName, "_composite")
	if table.LogicalName == "transactioncurrency" && c.LogicalName == "exchangerate" {
		readOnly = false // elsewhere it is a copy of this one
	}
	if c.Type != TypeLookup {
		readOnly = readOnly || p.computed || p.hasPermissions && !p.write
		c.ForRead = !p.hasPermissions || p.read
	}
	if readOnly && !c.IsPrimaryID || c.AttributeOf != "" {
		c.ForCreate, c.ForUpdate = false, false
	}
}

// lookups gives the table a relationship for each single-valued navigation property of its type.
func (b *csdlBuilder) lookups(t *csdlType) {
	table := b.org.Tables[tableName(t.name)]
	for _, n := range t.navigation {
		target := b.org.Tables[tableName(n.kind)]
		if n.collection || target == nil || n.name == "" {
			continue
		}
		column := table.constrained(n)
		if column == nil {
			continue
		}
		r := &Relationship{
			SchemaName: n.partner, Referencing: table.LogicalName, Column: column.LogicalName, Navigation: n.name,
			Referenced: target.LogicalName, ReferencedColumn: target.PrimaryID, Collection: n.partner, Delete: "RemoveLink",
		}
		if r.SchemaName == "" {
			r.SchemaName = table.LogicalName + "_" + n.name
		}
		if readOnlyColumns[column.LogicalName] || column.LogicalName == "ownerid" || column.LogicalName == "owningbusinessunit" {
			r.Delete = "NoCascade"
		}
		column.leadTo(target.LogicalName)
		table.Outgoing = append(table.Outgoing, r)
	}
}

// constrained finds the column behind a navigation property: its constraint names it, and where the target's key is
// inherited, so that there is none, the navigation property's own name starts with it (regardingobjectid_letter_actioncard).
func (t *Table) constrained(n *csdlNavigation) *Column {
	if n.property != "" {
		return t.Column(lookupColumn(n.property))
	}
	name := strings.ToLower(n.name)
	var found *Column
	for _, column := range t.Columns {
		if column.Type != TypeLookup && column.Type != TypeOwner && column.Type != TypeCustomer {
			continue
		}
		rest, ok := strings.CutPrefix(name, column.LogicalName)
		if ok && (rest == "" || rest[0] == '_') && (found == nil || len(column.LogicalName) > len(found.LogicalName)) {
			found = column
		}
	}
	return found
}

// leadTo adds a target; what a lookup leads to is what tells owners and customers apart from other lookups.
func (c *Column) leadTo(target string) {
	if target == "owner" && c.Type == TypeLookup && c.LogicalName == "ownerid" {
		c.Type, c.RequiredLevel, c.Targets = TypeOwner, "SystemRequired", []string{"systemuser", "team"}
		return
	}
	if c.Type == TypeOwner {
		return
	}
	for _, known := range c.Targets {
		if known == target {
			return
		}
	}
	c.Targets = append(c.Targets, target)
	if c.Type == TypeLookup || c.Type == TypeCustomer {
		c.Type = TypeLookup
		if len(c.Targets) == 2 && strings.HasSuffix(c.LogicalName, "customerid") &&
			(c.Targets[0] == "account" && c.Targets[1] == "contact" || c.Targets[0] == "contact" && c.Targets[1] == "account") {
			c.Type = TypeCustomer
		}
	}
}

// many finds the many-to-many relationships: collections on both sides that are each other's partner by the same name.
func (b *csdlBuilder) many(t *csdlType) {
	table := b.org.Tables[tableName(t.name)]
	for _, n := range t.navigation {
		other := b.org.Tables[tableName(n.kind)]
		if !n.collection || n.name != n.partner || other == nil || table.hasMany(n.name) {
			continue
		}
		if !b.isCollection(n.kind, n.name) {
			continue
		}
		many := &Many{
			SchemaName: n.name, Entity1: table.LogicalName, Entity2: other.LogicalName, Navigation1: n.name, Navigation2: n.name,
			Column1: table.PrimaryID, Column2: other.PrimaryID,
		}
		if table == other {
			many.Navigation2, many.Column1, many.Column2 = "", table.PrimaryID+"one", table.PrimaryID+"two"
		}
		b.intersect(many)
		b.org.addMany(many, "")
	}
}

func (t *Table) hasMany(name string) bool {
	for _, many := range t.Many {
		if many.SchemaName == name {
			return true
		}
	}
	return false
}

func (b *csdlBuilder) isCollection(kind, name string) bool {
	t := b.doc.types[kind]
	if t == nil {
		return false
	}
	for _, n := range t.navigation {
		if n.name == name {
			return n.collection
		}
	}
	return false
}

// itemTables hold the pairs of several relationships: one column for the list or campaign, entityid for the other side.
var itemTables = map[string]struct{ table, owner string }{
	"listaccount_association": {"listmember", "list"}, "listcontact_association": {"listmember", "list"},
	"listlead_association": {"listmember", "list"}, "campaignlist_association": {"campaignitem", "campaign"},
	"campaignproduct_association": {"campaignitem", "campaign"}, "campaignsalesliterature_association": {"campaignitem", "campaign"},
}

// intersect finds the table that holds the pairs: it goes by the relationship's name, with or without _association, and
// has both ids. Where the document does not declare it, it gets the relationship's name.
func (b *csdlBuilder) intersect(many *Many) {
	name := strings.ToLower(many.SchemaName)
	if items, ok := itemTables[name]; ok && b.org.Tables[items.table] != nil {
		many.Intersect = items.table
		if many.Entity1 == items.owner {
			many.Column2 = "entityid"
		} else {
			many.Column1 = "entityid"
		}
		return
	}
	for _, candidate := range []string{name, strings.TrimSuffix(name, "_association"), strings.TrimSuffix(name, "_association") + "s"} {
		table := b.org.Tables[candidate]
		if table == nil || table.Column(many.Column1) == nil || table.Column(many.Column2) == nil {
			continue
		}
		table.IsIntersect = true
		table.Messages = map[string]bool{}
		many.Intersect = candidate
		return
	}
	many.Intersect = name
	if b.org.Tables[name] != nil {
		many.Intersect += "_link"
	}
}

// csdlSchemaName keeps custom names as they are and starts system ones with a capital.
func csdlSchemaName(name string) string {
	if strings.Contains(name, "_") {
		return name
	}
	return capital(name)
}

func capital(name string) string {
	if strings.Contains(name, "_") {
		return name
	}
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}
