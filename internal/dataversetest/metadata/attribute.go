package metadata

import (
	"penstock/internal/dataversetest/schema"
)

// attributeKinds are the types that columns can be cast to.
var attributeKinds = map[string]bool{
	"BigIntAttributeMetadata": true, "BooleanAttributeMetadata": true, "DateTimeAttributeMetadata": true,
	"DecimalAttributeMetadata": true, "DoubleAttributeMetadata": true, "EntityNameAttributeMetadata": true,
	"FileAttributeMetadata": true, "ImageAttributeMetadata": true, "IntegerAttributeMetadata": true,
	"LookupAttributeMetadata": true, "ManagedPropertyAttributeMetadata": true, "MemoAttributeMetadata": true,
	"MoneyAttributeMetadata": true, "MultiSelectPicklistAttributeMetadata": true, "PicklistAttributeMetadata": true,
	"StateAttributeMetadata": true, "StatusAttributeMetadata": true, "StringAttributeMetadata": true,
	"UniqueIdentifierAttributeMetadata": true,
}

// columnKind is how metadata calls a column: its metadata type and its AttributeType code, which says Virtual for the
// kinds that came later than the code.
type columnKind struct{ metadata, code string }

var columnKinds = map[string]columnKind{
	schema.TypeBigInt:           {"BigIntAttributeMetadata", "BigInt"},
	schema.TypeBoolean:          {"BooleanAttributeMetadata", "Boolean"},
	schema.TypeCalendarRules:    {"LookupAttributeMetadata", "CalendarRules"},
	schema.TypeCustomer:         {"LookupAttributeMetadata", "Customer"},
	schema.TypeDateTime:         {"DateTimeAttributeMetadata", "DateTime"},
	schema.TypeDecimal:          {"DecimalAttributeMetadata", "Decimal"},
	schema.TypeDouble:           {"DoubleAttributeMetadata", "Double"},
	schema.TypeEntityName:       {"EntityNameAttributeMetadata", "EntityName"},
	schema.TypeFile:             {"FileAttributeMetadata", "Virtual"},
	schema.TypeImage:            {"ImageAttributeMetadata", "Virtual"},
	schema.TypeInteger:          {"IntegerAttributeMetadata", "Integer"},
	schema.TypeLookup:           {"LookupAttributeMetadata", "Lookup"},
	schema.TypeManagedProperty:  {"ManagedPropertyAttributeMetadata", "ManagedProperty"},
	schema.TypeMemo:             {"MemoAttributeMetadata", "Memo"},
	schema.TypeMoney:            {"MoneyAttributeMetadata", "Money"},
	schema.TypeMultiSelect:      {"MultiSelectPicklistAttributeMetadata", "Virtual"},
	schema.TypeOwner:            {"LookupAttributeMetadata", "Owner"},
	schema.TypePartyList:        {"LookupAttributeMetadata", "PartyList"},
	schema.TypePicklist:         {"PicklistAttributeMetadata", "Picklist"},
	schema.TypeState:            {"StateAttributeMetadata", "State"},
	schema.TypeStatus:           {"StatusAttributeMetadata", "Status"},
	schema.TypeString:           {"StringAttributeMetadata", "String"},
	schema.TypeUniqueidentifier: {"UniqueIdentifierAttributeMetadata", "Uniqueidentifier"},
	schema.TypeVirtual:          {"AttributeMetadata", "Virtual"},
}

func (c *catalog) attributes(t *schema.Table) []*node {
	nodes := make([]*node, 0, len(t.Columns))
	for i, column := range t.Columns {
		nodes = append(nodes, c.attribute(t, column, i+1))
	}
	return nodes
}

func (c *catalog) attribute(t *schema.Table, column *schema.Column, number int) *node {
	kind := columnKinds[column.Type].metadata
	if kind == "" {
		kind = "AttributeMetadata"
	}
	n := &node{kind: kind, ident: column.MetadataID, keys: []field{{"LogicalName", column.LogicalName}, {"SchemaName", column.SchemaName}}, fields: func() object {
		return append(attributeFields(t, column, number), typeFields(column)...)
	}}
	if choiceKind(kind) {
		n.navs = []nav{
			{name: "OptionSet", kind: optionSetKind(kind), single: true, read: func() []*node { return c.optionSet(t, column) }},
			{name: "GlobalOptionSet", kind: optionSetKind(kind), single: true, read: func() []*node { return c.globalOptionSet(column) }},
		}
	}
	return n
}

func choiceKind(kind string) bool {
	switch kind {
	case "PicklistAttributeMetadata", "MultiSelectPicklistAttributeMetadata", "StateAttributeMetadata", "StatusAttributeMetadata",
		"BooleanAttributeMetadata", "EntityNameAttributeMetadata":
		return true
	}
	return false
}

func optionSetKind(kind string) string {
	if kind == "BooleanAttributeMetadata" {
		return "BooleanOptionSetMetadata"
	}
	return "OptionSetMetadata"
}

// attributeFields are those of every column.
func attributeFields(t *schema.Table, column *schema.Column, number int) object {
	own := customColumn(column)
	shadow := column.AttributeOf != ""
	return object{
		{"AttributeOf", orNull(column.AttributeOf)}, {"AttributeType", enum{"AttributeTypeCode", attributeCode(column)}},
		{"ColumnNumber", number}, {"DeprecatedVersion", nil}, {"IntroducedVersion", "5.0.0.0"}, {"EntityLogicalName", t.LogicalName},
		{"IsCustomAttribute", own}, {"IsPrimaryId", column.IsPrimaryID}, {"IsValidODataAttribute", t.PropertyName(column) != ""},
		{"IsPrimaryName", column.IsPrimaryName}, {"IsValidForCreate", column.ForCreate}, {"IsValidForRead", column.ForRead},
		{"IsValidForUpdate", column.ForUpdate}, {"CanBeSecuredForRead", own}, {"CanBeSecuredForCreate", own},
		{"CanBeSecuredForUpdate", own}, {"IsSecured", column.IsSecured}, {"IsRetrievable", column.ForRead}, {"IsFilterable", false},
		{"IsSearchable", false}, {"IsManaged", !own}, {"LinkedAttributeId", nil}, {"LogicalName", column.LogicalName},
		{"IsValidForForm", !shadow}, {"IsRequiredForForm", false}, {"IsValidForGrid", !shadow}, {"SchemaName", column.SchemaName},
		{"ExternalName", nil}, {"IsLogical", column.IsLogical}, {"IsDataSourceSecret", false}, {"InheritsFrom", nil},
		{"CreatedOn", installed}, {"ModifiedOn", installed}, {"SourceType", sourceType(column)},
		{"AutoNumberFormat", column.AutoNumber}, {"MetadataId", column.MetadataID}, {"HasChanged", nil},
		{"AttributeTypeName", object{{"Value", column.Type}}},
		{"Description", newLabel("", !own)},
		{"DisplayName", newLabel(displayName(column), !own, t.LogicalName, "attribute", column.LogicalName)},
		{"IsAuditEnabled", managed(true, true, "canmodifyauditsettings")},
		{"IsGlobalFilterEnabled", managed(false, true, "canmodifyglobalfiltersettings")},
		{"IsSortableEnabled", managed(false, true, "canmodifyissortablesettings")},
		{"IsCustomizable", managed(true, own, "iscustomizable")},
		{"IsRenameable", managed(true, own, "isrenameable")},
		{"IsValidForAdvancedFind", managed(!shadow, true, "canmodifysearchsettings")},
		{"RequiredLevel", managed(enum{"AttributeRequiredLevel", column.RequiredLevel}, column.RequiredLevel != "SystemRequired", "canmodifyrequirementlevelsettings")},
		{"CanModifyAdditionalSettings", managed(true, own, "canmodifyadditionalsettings")},
	}
}

// displayName is empty for shadows, which no form shows.
func displayName(column *schema.Column) string {
	if column.AttributeOf != "" {
		return ""
	}
	return column.DisplayName
}

func attributeCode(column *schema.Column) string {
	if kind, ok := columnKinds[column.Type]; ok {
		return kind.code
	}
	return "Virtual"
}

// sourceType is null where a column's type cannot be calculated.
func sourceType(column *schema.Column) any {
	switch column.Type {
	case schema.TypeLookup, schema.TypeCustomer, schema.TypeOwner, schema.TypeUniqueidentifier, schema.TypeEntityName, schema.TypeVirtual, schema.TypePartyList:
		return nil
	}
	return column.SourceType
}

// typeFields are those that only the column's own type has.
func typeFields(c *schema.Column) object {
	switch c.Type {
	case schema.TypeString:
		return object{
			{"Format", enum{"StringFormat", stringFormat(c.Format)}}, {"FormatName", object{{"Value", orText(c.Format, "Text")}}},
			{"ImeMode", enum{"ImeMode", "Auto"}}, {"MaxLength", c.MaxLength}, {"DatabaseLength", c.MaxLength * 2}, {"YomiOf", nil},
			{"IsLocalizable", false}, {"FormulaDefinition", ""}, {"SourceTypeMask", 0},
		}
	case schema.TypeMemo:
		return object{{"Format", enum{"StringFormat", stringFormat(c.Format)}}, {"FormatName", object{{"Value", orText(c.Format, "TextArea")}}}, {"ImeMode", enum{"ImeMode", "Auto"}}, {"MaxLength", c.MaxLength}, {"IsLocalizable", false}}
	case schema.TypeInteger:
		return object{{"Format", enum{"IntegerFormat", orText(c.Format, "None")}}, {"MaxValue", whole(c.Max)}, {"MinValue", whole(c.Min)}, {"FormulaDefinition", ""}, {"SourceTypeMask", 0}}
	case schema.TypeBigInt:
		return object{{"MaxValue", whole(c.Max)}, {"MinValue", whole(c.Min)}}
	case schema.TypeDecimal:
		return object{{"MaxValue", c.Max}, {"MinValue", c.Min}, {"Precision", c.Precision}, {"ImeMode", enum{"ImeMode", "Disabled"}}, {"FormulaDefinition", ""}, {"SourceTypeMask", 0}}
	case schema.TypeDouble:
		return object{{"MaxValue", c.Max}, {"MinValue", c.Min}, {"Precision", c.Precision}, {"ImeMode", enum{"ImeMode", "Disabled"}}}
	case schema.TypeMoney:
		return moneyFields(c)
	case schema.TypeDateTime:
		return object{
			{"MinSupportedValue", "1753-01-01T00:00:00Z"}, {"MaxSupportedValue", "9999-12-30T23:59:59Z"}, {"Format", enum{"DateTimeFormat", orText(c.Format, "DateAndTime")}},
			{"ImeMode", enum{"ImeMode", "Inactive"}}, {"SourceTypeMask", 0}, {"FormulaDefinition", ""},
			{"DateTimeBehavior", object{{"Value", orText(c.DateTimeBehavior, "UserLocal")}}},
			{"CanChangeDateTimeBehavior", managed(false, false, "canchangedatetimebehavior")},
		}
	case schema.TypeLookup, schema.TypeCustomer, schema.TypeOwner, schema.TypePartyList, schema.TypeCalendarRules:
		return object{{"Targets", texts(c.Targets)}, {"Format", enum{"LookupFormat", "None"}}}
	case schema.TypePicklist, schema.TypeMultiSelect, schema.TypeState, schema.TypeStatus:
		return object{{"DefaultFormValue", defaultFormValue(c)}, {"FormulaDefinition", ""}, {"SourceTypeMask", 0}, {"ParentPicklistLogicalName", nil}, {"ChildPicklistLogicalNames", []string{}}}
	case schema.TypeBoolean:
		return object{{"DefaultValue", c.Default == true}, {"FormulaDefinition", ""}, {"SourceTypeMask", 0}}
	case schema.TypeImage:
		return object{{"IsPrimaryImage", c.LogicalName == "entityimage"}, {"MaxHeight", 144}, {"MaxWidth", 144}, {"MaxSizeInKB", c.MaxSizeKB}, {"CanStoreFullImage", c.LogicalName != "entityimage"}}
	case schema.TypeFile:
		return object{{"MaxSizeInKB", c.MaxSizeKB}}
	case schema.TypeEntityName:
		return object{{"DefaultFormValue", nil}, {"IsEntityReferenceStored", false}}
	case schema.TypeManagedProperty:
		return object{{"ManagedPropertyLogicalName", c.LogicalName}, {"ValueAttributeTypeCode", enum{"AttributeTypeCode", "Boolean"}}, {"ParentAttributeName", nil}, {"ParentComponentType", nil}}
	}
	return nil
}

func moneyFields(c *schema.Column) object {
	base := len(c.LogicalName) > 5 && c.LogicalName[len(c.LogicalName)-5:] == "_base"
	var of any
	if base {
		of = c.LogicalName[:len(c.LogicalName)-5]
	}
	return object{
		{"MaxValue", c.Max}, {"MinValue", c.Min}, {"Precision", c.Precision}, {"PrecisionSource", c.PrecisionSource}, {"ImeMode", enum{"ImeMode", "Disabled"}},
		{"CalculationOf", of}, {"IsBaseCurrency", base}, {"FormulaDefinition", ""}, {"SourceTypeMask", 0},
	}
}

// stringFormat is the older of the two ways to say a format; what came later reads Text there.
func stringFormat(format string) string {
	switch format {
	case "Email", "TextArea", "Url", "TickerSymbol", "Phone", "Json", "RichText":
		return format
	}
	return "Text"
}

func defaultFormValue(c *schema.Column) any {
	if c.Default == nil {
		return -1
	}
	return c.Default
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// whole writes a bound of a whole number without a fraction; float64 holds 2^63 only just too large.
func whole(v *float64) any {
	if v == nil {
		return nil
	}
	if *v >= 1<<63 {
		return int64(1<<63 - 1)
	}
	return int64(*v)
}

var (
	protoTable  = &schema.Table{TableType: schema.Standard}
	protoColumn = func(kind string) *schema.Column {
		for name, k := range columnKinds {
			if k.metadata == kind {
				return &schema.Column{Type: name}
			}
		}
		return &schema.Column{Type: schema.TypeVirtual}
	}
)

// prototype is a node of a type without content: it knows which properties the type has.
func prototype(kind string) *node {
	c := &catalog{org: &schema.Organization{}}
	switch kind {
	case "EntityMetadata":
		return c.entity(protoTable)
	case "EntityKeyMetadata":
		return &node{kind: kind, fields: func() object { return keyFields(protoTable, &schema.Key{}) }}
	case "OneToManyRelationshipMetadata", "RelationshipMetadataBase":
		return &node{kind: kind, fields: func() object { return lookupFields(&schema.Relationship{}) }}
	case "ManyToManyRelationshipMetadata":
		return &node{kind: kind, fields: func() object { return manyFields(&schema.Many{}) }}
	case "OptionSetMetadata", "OptionSetMetadataBase", "BooleanOptionSetMetadata":
		return &node{kind: kind, fields: func() object { return optionSetFields(&schema.OptionSet{}, "Picklist", "") }}
	case "AttributeMetadata":
		return c.attribute(protoTable, &schema.Column{Type: schema.TypeVirtual}, 1)
	}
	return c.attribute(protoTable, protoColumn(kind), 1)
}

// baseProperty says whether a base type declares a property.
func baseProperty(declared, name string) bool {
	switch declared {
	case "AttributeMetadata":
		_, ok := attributeBase[name]
		return ok
	case "RelationshipMetadataBase":
		return relationshipBase[name]
	case "OptionSetMetadataBase":
		return name != "Options" && name != "TrueOption" && name != "FalseOption"
	}
	return true
}

var attributeBase = func() map[string]bool {
	names := map[string]bool{}
	for _, f := range attributeFields(protoTable, &schema.Column{}, 0) {
		names[f.name] = true
	}
	return names
}()
