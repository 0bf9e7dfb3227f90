// Package report is the account of a run: what became of every row, for people and for programs.
package report

import (
	"encoding/json"
	"time"

	"penstock/internal/fault"
)

// How a run ended.
const (
	Succeeded = "succeeded" // every row is written, or was there already
	Partial   = "partial"   // the run came to its end, but rows were rejected or have a warning, or records are left that should be gone
	Refused   = "refused"   // the file, the configuration or a guard said no; nothing was written nor deleted
	Skipped   = "skipped"   // another delivery made this one needless; nothing was written nor deleted
	Failed    = "failed"    // the run did not come to its end
)

// Report is the account of one run. Its JSON is report.json, a stored format. It names files, columns, codes and
// counts, never a row's values nor the service's words (rule S2): those are in the rejects only.
type Report struct {
	V     int    `json:"v"`
	Run   string `json:"run"`
	State string `json:"state"`

	Reason *Reason `json:"reason,omitempty"` // why a run was refused, skipped or failed

	// Source rows (rules C1 and C2).
	Read         int64 `json:"read"`
	Written      int64 `json:"written"`
	Created      int64 `json:"created"`
	Updated      int64 `json:"updated"`
	Upserted     int64 `json:"upserted"` // created or updated: the service did not say which
	Deleted      int64 `json:"deleted"`
	Unchanged    int64 `json:"unchanged"`
	Rejected     int64 `json:"rejected"`
	NotAttempted int64 `json:"not_attempted"`
	Uncertain    int64 `json:"uncertain"` // of those not attempted: sent, but the answer was lost

	Removed       *Removed       `json:"removed,omitempty"`
	Doubtful      int64          `json:"doubtful,omitempty"` // records that a mirror left: the file may mean them, or the like of them
	RejectReasons []RejectReason `json:"reject_reasons,omitempty"`

	// Rows that are written although something that follows from them is not: a link to another row, a state (rule C4).
	Warned      int64          `json:"warned,omitempty"`
	WarnReasons []RejectReason `json:"warn_reasons,omitempty"` // count operations, of which a row may have several

	Destination string   `json:"destination"`
	Connection  string   `json:"connection,omitempty"`
	Environment string   `json:"environment,omitempty"` // its address
	Table       string   `json:"table,omitempty"`       // logical name
	Mode        string   `json:"mode,omitempty"`
	Key         []string `json:"key,omitempty"`

	// Of modes that delete: which records of the table are the destination's.
	Filter     []Condition `json:"filter,omitempty"`
	WholeTable bool        `json:"whole_table,omitempty"` // there is no filter

	Files    []string `json:"files"`
	Format   string   `json:"format,omitempty"`
	Evidence []string `json:"evidence,omitempty"` // why the files were read as they were: whole sentences that quote no values
	SHA256   string   `json:"sha256,omitempty"`   // of the content
	Audience string   `json:"audience,omitempty"` // as whom it was dropped
	Columns  []Column `json:"columns,omitempty"`
	Ignored  []string `json:"ignored,omitempty"` // Penstock's own columns, passed over
	Notes    []string `json:"notes,omitempty"`   // whole sentences: warnings and what else a reader should know

	Arrived  time.Time `json:"arrived"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished"`
	Seconds  float64   `json:"seconds"` // from arrival to the end
	Steps    []Step    `json:"steps,omitempty"`
	Service  Service   `json:"service"`

	// Where things are: keys, paths or addresses, as the writer of the report knows them.
	Folder  string `json:"folder,omitempty"`
	Report  string `json:"report,omitempty"`
	Page    string `json:"page,omitempty"`
	Rejects string `json:"rejects,omitempty"` // empty when there are none

	Warnings  string `json:"warnings,omitempty"`  // the rows with a warning, and why
	Undeleted string `json:"undeleted,omitempty"` // the records that could not be deleted, and why
	Doubts    string `json:"doubts,omitempty"`    // the records that were left in doubt
}

// Reason says why a run did not do what it was asked for.
type Reason struct {
	Kind    string `json:"kind,omitempty"` // a fault kind: Refused, Denied, …
	Code    string `json:"code"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  string `json:"column,omitempty"`
}

// Removed counts records that are no source rows (rule C3).
type Removed struct {
	Found        int64 `json:"found"`
	Deleted      int64 `json:"deleted"`
	AlreadyGone  int64 `json:"already_gone"`
	Failed       int64 `json:"failed"`
	NotAttempted int64 `json:"not_attempted,omitempty"` // the run ended before
	Uncertain    int64 `json:"uncertain,omitempty"`     // of those not attempted: sent, but the answer was lost

	Reasons []RejectReason `json:"reasons,omitempty"` // why those that failed did
}

// RejectReason counts rows that were rejected alike.
type RejectReason struct {
	Code   string `json:"code"`
	Column string `json:"column,omitempty"` // the file's column to blame, where there is one
	Count  int64  `json:"count"`
	Line   int    `json:"example_line"` // of one such row
}

// Condition is a part of a filter: a column of the table and the constant that its records have there.
type Condition struct {
	Column string          `json:"column"`
	Value  json.RawMessage `json:"value"`
}

func (c Condition) String() string {
	var text string
	if string(c.Value) != "null" && json.Unmarshal(c.Value, &text) == nil { // stored JSON has escapes that nobody wants to read
		return c.Column + " = \"" + text + "\""
	}
	return c.Column + " = " + string(c.Value)
}

// Column says where a column of the file went.
type Column struct {
	From string `json:"from"`
	To   string `json:"to,omitempty"` // empty for one that is skipped
}

// Step is how long a step of the run took.
type Step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Service holds the figures of the calls to the service.
type Service struct {
	Calls     int64   `json:"calls"`
	Throttled int64   `json:"throttled"`      // answered with a pause
	Retried   int64   `json:"retried"`        // sent again
	Bisected  int64   `json:"bisected"`       // extra calls to find a bad row among others
	Waited    float64 `json:"waited_seconds"` // in pauses that the service asked for
}

// Check holds the report against itself. A report that does not add up must not be believed.
func (r Report) Check() error {
	for _, count := range []int64{r.Read, r.Written, r.Created, r.Updated, r.Upserted, r.Deleted, r.Unchanged, r.Rejected, r.NotAttempted, r.Uncertain, r.Doubtful} {
		if count < 0 {
			return miscount("a count is negative: %d", count)
		}
	}
	// Rule C1.
	if sum := r.Written + r.Unchanged + r.Rejected + r.NotAttempted; sum != r.Read {
		return miscount("%d rows were read, but %d are accounted for", r.Read, sum)
	}
	// Rule C2.
	if sum := r.Created + r.Updated + r.Upserted + r.Deleted; sum != r.Written {
		return miscount("%d rows were written, but %d of them are accounted for", r.Written, sum)
	}
	if r.Uncertain > r.NotAttempted {
		return miscount("%d rows are uncertain, but only %d were not attempted", r.Uncertain, r.NotAttempted)
	}
	if err := r.checkRejects(); err != nil {
		return err
	}
	if err := r.checkWarnings(); err != nil {
		return err
	}
	if err := r.Removed.check(); err != nil {
		return err
	}
	return r.checkState()
}

func (r Report) checkRejects() error {
	var sum int64
	for _, reason := range r.RejectReasons {
		sum += reason.Count
	}
	if sum != r.Rejected {
		return miscount("%d rows were rejected, but for %d there is a reason", r.Rejected, sum)
	}
	return nil
}

func (r Report) checkWarnings() error {
	var sum int64
	for _, reason := range r.WarnReasons {
		sum += reason.Count
	}
	if r.Warned < 0 || sum < r.Warned || sum > 0 && r.Warned == 0 {
		return miscount("%d rows have warnings, but there are reasons for %d", r.Warned, sum)
	}
	if there := r.Written + r.Unchanged; r.Warned > there {
		return miscount("%d rows have warnings, but only %d are in the table", r.Warned, there)
	}
	return nil
}

// check is rule C3.
func (r *Removed) check() error {
	if r == nil {
		return nil
	}
	for _, count := range []int64{r.Found, r.Deleted, r.AlreadyGone, r.Failed, r.NotAttempted, r.Uncertain} {
		if count < 0 {
			return miscount("a count of records to remove is negative: %d", count)
		}
	}
	if sum := r.Deleted + r.AlreadyGone + r.Failed + r.NotAttempted; sum != r.Found {
		return miscount("%d records were found to remove, but %d are accounted for", r.Found, sum)
	}
	if r.Uncertain > r.NotAttempted {
		return miscount("of %d records it is uncertain whether they are removed, but only %d were not attempted", r.Uncertain, r.NotAttempted)
	}
	var sum int64
	for _, reason := range r.Reasons {
		sum += reason.Count
	}
	if sum != r.Failed {
		return miscount("%d records could not be removed, but for %d there is a reason", r.Failed, sum)
	}
	return nil
}

func (r Report) checkState() error {
	switch r.State {
	case Succeeded:
		if r.Rejected > 0 || r.NotAttempted > 0 || r.Warned > 0 {
			return miscount("the run succeeded, but %d rows were rejected, %d not attempted and %d have warnings", r.Rejected, r.NotAttempted, r.Warned)
		}
		if r.Removed != nil && r.Removed.NotAttempted > 0 {
			return miscount("the run succeeded, but %d records that it was to remove are left", r.Removed.NotAttempted)
		}
	case Partial, Failed:
	case Refused, Skipped:
		if r.Written > 0 || r.Uncertain > 0 {
			return miscount("the run was %s, but %d rows were written and %d may have been", r.State, r.Written, r.Uncertain)
		}
		if r.Removed != nil && r.Removed.Deleted+r.Removed.Uncertain > 0 {
			return miscount("the run was %s, but %d records were removed and %d may have been", r.State, r.Removed.Deleted, r.Removed.Uncertain)
		}
	default:
		return fault.New(fault.Broken, "unknown_state", "a run does not end in the state %q", r.State)
	}
	return nil
}

func miscount(format string, args ...any) error {
	return fault.New(fault.Broken, "counts_do_not_add_up", format, args...).
		Advise("do not trust this run's figures; keep its folder and report the fault")
}
