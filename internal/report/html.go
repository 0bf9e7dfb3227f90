package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"number":   number,
	"duration": duration,
	"clock":    clock,
	"capital":  capital,
	"removals": removals,
	"join":     func(parts []string) string { return strings.Join(parts, ", ") },
	"base":     path.Base,
}).Parse(pageSource))

// page is what the template shows beside the report itself.
type page struct {
	Report
	Title    string
	Sentence string
	Problems []string // all that is wrong, where it is more than one thing
	Next     []string
	Figures  []figure // without the rows read
	Bar      []figure // the parts of the bar, none of them empty
	Scope    string   // which records may be deleted
	Share    string   // how much of the file is where it should be
	Longest  float64  // seconds of the longest step
}

// HTML writes report.html: one page that needs nothing else, neither scripts nor the network.
func HTML(w io.Writer, r Report) error {
	p := page{Report: r, Title: title(r), Sentence: Sentence(r), Problems: r.problems(), Next: Next(r), Figures: figures(r)[1:], Scope: r.scope(), Share: share(r)}
	for _, f := range p.Figures {
		if f.Count > 0 {
			p.Bar = append(p.Bar, f)
		}
	}
	for _, s := range r.Steps {
		p.Longest = max(p.Longest, s.Seconds)
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("render the page of run %s: %w", r.Run, err)
	}
	return nil
}

// titles are the states in words that need no explanation.
var titles = map[string]string{
	Succeeded: "Done",
	Partial:   "Done, with rejected rows",
	Refused:   "Refused",
	Skipped:   "Skipped",
	Failed:    "Stopped",
}

// title says of a run that came to its end what it left.
func title(r Report) string {
	switch {
	case r.State != Partial || r.Rejected > 0:
		return titles[r.State]
	case r.Warned > 0:
		return "Done, with warnings"
	}
	return "Done, but not everything was removed"
}

// share is rounded down, so that 100 % means every row.
func share(r Report) string {
	if r.Read == 0 {
		return ""
	}
	hundredths := (r.Written + r.Unchanged) * 10000 / r.Read
	text := fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

func clock(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }
