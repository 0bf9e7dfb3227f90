package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/row"
)

type rowsCommand struct {
	Files   []string `arg:"" name:"file" help:"The files of one delivery, in order; or a directory or manifest that names them."`
	Limit   int64    `short:"n" placeholder:"N" help:"Stop after N rows."`
	Rejects string   `placeholder:"FILE" help:"Write the rows that cannot be read to FILE, with the reasons."`
	JSON    bool     `help:"Describe the files in a first JSON object on standard output, before the rows."`

	Format    string   `placeholder:"NAME" help:"csv, jsonl, json, parquet or xlsx, instead of what is detected; likewise:"`
	Encoding  string   `placeholder:"NAME" help:"utf-8, utf-16le, utf-16be or windows-1252."`
	Delimiter string   `placeholder:"CHAR" help:"What separates columns; also tab, comma, semicolon or pipe."`
	Quote     string   `placeholder:"CHAR" help:"What stands around cells, or none."`
	Escape    string   `placeholder:"STYLE" help:"doubled, backslash or mysql."`
	Null      string   `placeholder:"WORD" help:"The word for null."`
	Header    string   `placeholder:"WHERE" help:"Where column names are: each, first or none."`
	Names     []string `placeholder:"NAME,…" help:"The columns of files without a header."`
	Sheet     string   `placeholder:"NAME" help:"Which sheet of a workbook."`
}

// Help is shown below the flags.
func (rowsCommand) Help() string {
	return `Shows what Penstock sees in a file before any destination: on standard error how it is
written and why it thinks so, on standard output each row as one JSON object on a
line, with the file's own column names. What a destination says about its files
(format, delimiter, …) has a flag of the same name here.

  penstock rows people.csv.gz
  penstock rows export.xlsx --sheet Members --limit 5
  penstock rows people.csv --rejects wrong.csv >people.jsonl
  penstock rows unload/2026-03-01 --json | head -1 | jq .columns

Exit codes: 0 every row was read, 3 some could not be, 4 the file is refused.`
}

func (c *rowsCommand) Run(ctx context.Context, s streams) error {
	rows, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rows.Close()
	out := bufio.NewWriterSize(s.out, 64<<10)
	if c.JSON {
		err = describeJSON(out, rows)
	} else {
		err = describe(s.err, rows)
	}
	if err != nil {
		return err
	}
	count, err := c.show(ctx, out, rows)
	err = errors.Join(err, out.Flush())
	if err != nil {
		return err
	}
	count.tell(s.err, c.Rejects)
	if count.rejected > 0 {
		return ended(codeRejects)
	}
	return nil
}

// open finds the files and how they are written.
func (c *rowsCommand) open(ctx context.Context) (*delivery.Rows, error) {
	if err := readable(c.Files); err != nil {
		return nil, err
	}
	if c.Limit < 0 {
		return nil, fault.New(fault.Refused, "usage", "--limit takes a number of rows, not %d", c.Limit)
	}
	objects, err := local.Gather(ctx, c.Files, delivery.DefaultLimits)
	if err != nil {
		return nil, err
	}
	src := delivery.Source{Objects: objects, From: delivery.Files{}}
	hints := delivery.Hints{Format: delivery.Format(c.Format), Encoding: c.Encoding, Delimiter: separator(c.Delimiter),
		Quote: c.Quote, Escape: c.Escape, Null: c.Null, Header: delivery.Header(c.Header), Names: c.Names, Sheet: c.Sheet}
	how, err := delivery.Detect(ctx, src, hints, delivery.DefaultLimits)
	if e, ok := fault.As(err); ok && slips[e.Code] {
		return nil, fault.New(fault.Refused, "usage", "%s", e.Message).Advise("%s", e.Advice)
	}
	if err != nil {
		return nil, err
	}
	return delivery.OpenAll(ctx, src, how, delivery.DefaultLimits)
}

// slips are codes that only a flag can be to blame for.
var slips = map[string]bool{"unknown_format": true, "unknown_encoding": true, "unknown_header": true, "bad_dialect": true}

// separators are words for what a shell makes hard to write; the configuration knows them, too.
var separators = map[string]string{"tab": "\t", `\t`: "\t", "comma": ",", "semicolon": ";", "pipe": "|"}

func separator(text string) string {
	if sign, named := separators[text]; named {
		return sign
	}
	return text
}

// describe says how the files are written.
func describe(w io.Writer, rows *delivery.Rows) error {
	d := rows.Describe()
	var b strings.Builder
	files := strings.Join(d.Objects, ", ")
	if len(d.Objects) > 3 {
		files = fmt.Sprintf("%s … %s (%d files)", d.Objects[0], d.Objects[len(d.Objects)-1], len(d.Objects))
	}
	b.WriteString(files + "\n")
	var columns []string
	for _, column := range d.Columns {
		name := column.Name
		if column.Type != "" {
			name += " (" + column.Type + ")"
		}
		columns = append(columns, name)
	}
	for _, line := range []struct{ name, text string }{
		{"Format", string(d.Format)}, {"Compression", d.Compression}, {"Encoding", d.Encoding}, {"Dialect", d.Dialect}, {"Sheet", d.Sheet},
		{"Header", string(d.Header)}, {"Columns", strings.Join(columns, ", ")}, {"Ignored", strings.Join(d.Ignored, ", ")},
	} {
		if line.text != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", line.name, line.text)
		}
	}
	for i, why := range d.Evidence {
		fmt.Fprintf(&b, "  %-12s %s\n", map[bool]string{true: "Why"}[i == 0], why)
	}
	_, err := io.WriteString(w, printableLines(b.String()))
	return err
}

// printableLines keeps control characters of names from the terminal.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

func describeJSON(w io.Writer, rows *delivery.Rows) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(rows.Describe())
}

// rowCount is what became of the rows.
type rowCount struct {
	read, rejected int64
	first          row.Reject
	file           string // of the first
}

// show writes each row, and those that cannot be read to the reject file.
func (c *rowsCommand) show(ctx context.Context, out io.Writer, rows *delivery.Rows) (count rowCount, err error) {
	aside := rejectFile{path: c.Rejects}
	defer func() { err = errors.Join(err, aside.close()) }()
	var line []byte
	for c.Limit == 0 || count.read < c.Limit {
		r, err := rows.Next()
		if err == io.EOF {
			return count, nil
		}
		if err != nil {
			return count, err
		}
		if count.read++; count.read%1024 == 0 && ctx.Err() != nil {
			return count, ctx.Err()
		}
		if r.Reject != nil {
			if count.rejected++; count.rejected == 1 {
				count.first, count.file = *r.Reject, rows.Describe().Objects[r.Object]
			}
			if err := aside.add(r, rows); err != nil {
				return count, err
			}
			continue
		}
		line = append(delivery.AppendJSON(line[:0], rows.Columns(), r), '\n')
		if _, err := out.Write(line); err != nil {
			return count, err
		}
	}
	return count, nil
}

// tell says the counts. A reject's message may quote a value, which is the reader's own to see here.
func (n rowCount) tell(w io.Writer, rejects string) {
	switch {
	case n.rejected == 0:
		fmt.Fprintf(w, "%s %s\n", number(n.read), fault.Plural(n.read, "row", "rows"))
	default:
		fmt.Fprintf(w, "%s %s, %s of them cannot be read; the first: %s:%d: %s (%s)\n", number(n.read), fault.Plural(n.read, "row", "rows"), number(n.rejected),
			printable(n.file), n.first.Line, printable(n.first.Message), n.first.Code)
		fmt.Fprintf(w, "rejects: %s\n", cmp.Or(rejects, "say --rejects FILE to keep them, with the reasons"))
	}
}

// A rejectFile is made when the first row comes.
type rejectFile struct {
	path string // "" keeps nothing
	file *os.File
	out  *delivery.RejectWriter
}

func (f *rejectFile) add(r *row.Row, rows *delivery.Rows) error {
	if f.path == "" {
		return nil
	}
	if f.file == nil {
		file, err := os.Create(f.path)
		if err != nil {
			return fault.New(fault.Refused, "usage", "the reject file cannot be written").At(f.path, 0, "").Because(err)
		}
		f.file, f.out = file, delivery.NewRejectWriter(file, rows.Style())
	}
	return f.out.Write(r, r.Reject)
}

func (f *rejectFile) close() error {
	if f.file == nil {
		return nil
	}
	return errors.Join(f.out.Flush(), f.file.Close())
}
