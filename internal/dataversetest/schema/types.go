package schema

// The values of Column.Type: AttributeTypeName.Value of the metadata.
const (
	TypeBigInt           = "BigIntType"
	TypeBoolean          = "BooleanType"
	TypeCalendarRules    = "CalendarRulesType"
	TypeCustomer         = "CustomerType"
	TypeDateTime         = "DateTimeType"
	TypeDecimal          = "DecimalType"
	TypeDouble           = "DoubleType"
	TypeEntityName       = "EntityNameType"
	TypeFile             = "FileType"
	TypeImage            = "ImageType"
	TypeInteger          = "IntegerType"
	TypeLookup           = "LookupType"
	TypeManagedProperty  = "ManagedPropertyType"
	TypeMemo             = "MemoType"
	TypeMoney            = "MoneyType"
	TypeMultiSelect      = "MultiSelectPicklistType"
	TypeOwner            = "OwnerType"
	TypePartyList        = "PartyListType"
	TypePicklist         = "PicklistType"
	TypeState            = "StateType"
	TypeStatus           = "StatusType"
	TypeString           = "StringType"
	TypeUniqueidentifier = "UniqueidentifierType"
	TypeVirtual          = "VirtualType"
)

// The values of Table.TableType.
const (
	Standard = "Standard"
	Elastic  = "Elastic"
	Virtual  = "Virtual"
)

// The limits of numbers that the service itself sets.
const (
	minInt32   = -1 << 31
	maxInt32   = 1<<31 - 1
	maxDecimal = 100_000_000_000
	maxMoney   = 922_337_203_685_477
	maxString  = 4_000
	maxMemo    = 1_048_576
)

func number(v float64) *float64 { return &v }

// limits fills what a column's source left out with what the service gives a new column of that type.
func (c *Column) limits() {
	switch c.Type {
	case TypeString:
		c.orLength(100)
		c.orFormat("Text")
	case TypeMemo:
		c.orLength(2000)
		c.orFormat("TextArea")
	case TypeInteger:
		c.orRange(minInt32, maxInt32)
		c.orFormat("None")
	case TypeBigInt:
		c.orRange(-1<<63, 1<<63)
	case TypeDecimal:
		c.orRange(-maxDecimal, maxDecimal)
		c.orPrecision(2)
	case TypeDouble:
		c.orRange(-maxDecimal, maxDecimal)
		c.orPrecision(2)
	case TypeMoney:
		c.orRange(-maxMoney, maxMoney)
		c.orPrecision(2)
	case TypeDateTime:
		c.orFormat("DateAndTime")
		if c.DateTimeBehavior == "" {
			c.DateTimeBehavior = "UserLocal"
		}
	case TypeBoolean:
		if c.Options == nil {
			c.Options = &OptionSet{Options: []Option{{Value: 0, Label: "No"}, {Value: 1, Label: "Yes"}}}
		}
		if c.Default == nil {
			c.Default = false
		}
	case TypeImage:
		c.orSize(10_240)
	case TypeFile:
		c.orSize(32_768)
	}
	if c.RequiredLevel == "" {
		c.RequiredLevel = "None"
	}
}

func (c *Column) orLength(n int) {
	if c.MaxLength == 0 {
		c.MaxLength = n
	}
}

func (c *Column) orFormat(format string) {
	if c.Format == "" {
		c.Format = format
	}
}

func (c *Column) orRange(low, high float64) {
	if c.Min == nil {
		c.Min = number(low)
	}
	if c.Max == nil {
		c.Max = number(high)
	}
}

func (c *Column) orPrecision(n int) {
	if c.Precision == 0 {
		c.Precision = n
	}
}

func (c *Column) orSize(kilobytes int) {
	if c.MaxSizeKB == 0 {
		c.MaxSizeKB = kilobytes
	}
}
