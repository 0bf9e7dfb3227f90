package dataversetest

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// table is a table of the schema made ready for reading and writing records.
type table struct {
	*schema.Table
	columns []*column
	byName  map[string]*column
	fields  map[string]field // what a member of a payload may be called
	keys    []*key
	shapes  map[string]string // INSERT statements by the columns that they fill
	print   fingerprint

	id, state, status, version *column
	partition                  *column // of an elastic table
	fullName                   *column // that the service composes of first and last name
	defaults                   []set
	required                   []*column // what the system requires of a new record
	numbered                   []*column // autonumber columns
}

// column is a column with its place in the database.
type column struct {
	*schema.Column
	at       int
	property string // name in a row's JSON; "" is never shown
	quoted   string // SQL identifier
	manyTo   bool   // a lookup to several tables: a second SQL column holds which
	pointsTo string // SQL identifier of that column
	keys     []*key // alternate keys that it is part of
	base     *column
}

// key is an alternate key. Its SQL column holds the compared form of its values, and is unique.
type key struct {
	*schema.Key
	columns []*column
	column  string // SQL name
	quoted  string
}

// field is what a member of a payload stands for.
type field struct {
	column     *column
	lookup     *schema.Relationship // a single-valued navigation property, or with bind its @odata.bind
	collection *schema.Relationship
	many       *schema.Many
	name       string // of the navigation property
	bind       bool
	value      bool // _x_value, which cannot be written
}

// fingerprint tells when a table has changed since it was made ready.
type fingerprint struct{ columns, keys, outgoing, incoming, many int }

func fingerprintOf(t *schema.Table) fingerprint {
	active := 0
	for _, k := range t.Keys {
		active += 1 + len(k.Status)
	}
	return fingerprint{len(t.Columns), active, len(t.Outgoing), len(t.Incoming), len(t.Many)}
}

func newTable(st *schema.Table) *table {
	t := &table{Table: st, byName: map[string]*column{}, fields: map[string]field{}, shapes: map[string]string{}, print: fingerprintOf(st)}
	for _, sc := range st.Columns {
		t.add(sc)
	}
	t.id, t.version = t.byName[st.PrimaryID], t.byName["versionnumber"]
	for _, c := range t.columns {
		switch {
		case c.Type == schema.TypeState:
			t.state = c
		case c.Type == schema.TypeStatus:
			t.status = c
		case c.Type == schema.TypeMoney:
			c.base = t.byName[c.LogicalName+"_base"]
		}
	}
	if t.elastic() {
		t.partition = t.byName["partitionid"]
	}
	t.addRules()
	for _, sk := range st.Keys {
		t.addKey(sk)
	}
	t.addNavigation()
	return t
}

// addRules finds what the service does by itself with new records.
func (t *table) addRules() {
	for _, c := range t.columns {
		if v := c.initial(t); v != nil {
			t.defaults = append(t.defaults, set{c, v})
		}
		if c.RequiredLevel == "SystemRequired" && c.ForCreate && c != t.id && c.Type != schema.TypeState && c.Type != schema.TypeStatus {
			t.required = append(t.required, c)
		}
	}
	for _, c := range t.columns {
		if c.AutoNumber != "" {
			t.numbered = append(t.numbered, c)
		}
	}
	if full := t.byName["fullname"]; full != nil && t.byName["firstname"] != nil && t.byName["lastname"] != nil {
		t.fullName = full
	}
}

// initial is a column's value in a record that was created without one.
func (c *column) initial(t *table) driver.Value {
	switch v := c.Default.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case int:
		return int64(v)
	case int64:
		return v
	case float64:
		return int64(v)
	}
	switch c {
	case t.state:
		return int64(0)
	case t.status:
		if t.state != nil {
			return t.defaultStatus(0)
		}
	}
	return nil
}

func (t *table) elastic() bool { return t.TableType == schema.Elastic }

func (t *table) add(sc *schema.Column) {
	property := t.PropertyName(sc)
	if property == "" && !sc.IsLookup() {
		return
	}
	c := &column{Column: sc, at: len(t.columns), property: property, quoted: storage.Quote(sc.LogicalName)}
	if sc.IsLookup() && len(sc.Targets) != 1 {
		c.manyTo, c.pointsTo = true, storage.Quote(sc.LogicalName+" table")
	}
	t.columns = append(t.columns, c)
	t.byName[sc.LogicalName] = c
	if property != "" {
		t.fields[property] = field{column: c, value: sc.IsLookup()}
	}
}

// usable says whether the index of a key is built.
func usable(sk *schema.Key) bool { return sk.Status == "" || sk.Status == "Active" }

func (t *table) addKey(sk *schema.Key) {
	if !usable(sk) {
		return
	}
	k := &key{Key: sk, column: "key " + sk.LogicalName, quoted: storage.Quote("key " + sk.LogicalName)}
	for _, name := range sk.Columns {
		c := t.byName[name]
		if c == nil {
			return
		}
		k.columns = append(k.columns, c)
	}
	for _, c := range k.columns {
		c.keys = append(c.keys, k)
	}
	t.keys = append(t.keys, k)
}

func (t *table) addNavigation() {
	for _, r := range t.Navigations() {
		if c := t.byName[r.Column]; c != nil && r.Navigation != "" {
			f := field{column: c, lookup: r, name: r.Navigation}
			t.fields[r.Navigation] = f
			f.bind = true
			t.fields[r.Navigation+"@odata.bind"] = f
		}
	}
	// Owners are written through one property, whether they are users or teams.
	if c := t.byName["ownerid"]; c != nil && c.Type == schema.TypeOwner {
		f := field{column: c, lookup: &schema.Relationship{Referencing: t.LogicalName, Column: "ownerid", Navigation: "ownerid"}, name: "ownerid"}
		t.fields["ownerid"] = f
		f.bind = true
		t.fields["ownerid@odata.bind"] = f
	}
	for _, r := range t.Incoming {
		if r.Collection != "" {
			t.fields[r.Collection] = field{collection: r, name: r.Collection}
			t.fields[r.Collection+"@odata.bind"] = field{collection: r, name: r.Collection, bind: true}
		}
	}
	for _, m := range t.Many {
		for _, name := range []string{t.manyNavigation(m)} {
			if name != "" {
				t.fields[name] = field{many: m, name: name}
				t.fields[name+"@odata.bind"] = field{many: m, name: name, bind: true}
			}
		}
	}
}

func (t *table) manyNavigation(m *schema.Many) string {
	if m.Entity1 == t.LogicalName && m.Navigation1 != "" {
		return m.Navigation1
	}
	return m.Navigation2
}

// key finds an alternate key by the columns that a URL names, in any order.
func (t *table) keyOver(names []string) *key {
	sk := t.Key(names)
	for _, k := range t.keys {
		if k.Key == sk {
			return k
		}
	}
	return nil
}

// sqlType is chosen for people who open the file: guids and times are texts, decimals are texts so that no digit is lost.
func (c *column) sqlType() string {
	switch c.Type {
	case schema.TypeInteger, schema.TypeBigInt, schema.TypeBoolean, schema.TypePicklist, schema.TypeState, schema.TypeStatus:
		return "INTEGER"
	case schema.TypeDouble:
		return "REAL"
	case schema.TypeImage:
		return "BLOB"
	}
	return "TEXT"
}

// prepare makes the SQL table of t, or adds to it what the schema has gained.
func (t *table) prepare(tx *storage.Tx) error {
	existing := map[string]bool{}
	err := tx.Query("SELECT name FROM pragma_table_info(?)", []driver.Value{t.LogicalName}, func(row []driver.Value) error {
		existing[strings.ToLower(row[0].(string))] = true
		return nil
	})
	if err != nil {
		return err
	}
	if len(existing) == 0 {
		return t.create(tx)
	}
	for _, c := range t.columns {
		for _, definition := range c.definitions() {
			if existing[strings.ToLower(definition.name)] {
				continue
			}
			if err := tx.Exec("ALTER TABLE " + storage.Quote(t.LogicalName) + " ADD COLUMN " + definition.sql); err != nil {
				return fmt.Errorf("add column %s to %s: %w", c.LogicalName, t.LogicalName, err)
			}
		}
	}
	for _, k := range t.keys {
		if existing[strings.ToLower(k.column)] {
			continue
		}
		if err := t.fillKey(tx, k); err != nil {
			return err
		}
	}
	return nil
}

type definition struct{ name, sql string }

func (c *column) definitions() []definition {
	out := []definition{{c.LogicalName, c.quoted + " " + c.sqlType()}}
	if c.manyTo {
		out = append(out, definition{c.LogicalName + " table", c.pointsTo + " TEXT"})
	}
	return out
}

func (t *table) create(tx *storage.Tx) error {
	var parts []string
	for _, c := range t.columns {
		for _, d := range c.definitions() {
			parts = append(parts, d.sql)
		}
	}
	for _, k := range t.keys {
		parts = append(parts, k.quoted+" TEXT")
	}
	if t.partition != nil {
		parts = append(parts, `"expires" INTEGER`, "UNIQUE ("+t.id.quoted+", "+t.partition.quoted+")")
	} else if t.id != nil {
		parts = append(parts, "UNIQUE ("+t.id.quoted+")")
	}
	if err := tx.Exec("CREATE TABLE " + storage.Quote(t.LogicalName) + " (" + strings.Join(parts, ", ") + ")"); err != nil {
		return fmt.Errorf("create table %s: %w", t.LogicalName, err)
	}
	for _, k := range t.keys {
		if err := t.indexKey(tx, k); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) indexKey(tx *storage.Tx, k *key) error {
	return tx.Exec("CREATE UNIQUE INDEX " + storage.Quote(t.LogicalName+" "+k.column) + " ON " + storage.Quote(t.LogicalName) + " (" + k.quoted + ")")
}

// errDuplicates says that records are in the way of a new alternate key.
var errDuplicates = errors.New("records have the same values")

// fillKey adds the column of a new alternate key. Records that are duplicates of each other make the key fail, as its
// index does in the service.
func (t *table) fillKey(tx *storage.Tx, k *key) error {
	name := storage.Quote(t.LogicalName)
	if err := tx.Exec("ALTER TABLE " + name + " ADD COLUMN " + k.quoted + " TEXT"); err != nil {
		return err
	}
	columns := make([]string, len(k.columns))
	for i, c := range k.columns {
		columns[i] = c.quoted
	}
	values := map[int64]string{}
	err := tx.Query("SELECT rowid, "+strings.Join(columns, ", ")+" FROM "+name, nil, func(row []driver.Value) error {
		if v, ok := k.value(row[1:]).(string); ok {
			values[row[0].(int64)] = v
		}
		return nil
	})
	for rowid, v := range values {
		if err == nil {
			err = tx.Exec("UPDATE "+name+" SET "+k.quoted+" = ? WHERE rowid = ?", v, rowid)
		}
	}
	if err != nil {
		return err
	}
	if err := t.indexKey(tx, k); err != nil {
		return fmt.Errorf("index key %s of %s: %w: %w", k.LogicalName, t.LogicalName, errDuplicates, err)
	}
	return nil
}

// trim drops the SQL columns of columns and keys that the schema has lost.
func (t *table) trim(tx *storage.Tx) error {
	wanted := map[string]bool{"expires": true}
	for _, c := range t.columns {
		for _, d := range c.definitions() {
			wanted[d.name] = true
		}
	}
	for _, k := range t.keys {
		wanted[k.column] = true
	}
	var lost []string
	err := tx.Query("SELECT name FROM pragma_table_info(?)", []driver.Value{t.LogicalName}, func(row []driver.Value) error {
		if name := row[0].(string); !wanted[name] {
			lost = append(lost, name)
		}
		return nil
	})
	for _, name := range lost {
		for _, index := range []string{t.LogicalName + " " + name, "lookup " + t.LogicalName + "." + name} {
			if err == nil {
				err = tx.Exec("DROP INDEX IF EXISTS " + storage.Quote(index))
			}
		}
		if err == nil {
			err = tx.Exec("ALTER TABLE " + t.sql() + " DROP COLUMN " + storage.Quote(name))
		}
	}
	return err
}

// value is the compared form of the key's values, in the order of its columns; nil when one is null, because such
// records are not held to be duplicates.
func (k *key) value(values []driver.Value) driver.Value {
	if len(values) == 1 {
		if values[0] == nil {
			return nil
		}
		return k.columns[0].folded(values[0])
	}
	parts := make([]string, len(values))
	for i, v := range values {
		if v == nil {
			return nil
		}
		parts[i] = k.columns[i].folded(v)
	}
	return strings.Join(parts, "\x1f")
}

func (c *column) folded(v driver.Value) string {
	s, ok := v.(string)
	switch {
	case !ok:
		return fmt.Sprint(v)
	case c.Type == schema.TypeString || c.Type == schema.TypeMemo:
		return storage.Fold(s)
	}
	return s
}

// names of the key's columns as its error shows them.
func (k *key) displayNames() string {
	var names []string
	for _, c := range k.columns {
		names = append(names, c.label())
	}
	return strings.Join(names, ", ")
}

func (c *column) label() string {
	if c.DisplayName != "" {
		return c.DisplayName
	}
	return c.LogicalName
}

func (k *key) label() string {
	if k.DisplayName != "" {
		return k.DisplayName
	}
	return k.SchemaName
}

func (k *key) has(c *column) bool { return slices.Contains(k.columns, c) }
