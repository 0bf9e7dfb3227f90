package mapping

import (
	"fmt"
	"time"
	_ "time/tzdata" // where a function runs there is no zone database

	"golang.org/x/text/unicode/norm"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
)

// values are a destination's settings of how cells are read, or a column's, ready for use.
type values struct {
	numbers  notation
	words    words
	calendar calendar
	text     textRules
}

// textRules are what becomes of a text before it is converted.
type textRules struct {
	empty     string // the cell that stands for an empty text
	trim      bool
	normalise bool
	form      norm.Form
}

// compileValues makes the destination's settings ready and checks those of columns.
func (m *Mapping) compileValues() (all []error) {
	m.values, all = newValues(m.dest.Values, "", m.dest.Line)
	general := m.dest.Values
	if all != nil { // told once, not again for each column
		general = config.Values{}
	}
	for i := range m.dest.Columns {
		if rule := &m.dest.Columns[i]; stated(rule.Values) {
			_, wrong := newValues(merge(rule.Values, general), rule.From, rule.Line)
			all = append(all, wrong...)
		}
	}
	return all
}

// valuesOf are the settings by which a column's cells are read.
func (m *Mapping) valuesOf(c *column) *values {
	switch {
	case c.fixed != nil:
		return m.values.configured()
	case c.rule == nil || !stated(c.rule.Values):
		return m.values
	}
	own, _ := newValues(merge(c.rule.Values, m.dest.Values), c.from, c.rule.Line)
	return own
}

// configured are the settings for values that stand in the configuration: it is
// written in the notation of programs, however the file is.
func (v *values) configured() *values {
	return &values{words: v.words, calendar: calendar{zone: v.calendar.zone}}
}

// newValues checks settings: column and line say whose they are.
func newValues(v config.Values, column string, line int) (*values, []error) {
	var all []error
	wrong := func(text string) {
		if text != "" {
			all = append(all, misset(WrongOption, line, column, "%s", text).Advise("correct the configuration"))
		}
	}
	set := &values{text: newTextRules(v)}
	var text string
	set.numbers, text = newNotation(v.Decimal, v.Thousands)
	wrong(text)
	set.words, text = newWords(v.True, v.False)
	wrong(text)
	set.calendar, text = newCalendar(v.Dates, v.Zone)
	wrong(text)
	return set, all
}

// misset is a fault about a setting. The line goes into the text, because the
// place of a fault about a file is the file's.
func misset(code string, line int, column, format string, args ...any) *fault.Error {
	text := fmt.Sprintf(format, args...)
	if line > 0 {
		text = fmt.Sprintf("line %d of the configuration: %s", line, text)
	}
	return refuse(code, column, "%s", text)
}

func newTextRules(v config.Values) textRules {
	rules := textRules{empty: v.Empty, trim: v.Trim == "both", normalise: v.Normalise != ""}
	if v.Normalise == "nfkc" {
		rules.form = norm.NFKC
	}
	return rules
}

// newCalendar takes layouts and zone. What is wrong comes back as text.
func newCalendar(layouts []string, zone string) (c calendar, wrong string) {
	for _, text := range layouts {
		l, wrong := parseLayout(text)
		if wrong != "" {
			return c, fmt.Sprintf("the layout %q %s", text, wrong)
		}
		c.layouts = append(c.layouts, l)
	}
	if zone == "" {
		return c, ""
	}
	// "Local" would be the zone of whatever machine this is.
	found, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return c, fmt.Sprintf("there is no time zone %q: names are those of the IANA database, such as Europe/Berlin or UTC", zone)
	}
	c.zone = found
	return c, ""
}

// merge lays a column's settings over the destination's.
func merge(own, general config.Values) config.Values {
	v := general
	for _, s := range []struct {
		own string
		to  *string
	}{
		{own.Empty, &v.Empty}, {own.Decimal, &v.Decimal}, {own.Thousands, &v.Thousands},
		{own.Zone, &v.Zone}, {own.Trim, &v.Trim}, {own.Normalise, &v.Normalise}, {string(own.Nulls), (*string)(&v.Nulls)},
	} {
		if s.own != "" {
			*s.to = s.own
		}
	}
	if own.Dates != nil {
		v.Dates = own.Dates
	}
	if own.True != nil {
		v.True = own.True
	}
	if own.False != nil {
		v.False = own.False
	}
	return v
}

// stated tells whether a column has settings of its own.
func stated(v config.Values) bool {
	return v.Nulls != "" || v.Empty != "" || v.Decimal != "" || v.Thousands != "" || v.True != nil || v.False != nil ||
		v.Dates != nil || v.Zone != "" || v.Trim != "" || v.Normalise != ""
}

// fits refuses settings of a column that its type does not know, as they would be
// silently ignored. Cells that name records by a column of theirs are read like
// cells of that column.
func (c *column) fits() error {
	rule, kind, named := c.ruled(), c.to.Type, c.by != nil || c.isList()
	for _, s := range []struct {
		stated, fits bool
		names, are   string
	}{
		{rule.Decimal != "" || rule.Thousands != "", widest[kind] != [2]string{} || named, "decimal and thousands", "are for numbers"},
		{rule.True != nil || rule.False != nil, kind == dataverse.Boolean || named, "true and false", "are for yes/no columns"},
		{rule.Dates != nil || rule.Zone != "", kind == dataverse.DateTime || named, "dates and zone", "are for dates and times"},
		{rule.Trim != "" || rule.Normalise != "", c.isText || named, "trim and normalise", "are for texts"},
		{rule.Empty != "", c.isText, "empty", "is for texts"},
		{rule.Separator != "", kind == dataverse.MultiSelect || c.isList(), "separator", "is for columns whose cells hold several values"},
	} {
		if s.stated && !s.fits {
			return misset(WrongOption, rule.Line, c.from, "%s %s, and %s has the type %s", s.names, s.are, c.to.Name, kind).Advise("remove %s", s.names)
		}
	}
	return nil
}
