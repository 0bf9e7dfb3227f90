package run

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/report"
	"penstock/internal/row"
)

// writeRejects reads the delivery once more and writes the rejected rows as they
// were, with the reasons beside them, so that a person can correct and drop them
// again. The rejects ascend by row number. It returns the reject file's key.
//
// When the delivery is gone or another by now, the reasons are still there: the
// report says so, and rejects/ keeps them.
func (s *Steps) writeRejects(ctx context.Context, plan *Plan, rejects iter.Seq2[row.Reject, error], r *report.Report) (string, error) {
	file, err := os.CreateTemp(s.scratch(), "penstock-"+plan.Start.Run+"-rejects-*")
	if err != nil {
		return "", spillFault(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	format, err := s.pairRejects(ctx, plan, rejects, file)
	if e, ok := fault.As(err); ok && (e.Kind == fault.Refused || e.Code == "row_missing" || e.Code == countCode) {
		r.Notes = append(r.Notes, "The delivered file is gone or was changed, so there is no reject file; the reasons are in "+plan.folder()+"rejects/.")
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", spillFault(err)
	}
	key := plan.folder() + "rejects." + string(format)
	return key, s.Work.Put(ctx, key, file)
}

// pairRejects writes the rejected rows with their reasons and says in which
// format. A delivery whose content is not what prepare read pairs rows with other
// rows' reasons, so it is hashed where its version is not pinned.
func (s *Steps) pairRejects(ctx context.Context, plan *Plan, rejects iter.Seq2[row.Reject, error], to io.Writer) (delivery.Format, error) {
	rows, err := delivery.OpenAll(ctx, s.source(plan), plan.howWritten(), s.Limits)
	if err != nil {
		return "", fmt.Errorf("open the delivery again: %w", err)
	}
	defer rows.Close()
	format := rows.Style().RejectFormat()
	if err := copyRejects(ctx, to, rows, rejects); err != nil {
		return "", err
	}
	if plan.Start.Delivery.pinned() || plan.SHA256 == "" {
		return format, nil
	}
	sum, err := rows.Sum(ctx)
	if err != nil {
		return "", fmt.Errorf("read the delivery again: %w", err)
	}
	if sum != plan.SHA256 {
		return "", fault.New(fault.Refused, "delivery_changed", "the file is another one than the run read").
			At(plan.Start.Delivery.Objects[0].Name(), 0, "")
	}
	return format, nil
}

// pinned tells whether what is opened is certainly what was delivered.
func (d Delivery) pinned() bool {
	for _, o := range d.Objects {
		if o.Version == "" && o.ETag == "" {
			return false
		}
	}
	return true
}

// copyRejects pairs each rejected row with its reason; both ascend by row number and neither is held.
func copyRejects(ctx context.Context, w io.Writer, rows delivery.Reader, rejects iter.Seq2[row.Reject, error]) error {
	out := delivery.NewRejectWriter(w, rows.Style())
	var why row.Reject // of the row that is looked for
	var failed error
	numbers := func(yield func(int64) bool) {
		for r, err := range rejects {
			if err != nil {
				failed = err
				return
			}
			if r.Row == why.Row {
				failed = miscount("row %d was rejected twice", r.Row)
				return
			}
			if why = r; !yield(r.Row) {
				return
			}
		}
	}
	err := delivery.Pick(ctx, rows, numbers, func(r *row.Row) error { return out.Write(r, &why) })
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("read the rejected rows again: %w", err)
	}
	return out.Flush()
}
