package asl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func loadErrors(definition string) []string {
	_, err := Load([]byte(definition), "infra/m.asl.yaml", map[string]string{"Fn": "arn:fn", "N": "5", "Odd": "a: b", "Quote": `a"b`})
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// TestRefused: every case is a whole definition, and all that is wrong with it.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, machine string
		want          []string // after "infra/m.asl.yaml:"
	}{
		{"nothing", "", []string{"1: there is no state machine"}},
		{"a list", "- 1", []string{`1: the state machine must be an object, not an array`, `1: the state machine: field "StartAt" is missing`, `1: the state machine: field "States" is missing`}},
		{"bad YAML", "StartAt: S\nStates: [", []string{`2: sequence end token ']' not found`}},
		{"a second document", chain("S: {Type: Succeed}") + "---\na: 1", []string{"5: a second document is not supported"}},
		{"a field of the machine", "Nope: 1\n" + chain("S: {Type: Succeed}"), []string{`1: the state machine: field "Nope" is not supported`}},
		{"JSONata", "QueryLanguage: JSONata\n" + chain("S: {Type: Succeed, QueryLanguage: JSONata}"), []string{`1: the state machine: field "QueryLanguage" "JSONata" is not supported`, `4: state "S": field "QueryLanguage" "JSONata" is not supported`}},
		{"a version", "Version: \"2.0\"\n" + chain("S: {Type: Succeed}"), []string{`1: the state machine: field "Version" must be "1.0"`}},
		{"TimeoutSeconds 0", "TimeoutSeconds: 0\n" + chain("S: {Type: Succeed}"), []string{`1: the state machine: field "TimeoutSeconds" must be a whole number from 1 to 99999999, not 0`}},
		{"no states", "StartAt: S\nStates: {}", []string{`2: the state machine: field "States" must have at least one state`}},
		{"StartAt nowhere", "StartAt: X\nStates: {S: {Type: Succeed}}", []string{`1: the state machine: field "StartAt" names state "X", which is not there`}},
		{"Next nowhere", chain("S: {Type: Pass, Next: X}"), []string{`2: the state machine: field "States" must have a state that ends and can be reached`, `3: state "S": goes on to "X", which is not there`}},
		{"out of reach", chain("S: {Type: Succeed}\nX: {Type: Pass, Next: S}"), []string{`4: state "X": cannot be reached`}},
		{"no end", chain("S: {Type: Pass, Next: T}\nT: {Type: Pass, Next: S}"), []string{`2: the state machine: field "States" must have a state that ends and can be reached`}},
		{"Next and End", chain("S: {Type: Pass, Next: T, End: true}\nT: {Type: Succeed}"), []string{`3: state "S": field "End" cannot stand beside Next`}},
		{"neither Next nor End", chain("S: {Type: Pass}"), []string{`3: state "S": needs Next or End`}},
		{"End false", chain("S: {Type: Pass, End: false}"), []string{`3: state "S": field "End" must be true`}},
		{"Next in Succeed", chain("S: {Type: Succeed, End: true}"), []string{`3: state "S": field "End" is not supported`}},
		{"no Type", chain("S: {End: true}"), []string{`2: the state machine: field "States" must have a state that ends and can be reached`, `3: state "S": field "Type" is missing`}},
		{"an unknown Type", chain("S: {Type: Activity, End: true}"), []string{`2: the state machine: field "States" must have a state that ends and can be reached`, `3: state "S": field "Type" "Activity" is not supported`}},
		{"a duplicate key", "StartAt: S\nStates:\n  S: {Type: Succeed}\n  S: {Type: Succeed}", []string{`4: mapping key "S" already defined at [3:3]`}},
		{"a name taken within a Map", one("Type: Map\nItemProcessor: {StartAt: S, States: {S: {Type: Succeed}}}"), []string{`5: state "S": the name is taken by the state on line 3`}},
		{"a long name", chain(strings.Repeat("n", 81) + ": {Type: Succeed}"), []string{`3: state "` + strings.Repeat("n", 81) + `": a name has 1 to 80 characters`}},
		{"anchors and aliases", one("Type: Pass\nParameters: &a {x: 1}\nResult: *a\nComment: &b c"), []string{`5: YAML anchors and aliases are not supported`, `6: YAML anchors and aliases are not supported`, `7: YAML anchors and aliases are not supported`}},
		{"merge keys", one("Type: Pass\nResult: {<<: {x: 1}}"), []string{`5: the name << is not a string`}},
		{"a tag", one("Type: Pass\nResult: !!str 1"), []string{`5: YAML tags are not supported`}},
		{"a number that JSON has not", one("Type: Pass\nResult: [0x1F, .5, 1_000]"), []string{`5: 0x1F is not a number that JSON can write`, `5: .5 is not a number that JSON can write`, `5: 1_000 is not a number that JSON can write`}},
		{"scalars of two minds", one("Type: Pass\nResult: [yes, Off, 2026-03-01]"), []string{`5: yes needs quotes: not every YAML reader takes it for a string`, `5: Off needs quotes: not every YAML reader takes it for a string`, `5: 2026-03-01 needs quotes: not every YAML reader takes it for a string`}},
		{"a name that is no string", one("Type: Pass\nResult: {1: 2}"), []string{`5: the name 1 is not a string`}},

		{"an unknown substitution", one("Type: Task\nResource: ${Nope}"), []string{`5: substitution ${Nope} is not known`}},
		{"a substitution that becomes a number", one("Type: Pass\nResult:\n  n: ${N}"), []string{`6: the value for ${N} does not stay a string: put it in quotes`}},
		{"a substitution that becomes an object", one("Type: Pass\nResult:\n  n: ${Odd}"), []string{`6: the value for ${Odd} does not stay a string: put it in quotes`}},
		{"a substitution with quotes", one("Type: Pass\nResult:\n  n: '${Quote}'"), []string{`6: the value for ${Quote} has characters that a definition cannot carry`}},
		{"a substitution without end", one("Type: Pass\nResult: '${N'"), []string{`5: "${" has no end`}},
		{"a substitution in a name", one("Type: Pass\nResult: {'${N}': 1}"), []string{`5: a substitution cannot stand in the name "${N}"`}},

		{"fields of a Task", one("Type: Task\nResource: ${Fn}\nHeartbeatSeconds: 5\nCredentials: {}\nAssign: {}\nOutput: x\nItemBatcher: {}"), []string{
			`6: state "S": field "HeartbeatSeconds" is not supported`, `7: state "S": field "Credentials" is not supported`, `8: state "S": field "Assign" is not supported`,
			`9: state "S": field "Output" is not supported`, `10: state "S": field "ItemBatcher" is not supported`}},
		{"a Task without Resource", one("Type: Task"), []string{`4: state "S": field "Resource" is missing`}},
		{"a task token", one("Type: Task\nResource: arn:aws:states:::sqs:sendMessage.waitForTaskToken"), []string{`5: state "S": field "Resource" has the pattern .waitForTaskToken, which is not supported`}},
		{"two timeouts", one("Type: Task\nResource: f\nTimeoutSeconds: 5\nTimeoutSecondsPath: $.t"), []string{`7: state "S": field "TimeoutSecondsPath" cannot stand beside TimeoutSeconds`}},
		{"a field of another type", one("Type: Task\nResource: 5\nTimeoutSeconds: \"5\""), []string{`5: state "S": field "Resource" must be a string, not a number`, `6: state "S": field "TimeoutSeconds" must be a number, not a string`}},
		{"a bad ResultPath", one("Type: Pass\nResultPath: $.a[*]"), []string{`5: state "S": field "ResultPath" has path "$.a[*]": must name one place: no wildcard, slice, union or descent`}},
		{"a bad InputPath", one("Type: Pass\nInputPath: a"), []string{`5: state "S": field "InputPath" has path "a": must start with "$"`}},
		{"Parameters", one("Type: Pass\nParameters:\n  a.$: b\n  c.$: 5\n  d: 1\n  d.$: $.d\n  e.$: States.Nope()\n  f.$: $$.Task.Token"), []string{
			`6: state "S": field "a.$": "b": neither a path nor an intrinsic function`, `7: state "S": field "c.$" must be a path or an intrinsic function`,
			`9: state "S": field "d" is given twice, with and without ".$"`, `10: state "S": field "e.$": "States.Nope()": intrinsic function States.Nope is not supported`,
			`11: state "S": field "f.$": path "$$.Task.Token": context object field "Task" is not supported`}},

		{"Retry", one("Type: Task\nResource: f\nRetry:\n- ErrorEquals: [States.ALL]\n- {}\n- ErrorEquals: []\n- ErrorEquals: [A, States.ALL]\n- ErrorEquals: [States.Nope]\n  MaxAttempts: -1\n  IntervalSeconds: 0\n  BackoffRate: 0.5\n  MaxDelaySeconds: 99999999\n  JitterStrategy: HALF\n  Next: S"), []string{
			`7: state "S": Retry[0]: field "ErrorEquals" has States.ALL, which must stand alone and last`,
			`8: state "S": Retry[1]: field "ErrorEquals" is missing`,
			`9: state "S": Retry[2]: field "ErrorEquals" must not be empty`,
			`10: state "S": Retry[3]: field "ErrorEquals" has States.ALL, which must stand alone and last`,
			`11: state "S": Retry[4]: field "ErrorEquals" has States.Nope, which is no error of Step Functions`,
			`12: state "S": Retry[4]: field "MaxAttempts" must be a whole number from 0 to 99999999, not -1`,
			`13: state "S": Retry[4]: field "IntervalSeconds" must be a whole number from 1 to 99999999, not 0`,
			`14: state "S": Retry[4]: field "BackoffRate" must be a number from 1 to 1e+09, not 0.5`,
			`15: state "S": Retry[4]: field "MaxDelaySeconds" must be a whole number from 1 to 31622400, not 99999999`,
			`16: state "S": Retry[4]: field "JitterStrategy" must be FULL or NONE, not "HALF"`,
			`17: state "S": Retry[4]: field "Next" is not supported`}},
		{"Catch", one("Type: Task\nResource: f\nCatch:\n- ErrorEquals: [5]\n  Next: X\n- ErrorEquals: [E]\n  ResultPath: $$.State"), []string{
			`3: state "S": goes on to "X", which is not there`,
			`7: state "S": Catch[0]: field "ErrorEquals" must be a list of names`,
			`9: state "S": Catch[1]: field "Next" is missing`,
			`10: state "S": Catch[1]: field "ResultPath" has path "$$.State": the context object cannot be written to`}},
		{"Retry of a Pass", one("Type: Pass\nRetry: []\nCatch: []"), []string{`5: state "S": field "Retry" is not supported`, `6: state "S": field "Catch" is not supported`}},

		{"Choices", "StartAt: S\nStates:\n  T: {Type: Succeed}\n  S:\n    Type: Choice\n    Default: T\n    Choices:\n" + indent("    ", `
- {Next: T}
- {Variable: $.a, StringEquals: x, NumericEquals: 1, Next: T}
- {Variable: $.a, StringEquals: 1, Next: T}
- {Variable: $.a, StringLike: x, Next: T}
- {StringEquals: x, Next: T}
- {Variable: $.a, StringEquals: x}
- {Variable: $.a, BooleanLessThan: true, Next: T}
- {Variable: $.a, IsPresent: yes, Next: T}
- {Variable: $.a, StringMatches: 'a\b', Next: T}
- {Variable: $.a, TimestampEquals: "2026-03-01", Next: T}
- {And: [], Next: T}
- {Not: {Variable: $.a, IsNull: true, Next: T}, Next: T}
- {Variable: $.a, And: [{Variable: $.a, IsNull: true}], Next: T}
- {Variable: a, StringEqualsPath: b, Next: T}`), []string{
			`8: state "S": Choices[0]: has no comparison`,
			`9: state "S": Choices[1]: has more than one comparison: StringEquals, NumericEquals`,
			`10: state "S": Choices[2]: field "StringEquals" must be a string value`,
			`11: state "S": Choices[3]: field "StringLike" is not supported`,
			`12: state "S": Choices[4]: field "Variable" is missing`,
			`13: state "S": Choices[5]: field "Next" is missing`,
			`14: state "S": Choices[6]: field "BooleanLessThan" is not supported`,
			`15: yes needs quotes: not every YAML reader takes it for a string`,
			`15: state "S": Choices[7]: field "IsPresent" must be a boolean, not a string`,
			`16: state "S": Choices[8]: field "StringMatches" has a pattern in which a backslash must be followed by * or \`,
			`17: state "S": Choices[9]: field "TimestampEquals" must be a timestamp value`,
			`18: state "S": Choices[10]: field "And" must not be empty`,
			`19: state "S": Choices[11]: Not: field "Next" is not supported`,
			`20: state "S": Choices[12]: field "Variable" is not supported`,
			`21: state "S": Choices[13]: field "Variable" has path "a": must start with "$"`,
			`21: state "S": Choices[13]: field "StringEqualsPath" has path "b": must start with "$"`}},
		{"a Choice without Choices", chain("S: {Type: Choice, Default: T}\nT: {Type: Succeed}"), []string{`3: state "S": field "Choices" is missing`}},
		{"a Choice with Next", chain("S: {Type: Choice, Choices: [{Variable: $.a, IsNull: true, Next: T}], Next: T}\nT: {Type: Succeed}"), []string{`3: state "S": field "Next" is not supported`}},

		{"a Wait without a time", one("Type: Wait"), []string{`4: state "S": needs Seconds, SecondsPath, Timestamp or TimestampPath`}},
		{"a Wait with two", one("Type: Wait\nSeconds: 5\nTimestampPath: $.t"), []string{`6: state "S": field "TimestampPath" cannot stand beside Seconds`}},
		{"a Wait until no time", one("Type: Wait\nTimestamp: tomorrow"), []string{`5: state "S": field "Timestamp" must be a time such as 2026-03-01T02:00:05Z`}},
		{"a Fail with two errors", chain("S: {Type: Fail, Error: a, ErrorPath: $.b, Retry: []}"), []string{`3: state "S": field "ErrorPath" cannot stand beside Error`, `3: state "S": field "Retry" is not supported`}},

		{"an inline Map", one("Type: Map\nItemReader: {}\nToleratedFailureCount: 1\nLabel: x\nItemProcessor: {StartAt: P, States: {P: {Type: Succeed}}}"), []string{
			`5: state "S": field "ItemReader" needs ProcessorConfig.Mode DISTRIBUTED`, `6: state "S": field "ToleratedFailureCount" needs ProcessorConfig.Mode DISTRIBUTED`, `7: state "S": field "Label" needs ProcessorConfig.Mode DISTRIBUTED`}},
		{"fields of a Map", mapOf("Iterator: {}\nParameters: {}\nItemBatcher: {}\nResultWriter: {}\nLabel: a b\nMaxConcurrency: 1\nMaxConcurrencyPath: $.n\nToleratedFailurePercentage: 101", distributed, "Type: Succeed"), []string{
			`5: state "S": field "Iterator" is not supported`, `6: state "S": field "Parameters" is not supported`, `7: state "S": field "ItemBatcher" is not supported`, `8: state "S": field "ResultWriter" is not supported`,
			`9: state "S": field "Label" must have 1 to 40 letters, digits, - and _`, `11: state "S": field "MaxConcurrencyPath" cannot stand beside MaxConcurrency`, `12: state "S": field "ToleratedFailurePercentage" must be a number from 0 to 100, not 101`,
			`17: state "P": field "End" is not supported`}},
		{"a processor", one("Type: Map\nItemProcessor:\n  ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: EXPRESS, X: 1}\n  TimeoutSeconds: 5\n  StartAt: P\n  States: {P: {Type: Succeed}}"), []string{
			`6: state "S": ProcessorConfig: field "ExecutionType" "EXPRESS" is not supported`, `6: state "S": ProcessorConfig: field "X" is not supported`, `7: state "S": ItemProcessor: field "TimeoutSeconds" is not supported`}},
		{"a reader", mapOf("ItemsPath: $.l\nItemReader:\n  Resource: arn:aws:states:::s3:listObjectsV2\n  ReaderConfig: {InputType: CSV, CSVHeaderLocation: FIRST_ROW}\n  Parameters: {Bucket: b, VersionId: v}", distributed, "Type: Pass"), []string{
			`5: state "S": field "ItemsPath" is not supported beside ItemReader`,
			`7: state "S": ItemReader: field "Resource" "arn:aws:states:::s3:listObjectsV2" is not supported`, `8: state "S": ItemReader: ReaderConfig: field "InputType" "CSV" is not supported`,
			`8: state "S": ItemReader: ReaderConfig: field "CSVHeaderLocation" is not supported`, `9: state "S": ItemReader: Parameters: field "Key" is missing`, `9: state "S": ItemReader: Parameters: field "VersionId" is not supported`}},
		{"a branch", one("Type: Parallel\nBranches:\n- {StartAt: A, States: {A: {Type: Pass, Next: S}}}\n- {}"), []string{
			`6: state "A": goes on to "S", which is not there`, `6: state "S": Branches[0]: field "States" must have a state that ends and can be reached`,
			`7: state "S": Branches[1]: field "StartAt" is missing`, `7: state "S": Branches[1]: field "States" is missing`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			for _, w := range c.want {
				want = append(want, "infra/m.asl.yaml:"+w)
			}
			if diff := cmp.Diff(want, loadErrors(c.machine)); diff != "" {
				t.Errorf("errors (-want +got):\n%s\n%s", diff, c.machine)
			}
		})
	}
}

func TestLoadJSON(t *testing.T) {
	m, err := Load([]byte("{\n\t\"StartAt\": \"S\",\n\t\"States\": {\n\t\t\"S\": {\"Type\": \"Pass\", \"Result\": {\"a\\/b\": \"\\ud83d\\ude00 ${Fn}\", \"n\": 1.50}, \"End\": true}\n\t}\n}\n"),
		"dir/other.asl.json", map[string]string{"Fn": "arn:fn", "Unused": ""})
	if err != nil {
		t.Fatal(err)
	}
	output, err := m.Run(t.Context(), Env{}, nil)
	if err != nil || string(output) != `{"a/b":"😀 arn:fn","n":1.50}` {
		t.Errorf("output %s, %v", output, err)
	}
	if m.Name() != "other" {
		t.Errorf("name %q", m.Name())
	}
}

func TestAccessors(t *testing.T) {
	m, err := Load([]byte(chain(`
A: {Type: Task, Resource: "${Fn}", Retry: [{ErrorEquals: [E, F]}], Catch: [{ErrorEquals: [States.ALL], Next: B}], Next: B}
B: {Type: Map, Catch: [{ErrorEquals: [E], Next: D}], ItemProcessor: {StartAt: C, States: {C: {Type: Task, Resource: other, End: true}}}, Next: D}
D: {Type: Task, Resource: "${Fn}", End: true}`)), "m.yaml", map[string]string{"Fn": "arn:fn"})
	if err != nil {
		t.Fatal(err)
	}
	got := [][]string{m.Resources(), m.ErrorNames(), m.StateNames(), m.Substitutions()}
	want := [][]string{{"arn:fn", "other"}, {"E", "F", "States.ALL"}, {"A", "B", "C", "D"}, {"Fn"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := m.Run(t.Context(), Env{}, nil); err == nil {
		t.Error("ran without a function for tasks")
	}
	if _, err := m.Run(t.Context(), (&world{}).env(), []byte("{")); err == nil {
		t.Error("ran with an input that is no JSON")
	}
}
