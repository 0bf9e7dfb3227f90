package infra_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"penstock/infra"
	"penstock/internal/asl"
	"penstock/internal/fault"
)

// resource is what these tests look at. Short intrinsics (!Ref, !GetAtt, !Sub) read as their text.
type resource struct {
	Type       string `yaml:"Type"`
	Properties struct {
		Timeout                 int               `yaml:"Timeout"`
		CodeURI                 any               `yaml:"CodeUri"`
		DefinitionURI           string            `yaml:"DefinitionUri"`
		DefinitionSubstitutions map[string]string `yaml:"DefinitionSubstitutions"`
		Events                  map[string]struct {
			Type       string         `yaml:"Type"`
			Properties map[string]any `yaml:"Properties"`
		} `yaml:"Events"`
	} `yaml:"Properties"`
}

func resources(t *testing.T) map[string]resource {
	t.Helper()
	var template struct {
		Resources map[string]resource `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(read(t, "../template.yaml"), &template); err != nil {
		t.Fatal(err)
	}
	return template.Resources
}

func ofType(t *testing.T, kind string) []string {
	t.Helper()
	var names []string
	for name, r := range resources(t) {
		if r.Type == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// substitutions are the template's, as the functions' names in place of their ARNs.
func substitutions(t *testing.T) map[string]string {
	t.Helper()
	machine := resources(t)["LoadMachine"]
	if machine.Properties.DefinitionURI != infra.LoadName {
		t.Fatalf("the machine's definition is %s", machine.Properties.DefinitionURI)
	}
	return machine.Properties.DefinitionSubstitutions
}

func load(t *testing.T) *asl.Machine {
	t.Helper()
	machine, err := asl.Load(infra.Load, infra.LoadName, substitutions(t))
	if err != nil {
		t.Fatal(err)
	}
	return machine
}

func TestTemplateFillsEverySubstitution(t *testing.T) {
	machine := load(t)
	want := slices.Sorted(slices.Values(machine.Substitutions()))
	var got []string
	for name := range substitutions(t) {
		got = append(got, name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("substitutions (-state machine +template):\n%s", diff)
	}
	functions := ofType(t, "AWS::Serverless::Function")
	for _, arn := range machine.Resources() {
		name, ok := strings.CutSuffix(arn, ".Arn")
		if !ok || !slices.Contains(functions, name) {
			t.Errorf("the state machine calls %s, which is no function of the template", arn)
		}
	}
}

// awsErrors are the names that Step Functions and Lambda give to their own errors and that we wait for.
var awsErrors = []string{
	"States.ALL", "States.ItemReaderFailed",
	"Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
	"Lambda.ClientExecutionTimeoutException", "Lambda.Unknown", "Sandbox.Timedout",
}

func TestErrorNamesExist(t *testing.T) {
	known := append([]string{}, awsErrors...)
	for _, kind := range []fault.Kind{fault.Refused, fault.Denied, fault.Throttled, fault.Interrupted, fault.LostTurn, fault.Broken} {
		known = append(known, string(kind))
	}
	for _, name := range load(t).ErrorNames() {
		if !slices.Contains(known, name) {
			t.Errorf("the state machine waits for the error %q, which nobody gives", name)
		}
	}
}

func TestEveryFunctionIsBuiltAndDeployed(t *testing.T) {
	mains, err := filepath.Glob("../functions/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	makefile := string(read(t, "../Makefile"))
	var want []string
	for _, file := range mains {
		folder := filepath.Base(filepath.Dir(file))
		name := strings.ToUpper(folder[:1]) + folder[1:]
		want = append(want, name)
		if !regexp.MustCompile(`(?m)^build-` + name + `:.*NAME=` + folder + ` `).MatchString(makefile) {
			t.Errorf("the Makefile has no target build-%s that builds functions/%s", name, folder)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, ofType(t, "AWS::Serverless::Function")); diff != "" {
		t.Errorf("functions (-folders +template):\n%s", diff)
	}
}

// Rule M3: a Task waits longer than its function can run, or Step Functions
// would call again while the first call still writes.
func TestTasksOutlastTheirFunctions(t *testing.T) {
	var definition any
	if err := yaml.Unmarshal(infra.Load, &definition); err != nil {
		t.Fatal(err)
	}
	functions, names := resources(t), substitutions(t)
	tasks := 0
	eachTask(definition, func(task map[string]any) {
		tasks++
		called, _ := task["Resource"].(string)
		name := strings.TrimSuffix(names[strings.Trim(called, "${}")], ".Arn")
		seconds, _ := strconv.Atoi(fmt.Sprint(task["TimeoutSeconds"]))
		if longest := functions[name].Properties.Timeout; longest == 0 || seconds <= longest {
			t.Errorf("the task of %s waits %d s, the function runs up to %d s", name, seconds, longest)
		}
	})
	if tasks == 0 {
		t.Error("no task was found")
	}
}

func eachTask(value any, visit func(map[string]any)) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			eachTask(v, visit)
		}
	case map[string]any:
		if value["Type"] == "Task" {
			visit(value)
		}
		for _, v := range value {
			eachTask(v, visit)
		}
	}
}

// Rule T4: who takes a turn over waits for the longest function, so the code must know how long that is.
func TestLongestFunctionIsKnown(t *testing.T) {
	longest := 0
	for _, r := range resources(t) {
		longest = max(longest, r.Properties.Timeout)
	}
	source := read(t, "../functions/internal/edge/wire.go")
	match := regexp.MustCompile(`longestFunction = (\d+) \* time\.Minute`).FindSubmatch(source)
	if match == nil {
		t.Fatal("functions/internal/edge does not say how long a function may run")
	}
	minutes, _ := strconv.Atoi(string(match[1]))
	if got, want := time.Duration(minutes)*time.Minute, time.Duration(longest)*time.Second; got != want {
		t.Errorf("edge waits for functions of %v, the template allows %v", got, want)
	}
}

// The rule about executions that died must pass over the state machine's own
// end in failure: that run has its report, with the reason in it.
func TestOwnFailureIsNoDeath(t *testing.T) {
	var definition struct {
		States map[string]struct {
			Type  string `yaml:"Type"`
			Error string `yaml:"Error"`
		} `yaml:"States"`
	}
	if err := yaml.Unmarshal(infra.Load, &definition); err != nil {
		t.Fatal(err)
	}
	pattern, err := json.Marshal(resources(t)["Finish"].Properties.Events["ExecutionDied"].Properties["Pattern"])
	if err != nil {
		t.Fatal(err)
	}
	fails := 0
	for name, state := range definition.States {
		if state.Type != "Fail" {
			continue
		}
		fails++
		if !strings.Contains(string(pattern), `{"anything-but":["`+state.Error+`"]}`) {
			t.Errorf("state %s ends with the error %q, which the rule ExecutionDied takes for a death: %s", name, state.Error, pattern)
		}
	}
	if fails != 1 {
		t.Errorf("the state machine has %d Fail states", fails)
	}
}

// The example schedule is off, and its input is a start like any other once Scheduler has filled it in.
func TestExampleScheduleIsAStart(t *testing.T) {
	event := resources(t)["LoadMachine"].Properties.Events["Nightly"]
	if state := event.Properties["State"]; event.Type != "ScheduleV2" || state != "DISABLED" {
		t.Errorf("the example is a %s, %v", event.Type, state)
	}
	input := strings.NewReplacer(
		"<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3",
		"<aws.scheduler.scheduled-time>", "2026-03-01T01:00:00Z",
		"${InboxBucket}", "penstock-inboxbucket-1q2w3e4r5t6z",
	).Replace(fmt.Sprint(event.Properties["Input"]))
	var got, want any
	if err := json.Unmarshal([]byte(input), &got); err != nil {
		t.Fatalf("%v in %s", err, input)
	}
	if err := json.Unmarshal(read(t, "../events/scheduled.json"), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the schedule's input (-events/scheduled.json +template):\n%s", diff)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// state is what the tests of the order look at.
type state struct {
	Type    string
	Next    string
	Default string
	Choices []struct {
		Variable     string
		StringEquals string
		Next         string
	}
	Catch []struct{ Next string }
}

func states(t *testing.T) map[string]state {
	t.Helper()
	var definition struct {
		States map[string]state `yaml:"States"`
	}
	// The fields have the names that the language gives them, capitals and all.
	var raw any
	if err := yaml.Unmarshal(infra.Load, &raw); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(data, &definition)
	}
	if err != nil {
		t.Fatal(err)
	}
	return definition.States
}

// before lists how a state is reached: "STATE", or "STATE when VARIABLE is VALUE".
func before(all map[string]state, name string) []string {
	var ways []string
	for from, s := range all {
		if s.Next == name || s.Default == name {
			ways = append(ways, from)
		}
		for _, c := range s.Choices {
			if c.Next == name {
				ways = append(ways, fmt.Sprintf("%s when %s is %s", from, c.Variable, c.StringEquals))
			}
		}
		for _, c := range s.Catch {
			if c.Next == name {
				ways = append(ways, from+" failing")
			}
		}
	}
	slices.Sort(ways)
	return ways
}

// The order that keeps rows safe: nothing touches the target before the file is proven and the turn
// is taken, nothing is loaded before the table was seen clear,
// or known where that matters, nothing is swept before all is loaded.
func TestOrder(t *testing.T) {
	all := states(t)
	for name, want := range map[string][]string{
		"TakeTurn":        {"Proven? when $.prepared.state is proven", "WaitForTurn"},
		"Clear?":          {"Mine? when $.turn.state is mine"},
		"BeginToClear":    {"Clear? when $.prepared.mode is truncate"},
		"SurveyToClear":   {"BeginToClear", "Clear", "Cleared? when $.clear.state is more", "WaitToClear"},
		"Clear":           {"Cleared? when $.clear.state is found"},
		"Compare?":        {"Clear?"},
		"SurveyToCompare": {"BeginToCompare", "Compared? when $.compare.state is more"},
		"Load":            {"Cleared? when $.clear.state is clear", "Compare?", "Compared? when $.compare.state is done"},
		"Link?":           {"Load"},
		"Sweep?":          {"Link", "Link?"},
		"BeginToSweep":    {"Sweep? when $.prepared.mode is mirror"},
		"SurveyToSweep":   {"BeginToSweep", "Stale? when $.sweep.state is more"},
		"Sweep":           {"Stale? when $.sweep.state is found"},
	} {
		if diff := cmp.Diff(want, before(all, name)); diff != "" {
			t.Errorf("ways to %s (-want +got):\n%s", name, diff)
		}
	}
	for name, s := range all {
		if (s.Type == "Task" || s.Type == "Map") && name != "Finish" && (len(s.Catch) != 1 || s.Catch[0].Next != "Finish") {
			t.Errorf("what fails in %s does not end in Finish", name)
		}
	}
}

// All Maps are the same but for what they are about, so that what was thought of for one holds for all.
func TestMapsAreAlike(t *testing.T) {
	var definition struct {
		States map[string]map[string]any `yaml:"States"`
	}
	if err := yaml.Unmarshal(infra.Load, &definition); err != nil {
		t.Fatal(err)
	}
	alike := func(name string) string {
		m := definition.States[name]
		if m["Type"] != "Map" {
			t.Fatalf("%s is no Map", name)
		}
		delete(m, "Comment")
		delete(m, "Next")
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		plain := regexp.MustCompile(`\$\.(prepared\.phases\.\w+|clear|sweep)\.key`).ReplaceAllString(string(text), "KEY")
		plain = regexp.MustCompile(`"phase(\.\$)?":"[^"]*"`).ReplaceAllString(plain, `"phase":""`)
		return strings.ReplaceAll(plain, "To"+name, "")
	}
	want := alike("Load")
	for _, name := range []string{"Clear", "Link", "Sweep"} {
		if diff := cmp.Diff(want, alike(name)); diff != "" {
			t.Errorf("%s (-Load +%s):\n%s", name, name, diff)
		}
	}
}
