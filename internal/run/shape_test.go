package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/mapping"
	"penstock/internal/store"
)

var testShapes = []shape{
	{Do: dataverse.Upsert, Key: []string{"emailaddress1", "cr1_number"}, Set: []string{`"firstname":`, `"lastname":`, `"parentcustomerid_account@odata.bind":`}},
	{Do: dataverse.Upsert, ID: true, New: false, Fixed: `"statecode":0,"statuscode":null`, Set: []string{`"firstname":`}},
	{Do: dataverse.Create, ID: true, Set: []string{}},
	{Do: dataverse.Upsert, Key: []string{"emailaddress1"}, New: true, Set: []string{`"firstname":`, `"lastname":`}},
}

const testShapedLines = `[17,18,0,"ada@example.org",3,"Ada",{},"/accounts(6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001)"]
[18,20,1,"6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0002","J\u0000\"ü"]
[19,21,2,"6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0003"]
[20,22,3,"a+b@example.org","6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0004",{},{}]
[21,23,3,"c+d@example.org","6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0005",null,[1,{"a":{}}]]
`

func testShapesHead() []byte {
	var all shapes
	all.restore(testShapes)
	return all.head()
}

func TestShapedLinesComeBack(t *testing.T) {
	text := string(testShapesHead()) + testShapedLines
	reader := lineReader{text: []byte(text)}
	if !reader.begin() {
		t.Fatal("the shapes are not read")
	}
	var got []string
	for !reader.end() {
		var op dataverse.Operation
		if of, ok := reader.next(&op); !ok || of != -1 {
			t.Fatalf("not read: %.80q", reader.text[reader.at:])
		}
		got = append(got, string(appendOperation(nil, &op)))
	}
	want := []string{
		`{"row":17,"line":18,"do":"upsert","key":[{"column":"emailaddress1","value":"ada@example.org"},{"column":"cr1_number","value":3}],"set":{"firstname":"Ada","parentcustomerid_account@odata.bind":"/accounts(6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001)"}}` + "\n",
		`{"row":18,"line":20,"do":"upsert","id":"6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0002","set":{"statecode":0,"statuscode":null,"firstname":"J\u0000\"ü"}}` + "\n",
		`{"row":19,"line":21,"do":"create","id":"6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0003","set":{}}` + "\n",
		`{"row":20,"line":22,"do":"upsert","key":[{"column":"emailaddress1","value":"a+b@example.org"}],"new":"6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0004","set":{}}` + "\n",
		`{"row":21,"line":23,"do":"upsert","key":[{"column":"emailaddress1","value":"c+d@example.org"}],"new":"6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0005","set":{"firstname":null,"lastname":[1,{"a":{}}]}}` + "\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOtherShapesAreRefused(t *testing.T) {
	good := string(testShapesHead())
	for name, head := range map[string]string{
		"verb":     strings.Replace(good, `"create"`, `"crush"`, 1),
		"cut":      good[:len(good)/2],
		"name":     strings.Replace(good, `\"firstname\":`, `\"firstname\":1,\"x\":`, 1),
		"no name":  strings.Replace(good, `\"firstname\":`, ``, 1),
		"fixed":    strings.Replace(good, `\"statecode\":0`, `\"statecode\":`, 1),
		"no shape": strings.Replace(good, `{"do"`, `7,{"do"`, 1),
		"long":     `{"shapes":[` + strings.Repeat(" ", 3*mostShapeBytes) + "]}\n",
	} {
		if head == good {
			t.Fatalf("%s: changes nothing", name)
		}
		if (&lineReader{text: []byte(head)}).begin() {
			t.Errorf("%s: read %q", name, head)
		}
	}
	for _, line := range []string{"[", "[1,2]\n", "[1,2,4]\n", "[1,2,-1]\n", `[1,2,2,""]` + "\n", `[1,2,2,"x",1]` + "\n", `[1,2,1,"x"]` + "\n", `[1,2,1,"x",tru]` + "\n",
		`[1,2,1,"x","y"]`, `[1,2,1,"x",]` + "\n", `[01,2,2,"x"]` + "\n", `[1,2,2,x]` + "\n", `[1,2,3,"a",null,{},{}]` + "\n"} {
		reader := lineReader{text: []byte(good + line)}
		var op dataverse.Operation
		if _, ok := reader.next(&op); reader.begin() && ok {
			t.Errorf("read %q", line)
		}
	}
	if _, ok := (&lineReader{text: []byte(`[1,2,0]` + "\n")}).next(new(dataverse.Operation)); ok {
		t.Error("read a line of a shape that nobody named")
	}
}

// holdShapedLine checks that a line that is read says what encoding/json takes it for.
func holdShapedLine(t *testing.T, line []byte) {
	reader := lineReader{text: line, shapes: testShapes}
	var got dataverse.Operation
	if len(line) == 0 || line[0] != '[' {
		return
	}
	if _, ok := reader.next(&got); !ok {
		return
	}
	var values []json.RawMessage
	if err := json.Unmarshal(line[:reader.at], &values); err != nil {
		t.Fatalf("%q is read and is no JSON: %v", line, err)
	}
	var n int
	if err := json.Unmarshal(values[2], &n); err != nil || fmt.Sprint(got.Row) != string(values[0]) || fmt.Sprint(got.Line) != string(values[1]) {
		t.Fatalf("%q: row %d, line %d, %v", line, got.Row, got.Line, err)
	}
	s, values := testShapes[n], values[3:]
	text := func() (v string) {
		_ = json.Unmarshal(values[0], &v)
		values = values[1:]
		return v
	}
	want := dataverse.Operation{Row: got.Row, Line: got.Line, Do: s.Do}
	if s.ID {
		want.ID = text()
	}
	for _, column := range s.Key {
		want.Key, values = append(want.Key, dataverse.KeyPart{Column: column, Value: values[0]}), values[1:]
	}
	if s.New {
		want.New = text()
	}
	var members []string
	if s.Fixed != "" {
		members = append(members, s.Fixed)
	}
	for i, name := range s.Set {
		if string(values[i]) != absent {
			members = append(members, name+string(values[i]))
		}
	}
	want.Set = json.RawMessage("{" + strings.Join(members, ",") + "}")
	if diff := cmp.Diff(want, got); diff != "" || len(values) != len(s.Set) || !json.Valid(got.Set) {
		t.Fatalf("%q (-json +ours):\n%s", line, diff)
	}
}

func FuzzShapedLine(f *testing.F) {
	for line := range strings.Lines(testShapedLines) {
		f.Add([]byte(line))
	}
	f.Fuzz(holdShapedLine)
}

// A byte changed anywhere leaves a line that is refused, or one that reads as encoding/json reads it.
func TestChangedShapedLines(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	lines := slices.Collect(strings.Lines(testShapedLines))
	for range 6000 {
		line := []byte(lines[random.IntN(len(lines))])
		at := random.IntN(len(line))
		switch random.IntN(3) {
		case 0:
			line[at] = line[random.IntN(len(line))]
		case 1:
			line = append(line[:at], line[at+1:]...)
		case 2:
			line[at] = byte(random.IntN(256))
		}
		holdShapedLine(t, line)
	}
}

// Rows of more shapes than a chunk names are stored as objects: the chunk says the same.
func TestShapesAreBounded(t *testing.T) {
	var all shapes
	for n := range mostShapes + 5 {
		got, ok := all.number(&shape{Do: dataverse.Create, Set: []string{fmt.Sprintf(`"c%d":`, n)}})
		if again, sure := all.number(&shape{Do: dataverse.Create, Set: []string{fmt.Sprintf(`"c%d":`, n)}}); again != got || sure != ok || ok != (n < mostShapes) || ok && got != n {
			t.Errorf("shape %d: %d, %v, then %d, %v", n, got, ok, again, sure)
		}
	}
	if _, ok := new(shapes).number(&shape{Do: dataverse.Create, Set: []string{strings.Repeat("x", mostShapeBytes)}}); ok {
		t.Error("a shape of any size")
	}
	var twin shapes
	twin.restore(all.list())
	if !bytes.Equal(all.head(), twin.head()) || new(shapes).head() != nil {
		t.Error("what is restored differs")
	}
	op := operations[0]
	one := &shaper{all: &all, layout: mapping.Layout{Names: []string{`"not-there":`}}}
	if n := one.number(&op); n != -1 {
		t.Errorf("shape %d of none", n)
	}
	if n := one.number(&op); n != -1 {
		t.Errorf("shape %d of none, asked again", n)
	}
}

// A chunk whose shapes are not ours is refused, and so is one that counts its first line.
func TestChunkWithShapes(t *testing.T) {
	work, err := store.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer work.Close()
	for name, tt := range map[string]struct {
		text       string
		operations int
		ok         bool
	}{
		"shaped":        {string(testShapesHead()) + testShapedLines, 5, true},
		"both":          {string(testShapesHead()) + testShapedLines + string(appendOperation(nil, &operations[0])), 6, true},
		"one too many":  {string(testShapesHead()) + testShapedLines, 6, false},
		"without names": {testShapedLines, 5, false},
		"bad names":     {strings.Replace(string(testShapesHead()), "create", "crush", 1) + testShapedLines, 5, false},
	} {
		key := "runs/" + strings.ReplaceAll(name, " ", "-")
		if err := work.Put(context.Background(), key, strings.NewReader(tt.text)); err != nil {
			t.Fatal(err)
		}
		c, err := readChunk(context.Background(), work, ChunkRef{Key: key, Operations: tt.operations, SHA256: fmt.Sprintf("%x", sha([]byte(tt.text)))})
		if (err == nil) != tt.ok || err != nil && !fault.Is(err, fault.Broken) {
			t.Errorf("%s: %v", name, err)
		}
		c.release()
	}
}
