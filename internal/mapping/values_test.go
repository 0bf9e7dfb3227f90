package mapping

import (
	"strings"
	"testing"

	"penstock/internal/config"
)

// TestSettingsThatMakeNoSense are refused, once each, with their line.
func TestSettingsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct {
		set  config.Values
		want string
	}{
		{config.Values{Decimal: ";"}, `decimal is ";"`},
		{config.Values{Thousands: "_"}, `thousands is "_"`},
		{config.Values{Thousands: "."}, `decimal and thousands are both "."`},
		{config.Values{Decimal: ",", Thousands: ","}, `decimal and thousands are both ","`},
		{config.Values{True: []string{"ja"}, False: []string{" JA"}}, `stands in both lists`},
		{config.Values{True: []string{" "}}, `empty word`},
		{config.Values{Dates: []string{"DD.MM.YY"}}, `the layout "DD.MM.YY" has YY`},
		{config.Values{Zone: "Europe/Atlantis"}, `there is no time zone "Europe/Atlantis"`},
		{config.Values{Zone: "Local"}, `there is no time zone "Local"`},
	} {
		c.set.Nulls = config.SkipNulls
		general := withRules(appendTo(), config.Column{From: "F", To: "firstname"}, config.Column{From: "L", To: "lastname", Values: config.Values{Trim: "both"}})
		general.Values, general.Line = c.set, 4
		codes, all := refusals(t, second(Compile(general, contact(), []string{"F", "L"}, nil)))
		if codes != WrongOption || !strings.Contains(all, "line 4 of the configuration: ") || !strings.Contains(all, c.want) {
			t.Errorf("of the destination: %s %s, want %s", codes, all, c.want)
		}
		to := "new_score"
		switch {
		case c.set.True != nil:
			to = "donotemail"
		case c.set.Dates != nil || c.set.Zone != "":
			to = "birthdate"
		}
		own := withRules(appendTo(), config.Column{From: "F", Line: 12, To: to, Values: c.set})
		codes, all = refusals(t, second(Compile(own, contact(), []string{"F"}, nil)))
		if codes != WrongOption || !strings.Contains(all, `column "F": line 12 of the configuration: `) || !strings.Contains(all, c.want) {
			t.Errorf("of a column: %s %s, want %s", codes, all, c.want)
		}
	}
}

// TestSettingsThatDoNotFit the column's type would be silently ignored; the destination's may fit others.
func TestSettingsThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		to   string
		rule config.Column
		want string
	}{
		{"firstname", config.Column{Values: config.Values{Decimal: ","}}, "decimal and thousands are for numbers, and firstname has the type String (remove decimal and thousands)"},
		{"birthdate", config.Column{Values: config.Values{Thousands: ","}}, "for numbers"},
		{"new_no", config.Column{Values: config.Values{True: []string{"ja"}}}, "for yes/no columns"},
		{"new_no", config.Column{Values: config.Values{Dates: []string{"ISO"}}}, "for dates and times"},
		{"firstname", config.Column{Values: config.Values{Zone: "UTC"}}, "for dates and times"},
		{"new_no", config.Column{Values: config.Values{Empty: "-"}}, "for texts"},
		{"gendercode", config.Column{Values: config.Values{Trim: "both"}}, "for texts"},
		{"ownerid", config.Column{Values: config.Values{Normalise: "nfc"}}, "for texts"},
		{"gendercode", config.Column{Separator: "|"}, "separator is for columns whose cells hold several values, and gendercode has the type Picklist (remove separator)"},
	} {
		c.rule.From, c.rule.To = "F", c.to
		codes, all := refusals(t, second(Compile(withRules(appendTo(), c.rule), contact(), []string{"F"}, nil)))
		if codes != WrongOption || !strings.Contains(all, c.want) {
			t.Errorf("%s: %s %s, want %s", c.to, codes, all, c.want)
		}
		general := withRules(appendTo(), config.Column{From: "F", To: c.to})
		general.Values = c.rule.Values
		if c.rule.Thousands == "," {
			general.Values.Decimal = ","
			general.Values.Thousands = "."
		}
		if _, err := Compile(general, contact(), []string{"F"}, nil); err != nil {
			t.Errorf("%s, of the destination: %v", c.to, err)
		}
	}
}

// TestHashOfSettings: whatever changes what is written changes the hash, where it stands does not (rule H1).
func TestHashOfSettings(t *testing.T) {
	base := config.Column{From: "F", Line: 3, To: "firstname"}
	hash := func(general config.Values, rule config.Column) string {
		dest := withRules(appendTo(), rule, config.Column{From: "G", To: "new_topics"})
		dest.Values = general
		columns := []string{"F", "G"}
		if rule.Value != nil || rule.Template != "" {
			columns = columns[1:]
		}
		return compile(t, dest, columns...).Hash()
	}
	rule := func(change func(*config.Column)) config.Column {
		c := base
		change(&c)
		return c
	}
	if hash(config.Values{}, base) != hash(config.Values{}, rule(func(c *config.Column) { c.Line, c.PII = 9, true })) {
		t.Error("a line's place counts")
	}
	seen := map[string]string{hash(config.Values{}, base): "base"}
	for name, h := range map[string]string{
		"nulls":            hash(config.Values{Nulls: config.ClearNulls}, base),
		"empty":            hash(config.Values{Empty: "-"}, base),
		"decimal":          hash(config.Values{Decimal: ","}, base),
		"thousands":        hash(config.Values{Thousands: ","}, base),
		"true":             hash(config.Values{True: []string{"ja"}}, base),
		"false":            hash(config.Values{False: []string{"ja"}}, base),
		"dates":            hash(config.Values{Dates: []string{"DD.MM.YYYY"}}, base),
		"zone":             hash(config.Values{Zone: "UTC"}, base),
		"trim":             hash(config.Values{Trim: "both"}, base),
		"normalise":        hash(config.Values{Normalise: "nfc"}, base),
		"nfkc":             hash(config.Values{Normalise: "nfkc"}, base),
		"own nulls":        hash(config.Values{}, rule(func(c *config.Column) { c.Nulls = config.ClearNulls })),
		"own trim":         hash(config.Values{}, rule(func(c *config.Column) { c.Trim = "both" })),
		"default":          hash(config.Values{}, rule(func(c *config.Column) { c.Default = ptr("a") })),
		"another default":  hash(config.Values{}, rule(func(c *config.Column) { c.Default = ptr("b") })),
		"value":            hash(config.Values{}, rule(func(c *config.Column) { c.Value = ptr("a") })),
		"another value":    hash(config.Values{}, rule(func(c *config.Column) { c.Value = ptr("b") })),
		"template":         hash(config.Values{}, rule(func(c *config.Column) { c.Template = "{G}" })),
		"another template": hash(config.Values{}, rule(func(c *config.Column) { c.Template = "{G}!" })),
	} {
		if other := seen[h]; other != "" {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}
