package run

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/mapping"
	"penstock/internal/snapshot"
)

// How many chunks are written at once when the destination says nothing. Functions
// cost their time each, and the calls of four are more than most environments
// take. In one process workers share their calls: with more of them, a chunk's end costs no waiting.
const (
	defaultParallel = 4
	processParallel = 8
)

// PrepareIn is the input of prepare: the whole state so far.
type PrepareIn struct {
	Start
	Prepared *Prepared `json:"prepared,omitempty"` // what the last call said
}

// Prepare reads, types and validates every row of the delivery and cuts the
// proven operations into chunks. Rule P1: it only reads from the target.
//
// What is wrong with the file, the configuration or the permissions is an
// answer (state refused), not an error: the state machine then goes to Finish,
// which tells the person. Errors are ours or the services' and are retried.
//
// A file that one invocation cannot finish is prepared by several: the answer is
// then more, and goes back in with the next call (rule P2; step.go).
func (s *Steps) Prepare(ctx context.Context, in PrepareIn) (Prepared, error) {
	plan, err := s.readPlan(ctx, in.Destination, in.Run)
	if err != nil {
		return Prepared{}, err
	}
	if plan == nil {
		var more *Prepared
		if plan, more, err = s.decide(ctx, in); err != nil {
			return Prepared{}, fmt.Errorf("prepare run %s: %w", in.Run, err)
		}
		if more != nil {
			return *more, nil
		}
	}
	if plan.State == Proven {
		if err := s.writePhases(ctx, plan); err != nil {
			return Prepared{}, err
		}
	}
	return plan.prepared(), nil
}

// decide makes the plan and settles it, proven or refused; or it says that there is more to do.
func (s *Steps) decide(ctx context.Context, in PrepareIn) (*Plan, *Prepared, error) {
	dir, leave, err := s.scratchOf(in.Run)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	ctx, quiet := s.explained(ctx, in.Start, "prepare")
	defer quiet()
	p := &preparation{Steps: s, dir: dir, time: s.allowance(ctx)}
	defer p.close()
	done, err := p.begin(ctx, in)
	if err != nil || done != nil {
		return nil, done, err
	}
	err = p.prove(ctx)
	switch kind := fault.KindOf(err); {
	case err == nil:
		p.plan.State = Proven
	case errors.Is(err, errTimeUp):
		more, err := p.handOver(ctx)
		return nil, more, err
	case kind == fault.Refused || kind == fault.Denied:
		p.plan.State, p.plan.Reason = Refused, reasonOf(err)
		p.plan.Chunks, p.plan.Links, p.plan.Keys = nil, nil, ""
	default:
		// A call that was repeated may have come to the end first, and cleared up behind it.
		if plan, other := s.readPlan(ctx, in.Destination, in.Run); other == nil && plan != nil {
			return plan, nil, nil
		}
		return nil, nil, err
	}
	if err := p.storeRejects(ctx); err != nil {
		return nil, nil, err
	}
	p.plan.PreparedAt = s.now()
	p.plan.Seconds = p.plan.PreparedAt.Sub(p.started).Seconds()
	plan, err := s.settlePlan(ctx, p.plan)
	if err == nil {
		p.clearSteps(ctx)
	}
	return plan, nil, err
}

// attemptID tells attempts at prepare apart; it is no secret and no identity.
func attemptID() string {
	var b [5]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// A preparation is one attempt at prepare, or what one invocation does of it.
type preparation struct {
	*Steps
	plan   *Plan
	dir    string
	dest   *config.Destination
	client *dataverse.Client
	time   allowance
	// inFlight is max_in_flight of the connection; 0 is none.
	inFlight int
	started  time.Time // of the attempt

	spool   *spool
	direct  bool          // rows become chunks as they are read, and the spool has only where they are
	cut     *cutter       // nil while no rows become chunks
	dropped map[int]opSet // by chunk: what this invocation found
	keys    *keySpool     // nil when keys are not kept
	shapes  shapes
	rejects rejectSpool
	after   step   // where an earlier invocation stopped; without a number there is none
	piece   string // what this invocation's objects are called apart from others'; "" in the first
	allRead bool
	open    bool // the file's columns are not known before its rows
	updates bool // some row is updated in the second pass
	sealed  int  // partitions that have become chunks
	told    sync.Mutex
	seen    Rows // as told
}

// prove goes from the cheapest question to the dearest: configuration, permission
// to drop, connection, table, privileges, and only then the rows.
func (p *preparation) prove(ctx context.Context) error {
	if p.after.N == 0 {
		if err := p.configure(ctx); err != nil {
			return err
		}
		if err := p.inspect(ctx); err != nil {
			return err
		}
	}
	if !p.allRead {
		if err := p.readRows(ctx); err != nil {
			return p.endChunks(err)
		}
		p.allRead = true
	}
	if err := p.endChunks(p.seal(ctx)); err != nil {
		return err
	}
	for i := range p.plan.Chunks {
		if err := p.plan.Chunks[i].prove(); err != nil {
			return err
		}
	}
	p.report(p.plan.Rows.Read)
	if err := p.checkRejects(); err != nil {
		return err
	}
	if err := p.checkEmpty(); err != nil {
		return err
	}
	if err := p.checkLinks(ctx); err != nil {
		return err
	}
	if err := p.storeKeys(ctx); err != nil {
		return err
	}
	return p.claimContent(ctx)
}

// configure finds the destination and asks whether this audience may drop for it.
func (p *preparation) configure(ctx context.Context) error {
	cfg, err := p.Config(ctx)
	if err != nil {
		return err
	}
	in := p.plan.Start
	if p.dest, err = cfg.Destination(in.Destination); err != nil {
		return err
	}
	if in.Audience != "" && !slices.Contains(p.dest.Audiences, in.Audience) {
		return fault.New(fault.Refused, "wrong_audience", "destination %q does not take files from inbox/%s/", in.Destination, in.Audience).
			Advise("drop the file in inbox/%s/%s/, or add %q to the destination's audiences", p.dest.Audiences[0], in.Destination, in.Audience)
	}
	conn, err := cfg.Connection(p.dest.Connection)
	if err != nil {
		return err
	}
	p.plan.Connection, p.plan.Environment = conn.Name, conn.URL
	p.inFlight = conn.InFlight
	p.decisions()
	p.client, err = p.Connect(ctx, conn)
	return err
}

// decisions are what the plan keeps of the destination, for the steps that follow.
func (p *preparation) decisions() {
	plan, d := p.plan, p.dest
	plan.Mode, plan.Key, plan.Options = d.Mode, d.Key, d.Options
	if len(d.MatchOn) > 0 {
		plan.Key, plan.MatchOn = d.MatchOn, true
	}
	plan.MaxPercent, plan.Parallel = d.Rejects.MaxPercent, d.Parallel
	if plan.Parallel == 0 {
		plan.Parallel = defaultParallel
		if p.Drained {
			plan.Parallel = processParallel
		}
	}
	if d.Mode.Clears() {
		plan.Clear, plan.MaxDeletes, plan.LeaveUndeletable = d.Clear, d.MaxDeletes, d.LeaveUndeletable
	}
}

// inspect reads what the target is like and what we may do to it.
func (p *preparation) inspect(ctx context.Context) error {
	var questions sync.WaitGroup
	var organization string
	var unknown error
	questions.Go(func() { organization, unknown = p.crew.organization(ctx, p.client) })
	questions.Go(func() { p.client.AskAhead(ctx, p.dest.Table, writes(p.dest)...) })
	table, err := Inspect(ctx, p.client, p.dest)
	questions.Wait()
	if unknown != nil {
		return unknown // it says most plainly what is wrong with a connection
	}
	if calls := callsOf(p.client, p.inFlight); calls > 0 { // rule M4: more workers would have no call to send
		p.plan.Parallel = min(p.plan.Parallel, calls)
	}
	p.plan.Organization, p.plan.Table = organization, table
	return err
}

// readRows reads the delivery from its first row, or where the last invocation
// stopped, to its last byte.
func (p *preparation) readRows(ctx context.Context) error {
	in, err := p.openRows(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	if p.after.N == 0 {
		p.makeSpools(partitionBits(in.Size()))
	}
	names := newReferences(p.client, p.note)
	m, err := p.compile(ctx, in, names)
	if err != nil {
		return err
	}
	secret, err := p.terms(ctx)
	if err != nil {
		return err
	}
	if p.after.N == 0 {
		p.direct = secret == nil // marks lie in chunks in the order of their hashes
	}
	if p.direct {
		p.cut = newCutter(ctx, p)
	}
	line := &pipeline{preparation: p, rows: in, mapping: m, names: names, secret: secret}
	before := p.plan.Rows.Read
	next, err := line.run(ctx)
	p.updates = p.updates || line.updated.Load()
	p.plan.Ignored, p.plan.Columns = in.Ignored(), usedColumns(m)
	if err != nil {
		return err
	}
	if next == nil && p.time.up() && p.plan.Rows.Read > before {
		end := in.Cursor()
		next = &end // what remains is another invocation's
	}
	if next != nil {
		p.after.Cursor = next
		return errTimeUp
	}
	if p.open { // which lookups there are is known now
		if err := checkAttachments(ctx, p.client, p.plan.Table, m.Columns(), p.dest); err != nil {
			return err
		}
	}
	if p.plan.Terms != nil {
		p.plan.Terms.Mapping = m.Hash()
	}
	p.plan.Filter, p.plan.Lenient = m.Filter(), m.Lenient()
	p.plan.SHA256, err = in.Sum(ctx, p.time.up)
	if err == nil && p.plan.SHA256 == "" {
		end := in.Cursor()
		p.after.Cursor = &end
		return errTimeUp
	}
	return err
}

func (p *preparation) openRows(ctx context.Context) (*input, error) {
	if p.after.N == 0 {
		return p.openDelivery(ctx)
	}
	if err := p.reframe(ctx); err != nil {
		return nil, err
	}
	return p.openDeliveryAt(ctx, p.plan.howWritten(), p.after.Cursor)
}

func (p *preparation) makeSpools(bits int) {
	p.spool = newSpool(p.dir, bits, spoolBudget)
	if p.plan.Mode == config.Mirror {
		p.keys = newKeySpool(p.dir)
	}
}

// compile prepares the mapping for the columns known so far.
func (p *preparation) compile(ctx context.Context, in *input, names *references) (*mapping.Mapping, error) {
	columns, first := in.Columns(), p.after.N == 0
	if first {
		p.open = len(columns) == 0
	}
	w := &liveWorld{ctx: ctx, client: p.client, table: p.plan.Table.Name}
	known := columns
	if p.open {
		known = nil
	}
	m, err := mapping.Compile(p.dest, p.plan.Table, known, w)
	if err == nil && p.open && len(columns) > 0 {
		err = m.Extend(columns)
	}
	if err != nil {
		return nil, p.withoutHeader(columns, err)
	}
	m.Find = names.find
	if first && !p.open {
		err = checkAttachments(ctx, p.client, p.plan.Table, m.Columns(), p.dest)
	}
	return m, err
}

// terms says what a snapshot must hold for, and gives the secret that marks are
// made with; nil when everything is sent.
func (p *preparation) terms(ctx context.Context) ([]byte, error) {
	if !p.dest.OnlyChanges {
		return nil, nil
	}
	plan := p.plan
	secret, err := snapshot.At(p.Work, plan.Start.Destination, plan.target()).Secret(ctx)
	if err != nil {
		return nil, err
	}
	plan.Terms = &snapshot.Terms{Organization: plan.Organization, Table: plan.Table.Name, Mode: string(plan.Mode), Key: plan.Key,
		Secret: snapshot.Fingerprint(secret)}
	return secret, nil
}

func usedColumns(m *mapping.Mapping) []UsedColumn {
	var used []UsedColumn
	for _, c := range m.Columns() {
		used = append(used, UsedColumn{From: c.From, To: c.To})
	}
	return used
}

// checkEmpty refuses to empty a table because a file is empty (rule D3). Who
// allows all records to be deleted means it.
func (p *preparation) checkEmpty() error {
	if !p.plan.Mode.Clears() || p.plan.MaxDeletes.Percent >= 100 || p.plan.Rows.Read > p.plan.Rows.Rejected {
		return nil
	}
	return fault.New(fault.Refused, "empty_file", "no row of the file can be loaded, so mode %s would delete every record that is yours", p.plan.Mode).
		At(p.objectName(0), 0, "").
		Advise("deliver the whole file; if the table is really to be emptied, set max_deletes: 100")
}

// checkLinks asks for the permission that the second pass takes beyond the first.
func (p *preparation) checkLinks(ctx context.Context) error {
	if !p.updates || slices.Contains(needs(p.dest), "Write") {
		return nil
	}
	return demand(ctx, p.client, p.plan.Table.Name, "Write")
}

// objectName is what messages call one of the delivery's objects.
func (p *preparation) objectName(object int) string {
	if objects := p.plan.Start.Delivery.Objects; object < len(objects) {
		return objects[object].Name()
	}
	return ""
}

// advance counts the rows up to one and tells who watches, now and then.
func (p *preparation) advance(row int64) {
	const often = 4096
	before := p.plan.Rows.Read
	p.plan.Rows.Read = row
	if row/often > before/often {
		p.report(0)
	}
}

func (p *preparation) report(total int64) { p.tell(p.plan.Rows, total, "") }

// note tells what is waited for. Mappers call it.
func (p *preparation) note(text string) {
	p.told.Lock()
	rows := p.seen
	p.told.Unlock()
	p.tell(rows, 0, text)
}

func (p *preparation) tell(rows Rows, total int64, note string) {
	p.told.Lock()
	defer p.told.Unlock()
	p.seen = rows
	p.progress(Progress{Run: p.plan.Start.Run, Destination: p.plan.Start.Destination, Step: "prepare",
		Rows: rows.Read, Total: total, Rejected: rows.Rejected, Note: note})
}
