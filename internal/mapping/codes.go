package mapping

// Why a row is rejected before it is sent. The codes are stable: they stand in
// reject files, and people filter by them.
const (
	KeyMissing       = "key_missing"       // A column of the key is empty, so the row's record cannot be found.
	NestedValue      = "nested_value"      // The cell is a JSON object or array; a column takes one plain value.
	InvalidText      = "invalid_text"      // The text is not UTF-8.
	ControlCharacter = "control_character" // The text holds a character that Dataverse refuses.
	TooLong          = "too_long"          // The text has more UTF-16 code units than the column takes.
	NotANumber       = "not_a_number"      // The cell is no plain decimal number.
	NotWhole         = "not_whole"         // The column takes whole numbers only.
	OutOfRange       = "out_of_range"      // The number or date lies outside what the column takes.
	TooPrecise       = "too_precise"       // The value has more decimal places or digits than the column keeps; Dataverse would round it silently.
	NotABoolean      = "not_a_boolean"     // The cell is neither yes nor no.
	NotADate         = "not_a_date"        // The cell is no date or time that exists, as the destination says how they are written.
	AmbiguousTime    = "ambiguous_time"    // The clocks of the destination's zone show this time twice.
	HasTime          = "has_time"          // The column takes dates without a time of day.
	UnknownChoice    = "unknown_choice"    // The cell is none of the column's choices.
	AmbiguousChoice  = "ambiguous_choice"  // Several choices of the column have this label.
	TooManyChoices   = "too_many_choices"  // A column takes at most 150 choices at once.
	NotAGUID         = "not_a_guid"        // The cell is no record id.

	LookupNotFound       = "lookup_not_found"       // No record of the lookup's table has the value.
	LookupAmbiguous      = "lookup_ambiguous"       // Several records of the lookup's table have the value.
	LookupNotAddressable = "lookup_not_addressable" // A record of the same file is named by a value that cannot stand in a URL.
	StateContradiction   = "state_contradiction"    // The status belongs to another state than the row says.
)

// Why a file cannot be mapped to a table at all (codes of faults).
const (
	UnknownColumn   = "unknown_column"   // The table has no such column.
	UnmappedColumn  = "unmapped_column"  // The file has a column that the section columns does not mention.
	MissingColumn   = "missing_column"   // The file lacks a column that the configuration or the key needs.
	DuplicateColumn = "duplicate_column" // Two columns of the file lead to one of the table.
	NotWritable     = "not_writable"     // Dataverse would ignore or refuse what is written to the column.
	UnsupportedType = "unsupported_type" // Columns of this type cannot be written.
	WrongOption     = "wrong_option"     // A setting does not fit the column's type, or makes no sense.
	BadValue        = "bad_value"        // A value or default of the configuration does not suit its column.
	TableNeeded     = "table_needed"     // A lookup may point to several tables and none is chosen.
	KeyUnknown      = "key_unknown"      // The table has no such alternate key.
	KeyInactive     = "key_inactive"     // The alternate key's index is not active.
	NoColumns       = "no_columns"       // Nothing would be written.

	BadFilter           = "bad_filter"           // The filter names a column that the table lacks, or a constant that does not suit it.
	FilteredColumn      = "filtered_column"      // A column of the file leads to one that the filter gives every row.
	LookupNotKey        = "lookup_not_key"       // Records that come with the file are named by a column that no alternate key covers.
	UnknownRelationship = "unknown_relationship" // The table has no such many-to-many relationship.
)
