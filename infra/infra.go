// Package infra carries what AWS runs into the programs that run the same on a laptop.
package infra

import _ "embed"

// Load is the state machine, in the Amazon States Language.
//
//go:embed load.asl.yaml
var Load []byte

// LoadName is its file, for messages.
const LoadName = "infra/load.asl.yaml"
