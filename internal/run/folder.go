package run

import "fmt"

// A run's folder in the work store:
//
//	runs/DESTINATION/RUN/run.json                 the decisions (Plan), written once by prepare
//	                     load.json                the items of the Load state
//	                     chunks/ATTEMPT/load-00000  operations, one JSON object a line
//	                     results/ATTEMPT/load-00000.attempt-001/000000 …  a worker's journal
//	                     ended/ATTEMPT/load-00000.attempt-001.rejected-7  how it ended
//	                     failures/ATTEMPT/load-00000              why it ended early
//	                     rejects/…                why rows were rejected, one JSON object a line
//
// ATTEMPT is the attempt at prepare whose plan holds: a journal speaks of places in
// its chunks, so it must never be read against chunks that were cut another time.
//
//	rejects.csv, report.json, report.html    the account
func folder(destination, run string) string {
	return "runs/" + destination + "/" + run + "/"
}

func planKey(folder string) string         { return folder + "run.json" }
func phaseKey(folder, phase string) string { return folder + phase + ".json" }
func reportKey(folder string) string       { return folder + "report.json" }
func reportPageKey(folder string) string   { return folder + "report.html" }
func chunkName(phase string, n int) string { return fmt.Sprintf("%s-%05d", phase, n) }
func attemptName(by, chunk string, k int) string {
	return fmt.Sprintf("%s/%s.attempt-%03d", by, chunk, k)
}
func resultsKey(folder, attempt string) string { return folder + "results/" + attempt + "/" }
func rejectsKey(folder, attempt string) string { return folder + "rejects/" + attempt + "/" }
func chunkKey(folder, by string, name string) string {
	return folder + "chunks/" + by + "/" + name
}

// failureKey holds why the latest attempt at a chunk ended early. A Map tells the
// state machine only that some child failed, so Finish finds the reason here.
func failureKey(folder, by, chunk string) string { return folder + "failures/" + by + "/" + chunk }

// endedKey holds how an attempt ended; the count of rejects stands in the name,
// so that one list tells how many the run has so far.
func endedPrefix(folder, by string) string { return folder + "ended/" + by + "/" }
func endedKey(folder, attempt string, rejected int) string {
	return fmt.Sprintf("%sended/%s.rejected-%d", folder, attempt, rejected)
}
