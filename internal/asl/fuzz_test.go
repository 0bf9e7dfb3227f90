package asl

import (
	"encoding/json"
	"math/big"
	"os"
	"testing"
)

// FuzzPath: a path that parses can be evaluated on anything, and a reference
// that parses reads back what it set.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"$", "$.a", "$$.Execution.Id", "$['x y'][0]", "$..a[*]", "$.a[1:-1,2]", "$.a.['b']", `$["\""]`, "$.l[0,1]"} {
		f.Add(seed, `{"a":{"b":[1,2,3]},"x y":[null],"l":[[1],[2]]}`)
	}
	f.Fuzz(func(t *testing.T, source, document string) {
		p, err := parsePath(source)
		if err != nil {
			return
		}
		value, err := decode([]byte(document))
		if err != nil {
			return
		}
		sc := &scope{input: value, context: map[string]any{}}
		before := text(value)
		found, ok := p.lookup(sc)
		if ok && len(text(found)) == 0 {
			t.Errorf("%s found %v, which is no JSON", source, found)
		}
		r, err := parseReference(source)
		if err != nil {
			return
		}
		placed, ok := r.set(value, "placed")
		if !ok {
			return
		}
		if back, ok := p.lookup(sc.with(placed)); !ok || back != "placed" {
			t.Errorf("%s: set, but reads %v", source, back)
		}
		if text(value) != before {
			t.Errorf("%s: set changed the value that others share", source)
		}
	})
}

// FuzzIntrinsic: a call that parses has a value or a Failure on anything.
func FuzzIntrinsic(f *testing.F) {
	for _, seed := range []string{
		"States.Format('{} \\{\\} \\'', $.a)", "States.Array(1, 'a', null, true, $$.x)", "States.ArrayRange(0, 10, 3)", "States.MathAdd(-1, 2.5e0)",
		"States.StringSplit('a,b', ',')", "States.JsonMerge($, $, false)", "States.ArrayPartition(States.Array(1,2,3), 2)", "States.MathRandom(1, 9, 4)",
		"States.Hash('x', 'SHA-256')", "States.StringToJson('{\"a\":1}')", "States.Base64Decode('AAAA')", "States.ArrayGetItem($.a, 0)",
	} {
		f.Add(seed, `{"a":[1,"x"]}`)
	}
	f.Fuzz(func(t *testing.T, source, document string) {
		e, err := parseIntrinsic(source)
		if err != nil {
			return
		}
		input, err := decode([]byte(document))
		if err != nil {
			return
		}
		value, err := e.eval(&scope{input: input, context: map[string]any{}, rand: func() float64 { return 0.999 }})
		if err != nil {
			if failure, ok := err.(*Failure); !ok || failure.Name != errIntrinsic {
				t.Errorf("%s: %v is not States.IntrinsicFailure", source, err)
			}
			return
		}
		if _, err := encode(value); err != nil {
			t.Errorf("%s: %v is no JSON: %v", source, value, err)
		}
	})
}

// FuzzLoad: no definition makes Load panic, and one that loads can be walked:
// its states have all they need.
func FuzzLoad(f *testing.F) {
	data, err := os.ReadFile(definition)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add(taskWith("Retry:\n- ErrorEquals: [E]\nTimeoutSeconds: 5"))
	f.Add(mapOf(readerFields, distributed, "Type: Pass"))
	f.Add(chooses("Not: {And: [{Variable: $.a, StringMatches: 'a*'}]}"))
	f.Add(one("Type: Wait\nTimestampPath: $.a"))
	f.Add(`{"StartAt":"S","States":{"S":{"Type":"Fail","ErrorPath":"States.Format('{}',$.a)"}}}`)
	names := map[string]string{"Bucket": "workbucket", "WorkBucket": "workbucket", "PrepareFunction": "p", "TurnFunction": "t", "ApplyFunction": "a", "FinishFunction": "f"}
	f.Fuzz(func(t *testing.T, definition string) {
		m, err := Load([]byte(definition), "fuzz.yaml", names)
		if err != nil {
			return
		}
		w := &world{}
		_, _ = m.Run(t.Context(), w.env(), json.RawMessage(`{"a":"2026-03-01T02:00:05Z"}`))
	})
}

// FuzzNumbers: the order of numbers is that of exact arithmetic.
func FuzzNumbers(f *testing.F) {
	for _, seed := range [][2]string{{"1", "1.0"}, {"-0", "0"}, {"1e2", "100"}, {"0.001", "1e-3"}, {"-5", "-50e-1"}, {"12345678901234567890", "12345678901234567891"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !isNumber(a) || !isNumber(b) || len(a) > 30 || len(b) > 30 {
			return
		}
		for _, s := range []string{a, b} {
			if e := parseDecimal(json.Number(s)).point; e > 2000 || e < -2000 {
				return // beyond what exact arithmetic does in time
			}
		}
		x, ok1 := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		if !ok1 || !ok2 {
			return
		}
		if got := compareNumbers(json.Number(a), json.Number(b)); got != x.Cmp(y) {
			t.Errorf("compare %s with %s: %d, want %d", a, b, got, x.Cmp(y))
		}
	})
}
