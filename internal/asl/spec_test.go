package asl

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// specCase is one rule of the specification as a machine that shows it.
type specCase struct {
	name    string
	machine string
	input   string
	answers map[string][]string
	objects map[string]string
	want    string          // output
	fails   string          // "Name" or "Name: part of the cause"
	sleeps  []time.Duration // in order
	inputs  []string        // of the tasks, in order
}

func secs(n ...float64) []time.Duration {
	all := []time.Duration{}
	for _, s := range n {
		all = append(all, time.Duration(s*float64(time.Second)))
	}
	return all
}

func runCases(t *testing.T, cases []specCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c specCase) run(t *testing.T) {
	w := &world{answers: c.answers, objects: c.objects, sleeps: secs()}
	output, err := mustLoad(t, c.machine).Run(t.Context(), w.env(), json.RawMessage(c.input))
	c.checkEnd(t, output, err)
	if c.sleeps != nil {
		if diff := cmp.Diff(c.sleeps, w.sleeps); diff != "" {
			t.Errorf("sleeps (-want +got):\n%s", diff)
		}
	}
	if c.inputs != nil {
		if diff := cmp.Diff(c.inputs, w.inputs); diff != "" {
			t.Errorf("inputs of tasks (-want +got):\n%s", diff)
		}
	}
}

func (c specCase) checkEnd(t *testing.T, output json.RawMessage, err error) {
	t.Helper()
	failure, failed := errors.AsType[*Failure](err)
	if err != nil && !failed {
		t.Fatalf("ended with %v, which is no Failure", err)
	}
	if c.fails != "" {
		name, cause, _ := strings.Cut(c.fails, ": ")
		if !failed || failure.Name != name || !strings.Contains(failure.Cause, cause) {
			t.Errorf("ended with %v and %s, want %s", err, output, c.fails)
		}
		return
	}
	if failed {
		t.Fatalf("failed: %v", err)
	}
	if diff := cmp.Diff(c.want, string(output)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestDataFlow(t *testing.T) {
	runCases(t, []specCase{
		{name: "Pass hands its input on", machine: one(`Type: Pass`), input: `{"a":1}`, want: `{"a":1}`},
		{name: "no input is an empty object", machine: one(`Type: Pass`), want: `{}`},
		{name: "Result replaces the input", machine: one("Type: Pass\nResult: {b: [1, x, null, true]}"), input: `{"a":1}`, want: `{"b":[1,"x",null,true]}`},
		{name: "names in Result are data even with .$", machine: one("Type: Pass\nResult: {b.$: $.a}"), want: `{"b.$":"$.a"}`},
		{name: "numbers survive as they were written", machine: one("Type: Pass\nResultPath: $.n\nResult: [1.10, 12345678901234567890, 1e3, -0.0]"),
			input: `{"m":98765432109876543210.50}`, want: `{"m":98765432109876543210.50,"n":[1.10,12345678901234567890,1e3,-0.0]}`},
		{name: "no HTML escapes", machine: one(`Type: Pass`), input: `{"a":"<&>"}`, want: `{"a":"<&>"}`},
		{name: "InputPath selects what Parameters sees", machine: one("Type: Pass\nInputPath: $.in\nParameters: {x.$: $.a}"), input: `{"in":{"a":5}}`, want: `{"x":5}`},
		{name: "InputPath null is an empty object", machine: one("Type: Pass\nInputPath: null"), input: `{"a":1}`, want: `{}`},
		{name: "InputPath may select from the context object", machine: one("Type: Pass\nInputPath: $$.Execution.Name"), want: `"run1"`},
		{name: "InputPath that selects nothing is States.Runtime", machine: one("Type: Pass\nInputPath: $.no"), fails: "States.Runtime: $.no"},
		{name: "OutputPath selects from the combined result", machine: one("Type: Pass\nResult: 7\nResultPath: $.r\nOutputPath: $.r"), input: `{}`, want: `7`},
		{name: "OutputPath null is an empty object", machine: one("Type: Pass\nOutputPath: null"), input: `{"a":1}`, want: `{}`},
		{name: "OutputPath that selects nothing is States.Runtime", machine: one("Type: Pass\nOutputPath: $.no"), fails: "States.Runtime: $.no"},
		{name: "ResultPath adds to the raw input, not to InputPath's", machine: one("Type: Pass\nInputPath: $.in\nResult: 1\nResultPath: $.out"),
			input: `{"in":{"a":5}}`, want: `{"in":{"a":5},"out":1}`},
		{name: "ResultPath replaces what is there", machine: one("Type: Pass\nResult: 1\nResultPath: $.a.b"), input: `{"a":{"b":{"c":2},"d":3}}`, want: `{"a":{"b":1,"d":3}}`},
		{name: "ResultPath makes what is missing", machine: one("Type: Pass\nResult: 1\nResultPath: $.a.b.c"), input: `{}`, want: `{"a":{"b":{"c":1}}}`},
		{name: "ResultPath replaces an element", machine: one("Type: Pass\nResult: 1\nResultPath: $.a[1]"), input: `{"a":[0,0,0]}`, want: `{"a":[0,1,0]}`},
		{name: "ResultPath null drops the result", machine: one("Type: Pass\nResult: 1\nResultPath: null"), input: `{"a":1}`, want: `{"a":1}`},
		{name: "ResultPath $ is the default", machine: one("Type: Pass\nResult: 1\nResultPath: $"), input: `{"a":1}`, want: `1`},
		{name: "ResultPath through a string is ResultPathMatchFailure", machine: one("Type: Pass\nResult: 1\nResultPath: $.a.b"), input: `{"a":"x"}`, fails: "States.ResultPathMatchFailure: $.a.b"},
		{name: "ResultPath past the end is ResultPathMatchFailure", machine: one("Type: Pass\nResult: 1\nResultPath: $.a[3]"), input: `{"a":[]}`, fails: "States.ResultPathMatchFailure"},
		{name: "ResultPath on an input that is no object", machine: one("Type: Pass\nResult: 1\nResultPath: $.a"), input: `"x"`, fails: "States.ResultPathMatchFailure"},
		{name: "Parameters without .$ are literal", machine: one("Type: Pass\nParameters: {x: $.a, y: {z.$: $.a}, l: [1, {z.$: $.a}]}"), input: `{"a":5}`,
			want: `{"l":[1,{"z":5}],"x":"$.a","y":{"z":5}}`},
		{name: "Parameters that select nothing are ParameterPathFailure", machine: one("Type: Pass\nParameters: {x.$: $.no}"), fails: "States.ParameterPathFailure: 'x.$'"},
		{name: "ResultSelector sees the result, and the context object", machine: one("Type: Task\nResource: f\nResultSelector: {x.$: $.r, n.$: $$.State.Name}\nResultPath: $.out"),
			input: `{"a":1}`, answers: map[string][]string{"f": {`{"r":2,"s":3}`}}, want: `{"a":1,"out":{"n":"S","x":2}}`},
		{name: "the whole order", machine: one("Type: Task\nResource: f\nInputPath: $.in\nParameters: {p.$: $.a}\nResultSelector: {s.$: $.r}\nResultPath: $.out\nOutputPath: $.out.s"),
			input: `{"in":{"a":1}}`, answers: map[string][]string{"f": {`{"r":9}`}}, inputs: []string{`{"p":1}`}, want: `9`},
		{name: "a changed copy does not change what others see", machine: chain(`
A: {Type: Pass, ResultPath: $.x.y, Result: 2, Next: B}
B: {Type: Pass, Parameters: {now.$: $.x, first.$: $$.Execution.Input.x}, End: true}`), input: `{"x":{"y":1}}`, want: `{"first":{"y":1},"now":{"y":2}}`},
	})
}

func TestContextObject(t *testing.T) {
	runCases(t, []specCase{
		{name: "Execution", machine: one("Type: Pass\nParameters: {e.$: $$.Execution}"), input: `{"a":1}`,
			want: `{"e":{"Id":"local:run1","Input":{"a":1},"Name":"run1","StartTime":"2026-03-01T02:00:05.000Z"}}`},
		{name: "State and StateMachine", machine: chain(`
W: {Type: Wait, Seconds: 90, Next: S}
S: {Type: Pass, Parameters: {s.$: $$.State, m.$: $$.StateMachine}, End: true}`),
			want: `{"m":{"Id":"test","Name":"test"},"s":{"EnteredTime":"2026-03-01T02:01:35.000Z","Name":"S","RetryCount":0}}`},
		{name: "RetryCount counts over all retriers", machine: one("Type: Task\nResource: f\nParameters: {n.$: $$.State.RetryCount}\nRetry:\n- ErrorEquals: [A]\n- ErrorEquals: [B]"),
			answers: map[string][]string{"f": {"!A", "!B", `1`}}, inputs: []string{`{"n":0}`, `{"n":1}`, `{"n":2}`}, want: `1`},
	})
}

func TestPaths(t *testing.T) {
	input := `{"a":{"b-c":[10,20,30,40],"d":{"e":1},"f":{"e":2}},"x y":{"'":3},"l":[{"n":1},{"n":2},{"m":3}]}`
	for path, want := range map[string]string{
		`$.a['b-c'][0]`:       `10`,
		`$.a["b-c"][-1]`:      `40`,
		`$['x y']['\'']`:      `3`,
		`$.a.['b-c'][1]`:      `20`,
		`$.a['b-c'][1:3]`:     `[20,30]`,
		`$.a['b-c'][:2]`:      `[10,20]`,
		`$.a['b-c'][-2:]`:     `[30,40]`,
		`$.a['b-c'][5:]`:      `[]`,
		`$.a['b-c'][0,3]`:     `[10,40]`,
		`$.a['d','f']`:        `[{"e":1},{"e":2}]`,
		`$.a['b-c'][*]`:       `[10,20,30,40]`,
		`$.l[*].n`:            `[1,2]`,
		`$.l[*].zzz`:          `[]`,
		`$.a.*.e`:             `[1,2]`,
		`$..e`:                `[1,2]`,
		`$..['n']`:            `[1,2]`,
		`$.l.length`:          `missing`,
		`$.a['b-c'][4]`:       `missing`,
		`$.a['b-c'][-5]`:      `missing`,
		`$.a.d.e.f`:           `missing`,
		`$$.Execution.Name`:   `"run1"`,
		`$$.Map`:              `missing`,
		`$$['State']['Name']`: `"S"`,
		`$.l[ 0 ][ 'n' ]`:     `1`,
		`$.a['b-c'][ 0 , 1 ]`: `[10,20]`,
		`$.a['b-c'][ 0 : 1 ]`: `[10]`,
		`$..*`:                `[{"b-c":[10,20,30,40],"d":{"e":1},"f":{"e":2}},[{"n":1},{"n":2},{"m":3}],{"'":3},[10,20,30,40],{"e":1},{"e":2},10,20,30,40,1,2,{"n":1},{"n":2},{"m":3},1,2,3,3]`,
	} {
		t.Run(path, func(t *testing.T) {
			c := specCase{machine: one("Type: Pass\nParameters: {v.$: \"" + strings.ReplaceAll(strings.ReplaceAll(path, `\`, `\\`), `"`, `\"`) + "\"}"), input: input, want: `{"v":` + want + `}`}
			if want == "missing" {
				c.fails = "States.ParameterPathFailure"
			}
			c.run(t)
		})
	}
}

func TestPathsRefused(t *testing.T) {
	for path, want := range map[string]string{
		`a`: `must start with "$"`, `$a`: `variables`, `$.`: `a name is missing`, `$.a.`: `a name is missing`,
		`$.a-b`: `"-b" is not supported`, `$.a b`: `not supported there`, `$[`: `an index is missing`, `$['a`: `has no end`, `$['a'`: `"]" is missing`,
		`$[?(@.a>1)]`: `filters`, `$[(@.length-1)]`: `scripts`, `$.a.length()`: `function length()`, `$[0:4:2]`: `"]" is missing`,
		`$..a..b`: `more than one`, `$$.Task.Token`: `field "Task" is not supported`, `$$.Execution.RoleArn`: `field "Execution.RoleArn"`,
		`$['a',`: `a quoted name is missing`, `$[99999999999]`: `is not an index`, `$[0,]`: `an index is missing`, ``: `must start`,
	} {
		if _, err := parsePath(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	for path, want := range map[string]string{
		`$.a[*]`: `must name one place`, `$$.Execution`: `cannot be written`, `$.a[0:1]`: `must name one place`, `$..a`: `must name one place`, `$.a[-1]`: `counts from the start`,
	} {
		if _, err := parseReference(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("reference %s: error %v, want %q", path, err, want)
		}
	}
}
