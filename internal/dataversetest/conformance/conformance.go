// Package conformance holds what is known of the Dataverse Web API as cases over plain HTTP, one for each fact. It knows
// nothing of who answers: the same cases run against the emulator and against an organisation.
//
// The cases work on tables of their own (prefix cnf), which they create and remove, and on records of their own in those;
// the few records in account, contact and phonecall are deleted at the end. Whoever runs them needs a system customizer's privileges.
package conformance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Service is where the facts are to hold.
type Service struct {
	URL   string                                // of the environment, as https://acme.crm4.dynamics.com
	Token func(context.Context) (string, error) // a bearer token that is valid for the next minutes
	HTTP  *http.Client                          // nil for http.DefaultClient

	// Marks are the confidences whose facts are tested, of "DSOI"; empty for all. A fact marked I that fails
	// against an organisation is something learned, not a defect.
	Marks string
	// Keep leaves the tables there at the end: the next run begins sooner.
	Keep bool
	// Patience is how long the organisation may take to make a table or an index usable; 0 is three minutes.
	Patience time.Duration
}

// mark is how a fact is known.
type mark byte

const (
	documented mark = 'D' // by Microsoft
	seen       mark = 'S' // in a client's source code or in a published trace
	inferred   mark = 'I' // or general knowledge that nobody has verified
)

type fact struct {
	mark mark
	name string
	run  func(*probe)
}

var topics = []struct {
	name  string
	facts []fact
}{
	{"service", serviceFacts},
	{"rows", rowFacts},
	{"values", valueFacts},
	{"refusals", refusalFacts},
	{"keys", keyFacts},
	{"links", linkFacts},
	{"activities", activityFacts},
	{"filters", filterFacts},
	{"queries", queryFacts},
	{"fetch", fetchFacts},
	{"batch", batchFacts},
	{"bulk", bulkFacts},
	{"elastic", elasticFacts},
	{"jobs", jobFacts},
	{"metadata", metadataFacts},
	{"files", fileFacts},
	{"changes", changeFacts},
}

// Run tests every fact against the service.
func Run(t *testing.T, s Service) {
	s.URL = strings.TrimRight(s.URL, "/")
	if s.HTTP == nil {
		s.HTTP = http.DefaultClient
	}
	if s.Patience == 0 {
		s.Patience = 3 * time.Minute
	}
	w := prepare(t, &s)
	for _, topic := range topics {
		t.Run(topic.name, func(t *testing.T) {
			for _, f := range topic.facts {
				t.Run("["+string(f.mark)+"] "+f.name, func(t *testing.T) {
					if s.Marks != "" && !strings.ContainsRune(s.Marks, rune(f.mark)) {
						t.Skipf("facts marked %c are not asked for", f.mark)
					}
					f.run(newProbe(t, w))
				})
			}
		})
	}
}
