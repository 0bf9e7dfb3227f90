package run

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataverse"
)

// storedLine is what encoding/json makes of a line.
type storedLine struct {
	dataverse.Operation
	Of *int `json:"of"`
}

// linkOperations are those of the second pass and of deletes, in all their forms.
var linkOperations = []dataverse.Operation{
	{Row: 3, Line: 4, Do: dataverse.Update, ID: "6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001", Set: json.RawMessage(`{"parentcustomerid_account@odata.bind":"/accounts(accountnumber='O''Neil')"}`)},
	{Row: 4, Line: 5, Do: dataverse.Associate, Key: []dataverse.KeyPart{{Column: "emailaddress1", Value: json.RawMessage(`"a@b.org"`)}}, Set: json.RawMessage(`{}`),
		Link: &dataverse.Link{Navigation: "cr1_contact_list", To: "lists(6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0009)"}},
	{Do: dataverse.Delete, ID: "6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001", Set: json.RawMessage(`{}`)},
	{Row: 5, Line: 6, Do: dataverse.Upsert, ID: "6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0002", Set: json.RawMessage(`{"a":[{"b":[1,2.5e-3,true]}]}`), Partition: "a \"b\"\n\\ü"},
}

func TestLinesComeBack(t *testing.T) {
	for i, op := range append(linkOperations, operations...) {
		for of, line := range map[int][]byte{-1: appendOperation(nil, &op), i: appendLink(nil, &op, i)} {
			var want storedLine
			if err := json.Unmarshal(line, &want); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if diff := cmp.Diff(op, want.Operation); diff != "" || (want.Of == nil) != (of < 0) || of >= 0 && *want.Of != of {
				t.Errorf("encoding/json reads another operation of place %v (-want +got):\n%s", want.Of, diff)
			}
			var got dataverse.Operation
			reader := lineReader{text: line}
			place, ok := reader.next(&got)
			if diff := cmp.Diff(op, got); !ok || place != of || !reader.end() || diff != "" {
				t.Errorf("%s is read: %v, place %d (-want +got):\n%s", line, ok, place, diff)
			}
		}
	}
}

// What is not exactly a line of ours is not read, whatever encoding/json says of it.
func TestOtherLinesAreRefused(t *testing.T) {
	good := string(appendLink(nil, &linkOperations[1], 7))
	for _, line := range []string{
		"", "\n", "{}\n", good[:len(good)-1], " " + good, good[1:],
		strings.Replace(good, `"row":4`, `"row":04`, 1), strings.Replace(good, `"row":4`, `"row":-4`, 1), strings.Replace(good, `"row":4`, `"row":9223372036854775808`, 1),
		strings.Replace(good, `"row":4`, `"row":4.0`, 1), strings.Replace(good, `"row":4`, `"row":`, 1),
		strings.Replace(good, "associate", "annihilate", 1), strings.Replace(good, `"do"`, `"Do"`, 1),
		strings.Replace(good, `"of":7`, `"of":7,"of":8`, 1), strings.Replace(good, `"of":7`, `"off":7`, 1), strings.Replace(good, `"of":7`, `"of":-1`, 1),
		strings.Replace(good, `"set":{}`, `"set":[]`, 1), strings.Replace(good, `"set":{}`, `"set":null`, 1), strings.Replace(good, `"set":{}`, `"set":{"a":tru}`, 1),
		strings.Replace(good, `"set":{}`, `"set":{"a":"`+"\x01"+`"}`, 1), strings.Replace(good, `"set":{}`, `"set":{"a":"\x"}`, 1), strings.Replace(good, `"set":{}`, `"set":{"a":1,}`, 1),
		strings.Replace(good, `"set":{}`, `"set":{a:1}`, 1), strings.Replace(good, `"set":{}`, `"set":`+strings.Repeat(`{"a":`, 200)+"1"+strings.Repeat("}", 200), 1),
		strings.Replace(good, `"value":"a@b.org"`, `"value":`, 1), strings.Replace(good, `emailaddress1`, `e\u006dail`, 1), strings.Replace(good, `"key":[{`, `"key":[],"x":[{`, 1),
	} {
		var op dataverse.Operation
		if line == good {
			t.Fatal("a case changes nothing")
		}
		if _, ok := (&lineReader{text: []byte(line)}).next(&op); ok {
			t.Errorf("read: %q", line)
		}
	}
}

// holdLine checks that what the reader takes is what encoding/json takes it for.
func holdLine(t *testing.T, line []byte) {
	var got dataverse.Operation
	reader := lineReader{text: line}
	of, ok := reader.next(&got)
	if !ok {
		return
	}
	var want storedLine
	if err := json.Unmarshal(line[:reader.at], &want); err != nil {
		t.Fatalf("%q is read and is no JSON: %v", line, err)
	}
	if diff := cmp.Diff(want.Operation, got); diff != "" || (of >= 0) != (want.Of != nil) || of >= 0 && of != *want.Of {
		t.Fatalf("%q, place %d of %v (-json +ours):\n%s", line, of, want.Of, diff)
	}
}

func FuzzLine(f *testing.F) {
	for _, op := range append(linkOperations, operations...) {
		f.Add(appendOperation(nil, &op))
		f.Add(appendLink(nil, &op, 12))
	}
	for line := range strings.Lines(storedChunk) {
		f.Add([]byte(line))
	}
	f.Add([]byte(`{"row":1,"line":2,"do":"update","set":{ "a" :	[ ] , "b":{},"c":-0.5E+3,"d":"\ud800\\"}}` + "\n"))
	f.Fuzz(holdLine)
}

// A byte changed anywhere leaves a line that is refused, or one that reads as encoding/json reads it.
func TestChangedLines(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	for range 6000 {
		op := append(linkOperations, operations...)[random.IntN(len(linkOperations)+len(operations))]
		line := appendLink(nil, &op, random.IntN(100))
		for range 1 + random.IntN(2) {
			at := random.IntN(len(line))
			switch random.IntN(3) {
			case 0:
				line[at] = line[random.IntN(len(line))]
			case 1:
				line = append(line[:at], line[at+1:]...)
			case 2:
				line[at] = byte(random.IntN(256))
			}
		}
		holdLine(t, line)
	}
}

func BenchmarkReadLines(b *testing.B) {
	var text []byte
	for len(text) < 1<<20 {
		text = appendOperation(text, &operations[1])
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		reader := lineReader{text: text}
		for !reader.end() {
			var op dataverse.Operation
			if _, ok := reader.next(&op); !ok {
				b.Fatal("not readable")
			}
		}
	}
}
