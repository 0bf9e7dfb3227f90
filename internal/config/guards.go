package config

import (
	"slices"
	"strings"

	"penstock/internal/fault"
)

// check looks at a destination as a whole: what is missing, and what does not go together.
func (w *whole) check() {
	w.complete()
	w.identified()
	w.clearing()
	w.policies()
	w.personal()
	w.readable()
	w.values()
	w.mapped()
	w.chosen()
}

// say reports a problem where a field stands.
func (w *whole) say(name, format string, args ...any) *fault.Error {
	return w.add(w.at(name), w.where+": "+format, args...)
}

// at is the line of the first of the fields that is there, else the destination's.
func (w *whole) at(names ...string) int { return firstLine(w.lines, w.d.Line, names...) }

func firstLine(lines map[string]int, otherwise int, names ...string) int {
	for _, name := range names {
		if lines[name] != 0 {
			return lines[name]
		}
	}
	return otherwise
}

// complete checks that what every destination needs is there.
func (w *whole) complete() {
	if w.lines["connection"] == 0 {
		w.say("", "connection is missing").Advise("name one of the section connections")
	}
	if w.lines["table"] == 0 && w.lines["segment"] == 0 {
		w.say("", "table is missing").Advise("the logical name, such as contact")
	}
	if w.lines["mode"] == 0 {
		w.say("", "mode is missing").Advise("append creates a record for every row; upsert updates the record that has the row's key, or creates it; " +
			"the others are update, delete, mirror and truncate")
	}
}

// identified checks how rows find their records against the mode.
func (w *whole) identified() {
	mode, key, match := w.d.Mode, w.lines["key"] != 0, w.lines["match_on"] != 0
	switch {
	case mode == "":
		return
	case mode == Append && key:
		w.say("key", "mode append takes no key: it creates a record for every row and looks for none").
			Advise("remove key, or say mode: upsert to update records that exist")
	case mode == Append && match:
		w.say("match_on", "mode append takes no match_on: it creates a record for every row and looks for none").
			Advise("remove match_on, or say mode: upsert to update records that exist")
	case mode == Truncate && match:
		w.say("match_on", "mode truncate takes no match_on: no record is left to match").
			Advise("remove it; key: … finds rows of the file that are one record twice")
	case key && match:
		w.say("match_on", "both key and match_on are given").
			Advise("keep key where the table has one of these columns; match_on is for columns that no key covers")
	case mode != Append && mode != Truncate && !key && !match:
		w.say("mode", "mode %s needs a key", mode).
			Advise("the columns of an alternate key, or the primary id: key: emailaddress1; or match_on: any columns, where the table has no such key")
	}
	if w.lines["duplicates"] != 0 && !key && !match {
		w.say("duplicates", "duplicates are rows with the same key, and this destination has none").Advise("remove it, or say key")
	}
	if w.d.OnlyChanges {
		w.remembered(key)
	}
}

// remembered checks that rows can be found again among those that were loaded last (rules H).
func (w *whole) remembered(key bool) {
	switch mode := w.d.Mode; {
	case mode != Upsert && mode != Update && mode != Mirror:
		w.say("only_changes", "only_changes has no meaning in mode %s", mode).Advise("remove it; upsert, update and mirror can leave out what has not changed")
	case !key:
		w.say("only_changes", "only_changes needs a key, by which rows are known from one file to the next").Advise("say key instead of match_on, or remove only_changes")
	}
}

// policies checks what becomes of wrong rows, and options that depend on the mode.
func (w *whole) policies() {
	d := w.d
	if w.onError == "stop" {
		if w.percent != 0 && d.Rejects.MaxPercent > 0 {
			w.say("on_error", "on_error: stop lets no row be wrong, and rejects.max_percent on line %d lets some", w.percent).Advise("keep one of them")
		}
		d.Rejects.MaxPercent = 0
	}
	if d.Options.Replace && d.Mode != "" && d.Mode != Upsert && d.Mode != Mirror {
		w.add(w.options["replace"], "%s: options: replace is how an upsert treats the columns that the file does not have, and mode %s does none", w.where, d.Mode).
			Advise("remove it, or say mode: upsert or mirror")
	}
	if d.Options.ByID && d.Mode != "" && (d.Mode != Upsert && d.Mode != Mirror || len(d.Key) == 0) {
		w.add(w.options["by_id"], "%s: options: by_id is for upserts by an alternate key", w.where).
			Advise("remove it, or say mode: upsert or mirror with a key")
	}
}

// personal keeps personal data out of the hands of those who must not have it.
func (w *whole) personal() {
	if !slices.Contains(w.d.Audiences, "restricted") {
		return
	}
	const advice = "remove restricted from audiences: it is for people who must not handle personal data"
	if w.d.PII {
		w.say("audiences", "the audience restricted may drop files, and the destination is marked pii").Advise(advice)
		return
	}
	for _, c := range w.d.Columns {
		if c.PII {
			w.say("audiences", "the audience restricted may drop files, and the column %s on line %d is marked pii", quote(c.From), c.Line).Advise(advice)
			return
		}
	}
}

// identifying are the columns by which records are found, those aside that could not be read.
func (w *whole) identifying() []string {
	return slices.DeleteFunc(slices.Concat(w.d.Key, w.d.MatchOn), func(column string) bool { return column == "" })
}

// constantly tells whether the filter gives a column one value.
func (w *whole) constantly(column string) bool {
	return slices.ContainsFunc(w.d.Filter, func(c Constant) bool { return c.Column == column && !c.Null })
}

// mapped checks the columns section against key and filter.
func (w *whole) mapped() {
	d := w.d
	if d.Columns == nil {
		return
	}
	key := w.identifying()
	for _, column := range key {
		if !w.constantly(column) && !slices.ContainsFunc(d.Columns, func(c Column) bool { return c.To == column }) {
			w.say("columns", "no column is mapped to %s of the key", quote(column)).Advise("add a line to columns that leads there")
		}
	}
	for _, c := range d.Columns {
		at := w.where + ": columns: " + quote(c.From)
		for _, f := range d.Filter {
			if c.To == f.Column {
				w.add(c.Line, "%s leads to %s, which the filter on line %d gives every row", at, quote(c.To), f.Line).
					Advise("remove the line from columns, or say {skip: true} where the file has the column")
			}
		}
		if d.Mode == Delete && len(key) > 0 && (c.Associate != "" || c.To != "" && !slices.Contains(key, c.To)) {
			w.add(c.Line, "%s leads to what is no part of the key, and mode delete writes no columns", at).
				Advise("ignore it: {skip: true}")
		}
	}
}

// chosen checks the lists include and skip, which take the place of columns.
func (w *whole) chosen() {
	for _, name := range []string{"include", "skip"} {
		if w.lines[name] != 0 && w.lines["columns"] != 0 {
			w.say(name, "%s is for files whose headers are logical names, and columns says where each column goes", name).
				Advise("remove %s; in columns, {skip: true} ignores a column", name)
			return
		}
	}
	if w.lines["include"] != 0 && w.lines["skip"] != 0 {
		w.say("skip", "both include and skip are given").Advise("keep one: what include does not name is skipped")
		return
	}
	has := func(list []string, column string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, column) })
	}
	for _, column := range w.identifying() {
		if w.constantly(column) {
			continue
		}
		if w.d.Include != nil && !has(w.d.Include, column) {
			w.say("include", "include leaves out %s of the key", quote(column)).Advise("add it")
		}
		if has(w.d.Skip, column) {
			w.say("skip", "skip leaves out %s of the key", quote(column)).Advise("remove it from the list")
		}
	}
	for _, f := range w.d.Filter {
		if has(w.d.Include, f.Column) {
			w.say("include", "include names %s, which the filter on line %d gives every row", quote(f.Column), f.Line).Advise("remove it from the list")
		}
	}
}
