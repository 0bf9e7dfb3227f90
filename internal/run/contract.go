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

// Delivery is what arrived.
type Delivery struct {
	ID      string            `json:"id"` // sha256:… over where it lies and which version it is (rule I1)
	Objects []delivery.Object `json:"objects"`
}

// States of Prepared and Turn.
const (
	Proven  = "proven"
	Refused = "refused"
	Mine    = "mine"
	Waiting = "waiting"
	Skip    = "skipped"
	Done    = "done"
	More    = "more"
)

// Prepared is what prepare says.
type Prepared struct {
	State    string           `json:"state"` // proven, refused
	Mode     string           `json:"mode,omitempty"`
	Folder   string           `json:"folder"`
	Phases   map[string]Phase `json:"phases,omitempty"` // load
	Parallel int              `json:"parallel,omitempty"`
	Rows     Rows             `json:"rows"`
	Reason   *Reason          `json:"reason,omitempty"` // of a refusal
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
}

// TurnIn is the input of turn: the whole state so far.
type TurnIn struct {
	Start
	Prepared Prepared `json:"prepared"`
	Turn     *Turn    `json:"turn,omitempty"` // what the last call said
}

// Turn is what turn says.
type Turn struct {
	State   string    `json:"state"` // mine, waiting, refused
	Epoch   int       `json:"epoch,omitempty"`
	Taken   time.Time `json:"taken,omitzero"`
	Behind  string    `json:"behind,omitempty"`  // waiting: the run that holds the turn or is ahead
	Seconds int       `json:"seconds,omitempty"` // waiting: how long until the next look
	Waits   int       `json:"waits,omitempty"`   // looks so far: waits grow and are bounded (rule M2)
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
	Prepared *Prepared `json:"prepared,omitempty"`
	Turn     *Turn     `json:"turn,omitempty"`
	Error    *Caught   `json:"error,omitempty"`

	died time.Time // when the execution began that EventBridge says died; zero in a state's input
}

// UnmarshalJSON also takes EventBridge's word that an execution died (rule T4),
// "Step Functions Execution Status Change": the run's start is its detail.input,
// as text. An input transformer could only quote that text, not unpack it.
func (in *FinishIn) UnmarshalJSON(data []byte) error {
	var event struct {
		Detail struct {
			StartDate int64  `json:"startDate"` // milliseconds since 1970
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
	Removed      report.Removed `json:"removed"`           // records that are no source rows
	Report       string         `json:"report"`            // key of report.json
	Rejects      string         `json:"rejects,omitempty"` // key of rejects.csv or .jsonl, when there are any
	Reason       *Reason        `json:"reason,omitempty"`
	Seconds      float64        `json:"seconds"`
}
