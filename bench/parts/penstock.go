package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/delivery"
	"penstock/internal/mapping"
	"penstock/internal/row"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// A bench holds what Penstock's parts need, as the command line would open it.
type bench struct {
	config, destination, dir string

	mallocs     uint64 // when counting began
	dest        *config.Destination
	table       *dataverse.Table
	steps       *run.Steps
	connections *run.Connections
	work        *store.DirStore
}

// open asks the service about the table: that is before the clock starts, except
// for prepare, which asks again.
func (b *bench) open(ctx context.Context) error {
	if b.dir == "" {
		return nil // a library has no table
	}
	cfg, err := config.Load(b.config)
	if err != nil {
		return err
	}
	if b.dest, err = cfg.Destination(b.destination); err != nil {
		return err
	}
	if b.work, err = store.Dir(b.dir); err != nil {
		return err
	}
	b.connections = &run.Connections{UserAgent: "penstock/parts", Work: b.work, Secrets: secret.Reader{Dir: filepath.Dir(b.config)}}
	b.steps = &run.Steps{Work: b.work, Inbox: delivery.Files{}, Connect: b.connections.Connect, Now: time.Now, Limits: delivery.DefaultLimits,
		Config: func(context.Context) (*config.Config, error) { return cfg, nil }}
	connection, err := cfg.Connection(b.dest.Connection)
	if err != nil {
		return err
	}
	client, err := b.connections.Connect(ctx, connection)
	if err != nil {
		return err
	}
	b.table, err = run.Inspect(ctx, client, b.dest)
	return err
}

func (b *bench) close() {
	if b.work != nil {
		b.connections.Close()
		b.work.Close()
	}
}

func (b *bench) source(file string) (delivery.Source, error) {
	info, err := os.Stat(file)
	if err != nil {
		return delivery.Source{}, err
	}
	return delivery.Source{Objects: []delivery.Object{{Key: file, Size: info.Size()}}, From: delivery.Files{}}, nil
}

func (b *bench) read(ctx context.Context, file string) (*delivery.Rows, error) {
	source, err := b.source(file)
	if err != nil {
		return nil, err
	}
	how, err := delivery.Detect(ctx, source, delivery.Hints{}, delivery.DefaultLimits)
	if err != nil {
		return nil, fmt.Errorf("look at the file: %w", err)
	}
	in, err := delivery.OpenAll(ctx, source, how, delivery.DefaultLimits)
	b.mark()
	return in, err
}

func rowsOf(ctx context.Context, b *bench, file string) (rows int64, err error) {
	in, err := b.read(ctx, file)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	for ; ; rows++ {
		if _, err := in.Next(); err != nil {
			return rows, unlessEnd(err)
		}
	}
}

// operations reads in one goroutine and maps in as many as there are processors, as prepare does.
func operations(ctx context.Context, b *bench, file string) (int64, error) {
	in, err := b.read(ctx, file)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	mappers := runtime.GOMAXPROCS(0)
	free, full := make(chan *pile, 3*mappers), make(chan *pile, 3*mappers)
	for range cap(free) {
		free <- new(pile)
	}
	var mapped, rejected atomic.Int64
	var failed error
	var running sync.WaitGroup
	columns := in.Columns()
	compiled, err := mapping.Compile(b.dest, b.table, columns, nil)
	if err != nil {
		return 0, err
	}
	for range mappers {
		m := compiled.Clone()
		running.Go(func() {
			var op dataverse.Operation
			known := len(columns)
			for p := range full {
				if len(p.columns) > known {
					_ = m.Extend(p.columns) // the reader has tried it
					known = len(p.columns)
				}
				for i := range p.rows {
					if m.Map(&p.rows[i], &op) == nil {
						mapped.Add(1)
					} else {
						rejected.Add(1)
					}
				}
				free <- p
			}
		})
	}
	for failed == nil {
		p := <-free
		failed = p.fill(in, compiled)
		full <- p
	}
	close(full)
	running.Wait()
	if rejected.Load() > 0 {
		return 0, fmt.Errorf("%d rows are wrong", rejected.Load())
	}
	return mapped.Load(), unlessEnd(failed)
}

// pile is rows on their way to another goroutine: a reader uses its memory again.
type pile struct {
	rows    []row.Row
	cells   []row.Cell
	text    []byte
	columns []string
}

const pileRows = 512

func (p *pile) fill(in *delivery.Rows, m *mapping.Mapping) error {
	p.rows, p.cells, p.text = p.rows[:0], p.cells[:0], p.text[:0]
	known := len(p.columns)
	for len(p.rows) < pileRows {
		r, err := in.Next()
		if err != nil {
			return err
		}
		if p.columns = in.Columns(); len(p.columns) > known {
			if err := m.Extend(p.columns); err != nil {
				return err
			}
			known = len(p.columns)
		}
		if r.Reject != nil {
			return errors.New("a row is wrong: " + r.Reject.Code)
		}
		from, text, cells := len(p.cells), p.text, p.cells
		for i := range r.Cells {
			c, at := &r.Cells[i], len(text)
			text = append(text, c.Text...)
			cells = append(cells, row.Cell{Kind: c.Kind, Text: text[at:len(text):len(text)]})
		}
		p.text, p.cells = text, cells
		p.rows = append(p.rows, row.Row{Number: r.Number, Line: r.Line, Cells: p.cells[from:len(p.cells):len(p.cells)]})
	}
	return nil
}

func prepare(ctx context.Context, b *bench, file string) (int64, error) {
	source, err := b.source(file)
	if err != nil {
		return 0, err
	}
	start, _, err := b.steps.Pin(ctx, run.Start{V: 1, Destination: b.destination, Arrived: time.Now(),
		Delivery: run.Delivery{ID: run.DeliveryID(source.Objects...), Objects: source.Objects}})
	if err != nil {
		return 0, err
	}
	done, err := b.steps.Prepare(ctx, run.PrepareIn{Start: start})
	if err != nil || done.State == run.Proven {
		return done.Rows.Read, err
	}
	return 0, fmt.Errorf("it is %s: %+v", done.State, done.Reason)
}
