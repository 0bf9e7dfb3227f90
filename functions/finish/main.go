// Function finish accounts for every row of a run, reports, and gives the turn back.
package main

import (
	"penstock/functions/internal/edge"
	"penstock/internal/run"
)

func main() { edge.Start((*run.Steps).Finish) }
