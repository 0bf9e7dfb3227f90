package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/internal/config"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/row"
	"penstock/internal/store"
)

// A file that one invocation cannot finish is prepared by several (rule P2). When
// its time is nearly up, an invocation stops at a row, or between two
// partitions, puts what it has into the run's folder and writes a step: an
// object that says where to go on and which objects to go on with. Steps are
// written once, so of an invocation that is repeated one counts; what a killed
// one has left is in no step and never read. Only the attempt and the step's
// number travel.

// A step is the stored state between two invocations: prepare/ATTEMPT/step-0001.json.
type step struct {
	V           int                 `json:"v"`
	N           int                 `json:"n"` // from 1
	Started     time.Time           `json:"started"`
	Plan        *Plan               `json:"plan"`        // as far as it goes
	Destination *config.Destination `json:"destination"` // a change of the configuration must not fall into the middle of a file
	Open        bool                `json:"open,omitempty"`
	Updates     bool                `json:"updates,omitempty"`
	AllRead     bool                `json:"all_read,omitempty"`
	Cursor      *delivery.Cursor    `json:"cursor,omitempty"` // of the next row
	Reframing   *reframing          `json:"reframing,omitempty"`
	Bits        int                 `json:"bits"`             // of the spool's partitions
	Direct      bool                `json:"direct,omitempty"` // they have no operations, but where these are
	Shapes      []shape             `json:"shapes,omitempty"` // of the operations in them
	Sealed      int                 `json:"sealed,omitempty"` // partitions that are chunks already
	Streamed    int                 `json:"streamed,omitempty"`
	Pieces      []piece             `json:"pieces"`
	FirstReject row.Reject          `json:"first_reject,omitzero"` // without its message
}

// A piece is what one invocation has left in the run's folder of partitions, keys and rejects.
type piece struct {
	Prefix     string   `json:"prefix"`
	Partitions []stored `json:"partitions,omitempty"`
	Keys       []stored `json:"keys,omitempty"`
	Rejects    bool     `json:"rejects,omitempty"`
}

// stored is a bin as an object.
type stored struct {
	N     int   `json:"n"`
	Items int   `json:"items"`
	Bytes int64 `json:"bytes"`
}

func (s stored) key(prefix, kind string) string { return fmt.Sprintf("%s%s-%03d", prefix, kind, s.N) }

func stepKey(folder, by string, n int) string {
	return fmt.Sprintf("%sprepare/%s/step-%04d.json", folder, by, n)
}

func piecePrefix(folder, by, name string) string { return folder + "spool/" + by + "/" + name + "/" }
func framesPrefix(folder, by string) string      { return folder + "frames/" + by + "/" }

// errTimeUp ends an invocation that must leave the rest to the next one.
var errTimeUp = errors.New("the time of this invocation is up")

// allowance is until when an invocation may work on, before it hands over. The zero value is for ever.
type allowance struct {
	now   func() time.Time
	until time.Time
}

// keepBack is what handing over takes at most; a fifth of a short invocation's time will do.
const keepBack = 2 * time.Minute

func (s *Steps) allowance(ctx context.Context) allowance {
	deadline, ok := ctx.Deadline()
	if !ok {
		return allowance{}
	}
	now := s.now()
	return allowance{s.now, deadline.Add(-min(keepBack, deadline.Sub(now)/5))}
}

func (a allowance) up() bool { return !a.until.IsZero() && !a.now().Before(a.until) }

// scratchPerStep is how many bytes of operations an invocation may leave in its
// scratch directory, in the cloud, where that is small and must be stored within keepBack.
const scratchPerStep = 2 << 30

// begin takes the attempt up where its last invocation stopped, or begins one.
// It tells when another invocation has done this one's work.
func (p *preparation) begin(ctx context.Context, in PrepareIn) (done *Prepared, err error) {
	p.started = p.now()
	if in.Prepared == nil || in.Prepared.State != More {
		p.plan = &Plan{V: 1, Start: in.Start, By: attemptID()}
		return nil, nil
	}
	folder, by, n := folder(in.Destination, in.Run), in.Prepared.By, in.Prepared.Step
	if err := store.ReadJSON(ctx, p.Work, stepKey(folder, by, n), &p.after); err != nil {
		return nil, fmt.Errorf("read step %d of prepare: %w", n, err)
	}
	p.plan, p.dest, p.started = p.after.Plan, p.after.Destination, p.after.Started
	p.piece = fmt.Sprintf("%04d-%s", n+1, attemptID())
	next, err := p.readStep(ctx, n+1)
	if err != nil || next != nil {
		return next, err
	}
	p.open, p.updates, p.allRead, p.sealed, p.rejects.first = p.after.Open, p.after.Updates, p.after.AllRead, p.after.Sealed, p.after.FirstReject
	p.seen, p.direct = p.plan.Rows, p.after.Direct
	p.makeSpools(p.after.Bits)
	p.shapes.restore(p.after.Shapes)
	p.client, err = p.connection(ctx, p.plan)
	return nil, err
}

// readStep is the answer that a step stands for; nil when there is no such step.
func (p *preparation) readStep(ctx context.Context, n int) (*Prepared, error) {
	var there step
	err := store.ReadJSON(ctx, p.Work, stepKey(p.plan.folder(), p.plan.By, n), &there)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read step %d of prepare: %w", n, err)
	}
	return there.prepared(), nil
}

func (s *step) prepared() *Prepared {
	return &Prepared{State: More, Folder: s.Plan.folder(), Rows: s.Plan.Rows, By: s.Plan.By, Step: s.N}
}

// piecesBy is the attempt's name, and in it the invocation's: two that do the
// same step at the same time must not write each other's chunks.
func (p *preparation) piecesBy() string {
	if p.piece == "" {
		return p.plan.By
	}
	return p.plan.By + "/" + p.piece
}

// own is a name of the attempt's that is this invocation's own.
func (p *preparation) own(name string) string {
	if p.piece == "" {
		return name
	}
	return name + "-" + p.piece
}

// handOver writes down what the next invocation needs.
func (p *preparation) handOver(ctx context.Context) (*Prepared, error) {
	name := p.piece
	if name == "" {
		name = fmt.Sprintf("%04d-%s", 1, attemptID())
	}
	left, err := p.storePiece(ctx, piecePrefix(p.plan.folder(), p.plan.By, name))
	if err != nil {
		return nil, fmt.Errorf("store what was prepared: %w", err)
	}
	first := p.rejects.first
	first.Message = ""
	if p.allRead {
		p.after.Cursor, p.after.Reframing = nil, nil
	}
	next := step{V: 1, N: p.after.N + 1, Started: p.started, Plan: p.plan, Destination: p.dest, Open: p.open, Updates: p.updates,
		AllRead: p.allRead, Cursor: p.after.Cursor, Reframing: p.after.Reframing, Bits: p.spool.bits, Direct: p.direct, Shapes: p.shapes.list(), Sealed: p.sealed, Streamed: p.after.Streamed,
		Pieces: append(p.after.Pieces, left), FirstReject: first}
	data, err := json.Marshal(next)
	if err == nil && len(data) > maxPlanBytes {
		err = tooLarge(len(data))
	}
	if err != nil {
		return nil, fmt.Errorf("render step %d of prepare: %w", next.N, err)
	}
	err = p.Work.Create(ctx, stepKey(p.plan.folder(), p.plan.By, next.N), data)
	if errors.Is(err, store.ErrExists) {
		return p.readStep(ctx, next.N)
	}
	if err != nil {
		return nil, fmt.Errorf("store step %d of prepare: %w", next.N, err)
	}
	return next.prepared(), nil
}

// storesPerStep is how many objects are stored at once when handing over.
const storesPerStep = 8

// storePiece puts what is left of this invocation's partitions, keys and rejects under a prefix.
func (p *preparation) storePiece(ctx context.Context, prefix string) (piece, error) {
	left := piece{Prefix: prefix, Rejects: p.rejects.count > 0}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(storesPerStep)
	put := func(b *bins, from int, kind string) (list []stored) {
		for i := from; i < len(b.all); i++ {
			if b.all[i].items == 0 {
				continue
			}
			one := stored{i, b.all[i].items, b.all[i].bytes}
			list = append(list, one)
			group.Go(func() error { return p.Work.Put(ctx, one.key(prefix, kind), b.body(i)) })
		}
		return list
	}
	left.Partitions = put(p.spool.bins, p.sealed, p.partitionKind())
	if p.keys != nil {
		left.Keys = put(p.keys.bins, 0, "keys")
	}
	if left.Rejects {
		group.Go(func() error { return p.rejects.put(ctx, p.Work, prefix+"rejects") })
	}
	return left, group.Wait()
}

// partitionKind names the objects of partitions. Those of places are no operations, and must not be taken for such.
func (p *preparation) partitionKind() string {
	if p.direct {
		return "places"
	}
	return "partition"
}

// entries is how many rows a partition has, in all pieces and here.
func (p *preparation) entries(n int) int {
	items := p.spool.all[n].items
	for _, one := range p.after.Pieces {
		items += find(one.Partitions, n).Items
	}
	return items
}

// find is the stored bin of a number; one without items when there is none.
func find(list []stored, n int) stored {
	for _, s := range list {
		if s.N == n {
			return s
		}
	}
	return stored{}
}

// eachEntry hands the rows of a partition to visit, in the order of the file.
func (p *preparation) eachEntry(ctx context.Context, n int, visit func(*entry) error) error {
	return p.eachItem(ctx, n, decoding(visit))
}

// eachItem is eachEntry before they are decoded.
func (p *preparation) eachItem(ctx context.Context, n int, visit func([]byte) error) error {
	for _, one := range p.after.Pieces {
		if err := p.eachStored(ctx, find(one.Partitions, n), one.Prefix, p.partitionKind(), visit); err != nil {
			return err
		}
	}
	return p.spool.each(n, visit)
}

func decoding(visit func(*entry) error) func([]byte) error {
	var e entry
	return func(item []byte) error {
		if err := e.decode(item); err != nil {
			return err
		}
		return visit(&e)
	}
}

// eachStored hands the items of a stored bin to visit.
func (p *preparation) eachStored(ctx context.Context, bin stored, prefix, kind string, visit func([]byte) error) error {
	if bin.Items == 0 {
		return nil
	}
	body, err := p.Work.Open(ctx, bin.key(prefix, kind))
	if err != nil {
		return fmt.Errorf("read what was prepared: %w", err)
	}
	defer body.Close()
	damaged := fault.New(fault.Broken, "piece_damaged", "an object that an earlier invocation of prepare left is not as it was written").
		Advise("start a new run")
	items := 0
	err = eachItem(storeReader{body}, func(item []byte) error {
		if items++; items > bin.Items {
			return damaged
		}
		return visit(item)
	})
	if err == nil && items < bin.Items {
		err = damaged
	}
	return err
}

// storeReader says that what fails is the store, so that the step is tried again.
type storeReader struct{ io.Reader }

func (r storeReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fault.New(fault.Interrupted, "store_unreachable", "an object of the run could not be read to its end").Because(err)
	}
	return n, err
}

// clearSteps removes what only prepare reads, once it is in the plan: it holds
// rows. What cannot be removed goes with the run's folder.
func (p *preparation) clearSteps(ctx context.Context) {
	if p.after.N == 0 && p.time.until.IsZero() {
		return // nothing was ever handed over
	}
	for _, kind := range []string{"spool/", "frames/"} {
		for info, err := range p.Work.List(ctx, p.plan.folder()+kind) {
			if err != nil {
				return
			}
			_ = p.Work.Delete(ctx, info.Key)
		}
	}
}

func (p *preparation) close() {
	if p.spool != nil {
		p.spool.close()
	}
	if p.keys != nil {
		p.keys.close()
	}
	p.rejects.close()
}
