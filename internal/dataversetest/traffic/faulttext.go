package traffic

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// ParseFault reads a fault as it stands on a command line: what it does, then
// options by the names of its JSON form. A value with a comma or a quotation mark
// in it is quoted as in Go; a bare option means true.
//
//	drop-after:every=7,path=UpsertMultiple
//	sql-timeout:min_rows=500
//	first-use:racing
//	status-after:status=502,probability=0.01,seed=3
func ParseFault(text string) (Fault, error) {
	what, rest, _ := strings.Cut(text, ":")
	f := Fault{What: strings.TrimSpace(what)}
	if _, ok := kinds[f.What]; !ok {
		return Fault{}, fmt.Errorf("fault %q: unknown fault%s", text, didYouMean(f.What, faultNames()))
	}
	seen := map[string]bool{}
	for strings.TrimSpace(rest) != "" {
		name, value, left, err := nextOption(rest)
		if err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
		if seen[name] {
			return Fault{}, fmt.Errorf("fault %q: %s is given twice", text, name)
		}
		if err := f.assign(name, value); err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
		seen[name], rest = true, left
	}
	if err := f.Validate(); err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return f, nil
}

// nextOption takes "name=value" or "name" off the front of a comma-separated list.
func nextOption(text string) (name, value, rest string, err error) {
	end := strings.IndexAny(text, "=,")
	if end < 0 {
		return strings.TrimSpace(text), "true", "", nil
	}
	name, rest = strings.TrimSpace(text[:end]), text[end+1:]
	if text[end] == ',' {
		return name, "true", rest, nil
	}
	if !strings.HasPrefix(rest, `"`) {
		value, rest, _ = strings.Cut(rest, ",")
		return name, value, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", "", "", fmt.Errorf("%s: the quotation mark is not closed", name)
	}
	if value, err = strconv.Unquote(quoted); err != nil {
		return "", "", "", fmt.Errorf("%s: %w", name, err)
	}
	if rest = rest[len(quoted):]; rest != "" && rest[0] != ',' {
		return "", "", "", fmt.Errorf("%s: a comma is missing after %s", name, quoted)
	}
	return name, value, strings.TrimPrefix(rest, ","), nil
}

// assign sets the option of f that JSON calls name.
func (f *Fault) assign(name, value string) error {
	fields := reflect.ValueOf(f).Elem()
	i := slices.Index(optionNames, name)
	if i < 0 {
		return fmt.Errorf("unknown option %q%s", name, didYouMean(name, optionNames))
	}
	var err error
	switch p := fields.Field(i + 1).Addr().Interface().(type) {
	case *string:
		*p = value
	case *int:
		*p, err = strconv.Atoi(value)
	case *uint64:
		*p, err = strconv.ParseUint(value, 10, 64)
	case *float64:
		*p, err = strconv.ParseFloat(value, 64)
	case *bool:
		*p, err = strconv.ParseBool(value)
	case *Duration:
		err = p.UnmarshalText([]byte(value))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// optionNames are the JSON names of Fault's fields after What, in order.
var optionNames = jsonNames(reflect.TypeFor[Fault]())[1:]

type option struct{ name, value string }

// set lists the options of f that are not zero, in the order of its fields.
func (f Fault) set() []option {
	fields := reflect.ValueOf(f)
	var list []option
	for i, name := range optionNames {
		if field := fields.Field(i + 1); !field.IsZero() {
			list = append(list, option{name, fmt.Sprint(field.Interface())})
		}
	}
	return list
}

// String writes f as ParseFault reads it.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.What)
	separator := byte(':')
	for _, o := range f.set() {
		b.WriteByte(separator)
		b.WriteString(o.name)
		if o.value != "true" {
			b.WriteString("=" + quoteIfNeeded(o.value))
		}
		separator = ','
	}
	return b.String()
}

func quoteIfNeeded(value string) string {
	if strings.ContainsAny(value, `,"`) {
		return strconv.Quote(value)
	}
	return value
}
