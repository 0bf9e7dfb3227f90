package report

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the summary that ends a run on the command line.
func Text(w io.Writer, r Report) error {
	var b strings.Builder
	b.WriteString(Sentence(r) + "\n\n")
	if list := r.problems(); list != nil {
		for _, problem := range list {
			b.WriteString("  - " + problem + "\n")
		}
		b.WriteByte('\n')
	}
	for _, f := range figures(r) {
		fmt.Fprintf(&b, "  %-14s %12s", f.Name, number(f.Count))
		if f.Note != "" {
			b.WriteString("   " + f.Note)
		}
		b.WriteByte('\n')
	}
	if len(r.RejectReasons) > 0 {
		b.WriteString("\nWhy rows were rejected\n")
		textReasons(&b, r.RejectReasons, "line")
	}
	if r.Removed != nil && r.Removed.Found > 0 {
		b.WriteString("\nRecords removed from the table\n")
		for _, f := range removals(r.Removed) {
			fmt.Fprintf(&b, "  %-14s %12s", f.Name, number(f.Count))
			if f.Note != "" {
				b.WriteString("   " + f.Note)
			}
			b.WriteByte('\n')
		}
		textReasons(&b, r.Removed.Reasons, "")
	}
	if len(r.WarnReasons) > 0 {
		b.WriteString("\nWhat could not be done for written rows\n")
		textReasons(&b, r.WarnReasons, "line")
	}
	textList(&b, "Notes", r.Notes)
	textList(&b, "Why the files were read like this", r.Evidence)
	textList(&b, "What to do next", Next(r))
	b.WriteByte('\n')
	if scope := r.scope(); scope != "" {
		fmt.Fprintf(&b, "%-8s %s\n", "Filter", scope)
	}
	for _, where := range []struct{ name, at string }{{"Rejects", r.Rejects}, {"Warnings", r.Warnings}, {"Left", r.Undeleted}, {"Doubtful", r.Doubts}, {"Report", r.Page}, {"Figures", r.Report}} {
		if where.at != "" {
			fmt.Fprintf(&b, "%-8s %s\n", where.name, where.at)
		}
	}
	fmt.Fprintf(&b, "Run %s, %s, %s\n", r.Run, r.State, duration(r.Seconds))
	_, err := io.WriteString(w, harmlessText(b.String()))
	return err
}

// textReasons lists reasons by how often they came; example says what of one such row can be named.
func textReasons(b *strings.Builder, reasons []RejectReason, example string) {
	for _, reason := range reasons {
		fmt.Fprintf(b, "  %12s   %s  (%s", number(reason.Count), reason.Words(), reason.Code)
		if example != "" {
			fmt.Fprintf(b, ", for example %s %d", example, reason.Line)
		}
		b.WriteString(")\n")
	}
}

func textList(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n")
	for _, line := range lines {
		b.WriteString("  - " + line + "\n")
	}
}

// harmlessText keeps control characters in file and column names from a terminal.
func harmlessText(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c == 0x7f || 0x80 <= c && c < 0xa0 {
			return '\uFFFD'
		}
		return c
	}, text)
}

// figure is one line of the counts.
type figure struct {
	Name  string
	Count int64
	Note  string
	Kind  string // of the bar's part, for the page
}

// figures are the counts that add up to the rows read (rule C1), and the rows read.
func figures(r Report) []figure {
	return []figure{
		{"read", r.Read, "", ""},
		{"written", r.Written, breakdown(r), "written"},
		{"unchanged", r.Unchanged, "", "unchanged"},
		{"rejected", r.Rejected, "", "rejected"},
		{"not attempted", r.NotAttempted, uncertain(r), "left"},
	}
}

// removals are the counts that add up to the records found (rule C3), and these.
func removals(r *Removed) []figure {
	list := []figure{{Name: "found", Count: r.Found}, {Name: "deleted", Count: r.Deleted}, {Name: "already gone", Count: r.AlreadyGone}, {Name: "not deletable", Count: r.Failed}}
	if r.NotAttempted > 0 {
		note := ""
		if r.Uncertain > 0 {
			note = number(r.Uncertain) + " of them sent, but the answer was lost"
		}
		list = append(list, figure{Name: "not attempted", Count: r.NotAttempted, Note: note})
	}
	return list
}

func breakdown(r Report) string {
	var parts []string
	for _, part := range []struct {
		n    int64
		name string
	}{{r.Created, "created"}, {r.Updated, "updated"}, {r.Upserted, "created or updated"}, {r.Deleted, "deleted"}} {
		if part.n > 0 {
			parts = append(parts, number(part.n)+" "+part.name)
		}
	}
	if r.Warned > 0 {
		parts = append(parts, number(r.Warned)+" with a warning")
	}
	return strings.Join(parts, ", ")
}

func uncertain(r Report) string {
	if r.Uncertain == 0 {
		return ""
	}
	return number(r.Uncertain) + " of them sent, but the answer was lost"
}
