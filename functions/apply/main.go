// Function apply writes one chunk.
package main

import (
	"penstock/functions/internal/edge"
	"penstock/internal/run"
)

func main() { edge.Start((*run.Steps).Apply) }
