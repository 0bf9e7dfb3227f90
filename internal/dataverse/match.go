package dataverse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/internal/fault"
)

// Index finds the records of a table by the values of columns that are no key:
// read once, page by page, and kept in about 60 bytes a record.
type Index struct {
	table   *Table
	columns []string
	fold    func(string) []byte
	one     map[digest]guid
	several map[digest][]guid // all records of a value that has more than one
	records int
}

type (
	digest [16]byte
	guid   [16]byte
)

// ErrTooManyRecords: a table has more records than its index may have.
var ErrTooManyRecords = errors.New("too many records to index")

// Match reads an index over columns, under a filter. fold gives texts that the
// database takes for one the same bytes (rule I5). A table of more than most records is
// not read to its end: ErrTooManyRecords; 0 is any number.
func (c *Client) Match(ctx context.Context, table *Table, columns []string, filter Filter, fold func(string) []byte, most int) (*Index, error) {
	if len(columns) == 0 {
		return nil, fault.New(fault.Broken, "no_columns", "there are no columns to find records of table %q by", table.Name)
	}
	x := &Index{table: table, columns: columns, fold: fold, one: make(map[digest]guid), several: make(map[digest][]guid)}
	for row, err := range c.Keys(ctx, table, columns, filter) {
		if err != nil {
			return nil, fmt.Errorf("read what to match rows with: %w", err)
		}
		if x.records++; most > 0 && x.records > most {
			return nil, ErrTooManyRecords
		}
		if key, ok := x.digest(row.Values); ok {
			x.add(key, row.ID)
		}
	}
	return x, nil
}

func (x *Index) add(key digest, id string) {
	g, ok := parseGUID(id)
	if !ok {
		return
	}
	first, known := x.one[key]
	switch {
	case !known:
		x.one[key] = g
	case first == g:
		// A record that moved between two pages while we read.
	case len(x.several[key]) == 0:
		x.several[key] = []guid{first, g}
	default:
		x.several[key] = append(x.several[key], g)
	}
}

// Records is how many records were read, those without values included.
func (x *Index) Records() int { return x.records }

// Find returns the ids of the records with these values, in the order of
// Match's columns: none, one, or all of several. Who has several must not
// choose. No value at all matches nothing.
func (x *Index) Find(values []json.RawMessage) []string {
	key, ok := x.digest(values)
	if !ok {
		return nil
	}
	if all := x.several[key]; all != nil {
		ids := make([]string, len(all))
		for i, g := range all {
			ids[i] = g.String()
		}
		return ids
	}
	if g, known := x.one[key]; known {
		return []string{g.String()}
	}
	return nil
}

// digest is a short name of values; false when one of them is null or has no text.
func (x *Index) digest(values []json.RawMessage) (key digest, ok bool) {
	if len(values) != len(x.columns) {
		return key, false
	}
	var text []byte
	for i, value := range values {
		part, ok := x.canonical(x.columns[i], value)
		if !ok {
			return key, false
		}
		text = binary.AppendUvarint(text, uint64(len(part))) // so that no two lists of parts look alike
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return digest(sum[:]), true
}

// canonical gives values that are one to the database the same bytes.
func (x *Index) canonical(name string, value json.RawMessage) ([]byte, bool) {
	if isNull(value) {
		return nil, false
	}
	text, _, err := literalText(value)
	if err != nil {
		return nil, false
	}
	kind := Uniqueidentifier
	if column := x.table.Column(name); column != nil {
		kind = column.Type
	}
	switch kind {
	case Uniqueidentifier, Lookup, Customer, Owner, Boolean:
		return bytes.ToLower(text), true
	case Integer, BigInt, Decimal, Money, Double, Picklist, State, Status:
		if bytes.ContainsRune(text, '.') {
			text = bytes.TrimRight(bytes.TrimRight(text, "0"), ".")
		}
		return text, true
	case DateTime:
		if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
			return at.UTC().Truncate(time.Second).AppendFormat(nil, time.RFC3339), true
		}
		return text, true
	}
	folded := x.fold(string(text))
	return folded, len(folded) > 0
}

func parseGUID(text string) (g guid, ok bool) {
	n, err := hex.Decode(g[:], []byte(strings.ReplaceAll(text, "-", "")))
	return g, err == nil && n == len(g)
}

func (g guid) String() string {
	text := hex.EncodeToString(g[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
