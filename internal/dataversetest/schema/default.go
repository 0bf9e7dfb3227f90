package schema

import (
	"bytes"
	_ "embed"
)

//go:embed default.yaml
var defaultYAML []byte

// Default returns a new copy of the built-in organisation: account, contact, lead, marketing lists, campaigns,
// activities, users and teams as a Dynamics 365 environment has them, a custom table with every type of column
// (cr1_parcel), and an elastic one (cr1_reading).
func Default() *Organization {
	org, err := LoadYAML(bytes.NewReader(defaultYAML))
	if err != nil {
		panic(err) // the file is embedded; a test loads it
	}
	return org
}
