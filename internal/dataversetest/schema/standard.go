package schema

import "strings"

// state is one state of a table with the statuses that belong to it, the default first.
type state struct {
	option   Option
	statuses []Option
}

func defaultStates() []state {
	return []state{
		{Option{Value: 0, Label: "Active", DefaultStatus: 1}, []Option{{Value: 1, Label: "Active"}}},
		{Option{Value: 1, Label: "Inactive", DefaultStatus: 2}, []Option{{Value: 2, Label: "Inactive", State: 1}}},
	}
}

// activityColumns are the lookups that every activity has from activitypointer: its navigation properties for them end
// in the activity's own name (ownerid_email, regardingobjectid_contact_email).
var activityColumns = map[string]bool{
	"createdby": true, "createdonbehalfby": true, "modifiedby": true, "modifiedonbehalfby": true, "ownerid": true,
	"owningbusinessunit": true, "owningteam": true, "owninguser": true, "regardingobjectid": true,
	"transactioncurrencyid": true,
}

func primaryID(schemaName, display string) *Column {
	return &Column{
		LogicalName: strings.ToLower(schemaName), SchemaName: schemaName, DisplayName: display, Type: TypeUniqueidentifier,
		IsPrimaryID: true, ForCreate: true, ForRead: true, RequiredLevel: "SystemRequired",
	}
}

func (t *Table) add(column *Column) {
	if t.Column(column.LogicalName) == nil {
		t.Columns = append(t.Columns, column)
	}
}

// replace puts the column in the place of the one with its name, and forgets where that one led.
func (t *Table) replace(column *Column) {
	for i, old := range t.Columns {
		if old.LogicalName != column.LogicalName {
			continue
		}
		t.Columns[i] = column
		column.IsPrimaryID, column.IsPrimaryName = old.IsPrimaryID, old.IsPrimaryName
		t.Outgoing = without(t.Outgoing, func(r *Relationship) bool { return r.Column == column.LogicalName })
		return
	}
	t.Columns = append(t.Columns, column)
}

func without[T any](list []T, drop func(T) bool) []T {
	kept := list[:0:0]
	for _, item := range list {
		if !drop(item) {
			kept = append(kept, item)
		}
	}
	return kept
}

// standardColumns are what the service adds to every table, in the notation of parseColumn.
var standardColumns = []struct{ name, spec string }{
	{"CreatedBy", `lookup >systemuser readonly "Created By"`},
	{"CreatedOn", `datetime readonly "Created On"`},
	{"CreatedOnBehalfBy", `lookup >systemuser readonly "Created By (Delegate)"`},
	{"ModifiedBy", `lookup >systemuser readonly "Modified By"`},
	{"ModifiedOn", `datetime readonly "Modified On"`},
	{"ModifiedOnBehalfBy", `lookup >systemuser readonly "Modified By (Delegate)"`},
	{"ImportSequenceNumber", `int createonly "Import Sequence Number"`},
	{"OverriddenCreatedOn", `datetime dateonly createonly "Record Created On"`},
	{"TimeZoneRuleVersionNumber", `int -1..2147483647 "Time Zone Rule Version Number"`},
	{"UTCConversionTimeZoneCode", `int -1..2147483647 "UTC Conversion Time Zone Code"`},
	{"VersionNumber", `bigint readonly "Version Number"`},
}

var ownerColumns = []struct{ name, spec string }{
	{"OwnerId", `owner system "Owner"`},
	{"OwningBusinessUnit", `lookup >businessunit "Owning Business Unit"`},
	{"OwningTeam", `lookup >team readonly "Owning Team"`},
	{"OwningUser", `lookup >systemuser readonly "Owning User"`},
}

var currencyColumns = []struct{ name, spec string }{
	{"ExchangeRate", `decimal 0.000000000001..100000000000 precision=12 readonly "Exchange Rate"`},
	{"TransactionCurrencyId", `lookup >transactioncurrency "Currency"`},
}

var elasticColumns = []struct{ name, spec string }{
	{"PartitionId", `text 100 createonly "Partition Id"`},
	{"TTLInSeconds", `int "Time to live"`},
}

// relationshipNames are what the service calls the relationships of its own columns on a custom table.
var relationshipNames = map[string]string{
	"createdby": "lk_{table}_createdby", "createdonbehalfby": "lk_{table}_createdonbehalfby",
	"modifiedby": "lk_{table}_modifiedby", "modifiedonbehalfby": "lk_{table}_modifiedonbehalfby",
	"ownerid": "owner_{table}", "owningbusinessunit": "business_unit_{table}", "owningteam": "team_{table}",
	"owninguser": "user_{table}", "organizationid": "organization_{table}",
	"transactioncurrencyid": "TransactionCurrency_{table}",
}

// addStandard adds the columns that the service gives a table of this kind; names overrides relationship names.
func (t *Table) addStandard(names map[string]string, noLife bool) {
	t.addAll(standardColumns, names)
	switch t.OwnershipType {
	case "UserOwned":
		t.addAll(ownerColumns, names)
	case "OrganizationOwned":
		t.addAll([]struct{ name, spec string }{{"OrganizationId", `lookup >organization readonly "Organization Id"`}}, names)
	}
	if !noLife {
		t.addStates()
	}
	if t.addBaseColumns() {
		t.addAll(currencyColumns, names)
	}
	if t.TableType == Elastic {
		t.addAll(elasticColumns, names)
		t.Keys = append(t.Keys, &Key{
			LogicalName: "keyfornosqlentitywithpkpartitionid", SchemaName: "KeyForNoSqlEntityWithPKPartitionId",
			DisplayName: "Entity key for NoSql Entity that contains PrimaryKey and PartitionId attributes",
			Columns:     []string{t.PrimaryID, "partitionid"}, Status: "Active",
		})
	}
}

func (t *Table) addAll(list []struct{ name, spec string }, names map[string]string) {
	for _, item := range list {
		if t.Column(strings.ToLower(item.name)) != nil {
			continue
		}
		column, err := parseColumn(item.name, item.spec)
		if err != nil {
			panic(err) // the lists above are constants; a test parses them all
		}
		t.Columns = append(t.Columns, column)
		for _, target := range column.Targets {
			t.Outgoing = append(t.Outgoing, t.standardRelationship(column, target, names))
			if column.Type == TypeOwner {
				break // users and teams are reached through one relationship to owner
			}
		}
	}
}

func (t *Table) standardRelationship(column *Column, target string, names map[string]string) *Relationship {
	name := names[column.LogicalName]
	if name == "" {
		name = strings.ReplaceAll(relationshipNames[column.LogicalName], "{table}", t.LogicalName)
	}
	r := &Relationship{
		SchemaName: name, Referencing: t.LogicalName, Column: column.LogicalName, Referenced: target,
		ReferencedColumn: target + "id", Navigation: navigationName(t, column, target), Collection: name, Delete: "NoCascade",
	}
	if column.Type == TypeOwner {
		r.Referenced, r.ReferencedColumn = "owner", "ownerid"
	}
	if r.Referenced == "transactioncurrency" || r.Referenced == "businessunit" {
		r.Delete = "Restrict"
	}
	return r
}

func (t *Table) addStates() {
	if len(t.states) == 0 || t.Column("statecode") != nil {
		return
	}
	states := &OptionSet{Name: t.LogicalName + "_statecode"}
	statuses := &OptionSet{Name: t.LogicalName + "_statuscode"}
	for _, s := range t.states {
		option := s.option
		option.InvariantName = strings.ReplaceAll(option.Label, " ", "")
		states.Options = append(states.Options, option)
		statuses.Options = append(statuses.Options, s.statuses...)
	}
	t.Columns = append(t.Columns,
		&Column{LogicalName: "statecode", SchemaName: "StateCode", DisplayName: "Status", Type: TypeState, ForCreate: true, ForUpdate: true,
			ForRead: true, RequiredLevel: "SystemRequired", Options: states, Default: states.Options[0].Value},
		&Column{LogicalName: "statuscode", SchemaName: "StatusCode", DisplayName: "Status Reason", Type: TypeStatus, ForCreate: true,
			ForUpdate: true, ForRead: true, RequiredLevel: "None", Options: statuses, Default: states.Options[0].DefaultStatus})
}

// addBaseColumns adds to each money column the one that holds its value in the base currency; it says whether there is any.
func (t *Table) addBaseColumns() bool {
	any := false
	var columns []*Column
	for _, column := range t.Columns {
		columns = append(columns, column)
		if column.Type != TypeMoney || strings.HasSuffix(column.LogicalName, "_base") {
			continue
		}
		any = true
		if t.Column(column.LogicalName+"_base") != nil {
			continue
		}
		columns = append(columns, &Column{
			LogicalName: column.LogicalName + "_base", SchemaName: column.SchemaName + "_Base",
			DisplayName: column.DisplayName + " (Base)", Type: TypeMoney, ForRead: true, RequiredLevel: "None",
			Min: number(-maxMoney), Max: number(maxMoney), Precision: 4, PrecisionSource: 2,
		})
	}
	t.Columns = columns
	return any
}

// addShadows adds the columns that show another column's label, name or type. Metadata lists them (AttributeOf);
// rows carry the same facts as annotations.
func (t *Table) addShadows() {
	var columns []*Column
	for _, column := range t.Columns {
		columns = append(columns, column)
		columns = append(columns, t.shadows(column)...)
	}
	t.Columns = columns
}

// yomiNames are tables whose names have a second, phonetic form.
var yomiNames = map[string]bool{"account": true, "contact": true, "lead": true, "systemuser": true}

func (t *Table) shadows(column *Column) []*Column {
	shadow := func(suffix, kind string, length int) *Column {
		return &Column{
			LogicalName: column.LogicalName + strings.ToLower(suffix), SchemaName: column.SchemaName + suffix, Type: kind, ForRead: true,
			AttributeOf: column.LogicalName, RequiredLevel: "None", MaxLength: length, IsLogical: true, Format: map[bool]string{true: "Text"}[length > 0],
		}
	}
	var list []*Column
	switch column.Type {
	case TypeBoolean, TypePicklist, TypeMultiSelect, TypeState, TypeStatus:
		list = append(list, shadow("Name", TypeVirtual, 0))
	case TypeLookup:
		list = append(list, shadow("Name", TypeString, 100))
		if len(column.Targets) > 0 && yomiNames[column.Targets[0]] {
			list = append(list, shadow("YomiName", TypeString, 100))
		}
		if len(column.Targets) > 1 {
			list = append(list, shadow("Type", TypeEntityName, 0))
		}
	case TypeCustomer, TypeOwner:
		list = append(list, shadow("Name", TypeString, 160), shadow("YomiName", TypeString, 450), shadow("Type", TypeEntityName, 0))
	case TypeImage:
		id := shadow("Id", TypeUniqueidentifier, 0)
		stamp := shadow("_Timestamp", TypeBigInt, 0)
		list = append(list, id, stamp, shadow("_URL", TypeString, 200))
	case TypeFile:
		list = append(list, shadow("_Name", TypeString, 200))
	}
	return without(list, func(c *Column) bool { return t.Column(c.LogicalName) != nil })
}

// addMany joins two tables through an intersect table, which is made unless it is declared.
func (o *Organization) addMany(many *Many, set string) {
	if many.Column1 == "" {
		many.Column1, many.Column2 = many.Entity1+"id", many.Entity2+"id"
		if many.Entity1 == many.Entity2 {
			many.Column1, many.Column2 = many.Entity1+"idone", many.Entity2+"idtwo"
		}
	}
	if t := o.Tables[many.Entity1]; t != nil {
		t.Many = append(t.Many, many)
	}
	if t := o.Tables[many.Entity2]; t != nil && many.Entity1 != many.Entity2 {
		t.Many = append(t.Many, many)
	}
	if o.Tables[many.Intersect] != nil {
		return
	}
	if set == "" {
		set = many.Intersect + "set"
	}
	link := &Table{
		LogicalName: many.Intersect, SchemaName: many.Intersect, SetName: set, DisplayName: many.SchemaName, PrimaryID: many.Intersect + "id",
		TableType: Standard, OwnershipType: "None", IsIntersect: true, Messages: map[string]bool{},
	}
	link.add(primaryID(link.PrimaryID, many.SchemaName))
	for _, column := range []string{many.Column1, many.Column2} {
		link.add(&Column{LogicalName: column, SchemaName: column, DisplayName: column, Type: TypeUniqueidentifier, ForRead: true, RequiredLevel: "None"})
	}
	link.add(&Column{LogicalName: "versionnumber", SchemaName: "VersionNumber", Type: TypeBigInt, ForRead: true, RequiredLevel: "None"})
	o.Tables[many.Intersect] = link
}
