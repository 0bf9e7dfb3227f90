package dataversetest

import (
	"bytes"
	"net/http"
	"strings"

	"penstock/internal/dataversetest/metadata"
)

// isMetadata says whether a path below the service root is about tables instead of their records.
func isMetadata(name string) bool {
	return name == "$metadata" || name == metadata.CreateEntities || metadata.Serves(name)
}

// changesMetadata says whether a request changes tables, so that no other may run beside it.
func changesMetadata(method, rest string) bool {
	name, _, _ := strings.Cut(rest, "/")
	name, _, _ = strings.Cut(name, "(")
	name, _, _ = strings.Cut(name, "?")
	return method != http.MethodGet && isMetadata(name)
}

// serveMetadata answers what the tables look like.
func (s *Server) serveMetadata(r *request) (*response, error) {
	if r.method != http.MethodGet {
		return s.changeMetadata(r)
	}
	if len(r.path) == 0 {
		body, err := metadata.ServiceDocument(s.org, r.base)
		return &response{status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}}, body: body}, err
	}
	if r.path[0].Name == "$metadata" {
		var b bytes.Buffer
		err := metadata.WriteCSDL(&b, s.org, r.query.Other.Get("annotations") == "true")
		return &response{status: http.StatusOK, header: http.Header{"Content-Type": {"application/xml"}}, body: b.Bytes()}, err
	}
	body, err := metadata.Get(s.org, metadata.Request{Root: r.base, Path: r.path, Query: r.query})
	return &response{status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}}, body: body}, err
}
