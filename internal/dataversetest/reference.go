package dataversetest

import (
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/payload"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// reference names a record by its primary id or by an alternate key.
type reference struct {
	table     *table
	id        string
	partition string // of an elastic table; "" is the id
	key       *key
	values    []driver.Value // of the key's columns
	source    string         // the segment as written
}

var bodyRoot = regexp.MustCompile(`^(?:https?://[^/]*)?/?(?:api/data/v\d\.\d/)?`)

// parseReference reads a URL in a body: /accounts(GUID), accounts(accountnumber='x'), an absolute one, or $1.
func (s *Server) parseReference(r *request, text string) (*reference, error) {
	if strings.HasPrefix(text, "$") {
		created, err := r.contentID(text)
		if err != nil {
			return nil, err
		}
		text = created
	}
	relative := text[len(bodyRoot.FindString(text)):]
	if ref := s.plainReference(relative); ref != nil {
		return ref, nil
	}
	parse := odata.ParsePath
	if s.options.LenientReferences {
		parse = odata.ParseReference
	}
	segments, err := parse(relative)
	if err != nil {
		return nil, err
	}
	if len(segments) != 1 || !segments[0].Keyed {
		return nil, failf(400, "0x80060888", "The URI '%s' is not valid for odata.bind operation.", text)
	}
	t := s.set(segments[0].Name)
	if t == nil {
		return nil, errNoSegment(segments[0].Name)
	}
	return s.referenceTo(t, segments[0], nil)
}

// plainReference is the fast way for set(GUID).
func (s *Server) plainReference(text string) *reference {
	open := len(text) - 38
	if open < 1 || text[open] != '(' || text[len(text)-1] != ')' || !odata.IsGUID(text[open+1:len(text)-1]) {
		return nil
	}
	t := s.set(text[:open])
	if t == nil {
		return nil
	}
	return &reference{table: t, id: strings.ToLower(text[open+1 : len(text)-1]), source: text}
}

// contentID is the URL of the record that an earlier part of the change set has made.
func (r *request) contentID(ref string) (string, error) {
	if created, ok := r.created[strings.TrimPrefix(ref, "$")]; ok {
		return created, nil
	}
	return "", failf(400, "0x80060888", "Content-ID Reference: '%s' does not exist in the batch context.", ref)
}

// referenceTo reads the key of a segment.
func (s *Server) referenceTo(t *table, segment odata.Segment, query *odata.Query) (*reference, error) {
	ref := &reference{table: t, source: segment.Source}
	if t.id == nil {
		return nil, errKeyNames(t)
	}
	if query != nil {
		ref.partition = strings.Trim(query.Other.Get("partitionId"), "'")
	}
	if id, ok := segment.GUID(); ok {
		ref.id = id
		return ref, nil
	}
	names := make([]string, 0, len(segment.Args))
	for _, a := range segment.Args {
		names = append(names, a.Name)
	}
	if isPrimary(t, names) {
		return ref, ref.readPrimary(segment)
	}
	sk := t.Key(names)
	if sk == nil {
		return nil, errKeyNames(t)
	}
	if !usable(sk) {
		return nil, failf(400, "0x80060890", "The entity key %s of %s cannot be used: the status of its index is %s.", sk.LogicalName, t.LogicalName, sk.Status)
	}
	if ref.key = t.keyOver(names); ref.key == nil {
		return nil, errKeyNames(t)
	}
	return ref, ref.readKey(segment)
}

func errKeyNames(t *table) error {
	return failf(400, "0x80060888", "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.%s'. Ensure that the names and number "+
		"of key properties match the declared or alternate key properties for the resource 'Microsoft.Dynamics.CRM.%s'.", t.LogicalName, t.LogicalName)
}

// isPrimary says whether the names are those of the primary key. Users and teams are declared with ownerid.
func isPrimary(t *table, names []string) bool {
	byID := func(name string) bool {
		return name == t.PrimaryID || name == "ownerid" && (t.LogicalName == "systemuser" || t.LogicalName == "team")
	}
	switch len(names) {
	case 1:
		return byID(names[0])
	case 2:
		return t.partition != nil && slices.ContainsFunc(names, byID) && slices.Contains(names, "partitionid")
	}
	return false
}

func (ref *reference) readPrimary(segment odata.Segment) error {
	for _, a := range segment.Args {
		lit, ok := a.Value.(odata.Literal)
		switch {
		case ok && a.Name == "partitionid" && lit.Kind == odata.String:
			ref.partition = lit.String()
		case ok && a.Name != "partitionid" && lit.Kind == odata.GUID:
			ref.id = lit.Value.(string)
		default:
			return errKeyNames(ref.table)
		}
	}
	return nil
}

func (ref *reference) readKey(segment odata.Segment) error {
	ref.values = make([]driver.Value, len(ref.key.columns))
	for i, c := range ref.key.columns {
		for _, a := range segment.Args {
			if a.Name != c.LogicalName && a.Name != c.property {
				continue
			}
			lit, ok := a.Value.(odata.Literal)
			value, fits := c.fromLiteral(lit)
			if !ok || !fits {
				return failf(400, "0x80060888", "Bad Request - Error in query syntax.")
			}
			ref.values[i] = value
		}
	}
	return nil
}

// fromLiteral turns a constant of a URL into what the database keeps in the column.
func (c *column) fromLiteral(lit odata.Literal) (driver.Value, bool) {
	if lit.Kind == odata.Null {
		return nil, true
	}
	switch c.Type {
	case schema.TypeString, schema.TypeMemo, schema.TypeEntityName, schema.TypeMultiSelect:
		return lit.Value, lit.Kind == odata.String
	case schema.TypeInteger, schema.TypePicklist, schema.TypeState, schema.TypeStatus, schema.TypeBigInt:
		return lit.Value, lit.Kind == odata.Integer
	case schema.TypeBoolean:
		b, ok := lit.Value.(bool)
		if b {
			return int64(1), ok
		}
		return int64(0), ok
	case schema.TypeDecimal, schema.TypeMoney:
		if lit.Kind != odata.Integer && lit.Kind != odata.Decimal || strings.ContainsAny(lit.Text, "eE") {
			return nil, false
		}
		return canonicalDecimal(lit.Text, -1), true
	case schema.TypeDouble:
		f, err := strconv.ParseFloat(lit.Text, 64)
		return f, err == nil && (lit.Kind == odata.Integer || lit.Kind == odata.Decimal)
	case schema.TypeDateTime:
		at, ok := lit.Time()
		if c.dateOnly() {
			return at.Format(time.DateOnly), ok
		}
		return at.Format(timestamp), ok
	}
	return lit.Value, lit.Kind == odata.GUID
}

// url is the address of the record as the service echoes it: by key when it was asked for by key.
func (ref *reference) url(base, id string) string {
	switch {
	case ref.key != nil:
		return base + ref.table.SetName + ref.source[strings.IndexByte(ref.source, '('):]
	case ref.table.partition != nil && ref.partition != "":
		return base + ref.table.SetName + "(" + ref.table.PrimaryID + "=" + id + ",partitionid='" + ref.partition + "')"
	}
	return base + ref.table.SetName + "(" + id + ")"
}

// missing is the error of a record that is not there.
func (ref *reference) missing() error {
	if ref.key != nil {
		return errMissingByKey(ref.table.LogicalName)
	}
	return errMissing(ref.table.LogicalName, ref.id)
}

// found is where a record is.
type found struct {
	row     int64
	id      string
	version int64
}

// locate finds the record; nil when there is none.
func (w *work) locate(ref *reference) (*found, error) {
	t := ref.table
	if err := w.ready(t); err != nil {
		return nil, err
	}
	query := t.locateSQL(ref)
	var row []driver.Value
	var err error
	switch {
	case ref.key != nil:
		value := ref.key.value(ref.values)
		if value == nil {
			return nil, nil
		}
		row, err = w.tx.Row(query, value)
	case t.partition != nil:
		row, err = w.tx.Row(query, ref.id, ref.inPartition())
	default:
		row, err = w.tx.Row(query, ref.id)
	}
	if err != nil || row == nil {
		return nil, err
	}
	f := &found{row: row[0].(int64), id: row[1].(string)}
	f.version, _ = row[2].(int64)
	return f, nil
}

func (ref *reference) inPartition() string {
	if ref.partition != "" {
		return ref.partition
	}
	return ref.id
}

func (t *table) locateSQL(ref *reference) string {
	name := "locate"
	if ref.key != nil {
		name = ref.key.column
	}
	if text, ok := t.shapes[name]; ok {
		return text
	}
	where := t.id.quoted + " = ?"
	switch {
	case ref.key != nil:
		where = ref.key.quoted + " = ?"
	case t.partition != nil:
		where += " AND " + t.partition.quoted + " = ?"
	}
	version := "0"
	if t.version != nil {
		version = t.version.quoted
	}
	text := fmt.Sprintf("SELECT rowid, %s, %s FROM %s WHERE %s", t.id.quoted, version, storage.Quote(t.LogicalName), where)
	t.shapes[name] = text
	return text
}

// leadsTo says whether a lookup may point to records of a table: its own, or one that is a kind of it.
func (s *Server) leadsTo(r *schema.Relationship, t *table) bool {
	switch r.Referenced {
	case t.LogicalName, "crmbaseentity":
		return true
	case "", "owner", "principal":
		return t.LogicalName == "systemuser" || t.LogicalName == "team"
	case "activitypointer":
		return t.IsActivity
	}
	return false
}

// resolve finds the id of the record that a lookup is to point to.
func (w *work) resolve(ref *reference) (string, error) {
	if ref.key == nil {
		name := identifier{ref.table.LogicalName, ref.id}
		if w.exists[name] {
			return ref.id, nil
		}
	}
	f, err := w.locate(ref)
	if err != nil {
		return "", err
	}
	if f == nil && ref.key != nil {
		return "", errMissingByKey(ref.table.LogicalName)
	}
	if f == nil {
		return "", failf(404, "0x80040217", "Entity '%s' With Id = %s Does Not Exist", ref.table.label(), ref.id)
	}
	w.exists[identifier{ref.table.LogicalName, f.id}] = true
	return f.id, nil
}

func (t *table) label() string {
	if t.DisplayName != "" {
		return t.DisplayName
	}
	return t.SchemaName
}

// referenceOf reads {"@odata.id": "URL"}.
func (s *Server) referenceOf(r *request) (*reference, error) {
	v, err := payload.Parse(r.body)
	if err != nil {
		return nil, errPayload("", "%v", err)
	}
	id := v.Get("@odata.id")
	if id == nil || id.Kind != payload.String {
		return nil, errPayload("", "An entity reference link was expected: a JSON object with the property '@odata.id'.")
	}
	return s.parseReference(r, id.Text)
}
