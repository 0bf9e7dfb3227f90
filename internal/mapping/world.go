package mapping

import (
	"encoding/json"

	"penstock/internal/dataverse"
)

// World is what a mapping asks about beyond its own table, read live by whoever
// compiles it. Nil knows nothing: then lookups are by id, and there are no associations.
type World interface {
	// Table reads another table, one that a lookup or an association leads to.
	Table(name string) (*dataverse.Table, error)
	// Collections are the many-to-many relationships of the destination's own table.
	Collections() ([]dataverse.Collection, error)
}

// Reference is a record that a cell names by a column of its table instead of its id.
type Reference struct {
	Table  *dataverse.Table
	Column string          // logical name
	Value  json.RawMessage // as in dataverse.KeyPart. What References hands out is the caller's to keep; what Find is asked is valid for that call
}

// Finder gives the ids of the records that a reference means: none, one, or
// several, of which nobody may choose.
type Finder func(Reference) []string
