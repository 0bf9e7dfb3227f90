package dataversetest

import (
	"net/http"
	"strings"

	"penstock/internal/dataversetest/odata"
)

// guarded answers one operation, with the tables as they are while it lasts.
func (s *Server) guarded(r *request, rest, query string) *response {
	if changesMetadata(r.method, rest) {
		s.schema.Lock()
		defer s.schema.Unlock()
	} else {
		s.schema.RLock()
		defer s.schema.RUnlock()
	}
	return s.answer(r, rest, query)
}

// route finds out what a request is about.
func (s *Server) route(r *request) (*response, error) {
	if len(r.path) == 0 || isMetadata(r.path[0].Name) {
		return s.serveMetadata(r)
	}
	first := r.path[0]
	if f, ok := operations[odata.Unqualified(first.Name)]; ok && len(r.path) == 1 {
		if r.method != f.method {
			return nil, errNoResource(r)
		}
		return f.serve(s, r)
	}
	t := s.set(first.Name)
	switch {
	case t == nil && known[odata.Unqualified(first.Name)]:
		return nil, unsupported("%s.", odata.Unqualified(first.Name))
	case t == nil:
		return nil, errNoSegment(first.Name)
	}
	if !first.Keyed {
		return s.routeSet(r, t)
	}
	ref, err := s.referenceTo(t, first, r.query)
	if err != nil {
		return nil, err
	}
	return s.routeRow(r, t, ref, r.path[1:])
}

// routeSet answers /set and what is bound to it.
func (s *Server) routeSet(r *request, t *table) (*response, error) {
	rest := r.path[1:]
	switch {
	case len(rest) == 0 && r.method == http.MethodGet:
		return s.getRows(r, t, nil)
	case len(rest) == 0 && r.method == http.MethodPost:
		return s.postRow(r, t)
	case len(rest) == 0:
		return nil, errVerb(r)
	case rest[0].Name == "$count" && len(rest) == 1 && r.method == http.MethodGet:
		return s.getCount(r, t, nil)
	}
	if b, ok := bulkAction(r, rest[0]); ok && len(rest) == 1 {
		return s.serveBulk(r, t, b)
	}
	if err := errKnown(rest[0].Name); err != nil {
		return nil, err
	}
	return nil, errNoSegment(rest[0].Name)
}

// routeRow answers /set(key) and what lies below it.
func (s *Server) routeRow(r *request, t *table, ref *reference, rest []odata.Segment) (*response, error) {
	if len(rest) > 0 && odata.IsCast(rest[0].Name) {
		if f, ok := bound[t.LogicalName+"."+odata.Unqualified(rest[0].Name)]; ok && len(rest) == 1 {
			if r.method != f.method {
				return nil, errNoResource(r)
			}
			return f.serve(s, r, t, ref)
		}
		if err := errKnown(rest[0].Name); err != nil {
			return nil, err
		}
		if odata.Unqualified(rest[0].Name) != t.LogicalName {
			return nil, errNoSegment(rest[0].Name)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return s.routeMember(r, t, ref, rest)
	}
	switch r.method {
	case http.MethodGet:
		return s.getRow(r, ref)
	case http.MethodPatch:
		return s.patchRow(r, t, ref)
	case http.MethodDelete:
		return s.deleteRow(r, t, ref)
	}
	return nil, errVerb(r)
}

// routeMember answers a property or a navigation property of a record.
func (s *Server) routeMember(r *request, t *table, ref *reference, rest []odata.Segment) (*response, error) {
	f, ok := t.fields[rest[0].Name]
	if !ok || strings.Contains(rest[0].Name, "@") {
		return nil, errNoSegment(rest[0].Name)
	}
	last := rest[len(rest)-1].Name
	switch {
	case f.column != nil && f.lookup == nil:
		return s.serveProperty(r, ref, f.column, rest[1:])
	case last == "$ref" && len(rest) == 2:
		return s.serveLink(r, ref, f, rest[0])
	case f.lookup != nil && r.method == http.MethodGet:
		return s.getLookup(r, ref, f, rest[1:])
	case r.method == http.MethodGet && len(rest) == 1 && !rest[0].Keyed:
		return s.getRows(r, s.table(f.other(t)), &membership{of: ref, field: f})
	case r.method == http.MethodPut && len(rest) == 1 && f.holdsParties():
		return s.putParties(r, ref, f)
	case r.method == http.MethodGet && len(rest) == 2 && last == "$count":
		return s.getCount(r, s.table(f.other(t)), &membership{of: ref, field: f})
	}
	return nil, errVerb(r)
}
