// Function receive decides which run an arrived object is and starts it, once.
package main

import (
	"penstock/functions/internal/edge"
	"penstock/internal/run"
)

func main() { edge.Start((*run.Steps).Receive) }
