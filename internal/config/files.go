package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

var (
	formats = []string{"csv", "jsonl", "json", "parquet", "xlsx"}

	// encodings are the spellings that readers of files know, in lower case.
	encodings = []string{"utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "windows-1252", "cp1252", "latin-1", "latin1", "iso-8859-1"}

	// signs are names of characters that YAML makes hard to write.
	signs = map[string]string{"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}

	// takers are the formats for which a field means something.
	takers = []struct {
		field   string
		formats []string
	}{
		{"encoding", []string{"csv", "jsonl", "json"}},
		{"delimiter", []string{"csv"}},
		{"quote", []string{"csv"}},
		{"escape", []string{"csv"}},
		{"null", []string{"csv"}},
		{"header", []string{"csv", "xlsx"}},
		{"names", []string{"csv", "xlsx"}},
		{"sheet", []string{"xlsx"}},
	}
)

// fileFields say how files are written.
func (r *reader) fileFields(f *Files) []field {
	return []field{
		{"format", r.oneOf(&f.Format, formats...)},
		{"encoding", r.encoding(&f.Encoding)},
		{"delimiter", r.character(&f.Delimiter, signs, "tab, comma, semicolon or pipe")},
		{"quote", r.character(&f.Quote, map[string]string{"none": "none"}, "none")},
		{"escape", r.oneOf(&f.Escape, "doubled", "backslash", "mysql")},
		{"null", r.nullWord(&f.Null)},
		{"header", r.header(&f.Header)},
		{"names", r.texts(false, r.text, func(names []string) { f.Names = names })},
		{"sheet", r.text(&f.Sheet)},
	}
}

func (r *reader) encoding(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		if !slices.Contains(encodings, strings.ToLower(s)) {
			r.mustBe(n, where, s, encodings)
			return
		}
		*to = strings.ToLower(s)
	}
}

// character reads one ASCII character, or a word for one. It is none that a
// reader of CSV needs for itself: a line end, a NUL, a backslash.
func (r *reader) character(to *string, words map[string]string, known string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		s, ok := textOf(n)
		word, named := words[s]
		switch {
		case !ok:
			r.wrongType(n, where, "text")
		case named:
			*to = word
		case len(s) == 1 && s[0] < 0x80 && !strings.ContainsAny(s, "\n\r\x00\\"):
			*to = s
		default:
			problem := r.add(lineOf(n), "%s", in(where, "must be one ASCII character, but no line end, NUL or backslash; or "+known))
			if _, block := n.(*ast.LiteralNode); block {
				problem.Advise(`a bare | begins a block of text in YAML: write "|" in quotes`)
			} else {
				problem.Advise("put the one character in quotes")
			}
		}
	}
}

// nullWord reads the word that a file has for null: in YAML the word null is none.
func (r *reader) nullWord(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		if _, null := n.(*ast.NullNode); null {
			r.wrongType(n, where, "text").Advise(`put the word in quotes: "NULL"`)
			return
		}
		r.text(to)(n, where)
	}
}

// header reads where the column names are; true and false are each and none.
func (r *reader) header(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		b, ok := n.(*ast.BoolNode)
		switch {
		case !ok:
			r.oneOf(to, "each", "first", "none")(n, where)
		case b.Value:
			*to = "each"
		default:
			*to = "none"
		}
	}
}

// readable checks that what is said of files goes together: what a reader would ignore is refused.
func (w *whole) readable() {
	f := &w.d.Files
	for _, t := range takers {
		if w.lines[t.field] != 0 && f.Format != "" && !slices.Contains(t.formats, f.Format) {
			w.say(t.field, "%s is for files of format %s, and format says %s", t.field, strings.Join(t.formats, ", "), f.Format).
				Advise("remove %s, or correct format", t.field)
		}
	}
	quotes := f.Quote
	if quotes == "" {
		quotes = `"` // as detection takes it where no other is seen
	}
	switch {
	case f.Delimiter != "" && f.Delimiter == quotes:
		w.say("delimiter", "delimiter and quote are the same character").Advise("say both: a cell's quotes are not what parts cells")
	case f.Delimiter == "" && f.Quote != "" && strings.Contains(",;\t|", f.Quote):
		w.say("quote", "quote is a character that usually parts cells").Advise("say what does instead: delimiter")
	}
	if w.lines["names"] != 0 && (f.Header == "each" || f.Header == "first") {
		w.say("names", "names are for files without a header, and header says %s", f.Header).Advise("remove names, or say header: none")
	}
	if f.Null != "" && f.Null == w.d.Values.Empty {
		w.say("empty", "empty and null are the same word").Advise("a cell is either null or an empty text: keep one of them, or write two words")
	}
}
