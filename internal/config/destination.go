package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

const (
	defaultMaxPercent = 10
	defaultMaxDeletes = 20
	maxParallel       = 1000
)

var (
	modes       = []string{string(Append), string(Upsert), string(Update), string(Delete), string(Mirror), string(Truncate)}
	audiences   = []string{"admin", "business", "restricted"}
	logicalName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
)

// whole is a destination while it is read: what the file says, and where it says it.
type whole struct {
	*reader
	d     *Destination
	where string
	lines map[string]int // of its fields

	onError string
	percent int            // line of rejects.max_percent
	options map[string]int // lines of the fields of options
}

func (r *reader) destination(e entry, where string) *Destination {
	w := &whole{reader: r, where: where, d: &Destination{
		Name: e.name, Line: e.line,
		Audiences:  []string{"admin"},
		Rejects:    Rejects{MaxPercent: defaultMaxPercent},
		Duplicates: LastWins,
		Clear:      ClearRows,
		MaxDeletes: MaxDeletes{Percent: defaultMaxDeletes},
		Values:     Values{Nulls: SkipNulls},
	}}
	w.lines = r.section(e.value, where, slices.Concat(
		w.targetFields(), w.policyFields(), w.clearFields(), r.fileFields(&w.d.Files), r.valueFields(&w.d.Values), w.columnFields())...)
	if w.lines != nil {
		r.connectionLine[e.name] = w.lines["connection"]
		w.check()
	}
	return w.d
}

// targetFields say where rows go and how.
func (w *whole) targetFields() []field {
	d := w.d
	return []field{
		{"connection", w.text(&d.Connection)},
		{"table", w.logical(&d.Table)},
		{"segment", func(n ast.Node, where string) {
			w.add(lineOf(n), "%s: segments are not supported by this version", where).Advise("write to a table")
		}},
		{"mode", w.oneOf((*string)(&d.Mode), modes...)},
		{"key", w.texts(true, w.logical, func(key []string) { d.Key = key })},
		{"match_on", w.texts(true, w.logical, func(columns []string) { d.MatchOn = columns })},
	}
}

// policyFields say who may drop files and what happens to rows that are wrong, equal or unchanged.
func (w *whole) policyFields() []field {
	d := w.d
	return []field{
		{"audiences", w.texts(false, w.audience, func(list []string) { d.Audiences = list })},
		{"pii", w.boolean(&d.PII)},
		{"parallel", func(n ast.Node, where string) {
			var parallel float64
			w.number(&parallel, 1, maxParallel, true)(n, where)
			d.Parallel = int(parallel)
		}},
		{"rejects", func(n ast.Node, where string) {
			lines := w.section(n, where, field{"max_percent", w.number(&d.Rejects.MaxPercent, 0, 100, false)})
			w.percent = lines["max_percent"]
		}},
		{"on_error", w.oneOf(&w.onError, "continue", "stop")},
		{"duplicates", w.oneOf((*string)(&d.Duplicates), string(LastWins), string(RejectBoth))},
		{"only_changes", w.boolean(&d.OnlyChanges)},
		{"options", func(n ast.Node, where string) { w.options = w.readOptions(&d.Options, n, where) }},
	}
}

// columnFields say which columns of the file go where.
func (w *whole) columnFields() []field {
	d := w.d
	return []field{
		{"columns", func(n ast.Node, where string) { d.Columns = w.columns(n, where) }},
		{"include", w.texts(false, w.text, func(list []string) { d.Include = list })},
		{"skip", w.texts(false, w.text, func(list []string) { d.Skip = list })},
	}
}

func (r *reader) audience(to *string) func(ast.Node, string) { return r.oneOf(to, audiences...) }

// logical reads a logical name of a table or a column.
func (r *reader) logical(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		if logicalName.MatchString(s) {
			*to = s
			return
		}
		problem := r.add(lineOf(n), "%s: %s is not a logical name", where, quote(s))
		if lower := strings.ToLower(s); logicalName.MatchString(lower) {
			problem.Advise("logical names are lower case: %s", lower)
		} else {
			problem.Advise("logical names are lower-case letters, digits and underscores, such as emailaddress1")
		}
	}
}
