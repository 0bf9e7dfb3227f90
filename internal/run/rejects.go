package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/report"
	"penstock/internal/row"
)

// writeRejects reads the delivery once more and writes the rejected rows as they
// were, with the reasons beside them, so that a person can correct and drop them
// again. It returns the reject file's key.
//
// When the delivery is gone or another by now, the reasons are still there: the
// report says so, and rejects/ keeps them.
func (s *Steps) writeRejects(ctx context.Context, plan *Plan, rejects []row.Reject, r *report.Report) (string, error) {
	file, err := os.CreateTemp(s.scratch(), "penstock-"+plan.Start.Run+"-rejects-*")
	if err != nil {
		return "", spillFault(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	err = s.pairRejects(ctx, plan, rejects, file)
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
	key := plan.folder() + "rejects." + string(plan.Format)
	return key, s.Work.Put(ctx, key, file)
}

// pairRejects writes the rejected rows with their reasons. A delivery whose
// content is not what prepare read pairs rows with other rows' reasons, so it is
// hashed on the way where its version is not pinned.
func (s *Steps) pairRejects(ctx context.Context, plan *Plan, rejects []row.Reject, to io.Writer) error {
	object := plan.Start.Delivery.Objects[0]
	body, err := s.Inbox.Open(ctx, object)
	if err != nil {
		return fmt.Errorf("open the delivery again: %w", err)
	}
	defer body.Close()
	sum := &summing{r: body, hash: sha256.New()}
	rows, err := delivery.Open(sum, plan.Format, path.Base(object.Key), s.Limits)
	if err != nil {
		return fmt.Errorf("open the delivery again: %w", err)
	}
	if err := copyRejects(ctx, to, rows, rejects); err != nil {
		return err
	}
	if object.Version != "" || object.ETag != "" || plan.SHA256 == "" {
		return nil
	}
	if _, err := io.Copy(io.Discard, sum); err != nil {
		return fmt.Errorf("read the delivery again: %w", err)
	}
	if hex.EncodeToString(sum.hash.Sum(nil)) != plan.SHA256 {
		return fault.New(fault.Refused, "delivery_changed", "the file is another one than the run read").At(path.Base(object.Key), 0, "")
	}
	return nil
}

// copyRejects pairs each rejected row with its reason; both ascend by row number.
func copyRejects(ctx context.Context, w io.Writer, rows delivery.Reader, rejects []row.Reject) error {
	out := delivery.NewRejectWriter(w, rows.Style())
	next := 0
	numbers := func(yield func(int64) bool) {
		for i := range rejects {
			if !yield(rejects[i].Row) {
				return
			}
		}
	}
	err := delivery.Pick(ctx, rows, numbers, func(r *row.Row) error {
		why := rejects[next]
		next++
		if why.Row != r.Number {
			return miscount("row %d was to be read again but row %d came", why.Row, r.Number)
		}
		return out.Write(r, &why)
	})
	if err != nil {
		return fmt.Errorf("read the rejected rows again: %w", err)
	}
	if next != len(rejects) {
		return miscount("%d of %d rejected rows were found again", next, len(rejects))
	}
	return out.Flush()
}
