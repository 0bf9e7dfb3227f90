package delivery

import (
	"penstock/internal/delivery/unpack"
	"penstock/internal/fault"
)

// Limits bound what one file can make a reader hold. A file that exceeds one is refused.
// A field of zero means its default.
type Limits struct {
	RowBytes    int // of one row, line ends inside quotes included
	FieldBytes  int // of one cell
	Columns     int // of the header, or of all objects together
	HeaderBytes int // of all column names together
	Nesting     int // of objects and arrays in each other

	Objects     int   // of one delivery
	ObjectBytes int64 // of one object, unpacked
	Ratio       int64 // how many times larger unpacking may make an object
	GroupBytes  int64 // Parquet: of one row group, unpacked
	PageBytes   int64 // Parquet: of the pages and dictionaries that all columns hold at a time, unpacked
	StringBytes int64 // Excel: of the table of texts that all sheets share
}

// DefaultLimits hold any row that Dataverse can take: its longest text column has 1,048,576
// characters (at most four bytes each), and a table at most 1,024 columns, of which some are the system's own.
var DefaultLimits = Limits{
	RowBytes:    16 << 20,
	FieldBytes:  8 << 20,
	Columns:     1000,
	HeaderBytes: 256 << 10,
	Nesting:     64,
	Objects:     10000,
	ObjectBytes: 256 << 30,
	Ratio:       300,
	GroupBytes:  512 << 20,
	PageBytes:   128 << 20,
	StringBytes: 32 << 20,
}

func (l Limits) orDefault() Limits {
	for _, field := range []struct{ limit, preset *int }{
		{&l.RowBytes, &DefaultLimits.RowBytes},
		{&l.FieldBytes, &DefaultLimits.FieldBytes},
		{&l.Columns, &DefaultLimits.Columns},
		{&l.HeaderBytes, &DefaultLimits.HeaderBytes},
		{&l.Nesting, &DefaultLimits.Nesting},
		{&l.Objects, &DefaultLimits.Objects},
	} {
		if *field.limit <= 0 {
			*field.limit = *field.preset
		}
	}
	for _, field := range []struct{ limit, preset *int64 }{
		{&l.ObjectBytes, &DefaultLimits.ObjectBytes},
		{&l.Ratio, &DefaultLimits.Ratio},
		{&l.GroupBytes, &DefaultLimits.GroupBytes},
		{&l.PageBytes, &DefaultLimits.PageBytes},
		{&l.StringBytes, &DefaultLimits.StringBytes},
	} {
		if *field.limit <= 0 {
			*field.limit = *field.preset
		}
	}
	return l
}

// ratioAfter is how much an object may become before Ratio counts: small files of one value repeated are no attack.
const ratioAfter = 16 << 20

func (l Limits) bounds() unpack.Bounds {
	return unpack.Bounds{Bytes: l.ObjectBytes, Ratio: l.Ratio, After: ratioAfter}
}

func (l Limits) rowTooLong(file string, line int) *fault.Error {
	return fault.New(fault.Refused, "row_too_long", "the row is longer than %d bytes", l.RowBytes).At(file, line, "")
}

func (l Limits) fieldTooLong(file string, line int, column string) *fault.Error {
	return fault.New(fault.Refused, "field_too_long", "the cell is longer than %d bytes", l.FieldBytes).At(file, line, column).
		Advise("no column of a table takes so much: shorten it, or leave the column out of the file")
}

func (l Limits) tooManyColumns(file string, line int) *fault.Error {
	return fault.New(fault.Refused, "too_many_columns", "the file has more than %d columns", l.Columns).At(file, line, "").
		Advise("no table has so many: leave out those that are not loaded")
}

func (l Limits) headerTooLong(file string, line int) *fault.Error {
	return fault.New(fault.Refused, "header_too_long", "the column names are longer than %d bytes together", l.HeaderBytes).At(file, line, "").
		Advise("is the first row a header at all? If not, say header: none")
}

func (l Limits) nestedTooDeep(file string, line int) *fault.Error {
	return fault.New(fault.Refused, "nested_too_deep", "objects and arrays are nested more than %d deep", l.Nesting).At(file, line, "").
		Advise("columns of a table take no objects: flatten them where the file is made")
}

// beyond says whether a row of which n bytes and no end have been seen is too long. The last of them may be the CR of its line end.
func beyond(n int, l Limits) bool { return n > l.RowBytes+1 }
