package report

import (
	"fmt"
	"strings"

	"penstock/internal/fault"
)

// Sentence says in plain words what became of the rows.
func Sentence(r Report) string {
	switch r.State {
	case Succeeded:
		return r.succeeded()
	case Partial:
		return r.partial()
	case Failed:
		return r.failed()
	case Skipped:
		return sentences("Nothing was written: the file was skipped.", r.why())
	}
	if r.Reason != nil && r.Reason.Kind == string(fault.Denied) {
		return sentences("Nothing was written: Dataverse did not let us in, or does not let us write this table.", r.why()) // the file is not to blame
	}
	return sentences("Nothing was written: the file was refused.", r.why())
}

func (r Report) succeeded() string {
	there := fmt.Sprintf("%s already there, unchanged", was(r.Unchanged))
	switch {
	case r.Read == 0:
		return "The file has no rows, so nothing was written."
	case r.Unchanged == 0 && r.Read == 1:
		return "The file's only " + r.thing(1) + " was " + r.verb() + "."
	case r.Unchanged == 0:
		return "All " + r.count(r.Read) + " were " + r.verb() + "."
	case r.Written == 0 && r.Read == 1:
		return "The file's only " + r.thing(1) + " was already there, unchanged."
	case r.Written == 0:
		return "All " + r.count(r.Read) + " " + there + ": nothing had to be written."
	}
	return fmt.Sprintf("%s of %s %s %s; %s %s.", number(r.Written), r.count(r.Read), was(r.Written), r.verb(), number(r.Unchanged), there)
}

func (r Report) partial() string {
	if r.Written == 0 && r.Unchanged == 0 && r.NotAttempted == 0 {
		return fmt.Sprintf("None of %s %s %s, %s.", r.count(r.Read), was(r.Read), r.verb(), r.because())
	}
	text := fmt.Sprintf("%s of %s %s %s; ", number(r.Written), r.count(r.Read), was(r.Written), r.verb())
	if r.Unchanged > 0 {
		text += fmt.Sprintf("%s %s already there, unchanged; ", number(r.Unchanged), was(r.Unchanged))
	}
	if r.NotAttempted > 0 {
		text += fmt.Sprintf("%s %s not attempted; ", number(r.NotAttempted), was(r.NotAttempted))
	}
	return text + fmt.Sprintf("%s %s not, %s.", number(r.Rejected), was(r.Rejected), r.because())
}

func (r Report) failed() string {
	done := "No row was written."
	switch {
	case r.Written > 0:
		done = fmt.Sprintf("%s of the %s read %s %s.", number(r.Written), r.count(r.Read), was(r.Written), r.verb())
	case r.Read > 0:
		done = fmt.Sprintf("None of the %s read %s %s.", r.count(r.Read), was(r.Read), r.verb())
	}
	return sentences("The run stopped before its end.", done, r.why())
}

func sentences(each ...string) string { return strings.TrimSpace(strings.Join(each, " ")) }

func (r Report) verb() string {
	if r.Deleted > 0 && r.Deleted == r.Written {
		return "deleted"
	}
	return "written"
}

// because names the most frequent reasons, if any stands out.
func (r Report) because() string {
	const named = 2
	var parts []string
	if n := len(r.RejectReasons); n > named && r.RejectReasons[0].Count*3 < r.Rejected {
		return fmt.Sprintf("for %d different reasons", n)
	}
	var others int64
	for i, reason := range r.RejectReasons {
		switch {
		case len(r.RejectReasons) == 1:
			return "because " + reason.Words()
		case i < named:
			parts = append(parts, fmt.Sprintf("%s (%s)", reason.Words(), number(reason.Count)))
		default:
			others += reason.Count
		}
	}
	if others > 0 {
		return "because " + strings.Join(parts, ", ") + " and for other reasons (" + number(others) + ")"
	}
	return "because " + strings.Join(parts, " and ")
}

// why is the run's own reason with its place.
func (r Report) why() string {
	if r.Reason == nil {
		return ""
	}
	if place := r.Reason.place(); place != "" {
		return place + ": " + sentence(r.Reason.Message)
	}
	return sentence(r.Reason.Message)
}

func (r *Reason) place() string {
	var parts []string
	if r.File != "" {
		parts = append(parts, r.File)
	}
	if r.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d", r.Line))
	}
	if r.Column != "" {
		parts = append(parts, "column “"+r.Column+"”")
	}
	return strings.Join(parts, ", ")
}

// Next says what a person should do now; nothing when all is well.
func Next(r Report) []string {
	var steps []string
	if r.Reason != nil && r.Reason.Advice != "" {
		steps = append(steps, sentence(r.Reason.Advice))
	}
	if r.State == Refused {
		steps = append(steps, "Nothing in Dataverse was touched: when that is put right, drop the file again.")
	}
	if r.Rejected > 0 && r.Rejects != "" {
		steps = append(steps, "Open the reject file, correct the rows in it and drop it like the first one. "+
			"The columns that say what was wrong may stay: they are ignored.")
	}
	if r.Uncertain > 0 {
		steps = append(steps, fmt.Sprintf("For %s the answer of Dataverse was lost: it may have written them. They count as not attempted.", r.count(r.Uncertain)))
	}
	if r.State == Failed && r.Written+r.Uncertain > 0 {
		steps = append(steps, r.again())
	}
	return steps
}

func (r Report) again() string {
	if r.Mode == "append" {
		return "Do not append the whole file anew: the rows that are written would be there twice. Let this run go on instead."
	}
	return "It is safe to load the file again: rows find their records by the key, so that nothing is doubled."
}
