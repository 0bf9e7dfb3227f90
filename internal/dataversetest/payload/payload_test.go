package payload_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataversetest/payload"
)

func TestParseKeepsOrderAndDigits(t *testing.T) {
	got, err := payload.Parse(` {"b":1.50,"a":["x\u00e9\ud83d\ude00\n",true,null],"o":{}} `)
	if err != nil {
		t.Fatal(err)
	}
	want := payload.Value{Kind: payload.Object, Items: []payload.Member{
		{Name: "b", Value: payload.Value{Kind: payload.Number, Text: "1.50"}},
		{Name: "a", Value: payload.Value{Kind: payload.Array, Items: []payload.Member{
			{Value: payload.Value{Kind: payload.String, Text: "xé😀\n"}},
			{Value: payload.Value{Kind: payload.True, Text: "true"}},
			{Value: payload.Value{Kind: payload.Null, Text: "null"}}}}},
		{Name: "o", Value: payload.Value{Kind: payload.Object}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{"", "{", `{"a"}`, `{"a":}`, `{"a":1,}`, "[1,]", "01", "1.", "-", "1e", `"\x"`, `"\u12"`, "\"a\nb\"", "{} x",
		"nul", strings.Repeat("[", 1000)} {
		if v, err := payload.Parse(in); err == nil {
			t.Errorf("%q parsed as %+v", in, v)
		}
	}
}

// FuzzParse accepts what encoding/json accepts, apart from the depth of nesting, and nothing else.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\u0041",null,true,{}]}`, `""`, "-0", "[[]]", `{"a":1,"a":2}`, `"\ud800"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		_, err := payload.Parse(in)
		if strings.HasPrefix(in, "\ufeff") || strings.Count(in, "[")+strings.Count(in, "{") > 60 {
			return
		}
		if valid := json.Valid([]byte(in)); valid != (err == nil) {
			t.Errorf("%q: json says %v, we say %v", in, valid, err)
		}
	})
}
