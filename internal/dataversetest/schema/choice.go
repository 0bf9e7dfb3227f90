package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrUsed says that something else still needs what was to be dropped.
var ErrUsed = errors.New("cannot be deleted because it is referenced by other components")

// ChoiceID is the MetadataId of a global choice.
func ChoiceID(name string) string { return ID("optionset", name) }

// CreateChoice adds a global choice: the body of POST GlobalOptionSetDefinitions.
func (o *Organization) CreateChoice(body []byte) (*OptionSet, error) {
	var given jsonOptionSet
	if err := json.Unmarshal(body, &given); err != nil {
		return nil, fmt.Errorf("the option set %w: %w", ErrInvalid, err)
	}
	if err := o.checkNew(strings.ToLower(given.Name), o.GlobalChoices[given.Name] != nil, "option set"); err != nil {
		return nil, err
	}
	set := given.convert()
	set.IsGlobal = true
	set.number()
	o.GlobalChoices[set.Name] = set
	return set, nil
}

// UpdateChoice takes over the display name: the body of PUT GlobalOptionSetDefinitions(…).
func (o *Organization) UpdateChoice(set *OptionSet, body []byte) error {
	var given jsonOptionSet
	if err := json.Unmarshal(body, &given); err != nil {
		return fmt.Errorf("the option set %w: %w", ErrInvalid, err)
	}
	set.DisplayName = orWord(given.DisplayName.text(), set.DisplayName)
	return nil
}

// DropChoice removes a global choice, unless a column has it.
func (o *Organization) DropChoice(set *OptionSet) error {
	for _, t := range o.Tables {
		for _, c := range t.Columns {
			if c.Options == set {
				return fmt.Errorf("the OptionSet(%s) component %w", ChoiceID(set.Name), ErrUsed)
			}
		}
	}
	delete(o.GlobalChoices, set.Name)
	return nil
}

// Choice finds a global choice by the key in parentheses of its address: its MetadataId, or Name='…'.
func (o *Organization) Choice(key string) *OptionSet {
	if name, ok := strings.CutPrefix(key, "Name='"); ok {
		return o.GlobalChoices[strings.TrimSuffix(name, "'")]
	}
	for name, set := range o.GlobalChoices {
		if strings.EqualFold(ChoiceID(name), key) {
			return set
		}
	}
	return nil
}

// bound is the global choice that a new column names by its address.
func (o *Organization) bound(address string) (*OptionSet, error) {
	_, key, _ := strings.Cut(address, "GlobalOptionSetDefinitions(")
	set := o.Choice(strings.TrimSuffix(key, ")"))
	if set == nil {
		return nil, fmt.Errorf("the option set %s %w", address, ErrMissing)
	}
	return set, nil
}

// number gives options without a value the next ones of a publisher's range.
func (s *OptionSet) number() {
	next := 100_000_000
	for i := range s.Options {
		o := &s.Options[i]
		if o.Value == 0 && len(s.Options) > 1 && i > 0 {
			o.Value = next
		}
		next = max(next, o.Value+1)
	}
}
