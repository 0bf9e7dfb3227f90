package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const distributed = "{Mode: DISTRIBUTED, ExecutionType: STANDARD}"

// mapOf is a Map whose children are the state P.
func mapOf(fields, mode, state string) string {
	return one("Type: Map\n" + fields + "\nItemProcessor:\n  ProcessorConfig: " + mode + "\n  StartAt: P\n  States:\n    P: {" + state + ", End: true}")
}

const readerFields = `ItemReader:
  Resource: arn:aws:states:::s3:getObject
  ReaderConfig: {InputType: JSON}
  Parameters: {Bucket: "${Bucket}", Key.$: $.key}`

func TestMap(t *testing.T) {
	inline := "{Mode: INLINE}"
	runCases(t, []specCase{
		{name: "each item is a child's input, the outputs come in order", machine: mapOf("MaxConcurrency: 1", inline, "Type: Task, Resource: f"), input: `[3,1,2]`, inputs: []string{"3", "1", "2"}, want: `[3,1,2]`},
		{name: "an empty array", machine: mapOf("", inline, "Type: Task, Resource: f"), input: `[]`, want: `[]`},
		{name: "ItemsPath", machine: mapOf("ItemsPath: $.l\nResultPath: $.out", inline, "Type: Pass"), input: `{"l":[1]}`, want: `{"l":[1],"out":[1]}`},
		{name: "ItemsPath may select many values", machine: mapOf("ItemsPath: $.l[*].n", inline, "Type: Pass"), input: `{"l":[{"n":1},{"n":2}]}`, want: `[1,2]`},
		{name: "items that are no array are States.Runtime", machine: mapOf("ItemsPath: $.l", inline, "Type: Pass"), input: `{"l":{}}`, fails: "States.Runtime: array"},
		{name: "ItemsPath that selects nothing is States.Runtime", machine: mapOf("ItemsPath: $.l", inline, "Type: Pass"), input: `{}`, fails: "States.Runtime: '$.l'"},
		{name: "ItemSelector sees the input, the item and the context", machine: mapOf("ItemsPath: $.l\nItemSelector: {i.$: $$.Map.Item.Index, v.$: $$.Map.Item.Value, k.$: $.k, e.$: $$.Execution.Name}", inline, "Type: Pass"),
			input: `{"l":["a","b"],"k":7}`, want: `[{"e":"run1","i":0,"k":7,"v":"a"},{"e":"run1","i":1,"k":7,"v":"b"}]`},
		{name: "a child sees its item in the context object", machine: mapOf("", inline, "Type: Pass, Parameters: {i.$: $$.Map.Item.Index, id.$: $$.Execution.Id}"), input: `["a"]`, want: `[{"i":0,"id":"local:run1"}]`},
		{name: "an inline child's error is the Map's", machine: mapOf("MaxConcurrency: 1", inline, "Type: Task, Resource: f"), answers: script("1", "!E: why"), input: `[1,2,3]`, inputs: []string{"1", "2"}, fails: "E: why"},
		{name: "Retry of a Map starts all items again", machine: mapOf("MaxConcurrency: 1\nRetry:\n- ErrorEquals: [E]", inline, "Type: Task, Resource: f"), answers: script("1", "!E", "3"), input: `[1,2]`, inputs: []string{"1", "2", "1", "2"}, want: `[3,3]`, sleeps: secs(1)},
		{name: "ResultSelector sees the array", machine: mapOf("ResultSelector: {n.$: States.ArrayLength($)}", inline, "Type: Pass"), input: `[1,2]`, want: `{"n":2}`},
		{name: "MaxConcurrencyPath of another type", machine: mapOf("MaxConcurrencyPath: $.n\nItemsPath: $.l", inline, "Type: Pass"), input: `{"n":"4","l":[]}`, fails: "States.Runtime: MaxConcurrencyPath"},

		{name: "a distributed child is an execution of its own", machine: mapOf("Label: load", distributed, "Type: Pass, Parameters: {e.$: $$.Execution, m.$: $$.StateMachine.Name, i.$: $$.Map.Item.Index}"), input: `["a"]`,
			want: `[{"e":{"Id":"local:run1/load.1:0","Input":"a","Name":"run1-load.1-0","StartTime":"2026-03-01T02:00:05.000Z"},"i":0,"m":"test/load"}]`},
		{name: "ItemReader", machine: mapOf(readerFields+"\nItemSelector: {v.$: $$.Map.Item.Value, k.$: $.key}", distributed, "Type: Pass"), objects: map[string]string{"workbucket/l.json": `[{"n":0},{"n":1}]`}, input: `{"key":"l.json"}`,
			want: `[{"k":"l.json","v":{"n":0}},{"k":"l.json","v":{"n":1}}]`},
		{name: "ItemReader without the object", machine: mapOf(readerFields, distributed, "Type: Pass"), input: `{"key":"l.json"}`, fails: "States.ItemReaderFailed: s3://workbucket/l.json: no such object"},
		{name: "ItemReader of an object that is no array", machine: mapOf(readerFields, distributed, "Type: Pass"), objects: map[string]string{"workbucket/l": `{}`}, input: `{"key":"l"}`, fails: "States.ItemReaderFailed: array"},
		{name: "ItemReader of an object that is no JSON", machine: mapOf(readerFields, distributed, "Type: Pass"), objects: map[string]string{"workbucket/l": `[1`}, input: `{"key":"l"}`, fails: "States.ItemReaderFailed: not JSON"},
		{name: "ItemReader whose Key is no string", machine: mapOf(readerFields, distributed, "Type: Pass"), input: `{"key":1}`, fails: "States.ItemReaderFailed"},
		{name: "ItemReader whose Key selects nothing", machine: mapOf(readerFields, distributed, "Type: Pass"), input: `{}`, fails: "States.ParameterPathFailure"},
		{name: "ItemReaderFailed is retried", machine: mapOf(readerFields+"\nRetry:\n- ErrorEquals: [States.ItemReaderFailed]\n  MaxAttempts: 2", distributed, "Type: Pass"), input: `{"key":"l"}`, fails: "States.ItemReaderFailed", sleeps: secs(1, 2)},
		{name: "ItemsPointer and MaxItems", machine: mapOf(strings.Replace(readerFields, "{InputType: JSON}", "{InputType: JSON, ItemsPointer: /a~1b/0/l, MaxItems: 2}", 1), distributed, "Type: Pass"), objects: map[string]string{"workbucket/l": `{"a/b":[{"l":[1,2,3]}]}`}, input: `{"key":"l"}`, want: `[1,2]`},
		{name: "ItemsPointer that finds nothing", machine: mapOf(strings.Replace(readerFields, "{InputType: JSON}", "{InputType: JSON, ItemsPointer: /x}", 1), distributed, "Type: Pass"), objects: map[string]string{"workbucket/l": `{}`}, input: `{"key":"l"}`, fails: "States.ItemReaderFailed: ItemsPointer"},
		{name: "an item's input that is too large", machine: mapOf("ItemSelector: {a.$: $, b.$: $}", distributed, "Type: Pass"), input: `["` + strings.Repeat("x", 200_000) + `"]`, fails: "States.DataLimitExceeded"},

		{name: "one failed child is too many by default", machine: mapOf("MaxConcurrency: 1", distributed, "Type: Task, Resource: f"), answers: script("1", "!E", "3"), input: `[1,2,3]`, inputs: []string{"1", "2"}, fails: "States.ExceedToleratedFailureThreshold"},
		{name: "and can be caught by its name, not the child's", machine: mapOf("MaxConcurrency: 1\nRetry:\n- ErrorEquals: [E]\n- ErrorEquals: [States.ExceedToleratedFailureThreshold]\n  IntervalSeconds: 7\n  MaxAttempts: 1", distributed, "Type: Task, Resource: f"), answers: script("!E"), input: `[1]`, fails: "States.ExceedToleratedFailureThreshold", sleeps: secs(7)},
		{name: "ToleratedFailureCount", machine: mapOf("MaxConcurrency: 1\nToleratedFailureCount: 1", distributed, "Type: Task, Resource: f"), answers: script("!E: why", "2"), input: `[1,2]`,
			want: `[{"Cause":"{\"errorMessage\":\"why\",\"errorType\":\"E\"}","Error":"E","ExecutionArn":"local:run1/S.1:0","Input":"1","Name":"run1-S.1-0","Status":"FAILED"},2]`},
		{name: "ToleratedFailureCount exceeded", machine: mapOf("MaxConcurrency: 1\nToleratedFailureCount: 1", distributed, "Type: Task, Resource: f"), answers: script("!E"), input: `[1,2,3]`, inputs: []string{"1", "2"}, fails: "States.ExceedToleratedFailureThreshold"},
		{name: "ToleratedFailurePercentage counts all items", machine: mapOf("MaxConcurrency: 1\nToleratedFailurePercentage: 33.4\nResultSelector: {n.$: States.ArrayLength($)}", distributed, "Type: Task, Resource: f"), answers: script("!E", "2"), input: `[1,2,3]`, want: `{"n":3}`},
		{name: "ToleratedFailurePercentage exceeded", machine: mapOf("MaxConcurrency: 1\nToleratedFailurePercentage: 33", distributed, "Type: Task, Resource: f"), answers: script("!E", "2"), input: `[1,2,3]`, fails: "States.ExceedToleratedFailureThreshold"},
		{name: "either bound may be exceeded", machine: mapOf("MaxConcurrency: 1\nToleratedFailureCountPath: $[0]\nToleratedFailurePercentagePath: $[1]", distributed, "Type: Task, Resource: f"), answers: script("!E", "2"), input: `[0,100]`, fails: "States.ExceedToleratedFailureThreshold"},
		{name: "ToleratedFailurePercentagePath out of range", machine: mapOf("ToleratedFailurePercentagePath: $[0]", distributed, "Type: Pass"), input: `[101]`, fails: "States.Runtime"},

		{name: "a Map within a Map's child", machine: mapOf("", distributed, "Type: Map, ItemProcessor: {StartAt: Q, States: {Q: {Type: Pass, Parameters: {i.$: $$.Map.Item.Index, v.$: $}, End: true}}}"), input: `[["a","b"]]`, want: `[[{"i":0,"v":"a"},{"i":1,"v":"b"}]]`},
		{name: "Parallel: every branch gets the input", machine: one("Type: Parallel\nBranches:\n- {StartAt: A, States: {A: {Type: Pass, End: true}}}\n- {StartAt: B, States: {B: {Type: Pass, Result: 2, End: true}}}"), input: `1`, want: `[1,2]`},
		{name: "Parallel: a branch's error is the state's", machine: one("Type: Parallel\nRetry:\n- ErrorEquals: [E]\n  MaxAttempts: 1\nBranches:\n- {StartAt: A, States: {A: {Type: Fail, Error: E}}}"), fails: "E", sleeps: secs(1)},
	})
}

// TestMapWidth: never more children at once than MaxConcurrency, and as many.
func TestMapWidth(t *testing.T) {
	for _, c := range []struct {
		fields, mode string
		want         int
	}{
		{"MaxConcurrency: 3", "{Mode: INLINE}", 3},
		{"MaxConcurrency: 0", "{Mode: INLINE}", 40},
		{"MaxConcurrency: 100", "{Mode: INLINE}", 40},
		{"MaxConcurrencyPath: $[0]", distributed, 7},
		{"MaxConcurrency: 0", distributed, 60},
	} {
		t.Run(c.fields+" "+c.mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var now, most atomic.Int64
				env := Env{Task: func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(time.Second) // in the bubble's time: all that may run do
					now.Add(-1)
					return json.RawMessage(`0`), nil
				}}
				input, _ := encode(slices.Repeat([]any{number(7)}, 60))
				if _, err := mustLoad(t, mapOf(c.fields, c.mode, "Type: Task, Resource: f")).Run(t.Context(), env, input); err != nil {
					t.Fatal(err)
				}
				if most.Load() != int64(c.want) {
					t.Errorf("%d at a time, want %d", most.Load(), c.want)
				}
			})
		})
	}
}

// TestMapFailureLeavesTasksAlone: the first failure beyond the tolerance starts
// nothing more and wakes what waits, but running tasks are not cancelled, and waited for.
func TestMapFailureLeavesTasksAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var done, events []string
		env := Env{
			ErrorName: nameOf,
			Trace: func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				if strings.HasPrefix(e.Type, "Execution") && e.Type != "ExecutionStarted" {
					events = append(events, e.Path+" "+e.Type)
				}
			},
			Task: func(ctx context.Context, _ string, input json.RawMessage) (json.RawMessage, error) {
				switch string(input) {
				case "0":
					time.Sleep(time.Second) // of the bubble's clock
					return nil, &namedError{"E", ""}
				case "1":
					return nil, &namedError{"Wait", ""} // and sleeps in its Retry for an hour
				}
				time.Sleep(time.Minute) // of the bubble's clock
				mu.Lock()
				defer mu.Unlock()
				done = append(done, fmt.Sprint(string(input), " ", ctx.Err()))
				return input, nil
			},
		}
		m := mustLoad(t, mapOf("MaxConcurrency: 3", distributed, "Type: Task, Resource: f, Retry: [{ErrorEquals: [Wait], IntervalSeconds: 3600}]"))
		started := time.Now()
		_, err := m.Run(t.Context(), env, json.RawMessage(`[0,1,2,3,4]`))
		if failure, ok := errors.AsType[*Failure](err); !ok || failure.Name != errFailureThreshold || failure.State != "S" {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(started); took != time.Minute {
			t.Errorf("took %s, want the minute of the task that was running", took)
		}
		if diff := cmp.Diff([]string{"2 <nil>"}, done); diff != "" {
			t.Errorf("tasks that ran to their end (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"S[0] ExecutionFailed", "S[1] ExecutionAborted", "S[2] ExecutionAborted", " ExecutionFailed"}, events); diff != "" {
			t.Errorf("ends of executions (-want +got):\n%s", diff)
		}
	})
}

// TestCancel: the end of ctx ends everything at once, with ctx's error.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var aborted atomic.Int64
		env := Env{
			Trace: func(e Event) {
				if e.Type == "ExecutionAborted" {
					aborted.Add(1)
				}
			},
			Task: func(ctx context.Context, _ string, input json.RawMessage) (json.RawMessage, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}
		m := mustLoad(t, chain(`
M: {Type: Map, ItemProcessor: {ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: STANDARD}, StartAt: C, States: {C: {Type: Choice, Choices: [{Variable: $, NumericEquals: 0, Next: T}], Default: W}, T: {Type: Task, Resource: f, Retry: [{ErrorEquals: [States.ALL]}], End: true}, W: {Type: Wait, Seconds: 9999, End: true}}}, Catch: [{ErrorEquals: [States.ALL], Next: P}], End: true}
P: {Type: Pass, End: true}`))
		time.AfterFunc(time.Second, cancel)
		started := time.Now()
		_, err := m.Run(ctx, env, json.RawMessage(`[0,1]`))
		if !errors.Is(err, context.Canceled) || time.Since(started) != time.Second || aborted.Load() != 3 {
			t.Errorf("ended with %v after %s, %d aborted", err, time.Since(started), aborted.Load())
		}
		if _, err := m.Run(ctx, env, json.RawMessage(`[0,1]`)); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that ended before: %v", err)
		}
	})
}
