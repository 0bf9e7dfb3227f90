package metadata

import "penstock/internal/dataversetest/schema"

// language is English (United States), the base language of the emulated organisation.
const language = 1033

type label = object

// label is a text in the organisation's languages, of which there is one; empty texts have none.
func newLabel(text string, managed bool, id ...string) label {
	if text == "" {
		return label{{"LocalizedLabels", []object{}}, {"UserLocalizedLabel", nil}}
	}
	localized := object{
		{"Label", text}, {"LanguageCode", language}, {"IsManaged", managed},
		{"MetadataId", schema.ID(append([]string{"label"}, id...)...)}, {"HasChanged", nil},
	}
	return label{{"LocalizedLabels", []object{localized}}, {"UserLocalizedLabel", localized}}
}

// managed is a setting that a solution may lock.
func managed(value any, changeable bool, name string) object {
	return object{{"Value", value}, {"CanBeChanged", changeable}, {"ManagedPropertyLogicalName", name}}
}
