package asl

import (
	"strings"
	"testing"
)

func TestIntrinsics(t *testing.T) {
	input := `{"s":"text","n":3,"f":2.5,"b":true,"z":null,"a":[1,2,3,2],"o":{"k":1},"t":"x{}y","long":"` + strings.Repeat("x", 10_001) + `"}`
	for call, want := range map[string]string{
		`States.Format('a {} b {} {} {} {}', $.s, $.n, $.b, $.z, $.o)`: `"a text b 3 true null {\"k\":1}"`,
		`States.Format('no')`:                                  `"no"`,
		`States.Format('it\'s \{\} \\{}', 1)`:                  `"it's {} \\1"`,
		`States.Format($.t, 'A')`:                              `"xAy"`,
		`States.Format('{}', States.Format('<{}>', $.s))`:      `"<text>"`,
		`States.Format('{}, {}', 1)`:                           `!more {} than arguments`,
		`States.Format('{}', 1, 2)`:                            `!more arguments than {}`,
		`States.Format('{', 1)`:                                `!must be escaped`,
		`States.Format($.n)`:                                   `!a string is needed, not a number`,
		`States.Format('{}', $.no)`:                            `!'$.no' could not be found`,
		`States.StringToJson('{"a":[1.0]}')`:                   `{"a":[1.0]}`,
		`States.StringToJson('')`:                              `null`,
		`States.StringToJson('{')`:                             `!not JSON`,
		`States.JsonToString($.o)`:                             `"{\"k\":1}"`,
		`States.JsonToString($.s)`:                             `"\"text\""`,
		`States.Array()`:                                       `[]`,
		`States.Array(1, 'two', $.b, null, $.o, true, -1.5e3)`: `[1,"two",true,null,{"k":1},true,-1.5e3]`,
		`States.ArrayPartition($.a, 3)`:                        `[[1,2,3],[2]]`,
		`States.ArrayPartition($.a, 0)`:                        `!positive`,
		`States.ArrayContains($.a, 2.0)`:                       `true`,
		`States.ArrayContains($.a, '2')`:                       `false`,
		`States.ArrayContains(States.Array($.o), $.o)`:         `true`,
		`States.ArrayRange(1, 9, 2)`:                           `[1,3,5,7,9]`,
		`States.ArrayRange(3, 1, -1)`:                          `[3,2,1]`,
		`States.ArrayRange(1, 0, 1)`:                           `[]`,
		`States.ArrayRange(0, 1000, 1)`:                        `!more than 1000`,
		`States.ArrayRange(0, 1, 0)`:                           `!must not be 0`,
		`States.ArrayGetItem($.a, 1)`:                          `2`,
		`States.ArrayGetItem($.a, 4)`:                          `!outside`,
		`States.ArrayGetItem($.a, -1)`:                         `!outside`,
		`States.ArrayGetItem($.o, 0)`:                          `!an array is needed, not an object`,
		`States.ArrayLength($.a)`:                              `4`,
		`States.ArrayUnique($.a)`:                              `[1,2,3]`,
		`States.ArrayUnique(States.Array(1, 1.0, '1'))`:        `[1,"1"]`,
		`States.Base64Encode('ä')`:                             `"w6Q="`,
		`States.Base64Decode('w6Q=')`:                          `"ä"`,
		`States.Base64Decode('?')`:                             `!not Base64`,
		`States.Base64Encode($.long)`:                          `!longer than 10000`,
		`States.Hash('abc', 'MD5')`:                            `"900150983cd24fb0d6963f7d28e17f72"`,
		`States.Hash('abc', 'SHA-1')`:                          `"a9993e364706816aba3e25717850c26c9cd0d89d"`,
		`States.Hash('abc', 'SHA-256')`:                        `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`,
		`States.Hash('abc', 'CRC')`:                            `!not one of`,
		`States.Hash($.long, 'MD5')`:                           `!longer than 10000`,
		`States.JsonMerge($.o, States.StringToJson('{"k":{"x":1},"l":2}'), false)`: `{"k":{"x":1},"l":2}`,
		`States.JsonMerge($.o, $.o, true)`:                                         `!and false`,
		`States.JsonMerge($.o, $.a, false)`:                                        `!two objects`,
		`States.MathRandom(10, 20)`:                                                `15`, // the draw is 0.5
		`States.MathRandom(2, 2)`:                                                  `!less than`,
		`States.MathAdd($.n, -5)`:                                                  `-2`,
		`States.MathAdd($.f, 1)`:                                                   `4`, // 2.5 rounds to 3
		`States.MathAdd($.s, 1)`:                                                   `!a number is needed, not a string`,
		`States.MathAdd(2147483648, 1)`:                                            `!32-bit`,
		`States.StringSplit('This.is+a,test=string', '.+,=')`:                      `["This","is","a","test","string"]`,
		`States.StringSplit(',a,,b,', ',')`:                                        `["a","b"]`,
		`States.Array( $.n ,$.a[0],$['s'] , $$.Execution.Name )`:                   `[3,1,"text","run1"]`,
		`States.Array('\'', '\\', '{}', '\{')`:                                     `["'","\\","{}","{"]`,
	} {
		t.Run(call, func(t *testing.T) {
			c := specCase{machine: one("Type: Pass\nParameters:\n  v.$: >-\n    " + call), input: input, want: `{"v":` + want + `}`}
			if cause, fails := strings.CutPrefix(want, "!"); fails {
				c.fails = "States.IntrinsicFailure: " + cause
			}
			c.run(t)
		})
	}
}

func TestRandomIntrinsics(t *testing.T) {
	w := &world{}
	m := mustLoad(t, one("Type: Pass\nParameters: {a.$: States.UUID(), b.$: States.UUID(), \"r.$\": \"States.MathRandom(0, 1000000, 7)\", \"s.$\": \"States.MathRandom(0, 1000000, 7)\"}"))
	output, err := m.Run(t.Context(), w.env(), nil)
	if err != nil {
		t.Fatal(err)
	}
	value, _ := decode(output)
	got := value.(map[string]any)
	if a, _ := got["a"].(string); len(a) != 36 || got["a"] == got["b"] {
		t.Errorf("UUIDs %v and %v", got["a"], got["b"])
	}
	if got["r"] != got["s"] {
		t.Errorf("one seed gave %v and %v", got["r"], got["s"])
	}
}

func TestIntrinsicsRefused(t *testing.T) {
	deep := strings.Repeat("States.Array(", 11) + strings.Repeat(")", 11)
	for source, want := range map[string]string{
		`States.Nope(1)`: "States.Nope is not supported", `States.Format()`: "0 arguments", `States.UUID(1)`: "1 arguments",
		`States.Array(1`: `"," or ")"`, `States.Array(1,)`: "is not an argument", `States.Array(a)`: `"a" is not an argument`, `States.Array('a`: "has no end",
		`States.Array('\n')`: "a backslash", `States.Array(01)`: `"01" is not`, `Format('a')`: "neither a path", `States.Array(1) x`: "after the end",
		`States.Array($.a[?(@.b)])`: "filters", `States.Array($x)`: "variables", `text`: "neither a path", deep: "more than 10",
	} {
		if _, err := parseExpression(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", source, err, want)
		}
	}
}
