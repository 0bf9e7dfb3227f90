package dataversetest

import (
	"context"
	"errors"
	"net/http"

	"penstock/internal/dataversetest/metadata"
	"penstock/internal/dataversetest/storage"
)

// changeMetadata adds or removes a table, a column, a key or a relationship. No other request runs meanwhile.
func (s *Server) changeMetadata(r *request) (*response, error) {
	if r.work != nil {
		return nil, unsupported("changes of metadata within a change set.")
	}
	privilege := "prvCreateEntity"
	if r.method == http.MethodDelete {
		privilege = "prvDeleteEntity"
	}
	if !r.user.holds(privilege) {
		return nil, r.user.denied(privilege, "", nil)
	}
	done, err := metadata.Apply(s.org, metadata.Change{Method: r.method, Path: r.path, Body: []byte(r.body)})
	if err != nil {
		return nil, err
	}
	s.org = done.Organization
	if err := s.alterStorage(r, done.Table); err != nil {
		return nil, err
	}
	s.gate.Altered(done.Table)
	if done.Key != "" {
		s.buildKey(done.Table, done.Key)
	}
	a := reply(http.StatusNoContent)
	if done.Entity != "" {
		a.header.Set("OData-EntityId", r.base+done.Entity)
	}
	return a, nil
}

// alterStorage brings the database in line with a table that was changed or dropped.
func (s *Server) alterStorage(r *request, name string) error {
	return s.write(r, func(w *work) error {
		clear(s.indexed)
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
	})
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
		err := s.write(&request{ctx: context.Background()}, func(w *work) error { return w.ready(t) })
		if errors.Is(err, errDuplicates) {
			s.org.SetKeyStatus(table, key, "Failed")
			s.tables.Delete(table)
		}
	}()
}
