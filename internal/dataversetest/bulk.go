package dataversetest

import (
	"net/http"
	"strconv"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/payload"
	"penstock/internal/dataversetest/schema"
)

// bulk is one of the four actions that take many records.
type bulk struct {
	action string
	verbs  []string // privileges
	do     func(w *work, c *change) (id string, err error)
}

var bulks = map[string]bulk{
	"CreateMultiple": {"CreateMultiple", []string{"Create"}, (*work).bulkCreate},
	"UpdateMultiple": {"UpdateMultiple", []string{"Write"}, (*work).bulkUpdate},
	"UpsertMultiple": {"UpsertMultiple", nil, (*work).bulkUpsert},
	"DeleteMultiple": {"DeleteMultiple", []string{"Delete"}, (*work).bulkDelete},
}

// bulkSince is the first version of the Web API with bulk actions.
const bulkSince = "9"

// serveBulk answers POST /set/Microsoft.Dynamics.CRM.CreateMultiple and the like.
func (s *Server) serveBulk(r *request, t *table, b bulk) (*response, error) {
	if r.method != http.MethodPost {
		return nil, errNoResource(r)
	}
	if err := supports(t, b.action); err != nil {
		return nil, err
	}
	for _, verb := range b.verbs {
		if err := r.user.may(verb, t); err != nil {
			return nil, err
		}
	}
	changes, err := s.readTargets(r, t)
	if err != nil {
		return nil, err
	}
	byKey := len(changes) > 0 && changes[0].ref != nil && changes[0].ref.key != nil
	if err := r.begin(t, b.action, len(changes), byKey); err != nil {
		return nil, err
	}
	ids := make([]string, len(changes))
	if t.elastic() {
		err = s.eachAlone(r, b, changes, ids)
	} else {
		err = s.allOrNothing(r, b, changes, ids)
	}
	if err != nil || b.action != "CreateMultiple" {
		return reply(http.StatusNoContent), err
	}
	return r.idsReply(ids), nil
}

func (r *request) idsReply(ids []string) *response {
	var o output
	o.raw(`{"@odata.context":`).str(r.base + "$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse").raw(`,"Ids":[`)
	for i, id := range ids {
		if i > 0 {
			o.raw(",")
		}
		o.str(id)
	}
	return jsonReply(o.raw("]}"))
}

func jsonReply(o *output) *response {
	a := reply(http.StatusOK)
	a.header.Set("Content-Type", jsonType)
	a.body = o.bytes()
	return a
}

// supports says whether a table takes a bulk action.
func supports(t *table, action string) error {
	switch {
	case action == "DeleteMultiple" && !t.elastic():
		return failf(501, "0x80040219", "DeleteMultiple has not yet been implemented.")
	case t.Messages == nil && t.TableType != schema.Virtual && !t.IsIntersect, t.Messages[action]:
		return nil
	case t.LogicalName == "queue":
		return failf(400, "0x80040800", "The '%s' method does not support entities of type '%s'.", action, t.LogicalName)
	}
	return failf(400, "0x80040800", "The message '%s' is not enabled on the entity '%s'.", action, t.LogicalName)
}

// readTargets reads {"Targets":[…]}. Every target says of what type it is.
func (s *Server) readTargets(r *request, t *table) ([]*change, error) {
	if err := r.expectJSON(); err != nil {
		return nil, err
	}
	body, err := payload.Parse(r.body)
	if err != nil {
		return nil, errPayload("", "%v", err)
	}
	targets := body.Get("Targets")
	switch {
	case body.Kind == payload.Object && targets == nil:
		return nil, errPayload("", "The parameter 'Targets' is missing.")
	case targets == nil || targets.Kind != payload.Array:
		return nil, errPayload("", "An unexpected 'PrimitiveValue' node was found when reading from the JSON reader. A 'StartArray' node was expected.")
	}
	for _, m := range body.Items {
		if m.Name != "Targets" && !strings.Contains(m.Name, "@") {
			return nil, errPayload("", "The parameter '%s' in the request payload is not a valid parameter for the operation.", m.Name)
		}
	}
	changes := make([]*change, len(targets.Items))
	for i := range targets.Items {
		v := &targets.Items[i].Value
		if kind := v.Get("@odata.type"); kind == nil || kind.Kind != payload.String {
			return nil, errPayload("", "A resource without a type name was found, but no expected type was specified. "+
				"To allow entries without type information, the expected type must also be specified when the model is specified.")
		}
		if changes[i], err = s.decodeRow(r, t, v); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// allOrNothing is what a standard table does: one transaction, and no word about which record failed.
func (s *Server) allOrNothing(r *request, b bulk, changes []*change, ids []string) error {
	return s.write(r, func(w *work) error {
		if err := w.resolveAll(changes); err != nil {
			return err
		}
		for i, c := range changes {
			id, err := b.do(w, c)
			if err != nil {
				return err
			}
			ids[i] = id
		}
		return nil
	})
}

// eachAlone is what an elastic table does: every record on its own, and an error that lists the failed ones.
func (s *Server) eachAlone(r *request, b bulk, changes []*change, ids []string) error {
	var first *Error
	var failed output
	err := s.write(r, func(w *work) error {
		for i, c := range changes {
			err := w.tx.Try(func() (err error) {
				if err = w.resolveAll([]*change{c}); err == nil {
					ids[i], err = b.do(w, c)
				}
				return err
			})
			if err == nil {
				continue
			}
			e := asError(err)
			if first == nil {
				first = e
				failed.raw("[")
			} else {
				failed.raw(",")
			}
			failed.raw(`{"RequestIndex":`).num(int64(i)).raw(`,"Id":`).str(c.knownID()).raw(`,"StatusCode":`).num(int64(e.Status)).raw("}")
		}
		return nil
	})
	if err != nil || first == nil {
		return err
	}
	e := *first
	e.Details = append(e.Details[:len(e.Details):len(e.Details)],
		Detail{Name: "Microsoft.PowerApps.CDS.ErrorDetails.Plugin.BulkApiErrorDetails", Value: string(failed.raw("]").bytes())})
	return &e
}

func (c *change) knownID() string {
	switch {
	case c.id != "":
		return c.id
	case c.ref != nil && c.ref.id != "":
		return c.ref.id
	}
	return "00000000-0000-0000-0000-000000000000"
}

// target is the record that a change in a bulk action is about; nil when it names none.
func (c *change) target() *reference {
	switch {
	case c.ref != nil:
		if c.part != "" {
			c.ref.partition = c.part
		}
		return c.ref
	case c.id != "":
		return &reference{table: c.table, id: c.id, partition: c.part}
	}
	return nil
}

func (w *work) bulkCreate(c *change) (string, error) {
	if c.ref != nil && c.ref.id != "" {
		return w.create(c, c.ref.id)
	}
	return w.create(c, "")
}

func (w *work) bulkUpdate(c *change) (string, error) {
	ref, f, err := w.target(c)
	if err != nil {
		return "", err
	}
	if f == nil {
		return "", ref.missing()
	}
	return f.id, w.update(c, ref, f)
}

func (w *work) bulkUpsert(c *change) (string, error) {
	ref := c.target()
	if ref == nil {
		if err := w.r.user.may("Create", c.table); err != nil {
			return "", err
		}
		return w.create(c, "")
	}
	f, err := w.locate(ref)
	if err != nil {
		return "", err
	}
	if f == nil && ref.key != nil {
		// The service adds the key's columns by itself, and stumbles over those that are there already.
		for _, col := range ref.key.columns {
			if c.has(col) {
				return "", failf(400, "0x80040216", "An unexpected error occurred.")
			}
		}
	}
	if f == nil && c.id != "" {
		ref = &reference{table: ref.table, id: c.id, key: ref.key, values: ref.values, partition: ref.partition, source: ref.source}
	}
	_, id, err := w.upsert(c, ref, f)
	return id, err
}

func (w *work) bulkDelete(c *change) (string, error) {
	ref, f, err := w.target(c)
	if err != nil {
		return "", err
	}
	if f == nil {
		return "", ref.missing()
	}
	return f.id, w.delete(c.table, f)
}

func (w *work) target(c *change) (*reference, *found, error) {
	ref := c.target()
	if ref == nil {
		return nil, nil, failf(400, "0x80040203", "The required field '%s' is missing: every target of the request needs an id.", c.table.PrimaryID)
	}
	f, err := w.locate(ref)
	return ref, f, err
}

// bulkAction finds a bulk action by the name of a segment.
func bulkAction(r *request, s odata.Segment) (bulk, bool) {
	if !odata.IsCast(s.Name) || !strings.HasPrefix(r.version, bulkSince) {
		return bulk{}, false
	}
	b, ok := bulks[odata.Unqualified(s.Name)]
	return b, ok
}

func itoa(n int) string { return strconv.Itoa(n) }
