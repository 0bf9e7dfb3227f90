package delivery

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// sampleRows is how many rows of the sample are looked at.
const sampleRows = 500

// reading is the sample as a dialect cuts it.
type reading struct {
	dialect Dialect
	rows    int // that are whole
	cells   int // of the first
	same    int // rows with as many cells, the first among them
	stray   int // rows that break the quoting rules
	open    bool
	quoted  int        // cells in quotes
	nulls   int        // cells without quotes that are \N
	table   [][]string // the first cells, as text
}

func (r *reading) bad() int {
	bad := r.rows - r.same + r.stray
	if r.open {
		bad += max(1, r.rows)
	}
	return bad
}

// sampledCells bounds what is kept of a row.
const sampledCells = 2000

// openQuoteBytes is how long a quote may stay open in the sample before it counts against the dialect.
const openQuoteBytes = 64 << 10

func read(text []byte, ended bool, d Dialect) *reading {
	r := &reading{dialect: d}
	split := newSplitter(d)
	split.keep(sampledCells)
	for r.rows+r.stray < sampleRows && len(text) > 0 {
		found := split.row(text, ended)
		if found.verdict == incomplete || found.verdict == unclosed {
			r.open = found.verdict == unclosed || found.open >= 0 && len(text)-found.open > openQuoteBytes
			break
		}
		data := text
		text = text[found.next:]
		switch found.verdict {
		case empty:
		case strayQuote:
			r.stray++
		default:
			r.take(&split, data, found)
		}
	}
	return r
}

func (r *reading) take(split *splitter, data []byte, found split) {
	r.rows++
	if r.rows == 1 {
		r.cells = found.cells
	}
	if found.cells == r.cells {
		r.same++
	}
	n := min(found.cells, sampledCells)
	texts := make([]string, n)
	start := 0
	for i, cell := range split.cells[:n] {
		texts[i] = string(bytes.TrimSpace(cell.Text))
		if split.quoted {
			if split.quoting && start < split.ends[i] && data[start] == split.quote {
				r.quoted++
			}
			start = split.ends[i] + 1
		}
		if cell.Kind == row.Null || texts[i] == `\N` {
			r.nulls++
			texts[i] = ""
		}
	}
	r.table = append(r.table, texts)
}

// csv finds out the dialect and where the header is.
func (d *detection) csv(ctx context.Context, text []byte, ended bool) error {
	best, err := d.dialect(text, ended)
	if err != nil {
		return err
	}
	d.how.Dialect = best.dialect
	if err := d.how.Dialect.check(); err != nil {
		return err
	}
	if err := d.header(best); err != nil {
		return err
	}
	if d.how.Header == HeaderEach && d.hints.Header == "" && len(d.src.Objects) > 1 && len(best.table) > 0 {
		return d.headerOfOthers(ctx, best.table[0])
	}
	return nil
}

var likelyDelimiters = []string{"", ";", "\t", "|", "\x01"}

// dialect tries all that are likely and takes the one in which the rows agree.
func (d *detection) dialect(text []byte, ended bool) (*reading, error) {
	delimiters := likelyDelimiters
	if d.hints.Delimiter != "" {
		delimiters = []string{strings.TrimPrefix(d.hints.Delimiter, ",")}
	}
	var readings []*reading
	for _, delimiter := range delimiters {
		dialect := Dialect{Delimiter: delimiter}
		if err := d.hinted(&dialect).check(); err != nil {
			return nil, err
		}
		readings = append(readings, d.escapes(text, ended, dialect))
	}
	best, err := d.choose(readings)
	if err != nil {
		return nil, err
	}
	d.nulls(best)
	d.sayDialect(best)
	return best, nil
}

// hinted is a dialect with what the destination says.
func (d *detection) hinted(dialect *Dialect) Dialect {
	if d.hints.Quote != "" && d.hints.Quote != `"` {
		dialect.Quote = d.hints.Quote
	}
	if d.hints.Escape != "" && d.hints.Escape != "doubled" {
		dialect.Escape = Escape(d.hints.Escape)
	}
	dialect.Null = d.hints.Null
	return *dialect
}

// escapes reads the sample with a delimiter, and with other quotes and escapes where the file has any signs of
// them. Only a reading that mends more rows than the simpler one is taken instead.
func (d *detection) escapes(text []byte, ended bool, dialect Dialect) *reading {
	dialect = d.hinted(&dialect)
	best := read(text, ended, dialect)
	try := func(other Dialect, better func(*reading) bool) {
		if r := read(text, ended, other); better(r) {
			best = r
		}
	}
	fewerBad := func(r *reading) bool { return r.bad() < best.bad() && r.cells > 1 }
	if d.hints.Quote == "" && best.quoted == 0 && bytes.IndexByte(text, '\'') >= 0 {
		single := dialect
		single.Quote = "'"
		try(single, func(r *reading) bool { return r.quoted >= r.rows && r.rows > 0 && r.stray == 0 && !r.open })
	}
	if d.hints.Escape == "" && bytes.IndexByte(text, '\\') >= 0 {
		escaped := best.dialect
		escaped.Escape = Backslash
		if dialect.delimiter() == '\t' {
			escaped.Escape = MySQL
		}
		try(escaped, fewerBad)
		if d.hints.Quote == "" && best.quoted == 0 {
			escaped.Quote = NoQuote
			try(escaped, fewerBad)
		}
	}
	return best
}

// choose finds the delimiter with which the rows agree.
func (d *detection) choose(readings []*reading) (*reading, error) {
	if len(readings) == 1 {
		return readings[0], nil
	}
	var split, agreed []*reading
	for _, r := range readings {
		if r.cells < 2 {
			continue
		}
		split = append(split, r)
		if r.same*10 >= r.rows*9 {
			agreed = append(agreed, r)
		}
	}
	candidates := agreed
	if len(candidates) == 0 {
		candidates = split
	}
	switch len(candidates) {
	case 0:
		return readings[0], nil // one column; a comma in a later row makes that row a reject
	case 1:
		return candidates[0], nil
	}
	if known := d.withKnownColumn(candidates); len(known) == 1 {
		d.say("The first row has a column that the destination maps.")
		return known[0], nil
	}
	var perfect []*reading
	for _, r := range candidates {
		if r.bad() == 0 && r.rows >= 3 {
			perfect = append(perfect, r)
		}
	}
	if len(perfect) == 1 {
		return perfect[0], nil
	}
	var alternatives []string
	for _, r := range candidates {
		alternatives = append(alternatives, fmt.Sprintf("a %s (%s)", characterName(r.dialect.delimiter()), fault.Count(r.cells, "column")))
	}
	return nil, d.ambiguous("what separates the columns is not clear", "delimiter", alternatives...)
}

// withKnownColumn keeps the readings whose first row names a column that the destination maps.
func (d *detection) withKnownColumn(readings []*reading) (known []*reading) {
	for _, r := range readings {
		if d.knows(r) {
			known = append(known, r)
		}
	}
	return known
}

func (d *detection) knows(r *reading) bool {
	return len(r.table) > 0 && slices.ContainsFunc(r.table[0], func(name string) bool { return slices.Contains(d.hints.Columns, name) })
}

// nulls: \N is how databases write null; nobody means those two characters.
func (d *detection) nulls(r *reading) {
	if r.nulls == 0 || r.dialect.Escape != Doubled || d.hints.Null != "" || d.hints.Escape != "" {
		return
	}
	if r.dialect.delimiter() == '\t' {
		r.dialect.Escape = MySQL
		if r.quoted == 0 && d.hints.Quote == "" {
			r.dialect.Quote = NoQuote
		}
	} else {
		r.dialect.Null = `\N`
	}
	d.say(`Null: %s of the sample %s \N.`, fault.Count(r.nulls, "cell"), fault.Plural(r.nulls, "is", "are"))
}

func (d *detection) sayDialect(r *reading) {
	switch {
	case r.cells == 1:
		d.say("Dialect: one column, no delimiter found in the first row.")
	default:
		d.say("Dialect %s: %d of %s %s %d cells as the first one has.", r.dialect, r.same, fault.Count(r.rows+r.stray, "sampled row"), fault.Plural(r.same, "has", "have"), r.cells)
	}
	if r.stray > 0 {
		d.say("%s %s the quoting rules and will be rejected.", fault.Count(r.stray, "sampled row"), fault.Plural(r.stray, "breaks", "break"))
	}
}
