package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"penstock/internal/fault"
)

// Sentence says in plain words what became of the rows.
func Sentence(r Report) string {
	switch r.State {
	case Succeeded:
		return sentences(r.succeeded(), r.besides())
	case Partial:
		return sentences(r.partial(), r.besides())
	case Failed:
		return r.failed()
	case Skipped:
		return sentences("Nothing was written: the file was skipped.", r.why())
	}
	if r.Reason != nil && r.Reason.Kind == string(fault.Denied) {
		return sentences("Nothing was written: a credential or a permission is not in order.", r.why()) // the file is not to blame
	}
	if r.Reason != nil && r.Reason.File == "" && r.Reason.Column == "" {
		return sentences("Nothing was written: the run was refused.", r.why()) // a guard, or the configuration
	}
	return sentences("Nothing was written: the file was refused.", r.why())
}

func (r Report) succeeded() string {
	there := was(r.Unchanged) + " " + r.unchanged()
	switch {
	case r.Read == 0:
		return "The file has no rows, so nothing was written."
	case r.Unchanged == 0 && r.Read == 1:
		return "The file's only " + r.thing(1) + " was " + r.verb() + "."
	case r.Unchanged == 0:
		return "All " + r.count(r.Read) + " were " + r.verb() + "."
	case r.Written == 0 && r.Read == 1:
		return "The file's only " + r.thing(1) + " was " + r.unchanged() + "."
	case r.Written == 0:
		return "All " + r.count(r.Read) + " " + there + ": nothing had to be " + r.verb() + "."
	}
	return fmt.Sprintf("%s of %s %s %s; %s %s.", number(r.Written), r.count(r.Read), was(r.Written), r.verb(), number(r.Unchanged), there)
}

func (r Report) partial() string {
	if r.Rejected == 0 {
		return r.succeeded()
	}
	if r.Written == 0 && r.Unchanged == 0 && r.NotAttempted == 0 {
		return fmt.Sprintf("None of %s %s %s, %s.", r.count(r.Read), was(r.Read), r.verb(), r.because())
	}
	text := fmt.Sprintf("%s of %s %s %s; ", number(r.Written), r.count(r.Read), was(r.Written), r.verb())
	if r.Unchanged > 0 {
		text += fmt.Sprintf("%s %s %s; ", number(r.Unchanged), was(r.Unchanged), r.unchanged())
	}
	if r.NotAttempted > 0 {
		text += fmt.Sprintf("%s %s not attempted; ", number(r.NotAttempted), was(r.NotAttempted))
	}
	return text + fmt.Sprintf("%s %s not, %s.", number(r.Rejected), was(r.Rejected), r.because())
}

func (r Report) failed() string {
	done := "No row was " + r.verb() + "."
	switch {
	case r.Written > 0 && r.Read == 1:
		done = "The file's only " + r.thing(1) + " was " + r.verb() + "."
	case r.Written > 0:
		done = fmt.Sprintf("%s of the %s read %s %s.", number(r.Written), r.count(r.Read), was(r.Written), r.verb())
	case r.Read > 0:
		done = fmt.Sprintf("None of the %s read %s %s.", r.count(r.Read), was(r.Read), r.verb())
	}
	return sentences("The run stopped before its end.", done, r.besides(), r.why())
}

// besides says what the run did that is no row of the file, and what it could not do.
func (r Report) besides() string {
	var said []string
	say := func(n int64, format string) {
		if n > 0 {
			said = append(said, fmt.Sprintf(format, number(n), plural(n, "record", "records")))
		}
	}
	if removed := r.Removed; removed != nil {
		if r.Mode == "truncate" {
			say(removed.Deleted, "Cleared %s %s first.")
		} else {
			say(removed.Deleted, "Also removed %s %s that the file does not hold.")
		}
		say(removed.Failed, "%s %s could not be deleted.")
		say(removed.NotAttempted, "%s %s were to be deleted and are left, or nobody knows.")
	}
	if r.Doubtful > 0 {
		said = append(said, fmt.Sprintf("%s left, because it is doubtful whether the file means %s.", number(r.Doubtful)+plural(r.Doubtful, " record was", " records were"), plural(r.Doubtful, "it", "them")))
	}
	if r.Warned > 0 {
		said = append(said, fmt.Sprintf("For %s of the written %s a link to another record, or a state, could not be set.", number(r.Warned), plural(r.Written+r.Unchanged, "row", "rows")))
	}
	return strings.Join(said, " ")
}

func plural(n int64, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

func sentences(each ...string) string {
	return strings.Join(slices.DeleteFunc(each, func(text string) bool { return text == "" }), " ")
}

func (r Report) verb() string {
	if r.Mode == "delete" || r.Deleted > 0 && r.Deleted == r.Written {
		return "deleted"
	}
	return "written"
}

// unchanged is what the rows were for which nothing had to be done (rule C4).
func (r Report) unchanged() string {
	if r.Mode == "delete" {
		return "already gone"
	}
	return "already there, unchanged"
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
	if several := severally.FindStringSubmatch(r.Reason.Message); several != nil {
		return several[1] + "."
	}
	// The place of too many rejects is that of the first of them; it would read as if all were there.
	if place := r.Reason.place(); place != "" && r.Reason.Code != tooManyRejects {
		if r.Reason.File == "" {
			place = capital(place)
		}
		return place + ": " + sentence(r.Reason.Message)
	}
	return sentence(r.Reason.Message)
}

// severally takes a message apart that names several things at once.
var severally = regexp.MustCompile(`^(\d+ things are wrong); (.*)$`)

// problems are all that is wrong with a file or a configuration, where it is more than one thing.
func (r Report) problems() []string {
	if r.Reason == nil {
		return nil
	}
	several := severally.FindStringSubmatch(r.Reason.Message)
	if several == nil {
		return nil
	}
	list := strings.Split(several[2], "; ")
	for i := range list {
		list[i] = sentence(list[i])
	}
	return list
}

// tooManyRejects is the reason's code when more rows are wrong than the destination allows.
const tooManyRejects = "too_many_rejects"

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
		steps = append(steps, r.correct())
	}
	if r.Warnings != "" {
		steps = append(steps, "See the list of warnings: the rows are written, but something that follows from them is not. Put right what it names and drop those rows again.")
	}
	if r.Undeleted != "" {
		steps = append(steps, "See the list of records that could not be deleted, with what Dataverse said of each.")
	}
	if r.Doubtful > 0 {
		steps = append(steps, r.settle())
	}
	if r.Uncertain > 0 {
		steps = append(steps, fmt.Sprintf("For %s the answer of Dataverse was lost: it may have written them. They count as not attempted.", r.count(r.Uncertain)))
	}
	if r.State == Failed && r.Written+r.Uncertain+r.removed() > 0 {
		steps = append(steps, r.again())
	}
	return steps
}

// settle says what to do about records of which the file may mean each or another.
func (r Report) settle() string {
	return fmt.Sprintf("%s of the table %s the same key as another record, or one that differs only in letter case, accents or white space, so that a row of the file may mean either: all were left. "+
		"See the list of doubtful records, look for the other record of each key, and delete or merge what should not be there.",
		number(r.Doubtful)+plural(r.Doubtful, " record", " records"), plural(r.Doubtful, "has", "have"))
}

// scope says which records of the table are the destination's, and so may be deleted; "" where none is.
func (r Report) scope() string {
	if r.WholeTable {
		return "the whole table"
	}
	var parts []string
	for _, c := range r.Filter {
		parts = append(parts, c.String())
	}
	return strings.Join(parts, " and ")
}

// correct says which file to correct and deliver: the reject file alone only where all other rows were
// written and a file need not stand for all there is.
func (r Report) correct() string {
	whole := "The reject file says of each row what is wrong with it. Correct these rows in the file itself and drop all of it again, not only the reject file: "
	switch {
	case r.Mode == "mirror" || r.Mode == "truncate":
		return whole + "what is not in the file that you drop is deleted."
	case r.State == Refused:
		return whole + "no row was written, the good ones neither."
	case r.NotAttempted > 0 && (r.Mode == "append" || r.Reason == nil || r.Reason.Code != tooManyRejects):
		return "The reject file has the rows that were rejected so far. Let the run come to its end first; then correct the rows in the reject file and drop it."
	case r.NotAttempted > 0:
		return whole + "not all of the other rows were written."
	}
	return "Open the reject file, correct the rows in it and drop it like the first one. " +
		"The columns that say what was wrong may stay: they are ignored."
}

// removed is how many records that are no rows the run has deleted, or may have.
func (r Report) removed() int64 {
	if r.Removed == nil {
		return 0
	}
	return r.Removed.Deleted + r.Removed.Uncertain
}

func (r Report) again() string {
	if r.Mode == "append" {
		return "Let this run go on rather than appending the file as a new one: the rows that are written would be there twice."
	}
	if r.Mode == "truncate" {
		return "Records were deleted before the run stopped, so the table may lack rows: let this run go on, or load the file again as a new one."
	}
	return "It is safe to load the file again: rows find their records by the key, so that nothing is doubled."
}
