package delivery

import (
	"context"
	"io"
	"iter"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// Pick reads on and hands only the wanted rows to emit: numbers ascend (slices.Values of a sorted slice
// will do, and so will a merge that never holds them all). It stops behind the last of them. A row is
// only valid until emit returns.
func Pick(ctx context.Context, rows Reader, wanted iter.Seq[int64], emit func(*row.Row) error) error {
	next, stop := iter.Pull(wanted)
	defer stop()
	number, more := next()
	for read := int64(0); more; read++ {
		if read%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r, err := rows.Next()
		if err == io.EOF {
			return fault.New(fault.Broken, "row_missing", "row %d was there before and is not any more: the file ends after row %d", number, read)
		}
		if err != nil {
			return err
		}
		if r.Number > number {
			return fault.New(fault.Broken, "rows_out_of_order", "row %d was asked for after row %d had been read", number, r.Number)
		}
		if r.Number < number {
			continue
		}
		if err := emit(r); err != nil {
			return err
		}
		for more && number == r.Number {
			number, more = next()
		}
	}
	return nil
}
