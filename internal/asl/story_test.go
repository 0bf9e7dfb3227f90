package asl

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const definition = "../../infra/load.asl.yaml"

// loadDefinition loads the project's state machine; ApplyFunction becomes "apply" and WorkBucket "workbucket".
func loadDefinition(t testing.TB) *Machine {
	t.Helper()
	data, err := os.ReadFile(definition)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, found := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(string(data), -1) {
		short := strings.TrimSuffix(found[1], "Function")
		names[found[1]] = strings.ToLower(short)
	}
	m, err := Load(data, definition, names)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	delivered = `{"v":1,"run":"run1","destination":"loyalty-members","audience":"business","arrived":"2026-03-01T02:00:05.000Z"}`
	proven    = `{"state":"proven","mode":"upsert","folder":"runs/loyalty-members/run1/","phases":{"load":{"key":"runs/loyalty-members/run1/load.json","chunks":2}},"parallel":1}`
)

// TestStories runs the project's state machine through what can become of a
// delivery. testdata holds what every function was called with and the history;
// after a change of the definition: go test ./internal/asl -run Stories -update.
func TestStories(t *testing.T) {
	one := `[{"n":0,"key":"chunks/00000"}]`
	chunks := map[string]string{"workbucket/runs/loyalty-members/run1/load.json": `[{"n":0,"key":"chunks/load-00000"},{"n":1,"key":"chunks/load-00001"}]`}
	for _, story := range []struct {
		name    string
		answers map[string][]string
		objects map[string]string
	}{
		{"refused", map[string][]string{
			"prepare": {`{"state":"refused","reason":{"code":"too_many_rejects"}}`},
			"finish":  {`{"state":"refused","read":10}`},
		}, nil},
		{"loaded", map[string][]string{ // waits its turn; the first chunk needs two calls, the second is interrupted once
			"prepare": {"!Lambda.TooManyRequestsException: Rate exceeded", proven},
			"turn":    {`{"state":"waiting","behind":"run0","seconds":15}`, `{"state":"waiting","behind":"run0","seconds":30}`, `{"state":"mine","epoch":12}`},
			"apply":   {`{"state":"more","cursor":{"at":5000}}`, `{"state":"done"}`, "!Interrupted: connection reset", `{"state":"done"}`},
			"finish":  {`{"state":"succeeded","read":20000,"written":20000}`},
		}, chunks},
		{"superseded", map[string][]string{
			"prepare": {proven}, "turn": {`{"state":"superseded","by":"run9"}`}, "finish": {`{"state":"skipped"}`},
		}, nil},
		{"truncated", map[string][]string{ // clears in two rounds, waits for a job, and only then loads
			"prepare": {`{"state":"more","folder":"runs/loyalty-members/run1/"}`, strings.Replace(proven, "upsert", "truncate", 1)}, "turn": {`{"state":"mine","epoch":12}`},
			"survey": {`{"state":"waiting","seconds":15}`, `{"state":"more","cursor":"c1","phase":"clear-0"}`, `{"state":"found","phase":"clear-0","key":"runs/loyalty-members/run1/clear-0.json","chunks":1}`,
				`{"state":"found","phase":"clear-1","key":"runs/loyalty-members/run1/clear-1.json","chunks":1}`, `{"state":"clear"}`},
			"apply": {`{"state":"done"}`}, "finish": {`{"state":"succeeded","read":20000}`},
		}, map[string]string{"workbucket/runs/loyalty-members/run1/load.json": one, "workbucket/runs/loyalty-members/run1/clear-0.json": one, "workbucket/runs/loyalty-members/run1/clear-1.json": one}},
		{"not cleared", map[string][]string{ // the guard: nothing is deleted, nothing loaded
			"prepare": {strings.Replace(proven, "upsert", "truncate", 1)}, "turn": {`{"state":"mine","epoch":12}`},
			"survey": {`{"state":"refused","reason":{"code":"too_many_deletes"}}`}, "finish": {`{"state":"refused","read":20000}`},
		}, nil},
		{"mirrored", map[string][]string{ // loads, links, and deletes what the file lacks
			"prepare": {strings.NewReplacer("upsert", "mirror", `"chunks":2}`, `"chunks":1},"link":{"key":"runs/loyalty-members/run1/link.json","chunks":1}`).Replace(proven)},
			"turn":    {`{"state":"mine","epoch":12}`},
			"survey":  {`{"state":"more","cursor":"c1","phase":"sweep-0"}`, `{"state":"found","phase":"sweep-0","key":"runs/loyalty-members/run1/sweep-0.json","chunks":1}`},
			"apply":   {`{"state":"done"}`}, "finish": {`{"state":"succeeded","read":20000}`},
		}, map[string]string{"workbucket/runs/loyalty-members/run1/load.json": one, "workbucket/runs/loyalty-members/run1/link.json": one, "workbucket/runs/loyalty-members/run1/sweep-0.json": one}},
		{"compared", map[string][]string{ // a mirror of only the changes looks before it loads what is there
			"prepare": {strings.NewReplacer("upsert", "mirror", `"parallel"`, `"compare":true,"parallel"`).Replace(proven)},
			"turn":    {`{"state":"mine","epoch":12}`},
			"survey":  {`{"state":"more","cursor":"c1","phase":"compare"}`, `{"state":"done"}`, `{"state":"clear"}`},
			"apply":   {`{"state":"done"}`}, "finish": {`{"state":"succeeded","read":20000}`},
		}, chunks},
		{"not compared", map[string][]string{ // what was refused is not loaded
			"prepare": {strings.NewReplacer("upsert", "mirror", `"parallel"`, `"compare":true,"parallel"`).Replace(proven)},
			"turn":    {`{"state":"mine","epoch":12}`},
			"survey":  {`{"state":"refused","reason":{"code":"organization_changed"}}`}, "finish": {`{"state":"refused","read":20000}`},
		}, nil},
		{"broken", map[string][]string{ // the first chunk breaks, the second never starts, the run is accounted for
			"prepare": {proven}, "turn": {`{"state":"mine","epoch":12}`}, "apply": {"!Broken: chunk is damaged"}, "finish": {`{"state":"failed","read":20000}`},
		}, chunks},
		{"no list", map[string][]string{
			"prepare": {proven}, "turn": {`{"state":"mine","epoch":12}`}, "finish": {`{"state":"failed"}`},
		}, nil},
		{"prepare interrupted", map[string][]string{
			"prepare": {"!Interrupted: 503"}, "finish": {`{"state":"failed"}`},
		}, nil},
	} {
		t.Run(story.name, func(t *testing.T) {
			w := &world{answers: story.answers, objects: story.objects}
			output, err := loadDefinition(t).Run(t.Context(), w.env(), json.RawMessage(delivered))
			golden(t, filepath.Join("testdata", strings.ReplaceAll(story.name, " ", "-")+".golden"), tell(w, output, err))
		})
	}
}

func tell(w *world, output json.RawMessage, err error) string {
	var out strings.Builder
	out.WriteString(w.history())
	out.WriteString("\ncalls\n")
	for _, input := range w.inputs {
		out.WriteString("  " + input + "\n")
	}
	if err != nil {
		out.WriteString("\nfailed: " + err.Error() + "\n")
	} else {
		out.WriteString("\noutput: " + string(output) + "\n")
	}
	return out.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestDefinition: the file is wholly within the subset, and tasks whose retries
// the rules ask for have them.
func TestDefinition(t *testing.T) {
	m := loadDefinition(t)
	for _, function := range []string{"prepare", "turn", "survey", "apply", "finish"} {
		if !slices.Contains(m.Resources(), function) {
			t.Errorf("no Task calls %s", function)
		}
	}
	for _, name := range []string{"Interrupted", "Throttled", "Lambda.TooManyRequestsException"} {
		if !slices.Contains(m.ErrorNames(), name) {
			t.Errorf("nothing retries %s", name)
		}
	}
}

// TestTurnLoop (rule M2): waiting for a turn costs 9 events a time, so that with
// waits of 300 s the history lasts for more than a week.
func TestTurnLoop(t *testing.T) {
	w := &world{answers: map[string][]string{
		"prepare": {proven}, "turn": append(slices.Repeat([]string{`{"state":"waiting","seconds":300}`}, 2500), `{"state":"superseded"}`), "finish": {`{"state":"skipped"}`},
	}}
	if _, err := loadDefinition(t).Run(t.Context(), w.env(), json.RawMessage(delivered)); err != nil {
		t.Fatal(err)
	}
	loops := 0
	for _, e := range w.events {
		if e.Type == "WaitStateExited" {
			loops++
		}
	}
	if per := float64(len(w.events)) / float64(loops); loops != 2500 || per > 9.1 {
		t.Errorf("%d turns of the loop at %.2f events", loops, per)
	}
}

// TestLoopsStayWithinTheHistory (rule M2): the longest wait for a turn, the longest wait for the service's
// job and all rounds of clearing, or all calls that read a table twice, fit into one history.
func TestLoopsStayWithinTheHistory(t *testing.T) {
	found := `{"state":"found","phase":"clear-0","key":"runs/loyalty-members/run1/load.json","chunks":2}`
	more := slices.Repeat([]string{`{"state":"more","cursor":"c1"}`}, 200)
	for name, story := range map[string]struct {
		prepared string
		survey   []string
	}{
		"truncate": {strings.Replace(proven, "upsert", "truncate", 1),
			slices.Concat(slices.Repeat([]string{`{"state":"waiting","seconds":300}`}, 600), more, []string{found, found, found, `{"state":"clear"}`})},
		"mirror of only changes": {strings.NewReplacer("upsert", "mirror", `"parallel"`, `"compare":true,"parallel"`).Replace(proven),
			slices.Concat(more, []string{`{"state":"done"}`}, more, []string{found, `{"state":"clear"}`})},
	} {
		w := &world{
			answers: map[string][]string{
				"prepare": append(slices.Repeat([]string{`{"state":"more"}`}, 200), story.prepared),
				"turn":    append(slices.Repeat([]string{`{"state":"waiting","seconds":300}`}, 600), `{"state":"mine","epoch":12}`),
				"survey":  story.survey, "apply": {`{"state":"done"}`}, "finish": {`{"state":"succeeded"}`},
			},
			objects: map[string]string{"workbucket/runs/loyalty-members/run1/load.json": `[{"n":0,"key":"c0"},{"n":1,"key":"c1"}]`},
		}
		if _, err := loadDefinition(t).Run(t.Context(), w.env(), json.RawMessage(delivered)); err != nil {
			t.Fatal(err)
		}
		if n := len(w.events); n > 15000 {
			t.Errorf("%s: %d events of 25,000", name, n)
		}
		if left := len(w.answers["survey"]); left != 1 {
			t.Errorf("%s: %d answers of the survey were not asked for", name, left-1)
		}
	}
}
