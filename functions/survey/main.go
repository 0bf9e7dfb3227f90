// Function survey looks what is in the target now, and says what has to be deleted or known before a load.
package main

import (
	"penstock/functions/internal/edge"
	"penstock/internal/run"
)

func main() { edge.Start((*run.Steps).Survey) }
