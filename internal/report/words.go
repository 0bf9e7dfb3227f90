package report

import (
	"fmt"
	"strconv"
	"strings"
)

// cellReasons say what is wrong with a cell, by the reject's code.
var cellReasons = map[string]string{
	"key_missing":            "is empty, and rows are found by it",
	"too_long":               "is too long",
	"not_a_number":           "is not a number",
	"not_whole":              "is not a whole number",
	"out_of_range":           "is too large or too small",
	"too_precise":            "has more digits than the table keeps",
	"not_a_boolean":          "is neither yes nor no",
	"not_a_date":             "is not a date",
	"has_time":               "has a time of day where only a date fits",
	"unknown_choice":         "is none of the choices",
	"ambiguous_choice":       "is the name of several choices",
	"too_many_choices":       "has too many choices",
	"not_a_guid":             "is not a record id",
	"nested_value":           "holds a list or an object instead of one value",
	"control_character":      "has a character that Dataverse refuses",
	"ambiguous_time":         "is a time that the clocks show twice",
	"state_contradiction":    "belongs to another state than the row's",
	"lookup_not_found":       "names a record that does not exist",
	"lookup_ambiguous":       "names several records",
	"lookup_not_addressable": "names a record of the same file by a value that Dataverse does not take",
	"cell_error":             "holds an error of the spreadsheet",
	"no_date":                "is shown as a date and is none",
	"invalid_text":           "has characters that cannot be read",
	"bad_encoding":           "has characters that cannot be read",
}

// rowReasons say what is wrong with a row, by the reject's code. The codes with 0x are Dataverse's.
var rowReasons = map[string]string{
	"ragged_row":       "the row has too many or too few cells",
	"bad_quoting":      "the quotation marks in the row are wrong",
	"bad_json":         "the line is not valid JSON",
	"not_an_object":    "the line is not a JSON object",
	"duplicate_member": "a name comes twice in the row",
	"empty_name":       "a value in the row has no name",
	"duplicate_key":    "the same key comes again in the file",
	"ambiguous_key":    "several records have this key",
	"bad_key":          "the key has a value that no query takes",
	"merged_cell":      "cells are merged",
	"not_found":        "the table has no such record",
	"0x80040217":       "a record that the row refers to does not exist",
	"0x80060891":       "a record that the row refers to does not exist",
	"0x80040237":       "another record has the same key",
	"0x80060892":       "another record has the same key",
	"0x80044331":       "a text is longer than its column takes",
	"0x8004432f":       "a number is outside its column's range",
	"0x80044330":       "a number is outside its column's range",
	"0x8004431a":       "a value is none of its column's choices",
	"0x80040239":       "a date is outside what Dataverse takes",
	"0x80040200":       "a required column is empty",
	"0x80040278":       "a text has a character that Dataverse refuses",
	"0x80040227":       "other records refer to it, so Dataverse does not delete it",
	"0x80040265":       "a business rule or plug-in of the environment refused the row",
	"0x8004f507":       "the application user may not write one of the columns",
}

// Words is the reason as part of a sentence: "“Email” is too long".
func (r RejectReason) Words() string {
	subject := "a cell"
	if r.Column != "" {
		subject = "“" + r.Column + "”"
	}
	code := strings.ToLower(r.Code)
	if words, ok := cellReasons[code]; ok {
		return subject + " " + words
	}
	words, ok := rowReasons[code]
	switch {
	case ok:
	case strings.HasPrefix(code, "0x"):
		words = "Dataverse did not take the row (" + r.Code + ")"
	default:
		words = "of " + strings.ReplaceAll(r.Code, "_", " ")
	}
	if r.Column != "" {
		words += " (" + subject + ")"
	}
	return words
}

// things are what rows of well-known tables are called.
var things = map[string][2]string{
	"contact": {"person", "people"},
	"account": {"account", "accounts"},
	"lead":    {"lead", "leads"},
}

// count is a number of rows by the table's word for them: "4,997 people".
func (r Report) count(n int64) string { return number(n) + " " + r.thing(n) }

func (r Report) thing(n int64) string {
	words, ok := things[r.Table]
	if !ok {
		words = [2]string{"row", "rows"}
	}
	if n == 1 {
		return words[0]
	}
	return words[1]
}

// number groups digits: 4,997.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func was(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// duration is a number of seconds as people say it: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min".
func duration(seconds float64) string {
	whole := int64(seconds + 0.5)
	switch {
	case seconds < 9.95:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
	case whole < 60:
		return fmt.Sprintf("%d s", whole)
	case whole < 3600:
		return fmt.Sprintf("%d min %d s", whole/60, whole%60)
	}
	minutes := (whole + 30) / 60
	return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
}

// sentence makes text one: a capital first, a full stop last.
func sentence(text string) string {
	text = capital(strings.TrimSpace(text))
	if text != "" && !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return text
}

func capital(text string) string {
	if text != "" && 'a' <= text[0] && text[0] <= 'z' {
		return string(text[0]-'a'+'A') + text[1:]
	}
	return text
}
