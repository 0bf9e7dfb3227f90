package dataversetest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"penstock/internal/dataversetest/payload"
)

// bulkDelete answers POST /BulkDelete: it starts a job that deletes what queries find.
func (s *Server) bulkDelete(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"QuerySet", "JobName", "SendEmailNotification", "ToRecipients", "CCRecipients", "RecurrencePattern", "StartDateTime"} {
		if v.Get(name) == nil {
			return nil, failf(400, "0x80040203", "The required parameter '%s' of BulkDelete is missing.", name)
		}
	}
	if !r.user.holds("prvBulkDelete") {
		return nil, r.user.denied("prvBulkDelete", "", nil)
	}
	if v.Get("RecurrencePattern").Text != "" {
		return nil, unsupported("recurring bulk deletions (RecurrencePattern).")
	}
	queries, err := s.readQuerySet(r, v.Get("QuerySet"))
	if err != nil {
		return nil, err
	}
	var j *job
	err = s.write(r, func(w *work) error {
		j, err = w.newJob(v.Get("JobName").Text, queries)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.jobs.Add(1)
	go func() {
		defer s.jobs.Done()
		s.runJob(j)
	}()
	var o output
	return jsonReply(r.typed(&o, "BulkDeleteResponse").raw(`,"JobId":`).str(j.id).raw("}")), nil
}

// deletion is one query of a bulk deletion.
type deletion struct {
	table    *table
	criteria criteria
	rows     []int64 // what it found when the job started: what comes later stays
}

// queryOperators are the names of ConditionOperator in FetchXML.
var queryOperators = map[string]string{"Equal": "eq", "NotEqual": "ne", "GreaterThan": "gt", "GreaterEqual": "ge", "LessThan": "lt", "LessEqual": "le",
	"Like": "like", "NotLike": "not-like", "In": "in", "NotIn": "not-in", "Null": "null", "NotNull": "not-null",
	"BeginsWith": "begins-with", "DoesNotBeginWith": "not-begin-with", "EndsWith": "ends-with", "DoesNotEndWith": "not-end-with"}

func (s *Server) readQuerySet(r *request, set *payload.Value) ([]*deletion, error) {
	var out []*deletion
	for i := range set.Items {
		q := &set.Items[i].Value
		name := q.Get("EntityName")
		if name == nil {
			return nil, failf(400, "0x80040203", "A query of BulkDelete has no EntityName.")
		}
		t := s.table(name.Text)
		if t == nil || t.id == nil {
			return nil, failf(400, "0x80040217", "The entity with a name = '%s' was not found in the MetadataCache.", name.Text)
		}
		for _, verb := range []string{"Read", "Delete"} {
			if err := r.user.may(verb, t); err != nil {
				return nil, err
			}
		}
		if links := q.Get("LinkEntities"); links != nil && len(links.Items) > 0 {
			return nil, unsupported("LinkEntities in the queries of BulkDelete.")
		}
		c, err := readCriteria(q.Get("Criteria"))
		if err != nil {
			return nil, err
		}
		out = append(out, &deletion{table: t, criteria: c})
	}
	if len(out) == 0 {
		return nil, failf(400, "0x80040203", "The parameter 'QuerySet' of BulkDelete is empty.")
	}
	return out, nil
}

// readCriteria reads a FilterExpression; a nil one, or one without conditions, is every record.
func readCriteria(v *payload.Value) (criteria, error) {
	var c criteria
	if v == nil || v.Kind != payload.Object {
		return c, nil
	}
	if op := v.Get("FilterOperator"); op != nil {
		c.or = op.Text == "Or"
	}
	if list := v.Get("Conditions"); list != nil {
		for i := range list.Items {
			condition, err := readCondition(&list.Items[i].Value)
			if err != nil {
				return c, err
			}
			c.conditions = append(c.conditions, condition)
		}
	}
	if list := v.Get("Filters"); list != nil {
		for i := range list.Items {
			nested, err := readCriteria(&list.Items[i].Value)
			if err != nil {
				return c, err
			}
			c.filters = append(c.filters, nested)
		}
	}
	return c, nil
}

func readCondition(v *payload.Value) (criterion, error) {
	column, operator := v.Get("AttributeName"), v.Get("Operator")
	if column == nil || operator == nil {
		return criterion{}, failf(400, "0x80040203", "A condition needs AttributeName and Operator.")
	}
	name, ok := queryOperators[operator.Text]
	if !ok {
		return criterion{}, unsupported("the condition operator '%s'.", operator.Text)
	}
	c := criterion{column: column.Text, operator: name}
	if values := v.Get("Values"); values != nil {
		for i := range values.Items {
			inner := values.Items[i].Get("Value")
			if inner == nil {
				return c, failf(400, "0x80040203", "A value of a condition has to be an object with Value and Type.")
			}
			c.values = append(c.values, inner.Text)
		}
	}
	return c, nil
}

// job is a bulk deletion under way.
type job struct {
	id, operation string
	user          *account
	queries       []*deletion
	deleted       int64
	failed        int64
}

// newJob finds what is to be deleted, and writes down the job.
func (w *work) newJob(name string, queries []*deletion) (*job, error) {
	j := &job{id: w.s.options.NewID(), operation: w.s.options.NewID(), user: w.r.user, queries: queries}
	for _, q := range queries {
		sel, _, err := w.restrict(q.table, nil, nil)
		if err != nil {
			return nil, err
		}
		where, err := sel.compile(q.criteria)
		if err != nil {
			return nil, err
		}
		err = w.tx.Query(sel.from(sel.alias+".rowid")+" WHERE "+where, sel.args, func(row []driver.Value) error {
			q.rows = append(q.rows, row[0].(int64))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	const bulkDeleteJob = 13
	err := w.seedRecord("asyncoperation", j.id, map[string]driver.Value{"name": name, "operationtype": int64(bulkDeleteJob), "messagename": "BulkDelete"})
	if err != nil {
		return nil, err
	}
	err = w.seedRecord("bulkdeleteoperation", j.operation, map[string]driver.Value{"name": name, "successcount": int64(0), "failurecount": int64(0),
		"asyncoperationid": j.id, "isrecurring": int64(0)})
	return j, err
}

// The states of a job, with a status of each.
const (
	jobLocked, jobInProgress   = 2, 20
	jobCompleted, jobSucceeded = 3, 30
)

const rowsPerStep = 500

// runJob deletes step by step, so that others get their turn, until it is done, cancelled, or the server ends.
func (s *Server) runJob(j *job) {
	r := &request{ctx: context.Background(), user: j.user}
	if !s.pause() || s.setJob(r, j, jobLocked, jobInProgress) != nil || !s.pause() {
		return
	}
	for _, q := range j.queries {
		for len(q.rows) > 0 && s.life.Err() == nil {
			n := min(rowsPerStep, len(q.rows))
			if going, err := s.deleteStep(r, j, q.table, q.rows[:n]); err != nil || !going {
				return
			}
			q.rows = q.rows[n:]
		}
	}
	if s.life.Err() == nil {
		s.setJob(r, j, jobCompleted, jobSucceeded)
	}
}

// pause waits between the states of a job; false when the server ends.
func (s *Server) pause() bool {
	timer := time.NewTimer(s.options.JobDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.life.Done():
		return false
	}
}

// deleteStep deletes some rows. One that cannot be deleted is counted, and the job goes on.
func (s *Server) deleteStep(r *request, j *job, t *table, rows []int64) (going bool, err error) {
	s.schema.RLock()
	defer s.schema.RUnlock()
	err = s.write(r, func(w *work) error {
		state, err := w.jobState(j)
		if going = err == nil && state == jobLocked; !going {
			return err
		}
		for _, row := range rows {
			err := w.tx.Try(func() error {
				v, err := w.tx.Row("SELECT "+t.id.quoted+" FROM "+t.sql()+" WHERE rowid = ?", row)
				if err != nil || v == nil {
					return err
				}
				j.deleted++
				return w.delete(t, &found{row: row, id: v[0].(string)})
			})
			if err != nil {
				j.deleted--
				j.failed++
			}
		}
		return nil
	})
	return going, err
}

func (w *work) jobState(j *job) (int64, error) {
	t := w.s.table("asyncoperation")
	if err := w.ready(t); err != nil {
		return 0, err
	}
	row, err := w.tx.Row("SELECT "+t.state.quoted+" FROM "+t.sql()+" WHERE "+t.id.quoted+" = ?", j.id)
	if err != nil || row == nil {
		return -1, err
	}
	state, _ := row[0].(int64)
	return state, nil
}

// setJob writes the state of a job, with its counts.
func (s *Server) setJob(r *request, j *job, state, status int64) error {
	s.schema.RLock()
	defer s.schema.RUnlock()
	return s.write(r, func(w *work) error {
		current, err := w.jobState(j)
		if err != nil {
			return err
		}
		if current == jobCompleted || current < 0 {
			return fmt.Errorf("job %s was cancelled", j.id)
		}
		values := map[string]driver.Value{"statecode": state, "statuscode": status}
		if err := w.overwrite("asyncoperation", j.id, values); err != nil {
			return err
		}
		values["successcount"], values["failurecount"] = j.deleted, j.failed
		return w.overwrite("bulkdeleteoperation", j.operation, values)
	})
}

// overwrite writes values past every check.
func (w *work) overwrite(table, id string, values map[string]driver.Value) error {
	t := w.s.table(table)
	f, err := w.locate(&reference{table: t, id: id})
	if err != nil || f == nil {
		return err
	}
	d := w.draft(t)
	for name, v := range values {
		d.fill(name, v)
	}
	d.fill("modifiedon", w.now)
	d.fill("versionnumber", w.nextVersion())
	return d.update(w.tx, f.row)
}
