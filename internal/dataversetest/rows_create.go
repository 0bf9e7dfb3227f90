package dataversetest

import (
	"database/sql/driver"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"penstock/internal/dataversetest/payload"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
	"penstock/internal/dataversetest/traffic"
)

// readRow reads the body of a request about one record.
func (s *Server) readRow(r *request, t *table) (*change, error) {
	if err := r.expectJSON(); err != nil {
		return nil, err
	}
	v, err := payload.Parse(r.body)
	if err != nil {
		return nil, errPayload(t.SetName, "%v", err)
	}
	return s.decodeRow(r, t, &v)
}

// begin announces an operation to the gate, which may make it wait or fail.
func (r *request) begin(t *table, verb string, rows int, byKey bool) error {
	if r.work != nil {
		return nil // a change set has announced all of its operations
	}
	err := traffic.From(r.ctx).BeginWork(traffic.Work{Table: t.LogicalName, Verb: verb, Rows: rows, AlternateKey: byKey, Bypass: r.bypasses()})
	return fromTraffic(err)
}

// bypasses says whether headers keep custom logic out.
func (r *request) bypasses() bool {
	return r.batched && (strings.EqualFold(r.header.Get("MSCRM.BypassCustomPluginExecution"), "true") || r.header.Get("MSCRM.BypassBusinessLogicExecution") != "")
}

func fromTraffic(err error) error {
	var e *traffic.Error
	if errors.As(err, &e) {
		return &Error{Status: e.Status, Code: e.Code, Message: e.Message}
	}
	return err
}

// postRow creates a record: POST /set.
func (s *Server) postRow(r *request, t *table) (*response, error) {
	if err := writable(t, "Create"); err != nil {
		return nil, err
	}
	if err := r.user.may("Create", t); err != nil {
		return nil, err
	}
	c, err := s.readRow(r, t)
	if err != nil {
		return nil, err
	}
	if err := r.begin(t, "Create", 1, false); err != nil {
		return nil, err
	}
	a := reply(http.StatusNoContent)
	err = s.write(r, func(w *work) error {
		if err := w.resolveAll([]*change{c}); err != nil {
			return err
		}
		id, err := w.create(c, "")
		if err != nil {
			return err
		}
		ref := &reference{table: t, id: id, partition: c.part}
		return w.acknowledge(a, ref, id, http.StatusCreated)
	})
	return a, err
}

// acknowledge finishes the answer to a write: with the record, when the client asked for it.
func (w *work) acknowledge(a *response, ref *reference, id string, status int) error {
	a.header.Set("OData-EntityId", ref.url(w.r.base, id))
	if w.r.batched {
		a.header.Set("Location", ref.url(w.r.base, id))
	}
	if !w.r.prefer.representation {
		return nil
	}
	a.status = status
	a.header.Set("Preference-Applied", "return=representation")
	return w.representation(a, &reference{table: ref.table, id: id, partition: ref.partition})
}

// resolveAll finds the records that lookups point to, before anything is written: records of one call cannot point to
// each other.
func (w *work) resolveAll(changes []*change) error {
	for _, c := range changes {
		for i := range c.binds {
			b := &c.binds[i]
			if b.ref == nil {
				continue
			}
			id, err := w.resolve(b.ref)
			if err != nil {
				return err
			}
			if err := w.mayAppend(c.table, b.ref.table); err != nil {
				return err
			}
			b.ref = &reference{table: b.ref.table, id: id, partition: b.ref.partition}
		}
	}
	return nil
}

func (w *work) mayAppend(t, to *table) error {
	if w.r.user.all {
		return nil
	}
	if err := w.r.user.may("Append", t); err != nil {
		return err
	}
	return w.r.user.may("AppendTo", to)
}

// create writes a new record and returns its id. An id from the URL goes before one in the body.
func (w *work) create(c *change, id string) (string, error) {
	t := c.table
	if t.id == nil {
		return "", failf(405, "0x80040800", "Records of '%s' cannot be created: it has no primary id.", t.LogicalName)
	}
	if err := w.ready(t); err != nil {
		return "", err
	}
	if id == "" {
		id = c.id
	}
	if id == "" {
		id = w.s.options.NewID()
	}
	if err := w.createParents(c); err != nil {
		return "", err
	}
	d, err := w.draftOf(c, id)
	if err != nil {
		return "", err
	}
	if err := w.checkDuplicates(d, 0); err != nil {
		return "", err
	}
	if err := d.insert(w.tx); err != nil {
		return "", w.conflict(err, d)
	}
	if err := w.point(d, id); err != nil {
		return "", err
	}
	w.tally(t).created++
	return id, w.createNested(c, id)
}

// draftOf makes the draft of a new record: its values, then the table's defaults.
func (w *work) draftOf(c *change, id string) (*draft, error) {
	t := c.table
	d := w.draft(t)
	d.put(t.id, id)
	for _, s := range c.sets {
		if !s.column.ForCreate || s.column.Type == schema.TypeFile { // ignored silently, as the service does
			continue
		}
		v, err := s.column.validate(t, s.value)
		if err != nil {
			return nil, err
		}
		d.put(s.column, v)
	}
	d.bind(c.binds, true)
	if t.partition != nil && d.values[t.partition.at] == nil {
		d.put(t.partition, id)
	}
	if err := d.checkStatus(w, id, 0); err != nil {
		return nil, err
	}
	w.addDefaults(d)
	if err := w.addNumbers(d); err != nil {
		return nil, err
	}
	if err := d.checkRequired(); err != nil {
		return nil, err
	}
	d.compute()
	return d, nil
}

// bind puts lookups into the draft.
func (d *draft) bind(binds []bind, creating bool) {
	for _, b := range binds {
		c := b.field.column
		switch {
		case creating && !c.ForCreate, !creating && !c.ForUpdate:
		case b.ref == nil:
			d.put(c, nil)
			d.points[c.at] = ""
		default:
			d.point(c, b.ref.table.LogicalName, b.ref.id)
		}
	}
}

// addDefaults fills in what the service fills in: who, when, and the defaults of choices.
func (w *work) addDefaults(d *draft) {
	user := w.r.user.ID
	created := d.text("overriddencreatedon")
	if created == "" || !w.r.user.holds("prvOverrideCreatedOnCreatedBy") {
		created = w.now
	}
	d.fill("createdon", created)
	d.fill("modifiedon", w.now)
	d.fillLookup("createdby", "systemuser", user)
	d.fillLookup("modifiedby", "systemuser", user)
	d.fillLookup("ownerid", "systemuser", user)
	d.fillOwner()
	d.fill("versionnumber", w.nextVersion())
	d.fill("activitytypecode", d.table.LogicalName)
	for _, def := range d.table.defaults {
		if !d.filled[def.column.at] {
			d.put(def.column, def.value)
		}
	}
	d.fillRequired(user)
	d.fillCurrency()
}

// addNumbers fills autonumber columns that were not given a value.
func (w *work) addNumbers(d *draft) error {
	for _, c := range d.table.numbered {
		if d.values[c.at] != nil {
			continue
		}
		text, err := w.number(d.table, c)
		if err != nil {
			return err
		}
		d.put(c, text)
	}
	return nil
}

// fillRequired points lookups that the system requires to what the service takes by itself.
func (d *draft) fillRequired(user string) {
	for _, c := range d.table.required {
		if !c.IsLookup() || d.values[c.at] != nil {
			continue
		}
		switch c.onlyTarget() {
		case "systemuser":
			d.point(c, "systemuser", user)
		case "businessunit":
			d.point(c, "businessunit", businessUnit)
		}
	}
}

func (d *draft) fillLookup(name, table, id string) {
	if c := d.table.byName[name]; c != nil && c.IsLookup() && (!d.filled[c.at] || d.values[c.at] == nil) {
		d.point(c, table, id)
	}
}

// fillOwner keeps the columns beside ownerid in step with it.
func (d *draft) fillOwner() {
	owner := d.text("ownerid")
	if owner == "" {
		return
	}
	user, team := d.table.byName["owninguser"], d.table.byName["owningteam"]
	if at := d.table.byName["ownerid"].at; d.points[at] == "team" {
		user, team = team, user
	}
	if user != nil {
		d.point(user, user.onlyTarget(), owner)
	}
	if team != nil {
		d.put(team, nil)
	}
	if unit := d.table.byName["owningbusinessunit"]; unit != nil && d.values[unit.at] == nil {
		d.point(unit, "businessunit", businessUnit)
	}
}

// onlyTarget is the only table that a lookup points to.
func (c *column) onlyTarget() string {
	if len(c.Targets) == 1 {
		return c.Targets[0]
	}
	return ""
}

// fillCurrency gives amounts of money their currency and their value in the organisation's.
func (d *draft) fillCurrency() {
	money := false
	for _, at := range d.order {
		if c := d.table.columns[at]; c.Type == schema.TypeMoney && c.base != nil {
			d.put(c.base, d.values[at])
			money = money || d.values[at] != nil
		}
	}
	if money {
		d.fillLookup("transactioncurrencyid", "transactioncurrency", baseCurrency)
		d.fill("exchangerate", "1")
	}
}

// checkRequired holds only what the system requires against a record; what the application requires is for forms.
func (d *draft) checkRequired() error {
	for _, c := range d.table.required {
		if d.values[c.at] == nil {
			return errRequired(c, d.table)
		}
	}
	return nil
}

func errRequired(c *column, t *table) error {
	return failf(400, "0x80040200", "Required field '%s' is missing on '%s'.", c.LogicalName, t.LogicalName)
}

// compute fills the columns that the service derives from others.
func (d *draft) compute() {
	if code, ok := d.get("createdfromcode"); ok && d.table.LogicalName == "list" {
		d.fill("membertype", code)
		d.fill("membercount", int64(0))
	}
	full := d.table.fullName
	if full == nil {
		return
	}
	first, last := d.text("firstname"), d.text("lastname")
	if name := strings.TrimSpace(first + " " + last); name != "" {
		d.put(full, name)
	}
}

// conflict turns a violated uniqueness into the service's error.
func (w *work) conflict(err error, d *draft) error {
	var conflict *storage.Conflict
	if !errors.As(err, &conflict) {
		return err
	}
	for _, k := range d.table.keys {
		if strings.EqualFold(k.column, conflict.Column) {
			return errDuplicateKey(k, d)
		}
	}
	return errDuplicate()
}

func errDuplicateKey(k *key, d *draft) error {
	names := k.displayNames()
	e := failf(412, "0x80060892", "Entity Key %s violated. A record with the same value for %s already exists. A duplicate record cannot be created. "+
		"Select one or more unique values and try again.", k.label(), names)
	var attributes, entity strings.Builder
	for _, c := range k.columns {
		element(&attributes, c.LogicalName, d.values[c.at])
	}
	for _, at := range d.order {
		element(&entity, d.table.columns[at].LogicalName, d.values[at])
	}
	const prefix = "Microsoft.PowerApps.CDS.ErrorDetails."
	e.Details = []Detail{
		{prefix + "0", k.label(), true}, {prefix + "1", names, true},
		{prefix + "DuplicateEntity", `<?xml version="1.0" encoding="utf-16"?><Entity LogicalName="` + d.table.LogicalName + `">` + entity.String() + "</Entity>", true},
		{prefix + "DuplicateAttributes", "<DuplicateAttributes>" + attributes.String() + "</DuplicateAttributes>", true},
	}
	return e
}

func element(b *strings.Builder, name string, v driver.Value) {
	if v == nil {
		return
	}
	b.WriteString("<" + name + ">")
	xml.EscapeText(b, []byte(fmt.Sprint(v)))
	b.WriteString("</" + name + ">")
}

// createParents creates the records that lookups of a deep insert hold.
func (w *work) createParents(c *change) error {
	for i := range c.binds {
		b := &c.binds[i]
		if b.child == nil {
			continue
		}
		if err := w.r.user.may("Create", b.child.table); err != nil {
			return err
		}
		if err := w.resolveAll([]*change{b.child}); err != nil {
			return err
		}
		id, err := w.create(b.child, "")
		if err != nil {
			return err
		}
		b.ref = &reference{table: b.child.table, id: id}
	}
	return nil
}

// createNested creates the records of a deep insert that point to the one just created, and associates others with it.
func (w *work) createNested(c *change, id string) error {
	self := &reference{table: c.table, id: id}
	for _, n := range c.nested {
		for _, row := range n.rows {
			if err := w.createMember(n.field, self, row); err != nil {
				return err
			}
		}
		for _, ref := range n.refs {
			if err := w.associate(n.field, self, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *work) createMember(f field, self *reference, row *change) error {
	if err := w.r.user.may("Create", row.table); err != nil {
		return err
	}
	if f.collection != nil {
		if c := row.table.byName[f.collection.Column]; c != nil {
			row.binds = append(row.binds, bind{field: field{column: c, lookup: f.collection}, ref: self})
		}
	}
	if err := w.resolveAll([]*change{row}); err != nil {
		return err
	}
	id, err := w.create(row, "")
	if err != nil || f.many == nil {
		return err
	}
	return w.associate(f, self, &reference{table: row.table, id: id})
}
