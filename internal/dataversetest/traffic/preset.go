package traffic

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// limitPresets are limits by name.
var limitPresets = map[string]func() Limits{
	"off":     func() Limits { return Limits{Servers: 1, DOPHint: DefaultLimits().DOPHint} },
	"default": DefaultLimits,
	"production": func() Limits { // several servers, and the hint that was seen in production
		l := DefaultLimits()
		l.Servers, l.DOPHint = 4, 50
		return l
	},
	"fast": func() Limits { // the rates of the default in windows of 5 s, so that an experiment takes seconds
		l := DefaultLimits()
		l.Scale = 1.0 / 60
		return l
	},
}

// costPresets are cost models by name.
var costPresets = map[string]func() Costs{
	"none":    func() Costs { return Costs{} },
	"typical": TypicalCosts,
	"slow": func() Costs { // many columns, and plug-ins on every table
		c := TypicalCosts()
		c.Row = Duration(40 * time.Millisecond)
		return c
	},
}

// ParseLimits reads limits as they stand on a command line: a preset (off, default, production, fast), then members by
// the names of their JSON form.
//
//	default
//	fast,servers=3
//	requests=600,window=1m,concurrency=10
func ParseLimits(text string) (Limits, error) {
	l, err := parsePreset(text, limitPresets, "default")
	if err == nil {
		err = l.Validate()
	}
	if err != nil {
		return Limits{}, fmt.Errorf("limits %q: %w", text, err)
	}
	return l, nil
}

// ParseCosts reads a cost model in the same form: none, typical or slow, then members, with dots into verbs and tables.
//
//	typical
//	typical,row=5ms,verbs.upsert=3
//	request=20ms,tables.contact.plug_in=40ms
func ParseCosts(text string) (Costs, error) {
	c, err := parsePreset(text, costPresets, "none")
	if err == nil {
		err = c.Validate()
	}
	if err != nil {
		return Costs{}, fmt.Errorf("cost %q: %w", text, err)
	}
	return c, nil
}

func parsePreset[T any](text string, presets map[string]func() T, standard string) (T, error) {
	settings := presets[standard]()
	members := map[string]any{}
	for i, part := range strings.Split(text, ",") {
		name, value, assigned := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case assigned:
			if err := assignPath(members, strings.Split(name, "."), value); err != nil {
				return settings, err
			}
		case i == 0 && presets[name] != nil:
			settings = presets[name]()
		default:
			var known []string
			for preset := range presets {
				known = append(known, preset)
			}
			return settings, fmt.Errorf("unknown preset %q%s", name, didYouMean(name, known))
		}
	}
	data, err := json.Marshal(members)
	if err != nil {
		return settings, err
	}
	return settings, decodeStrict(data, &settings)
}

// assignPath puts a value into nested objects. What reads as a number or a truth value is one.
func assignPath(members map[string]any, path []string, value string) error {
	name := path[0]
	if len(path) > 1 {
		inner, ok := members[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			members[name] = inner
		}
		return assignPath(inner, path[1:], value)
	}
	if _, twice := members[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	members[name] = value
	var typed any
	if json.Unmarshal([]byte(value), &typed) == nil {
		switch typed.(type) {
		case float64, bool:
			members[name] = json.RawMessage(value)
		}
	}
	return nil
}
