package traffic

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What a fault does. "Before" and "after" mean before and after the handler
// commits: after it, the work is done and only the answer is lost.
const (
	Latency      = "latency"       // the request arrives late (delay)
	LatencyAfter = "latency-after" // the answer leaves late (delay)
	DropBefore   = "drop-before"   // the connection closes and nothing was done
	DropAfter    = "drop-after"    // the connection closes, the work is done
	Cut          = "cut"           // the connection closes in the middle of the answer (bytes)
	StatusBefore = "status-before" // status instead of the work
	StatusAfter  = "status-after"  // status instead of the answer
	Deadlock     = "deadlock"      // an operation is chosen as deadlock victim: SQL 1205
	SQLTimeout   = "sql-timeout"   // an operation runs into the SQL time-out
	FirstUse     = "first-use"     // a bulk action meets its SQL objects being rebuilt: SQL 3732
	Throttle     = "throttle"      // 429 (retry_after, limit)
	Unauthorized = "unauthorized"  // 401 with the challenge
)

// traits of each kind of fault.
var kinds = map[string]struct {
	options   []string // its own options, beside the conditions and counters
	operation bool     // strikes one operation, not the whole request
	after     bool     // the handler runs first
}{
	Latency:      {options: []string{"delay"}},
	LatencyAfter: {options: []string{"delay"}, after: true},
	DropBefore:   {},
	DropAfter:    {after: true},
	Cut:          {options: []string{"bytes"}, after: true},
	StatusBefore: {options: []string{"status", "code", "message", "retry_after"}},
	StatusAfter:  {options: []string{"status", "code", "message", "retry_after"}, after: true},
	Deadlock:     {operation: true},
	SQLTimeout:   {operation: true},
	FirstUse:     {operation: true},
	Throttle:     {options: []string{"retry_after", "limit"}},
	Unauthorized: {},
}

// A Fault is a rule: which requests go wrong, how often, and how.
//
// A rule with a table, verb, min_rows or racing, and every SQL error, counts and
// strikes operations (a $batch has many); all others count and strike requests.
// The counters work together: of the matches after the first After, those are
// struck that are among the First, a multiple of Every, drawn with Probability,
// and not beyond Times strikes. A counter that is zero has no say.
type Fault struct {
	What string `json:"what"`

	Method  string `json:"method,omitempty"`
	Path    string `json:"path,omitempty"` // regular expression, found anywhere in the URL's path
	User    string `json:"user,omitempty"`
	Table   string `json:"table,omitempty"`    // logical name
	Verb    string `json:"verb,omitempty"`     // Create, UpsertMultiple, …
	MinRows int    `json:"min_rows,omitempty"` // operations of at least so many rows
	// Racing asks for a bulk action whose table and action are new (no such call has
	// ended well yet) while another such call is under way.
	Racing bool `json:"racing,omitempty"`

	After       int     `json:"after,omitempty"`
	First       int     `json:"first,omitempty"`
	Every       int     `json:"every,omitempty"`
	Times       int     `json:"times,omitempty"`
	Probability float64 `json:"probability,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`

	Delay      Duration `json:"delay,omitempty"`
	Bytes      int      `json:"bytes,omitempty"` // of the body that still arrive; 0 means half
	Status     int      `json:"status,omitempty"`
	Code       string   `json:"code,omitempty"` // makes the answer of a status fault an OData error
	Message    string   `json:"message,omitempty"`
	RetryAfter int      `json:"retry_after,omitempty"` // seconds
	Limit      string   `json:"limit,omitempty"`       // requests (default), time, concurrency
}

// Validate says what is wrong with f.
func (f Fault) Validate() error {
	kind, ok := kinds[f.What]
	if !ok {
		return fmt.Errorf("what: unknown fault %q%s", f.What, didYouMean(f.What, faultNames()))
	}
	for _, option := range f.set() {
		if ownOption(option.name) && !slices.Contains(kind.options, option.name) {
			return fmt.Errorf("%s: %s has no such option", option.name, f.What)
		}
	}
	if err := f.validateNumbers(); err != nil {
		return err
	}
	if _, err := regexp.Compile(f.Path); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	return f.validateOptions()
}

func (f Fault) validateNumbers() error {
	for name, n := range map[string]int{
		"min_rows": f.MinRows, "after": f.After, "first": f.First, "every": f.Every,
		"times": f.Times, "bytes": f.Bytes, "retry_after": f.RetryAfter, "delay": int(f.Delay),
	} {
		if n < 0 {
			return fmt.Errorf("%s: is never negative", name)
		}
	}
	if !(f.Probability >= 0 && f.Probability <= 1) {
		return errors.New("probability: is between 0 and 1")
	}
	return nil
}

func (f Fault) validateOptions() error {
	switch f.What {
	case Latency, LatencyAfter:
		if f.Delay == 0 {
			return errors.New("delay: is missing")
		}
	case StatusBefore, StatusAfter:
		if f.Status < 400 || f.Status > 599 {
			return errors.New("status: is between 400 and 599")
		}
	case Throttle:
		if !slices.Contains([]string{"", string(byRequests), string(byTime), string(byConcurrency)}, f.Limit) {
			return fmt.Errorf("limit: %q is none of requests, time, concurrency", f.Limit)
		}
	}
	return nil
}

// ofOperations tells whether f counts operations instead of requests.
func (f Fault) ofOperations() bool {
	return kinds[f.What].operation || f.Table != "" || f.Verb != "" || f.MinRows > 0 || f.Racing
}

func faultNames() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ownOption tells the options of some kind from the conditions and counters of all.
func ownOption(name string) bool {
	for _, kind := range kinds {
		if slices.Contains(kind.options, name) {
			return true
		}
	}
	return false
}

// sqlError is what an operation fails with, in the service's words. Dataverse
// answers SQL errors with 500; the blank before the deadlock's text is its own.
func sqlError(what string) *Error {
	switch what {
	case SQLTimeout:
		return &Error{Status: 500, Code: "0x80044151",
			Message: "SQL timeout expired. CRM ErrorCode: -2147204783 Sql ErrorCode: -2146232060 Sql Number: -2"}
	case FirstUse:
		return &Error{Status: 500, Code: "0x80044150",
			Message: " Sql error: Generic SQL error. CRM ErrorCode: -2147204784 Sql ErrorCode: -2146232060 Sql Number: 3732"}
	default:
		return &Error{Status: 500, Code: "0x80044150",
			Message: " Sql error: Generic SQL error. CRM ErrorCode: -2147204784 Sql ErrorCode: -2146232060 Sql Number: 1205"}
	}
}

// didYouMean is a hint at the name that was probably meant, or nothing.
func didYouMean(name string, known []string) string {
	if best := nearest(name, known); best != "" {
		return fmt.Sprintf(", did you mean %q?", best)
	}
	return fmt.Sprintf(" (there are: %s)", strings.Join(known, ", "))
}
