package dataverse

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"penstock/internal/fault"
)

// BulkDelete starts a job that deletes the records under a filter: those that
// are there when it starts. It may succeed although some could not be
// deleted (rule D1), so look at its counts and into the table. The application
// user needs prvBulkDelete. The name is the job's in the service: with one that
// nobody else has, Jobs finds it even when the answer was lost; "" makes one up.
func (c *Client) BulkDelete(ctx context.Context, table *Table, filter Filter, name string) (job string, err error) {
	conditions, err := table.conditions(filter)
	if err != nil {
		return "", err
	}
	if name == "" {
		name = "Penstock " + table.Name + " " + rand.Text()
	}
	body, err := json.Marshal(bulkDeletion(table, conditions, name, c.clock.Now()))
	if err != nil {
		return "", err
	}
	if job, err = c.startJob(ctx, name, body); err != nil {
		return "", fmt.Errorf("start a bulk deletion of table %q: %w", table.Name, err)
	}
	return job, nil
}

func bulkDeletion(table *Table, conditions []condition, name string, now time.Time) map[string]any {
	query := map[string]any{
		"@odata.type": crm + "QueryExpression", "EntityName": table.Name, "Distinct": false,
		"ColumnSet": map[string]any{"@odata.type": crm + "ColumnSet", "AllColumns": false, "Columns": []string{table.PrimaryID}},
	}
	if len(conditions) > 0 {
		query["Criteria"] = map[string]any{"@odata.type": crm + "FilterExpression", "FilterOperator": "And", "Conditions": conditions, "Filters": []any{}}
	}
	return map[string]any{
		"QuerySet": []any{query}, "JobName": name, "SendEmailNotification": false, "ToRecipients": []any{}, "CCRecipients": []any{},
		"RecurrencePattern": "", "StartDateTime": now.UTC().Format(time.RFC3339),
	}
}

// startJob starts a job once. After an ambiguous end it is looked up by its
// name, which nobody else has: two jobs for one deletion would be no harm to the
// rows, but one of them would go on unseen.
func (c *Client) startJob(ctx context.Context, name string, body []byte) (string, error) {
	p := newPayload()
	defer p.release()
	p.bytes = append(p.bytes, body...)
	for tries := 1; ; {
		out, err := c.send(ctx, &request{method: http.MethodPost, url: c.root + "BulkDelete", body: p, contentType: "application/json"})
		if err == nil {
			var in struct{ JobID string }
			if err := decode(out.body, &in); err != nil || !guidPattern.MatchString(in.JobID) {
				return "", fault.New(fault.Broken, "unexpected_answer", "the service started a job and did not say which")
			}
			return in.JobID, nil
		}
		if _, known := fault.As(err); known {
			return "", err
		}
		var api *APIError
		if errors.As(err, &api) && api.action() == wait {
			continue // the limiter holds the next attempt back
		}
		if api != nil && !api.passes() {
			return "", toFault(err)
		}
		if ids, sought := c.Jobs(ctx, name); sought != nil || len(ids) > 0 {
			return first(ids), sought
		}
		if tries++; tries > maxAttempts {
			return "", toFault(err)
		}
		if err := c.backOff(ctx, c.watcher(ctx, nil), tries); err != nil {
			return "", err
		}
	}
}

func first(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// Jobs are the ids of the service's jobs of a name.
func (c *Client) Jobs(ctx context.Context, name string) ([]string, error) {
	var in collection[struct{ AsyncOperationID string }]
	filter := escapeQuery("name eq '" + strings.ReplaceAll(name, "'", "''") + "'")
	if err := c.get(ctx, "asyncoperations?$select=asyncoperationid&$filter="+filter, &in); err != nil {
		return nil, fmt.Errorf("look for the job %q: %w", name, err)
	}
	var ids []string
	for _, job := range in.Value {
		ids = append(ids, job.AsyncOperationID)
	}
	return ids, nil
}

// JobState is how far a job of the service is.
type JobState string

const (
	JobRunning   JobState = "running"
	JobSucceeded JobState = "succeeded"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
	JobGone      JobState = "gone" // somebody deleted what the service keeps of it, which it lets happen to jobs that ended
)

// JobStatus is the state of a bulk deletion, and what it has done so far.
type JobStatus struct {
	State   JobState
	Deleted int64
	Failed  int64  // records that could not be deleted
	Message string // the server's words; goes to people who may see rows only (rule S2)
}

// Job asks for the state of a bulk deletion. Every few seconds is often enough.
func (c *Client) Job(ctx context.Context, id string) (JobStatus, error) {
	status, err := c.job(ctx, id)
	if err != nil {
		return status, fmt.Errorf("ask for the state of job %s: %w", id, err)
	}
	return status, nil
}

func (c *Client) job(ctx context.Context, id string) (status JobStatus, err error) {
	if !guidPattern.MatchString(id) {
		return status, fault.New(fault.Broken, "bad_id", "the id of a job is no GUID")
	}
	var operation struct {
		StateCode, StatusCode int
		Message               string
	}
	err = c.get(ctx, "asyncoperations("+id+")?$select=statecode,statuscode,message", &operation)
	if api := (*APIError)(nil); errors.As(err, &api) && api.missing() {
		return JobStatus{State: JobGone}, nil
	}
	if err != nil {
		return status, err
	}
	var counts collection[struct{ SuccessCount, FailureCount int64 }]
	err = c.get(ctx, "bulkdeleteoperations?$select=successcount,failurecount&$filter="+escapeQuery("_asyncoperationid_value eq "+id), &counts)
	if err != nil {
		return status, err
	}
	status.State, status.Message = JobRunning, operation.Message
	const completed = 3
	if operation.StateCode == completed {
		switch operation.StatusCode {
		case 30:
			status.State = JobSucceeded
		case 32:
			status.State = JobCancelled
		default:
			status.State = JobFailed
		}
	}
	for _, n := range counts.Value {
		status.Deleted += n.SuccessCount
		status.Failed += n.FailureCount
	}
	return status, nil
}
