// Function turn queues for and takes the turn of a run's target.
package main

import (
	"penstock/functions/internal/edge"
	"penstock/internal/run"
)

func main() { edge.Start((*run.Steps).Turn) }
