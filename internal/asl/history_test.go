package asl

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHistory: the events of Step Functions, for every kind of state.
func TestHistory(t *testing.T) {
	for _, c := range []struct {
		name, machine, input string
		answers              map[string][]string
		want                 string
	}{
		{"a retry adds the three events of a try", taskWith("Retry:\n- ErrorEquals: [E]"), "{}", script("!E", "1"), `
    0s             ExecutionStarted
    0s             TaskStateEntered       S
    0s             TaskScheduled          S
    0s             TaskStarted            S
    0s             TaskFailed             S (E)
    1s             TaskScheduled          S
    1s             TaskStarted            S
    1s             TaskSucceeded          S
    1s             TaskStateExited        S
    1s             ExecutionSucceeded
`},
		{"Catch, Pass, Wait, Choice, Fail", chain(`
S: {Type: Task, Resource: f, Catch: [{ErrorEquals: [States.ALL], ResultPath: null, Next: P}], End: true}
P: {Type: Pass, Next: W}
W: {Type: Wait, Seconds: 60, Next: C}
C: {Type: Choice, Choices: [{Variable: $, IsNull: true, Next: S}], Default: F}
F: {Type: Fail, Error: RunFailed}`), "{}", script("!States.Timeout"), `
    0s             ExecutionStarted
    0s             TaskStateEntered       S
    0s             TaskScheduled          S
    0s             TaskStarted            S
    0s             TaskTimedOut           S (States.Timeout)
    0s             TaskStateExited        S
    0s             PassStateEntered       P
    0s             PassStateExited        P
    0s             WaitStateEntered       W
  1m0s             WaitStateExited        W
  1m0s             ChoiceStateEntered     C
  1m0s             ChoiceStateExited      C
  1m0s             FailStateEntered       F
  1m0s             ExecutionFailed         (RunFailed)
`},
		{"an inline Map writes into its parent's history", mapOf("MaxConcurrency: 1", "{Mode: INLINE}", "Type: Task, Resource: f"), "[0,1]", script("0", "!E"), `
    0s             ExecutionStarted
    0s             MapStateEntered        S
    0s             MapStateStarted        S
    0s  S[0]       MapIterationStarted    S
    0s  S[0]       TaskStateEntered       P
    0s  S[0]       TaskScheduled          P
    0s  S[0]       TaskStarted            P
    0s  S[0]       TaskSucceeded          P
    0s  S[0]       TaskStateExited        P
    0s  S[0]       MapIterationSucceeded  S
    0s  S[1]       MapIterationStarted    S
    0s  S[1]       TaskStateEntered       P
    0s  S[1]       TaskScheduled          P
    0s  S[1]       TaskStarted            P
    0s  S[1]       TaskFailed             P (E)
    0s  S[1]       MapIterationFailed     S (E)
    0s             MapStateFailed         S (E)
    0s             ExecutionFailed         (E)
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{answers: c.answers}
			_, err := mustLoad(t, c.machine).Run(t.Context(), w.env(), json.RawMessage(c.input))
			if _, failed := errors.AsType[*Failure](err); err != nil && !failed {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), w.history()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// endless counts in its input until it is done; each turn has a Pass, a Wait and a Choice: 6 events.
const endless = `
P: {Type: Pass, Parameters: {n.$: "States.MathAdd($.n, 1)", most.$: $.most}, Next: W}
W: {Type: Wait, Seconds: 1, Next: C}
C: {Type: Choice, Choices: [{Variable: $.n, NumericLessThanPath: $.most, Next: P}], Default: D}
D: {Type: Succeed}`

func TestHistoryLimit(t *testing.T) {
	child := "Type: Map\nMaxConcurrency: 1\nItemProcessor:\n  ProcessorConfig: " + distributed + "\n  StartAt: P\n  States:\n" + indent("        ", endless)
	for _, c := range []struct {
		name, machine, input string
		fails                string
		events               int64 // of the top execution
	}{
		// ExecutionStarted + 4166 turns + SucceedState twice + ExecutionSucceeded = 25,000.
		{"25,000 events fit", chain(endless), `{"n":0,"most":4166}`, "", 25_000},
		{"the next turn does not", chain(endless), `{"n":0,"most":4167}`, "States.Runtime: maximum number of history events", 25_000},
		{"Catch cannot help", chain("M: {Type: Parallel, Branches: [{StartAt: P, States: {" + flowStates(endless) + "}}], Catch: [{ErrorEquals: [States.ALL], Next: E}], End: true}\nE: {Type: Succeed}"), `{"n":0,"most":9999}`, "States.Runtime", 25_000},
		{"a distributed child counts for itself", one(child), `[{"n":0,"most":4166},{"n":0,"most":4166}]`, "", 8},
		{"and fails for itself", one(child + "ToleratedFailureCount: 1\n"), `[{"n":0,"most":4167},{"n":0,"most":2}]`, "", 8},
		{"an inline child counts for its parent", one(strings.Replace(child, distributed, "{Mode: INLINE}", 1)), `[{"n":0,"most":4000},{"n":0,"most":200}]`, "States.Runtime", 25_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{}
			env := w.env()
			var top atomic.Int64
			env.Trace = func(e Event) {
				if e.Path == "" || !strings.Contains(c.machine, "DISTRIBUTED") {
					top.Add(1)
				}
			}
			output, err := mustLoad(t, c.machine).Run(t.Context(), env, json.RawMessage(c.input))
			specCase{fails: c.fails, want: string(output)}.checkEnd(t, output, err)
			if top.Load() != c.events {
				t.Errorf("%d events, want %d", top.Load(), c.events)
			}
		})
	}
}

// flowStates writes states in one line.
func flowStates(states string) string {
	return strings.Join(strings.Split(strings.TrimSpace(states), "\n"), ", ")
}
