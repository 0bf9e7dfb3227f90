package run

import "fmt"

// A run's folder in the work store:
//
//	runs/DESTINATION/RUN/run.json                 the decisions (Plan), written once by prepare
//	                     load.json, link.json, clear-0.json, sweep-0.json …  the items of the Maps
//	                     survey/clear-0           what a survey found to delete, written once
//	                     survey/skipped           why nothing was swept
//	                     survey/cursors/…, survey/seen/…  how far a survey is that takes several calls
//	                     executions/MILLISECONDS-HASH   which executions went for the turn; the latest has the run
//	                     survey/asked, survey/job   the service's own deletion: asked for, and how it ended
//	                     present/epoch-…, present/PIECE/…  which keys the table has, for a mirror that sends only changes (present.go)
//	                     cleared                  the table was seen empty: never clear again
//	                     wrote                    since when the run writes, for only_changes
//	                     prepare/ATTEMPT/step-0001.json  how far a prepare is that takes several calls (step.go)
//	                     spool/ATTEMPT/0001-…/partition-000 …  what it has so far; gone at its end
//	                     frames/ATTEMPT/00000-…/00000 …  what is left of a compressed object, to be entered anywhere (reframe.go); gone at its end
//	                     keys/ATTEMPT             hashes of all rows' keys, for mode mirror (keys.go)
//	                     chunks/ATTEMPT/load-00000, link-00000  operations, one JSON object a line
//	                     marks/ATTEMPT/load-00000  hashes of a chunk's rows, for only_changes
//	                     results/ATTEMPT/load-00000.attempt-001/000000 …  a worker's journal
//	                     ended/ATTEMPT/load-00000.attempt-001.rejected-7  how it ended
//	                     failures/ATTEMPT/load-00000              why it ended early
//	                     rejects/…                why rows were rejected, one JSON object a line
//	                     rejects/so-far-ATTEMPT/load-00000.rejected-7   how many rejects a worker that goes on has
//
// ATTEMPT is the attempt at prepare whose plan holds: a journal speaks of places in
// its chunks, so it must never be read against chunks that were cut another time.
//
//	rejects.csv, warnings.csv, undeleted.csv, doubtful.csv, report.json, report.html    the account
func folder(destination, run string) string {
	return "runs/" + destination + "/" + run + "/"
}

func planKey(folder string) string         { return folder + "run.json" }
func phaseKey(folder, phase string) string { return folder + phase + ".json" }
func reportKey(folder string) string       { return folder + "report.json" }
func reportPageKey(folder string) string   { return folder + "report.html" }
func roundKey(folder, phase string) string { return folder + "survey/" + phase }
func jobEndKey(folder string) string       { return folder + "survey/job" }
func jobAskedKey(folder string) string     { return folder + "survey/asked" }
func clearedKey(folder string) string      { return folder + "cleared" }
func wroteKey(folder string) string        { return folder + "wrote" }
func cursorKey(folder, id string) string   { return folder + "survey/cursors/" + id }
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
