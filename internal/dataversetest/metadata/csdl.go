package metadata

import (
	"bufio"
	"encoding/xml"
	"io"
	"slices"
	"strings"

	"penstock/internal/dataversetest/schema"
)

// WriteCSDL writes the $metadata document. With annotations it says what columns are called and which of them the
// service computes (`$metadata?annotations=true`).
func WriteCSDL(w io.Writer, org *schema.Organization, annotations bool) error {
	c := &csdlWriter{w: bufio.NewWriter(w), org: org, annotations: annotations}
	c.document()
	return c.w.Flush() // a bufio.Writer keeps its first error
}

type csdlWriter struct {
	w           *bufio.Writer
	org         *schema.Organization
	annotations bool
}

// line writes text with the values of its attributes escaped: line(`<a b="`, value, `"/>`).
func (c *csdlWriter) line(parts ...string) {
	for i, part := range parts {
		if i%2 == 0 {
			c.w.WriteString(part)
			continue
		}
		xml.EscapeText(c.w, []byte(part))
	}
	c.w.WriteByte('\n')
}

func (c *csdlWriter) document() {
	c.line(`<?xml version="1.0" encoding="utf-8"?>`)
	c.line(`<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">`)
	for _, vocabulary := range []string{"OData.Community.Keys.V1", "OData.Community.Display.V1"} {
		c.line(`<edmx:Reference Uri="http://vocabularies.odata.org/`, vocabulary, `.xml"><edmx:Include Namespace="`, vocabulary,
			`" Alias="`, strings.Split(vocabulary, ".")[2], `"/><edmx:IncludeAnnotations TermNamespace="`, vocabulary, `"/></edmx:Reference>`)
	}
	c.line(`<edmx:DataServices>`)
	c.line(`<Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">`)
	c.line(`<EntityType Name="crmbaseentity" Abstract="true"/>`)
	names := c.org.Names()
	for _, name := range names {
		c.entityType(c.org.Tables[name])
	}
	c.operations(names)
	c.container(names)
	c.line(`</Schema></edmx:DataServices></edmx:Edmx>`)
}

// typeName is the name of a table's type: that of owner, from which users and teams derive, is principal.
func typeName(table string) string {
	if table == "owner" {
		return "principal"
	}
	return table
}

// base is the table from whose type the table's type derives, or nil.
func (c *csdlWriter) base(t *schema.Table) *schema.Table {
	switch {
	case t.IsActivity && t.LogicalName != "activitypointer":
		return c.org.Tables["activitypointer"]
	case t.LogicalName == "systemuser" || t.LogicalName == "team":
		return c.org.Tables["owner"]
	}
	return nil
}

func (c *csdlWriter) entityType(t *schema.Table) {
	base := c.base(t)
	parent, abstract := "crmbaseentity", ""
	if base != nil {
		parent = typeName(base.LogicalName)
	}
	if t.LogicalName == "activitypointer" || t.LogicalName == "owner" {
		abstract = ` Abstract="true"`
	}
	c.line(`<EntityType Name="`, typeName(t.LogicalName), `" BaseType="mscrm.`, parent, `"`+abstract+`>`)
	c.key(t, base)
	for _, column := range t.Columns {
		if c.declares(t, base, column) {
			c.property(t, column)
		}
	}
	for _, n := range c.navigation(t) {
		c.navigationProperty(n)
	}
	c.alternateKeys(t)
	if c.annotations {
		c.line(`<Annotation Term="Org.OData.Core.V1.Description" String="`, t.DisplayName, `"/>`)
	}
	c.line(`</EntityType>`)
}

// declares says whether a type has the property itself. Of what users and teams have in common, principal declares their
// key only.
func (c *csdlWriter) declares(t, base *schema.Table, column *schema.Column) bool {
	switch {
	case t.LogicalName == "owner":
		return column.IsPrimaryID
	case base == nil || base.LogicalName == "owner":
		return true
	}
	return base.Column(column.LogicalName) == nil
}

// key repeats the key of principal for users and teams, as the service does; activities inherit theirs.
func (c *csdlWriter) key(t, base *schema.Table) {
	key := t.PrimaryID
	switch {
	case base != nil && base.LogicalName == "owner":
		key = "ownerid"
	case base != nil || key == "":
		return
	}
	c.line(`<Key><PropertyRef Name="`, key, `"/></Key>`)
}

func (c *csdlWriter) property(t *schema.Table, column *schema.Column) {
	name := t.PropertyName(column)
	if name == "" {
		return
	}
	kind := column.EdmType()
	facets := map[string]string{"Edm.String": ` Unicode="false"`, "Edm.Decimal": ` Scale="Variable"`}[kind]
	if !c.annotations {
		c.line(`<Property Name="`, name, `" Type="`, kind, `"`+facets+`/>`)
		return
	}
	c.line(`<Property Name="`, name, `" Type="`, kind, `"`+facets+`>`)
	c.line(`<Annotation Term="Org.OData.Core.V1.Description" String="`, column.DisplayName, `"/>`)
	if column.IsLookup() {
		c.line(`<Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/>`)
	}
	if !column.ForCreate && !column.ForUpdate || column.IsLookup() {
		c.line(`<Annotation Term="Org.OData.Core.V1.Permissions"><EnumMember>Org.OData.Core.V1.PermissionType/Read</EnumMember></Annotation>`)
	}
	c.line(`</Property>`)
}

// navigationItem is a navigation property before it is written.
type navigationItem struct {
	name, table, partner string
	collection           bool
	property, referenced string
}

// navigation lists a type's navigation properties; a name is used once, and not again in derived types.
func (c *csdlWriter) navigation(t *schema.Table) []navigationItem {
	taken := map[string]bool{}
	if base := c.base(t); base != nil {
		for _, n := range c.navigation(base) {
			taken[n.name] = true
		}
	}
	var list []navigationItem
	add := func(n navigationItem) {
		if n.name != "" && !taken[n.name] && c.org.Tables[n.table] != nil {
			taken[n.name] = true
			list = append(list, n)
		}
	}
	for _, r := range t.Outgoing {
		if column := t.Column(r.Column); column != nil {
			add(navigationItem{r.Navigation, r.Referenced, r.Collection, false, t.PropertyName(column), r.ReferencedColumn})
		}
	}
	for _, m := range t.Many {
		if m.Entity1 == t.LogicalName {
			add(navigationItem{name: m.Navigation1, table: m.Entity2, partner: m.Navigation2, collection: true})
		}
		if m.Entity2 == t.LogicalName {
			add(navigationItem{name: m.Navigation2, table: m.Entity1, partner: m.Navigation1, collection: true})
		}
	}
	for _, r := range t.Incoming {
		add(navigationItem{name: r.Collection, table: r.Referencing, partner: r.Navigation, collection: true})
	}
	return list
}

func (c *csdlWriter) navigationProperty(n navigationItem) {
	partner := ""
	if n.partner != "" {
		partner = `" Partner="`
	}
	target := "mscrm." + typeName(n.table)
	if n.collection {
		c.line(`<NavigationProperty Name="`, n.name, `" Type="Collection(`, target, `)`+partner, n.partner, `"/>`)
		return
	}
	c.line(`<NavigationProperty Name="`, n.name, `" Type="`, target, `" Nullable="false`+partner, n.partner, `">`)
	c.line(`<ReferentialConstraint Property="`, n.property, `" ReferencedProperty="`, n.referenced, `"/></NavigationProperty>`)
}

func (c *csdlWriter) alternateKeys(t *schema.Table) {
	var active []*schema.Key
	for _, key := range t.Keys {
		if key.Status == "Active" {
			active = append(active, key)
		}
	}
	if len(active) == 0 {
		return
	}
	c.line(`<Annotation Term="OData.Community.Keys.V1.AlternateKeys"><Collection>`)
	for _, key := range active {
		c.line(`<Record Type="OData.Community.Keys.V1.AlternateKey"><PropertyValue Property="Key"><Collection>`)
		for _, name := range key.Columns {
			if column := t.Column(name); column != nil {
				name = t.PropertyName(column)
			}
			c.line(`<Record Type="OData.Community.Keys.V1.PropertyRef"><PropertyValue Property="Alias" String="`, name,
				`"/><PropertyValue Property="Name" PropertyPath="`, name, `"/></Record>`)
		}
		c.line(`</Collection></PropertyValue></Record>`)
	}
	c.line(`</Collection></Annotation>`)
}

// bulkActions are bound to a set; the results of creating say the new ids.
var bulkActions = []struct{ name, result string }{
	{"CreateMultiple", "mscrm.CreateMultipleResponse"}, {"DeleteMultiple", ""}, {"UpdateMultiple", ""}, {"UpsertMultiple", ""},
}

func (c *csdlWriter) operations(names []string) {
	c.line(`<ComplexType Name="CreateMultipleResponse"><Property Name="Ids" Type="Collection(Edm.Guid)"/></ComplexType>`)
	c.line(`<ComplexType Name="WhoAmIResponse"><Property Name="BusinessUnitId" Type="Edm.Guid" Nullable="false"/>` +
		`<Property Name="UserId" Type="Edm.Guid" Nullable="false"/><Property Name="OrganizationId" Type="Edm.Guid" Nullable="false"/></ComplexType>`)
	c.line(`<ComplexType Name="RetrieveVersionResponse"><Property Name="Version" Type="Edm.String" Unicode="false"/></ComplexType>`)
	c.line(`<Function Name="WhoAmI"><ReturnType Type="mscrm.WhoAmIResponse" Nullable="false"/></Function>`)
	c.line(`<Function Name="RetrieveVersion"><ReturnType Type="mscrm.RetrieveVersionResponse" Nullable="false"/></Function>`)
	for _, action := range bulkActions {
		for _, name := range names {
			if t := c.org.Tables[name]; t.Messages[action.name] && t.SetName != "" {
				c.bulkAction(action.name, action.result, typeName(name))
			}
		}
	}
}

func (c *csdlWriter) bulkAction(name, result, kind string) {
	c.line(`<Action Name="`, name, `" IsBound="true">`)
	c.line(`<Parameter Name="entityset" Type="Collection(mscrm.`, kind, `)" Nullable="false"/>`)
	c.line(`<Parameter Name="Targets" Type="Collection(mscrm.`, kind, `)" Nullable="false"/>`)
	if result != "" {
		c.line(`<ReturnType Type="`, result, `" Nullable="false"/>`)
	}
	c.line(`</Action>`)
}

func (c *csdlWriter) container(names []string) {
	c.line(`<EntityContainer Name="System">`)
	c.line(`<FunctionImport Name="WhoAmI" Function="mscrm.WhoAmI"/>`)
	c.line(`<FunctionImport Name="RetrieveVersion" Function="mscrm.RetrieveVersion"/>`)
	for _, name := range names {
		t := c.org.Tables[name]
		if t.SetName == "" {
			continue
		}
		c.line(`<EntitySet Name="`, t.SetName, `" EntityType="Microsoft.Dynamics.CRM.`, typeName(name), `">`)
		items := c.navigation(t)
		slices.SortFunc(items, func(a, b navigationItem) int { return strings.Compare(a.name, b.name) })
		for _, n := range items {
			if set := c.org.Tables[n.table].SetName; set != "" {
				c.line(`<NavigationPropertyBinding Path="`, n.name, `" Target="`, set, `"/>`)
			}
		}
		c.line(`</EntitySet>`)
	}
	c.line(`</EntityContainer>`)
}
