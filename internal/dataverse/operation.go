package dataverse

import "encoding/json"

// Verb says what an operation does to its record.
type Verb string

const (
	Create Verb = "create" // always with an id of our own (rule I2)
	Upsert Verb = "upsert" // by ID, or by Key
	Update Verb = "update" // by ID, or by Key; only existing records
	Delete Verb = "delete" // by ID, or by Key

	Associate    Verb = "associate"    // puts Link's record into a collection of the operation's record
	Disassociate Verb = "disassociate" // takes it out again; neither record is changed otherwise
)

// KeyPart is one column of an alternate key and its value as JSON: a string
// stands quoted in a key URL, anything else (number, bare GUID) as it is.
type KeyPart struct {
	Column string          `json:"column"` // logical name; a lookup's is its column, not its _value property
	Value  json.RawMessage `json:"value"`
}

// Link is the other end of an association, many-to-many or one-to-many seen from the one.
type Link struct {
	Navigation string `json:"navigation"` // collection-valued navigation property of the operation's record; case-sensitive
	To         string `json:"to"`         // the other record below the service root, encoded: accounts(GUID), see Table.Reference
}

// Operation is one thing to do to one record. It is a stored format: chunks hold one a line.
type Operation struct {
	Row  int64           `json:"row"`           // the source row's number
	Line int             `json:"line"`          // the source row's line
	Do   Verb            `json:"do"`            //
	ID   string          `json:"id,omitempty"`  // primary id, lower-case with dashes
	Key  []KeyPart       `json:"key,omitempty"` // alternate key when ID is empty, in the order of the table's key
	New  string          `json:"new,omitempty"` // the id to create with when the key must be resolved and is absent (rules I2, I5)
	Set  json.RawMessage `json:"set"`           // the columns to write as a rendered JSON object, without primary id and key columns

	Partition string `json:"partition,omitempty"` // of an elastic table's record; "" is its id
	Link      *Link  `json:"link,omitempty"`      // of Associate and Disassociate

	// Again: an earlier attempt may have sent it (rule I3). A record to delete that
	// is not there was then deleted by that attempt. Not stored: journals tell.
	Again bool `json:"-"`
}

// Result says what became of an operation.
type Result uint8

const (
	NotAttempted Result = iota // never sent, or its fate is unknown at the end
	Created
	Updated
	Upserted // created or updated: the service did not say which
	Deleted
	Unchanged // nothing to do: already so, already gone
	Rejected  // the service will not take it
)

// Outcome is what became of one operation, in the order of the operations.
type Outcome struct {
	Result  Result
	Code    string // of a rejection: the server's "0x…" or our own
	Message string // of a rejection: the server's words; goes to rejects/ only (rule S2)

	// Uncertain: of NotAttempted, it was sent, the answer was lost, and Write ended before its fate was known.
	Uncertain bool
}
