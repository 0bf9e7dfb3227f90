package parquet

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"penstock/internal/row"
)

// Type is a column's type: how its values become cells.
type Type struct {
	name  string
	as    conversion
	unit  time.Duration // of dates and times
	utc   bool          // a time is an instant, not what a clock showed
	scale int           // of a decimal
}

// String names the type as SQL does.
func (t Type) String() string { return t.name }

type conversion uint8

const (
	asText conversion = iota
	asBool
	asInt32
	asInt64
	asUint32
	asUint64
	asHalf
	asFloat
	asDouble
	asDecimal32
	asDecimal64
	asDecimalBytes
	asDate
	asTime32
	asTime64
	asTimestamp
	asInt96
	asUUID
	asNull
)

// describe takes the columns from the schema, and refuses what no table's column can hold.
func (f *Reader) describe() error {
	schema := f.file.Metadata().Schema
	if len(schema) < 2 {
		return f.refuse("no_columns", "the Parquet file has no columns")
	}
	if len(schema)-1 > f.bounds.Columns {
		return f.refuse("too_many_columns", "the file has more than %d columns", f.bounds.Columns).
			Advise("no table has so many: leave out those that are not loaded")
	}
	for i := range schema[1:] {
		element := &schema[i+1]
		if element.NumChildren.V > 0 || !element.Type.Valid || element.RepetitionType.V == format.Repeated {
			return f.refuse("nested_column", "the column is nested (a list, map, struct or variant), and a table's column holds one value").
				At(f.name, 0, element.Name).Advise("select the fields that you need by name, or as one text with TO_JSON, or leave the column out of the query")
		}
		t, err := typeOf(element)
		if err != "" {
			return f.refuse("unsupported_column", "the column has the type %s, which cannot be read", err).
				At(f.name, 0, element.Name).Advise("leave it out of the query, or cast it to text")
		}
		f.names = append(f.names, element.Name)
		f.columns = append(f.columns, column{Type: t, buf: make([]pq.Value, batch)})
	}
	f.cells = make([]row.Cell, len(f.columns))
	return nil
}

// typeOf reads logical types, and the older converted ones where a file has no others; what it
// cannot read it names.
func typeOf(e *format.SchemaElement) (t Type, unsupported string) {
	logical := e.LogicalType.Value
	if logical == nil && e.ConvertedType.Valid {
		logical, unsupported = converted(e)
		if unsupported != "" {
			return t, unsupported
		}
	}
	physical := e.Type.V
	switch l := logical.(type) {
	case *format.StringType, *format.EnumType, *format.JsonType:
		if physical == format.ByteArray || physical == format.FixedLenByteArray {
			return Type{name: "text"}, ""
		}
	case *format.IntType:
		return integer(physical, l)
	case *format.DecimalType:
		return decimal(physical, l)
	case *format.DateType:
		if physical == format.Int32 {
			return Type{name: "date", as: asDate}, ""
		}
	case *format.TimeType:
		return clock(physical, l)
	case *format.TimestampType:
		if physical == format.Int64 && l.Unit.Value != nil {
			t = Type{name: "timestamp", as: asTimestamp, unit: l.Unit.Value.Duration(), utc: l.IsAdjustedToUTC}
			if l.IsAdjustedToUTC {
				t.name = "timestamp with time zone"
			}
			return t, ""
		}
	case *format.UUIDType:
		if physical == format.FixedLenByteArray && e.TypeLength.V == 16 {
			return Type{name: "uuid", as: asUUID}, ""
		}
	case *format.Float16Type:
		if physical == format.FixedLenByteArray && e.TypeLength.V == 2 {
			return Type{name: "float16", as: asHalf}, ""
		}
	case *format.NullType:
		return Type{name: "null", as: asNull}, ""
	case nil:
		return plainType(physical)
	}
	return t, fmt.Sprint(logical)
}

func plainType(physical format.Type) (Type, string) {
	switch physical {
	case format.Boolean:
		return Type{name: "boolean", as: asBool}, ""
	case format.Int32:
		return Type{name: "int32", as: asInt32}, ""
	case format.Int64:
		return Type{name: "int64", as: asInt64}, ""
	case format.Int96: // Impala, Hive and older Spark write timestamps so
		return Type{name: "timestamp", as: asInt96}, ""
	case format.Float:
		return Type{name: "real", as: asFloat}, ""
	case format.Double:
		return Type{name: "double", as: asDouble}, ""
	}
	return Type{name: "text"}, "" // of bytes that no annotation calls anything else; what is not UTF-8 is rejected
}

func integer(physical format.Type, l *format.IntType) (Type, string) {
	name := fmt.Sprintf("int%d", l.BitWidth)
	switch {
	case physical == format.Int32 && l.IsSigned:
		return Type{name: name, as: asInt32}, ""
	case physical == format.Int64 && l.IsSigned:
		return Type{name: name, as: asInt64}, ""
	case physical == format.Int32:
		return Type{name: "u" + name, as: asUint32}, ""
	case physical == format.Int64:
		return Type{name: "u" + name, as: asUint64}, ""
	}
	return Type{}, l.String()
}

func decimal(physical format.Type, l *format.DecimalType) (Type, string) {
	t := Type{name: fmt.Sprintf("decimal(%d,%d)", l.Precision, l.Scale), scale: int(l.Scale)}
	if l.Scale < 0 || l.Scale > l.Precision || l.Precision > 1000 {
		return t, l.String()
	}
	switch physical {
	case format.Int32:
		t.as = asDecimal32
	case format.Int64:
		t.as = asDecimal64
	case format.ByteArray, format.FixedLenByteArray:
		t.as = asDecimalBytes
	default:
		return t, l.String()
	}
	return t, ""
}

func clock(physical format.Type, l *format.TimeType) (Type, string) {
	if l.Unit.Value == nil {
		return Type{}, "TIME"
	}
	t := Type{name: "time", unit: l.Unit.Value.Duration()}
	switch physical {
	case format.Int32:
		t.as = asTime32
	case format.Int64:
		t.as = asTime64
	default:
		return t, l.String()
	}
	return t, ""
}

// converted is the logical type that an older annotation stands for.
func converted(e *format.SchemaElement) (l format.LogicalTypeValue, unsupported string) {
	millis, micros := format.TimeUnit{Value: &format.MilliSeconds{}}, format.TimeUnit{Value: &format.MicroSeconds{}}
	switch c := e.ConvertedType.V; c {
	case deprecated.UTF8:
		return &format.StringType{}, ""
	case deprecated.Enum:
		return &format.EnumType{}, ""
	case deprecated.Json:
		return &format.JsonType{}, ""
	case deprecated.Decimal:
		return &format.DecimalType{Scale: e.Scale.V, Precision: e.Precision.V}, ""
	case deprecated.Date:
		return &format.DateType{}, ""
	case deprecated.TimeMillis:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: millis}, ""
	case deprecated.TimeMicros:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: micros}, ""
	case deprecated.TimestampMillis:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: millis}, ""
	case deprecated.TimestampMicros:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: micros}, ""
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return &format.IntType{BitWidth: 8 << (c - deprecated.Uint8)}, ""
	case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64:
		return &format.IntType{BitWidth: 8 << (c - deprecated.Int8), IsSigned: true}, ""
	default:
		return nil, map[deprecated.ConvertedType]string{deprecated.Interval: "INTERVAL", deprecated.Bson: "BSON"}[c] + fmt.Sprintf(" (converted type %d)", c)
	}
}

// append writes a value that is not null, and says what kind of cell it makes.
func (t *Type) append(dst []byte, v *pq.Value) ([]byte, row.Kind) {
	switch t.as {
	case asBool:
		return strconv.AppendBool(dst, v.Boolean()), row.Bool
	case asInt32:
		return strconv.AppendInt(dst, int64(v.Int32()), 10), row.Number
	case asInt64:
		return strconv.AppendInt(dst, v.Int64(), 10), row.Number
	case asUint32:
		return strconv.AppendUint(dst, uint64(v.Uint32()), 10), row.Number
	case asUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10), row.Number
	case asHalf:
		return appendFloat(dst, half(v.ByteArray()), 32), row.Number
	case asFloat:
		return appendFloat(dst, float64(v.Float()), 32), row.Number
	case asDouble:
		return appendFloat(dst, v.Double(), 64), row.Number
	case asDecimal32:
		return appendDecimal(dst, int64(v.Int32()), t.scale), row.Number
	case asDecimal64:
		return appendDecimal(dst, v.Int64(), t.scale), row.Number
	case asDecimalBytes:
		return appendBigDecimal(dst, v.ByteArray(), t.scale), row.Number
	case asDate:
		return appendDay(dst, int64(v.Int32())), row.Text
	case asTime32:
		return appendClock(dst, time.Duration(v.Int32())*t.unit), row.Text
	case asTime64:
		return appendClock(dst, time.Duration(v.Int64())*t.unit), row.Text
	case asTimestamp:
		return t.appendTimestamp(dst, v.Int64()), row.Text
	case asInt96:
		return appendInt96(dst, v.Int96()), row.Text
	case asUUID:
		return appendUUID(dst, v.ByteArray()), row.Text
	case asNull:
		return dst, row.Null
	}
	return append(dst, v.ByteArray()...), row.Text
}

// appendFloat writes the shortest text that reads back as the same number, in plain notation where
// a person would (as JavaScript does).
func appendFloat(dst []byte, x float64, bits int) []byte {
	if size := math.Abs(x); size != 0 && (size < 1e-6 || size >= 1e21) || math.IsInf(x, 0) {
		return strconv.AppendFloat(dst, x, 'e', -1, bits)
	}
	return strconv.AppendFloat(dst, x, 'f', -1, bits)
}

// half is a 16-bit float: a sign, five bits of exponent, ten of fraction.
func half(b []byte) float64 {
	if len(b) != 2 {
		return math.NaN()
	}
	bits := binary.LittleEndian.Uint16(b)
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	x := math.Ldexp(1+fraction/1024, exponent-15)
	switch {
	case exponent == 0:
		x = math.Ldexp(fraction, -24)
	case exponent == 31 && fraction == 0:
		x = math.Inf(1)
	case exponent == 31:
		x = math.NaN()
	}
	if bits>>15 == 1 {
		x = -x
	}
	return x
}

// appendDecimal puts the point where the scale says. Decimals are exact: no float ever holds one.
func appendDecimal(dst []byte, unscaled int64, scale int) []byte {
	if unscaled < 0 {
		dst = append(dst, '-')
	}
	size := uint64(unscaled)
	if unscaled < 0 {
		size = -size
	}
	var digits [20]byte
	return appendPoint(dst, strconv.AppendUint(digits[:0], size, 10), scale)
}

func appendPoint(dst, digits []byte, scale int) []byte {
	if scale == 0 {
		return append(dst, digits...)
	}
	whole := len(digits) - scale
	if whole > 0 {
		dst = append(dst, digits[:whole]...)
		digits = digits[whole:]
		whole = 0
	} else {
		dst = append(dst, '0')
	}
	dst = append(dst, '.')
	for range -whole {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendBigDecimal reads two's complement, most significant byte first.
func appendBigDecimal(dst, b []byte, scale int) []byte {
	if len(b) <= 8 {
		var unscaled int64
		if len(b) > 0 && b[0] >= 0x80 {
			unscaled = -1
		}
		for _, x := range b {
			unscaled = unscaled<<8 | int64(x)
		}
		return appendDecimal(dst, unscaled, scale)
	}
	var n big.Int
	n.SetBytes(b)
	if b[0] >= 0x80 {
		var whole big.Int
		n.Sub(&n, whole.Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
		n.Neg(&n)
	}
	return appendPoint(dst, n.Append(nil, 10), scale)
}

// appendDay writes a day counted from 1970-01-01. Years are counted in eras of 400 from 1 March 0000, so that
// the day that leap years add comes last.
func appendDay(dst []byte, day int64) []byte {
	day += 719468
	era := floorDiv(day, 146097)
	of := day - era*146097 // era
	year := (of - of/1460 + of/36524 - of/146096) / 365
	of -= 365*year + year/4 - year/100
	month := (5*of + 2) / 153 // from March
	of -= (153*month+2)/5 - 1
	year += era * 400
	if month += 3; month > 12 {
		year, month = year+1, month-12
	}
	if year < 0 || year > 9999 {
		dst = strconv.AppendInt(dst, year, 10) // no calendar that a table keeps
	} else {
		dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10))
	}
	return append(dst, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+of/10), byte('0'+of%10))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// appendTimestamp writes an instant with Z, and what a clock showed without a zone.
func (t *Type) appendTimestamp(dst []byte, n int64) []byte {
	perSecond := int64(time.Second / t.unit)
	seconds, rest := n/perSecond, n%perSecond
	if rest < 0 {
		seconds, rest = seconds-1, rest+perSecond
	}
	day := floorDiv(seconds, 86400)
	dst = append(appendDay(dst, day), 'T')
	dst = appendClock(dst, time.Duration(seconds-day*86400)*time.Second+time.Duration(rest)*t.unit)
	if t.utc {
		dst = append(dst, 'Z')
	}
	return dst
}

// appendFraction writes a fraction of a second that is not zero.
func appendFraction(dst []byte, rest time.Duration) []byte {
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for digit := time.Second / 10; rest > 0; digit /= 10 {
		dst = append(dst, byte('0'+rest/digit))
		rest %= digit
	}
	return dst
}

func appendClock(dst []byte, since time.Duration) []byte {
	if since < 0 { // no time of day; whoever takes it for one shall stumble
		dst, since = append(dst, '-'), -since
	}
	seconds := since / time.Second
	for i, part := range [...]time.Duration{seconds / 3600, seconds / 60 % 60, seconds % 60} {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, byte('0'+part/10%10), byte('0'+part%10))
	}
	return appendFraction(dst, since%time.Second)
}

// julianEpoch is 1970-01-01 as a Julian day, by which INT96 counts.
const julianEpoch = 2440588

const dayNanos = 86400 * 1e9

// appendInt96 writes a timestamp of nanoseconds of a day and the day. Nobody can tell whether it is an
// instant (Spark) or what a clock showed (Impala), so no zone is written.
func appendInt96(dst []byte, v deprecated.Int96) []byte {
	nanos := uint64(v[1])<<32 | uint64(v[0])
	day := int64(v[2]) - julianEpoch
	day, nanos = day+int64(nanos/dayNanos), nanos%dayNanos
	return appendClock(append(appendDay(dst, day), 'T'), time.Duration(nanos))
}

func appendUUID(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for i, x := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[x>>4], digits[x&15])
	}
	return dst
}
