package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/mapping"
	"penstock/internal/snapshot"
	"penstock/internal/store"
)

// Plan is run.json: what prepare decided, with all that the later steps need to
// do the same thing however late they come. It is written once.
type Plan struct {
	V           int       `json:"v"`
	State       string    `json:"state"` // proven, refused
	Reason      *Reason   `json:"reason,omitempty"`
	Start       Start     `json:"start"`
	By          string    `json:"by"` // the attempt at prepare whose chunks these are
	PreparedAt  time.Time `json:"prepared_at"`
	Seconds     float64   `json:"seconds"`
	Connection  string    `json:"connection,omitempty"`
	Environment string    `json:"environment,omitempty"` // origin URL
	// Organization is the environment's own id: turns and record ids hang on it, not on the URL.
	Organization string           `json:"organization,omitempty"`
	Table        *dataverse.Table `json:"table,omitempty"`
	Mode         config.Mode      `json:"mode,omitempty"`
	Key          []string         `json:"key,omitempty"`
	MaxPercent   float64          `json:"max_percent"`
	Parallel     int              `json:"parallel,omitempty"`

	Format   delivery.Format    `json:"format,omitempty"`
	Detected *delivery.Detected `json:"detected,omitempty"` // how the delivery is written: every later reading reads alike
	SHA256   string             `json:"sha256,omitempty"`   // of the content, once it was read whole
	Columns  []UsedColumn       `json:"columns,omitempty"`
	Ignored  []string           `json:"ignored,omitempty"` // Penstock's own columns found in the file
	Rows     Rows               `json:"rows"`
	Rejects  string             `json:"rejects,omitempty"` // prefix of the rejects found by prepare
	Chunks   []ChunkRef         `json:"chunks,omitempty"`  // of the load
	// Links are the chunks of the second pass (rule W4). One has the number of the
	// load's chunk whose rows it links; not every number has one.
	Links []ChunkRef `json:"links,omitempty"`

	Options config.Options `json:"options,omitzero"`
	// Lenient are links that a row is written without where their record is nowhere (linkphase.go).
	Lenient []mapping.Lenient `json:"lenient,omitempty"`
	MatchOn bool              `json:"match_on,omitempty"` // the operations' keys are no keys of the table: each is resolved before it is written

	// Of modes that clear (rules D).
	Filter           []dataverse.KeyPart `json:"filter,omitempty"`
	Clear            config.Clear        `json:"clear,omitempty"`
	MaxDeletes       config.MaxDeletes   `json:"max_deletes,omitzero"`
	LeaveUndeletable bool                `json:"leave_undeletable,omitempty"`
	// Keys is an object with the keys of all source rows, rejected ones included (rule D4; keys.go).
	Keys string `json:"keys,omitempty"`
	// Keyless counts rows whose key could not be read: then nothing is deleted (rule D4).
	Keyless int64 `json:"keyless,omitempty"`

	// Terms are what a snapshot must hold for, when only changes are sent (rule H1).
	Terms *snapshot.Terms `json:"terms,omitempty"`
}

// UsedColumn says which column of the file went where; To is "" for a skipped one.
type UsedColumn struct {
	From string `json:"from"`
	To   string `json:"to,omitempty"`
}

const maxPlanBytes = 64 << 20

func (p *Plan) folder() string { return folder(p.Start.Destination, p.Start.Run) }

// prepared is the plan as the state machine sees it.
func (p *Plan) prepared() Prepared {
	out := Prepared{State: p.State, Folder: p.folder(), Rows: p.Rows, Reason: p.Reason}
	if p.State == Proven {
		out.Mode = string(p.Mode)
		out.Parallel = p.Parallel
		out.Compare = p.Mode == config.Mirror && p.Terms != nil
		out.Phases = map[string]Phase{
			"load": {Key: phaseKey(p.folder(), "load"), Chunks: len(p.Chunks)},
			"link": {Key: phaseKey(p.folder(), "link"), Chunks: len(p.Links)},
		}
	}
	return out
}

// target names what the turn is about (rule T1).
func (p *Plan) target() string { return p.Organization + "/" + p.Table.Name }

// ids derives the ids of the records that the run creates (rule I2).
func (p *Plan) ids() recordIDs {
	return newRecordIDs(p.Organization, p.Table.Name, p.Start.Destination, p.Start.Delivery.ID, p.Start.Ordinal, p.Start.Arrived)
}

// allowedRejects is how many rejects the run may have before it stops.
func allowedRejects(percent float64, read int64) int64 {
	return int64(math.Floor(percent*float64(read)/100 + 1e-9)) // 2.3 % of 1,000 are 23, in spite of binary fractions
}

// readPlan reads run.json; nil when prepare has not decided yet.
func (s *Steps) readPlan(ctx context.Context, destination, run string) (*Plan, error) {
	data, err := store.ReadAll(ctx, s.Work, planKey(folder(destination, run)), maxPlanBytes)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the plan of run %s: %w", run, err)
	}
	var plan Plan
	if err := json.Unmarshal(data, &plan); err != nil {
		return nil, fault.New(fault.Broken, "plan_unreadable", "run.json of run %s is not readable", run).Because(err)
	}
	return &plan, nil
}

// plan is readPlan for the steps after prepare; it remembers the proven plans of runs in progress.
func (s *Steps) plan(ctx context.Context, destination, run string) (*Plan, error) {
	s.mu.Lock()
	known := s.plans[run]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	plan, err := s.readPlan(ctx, destination, run)
	if err != nil {
		return nil, err
	}
	if plan == nil || plan.State != Proven {
		return nil, fault.New(fault.Broken, "not_prepared", "run %s has no proven plan", run).
			Advise("start it through the state machine, which prepares first")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plans == nil || len(s.plans) > 16 {
		s.plans = make(map[string]*Plan)
	}
	s.plans[run] = plan
	return plan, nil
}

// settlePlan writes run.json. When another attempt at prepare was first, its plan is the run's.
func (s *Steps) settlePlan(ctx context.Context, plan *Plan) (*Plan, error) {
	data, err := json.Marshal(plan)
	if err == nil && len(data) > maxPlanBytes {
		plan.State, plan.Reason = Refused, reasonOf(tooLarge(len(data)))
		plan.Chunks, plan.Links, plan.Keys = nil, nil, ""
		data, err = json.Marshal(plan)
	}
	if err != nil {
		return nil, fmt.Errorf("render the plan: %w", err)
	}
	err = s.Work.Create(ctx, planKey(plan.folder()), data)
	if errors.Is(err, store.ErrExists) {
		winner, err := s.readPlan(ctx, plan.Start.Destination, plan.Start.Run)
		if err != nil || winner != nil {
			return winner, err
		}
		return nil, fault.New(fault.Interrupted, "plan_vanished", "run.json of run %s was there and is gone", plan.Start.Run)
	}
	if err != nil {
		return nil, fmt.Errorf("store the plan: %w", err)
	}
	return plan, nil
}

// tooLarge refuses a plan that nobody would read back.
func tooLarge(size int) error {
	return fault.New(fault.Refused, "plan_too_large", "the list of the run's chunks would take %d MB", size>>20).
		Advise("split the file; where many rows have a key twice, remove them from it")
}

// writePhases stores the items of the Maps; it follows from the plan, so it may be done again.
func (s *Steps) writePhases(ctx context.Context, plan *Plan) error {
	for phase, refs := range map[string][]ChunkRef{"load": plan.Chunks, "link": plan.Links} {
		if refs == nil {
			refs = []ChunkRef{}
		}
		if err := store.PutJSON(ctx, s.Work, phaseKey(plan.folder(), phase), refs); err != nil {
			return err
		}
	}
	return nil
}

// connection opens the plan's connection again and proves that it still leads to the same organisation.
func (s *Steps) connection(ctx context.Context, plan *Plan) (*dataverse.Client, error) {
	cfg, err := s.Config(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := cfg.Connection(plan.Connection)
	if err != nil {
		return nil, err
	}
	client, err := s.Connect(ctx, conn)
	if err != nil {
		return nil, err
	}
	organization, err := s.crew.organization(ctx, client)
	if err != nil {
		return nil, err
	}
	if organization != plan.Organization {
		return nil, fault.New(fault.Refused, "organization_changed", "connection %q leads to another organisation than when the run was prepared", plan.Connection).
			Advise("start a new run")
	}
	return client, nil
}

// reasonOf is err as it may cross an edge (rule S2). Of several faults at once
// (all that is wrong with a configuration or a header) the first gives kind and
// code, and the message tells all.
func reasonOf(err error) *Reason {
	all := faultsOf(err)
	if len(all) == 0 {
		name, message := fault.Name(err)
		return &Reason{Kind: name, Code: "unexpected", Message: message}
	}
	e := all[0]
	r := &Reason{Kind: string(e.Kind), Code: e.Code, Message: e.Message, Advice: e.Advice, File: e.File, Line: e.Line, Column: e.Column}
	if len(all) == 1 {
		return r
	}
	r.Message, r.Advice, r.Column = fmt.Sprintf("%d things are wrong", len(all)), "", ""
	for i, e := range all {
		if i == maxReasons {
			r.Message += fmt.Sprintf("; and %d more", len(all)-i)
			break
		}
		r.Message += "; " + e.Safe()
	}
	return r
}

// maxReasons keeps a reason small enough to travel between the states.
const maxReasons = 20

// faultsOf finds the outermost faults of an error that may join several.
func faultsOf(err error) []*fault.Error {
	switch e := err.(type) {
	case *fault.Error:
		return []*fault.Error{e}
	case interface{ Unwrap() []error }:
		var all []*fault.Error
		for _, inner := range e.Unwrap() {
			all = append(all, faultsOf(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		return faultsOf(e.Unwrap())
	}
	return nil
}
