package asl

import (
	"testing"
)

// chooses is a Choice whose one rule leads to a Pass that says true.
func chooses(rule string) string {
	return chain(`
S: {Type: Choice, Choices: [{` + rule + `, Next: T}], Default: F}
T: {Type: Pass, Result: true, End: true}
F: {Type: Pass, Result: false, End: true}`)
}

const choiceInput = `{"s":"bb","t":"2026-03-01T02:00:05Z","n":10,"f":10.0,"b":true,"z":null,"o":{},"a":[1],"s2":"bb","n2":1e1,"t2":"2026-03-01T03:00:05+01:00","big":100000000000000000000.1,"star":"a*b\\c"}`

func TestChoiceComparisons(t *testing.T) {
	for rule, want := range map[string]bool{
		`Variable: $.s, StringEquals: bb`:                 true,
		`Variable: $.s, StringEquals: b`:                  false,
		`Variable: $.n, StringEquals: "10"`:               false, // another type is never equal
		`Variable: $.s, StringEqualsPath: $.s2`:           true,
		`Variable: $.s, StringEqualsPath: $.n`:            false,
		`Variable: $.s, StringLessThan: bc`:               true,
		`Variable: $.s, StringLessThan: bb`:               false,
		`Variable: $.s, StringLessThanPath: $.t`:          false,
		`Variable: $.s, StringLessThanEquals: bb`:         true,
		`Variable: $.s, StringLessThanEqualsPath: $.s2`:   true,
		`Variable: $.s, StringGreaterThan: ba`:            true,
		`Variable: $.s, StringGreaterThanPath: $.s2`:      false,
		`Variable: $.s, StringGreaterThanEquals: bc`:      false,
		`Variable: $.s, StringGreaterThanEqualsPath: $.t`: true,

		`Variable: $.n, NumericEquals: 10`:                        true,
		`Variable: $.n, NumericEquals: 10.00`:                     true,
		`Variable: $.n, NumericEqualsPath: $.n2`:                  true,
		`Variable: $.big, NumericEquals: 100000000000000000000.1`: true,
		`Variable: $.big, NumericEquals: 100000000000000000000.2`: false,
		`Variable: $.n, NumericLessThan: 10`:                      false,
		`Variable: $.n, NumericLessThan: 10.5`:                    true,
		`Variable: $.n, NumericLessThanPath: $.big`:               true,
		`Variable: $.n, NumericLessThanEquals: 10`:                true,
		`Variable: $.n, NumericLessThanEqualsPath: $.f`:           true,
		`Variable: $.n, NumericGreaterThan: -11`:                  true,
		`Variable: $.n, NumericGreaterThanPath: $.f`:              false,
		`Variable: $.n, NumericGreaterThanEquals: 11`:             false,
		`Variable: $.n, NumericGreaterThanEqualsPath: $.f`:        true,
		`Variable: $.s, NumericGreaterThan: 0`:                    false,

		`Variable: $.b, BooleanEquals: true`:    true,
		`Variable: $.b, BooleanEquals: false`:   false,
		`Variable: $.s, BooleanEquals: false`:   false,
		`Variable: $.b, BooleanEqualsPath: $.b`: true,

		`Variable: $.t, TimestampEquals: "2026-03-01T02:00:05.000Z"`:                true,
		`Variable: $.t, TimestampEqualsPath: $.t2`:                                  true,
		`Variable: $.t, TimestampLessThan: "2026-03-01T02:00:06Z"`:                  true,
		`Variable: $.t, TimestampLessThanPath: $.t2`:                                false,
		`Variable: $.t, TimestampLessThanEquals: "2026-03-01T02:00:05Z"`:            true,
		`Variable: $.t, TimestampLessThanEqualsPath: $.t2`:                          true,
		`Variable: $.t, TimestampGreaterThan: "2026-03-01T02:00:04.9Z"`:             true,
		`Variable: $.t, TimestampGreaterThanPath: $.t2`:                             false,
		`Variable: $.t, TimestampGreaterThanEquals: "2026-03-01T02:00:06Z"`:         false,
		`Variable: $.t, TimestampGreaterThanEqualsPath: $.t2`:                       true,
		`Variable: $.s, TimestampGreaterThan: "2026-03-01T02:00:04Z"`:               false,
		`Variable: $$.Execution.StartTime, TimestampEquals: "2026-03-01T02:00:05Z"`: true,

		`Variable: $.z, IsNull: true`:         true,
		`Variable: $.s, IsNull: true`:         false,
		`Variable: $.s, IsNull: false`:        true,
		`Variable: $.n, IsNumeric: true`:      true,
		`Variable: $.s, IsNumeric: true`:      false,
		`Variable: $.s, IsString: true`:       true,
		`Variable: $.n, IsString: false`:      true,
		`Variable: $.b, IsBoolean: true`:      true,
		`Variable: $.t, IsTimestamp: true`:    true,
		`Variable: $.s, IsTimestamp: true`:    false,
		`Variable: $.s, IsPresent: true`:      true,
		`Variable: $.z, IsPresent: true`:      true,
		`Variable: $.no.no, IsPresent: true`:  false,
		`Variable: $.no.no, IsPresent: false`: true,

		`Variable: $.s, StringMatches: "b*"`:         true,
		`Variable: $.s, StringMatches: "*"`:          true,
		`Variable: $.s, StringMatches: "*b*b*"`:      true,
		`Variable: $.s, StringMatches: "b*b*b"`:      false,
		`Variable: $.s, StringMatches: "bb"`:         true,
		`Variable: $.s, StringMatches: "b"`:          false,
		`Variable: $.s, StringMatches: "?b"`:         false,
		`Variable: $.n, StringMatches: "*"`:          false,
		`Variable: $.star, StringMatches: 'a\*b*'`:   true,
		`Variable: $.star, StringMatches: 'a\*b\\c'`: true,
		`Variable: $.star, StringMatches: '\**'`:     false,

		`And: [{Variable: $.n, NumericEquals: 10}, {Variable: $.b, BooleanEquals: true}]`:         true,
		`And: [{Variable: $.n, NumericEquals: 10}, {Variable: $.b, BooleanEquals: false}]`:        false,
		`Or: [{Variable: $.n, NumericEquals: 11}, {Variable: $.b, BooleanEquals: true}]`:          true,
		`Or: [{Variable: $.n, NumericEquals: 11}]`:                                                false,
		`Not: {Variable: $.n, NumericEquals: 11}`:                                                 true,
		`Not: {Not: {Or: [{Variable: $.no, IsPresent: true}, {Variable: $.a, IsPresent: true}]}}`: true,
		`And: [{Variable: $.no, IsPresent: true}, {Variable: $.no, NumericEquals: 1}]`:            false, // the second part is not asked
		`Or: [{Variable: $.s, IsPresent: true}, {Variable: $.no, NumericEquals: 1}]`:              true,
	} {
		t.Run(rule, func(t *testing.T) {
			c := specCase{machine: chooses(rule), input: choiceInput, want: "false"}
			if want {
				c.want = "true"
			}
			c.run(t)
		})
	}
}

func TestChoice(t *testing.T) {
	runCases(t, []specCase{
		{name: "the first rule that holds", machine: chain(`
S: {Type: Choice, Choices: [{Variable: $.n, NumericGreaterThan: 5, Next: A}, {Variable: $.n, NumericGreaterThan: 1, Next: B}]}
A: {Type: Pass, Result: a, End: true}
B: {Type: Pass, Result: b, End: true}`), input: `{"n":9}`, want: `"a"`},
		{name: "no rule and no Default is NoChoiceMatched", machine: chain(`
S: {Type: Choice, Choices: [{Variable: $.n, NumericGreaterThan: 5, Next: A}]}
A: {Type: Succeed}`), input: `{"n":1}`, fails: "States.NoChoiceMatched"},
		{name: "a Variable that selects nothing is States.Runtime", machine: chooses(`Variable: $.no, IsNull: true`), input: `{}`, fails: "States.Runtime: Invalid path '$.no'"},
		{name: "a Path that selects nothing is States.Runtime", machine: chooses(`Variable: $.s, StringEqualsPath: $.no`), input: `{"s":""}`, fails: "States.Runtime: Invalid path '$.no'"},
		{name: "InputPath and OutputPath", machine: chain(`
S: {Type: Choice, InputPath: $.in, OutputPath: $.v, Choices: [{Variable: $.n, NumericEquals: 1, Next: A}]}
A: {Type: Succeed}`), input: `{"in":{"n":1,"v":"out"}}`, want: `"out"`},
	})
}

func TestWait(t *testing.T) {
	wait := func(how string) string { return one("Type: Wait\n" + how) }
	runCases(t, []specCase{
		{name: "Seconds", machine: wait("Seconds: 90"), input: `{"a":1}`, want: `{"a":1}`, sleeps: secs(90)},
		{name: "Seconds 0 does not wait", machine: wait("Seconds: 0"), want: `{}`, sleeps: secs()},
		{name: "SecondsPath", machine: wait("SecondsPath: $.s"), input: `{"s":15}`, want: `{"s":15}`, sleeps: secs(15)},
		{name: "SecondsPath of another type", machine: wait("SecondsPath: $.s"), input: `{"s":"15"}`, fails: "States.Runtime: SecondsPath"},
		{name: "SecondsPath of a fraction", machine: wait("SecondsPath: $.s"), input: `{"s":1.5}`, fails: "States.Runtime"},
		{name: "SecondsPath below zero", machine: wait("SecondsPath: $.s"), input: `{"s":-1}`, fails: "States.Runtime"},
		{name: "SecondsPath that selects nothing", machine: wait("SecondsPath: $.s"), input: `{}`, fails: "States.Runtime: '$.s'"},
		{name: "Timestamp", machine: wait(`Timestamp: "2026-03-01T03:00:05+01:00"`), want: `{}`, sleeps: secs()},
		{name: "Timestamp to come", machine: wait(`Timestamp: "2026-03-01T02:01:00Z"`), want: `{}`, sleeps: secs(55)},
		{name: "TimestampPath", machine: wait(`TimestampPath: $.t`), input: `{"t":"2026-03-01T02:00:06.500Z"}`, want: `{"t":"2026-03-01T02:00:06.500Z"}`, sleeps: secs(1.5)},
		{name: "TimestampPath of another form", machine: wait(`TimestampPath: $.t`), input: `{"t":"2026-03-01 02:00:06Z"}`, fails: "States.Runtime: TimestampPath"},
		{name: "InputPath and OutputPath", machine: wait("InputPath: $.a\nSecondsPath: $.s\nOutputPath: $.s"), input: `{"a":{"s":2}}`, want: `2`, sleeps: secs(2)},
	})
}

func TestEnds(t *testing.T) {
	fails := func(fields string) string { return chain("S: {Type: Fail" + fields + "}") }
	runCases(t, []specCase{
		{name: "Succeed hands its input on", machine: chain(`S: {Type: Succeed, InputPath: $.a, OutputPath: $.b}`), input: `{"a":{"b":1}}`, want: `1`},
		{name: "Fail", machine: fails(`, Error: RunFailed, Cause: because`), fails: "RunFailed: because"},
		{name: "ErrorPath and CausePath", machine: fails(`, ErrorPath: $.e, CausePath: $$.Execution.Name`), input: `{"e":"E"}`, fails: "E: run1"},
		{name: "CausePath with an intrinsic function", machine: fails(`, Error: E, CausePath: "States.Format('{} of {}', $.a, 2)"`), input: `{"a":1}`, fails: "E: 1 of 2"},
		{name: "ErrorPath of another type", machine: fails(`, ErrorPath: $.e`), input: `{"e":1}`, fails: "States.Runtime: must select a string"},
		{name: "ErrorPath that selects nothing", machine: fails(`, ErrorPath: $.e`), input: `{}`, fails: "States.Runtime"},
	})
}
