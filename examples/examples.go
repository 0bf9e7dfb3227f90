// Package examples carries the files that the demo drops and the README uses.
package examples

import "embed"

// Files holds penstock.yaml and the data it names.
//
//go:embed penstock.yaml *.csv *.jsonl
var Files embed.FS
