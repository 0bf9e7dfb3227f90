package schema

import (
	"encoding/json"
	"fmt"
)

// Encode writes an organisation so that Decode reads it back as it is. The form is the emulator's own, for its database
// files; it changes with the types above.
func Encode(o *Organization) ([]byte, error) {
	copied := o.Clone()
	copied.Sets = nil
	for _, t := range copied.Tables {
		t.Incoming = nil // the other ends of Outgoing
	}
	data, err := json.Marshal(copied)
	if err != nil {
		return nil, fmt.Errorf("encode organisation: %w", err)
	}
	return data, nil
}

// Decode reads what Encode has written.
func Decode(data []byte) (*Organization, error) {
	var o Organization
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, fmt.Errorf("decode organisation: %w", err)
	}
	// What several tables share was written once for each of them.
	shared := map[string]*Many{}
	for _, name := range o.Names() {
		t := o.Tables[name]
		for i, m := range t.Many {
			if shared[m.SchemaName] == nil {
				shared[m.SchemaName] = m
			}
			t.Many[i] = shared[m.SchemaName]
		}
		for _, c := range t.Columns {
			if c.Options != nil && c.Options.IsGlobal && o.GlobalChoices[c.Options.Name] != nil {
				c.Options = o.GlobalChoices[c.Options.Name]
			}
		}
	}
	o.Reindex()
	return &o, nil
}
