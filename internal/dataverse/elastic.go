package dataverse

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"penstock/internal/fault"
)

// Elastic tables (rule W1) are kept in another database: a record's key is its
// id and its partition, each row of a call ends by itself, an upsert replaces the whole
// row, and reads see earlier writes only when they carry the session's token.

// session is the latest token of a table's session; nil where there are none.
type session struct{ token atomic.Pointer[string] }

func (s *session) get() string {
	if s == nil {
		return ""
	}
	if token := s.token.Load(); token != nil {
		return *token
	}
	return ""
}

func (s *session) keep(token string) {
	// A token travels back in a header, also inside of a $batch.
	if s != nil && token != "" && len(token) <= 8<<10 && !strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
		s.token.Store(&token)
	}
}

// session is the one of a table, shared by everyone who calls through the client.
func (c *Client) session(table *Table) *session {
	if table.Type != "Elastic" {
		return nil
	}
	known, _ := c.sessions.LoadOrStore(table.Name, new(session))
	return known.(*session)
}

func (s *session) header() []header {
	if token := s.get(); token != "" {
		return []header{{"MSCRM.SessionToken", token}}
	}
	return nil
}

// partition is where an elastic table keeps a record; without a partition of its own its id is its partition.
func (r *record) partition() string {
	if r.op.Partition != "" {
		return r.op.Partition
	}
	return r.id
}

// appendPartition writes the partition of a record as a member of a body.
func appendPartition(dst []byte, r *record) []byte {
	dst = append(dst, `,"partitionid":`...)
	return appendJSONString(dst, r.partition())
}

// appendElasticAddress writes the key of a record as it stands in a URL.
func (w *Writer) appendElasticAddress(dst []byte, r *record) ([]byte, error) {
	if r.op.Partition == "" {
		return append(append(append(dst, '('), r.id...), ')'), nil
	}
	dst = append(append(dst, '('), w.table.PrimaryID...)
	dst = append(append(append(dst, '='), r.id...), ",partitionid="...)
	dst, err := appendKeyLiteral(dst, appendJSONString(nil, r.op.Partition), false)
	return append(dst, ')'), err
}

// elasticKey reads the id and the partition out of a key of these two, the only one that an elastic table has.
func (w *Writer) elasticKey(r *record) error {
	id, own := "", *r.op
	for _, part := range r.op.Key {
		text, _, err := literalText(part.Value)
		switch {
		case err == nil && strings.EqualFold(part.Column, w.table.PrimaryID) && guidPattern.Match(text):
			id = strings.ToLower(string(text))
		case err == nil && part.Column == "partitionid":
			own.Partition = string(text)
		default:
			return broken(r.op, "has a key that an elastic table does not have")
		}
	}
	if id == "" {
		return broken(r.op, "has neither an id nor a key with one")
	}
	own.ID, own.Key = id, nil
	r.op, r.id = &own, id
	return nil
}

// placeElastic parts upserts into updates of what is there and creates of what
// is not. Rule W1: an upsert would replace the whole row.
func (w *Writer) placeElastic(ctx context.Context, to *route) error {
	upserts := to.by[upsertMultiple.order]
	if !w.elastic() || w.options.Replace || len(upserts) == 0 {
		return nil
	}
	there, err := w.there(ctx, upserts)
	if err != nil {
		return err
	}
	to.by[upsertMultiple.order] = nil
	for i, r := range upserts {
		if there[i] {
			r.result = Updated
			to.add(updateMultiple, r)
			continue
		}
		r.result = Created
		to.add(createMultiple, r)
	}
	return nil
}

// there reports which records exist, by id and on elastic tables by partition.
func (w *Writer) there(ctx context.Context, records []record) ([]bool, error) {
	if !w.elastic() {
		ids := make([]string, len(records))
		for i, r := range records {
			ids[i] = r.id
		}
		found, err := w.client.exists(ctx, w.table, ids, &w.options.Observer)
		there := make([]bool, len(records))
		for i, id := range ids {
			there[i] = found[id]
		}
		return there, err
	}
	there, err := w.thereElastic(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("look up %d records of table %q: %w", len(records), w.table.Name, err)
	}
	return there, nil
}

func (w *Writer) thereElastic(ctx context.Context, records []record) ([]bool, error) {
	var paths []string
	var filter bytes.Buffer
	for some := range slices.Chunk(records, idsPerFilter) {
		filter.Reset()
		for i, r := range some {
			if !guidPattern.MatchString(r.id) {
				return nil, fault.New(fault.Broken, "bad_id", "an id to look up is no GUID")
			}
			if i > 0 {
				filter.WriteString(" or ")
			}
			fmt.Fprintf(&filter, "(%s eq %s and partitionid eq '%s')", w.table.PrimaryID, r.id, strings.ReplaceAll(r.partition(), "'", "''"))
		}
		paths = append(paths, w.table.Set+"?$select="+w.table.PrimaryID+",partitionid&$filter="+escapeQuery(filter.String()))
	}
	bodies, err := w.client.readAll(ctx, paths, w.client.session(w.table), &w.options.Observer)
	if err != nil {
		return nil, err
	}
	type name struct{ id, partition string }
	found := make(map[name]bool, len(records))
	for _, body := range bodies {
		rows, err := rowsOf(body)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			found[name{strings.ToLower(textOf(row[w.table.PrimaryID])), textOf(row["partitionid"])}] = true
		}
	}
	there := make([]bool, len(records))
	for i, r := range records {
		there[i] = found[name{r.id, r.partition()}]
	}
	return there, nil
}

// listen keeps the token that an answer carries.
func (s *session) listen(h http.Header) {
	if s != nil {
		s.keep(h.Get("x-ms-session-token"))
	}
}
