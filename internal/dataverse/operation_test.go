package dataverse

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Operations lie in chunks that outlive a deploy: old lines decode, and what is not used is not written.
func TestOperationIsAStoredFormat(t *testing.T) {
	for line, want := range map[string]Operation{
		`{"row":17,"line":19,"do":"upsert","key":[{"column":"emailaddress1","value":"a@x.org"}],"new":"6f1f0d9e-6d0f-4c67-9a55-000000000001","set":{"firstname":"Jo"}}`: {
			Row: 17, Line: 19, Do: Upsert, Key: mailKey("a@x.org"), New: testID(1), Set: json.RawMessage(`{"firstname":"Jo"}`)},
		`{"row":1,"line":2,"do":"delete","id":"6f1f0d9e-6d0f-4c67-9a55-000000000001","set":{},"partition":"p"}`: {
			Row: 1, Line: 2, Do: Delete, ID: testID(1), Set: json.RawMessage(`{}`), Partition: "p"},
		`{"row":1,"line":2,"do":"associate","id":"6f1f0d9e-6d0f-4c67-9a55-000000000001","set":{},"link":{"navigation":"tags","to":"cr1_tags(x)"}}`: {
			Row: 1, Line: 2, Do: Associate, ID: testID(1), Set: json.RawMessage(`{}`), Link: &Link{Navigation: "tags", To: "cr1_tags(x)"}},
	} {
		var got Operation
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		got.Again = true
		if text, err := json.Marshal(got); err != nil || string(text) != line {
			t.Errorf("%s %v", text, err)
		}
	}
}
