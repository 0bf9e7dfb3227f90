package dataversetest

import (
	"database/sql/driver"
	"fmt"
	"strings"
)

// DuplicateRule makes records of a table duplicates of each other when their columns are equal, as the database compares
// them. It is held only against requests that ask for it.
type DuplicateRule struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

// SetDuplicateRules replaces the rules in force.
func (s *Server) SetDuplicateRules(rules []DuplicateRule) error {
	s.schema.RLock()
	defer s.schema.RUnlock()
	for _, rule := range rules {
		t := s.table(rule.Table)
		if t == nil {
			return fmt.Errorf("duplicate rule: there is no table %q", rule.Table)
		}
		if len(rule.Columns) == 0 {
			return fmt.Errorf("duplicate rule of %s: it names no column", rule.Table)
		}
		for _, name := range rule.Columns {
			if t.byName[name] == nil {
				return fmt.Errorf("duplicate rule of %s: there is no column %q", rule.Table, name)
			}
		}
	}
	s.duplicates.Store(&rules)
	return nil
}

// DuplicateRules are those in force.
func (s *Server) DuplicateRules() []DuplicateRule {
	if rules := s.duplicates.Load(); rules != nil {
		return *rules
	}
	return []DuplicateRule{}
}

// checkDuplicates holds the rules against a draft. The Web API skips them unless the client says otherwise.
func (w *work) checkDuplicates(d *draft, row int64) error {
	if !strings.EqualFold(w.r.header.Get("MSCRM.SuppressDuplicateDetection"), "false") {
		return nil
	}
	for _, rule := range w.s.DuplicateRules() {
		if rule.Table != d.table.LogicalName {
			continue
		}
		found, err := w.duplicateOf(d, row, rule)
		if err != nil {
			return err
		}
		if found {
			return failf(412, "0x80040333", "A record was not created or updated because a duplicate of the current record already exists.")
		}
	}
	return nil
}

// duplicateOf says whether another record has the same values. Records that lack one of them are no duplicates.
func (w *work) duplicateOf(d *draft, row int64, rule DuplicateRule) (bool, error) {
	var args []driver.Value
	text := "SELECT 1 FROM " + d.table.sql() + " AS t WHERE t.rowid <> ?"
	args = append(args, row)
	touched := row == 0
	for _, name := range rule.Columns {
		c := d.table.byName[name]
		if c == nil {
			return false, nil
		}
		sql := c.comparable("t." + c.quoted)
		if !d.filled[c.at] && row != 0 { // an update leaves it as it is
			own := c.comparable(c.quoted)
			text += " AND " + sql + " = (SELECT " + own + " FROM " + d.table.sql() + " WHERE rowid = ?)"
			args = append(args, row)
			continue
		}
		if d.values[c.at] == nil {
			return false, nil
		}
		touched = true
		text += " AND " + sql + " = ?"
		if v, ok := d.values[c.at].(string); ok {
			args = append(args, c.folded(v))
		} else {
			args = append(args, d.values[c.at])
		}
	}
	if !touched {
		return false, nil
	}
	v, err := w.tx.Row(text+" LIMIT 1", args...)
	return v != nil, err
}
