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
	for _, f := range figures(r) {
		fmt.Fprintf(&b, "  %-14s %12s", f.Name, number(f.Count))
		if f.Note != "" {
			b.WriteString("   " + f.Note)
		}
		b.WriteByte('\n')
	}
	if len(r.RejectReasons) > 0 {
		b.WriteString("\nWhy rows were rejected\n")
		for _, reason := range r.RejectReasons {
			fmt.Fprintf(&b, "  %12s   %s  (%s, for example line %d)\n", number(reason.Count), reason.Words(), reason.Code, reason.Line)
		}
	}
	textList(&b, "Notes", r.Notes)
	textList(&b, "What to do next", Next(r))
	b.WriteByte('\n')
	for _, where := range []struct{ name, at string }{{"Rejects", r.Rejects}, {"Report", r.Page}, {"Figures", r.Report}} {
		if where.at != "" {
			fmt.Fprintf(&b, "%-8s %s\n", where.name, where.at)
		}
	}
	fmt.Fprintf(&b, "Run %s, %s, %s\n", r.Run, r.State, duration(r.Seconds))
	_, err := io.WriteString(w, harmlessText(b.String()))
	return err
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
	return strings.Join(parts, ", ")
}

func uncertain(r Report) string {
	if r.Uncertain == 0 {
		return ""
	}
	return number(r.Uncertain) + " of them sent, but the answer was lost"
}
