package run

import "fmt"

// A run's folder in the work store:
//
//	runs/DESTINATION/RUN/run.json                 the decisions (Plan), written once by prepare
//	                     load.json                the items of the Load state
//	                     chunks/ATTEMPT/load-00000  operations, one JSON object a line
//	                     results/load-00000.attempt-001/000000 …  the worker's journal, and its end
//	                     rejects/…                why rows were rejected, one JSON object a line
//	                     rejects.csv, report.json, report.html    the account
func folder(destination, run string) string {
	return "runs/" + destination + "/" + run + "/"
}

func planKey(folder string) string             { return folder + "run.json" }
func phaseKey(folder, phase string) string     { return folder + phase + ".json" }
func reportKey(folder string) string           { return folder + "report.json" }
func reportPageKey(folder string) string       { return folder + "report.html" }
func chunkName(phase string, n int) string     { return fmt.Sprintf("%s-%05d", phase, n) }
func attemptName(chunk string, k int) string   { return fmt.Sprintf("%s.attempt-%03d", chunk, k) }
func resultsKey(folder, attempt string) string { return folder + "results/" + attempt + "/" }
func rejectsKey(folder, attempt string) string { return folder + "rejects/" + attempt + "/" }
func chunkKey(folder, by string, name string) string {
	return folder + "chunks/" + by + "/" + name
}

// failureKey holds why the latest attempt at a chunk ended early. A Map tells the
// state machine only that some child failed, so Finish finds the reason here.
func failureKey(folder, chunk string) string { return folder + "failures/" + chunk }

// endedKey holds how an attempt ended; the count of rejects stands in the name,
// so that one list tells how many the run has so far.
func endedPrefix(folder string) string { return folder + "ended/" }
func endedKey(folder, attempt string, rejected int) string {
	return fmt.Sprintf("%s%s.rejected-%d", endedPrefix(folder), attempt, rejected)
}
