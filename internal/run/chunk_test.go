package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/store"
)

var operations = []dataverse.Operation{
	{Row: 1, Line: 2, Do: dataverse.Upsert, ID: "6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001", Set: json.RawMessage(`{"firstname":"Jo"}`)},
	{Row: 17, Line: 19, Do: dataverse.Upsert, Key: []dataverse.KeyPart{{Column: "emailaddress1", Value: json.RawMessage(`"a@b.org"`)}}, Set: json.RawMessage(`{"gendercode":1}`)},
	{Row: 18, Line: 21, Do: dataverse.Upsert, Key: []dataverse.KeyPart{{Column: "a", Value: json.RawMessage(`"x+y\"<"`)}, {Column: "b", Value: json.RawMessage(`42`)}},
		New: "6f1f0d9e-6d0f-8c67-9a55-0f8c0b3f0002", Set: json.RawMessage(`{}`)},
	{Row: 1 << 40, Line: 1 << 30, Do: dataverse.Create, ID: "6f1f0d9e-6d0f-8c67-9a55-0f8c0b3f0003", Set: json.RawMessage(`{"description":"line\nend","n":null}`)},
}

// The line rendered by hand is what encoding/json makes of the same operation.
func TestOperationLine(t *testing.T) {
	for _, op := range operations {
		want, err := json.Marshal(op)
		if err != nil {
			t.Fatal(err)
		}
		got := appendOperation(nil, &op)
		if !bytes.HasSuffix(got, []byte("\n")) {
			t.Errorf("%s does not end its line", got)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, got); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		// encoding/json escapes < > & in raw values; both are the same JSON.
		var a, b any
		if json.Unmarshal(want, &a) != nil || json.Unmarshal(compact.Bytes(), &b) != nil {
			t.Fatalf("not JSON: %s, %s", want, got)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("operation of row %d (-want +got):\n%s", op.Row, diff)
		}
	}
}

// Chunks outlive a deploy: this one was written by the first version.
const storedChunk = `{"row":1,"line":2,"do":"upsert","id":"6f1f0d9e-6d0f-5c67-9a55-0f8c0b3f0001","set":{"firstname":"Jo"}}
{"row":17,"line":19,"do":"upsert","key":[{"column":"emailaddress1","value":"a@b.org"}],"set":{"gendercode":1}}
{"row":18,"line":21,"do":"upsert","key":[{"column":"a","value":"x+y\"<"},{"column":"b","value":42}],"new":"6f1f0d9e-6d0f-8c67-9a55-0f8c0b3f0002","set":{}}
{"row":1099511627776,"line":1073741824,"do":"create","id":"6f1f0d9e-6d0f-8c67-9a55-0f8c0b3f0003","set":{"description":"line\nend","n":null}}
`

func TestStoredChunk(t *testing.T) {
	work := directory(t)
	w := &chunkWriter{ctx: context.Background(), work: work, folder: "runs/d/r/", by: "a1", phase: "load"}
	for i := range operations {
		if err := w.add(appendOperation(nil, &operations[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if len(w.refs) != 1 || w.refs[0].Key != "runs/d/r/chunks/a1/load-00000" || w.refs[0].Operations != len(operations) {
		t.Fatalf("refs %+v", w.refs)
	}
	data, err := store.ReadAll(context.Background(), work, w.refs[0].Key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(storedChunk, string(data)); diff != "" {
		t.Errorf("the stored format changed (-stored +now):\n%s", diff)
	}
	got, err := readChunk(context.Background(), work, w.refs[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(operations, allOf(t, got)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestChunksAreCutAndProved(t *testing.T) {
	ctx, work := context.Background(), directory(t)
	w := &chunkWriter{ctx: ctx, work: work, folder: "runs/d/r/", by: "a1", phase: "load"}
	line := appendOperation(nil, &operations[0])
	for range 2*chunkOperations + 1 {
		if err := w.add(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, ref := range w.refs {
		sizes = append(sizes, ref.Operations)
	}
	if diff := cmp.Diff([]int{chunkOperations, chunkOperations, 1}, sizes); diff != "" {
		t.Fatalf("chunk sizes (-want +got):\n%s", diff)
	}
	for name, body := range map[string]string{
		"changed":   strings.Replace(string(line), "Jo", "Al", 1),
		"truncated": string(line[:len(line)-10]),
	} {
		if err := work.Put(ctx, w.refs[2].Key, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		if _, err := readChunk(ctx, work, w.refs[2]); !fault.Is(err, fault.Broken) {
			t.Errorf("a %s chunk is read with error %v", name, err)
		}
	}
}

func directory(t *testing.T) store.Store {
	t.Helper()
	d, err := store.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func allOf(t *testing.T, c *chunk) []dataverse.Operation {
	t.Helper()
	places := make([]int, len(c.lines))
	for i := range places {
		places[i] = i
	}
	ops, err := c.operations(new(batch), places)
	if err != nil {
		t.Fatal(err)
	}
	return ops
}
