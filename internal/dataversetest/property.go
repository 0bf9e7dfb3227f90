package dataversetest

import (
	"net/http"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/payload"
	"penstock/internal/dataversetest/schema"
)

// serveProperty answers /set(key)/column: GET, GET …/$value, PUT and DELETE.
func (s *Server) serveProperty(r *request, ref *reference, c *column, rest []odata.Segment) (*response, error) {
	raw := len(rest) == 1 && rest[0].Name == "$value"
	if len(rest) > 0 && !raw {
		return nil, errNoSegment(rest[0].Name)
	}
	switch {
	case c.isFile() && (raw || r.header.Get("Range") != "" || r.method != http.MethodGet) && !r.putsImage(c):
		return s.serveFile(r, ref, c, raw)
	case r.method == http.MethodGet:
		return s.getProperty(r, ref, c, raw)
	case raw:
		return nil, errVerb(r)
	case r.method == http.MethodPut:
		v, err := payload.Parse(r.body)
		if err != nil {
			return nil, errPayload(ref.table.SetName, "%v", err)
		}
		value := v.Get("value")
		if value == nil {
			return nil, errPayload(ref.table.SetName, "A property with name 'value' was expected.")
		}
		return s.setProperty(r, ref, c, value)
	case r.method == http.MethodDelete:
		return s.setProperty(r, ref, c, &payload.Value{Kind: payload.Null})
	}
	return nil, errVerb(r)
}

// putsImage says whether a request sets an image as JSON: {"value":"…base64…"}.
func (r *request) putsImage(c *column) bool {
	return c.Type == schema.TypeImage && r.method == http.MethodPut && strings.Contains(r.header.Get("Content-Type"), "json")
}

func (s *Server) setProperty(r *request, ref *reference, c *column, v *payload.Value) (*response, error) {
	if err := r.user.may("Write", ref.table); err != nil {
		return nil, err
	}
	if c.IsLookup() {
		return nil, failf(400, "0x80048d19", "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.")
	}
	value, err := c.decode(ref.table, v)
	if err != nil {
		return nil, err
	}
	if err := r.begin(ref.table, "Update", 1, ref.key != nil); err != nil {
		return nil, err
	}
	err = s.write(r, func(w *work) error {
		f, err := w.locate(ref)
		if err != nil {
			return err
		}
		if f == nil {
			return ref.missing()
		}
		if err := ref.admits(r, f); err != nil {
			return err
		}
		by := &reference{table: ref.table, id: f.id, partition: ref.partition}
		return w.update(&change{table: ref.table, sets: []set{{c, value}}}, by, f)
	})
	return reply(http.StatusNoContent), err
}

func (s *Server) getProperty(r *request, ref *reference, c *column, raw bool) (*response, error) {
	if err := r.user.may("Read", ref.table); err != nil {
		return nil, err
	}
	if err := r.begin(ref.table, "Retrieve", 1, ref.key != nil); err != nil {
		return nil, err
	}
	var o output
	missing := false
	err := s.read(r, func(w *work) error {
		f, err := w.locate(ref)
		if err != nil {
			return err
		}
		if f == nil {
			return ref.missing()
		}
		row, err := w.tx.Row("SELECT "+c.quoted+" FROM "+ref.table.sql()+" WHERE rowid = ?", f.row)
		if err != nil {
			return err
		}
		if missing = row[0] == nil; missing {
			return nil
		}
		switch text, isText := row[0].(string); {
		case raw && isText:
			o.raw(text)
		case raw:
			c.write(&o, row[0])
		default:
			o.raw(`{"@odata.context":`).str(r.base + "$metadata#" + ref.table.SetName + "(" + f.id + ")/" + c.property).raw(`,"value":`)
			c.write(&o, row[0])
			o.raw("}")
		}
		return nil
	})
	if err != nil || missing {
		return reply(http.StatusNoContent), err
	}
	a := jsonReply(&o)
	if raw {
		a.header.Set("Content-Type", "text/plain")
	}
	return a, nil
}
