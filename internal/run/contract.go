package run

import (
	"encoding/json"
	"time"

	"penstock/internal/delivery"
	"penstock/internal/report"
)

// The JSON that travels between the states. Executions outlive a deploy: a
// waiting run hands its old input to new code, so fields are only ever added
// (events/ holds a sample of each; a test decodes them).

// Start is the input of an execution.
type Start struct {
	V           int       `json:"v"`
	Run         string    `json:"run"` // 20260301T020005Z-3f0c9a81d2
	Destination string    `json:"destination"`
	Audience    string    `json:"audience,omitempty"` // who dropped it; empty where files are not dropped (penstock run)
	Arrived     time.Time `json:"arrived"`
	Ordinal     int       `json:"ordinal,omitempty"` // how many runs this very delivery had before (rule I1)
	Again       bool      `json:"again,omitempty"`   // somebody means it: content that was appended before may be appended again
	Delivery    Delivery  `json:"delivery"`
}

// RunID tells the log at the edge which run an event is about.
func (s Start) RunID() string { return s.Run }

// RunID tells the log at the edge which run an event is about.
func (in ApplyIn) RunID() string { return in.Run }

// Execution is one attempt of the state machine at a run. A run that is resumed has several.
type Execution struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
}

// Delivery is what arrived.
type Delivery struct {
	ID      string            `json:"id"`                // sha256:… over where it lies and which version it is (rule I1)
	Objects []delivery.Object `json:"objects,omitempty"` // what arrived; in a plan: what was read, in order
	By      *delivery.Object  `json:"by,omitempty"`      // in a plan: the manifest or marker that completed the objects
	List    string            `json:"list,omitempty"`    // object of the work store with the objects, when they are too many to travel
}

// States of Prepared, Turn, Applied and Surveyed.
const (
	Proven  = "proven"
	Refused = "refused"
	Mine    = "mine"
	Waiting = "waiting"
	Skip    = "skipped"
	Done    = "done"
	More    = "more"
	Found   = "found"
	Clear   = "clear"
)

// Prepared is what prepare says.
type Prepared struct {
	State    string           `json:"state"` // proven, refused, more
	Mode     string           `json:"mode,omitempty"`
	Folder   string           `json:"folder"`
	Phases   map[string]Phase `json:"phases,omitempty"` // load, link
	Parallel int              `json:"parallel,omitempty"`
	Compare  bool             `json:"compare,omitempty"` // which records there are has to be known before the load (rule H3)
	Rows     Rows             `json:"rows"`
	Reason   *Reason          `json:"reason,omitempty"` // of a refusal
	// more: which step of which attempt at prepare the next call goes on from.
	By   string `json:"by,omitempty"`
	Step int    `json:"step,omitempty"`
}

// Phase points at a Map's items.
type Phase struct {
	Key    string `json:"key"`
	Chunks int    `json:"chunks"`
}

// Rows counts source rows at the end of prepare.
type Rows struct {
	Read     int64 `json:"read"`
	Rejected int64 `json:"rejected"`
}

// Reason says why a run was refused, skipped or failed. It crosses edges: rule S2.
type Reason struct {
	Kind    string `json:"kind,omitempty"` // a fault kind: Refused, Denied, …
	Code    string `json:"code"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  string `json:"column,omitempty"`
}

// ChunkRef is one item of a phase's Map.
type ChunkRef struct {
	N          int    `json:"n"`
	Key        string `json:"key"`
	Operations int    `json:"operations"`
	SHA256     string `json:"sha256"`
	Marks      string `json:"marks,omitempty"`   // object with the marks of its operations, for only_changes
	Dropped    opSet  `json:"dropped,omitempty"` // operations that must not be sent: their rows were rejected after all
}

// TurnIn is the input of turn: the whole state so far.
type TurnIn struct {
	Start
	Execution *Execution `json:"execution,omitempty"` // nil in those that began before executions were told apart
	Prepared  Prepared   `json:"prepared"`
	Turn      *Turn      `json:"turn,omitempty"` // what the last call said
}

// Turn is what turn says.
type Turn struct {
	State   string    `json:"state"` // mine, waiting, refused, skipped
	Epoch   int       `json:"epoch,omitempty"`
	Taken   time.Time `json:"taken,omitzero"`
	Behind  string    `json:"behind,omitempty"`  // waiting: the run that holds the turn or is ahead
	Dead    bool      `json:"dead,omitempty"`    // waiting: that run failed or shows no sign of life, and is given up in the end
	Seconds int       `json:"seconds,omitempty"` // waiting: how long until the next look
	Waits   int       `json:"waits,omitempty"`   // looks so far: waits grow and are bounded (rule M2)
	Newer   string    `json:"newer,omitempty"`   // mine: a run whose delivery arrived later was loaded before (rule T5)
	Reason  *Reason   `json:"reason,omitempty"`
}

// SurveyIn is the input of survey.
type SurveyIn struct {
	V           int       `json:"v"`
	Run         string    `json:"run"`
	Destination string    `json:"destination"`
	Purpose     string    `json:"purpose"` // clear, compare, sweep
	Epoch       int       `json:"epoch"`
	Last        *Surveyed `json:"last,omitempty"` // what the last call said
}

// RunID tells the log at the edge which run an event is about.
func (in SurveyIn) RunID() string { return in.Run }

// Surveyed is what survey says: there is something to delete (found), nothing
// that has to go is left (clear), all that has to be known for the load is (done),
// look again later (waiting), it is not done reading (more), or why nothing may
// be deleted (refused, skipped).
type Surveyed struct {
	State   string    `json:"state"`
	Phase   string    `json:"phase,omitempty"`   // found, more: clear-0, compare, sweep-0, …
	Key     string    `json:"key,omitempty"`     // found: the Map's items
	Chunks  int       `json:"chunks,omitempty"`  // found
	Records int64     `json:"records,omitempty"` // found: to be deleted; more: read so far
	Cursor  string    `json:"cursor,omitempty"`  // more: where to go on
	Seconds int       `json:"seconds,omitempty"` // waiting
	Waits   int       `json:"waits,omitempty"`   // waiting: looks so far; they grow and are bounded (rule M2)
	Began   time.Time `json:"began,omitzero"`    // when the first call of this purpose was
	At      time.Time `json:"at,omitzero"`       // when this was said
	Reason  *Reason   `json:"reason,omitempty"`
}

// ApplyIn is the input of apply.
type ApplyIn struct {
	V           int      `json:"v"`
	Run         string   `json:"run"`
	Destination string   `json:"destination"`
	Phase       string   `json:"phase"`
	Chunk       ChunkRef `json:"chunk"`
	Epoch       int      `json:"epoch"`
}

// Applied is what apply says: done, or more when its time is up and it wants to be called again.
type Applied struct {
	State string `json:"state"`
}

// FinishIn is the input of finish: the whole state at the end.
type FinishIn struct {
	Start
	Execution *Execution `json:"execution,omitempty"`
	Prepared  *Prepared  `json:"prepared,omitempty"`
	Turn      *Turn      `json:"turn,omitempty"`
	Clear     *Surveyed  `json:"clear,omitempty"` // the last word of the survey before loading
	Compare   *Surveyed  `json:"compare,omitempty"`
	Sweep     *Surveyed  `json:"sweep,omitempty"` // and of the one after it
	Error     *Caught    `json:"error,omitempty"`

	died    time.Time // when the execution began that EventBridge says died; zero in a state's input
	stopped time.Time // and when it ended
}

// UnmarshalJSON also takes EventBridge's word that an execution died (rule T4),
// "Step Functions Execution Status Change": the run's start is its detail.input,
// as text. An input transformer could only quote that text, not unpack it.
func (in *FinishIn) UnmarshalJSON(data []byte) error {
	var event struct {
		Detail struct {
			Execution string `json:"executionArn"`
			StartDate int64  `json:"startDate"` // milliseconds since 1970
			StopDate  int64  `json:"stopDate"`
			Input     string `json:"input"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return err
	}
	if event.Detail.Input == "" {
		type state FinishIn // without this method
		return json.Unmarshal(data, (*state)(in))
	}
	*in = FinishIn{died: time.UnixMilli(event.Detail.StartDate)}
	if event.Detail.Execution != "" {
		in.Execution = &Execution{ID: event.Detail.Execution, Started: in.died}
	}
	if event.Detail.StopDate > 0 {
		in.stopped = time.UnixMilli(event.Detail.StopDate)
	}
	return json.Unmarshal([]byte(event.Detail.Input), &in.Start)
}

// Caught is what a Catch keeps.
type Caught struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"` // for a function's error: JSON text of {errorMessage, errorType}
}

// Finished is the end of the story, small enough for a state and an event.
type Finished struct {
	V            int            `json:"v"`
	Run          string         `json:"run"`
	Destination  string         `json:"destination"`
	State        string         `json:"state"` // succeeded, partial, refused, skipped, failed
	Read         int64          `json:"read"`
	Written      int64          `json:"written"`
	Created      int64          `json:"created"`
	Updated      int64          `json:"updated"`
	Upserted     int64          `json:"upserted"`
	Deleted      int64          `json:"deleted"`
	Unchanged    int64          `json:"unchanged"`
	Rejected     int64          `json:"rejected"`
	NotAttempted int64          `json:"not_attempted"`
	Warned       int64          `json:"warned,omitempty"`  // of those written: a link or state could not be set
	Removed      report.Removed `json:"removed"`           // records that are no source rows
	Report       string         `json:"report"`            // key of report.json
	Rejects      string         `json:"rejects,omitempty"` // key of rejects.csv or .jsonl, when there are any
	Reason       *Reason        `json:"reason,omitempty"`
	Seconds      float64        `json:"seconds"`
}
