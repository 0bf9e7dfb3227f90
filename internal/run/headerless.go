package run

import (
	"slices"

	"penstock/internal/config"
	"penstock/internal/delivery"
	"penstock/internal/fault"
)

// withoutHeader says the cause when columns do not fit because nobody has named
// them: a table has no column "1", and a list of all that it does not have helps nobody.
func (p *preparation) withoutHeader(columns []string, err error) error {
	if p.plan.howWritten().Header != delivery.HeaderNone || len(p.dest.Files.Names) > 0 ||
		slices.ContainsFunc(p.dest.Columns, func(c config.Column) bool { return slices.Contains(columns, c.From) }) {
		return err
	}
	return fault.New(fault.Refused, "no_header", "the first row of the file is no header, so its columns have no names, and the destination finds them by name").
		At(p.objectName(0), 0, "").Because(err).
		Advise("write the names into the first row of the file; or list them as names of the destination; or say header: each if the first row has them")
}
