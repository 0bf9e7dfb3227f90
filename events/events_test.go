// Package events_test keeps the samples true: what waits in AWS today is decoded by the code of tomorrow.
package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/run"
	"penstock/internal/store"
)

// A sample that a deployed version has sent stays here unchanged: fields are
// only ever added, so it must decode, and lose nothing on the way back.
var samples = map[string]func([]byte) (any, error){
	"receive-out.json":             strict[run.Received],
	"receive-out-part.json":        strict[run.Received],
	"prepare.json":                 strict[run.Start],
	"prepare-manifest.json":        strict[run.Start],
	"prepare-list.json":            strict[run.Start],
	"scheduled.json":               strict[run.Start],
	"prepare-out.json":             strict[run.Prepared],
	"prepare-out-refused.json":     strict[run.Prepared],
	"prepare-out-compare.json":     strict[run.Prepared],
	"prepare-again.json":           strict[run.PrepareIn],
	"prepare-out-more.json":        strict[run.Prepared],
	"turn.json":                    strict[run.TurnIn],
	"turn-waiting.json":            strict[run.TurnIn],
	"turn-execution.json":          strict[run.TurnIn],
	"turn-out.json":                strict[run.Turn],
	"turn-out-waiting.json":        strict[run.Turn],
	"turn-out-skipped.json":        strict[run.Turn],
	"survey.json":                  strict[run.SurveyIn],
	"survey-again.json":            strict[run.SurveyIn],
	"survey-compare.json":          strict[run.SurveyIn],
	"survey-out-done.json":         strict[run.Surveyed],
	"survey-out-found.json":        strict[run.Surveyed],
	"survey-out-more.json":         strict[run.Surveyed],
	"survey-out-waiting.json":      strict[run.Surveyed],
	"survey-out-refused.json":      strict[run.Surveyed],
	"apply.json":                   strict[run.ApplyIn],
	"apply-out.json":               strict[run.Applied],
	"apply-out-more.json":          strict[run.Applied],
	"finish.json":                  strict[run.FinishIn],
	"finish-refused.json":          strict[run.FinishIn],
	"finish-after-error.json":      strict[run.FinishIn],
	"finish-after-load-error.json": strict[run.FinishIn],
	"finish-after-clear.json":      strict[run.FinishIn],
	"finish-after-sweep.json":      strict[run.FinishIn],
	"finish-after-compare.json":    strict[run.FinishIn],
	"finish-execution.json":        strict[run.FinishIn],
	"finish-out.json":              strict[run.Finished],
	"finish-out-after-sweep.json":  strict[run.Finished],
}

// AWS adds fields to its events, so these are not held to ours.
var triggers = []string{"s3-object-created.json", "s3-manifest-created.json", "execution-failed.json", "execution-aborted.json"}

func TestSamplesKeepEveryField(t *testing.T) {
	for name, decode := range samples {
		t.Run(name, func(t *testing.T) {
			data := read(t, name)
			value, err := decode(data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(generic(t, data), generic(t, again)); diff != "" {
				t.Errorf("decoded and encoded again (-sample +again):\n%s", diff)
			}
		})
	}
}

func TestEverySampleIsHeld(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	held := slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(samples)), triggers...)))
	if diff := cmp.Diff(files, held); diff != "" {
		t.Errorf("samples (-here +decoded by a test):\n%s", diff)
	}
}

// The samples of a run are one story: receive makes prepare.json of the event.
func TestReceiveStartsWhatPrepareGets(t *testing.T) {
	for event, want := range map[string]struct{ start, answer string }{
		"s3-object-created.json":   {"prepare.json", "receive-out.json"},
		"s3-manifest-created.json": {"prepare-manifest.json", ""},
	} {
		t.Run(event, func(t *testing.T) {
			name, input, received := receive(t, event, "")
			if diff := cmp.Diff(generic(t, read(t, want.start)), generic(t, input)); diff != "" {
				t.Errorf("the execution's input (-%s +receive):\n%s", want.start, diff)
			}
			if name != received.Run {
				t.Errorf("the execution is called %s, the run %s", name, received.Run)
			}
			if want.answer != "" {
				sameAnswer(t, want.answer, received)
			}
		})
	}
}

// The files that a manifest will name start nothing.
func TestReceiveWaitsForTheManifest(t *testing.T) {
	name, _, received := receive(t, "s3-manifest-created.json", "inbox/business/members/2026-03-01/members_0000_part_00.gz")
	if name != "" {
		t.Errorf("run %s was started", name)
	}
	sameAnswer(t, "receive-out-part.json", received)
}

// receive hands an event to the step, with another key if there is one, and says which execution it started.
func receive(t *testing.T, sample, key string) (name string, input []byte, received run.Received) {
	t.Helper()
	var event run.Event
	if err := json.Unmarshal(read(t, sample), &event); err != nil {
		t.Fatal(err)
	}
	if key != "" {
		event.Detail.Object.Key = key
	}
	work, err := store.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer work.Close()
	steps := &run.Steps{Work: work, Launch: func(_ context.Context, n string, in []byte) (bool, error) {
		name, input = n, in
		return true, nil
	}}
	if received, err = steps.Receive(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	return name, input, received
}

func sameAnswer(t *testing.T, sample string, received run.Received) {
	t.Helper()
	out, err := json.Marshal(received)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(generic(t, read(t, sample)), generic(t, out)); diff != "" {
		t.Errorf("receive answers (-%s +receive):\n%s", sample, diff)
	}
}

// What Step Functions tells of an execution that died holds its input as text: the start of the run.
func TestExecutionDied(t *testing.T) {
	for _, name := range []string{"execution-failed.json", "execution-aborted.json"} {
		t.Run(name, func(t *testing.T) {
			var event struct {
				Source     string `json:"source"`
				DetailType string `json:"detail-type"`
				Detail     struct {
					Name   string `json:"name"`
					Status string `json:"status"`
					Input  string `json:"input"`
				} `json:"detail"`
			}
			if err := json.Unmarshal(read(t, name), &event); err != nil {
				t.Fatal(err)
			}
			if event.Source != "aws.states" || event.DetailType != "Step Functions Execution Status Change" {
				t.Errorf("it is a %q of %q", event.DetailType, event.Source)
			}
			value, err := strict[run.Start]([]byte(event.Detail.Input))
			if err != nil {
				t.Fatal(err)
			}
			if start := value.(run.Start); start.Run != event.Detail.Name {
				t.Errorf("the execution is called %s, the run %s", event.Detail.Name, start.Run)
			}
		})
	}
}

func strict[T any](data []byte) (any, error) {
	var value T
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&value)
	return value, err
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func generic(t *testing.T, data []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
