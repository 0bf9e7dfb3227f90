package run

import (
	"context"
	"fmt"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/delivery"
)

// An input is a delivery that is being read.
type input struct {
	*delivery.Rows
	steps    *Steps
	delivery Delivery
	packed   bool
}

// openDelivery finds the objects that arrived and how they are written, unless
// the plan says so already, and opens them for the first reading.
func (p *preparation) openDelivery(ctx context.Context) (*input, error) {
	if err := p.gather(ctx); err != nil {
		return nil, err
	}
	if p.plan.Detected == nil {
		how, err := delivery.Detect(ctx, p.source(p.plan), hintsOf(p.dest, p.plan.Table), p.Limits)
		if err != nil {
			return nil, fmt.Errorf("look at the delivery: %w", err)
		}
		p.plan.Detected, p.plan.Format = how, how.Format
	}
	return p.openDeliveryAt(ctx, p.plan.Detected, nil)
}

// openDeliveryAt goes on reading where a cursor was taken (rule P2); nil is the beginning.
func (p *preparation) openDeliveryAt(ctx context.Context, how *delivery.Detected, at *delivery.Cursor) (*input, error) {
	source := delivery.Source{Objects: p.plan.Start.Delivery.Objects, From: p.opener()}
	rows, err := delivery.Resume(ctx, source, how, p.Limits, at)
	if err != nil {
		return nil, fmt.Errorf("open the delivery: %w", err)
	}
	packed := how.Compression != "" || how.Format == delivery.Parquet || how.Format == delivery.XLSX
	return &input{Rows: rows, steps: p.Steps, delivery: p.plan.Start.Delivery, packed: packed}, nil
}

func (s *Steps) source(plan *Plan) delivery.Source {
	return delivery.Source{Objects: plan.Start.Delivery.Objects, From: s.Inbox}
}

// howWritten is what was detected. A plan of before detection names only the format, of which there was one dialect.
func (p *Plan) howWritten() *delivery.Detected {
	if p.Detected != nil {
		return p.Detected
	}
	return &delivery.Detected{Format: p.Format, Header: delivery.HeaderEach}
}

// evidence is why the delivery was read as it was.
func (p *Plan) evidence() []string {
	if p.Detected == nil {
		return nil
	}
	return p.Detected.Evidence
}

// hintsOf is what the destination says about its files. Without columns of its
// own, headers are the table's logical names.
func hintsOf(dest *config.Destination, table *dataverse.Table) delivery.Hints {
	f := dest.Files
	hints := delivery.Hints{Format: delivery.Format(f.Format), Encoding: f.Encoding, Delimiter: f.Delimiter, Quote: f.Quote, Escape: f.Escape,
		Null: f.Null, Header: delivery.Header(f.Header), Names: f.Names, Sheet: f.Sheet}
	for _, c := range dest.Columns {
		if c.Value == nil && c.Template == "" {
			hints.Columns = append(hints.Columns, c.From)
		}
	}
	if dest.Columns == nil && table != nil {
		for i := range table.Columns {
			hints.Columns = append(hints.Columns, table.Columns[i].Name)
		}
	}
	return hints
}

// unpacks is about how many times larger compressed rows are as text.
const unpacks = 6

// Size is about how many bytes of text the rows are; 0 when nobody told.
func (in *input) Size() (size int64) {
	for _, o := range in.delivery.Objects {
		size += o.Size
	}
	if in.packed {
		size *= unpacks
	}
	return size
}

// Sum identifies the content, once every row was read, and proves that the
// delivery is still the one that was announced; "" when it was stopped.
func (in *input) Sum(ctx context.Context, stop func() bool) (string, error) {
	sum, err := in.Rows.SumUntil(ctx, stop)
	if err == nil && sum != "" {
		err = in.steps.checkFolder(ctx, in.delivery)
	}
	if err != nil {
		return "", fmt.Errorf("read the delivery: %w", err)
	}
	return sum, nil
}
