package asl

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func script(answers ...string) map[string][]string { return map[string][]string{"f": answers} }

// taskWith is a Task state of function f that ends the machine.
func taskWith(fields string) string { return one("Type: Task\nResource: f\n" + fields) }

// caught is a Task state whose one catcher leads to a Pass that ends the machine.
func caught(catcher string) string {
	return chain(`
S: {Type: Task, Resource: f, Catch: [` + catcher + `], End: true}
C: {Type: Pass, End: true}`)
}

func TestRetry(t *testing.T) {
	runCases(t, []specCase{
		{name: "defaults: 3 retries after 1, 2 and 4 seconds", machine: taskWith("Retry:\n- ErrorEquals: [E]"), answers: script("!E: why"),
			fails: `E: {"errorMessage":"why","errorType":"E"}`, sleeps: secs(1, 2, 4)},
		{name: "a retry may succeed", machine: taskWith("Retry:\n- ErrorEquals: [E]"), answers: script("!E", `"ok"`), want: `"ok"`, sleeps: secs(1)},
		{name: "IntervalSeconds and BackoffRate", machine: taskWith("Retry:\n- ErrorEquals: [E]\n  IntervalSeconds: 3\n  BackoffRate: 1.5"), answers: script("!E"), fails: "E", sleeps: secs(3, 4.5, 6.75)},
		{name: "BackoffRate 1 keeps the interval", machine: taskWith("Retry:\n- ErrorEquals: [E]\n  IntervalSeconds: 3\n  BackoffRate: 1"), answers: script("!E"), fails: "E", sleeps: secs(3, 3, 3)},
		{name: "MaxDelaySeconds caps the delay", machine: taskWith("Retry:\n- ErrorEquals: [E]\n  MaxAttempts: 5\n  MaxDelaySeconds: 5"), answers: script("!E"), fails: "E", sleeps: secs(1, 2, 4, 5, 5)},
		{name: "MaxAttempts 0 never retries", machine: taskWith("Retry:\n- ErrorEquals: [E]\n  MaxAttempts: 0"), answers: script("!E"), fails: "E", sleeps: secs()},
		{name: "JitterStrategy FULL draws below the delay", machine: taskWith("Retry:\n- ErrorEquals: [E]\n  JitterStrategy: FULL\n  MaxAttempts: 2"), answers: script("!E"), fails: "E", sleeps: secs(0.5, 1)},
		{name: "JitterStrategy NONE", machine: taskWith("Retry:\n- ErrorEquals: [E]\n  JitterStrategy: NONE\n  MaxAttempts: 1"), answers: script("!E"), fails: "E", sleeps: secs(1)},
		{name: "attempts count for each retrier by itself", machine: taskWith("Retry:\n- ErrorEquals: [A]\n  MaxAttempts: 2\n- ErrorEquals: [B]\n  IntervalSeconds: 10\n  MaxAttempts: 2"),
			answers: script("!A", "!B", "!A", "!B", "!A"), fails: "A", sleeps: secs(1, 10, 2, 20)},
		{name: "the first retrier that matches decides, used up or not", machine: taskWith("Retry:\n- ErrorEquals: [A]\n  MaxAttempts: 1\n- ErrorEquals: [States.ALL]"), answers: script("!A"), fails: "A", sleeps: secs(1)},
		{name: "a new visit counts anew", machine: chain(`
S: {Type: Task, Resource: f, ResultPath: $.r, Retry: [{ErrorEquals: [E], MaxAttempts: 1}], Next: C}
C: {Type: Choice, Choices: [{Variable: $.r, StringEquals: again, Next: S}], Default: D}
D: {Type: Succeed}`), answers: script("!E", `"again"`, "!E", `"done"`), input: `{}`, want: `{"r":"done"}`, sleeps: secs(1, 1)},
		{name: "names match whole and by case", machine: taskWith("Retry:\n- ErrorEquals: [e, EE]"), answers: script("!E"), fails: "E", sleeps: secs()},
		{name: "States.ALL matches every name", machine: taskWith("Retry:\n- ErrorEquals: [States.ALL]\n  MaxAttempts: 1"), answers: script("!Anything"), fails: "Anything", sleeps: secs(1)},
		{name: "States.TaskFailed matches every name but States.Timeout", machine: taskWith("Retry:\n- ErrorEquals: [States.TaskFailed]\n  MaxAttempts: 1"), answers: script("!E", "!States.Timeout"), fails: "States.Timeout", sleeps: secs(1)},
		{name: "States.Timeout by its name", machine: taskWith("Retry:\n- ErrorEquals: [States.Timeout]\n  MaxAttempts: 1"), answers: script("!States.Timeout", "1"), want: "1", sleeps: secs(1)},
		{name: "States.Runtime is never retried", machine: taskWith("InputPath: $.no\nRetry:\n- ErrorEquals: [States.ALL]"), answers: script("1"), fails: "States.Runtime", sleeps: secs()},
		{name: "States.ParameterPathFailure is matched by States.ALL", machine: taskWith("Parameters: {a.$: $.no}\nRetry:\n- ErrorEquals: [States.ALL]\n  MaxAttempts: 1"), fails: "States.ParameterPathFailure", sleeps: secs(1)},
	})
}

func TestCatch(t *testing.T) {
	runCases(t, []specCase{
		{name: "the error output replaces the input", machine: caught(`{ErrorEquals: [E], Next: C}`), input: `{"a":1}`, answers: script("!E: why"),
			want: `{"Cause":"{\"errorMessage\":\"why\",\"errorType\":\"E\"}","Error":"E"}`},
		{name: "ResultPath adds it to the raw input", machine: caught(`{ErrorEquals: [E], ResultPath: $.error, Next: C}`), input: `{"a":1}`, answers: script("!E: why"),
			want: `{"a":1,"error":{"Cause":"{\"errorMessage\":\"why\",\"errorType\":\"E\"}","Error":"E"}}`},
		{name: "ResultPath null drops it", machine: caught(`{ErrorEquals: [E], ResultPath: null, Next: C}`), input: `{"a":1}`, answers: script("!E"), want: `{"a":1}`},
		{name: "the cause of the service's own errors is plain text", machine: caught(`{ErrorEquals: [States.ALL], Next: C}`), answers: script("!Lambda.TooManyRequestsException: Rate exceeded"),
			want: `{"Cause":"Rate exceeded","Error":"Lambda.TooManyRequestsException"}`},
		{name: "a cause that is a JSON object stays as it is", machine: caught(`{ErrorEquals: [States.ALL], Next: C}`), answers: script(`!E: {"errorMessage":"m","errorType":"E","stackTrace":[]}`),
			want: `{"Cause":"{\"errorMessage\":\"m\",\"errorType\":\"E\",\"stackTrace\":[]}","Error":"E"}`},
		{name: "the first catcher that matches", machine: caught(`{ErrorEquals: [X], ResultPath: $.x, Next: C}, {ErrorEquals: [E], ResultPath: null, Next: C}, {ErrorEquals: [States.ALL], Next: C}`), input: `{}`, answers: script("!E"), want: `{}`},
		{name: "no catcher: the execution fails", machine: caught(`{ErrorEquals: [X], Next: C}`), answers: script("!E"), fails: "E"},
		{name: "Retry comes first", machine: chain(`
S: {Type: Task, Resource: f, Retry: [{ErrorEquals: [E], MaxAttempts: 2}], Catch: [{ErrorEquals: [E], ResultPath: null, Next: C}], End: true}
C: {Type: Pass, End: true}`), input: `{}`, answers: script("!E"), want: `{}`, sleeps: secs(1, 2)},
		{name: "OutputPath and ResultSelector do not apply to it", machine: chain(`
S: {Type: Task, Resource: f, ResultSelector: {x.$: $.r}, OutputPath: $.x, Catch: [{ErrorEquals: [E], ResultPath: $.e, Next: C}], End: true}
C: {Type: Pass, OutputPath: $.a, End: true}`), input: `{"a":1}`, answers: script("!E"), want: `1`},
		{name: "States.TaskFailed does not catch States.Timeout", machine: caught(`{ErrorEquals: [States.TaskFailed], Next: C}`), answers: script("!States.Timeout"), fails: "States.Timeout"},
		{name: "States.ALL catches States.Timeout", machine: caught(`{ErrorEquals: [States.ALL], ResultPath: null, Next: C}`), input: `{}`, answers: script("!States.Timeout"), want: "{}"},
		{name: "States.Runtime is not caught", machine: chain(`
S: {Type: Task, Resource: f, OutputPath: $.no, Catch: [{ErrorEquals: [States.ALL], Next: C}], End: true}
C: {Type: Pass, End: true}`), input: `{}`, answers: script("{}"), fails: "States.Runtime"},
		{name: "States.ResultPathMatchFailure is caught", machine: chain(`
S: {Type: Task, Resource: f, ResultPath: $.a.b, Catch: [{ErrorEquals: [States.ResultPathMatchFailure], ResultPath: null, Next: C}], End: true}
C: {Type: Pass, End: true}`), input: `{"a":1}`, answers: script("{}"), want: `{"a":1}`},
		{name: "a result that is not JSON is States.Runtime", machine: caught(`{ErrorEquals: [States.ALL], Next: C}`), answers: script("{"), fails: "States.Runtime: not JSON"},
		{name: "an empty result is null", machine: taskWith("Comment: nothing"), answers: script(""), want: "null"},
	})
}

func TestDataLimit(t *testing.T) {
	full := `"` + strings.Repeat("x", largestPayload-2) + `"`
	over := `"` + strings.Repeat("x", largestPayload-1) + `"`
	umlauts := `"` + strings.Repeat("ä", largestPayload/2) + `"`
	catch := func(name string) string { return caught(`{ErrorEquals: [` + name + `], ResultPath: null, Next: C}`) }
	runCases(t, []specCase{
		{name: "a result of 262144 bytes passes", machine: taskWith("ResultPath: null"), answers: script(full), input: "{}", want: "{}"},
		{name: "one byte more does not", machine: taskWith("ResultPath: null"), answers: script(over), fails: "States.DataLimitExceeded: 262145"},
		{name: "bytes of UTF-8 count, not characters", machine: taskWith("ResultPath: null"), answers: script(umlauts), fails: "States.DataLimitExceeded"},
		{name: "an output made of two small parts", machine: taskWith("ResultPath: $.r"), answers: script(full), input: `{}`, fails: "States.DataLimitExceeded: output"},
		{name: "Parameters that grow", machine: taskWith("Parameters: {a.$: $, b.$: $}"), input: `"` + strings.Repeat("x", 200_000) + `"`, fails: "States.DataLimitExceeded: effective input"},
		{name: "the execution's input", machine: one("Type: Pass"), input: over, fails: "States.DataLimitExceeded: execution's input"},
		{name: "States.ALL does not catch it", machine: catch("States.ALL"), answers: script(over), fails: "States.DataLimitExceeded"},
		{name: "States.TaskFailed does not catch it", machine: catch("States.TaskFailed"), answers: script(over), fails: "States.DataLimitExceeded"},
		{name: "its own name does", machine: catch("States.DataLimitExceeded"), answers: script(over), input: `{}`, want: `{}`},
		{name: "an error output that does not fit", machine: caught(`{ErrorEquals: [E], ResultPath: $.e, Next: C}`), input: `{"a":"` + strings.Repeat("x", 262_100) + `"}`,
			answers: script("!E: " + strings.Repeat("y", 100)), fails: "States.DataLimitExceeded"},
		{name: "a Map's results together", machine: one("Type: Map\nResultPath: null\nItemProcessor: {StartAt: P, States: {P: {Type: Pass, Parameters: {x.$: $$.Execution.Input.text}, End: true}}}\nItemsPath: $.items"),
			input: `{"items":[1,2],"text":"` + strings.Repeat("x", 200_000) + `"}`, fails: "States.DataLimitExceeded: result"},
	})
}

func TestTaskTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, finished atomic.Int64
		env := Env{Task: func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
			if calls.Add(1) > 1 {
				return json.RawMessage(`"second"`), nil
			}
			time.Sleep(time.Hour) // in the bubble's time
			finished.Add(1)
			return json.RawMessage(`"first"`), ctx.Err()
		}}
		started := time.Now()
		output, err := mustLoad(t, taskWith("TimeoutSeconds: 60\nRetry:\n- ErrorEquals: [States.Timeout]\n  IntervalSeconds: 5")).Run(t.Context(), env, nil)
		if err != nil || string(output) != `"second"` || finished.Load() != 1 {
			t.Errorf("output %s, error %v, %d finished; want the second answer, and the first call left to finish", output, err, finished.Load())
		}
		if took := time.Since(started); took != time.Hour {
			t.Errorf("took %s: Run must wait for the abandoned call", took)
		}
	})
}

func TestTimeoutSecondsPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := Env{Task: func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
			time.Sleep(10 * time.Second)
			return json.RawMessage(`1`), nil
		}}
		m := mustLoad(t, taskWith("TimeoutSecondsPath: $.limit"))
		for input, want := range map[string]string{`{"limit":11}`: "", `{"limit":9}`: errTimeout, `{"limit":0}`: errRuntime, `{"limit":"9"}`: errRuntime, `{}`: errRuntime} {
			_, err := m.Run(t.Context(), env, json.RawMessage(input))
			if failure, _ := errors.AsType[*Failure](err); (failure != nil) != (want != "") || failure != nil && failure.Name != want {
				t.Errorf("%s: %v, want %q", input, err, want)
			}
		}
	})
}

func TestMachineTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last string
		env := Env{Trace: func(e Event) {
			if e.Path == "" {
				last = e.Type
			}
		}}
		m := mustLoad(t, "TimeoutSeconds: 30\n"+chain(`
M: {Type: Map, ItemProcessor: {ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: STANDARD}, StartAt: W, States: {W: {Type: Wait, Seconds: 3600, End: true}}}, Catch: [{ErrorEquals: [States.ALL], Next: C}], End: true}
C: {Type: Pass, End: true}`))
		started := time.Now()
		_, err := m.Run(t.Context(), env, json.RawMessage(`[1,2]`))
		if failure, ok := errors.AsType[*Failure](err); !ok || failure.Name != errTimeout || time.Since(started) != 30*time.Second {
			t.Errorf("ended with %v after %s, want States.Timeout after 30s, which no Catch sees", err, time.Since(started))
		}
		if last != "ExecutionTimedOut" {
			t.Errorf("last event %s", last)
		}
	})
}
