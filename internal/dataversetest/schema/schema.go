// Package schema is what an emulated organisation's tables look like: the model, its sources and the built-in organisation.
package schema

// Organization is every table of one emulated environment.
type Organization struct {
	Tables        map[string]*Table // by logical name
	Sets          map[string]*Table // by entity set name
	GlobalChoices map[string]*OptionSet
}

// Table is one entity type with its set.
type Table struct {
	LogicalName    string
	SchemaName     string
	SetName        string
	DisplayName    string
	PrimaryID      string
	PrimaryName    string
	TableType      string // Standard, Elastic, Virtual
	OwnershipType  string // UserOwned, OrganizationOwned, None
	ObjectTypeCode int
	IsActivity     bool
	IsIntersect    bool
	ChangeTracking bool
	Concurrency    bool // IsOptimisticConcurrencyEnabled
	MetadataID     string

	Columns  []*Column // in declaration order
	Keys     []*Key
	Outgoing []*Relationship // many-to-one: lookups of this table
	Incoming []*Relationship // one-to-many: lookups of other tables to this one
	Many     []*Many         // many-to-many
	Messages map[string]bool // CreateMultiple, UpdateMultiple, UpsertMultiple, DeleteMultiple …

	states []state // while a source is read
	index  *index
}

// Column is an attribute.
type Column struct {
	LogicalName string
	SchemaName  string
	DisplayName string
	Type        string // AttributeTypeName.Value: "StringType", "LookupType", "PicklistType" …
	AttributeOf string // shadow of another column
	MetadataID  string

	ForCreate, ForUpdate, ForRead bool
	IsPrimaryID, IsPrimaryName    bool
	IsLogical, IsSecured          bool
	SourceType                    int    // 0 simple, 1 calculated, 2 rollup, 3 formula
	RequiredLevel                 string // None, SystemRequired, ApplicationRequired, Recommended

	MaxLength        int
	Format           string // Text, Email, DateOnly, DateAndTime …
	Min, Max         *float64
	Precision        int
	PrecisionSource  int
	DateTimeBehavior string // UserLocal, DateOnly, TimeZoneIndependent
	AutoNumber       string
	Options          *OptionSet
	Targets          []string // lookups: logical names
	Default          any      // of choices and booleans
	MaxSizeKB        int
}

// OptionSet is the values of a choice, state, status or boolean column.
type OptionSet struct {
	Name        string
	DisplayName string // of a global one
	IsGlobal    bool
	Options     []Option // a boolean has 0 (false) then 1 (true)
}

// Option is one value of an OptionSet.
type Option struct {
	Value         int
	Label         string
	State         int    // of a status option
	DefaultStatus int    // of a state option
	InvariantName string // of a state option
}

// Key is an alternate key.
type Key struct {
	LogicalName string
	SchemaName  string
	DisplayName string
	Columns     []string
	Status      string // Pending, InProgress, Active, Failed
	MetadataID  string
}

// Relationship is a lookup from Referencing to Referenced.
type Relationship struct {
	SchemaName       string
	Referencing      string // table
	Column           string // lookup column of Referencing
	Navigation       string // single-valued navigation property on Referencing: before @odata.bind
	Referenced       string // table
	ReferencedColumn string // usually its primary id
	Collection       string // collection navigation property on Referenced; may be empty
	Delete           string // Cascade, RemoveLink, Restrict, NoCascade
	MetadataID       string
	IsHierarchical   bool
}

// Many is a many-to-many relationship.
type Many struct {
	SchemaName       string
	Intersect        string // table
	Entity1, Entity2 string
	Column1, Column2 string // of the intersect table
	Navigation1      string // on Entity1, leading to Entity2
	Navigation2      string
	MetadataID       string
}
