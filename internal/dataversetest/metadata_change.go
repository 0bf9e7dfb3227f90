package dataversetest

import (
	"context"
	"errors"
	"net/http"

	"penstock/internal/dataversetest/metadata"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// changePrivileges are what it takes to change tables.
var changePrivileges = map[string]string{http.MethodPost: "prvCreateEntity", http.MethodPut: "prvWriteEntity", http.MethodDelete: "prvDeleteEntity"}

// changeMetadata adds, changes or removes a table, a column, a key, a relationship or a global choice. No other request
// runs meanwhile.
func (s *Server) changeMetadata(r *request) (*response, error) {
	if r.work != nil {
		return nil, unsupported("changes of metadata within a change set.")
	}
	if privilege := changePrivileges[r.method]; privilege != "" && !r.user.holds(privilege) {
		return nil, r.user.denied(privilege, schema.ID("privilege", privilege), nil)
	}
	done, err := metadata.Apply(s.org, metadata.Change{Method: r.method, Path: r.path, Body: []byte(r.body)})
	if err != nil {
		return nil, err
	}
	s.org = done.Organization
	if err := s.alterStorage(r, done.Tables); err != nil {
		return nil, err
	}
	for _, table := range done.Tables {
		s.gate.Altered(table)
	}
	if done.Key != "" {
		s.buildKey(done.Tables[0], done.Key)
	}
	if r.path[0].Name == metadata.CreateEntities {
		return s.createdEntities(r, done.Tables), nil
	}
	a := reply(http.StatusNoContent)
	if done.Entity != "" {
		a.header.Set("OData-EntityId", r.base+done.Entity)
	}
	return a, nil
}

func (s *Server) createdEntities(r *request, tables []string) *response {
	var o output
	r.typed(&o, "CreateEntitiesResponse").raw(`,"EntityIds":[`)
	for i, name := range tables {
		if i > 0 {
			o.raw(",")
		}
		o.str(s.org.Tables[name].MetadataID)
	}
	return jsonReply(o.raw("]}"))
}

// alterStorage brings the database in line with tables that were changed or dropped, and keeps what they look like now,
// so that a database file can be opened again.
func (s *Server) alterStorage(r *request, names []string) error {
	return s.write(r, func(w *work) error {
		clear(s.indexed)
		for _, name := range names {
			if err := w.alter(name); err != nil {
				return err
			}
		}
		return w.keepSchema()
	})
}

func (w *work) alter(name string) error {
	s := w.s
	if s.prepared[name] == nil {
		return nil
	}
	delete(s.prepared, name)
	if t := s.table(name); t != nil {
		if err := w.ready(t); err != nil {
			return err
		}
		return t.trim(w.tx)
	}
	delete(s.messages, name)
	return w.tx.Exec("DROP TABLE " + storage.Quote(name))
}

// schemaTable holds the organisation's tables, once a client has changed them.
const schemaTable = "emulator schema"

func (w *work) keepSchema() error { return keepSchema(w.tx, w.s.org) }

func keepSchema(tx *storage.Tx, org *schema.Organization) error {
	data, err := schema.Encode(org)
	if err != nil {
		return err
	}
	if err := tx.Exec("CREATE TABLE IF NOT EXISTS " + storage.Quote(schemaTable) + " (id INTEGER PRIMARY KEY, definition TEXT)"); err != nil {
		return err
	}
	return tx.Exec("INSERT OR REPLACE INTO "+storage.Quote(schemaTable)+" VALUES (1, ?)", string(data))
}

// storedSchema is the organisation that a database was left with; nil when no client ever changed its tables.
func storedSchema(tx *storage.Tx) (*schema.Organization, error) {
	there, err := tx.Row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", schemaTable)
	if err != nil || there == nil {
		return nil, err
	}
	row, err := tx.Row("SELECT definition FROM " + storage.Quote(schemaTable) + " WHERE id = 1")
	if err != nil || row == nil {
		return nil, err
	}
	text, _ := row[0].(string)
	return schema.Decode([]byte(text))
}

// buildKey builds the index of a new alternate key in the background, as the service does.
func (s *Server) buildKey(table, key string) {
	s.jobs.Add(1)
	go func() {
		defer s.jobs.Done()
		if !s.pause() {
			return
		}
		s.schema.Lock()
		defer s.schema.Unlock()
		s.org.SetKeyStatus(table, key, "Active")
		t := s.table(table)
		if t == nil {
			return
		}
		err := s.write(&request{ctx: context.Background()}, func(w *work) error {
			if err := w.ready(t); err != nil {
				return err
			}
			return w.keepSchema()
		})
		if errors.Is(err, errDuplicates) {
			s.org.SetKeyStatus(table, key, "Failed")
			s.tables.Delete(table)
			err = s.write(&request{ctx: context.Background()}, (*work).keepSchema)
		}
		if err != nil {
			s.org.SetKeyStatus(table, key, "Failed")
		}
	}()
}
