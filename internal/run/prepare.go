package run

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/mapping"
	"penstock/internal/row"
)

// spoolBudget is how much of a file's operations prepare holds in memory before it spills.
const spoolBudget = 24 << 20

// defaultParallel is how many chunks are written at once when the destination
// says nothing: with eight calls in flight each, more than most environments take.
const defaultParallel = 4

// Prepare reads, types and validates every row of the delivery and cuts the
// proven operations into chunks. Rule P1: it only reads from the target.
//
// What is wrong with the file, the configuration or the permissions is an
// answer (state refused), not an error: the state machine then goes to Finish,
// which tells the person. Errors are ours or the services' and are retried.
func (s *Steps) Prepare(ctx context.Context, in Start) (Prepared, error) {
	plan, err := s.readPlan(ctx, in.Destination, in.Run)
	if err != nil {
		return Prepared{}, err
	}
	if plan == nil {
		if plan, err = s.decide(ctx, in); err != nil {
			return Prepared{}, fmt.Errorf("prepare run %s: %w", in.Run, err)
		}
	}
	if plan.State == Proven {
		if err := s.writePhases(ctx, plan); err != nil {
			return Prepared{}, err
		}
	}
	return plan.prepared(), nil
}

// decide makes the plan and settles it, proven or refused.
func (s *Steps) decide(ctx context.Context, in Start) (*Plan, error) {
	started := s.now()
	plan := &Plan{V: 1, Start: in, By: attemptID()}
	dir, err := s.scratchOf(in.Run)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p := &preparation{Steps: s, plan: plan, dir: dir}
	err = p.prove(ctx)
	switch kind := fault.KindOf(err); {
	case err == nil:
		plan.State = Proven
	case kind == fault.Refused || kind == fault.Denied:
		plan.State, plan.Reason, plan.Chunks = Refused, reasonOf(err), nil
	default:
		return nil, err
	}
	if err := p.storeRejects(ctx); err != nil {
		return nil, err
	}
	plan.PreparedAt = s.now()
	plan.Seconds = plan.PreparedAt.Sub(started).Seconds()
	return s.settlePlan(ctx, plan)
}

// scratchOf makes a scratch directory for a run. What an attempt that was killed
// left there holds row values, so it goes first; one run is prepared by one process at a time.
func (s *Steps) scratchOf(run string) (string, error) {
	left, err := filepath.Glob(filepath.Join(s.scratch(), "penstock-"+run+"-*"))
	if err != nil {
		return "", spillFault(err)
	}
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > s.Worker {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp(s.scratch(), "penstock-"+run+"-*")
	if err != nil {
		return "", spillFault(err)
	}
	return dir, nil
}

// attemptID tells attempts at prepare apart; it is no secret and no identity.
func attemptID() string {
	var b [5]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// A preparation is one attempt at prepare.
type preparation struct {
	*Steps
	plan    *Plan
	dir     string
	dest    *config.Destination
	client  *dataverse.Client
	rejects rejectSpool
}

// prove goes from the cheapest question to the dearest: configuration, permission
// to drop, connection, table, privileges, and only then the rows.
func (p *preparation) prove(ctx context.Context) error {
	if err := p.configure(ctx); err != nil {
		return err
	}
	if err := p.inspect(ctx); err != nil {
		return err
	}
	if err := p.readRows(ctx); err != nil {
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
	if len(in.Delivery.Objects) != 1 {
		return fault.New(fault.Refused, "several_objects", "a delivery of %d objects cannot be read by this version", len(in.Delivery.Objects)).
			Advise("drop one file")
	}
	conn, err := cfg.Connection(p.dest.Connection)
	if err != nil {
		return err
	}
	p.plan.Connection, p.plan.Environment = conn.Name, conn.URL
	p.plan.Mode, p.plan.Key = p.dest.Mode, p.dest.Key
	p.plan.MaxPercent, p.plan.Parallel = p.dest.Rejects.MaxPercent, p.dest.Parallel
	if p.plan.Parallel == 0 {
		p.plan.Parallel = defaultParallel
	}
	p.client, err = p.Connect(ctx, conn)
	return err
}

// inspect reads what the target is like and what we may do to it.
func (p *preparation) inspect(ctx context.Context) error {
	me, err := p.client.WhoAmI(ctx)
	if err != nil {
		return err
	}
	p.plan.Organization = me.OrganizationID
	p.plan.Table, err = Inspect(ctx, p.client, p.dest)
	return err
}

// readRows reads the delivery from its first to its last byte.
func (p *preparation) readRows(ctx context.Context) error {
	object := p.plan.Start.Delivery.Objects[0]
	name := path.Base(strings.ReplaceAll(object.Key, `\`, "/"))
	format := delivery.Format(p.dest.Format)
	if format == "" {
		var err error
		if format, err = delivery.FormatOf(name); err != nil {
			return err
		}
	}
	p.plan.Format = format
	body, err := p.Inbox.Open(ctx, object)
	if err != nil {
		return fmt.Errorf("open the delivery: %w", err)
	}
	defer body.Close()
	sum := &summing{r: body, hash: sha256.New()}
	rows, err := delivery.Open(sum, format, name, p.Limits)
	if err != nil {
		return fmt.Errorf("open the delivery: %w", err)
	}
	m, err := mapping.Compile(p.dest, p.plan.Table, rows.Columns())
	if err != nil {
		return err
	}
	spool := newSpool(p.dir, object.Size, p.dest.Mode != config.Append, spoolBudget)
	err = p.mapRows(ctx, rows, m, spool)
	p.plan.Ignored = rows.Ignored()
	for _, c := range m.Columns() {
		p.plan.Columns = append(p.plan.Columns, UsedColumn{From: c.From, To: c.To})
	}
	if err != nil {
		return err
	}
	// A reader may stop before the last byte; the hash may not.
	if _, err := io.Copy(io.Discard, sum); err != nil {
		return fmt.Errorf("read the delivery: %w", err)
	}
	p.plan.SHA256 = hex.EncodeToString(sum.hash.Sum(nil))
	if object.SHA256 != "" && object.SHA256 != p.plan.SHA256 {
		return fault.New(fault.Refused, "delivery_changed", "the file changed while it was read").At(name, 0, "").
			Advise("run again when the file is complete")
	}
	return p.cut(ctx, spool)
}

// mapRows turns every row into an operation in the spool or a reject.
func (p *preparation) mapRows(ctx context.Context, rows delivery.Reader, m *mapping.Mapping, spool *spool) error {
	ids := p.plan.ids()
	known := len(rows.Columns())
	var op dataverse.Operation
	var line []byte
	for {
		r, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the delivery: %w", err)
		}
		if r.Number > MaxRows {
			return fault.New(fault.Refused, "too_many_rows", "the file has more than %d rows", MaxRows).Advise("split it")
		}
		p.plan.Rows.Read = r.Number
		if r.Number%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.report(0)
		}
		if columns := rows.Columns(); len(columns) > known {
			if err := m.Extend(columns); err != nil {
				return at(err, p.plan.Start.Delivery.Objects[0].Key, r.Line)
			}
			known = len(columns)
		}
		if r.Reject != nil {
			if err := p.reject(*r.Reject); err != nil {
				return err
			}
			continue
		}
		if reject := m.Map(r, &op); reject != nil {
			if err := p.reject(*reject); err != nil {
				return err
			}
			continue
		}
		op.New = ""
		switch {
		case op.Do == dataverse.Create && op.ID == "":
			op.ID = ids.ID(op.Row)
		case len(op.Key) > 0 && !dataverse.Addressable(op.Key):
			// Rule I5: such a key is resolved first; where it is absent, this is the id to create with.
			op.New = ids.ID(op.Row)
		}
		line = appendOperation(line[:0], &op)
		if err := spool.add(entry{row: op.Row, line: op.Line, key: m.Key(), op: line}); err != nil {
			return err
		}
	}
}

// cut resolves duplicate keys, holds the rejects against their threshold and
// stores the chunks. Rule P3: chunks exist only after every row was seen.
func (p *preparation) cut(ctx context.Context, spool *spool) error {
	chunks := &chunkWriter{ctx: ctx, work: p.Work, folder: p.plan.folder(), by: p.plan.By, phase: "load"}
	drop := func(r row.Reject) error {
		r.Column = p.keyColumns()
		return p.reject(r)
	}
	if err := spool.seal(chunks.add, drop); err != nil {
		return err
	}
	if err := chunks.flush(); err != nil {
		return err
	}
	p.report(p.plan.Rows.Read)
	if allowed := allowedRejects(p.plan.MaxPercent, p.plan.Rows.Read); p.plan.Rows.Rejected > allowed {
		first := p.rejects.first
		return fault.New(fault.Refused, "too_many_rejects", "%d of %d rows are wrong and at most %d (%g %%) may be; nothing was written",
			p.plan.Rows.Rejected, p.plan.Rows.Read, allowed, p.plan.MaxPercent).
			At(path.Base(p.plan.Start.Delivery.Objects[0].Key), first.Line, first.Column).
			Advise("correct the rows in the reject file and deliver again, or raise rejects.max_percent of the destination")
	}
	p.plan.Chunks = chunks.refs
	return nil
}

func (p *preparation) reject(r row.Reject) error {
	p.plan.Rows.Rejected++
	return p.rejects.add(p.dir, r)
}

// keyColumns are the file's names of the key's columns, for messages.
func (p *preparation) keyColumns() string {
	var names []string
	for _, key := range p.plan.Key {
		name := key
		for _, c := range p.dest.Columns {
			if c.To == key {
				name = c.From
			}
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func (p *preparation) report(total int64) {
	p.progress(Progress{Run: p.plan.Start.Run, Destination: p.plan.Start.Destination, Step: "prepare",
		Rows: p.plan.Rows.Read, Total: total, Rejected: p.plan.Rows.Rejected})
}

// storeRejects puts what prepare found wrong into the run's folder, also when the run is refused.
func (p *preparation) storeRejects(ctx context.Context) error {
	if p.plan.Rows.Rejected == 0 {
		return nil
	}
	body, err := p.rejects.reader()
	if err != nil {
		return spillFault(err)
	}
	defer body.Close()
	p.plan.Rejects = rejectsKey(p.plan.folder(), "prepare-"+p.plan.By)
	return p.Work.Put(ctx, p.plan.Rejects+"000000", body)
}

// rejectSpool collects rejects as JSON Lines in a scratch file, so that a file of nothing but errors costs no memory.
type rejectSpool struct {
	first  row.Reject
	file   *os.File
	buffer bytes.Buffer
}

func (s *rejectSpool) add(dir string, r row.Reject) error {
	if s.first.Row == 0 {
		s.first = r
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("render a reject: %w", err)
	}
	s.buffer.Write(line)
	s.buffer.WriteByte('\n')
	if s.buffer.Len() < 1<<20 {
		return nil
	}
	return s.spill(dir)
}

func (s *rejectSpool) spill(dir string) error {
	if s.file == nil {
		f, err := os.CreateTemp(dir, "rejects-*")
		if err != nil {
			return spillFault(err)
		}
		s.file = f
	}
	_, err := s.buffer.WriteTo(s.file)
	if err != nil {
		return spillFault(err)
	}
	return nil
}

func (s *rejectSpool) reader() (readSeekCloser, error) {
	if s.file == nil {
		return nopCloser{bytes.NewReader(s.buffer.Bytes())}, nil
	}
	if err := s.spill(""); err != nil {
		return nil, err
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}

type readSeekCloser interface {
	io.ReadSeeker
	io.Closer
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// summing hashes what is read through it. A read that fails is the transport's
// fault: the step may be tried again.
type summing struct {
	r    io.Reader
	hash hash.Hash
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	if err != nil && err != io.EOF {
		err = fault.New(fault.Interrupted, "inbox_unreachable", "the delivery could not be read to its end").Because(err)
	}
	return n, err
}

// at adds the place to a fault that knows none yet.
func at(err error, key string, line int) error {
	if e, ok := fault.As(err); ok && e.File == "" {
		return e.At(path.Base(key), line, e.Column)
	}
	return err
}
