package metadata

import (
	"sort"
	"strconv"

	"penstock/internal/dataversetest/schema"
)

// optionSet is the choice of a column, its own or the global one.
func (c *catalog) optionSet(t *schema.Table, column *schema.Column) []*node {
	set := column.Options
	if set == nil {
		set = &schema.OptionSet{}
	}
	if set.Name == "" {
		named := *set
		named.Name = t.LogicalName + "_" + column.LogicalName
		set = &named
	}
	return []*node{choiceNode(set, optionSetType(column), column.DisplayName)}
}

func (c *catalog) globalOptionSet(column *schema.Column) []*node {
	if column.Options == nil || !column.Options.IsGlobal {
		return nil
	}
	return []*node{choiceNode(column.Options, optionSetType(column), choiceLabel(column.Options))}
}

func choiceLabel(set *schema.OptionSet) string {
	if set.DisplayName != "" {
		return set.DisplayName
	}
	return set.Name
}

func optionSetType(column *schema.Column) string {
	switch column.Type {
	case schema.TypeBoolean:
		return "Boolean"
	case schema.TypeState:
		return "State"
	case schema.TypeStatus:
		return "Status"
	}
	return "Picklist"
}

func (c *catalog) globalChoices() []*node {
	names := make([]string, 0, len(c.org.GlobalChoices))
	for name := range c.org.GlobalChoices {
		names = append(names, name)
	}
	sort.Strings(names)
	var nodes []*node
	for _, name := range names {
		nodes = append(nodes, choiceNode(c.org.GlobalChoices[name], "Picklist", choiceLabel(c.org.GlobalChoices[name])))
	}
	return nodes
}

func choiceNode(set *schema.OptionSet, kind, display string) *node {
	n := &node{kind: "OptionSetMetadata", ident: schema.ChoiceID(set.Name), keys: []field{{"Name", set.Name}}, fields: func() object { return optionSetFields(set, kind, display) }}
	if kind == "Boolean" {
		n.kind = "BooleanOptionSetMetadata"
	}
	return n
}

func optionSetFields(set *schema.OptionSet, kind, display string) object {
	fields := object{
		{"MetadataId", schema.ChoiceID(set.Name)}, {"HasChanged", nil}, {"IsCustomOptionSet", set.IsGlobal}, {"IsGlobal", set.IsGlobal},
		{"IsManaged", !set.IsGlobal}, {"Name", set.Name}, {"ExternalTypeName", nil}, {"OptionSetType", enum{"OptionSetType", kind}},
		{"IntroducedVersion", "5.0.0.0"}, {"ParentOptionSetName", nil}, {"Description", newLabel("", false)},
		{"DisplayName", newLabel(display, false, "optionset", set.Name)}, {"IsCustomizable", managed(true, true, "iscustomizable")},
	}
	if kind != "Boolean" {
		options := make([]object, 0, len(set.Options))
		for _, o := range set.Options {
			options = append(options, optionFields(set, o, kind))
		}
		return append(fields, field{"Options", options})
	}
	for _, o := range set.Options {
		name := "FalseOption"
		if o.Value == 1 {
			name = "TrueOption"
		}
		fields = append(fields, field{name, optionFields(set, o, kind)})
	}
	return fields
}

func optionFields(set *schema.OptionSet, o schema.Option, kind string) object {
	var fields object
	switch kind {
	case "State":
		fields = object{{"@odata.type", "#Microsoft.Dynamics.CRM.StateOptionMetadata"}, {"DefaultStatus", o.DefaultStatus}, {"InvariantName", o.InvariantName}}
	case "Status":
		fields = object{{"@odata.type", "#Microsoft.Dynamics.CRM.StatusOptionMetadata"}, {"State", o.State}, {"TransitionData", nil}}
	}
	return append(fields,
		field{"Value", o.Value}, field{"Color", nil}, field{"IsManaged", false}, field{"ExternalValue", ""},
		field{"ParentValues", []int{}}, field{"Tag", nil}, field{"IsHidden", false}, field{"MetadataId", nil}, field{"HasChanged", nil},
		field{"Label", newLabel(o.Label, false, "option", set.Name, strconv.Itoa(o.Value))}, field{"Description", newLabel("", false)})
}
