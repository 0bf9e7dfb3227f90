package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDefinitions bounds what an export of EntityDefinitions may hold.
const maxDefinitions = 512 << 20

// LoadEntityDefinitions reads answers of the Web API as they were saved, one after the other:
//
//	EntityDefinitions?$expand=Attributes,Keys,ManyToOneRelationships,ManyToManyRelationships
//	EntityDefinitions(LogicalName='cr1_parcel')?$expand=Attributes,Keys
//	EntityDefinitions(LogicalName='cr1_parcel')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$expand=OptionSet
//	GlobalOptionSetDefinitions
//
// Only an answer of the third kind has the options of choices: the service does not expand them from tables. What a
// $select left out gets the service's defaults; a choice without options accepts every value.
func LoadEntityDefinitions(r io.Reader) (*Organization, error) {
	limited := &io.LimitedReader{R: r, N: maxDefinitions}
	decoder := json.NewDecoder(limited)
	d := &definitions{org: &Organization{Tables: map[string]*Table{}, GlobalChoices: map[string]*OptionSet{}}}
	for {
		var doc jsonDocument
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = d.read(doc)
		}
		if err != nil {
			return nil, fmt.Errorf("read EntityDefinitions: offset %d: %w", decoder.InputOffset(), err)
		}
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("read EntityDefinitions: larger than %d bytes", maxDefinitions)
	}
	if len(d.org.Tables) == 0 && len(d.org.GlobalChoices) == 0 {
		return nil, errors.New("read EntityDefinitions: no tables: not an answer of EntityDefinitions")
	}
	d.finish()
	return d.org, nil
}

type jsonDocument struct {
	Value []jsonItem `json:"value"`
	jsonItem
}

// jsonItem is a table, a column with its table's name, or a global choice: their properties do not collide.
type jsonItem struct {
	LogicalName                    string
	EntityLogicalName              string
	Name                           string
	IsGlobal                       bool
	Options                        []jsonOption
	SchemaName                     string
	EntitySetName                  string
	DisplayName                    jsonLabel
	PrimaryIdAttribute             string
	PrimaryNameAttribute           *string
	TableType                      string
	OwnershipType                  string
	ObjectTypeCode                 int
	IsActivity                     bool
	IsIntersect                    bool
	ChangeTrackingEnabled          bool
	IsOptimisticConcurrencyEnabled *bool
	MetadataId                     string
	Attributes                     []jsonAttribute
	Keys                           []jsonKey
	ManyToOneRelationships         []jsonLookup
	ManyToManyRelationships        []jsonMany
	jsonColumn
}

type jsonAttribute struct {
	LogicalName string
	SchemaName  string
	DisplayName jsonLabel
	MetadataId  string
	jsonColumn
}

// jsonColumn is what only columns have.
type jsonColumn struct {
	ODataType          string `json:"@odata.type"`
	AttributeType      string
	AttributeTypeName  *struct{ Value string }
	AttributeOf        *string
	IsValidForCreate   *bool
	IsValidForUpdate   *bool
	IsValidForRead     *bool
	IsPrimaryId        bool
	IsPrimaryName      bool
	IsLogical          bool
	IsSecured          bool
	SourceType         *int
	RequiredLevel      *struct{ Value string }
	MaxLength          *int
	Format             *string
	FormatName         *struct{ Value string }
	MinValue, MaxValue *float64
	Precision          *int
	PrecisionSource    *int
	DateTimeBehavior   *struct{ Value string }
	AutoNumberFormat   *string
	Targets            []string
	DefaultValue       *bool
	DefaultFormValue   *int
	MaxSizeInKB        *int
	OptionSet          *jsonOptionSet
	GlobalOptionSet    *jsonOptionSet

	GlobalOptionSetBind string `json:"GlobalOptionSet@odata.bind"`
}

type jsonOptionSet struct {
	Name        string
	DisplayName jsonLabel
	IsGlobal    bool
	Options     []jsonOption
	TrueOption  *jsonOption
	FalseOption *jsonOption
}

type jsonOption struct {
	Value         int
	Label         jsonLabel
	State         int
	DefaultStatus int
	InvariantName string
}

type jsonLabel struct {
	UserLocalizedLabel *struct{ Label string }
	LocalizedLabels    []struct{ Label string }
}

func (l jsonLabel) text() string {
	if l.UserLocalizedLabel != nil {
		return l.UserLocalizedLabel.Label
	}
	if len(l.LocalizedLabels) > 0 {
		return l.LocalizedLabels[0].Label
	}
	return ""
}

type jsonKey struct {
	SchemaName, LogicalName, EntityKeyIndexStatus, MetadataId string
	DisplayName                                               jsonLabel
	KeyAttributes                                             []string
}

type jsonLookup struct {
	SchemaName, ReferencingEntity, ReferencingAttribute, ReferencedEntity, ReferencedAttribute, MetadataId string
	ReferencingEntityNavigationPropertyName                                                                string
	ReferencedEntityNavigationPropertyName                                                                 *string
	IsHierarchical                                                                                         bool
	CascadeConfiguration                                                                                   struct{ Delete string }
}

type jsonMany struct {
	SchemaName, IntersectEntityName, Entity1LogicalName, Entity2LogicalName, MetadataId string
	Entity1IntersectAttribute, Entity2IntersectAttribute                                string
	Entity1NavigationPropertyName, Entity2NavigationPropertyName                        *string
}

type definitions struct {
	org   *Organization
	manys []jsonMany
}

func (d *definitions) read(doc jsonDocument) error {
	items := doc.Value
	if items == nil {
		items = []jsonItem{doc.jsonItem}
	}
	for _, item := range items {
		switch {
		case item.AttributeType != "" || item.AttributeTypeName != nil || item.OptionSet != nil || item.EntityLogicalName != "":
			if err := d.column(item); err != nil {
				return err
			}
		case item.LogicalName == "" && item.Name != "" && (item.IsGlobal || item.Options != nil):
			set := jsonOptionSet{Name: item.Name, DisplayName: item.DisplayName, IsGlobal: true, Options: item.Options}
			d.org.GlobalChoices[item.Name] = set.convert()
		case item.LogicalName != "":
			if !validName(item.LogicalName) {
				return fmt.Errorf("%q is not a table name", item.LogicalName)
			}
			d.table(item)
		default:
			return errors.New("an item without LogicalName")
		}
	}
	return nil
}

// column puts one column into its table; an answer about choices repeats columns that are known already.
func (d *definitions) column(item jsonItem) error {
	if item.EntityLogicalName == "" || item.LogicalName == "" {
		return errors.New("a column without EntityLogicalName: select it, so that its table is known")
	}
	table := d.org.Tables[item.EntityLogicalName]
	if table == nil {
		table = &Table{LogicalName: item.EntityLogicalName, TableType: Standard, Concurrency: true, OwnershipType: "None"}
		d.org.Tables[table.LogicalName] = table
	}
	known := table.Column(item.LogicalName)
	a := jsonAttribute{LogicalName: item.LogicalName, SchemaName: item.SchemaName, DisplayName: item.DisplayName, MetadataId: item.MetadataId, jsonColumn: item.jsonColumn}
	if known == nil {
		table.Columns = append(table.Columns, d.convert(a))
		return nil
	}
	if set := d.options(a.jsonColumn); set != nil {
		known.Options = set
	}
	return nil
}

func (d *definitions) table(item jsonItem) {
	table := &Table{
		LogicalName: item.LogicalName, SchemaName: item.SchemaName, SetName: item.EntitySetName, DisplayName: item.DisplayName.text(),
		PrimaryID: item.PrimaryIdAttribute, TableType: item.TableType, OwnershipType: item.OwnershipType, ObjectTypeCode: item.ObjectTypeCode,
		IsActivity: item.IsActivity, IsIntersect: item.IsIntersect, ChangeTracking: item.ChangeTrackingEnabled,
		Concurrency: item.IsOptimisticConcurrencyEnabled == nil || *item.IsOptimisticConcurrencyEnabled, MetadataID: item.MetadataId,
	}
	if item.PrimaryNameAttribute != nil {
		table.PrimaryName = *item.PrimaryNameAttribute
	}
	for _, a := range item.Attributes {
		if a.LogicalName != "" && table.Column(a.LogicalName) == nil {
			table.Columns = append(table.Columns, d.convert(a))
		}
	}
	for _, k := range item.Keys {
		table.Keys = append(table.Keys, &Key{
			LogicalName: k.LogicalName, SchemaName: k.SchemaName, DisplayName: k.DisplayName.text(), Columns: k.KeyAttributes,
			Status: orWord(k.EntityKeyIndexStatus, "Active"), MetadataID: k.MetadataId,
		})
	}
	for _, r := range item.ManyToOneRelationships {
		table.Outgoing = append(table.Outgoing, r.convert(table.LogicalName))
	}
	d.manys = append(d.manys, item.ManyToManyRelationships...)
	d.org.Tables[table.LogicalName] = table
}

func (r jsonLookup) convert(table string) *Relationship {
	out := &Relationship{
		SchemaName: r.SchemaName, Referencing: table, Column: r.ReferencingAttribute, Navigation: r.ReferencingEntityNavigationPropertyName,
		Referenced: r.ReferencedEntity, ReferencedColumn: r.ReferencedAttribute, Delete: orWord(r.CascadeConfiguration.Delete, "RemoveLink"),
		MetadataID: r.MetadataId, IsHierarchical: r.IsHierarchical,
	}
	if r.ReferencedEntityNavigationPropertyName != nil {
		out.Collection = *r.ReferencedEntityNavigationPropertyName
	}
	return out
}

// typeOfCode serves exports that have AttributeType but not AttributeTypeName.
func typeOfCode(code string) string {
	if code == "" {
		return TypeString
	}
	return code + "Type"
}

// typeOfMetadata tells a column's type by the metadata type of its object, as those who create columns write it.
func typeOfMetadata(kind, other string) string {
	name, ok := strings.CutSuffix(kind[strings.LastIndexByte(kind, '.')+1:], "AttributeMetadata")
	name = strings.TrimPrefix(name, "Complex") // as the action CreateEntities calls it
	switch {
	case !ok || name == "":
		return other
	case name == "UniqueIdentifier":
		return TypeUniqueidentifier
	}
	return name + "Type"
}

func (d *definitions) convert(a jsonAttribute) *Column {
	c := &Column{
		LogicalName: a.LogicalName, SchemaName: orWord(a.SchemaName, a.LogicalName), DisplayName: a.DisplayName.text(), MetadataID: a.MetadataId,
		Type: typeOfCode(a.AttributeType), IsPrimaryID: a.IsPrimaryId, IsPrimaryName: a.IsPrimaryName, IsLogical: a.IsLogical, IsSecured: a.IsSecured,
		ForCreate: value(a.IsValidForCreate, true), ForUpdate: value(a.IsValidForUpdate, true), ForRead: value(a.IsValidForRead, true),
		AttributeOf: value(a.AttributeOf, ""), SourceType: value(a.SourceType, 0), MaxLength: value(a.MaxLength, 0),
		Format: value(a.Format, ""), Min: a.MinValue, Max: a.MaxValue, PrecisionSource: value(a.PrecisionSource, 0),
		AutoNumber: value(a.AutoNumberFormat, ""), Targets: a.Targets, MaxSizeKB: value(a.MaxSizeInKB, 0),
	}
	switch {
	case a.AttributeTypeName != nil:
		c.Type = a.AttributeTypeName.Value
	case a.AttributeType == "" || a.AttributeType == "Virtual":
		c.Type = typeOfMetadata(a.ODataType, c.Type)
	}
	if a.FormatName != nil {
		c.Format = a.FormatName.Value
	}
	if a.RequiredLevel != nil {
		c.RequiredLevel = a.RequiredLevel.Value
	}
	if a.DateTimeBehavior != nil {
		c.DateTimeBehavior = a.DateTimeBehavior.Value
	}
	c.Options = d.options(a.jsonColumn)
	switch {
	case a.DefaultValue != nil:
		c.Default = *a.DefaultValue
	case a.DefaultFormValue != nil && *a.DefaultFormValue >= 0:
		c.Default = *a.DefaultFormValue
	}
	c.limits()
	if a.Precision != nil {
		c.Precision = *a.Precision // 0 places are a precision, too
	}
	return c
}

func (d *definitions) options(a jsonColumn) *OptionSet {
	set := a.OptionSet
	if a.GlobalOptionSet != nil && len(a.GlobalOptionSet.Options) > 0 {
		set = a.GlobalOptionSet
		set.IsGlobal = true
	}
	if set == nil {
		return nil
	}
	converted := set.convert()
	if set.IsGlobal && set.Name != "" {
		if d.org.GlobalChoices[set.Name] == nil {
			d.org.GlobalChoices[set.Name] = converted
		}
		return d.org.GlobalChoices[set.Name]
	}
	return converted
}

func (s *jsonOptionSet) convert() *OptionSet {
	set := &OptionSet{Name: s.Name, DisplayName: s.DisplayName.text(), IsGlobal: s.IsGlobal}
	add := func(o jsonOption) {
		set.Options = append(set.Options, Option{Value: o.Value, Label: o.Label.text(), State: o.State, DefaultStatus: o.DefaultStatus, InvariantName: o.InvariantName})
	}
	if s.FalseOption != nil && s.TrueOption != nil {
		add(*s.FalseOption)
		add(*s.TrueOption)
	}
	for _, o := range s.Options {
		add(o)
	}
	return set
}

// finish completes what an export may lack, and ties the many-to-many relationships, which both of their tables report.
func (d *definitions) finish() {
	for _, name := range d.org.Names() {
		d.complete(d.org.Tables[name])
	}
	for _, m := range d.manys {
		table := d.org.Tables[m.Entity1LogicalName]
		if table == nil {
			table = d.org.Tables[m.Entity2LogicalName]
		}
		if table == nil || table.hasMany(m.SchemaName) {
			continue
		}
		d.org.addMany(&Many{
			SchemaName: m.SchemaName, Intersect: orWord(m.IntersectEntityName, strings.ToLower(m.SchemaName)), Entity1: m.Entity1LogicalName, Entity2: m.Entity2LogicalName,
			Column1: m.Entity1IntersectAttribute, Column2: m.Entity2IntersectAttribute, MetadataID: m.MetadataId,
			Navigation1: value(m.Entity1NavigationPropertyName, ""), Navigation2: value(m.Entity2NavigationPropertyName, ""),
		}, "")
	}
	d.org.Reindex()
}

func (d *definitions) complete(t *Table) {
	if t.SchemaName == "" {
		t.SchemaName = capital(t.LogicalName)
	}
	if t.DisplayName == "" {
		t.DisplayName = spaced(t.SchemaName)
	}
	for _, c := range t.Columns {
		if c.IsPrimaryID && t.PrimaryID == "" {
			t.PrimaryID = c.LogicalName
		}
		if c.IsPrimaryName && t.PrimaryName == "" {
			t.PrimaryName = c.LogicalName
		}
		if c.DisplayName == "" {
			c.DisplayName = spaced(c.SchemaName)
		}
	}
	if t.PrimaryID == "" {
		t.PrimaryID = t.LogicalName + "id"
	}
	t.add(primaryID(t.PrimaryID, t.DisplayName))
	switch t.TableType {
	case Standard, Elastic, Virtual:
	default:
		t.TableType = Standard // older environments say Activity, or nothing
	}
	if t.OwnershipType == "" {
		t.OwnershipType = "None"
	}
	t.Messages = bulkMessages(t.TableType)
	if t.IsIntersect || unsupportedBulk[t.LogicalName] || t.SetName == "" {
		t.Messages = map[string]bool{}
	}
	if len(t.Outgoing) == 0 {
		t.guessLookups()
	}
}

// guessLookups serves exports without ManyToOneRelationships: the navigation properties get the names that the service
// gives new ones.
func (t *Table) guessLookups() {
	for _, c := range t.Columns {
		if !c.IsLookup() {
			continue
		}
		for _, target := range c.Targets {
			r := (&yamlColumn{}).relationship(t, c, target)
			t.Outgoing = append(t.Outgoing, r)
			if c.Type == TypeOwner {
				break
			}
		}
	}
}

func value[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}

func orWord(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
