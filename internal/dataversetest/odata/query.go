// Package odata parses the URLs of OData v4 as the Dataverse Web API speaks it.
package odata

import (
	"net/url"
	"strconv"
	"strings"
)

// Query is the options of a request.
type Query struct {
	Select    []string
	Expand    []Expand
	Filter    Expr
	OrderBy   []Order
	Top       *int
	Count     bool
	SkipToken string
	Apply     string
	Search    string
	Format    string
	Aliases   map[string]string // "@p" to its text
	Other     url.Values        // fetchXml, savedQuery, tag, partitionId …
	Raw       string            // as received, for next links
}

// Expand is a navigation property to read along.
type Expand struct {
	Name  string
	Ref   bool // only references: nav/$ref
	Query *Query
}

// Order is one term of an $orderby.
type Order struct {
	By   Expr
	Desc bool
}

// ParseQuery parses the part of a URL after the question mark.
func ParseQuery(rawQuery string) (*Query, error) {
	q := &Query{Aliases: map[string]string{}, Other: url.Values{}, Raw: rawQuery}
	options := map[string]string{}
	for part := range strings.SplitSeq(rawQuery, "&") {
		name, value, err := unescapePair(part)
		if err != nil {
			return nil, err
		}
		switch {
		case name == "" && value == "":
		case strings.HasPrefix(name, "@"):
			q.Aliases[name] = value
		case strings.HasPrefix(name, "$"):
			if _, twice := options[name]; twice {
				return nil, refuse("Query option '%s' was specified more than once, but it must be specified at most once.", name)
			}
			options[name] = value
		default:
			q.Other.Add(name, value)
		}
	}
	for name, value := range options {
		if err := q.set(name, value); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func unescapePair(part string) (name, value string, err error) {
	name, value, _ = strings.Cut(part, "=")
	if name, err = url.QueryUnescape(name); err == nil {
		value, err = url.QueryUnescape(value)
	}
	if err != nil {
		return "", "", refuse("Bad Request - Error in query syntax.")
	}
	return name, value, nil
}

func (q *Query) set(name, value string) (err error) {
	switch name {
	case "$select":
		q.Select, err = names(value)
	case "$expand":
		q.Expand, err = parseExpand(value, q.Aliases, 0)
	case "$filter":
		q.Filter, err = ParseExpr(value, q.Aliases)
	case "$orderby":
		q.OrderBy, err = parseOrder(value, q.Aliases)
	case "$top":
		q.Top, err = count(value, "$top")
	case "$count":
		q.Count, err = parseBool(value)
	case "$skiptoken":
		q.SkipToken = value
	case "$apply":
		q.Apply = value
	case "$search":
		q.Search = value
	case "$format":
		q.Format = value
	case "$deltatoken", "$id":
		q.Other.Set(name, value)
	case "$skip":
		// Dataverse pages with tokens only.
		return &Error{Status: 501, Code: CodeSyntax, Message: "Skip Clause is not supported in CRM"}
	default:
		return refuse("The query parameter '%s' is not supported.", name)
	}
	return err
}

func names(value string) ([]string, error) {
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	var out []string
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" || strings.ContainsAny(name, "'() ") {
			return nil, refuse("Term '%s' is not valid in a $select or $expand expression.", value)
		}
		out = append(out, name)
	}
	return out, nil
}

func count(value, option string) (*int, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
	if err != nil || n < 0 {
		return nil, refuse("Invalid value '%s' for %s query option found. The %s query option requires a non-negative integer value.", value, option, option)
	}
	i := int(n)
	return &i, nil
}

func parseBool(value string) (bool, error) {
	switch strings.TrimSpace(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, refuse("Invalid value '%s' for $count query option found. Valid values are 'true' and 'false'.", value)
}

func parseOrder(value string, aliases map[string]string) ([]Order, error) {
	var out []Order
	for _, term := range Split(value, ',') {
		term = strings.TrimSpace(term)
		desc := false
		if text, ok := strings.CutSuffix(term, " desc"); ok {
			term, desc = text, true
		} else if text, ok := strings.CutSuffix(term, " asc"); ok {
			term = text
		}
		by, err := ParseExpr(term, aliases)
		if err != nil {
			return nil, err
		}
		out = append(out, Order{By: by, Desc: desc})
	}
	return out, nil
}

// parseExpand reads a list of navigation properties, each with its options in parentheses.
func parseExpand(value string, aliases map[string]string, depth int) ([]Expand, error) {
	if depth > 20 {
		return nil, refuse("The $expand clause is nested too deeply.")
	}
	var out []Expand
	for _, term := range Split(value, ',') {
		term = strings.TrimSpace(term)
		e := Expand{Name: term, Query: &Query{Aliases: aliases, Other: url.Values{}}}
		if open := strings.IndexByte(term, '('); open >= 0 {
			if !strings.HasSuffix(term, ")") {
				return nil, refuse("Found an unbalanced bracket expression.")
			}
			e.Name = strings.TrimSpace(term[:open])
			if err := e.Query.options(term[open+1:len(term)-1], depth+1); err != nil {
				return nil, err
			}
		}
		e.Name, e.Ref = strings.CutSuffix(e.Name, "/$ref")
		if e.Name == "" {
			return nil, refuse("Term '%s' is not valid in a $select or $expand expression.", value)
		}
		out = append(out, e)
	}
	return out, nil
}

// options reads the semicolon-separated options of an expanded property.
func (q *Query) options(text string, depth int) error {
	seen := map[string]bool{}
	for _, option := range Split(text, ';') {
		name, value, ok := strings.Cut(strings.TrimSpace(option), "=")
		if name = strings.TrimSpace(name); !ok {
			return refuse("Term '%s' is not valid in a $select or $expand expression.", option)
		}
		if seen[name] {
			return refuse("Query option '%s' was specified more than once, but it must be specified at most once.", name)
		}
		seen[name] = true
		var err error
		if name == "$expand" {
			q.Expand, err = parseExpand(value, q.Aliases, depth)
		} else {
			err = q.set(name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Split cuts at a separator that stands outside of quotes and brackets. An empty text has no parts.
func Split(text string, sep byte) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var parts []string
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == sep && depth == 0:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}
