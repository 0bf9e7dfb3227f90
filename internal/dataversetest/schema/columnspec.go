package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// specTypes are the words for a column's type, and what each presets.
var specTypes = map[string]Column{
	"text":      {Type: TypeString},
	"memo":      {Type: TypeMemo},
	"int":       {Type: TypeInteger},
	"bigint":    {Type: TypeBigInt},
	"decimal":   {Type: TypeDecimal},
	"double":    {Type: TypeDouble},
	"money":     {Type: TypeMoney},
	"bool":      {Type: TypeBoolean},
	"datetime":  {Type: TypeDateTime},
	"date":      {Type: TypeDateTime, Format: "DateOnly", DateTimeBehavior: "DateOnly"},
	"choice":    {Type: TypePicklist},
	"choices":   {Type: TypeMultiSelect},
	"lookup":    {Type: TypeLookup},
	"customer":  {Type: TypeCustomer, Targets: []string{"account", "contact"}},
	"owner":     {Type: TypeOwner, Targets: []string{"systemuser", "team"}},
	"guid":      {Type: TypeUniqueidentifier},
	"image":     {Type: TypeImage},
	"file":      {Type: TypeFile},
	"table":     {Type: TypeEntityName},
	"partylist": {Type: TypePartyList},
}

var specFormats = map[string]string{
	"email": "Email", "url": "Url", "phone": "Phone", "ticker": "TickerSymbol", "area": "TextArea", "json": "Json",
	"rich": "RichText", "dateonly": "DateOnly", "duration": "Duration", "timezone": "TimeZone", "language": "Language",
}

var specLevels = map[string]string{
	"system": "SystemRequired", "required": "ApplicationRequired", "recommended": "Recommended",
}

// parseColumn reads the short notation of a column: its type, then in any order a length, a range, a format, flags,
// the tables that a lookup leads to, and a display name in quotes:
//
//	text 100 email required "Work email"
//	decimal 0..1000 precision=3
//	lookup >account,contact
func parseColumn(schemaName, spec string) (*Column, error) {
	spec, display, err := cutDisplay(spec)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(spec)
	if len(words) == 0 {
		return nil, fmt.Errorf("column %s has no type", schemaName)
	}
	preset, ok := specTypes[words[0]]
	if !ok {
		return nil, fmt.Errorf("column %s: %q is not a type (known: text, memo, int, bigint, decimal, double, money, bool, "+
			"datetime, date, choice, choices, lookup, customer, owner, guid, image, file, table, partylist)", schemaName, words[0])
	}
	column := preset
	column.SchemaName = schemaName
	column.LogicalName = strings.ToLower(schemaName)
	column.DisplayName = display
	column.ForCreate, column.ForUpdate, column.ForRead = true, true, true
	for _, word := range words[1:] {
		if err := column.applyWord(word); err != nil {
			return nil, fmt.Errorf("column %s: %w", schemaName, err)
		}
	}
	if column.DisplayName == "" {
		column.DisplayName = spaced(schemaName)
	}
	if column.IsLookup() && len(column.Targets) == 0 {
		return nil, fmt.Errorf("column %s: a lookup names its tables, as in `lookup >account`", schemaName)
	}
	column.limits()
	return &column, nil
}

func cutDisplay(spec string) (rest, display string, err error) {
	before, quoted, ok := strings.Cut(spec, `"`)
	if !ok {
		return spec, "", nil
	}
	display, after, ok := strings.Cut(quoted, `"`)
	if !ok || strings.TrimSpace(after) != "" {
		return "", "", fmt.Errorf("the display name must be the last word, in double quotes")
	}
	return before, display, nil
}

func (c *Column) applyWord(word string) error {
	if format, ok := specFormats[word]; ok {
		c.Format = format
		return nil
	}
	if level, ok := specLevels[word]; ok {
		c.RequiredLevel = level
		return nil
	}
	if targets, ok := strings.CutPrefix(word, ">"); ok {
		c.Targets = strings.Split(targets, ",")
		return nil
	}
	if name, value, ok := strings.Cut(word, "="); ok {
		return c.applySetting(name, value)
	}
	if low, high, ok := strings.Cut(word, ".."); ok {
		return c.applyRange(low, high)
	}
	if n, err := strconv.Atoi(word); err == nil {
		return c.applySize(n)
	}
	return c.applyFlag(word)
}

func (c *Column) applyFlag(word string) error {
	switch word {
	case "readonly":
		c.ForCreate, c.ForUpdate = false, false
	case "createonly":
		c.ForUpdate = false
	case "updateonly":
		c.ForCreate = false
	case "logical":
		c.IsLogical = true
	case "secured":
		c.IsSecured = true
	case "local":
		c.DateTimeBehavior = "UserLocal"
	case "independent":
		c.DateTimeBehavior = "TimeZoneIndependent"
	case "calculated", "rollup", "formula":
		c.SourceType = map[string]int{"calculated": 1, "rollup": 2, "formula": 3}[word]
		c.ForCreate, c.ForUpdate = false, false
	default:
		return fmt.Errorf("%q is not understood", word)
	}
	return nil
}

func (c *Column) applySize(n int) error {
	switch {
	case n <= 0:
		return fmt.Errorf("%d is not a size", n)
	case c.Type == TypeString || c.Type == TypeMemo:
		c.MaxLength = n
	case c.Type == TypeImage || c.Type == TypeFile:
		c.MaxSizeKB = n
	default:
		return fmt.Errorf("a %s has no length", strings.TrimSuffix(c.Type, "Type"))
	}
	return nil
}

func (c *Column) applyRange(low, high string) error {
	from, err := strconv.ParseFloat(low, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number", low)
	}
	to, err := strconv.ParseFloat(high, 64)
	if err != nil || to < from {
		return fmt.Errorf("%q is not a number from %s on", high, low)
	}
	c.Min, c.Max = number(from), number(to)
	return nil
}

func (c *Column) applySetting(name, value string) error {
	var err error
	switch name {
	case "precision":
		c.Precision, err = strconv.Atoi(value)
	case "source":
		c.PrecisionSource, err = strconv.Atoi(value)
	case "of":
		c.AttributeOf = value
	case "autonumber":
		c.AutoNumber = value
	case "default":
		c.Default, err = c.parseDefault(value)
	default:
		return fmt.Errorf("%q is not understood", name+"="+value)
	}
	if err != nil {
		return fmt.Errorf("%q is not a value of %s", value, name)
	}
	return nil
}

func (c *Column) parseDefault(value string) (any, error) {
	if c.Type == TypeBoolean {
		return strconv.ParseBool(value)
	}
	return strconv.Atoi(value)
}

// spaced makes a display name of a schema name: `cr1_ParcelNo` reads "Parcel No", `Address1_City` reads "Address 1: City".
func spaced(schemaName string) string {
	prefix, name, ok := strings.Cut(schemaName, "_")
	switch {
	case !ok:
		name = schemaName
	case strings.HasPrefix(prefix, "Address"):
		return spaced(prefix) + ": " + spaced(name)
	case strings.ToLower(prefix) != prefix:
		name = schemaName
	}
	var words strings.Builder
	var before rune
	for i, r := range name {
		if r == '_' {
			r = ' '
		}
		if i > 0 && before != ' ' && (unicode.IsUpper(r) && !unicode.IsUpper(before) || unicode.IsDigit(r) && !unicode.IsDigit(before)) {
			words.WriteByte(' ')
		}
		if i == 0 {
			r = unicode.ToUpper(r)
		}
		words.WriteRune(r)
		before = r
	}
	return words.String()
}
