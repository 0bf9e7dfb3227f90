package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/row"
)

// partitionID is the column that is, with the primary id, the key of an elastic table's records (rule W1).
const partitionID = "partitionid"

// maxPartition is how many bytes a partition may have.
const maxPartition = 1024

// findable are the types of columns by which a record can be found.
var findable = []dataverse.Type{
	dataverse.String, dataverse.Integer, dataverse.BigInt, dataverse.Decimal, dataverse.Double, dataverse.Money, dataverse.Boolean, dataverse.DateTime,
	dataverse.Picklist, dataverse.State, dataverse.Status, dataverse.Lookup, dataverse.Customer, dataverse.Owner, dataverse.Uniqueidentifier,
}

// compileKey finds out what identifies a record.
func (m *Mapping) compileKey() (all []error) {
	t, key := m.table, m.dest.Key
	switch {
	case len(m.dest.MatchOn) > 0:
		return m.compileMatch()
	case m.do == dataverse.Create:
		// The file may bring its own ids.
		m.key, m.byID = []*column{m.keyColumn(t.PrimaryID)}, true
		return nil
	case len(key) == 1 && key[0] == t.PrimaryID, m.inPartitions() && len(key) == 2 && slices.Contains(key, t.PrimaryID) && slices.Contains(key, partitionID):
		m.key, m.byID = []*column{m.keyColumn(t.PrimaryID)}, true
		return nil
	}
	found := t.Key(key)
	switch {
	case found == nil:
		return []error{fault.New(fault.Refused, KeyUnknown, "table %s has no alternate key over %s", t.Name, names(key)).Advise("%s", keyAdvice(t))}
	case found.Status != "Active":
		return []error{fault.New(fault.Refused, KeyInactive, "the index of the alternate key %s of table %s is not active but %s", found.Name, t.Name, found.Status).
			Advise("wait until it is built, or reactivate it in the maker portal; it fails while the table holds duplicates")}
	}
	for _, name := range found.Columns {
		c := m.keyColumn(name)
		if c == nil {
			all = append(all, refuse(UnknownColumn, name, "it belongs to the key, and table %s has no such column", t.Name))
			continue
		}
		m.key = append(m.key, c)
	}
	return all
}

func keyAdvice(t *dataverse.Table) string {
	advice := "name the primary id " + t.PrimaryID
	for _, k := range t.Keys {
		if k.Status != "Active" {
			continue
		}
		advice += fmt.Sprintf(", or [%s]", strings.Join(k.Columns, ", "))
	}
	return advice
}

// keyColumn prepares a column of the key; the file's column follows in bind.
func (m *Mapping) keyColumn(name string) *column {
	c := &column{from: name, index: -1, to: m.table.Column(name), isKey: true}
	if rule := m.ruleTo(name); rule != nil {
		c.from = rule.From
	}
	switch {
	case name == m.table.PrimaryID:
		id := dataverse.Column{Name: name, ForCreate: true}
		if c.to != nil {
			id = *c.to
		}
		id.Type = dataverse.Uniqueidentifier
		c.to = &id
	case c.to == nil:
		return nil
	}
	return c
}

// identifying are the columns without which no record is found.
func (m *Mapping) identifying() []*column {
	if m.partition == nil && m.inPartitions() && slices.Contains(m.dest.Key, partitionID) {
		return append(slices.Clone(m.key), &column{index: -1, to: m.partitionColumn()})
	}
	return m.key
}

// compileMatch takes any columns for the key, whether or not the table has an alternate key over them.
func (m *Mapping) compileMatch() (all []error) {
	if m.inPartitions() {
		return []error{fault.New(fault.Refused, KeyUnknown, "table %s is elastic, and its records are only found by id and partition", m.table.Name).
			Advise("say key: %s instead of match_on", m.table.PrimaryID)}
	}
	// A record's key (RecordKey) has its parts in the order of the table's key over these columns, where there is one.
	if k := m.table.Key(m.dest.MatchOn); k != nil && !slices.Equal(k.Columns, m.dest.MatchOn) {
		all = append(all, fault.New(fault.Refused, WrongOption, "the alternate key %s of table %s has the columns of match_on in another order", k.Name, m.table.Name).
			Advise("say match_on: [%s], or key instead of match_on", strings.Join(k.Columns, ", ")))
	}
	for _, name := range m.dest.MatchOn {
		c := m.keyColumn(name)
		switch {
		case name == m.table.PrimaryID:
			all = append(all, refuse(KeyUnknown, name, "it is the primary id, and match_on is for other columns").Advise("say key: %s", name))
		case c == nil:
			all = append(all, m.unknown(name, name))
		case !slices.Contains(findable, c.to.Type):
			all = append(all, refuse(KeyUnknown, name, "records cannot be found by a column of the type %s", c.to.Type).Advise("choose other columns for match_on"))
		default:
			m.key = append(m.key, c)
		}
	}
	return all
}

// inSet tells whether a column of the key is written beside naming the record: a
// created record would lack it otherwise. Those of an alternate key the service adds itself.
func (m *Mapping) inSet() bool { return len(m.dest.MatchOn) > 0 && m.do == dataverse.Upsert }

// inPartitions tells whether the table is elastic.
func (m *Mapping) inPartitions() bool { return m.table.Type == "Elastic" }

// partitionColumn is the column of the partition, as a text however metadata describe it.
func (m *Mapping) partitionColumn() *dataverse.Column {
	return &dataverse.Column{Name: partitionID, Type: dataverse.String, MaxLength: maxPartition}
}

// mapPartition reads where an elastic table keeps the record. An empty cell
// leaves it to the service: the record's id. The partition never stands in Set,
// because the writer of elastic tables names it with the id.
func (m *Mapping) mapPartition(r *row.Row, op *dataverse.Operation) *row.Reject {
	c := m.partition
	cell, null := m.cell(c, r)
	if null {
		return nil
	}
	var p *problem
	if m.scratch, p = c.render(m.scratch[:0], cell); p == nil {
		op.Partition = unquoted(m.scratch)
		if len(op.Partition) > maxPartition {
			p = complain(TooLong, "%q has %d bytes and a partition takes %d", shown(cell.Text), len(op.Partition), maxPartition)
		}
	}
	if p != nil {
		return c.reject(r, p)
	}
	return nil
}

// unquoted is the text of a JSON string.
func unquoted(text []byte) string {
	var s string
	if json.Unmarshal(text, &s) != nil {
		return ""
	}
	return s
}
