// Function prepare proves a delivery and cuts it into chunks.
package main

import (
	"penstock/functions/internal/edge"
	"penstock/internal/run"
)

func main() { edge.Start((*run.Steps).Prepare) }
