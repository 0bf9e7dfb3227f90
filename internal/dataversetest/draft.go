package dataversetest

import (
	"database/sql/driver"
	"strings"

	"penstock/internal/dataversetest/storage"
)

// draft collects what is to be written to one record.
type draft struct {
	table  *table
	values []driver.Value // by column.at
	points []string       // by column.at: the table that a lookup to several tables points to
	filled []bool
	order  []int
	now    int64
}

// draft returns an empty draft. Its memory is used again for the next one of the same table.
func (w *work) draft(t *table) *draft {
	d := w.scratch
	if d == nil || d.table != t {
		n := len(t.columns)
		d = &draft{table: t, values: make([]driver.Value, n), points: make([]string, n), filled: make([]bool, n), now: w.s.now().Unix()}
		w.scratch = d
		return d
	}
	for _, at := range d.order {
		d.values[at], d.points[at], d.filled[at] = nil, "", false
	}
	d.order = d.order[:0]
	return d
}

func (d *draft) put(c *column, v driver.Value) {
	if !d.filled[c.at] {
		d.filled[c.at] = true
		d.order = append(d.order, c.at)
	}
	d.values[c.at] = v
}

// point sets a lookup.
func (d *draft) point(c *column, table, id string) {
	d.put(c, id)
	d.points[c.at] = table
}

// fill puts a value where the record has none yet and the table has such a column.
func (d *draft) fill(name string, v driver.Value) {
	if c := d.table.byName[name]; c != nil && !d.filled[c.at] {
		d.put(c, v)
	}
}

func (d *draft) get(name string) (driver.Value, bool) {
	c := d.table.byName[name]
	if c == nil || !d.filled[c.at] {
		return nil, false
	}
	return d.values[c.at], true
}

func (d *draft) text(name string) string {
	v, _ := d.get(name)
	s, _ := v.(string)
	return s
}

// insert writes a new record.
func (d *draft) insert(tx *storage.Tx) error {
	args := make([]driver.Value, 0, len(d.order)+len(d.table.keys)+4)
	var shape strings.Builder
	shape.Grow(2 * len(d.order))
	shape.WriteByte('+')
	for _, at := range d.order {
		shape.WriteByte(byte(at))
		shape.WriteByte(byte(at >> 8))
		args = append(args, d.values[at])
		if d.table.columns[at].manyTo {
			args = append(args, nullable(d.points[at]))
		}
	}
	for _, k := range d.table.keys {
		args = append(args, d.keyValue(k))
	}
	if d.table.partition != nil {
		args = append(args, d.expiry())
	}
	text, ok := d.table.shapes[shape.String()]
	if !ok {
		text = d.insertSQL(len(args))
		d.table.shapes[shape.String()] = text
	}
	return tx.Exec(text, args...)
}

func (d *draft) insertSQL(args int) string {
	var names []string
	for _, at := range d.order {
		c := d.table.columns[at]
		names = append(names, c.quoted)
		if c.manyTo {
			names = append(names, c.pointsTo)
		}
	}
	for _, k := range d.table.keys {
		names = append(names, k.quoted)
	}
	if d.table.partition != nil {
		names = append(names, `"expires"`)
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", args), ", ")
	return "INSERT INTO " + storage.Quote(d.table.LogicalName) + " (" + strings.Join(names, ", ") + ") VALUES (" + marks + ")"
}

func (d *draft) keyValue(k *key) driver.Value {
	values := make([]driver.Value, len(k.columns))
	for i, c := range k.columns {
		values[i] = d.values[c.at]
	}
	return k.value(values)
}

func nullable(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

// update writes to an existing record. Keys that are touched are computed anew, from what the record has beside the draft.
func (d *draft) update(tx *storage.Tx, row int64) error {
	var text strings.Builder
	text.WriteString("UPDATE " + storage.Quote(d.table.LogicalName) + " SET ")
	args := make([]driver.Value, 0, len(d.order)+4)
	assign := func(quoted string, v driver.Value) {
		if len(args) > 0 {
			text.WriteString(", ")
		}
		text.WriteString(quoted + " = ?")
		args = append(args, v)
	}
	touched := map[*key]bool{}
	for _, at := range d.order {
		c := d.table.columns[at]
		assign(c.quoted, d.values[at])
		if c.manyTo {
			assign(c.pointsTo, nullable(d.points[at]))
		}
		for _, k := range c.keys {
			touched[k] = true
		}
	}
	for _, k := range d.table.keys {
		if !touched[k] {
			continue
		}
		value, err := d.keyValueOf(tx, row, k)
		if err != nil {
			return err
		}
		assign(k.quoted, value)
	}
	if _, ok := d.get("ttlinseconds"); ok && d.table.partition != nil {
		assign(`"expires"`, d.expiry())
	}
	if len(args) == 0 {
		return nil
	}
	text.WriteString(" WHERE rowid = ?")
	return tx.Exec(text.String(), append(args, row)...)
}

// keyValueOf is the compared form of a key once the draft is written to the record.
func (d *draft) keyValueOf(tx *storage.Tx, row int64, k *key) (driver.Value, error) {
	var columns []string
	for _, c := range k.columns {
		columns = append(columns, c.quoted)
	}
	values, err := tx.Row("SELECT "+strings.Join(columns, ", ")+" FROM "+storage.Quote(d.table.LogicalName)+" WHERE rowid = ?", row)
	if err != nil {
		return nil, err
	}
	for i, c := range k.columns {
		if d.filled[c.at] {
			values[i] = d.values[c.at]
		}
	}
	return k.value(values), nil
}

// expiry is when a record of an elastic table goes, in Unix seconds.
func (d *draft) expiry() driver.Value {
	if ttl, _ := d.get("ttlinseconds"); ttl != nil {
		if n, ok := ttl.(int64); ok && n >= 0 {
			return d.now + n
		}
	}
	return nil
}
