package dataversetest

import (
	"context"
	"database/sql/driver"
	"sort"

	"penstock/internal/dataversetest/schema"
)

// systemTables are needed for the organisation to work, whatever schema it is given.
var systemTables = []string{"systemuser", "team", "businessunit", "organization", "transactioncurrency", "sdkmessage", "sdkmessagefilter",
	"asyncoperation", "bulkdeleteoperation"}

// addSystemTables adds those that the schema lacks.
func (s *Server) addSystemTables() {
	var builtIn *schema.Organization
	for _, name := range systemTables {
		if s.org.Tables[name] != nil {
			continue
		}
		if builtIn == nil {
			builtIn = schema.Default()
		}
		s.org.Tables[name] = builtIn.Tables[name]
	}
}

// system is the user that the organisation works as by itself.
func (s *Server) system() *account {
	return &account{User: User{ID: schema.ID("systemuser", "SYSTEM")}, all: true}
}

// seed writes the records that every organisation has.
func (s *Server) seed() error {
	r := &request{ctx: context.Background(), user: s.system()}
	return s.write(r, func(w *work) error {
		if err := w.readyStored(); err != nil {
			return err
		}
		records := []struct {
			table, id string
			values    map[string]driver.Value
		}{
			{"businessunit", businessUnit, map[string]driver.Value{"name": "penstock", "isdisabled": int64(0)}},
			{"organization", s.options.OrganizationID, map[string]driver.Value{"name": "Penstock Emulator", "languagecode": int64(1033)}},
			{"transactioncurrency", baseCurrency, map[string]driver.Value{"currencyname": "US Dollar", "currencysymbol": "$",
				"isocurrencycode": "USD", "exchangerate": "1", "currencyprecision": int64(2)}},
			{"systemuser", r.user.ID, map[string]driver.Value{"fullname": "SYSTEM", "firstname": nil, "lastname": "SYSTEM", "accessmode": int64(3)}},
		}
		for _, record := range records {
			if err := w.seedRecord(record.table, record.id, record.values); err != nil {
				return err
			}
		}
		for _, u := range s.users {
			if err := w.seedUser(u); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *work) seedUser(u *account) error {
	if u.Outsider {
		return nil
	}
	disabled := int64(0)
	if u.Disabled {
		disabled = 1
	}
	return w.seedRecord("systemuser", u.ID, map[string]driver.Value{"fullname": u.Name, "lastname": u.Name, "domainname": u.ClientID,
		"applicationid": u.ClientID, "azureactivedirectoryobjectid": objectID(u.ClientID), "accessmode": int64(4), "isdisabled": disabled})
}

// seedRecord writes a record past every check, unless it is there already.
func (w *work) seedRecord(table, id string, values map[string]driver.Value) error {
	t := w.s.table(table)
	if t == nil || t.id == nil {
		return nil
	}
	f, err := w.locate(&reference{table: t, id: id})
	if err != nil || f != nil {
		return err
	}
	d := w.draft(t)
	d.put(t.id, id)
	for name, v := range values {
		d.fill(name, v)
	}
	if table == "systemuser" {
		d.fillLookup("businessunitid", "businessunit", businessUnit)
	}
	d.fillLookup("organizationid", "organization", w.s.options.OrganizationID)
	w.addDefaults(d)
	return d.insert(w.tx)
}

// readyStored takes up the tables that a database file already has.
func (w *work) readyStored() error {
	names, err := w.tx.Tables()
	if err != nil {
		return err
	}
	for _, name := range names {
		t := w.s.table(name)
		if t == nil {
			continue
		}
		if err := w.ready(t); err != nil {
			return err
		}
	}
	return nil
}

// bulkMessages are the messages that clients look up before they use them.
var bulkMessages = []string{"CreateMultiple", "UpdateMultiple", "UpsertMultiple", "DeleteMultiple"}

// syncMessages brings sdkmessage and sdkmessagefilter up to date before they are read: they say which table takes which
// bulk action.
func (w *work) syncMessages(t *table) error {
	if t.LogicalName != "sdkmessage" && t.LogicalName != "sdkmessagefilter" {
		return nil
	}
	asked := w.r
	system := *asked
	w.r = &system
	defer func() { w.r = asked }()
	for _, m := range bulkMessages {
		if err := w.seedRecord("sdkmessage", schema.ID("sdkmessage", m), map[string]driver.Value{"name": m}); err != nil {
			return err
		}
	}
	names := w.s.org.Names()
	sort.Strings(names)
	for _, name := range names {
		if w.s.messages[name] {
			continue
		}
		for _, m := range bulkMessages {
			if supports(w.s.table(name), m) != nil {
				continue
			}
			if err := w.seedFilter(m, name); err != nil {
				return err
			}
		}
		w.s.messages[name] = true
		w.tx.OnRollback(func() { delete(w.s.messages, name) })
	}
	return nil
}

func (w *work) seedFilter(message, table string) error {
	t := w.s.table("sdkmessagefilter")
	id := schema.ID("sdkmessagefilter", message, table)
	if err := w.seedRecord("sdkmessagefilter", id, map[string]driver.Value{"primaryobjecttypecode": table, "secondaryobjecttypecode": "none", "name": table}); err != nil {
		return err
	}
	c := t.byName["sdkmessageid"]
	if c == nil {
		return nil
	}
	return w.tx.Exec("UPDATE "+t.sql()+" SET "+c.quoted+" = ? WHERE "+t.id.quoted+" = ?", schema.ID("sdkmessage", message), id)
}
