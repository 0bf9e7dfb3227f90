package dataverse

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func TestAmbiguousCreateIsSettledFirst(t *testing.T) {
	tests := []struct {
		name    string
		fate    fate
		creates []int // rows of the CreateMultiple calls
	}{
		{"cut before", fate{cutBefore: true}, []int{10, 10}},
		{"cut after commit", fate{cutAfter: true}, []int{10}},
		{"no answer in time", fate{hang: true}, []int{10}},
		{"502 after commit", fate{statusAfter: 502, body: "<html>"}, []int{10}},
		{"500 without an answer", fate{status: 500, body: ""}, []int{10, 10}},
		{"deadlock", fate{status: 500, code: "0x80044150", text: "Sql Number: 1205"}, []int{10, 10}},
		{"SQL timeout", fate{status: 500, code: "0x80044151"}, []int{10, 5, 5}},
		{"too large", fate{status: 413, body: "<html>"}, []int{10, 5, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t)
			first := true
			s.fate = func(in received) fate {
				if first && in.message == "CreateMultiple" {
					first = false
					return tt.fate
				}
				return fate{}
			}
			timeout := func(o *Options) {
				if tt.fate.hang {
					o.Timeout = 200 * time.Millisecond
				}
			}
			w := s.writer(s.client(timeout), WriteOptions{Warm: true})
			out, err := w.Write(t.Context(), createOps(10))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all(10, Created), results(out)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.creates, s.sent("CreateMultiple")); diff != "" {
				t.Error(diff)
			}
			if len(s.rows) != 10 {
				t.Errorf("%d rows", len(s.rows))
			}
		})
	}
}

// A worker that died after its call leaves records behind: the next attempt finds them by their ids.
func TestCreateOfWhatAnEarlierAttemptCreated(t *testing.T) {
	s := newService(t)
	c := s.client()
	if _, err := s.writer(c, WriteOptions{Warm: true}).Write(t.Context(), createOps(4)); err != nil {
		t.Fatal(err)
	}
	out, err := s.writer(c, WriteOptions{Warm: true}).Write(t.Context(), createOps(10))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(10, Created), results(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{4, 10, 6}, s.sent("CreateMultiple")); diff != "" {
		t.Error(diff)
	}
}

// A record that comes up between resolving its key and creating it is found by resolving again.
func TestCreateRaceOnAwkwardKey(t *testing.T) {
	s := newService(t)
	first := true
	s.fate = func(in received) fate {
		if first && in.message == "CreateMultiple" {
			first = false
			s.mu.Lock()
			s.rows[testID(500)] = map[string]any{"emailaddress1": "p+2@x.org"}
			s.mu.Unlock()
		}
		return fate{}
	}
	ops := keyOps(4)
	for i := range ops {
		ops[i].Key = mailKey(fmt.Sprintf("p+%d@x.org", i))
	}
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{Created, Created, Updated, Created}, results(out)); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 4 || s.rows[testID(500)]["firstname"] != "n3" {
		t.Errorf("stored %v", s.rows)
	}
}

func TestIgnoredClientIDsStopWithOneRow(t *testing.T) {
	s := newService(t)
	s.ignoreIDs = true
	out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), createOps(10))
	if f, ok := fault.As(err); !ok || f.Kind != fault.Refused || f.Code != "client_ids_ignored" {
		t.Fatalf("error %v", err)
	}
	want := all(10, NotAttempted)
	want[0] = Created
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
	if len(s.rows) != 1 {
		t.Errorf("%d rows", len(s.rows))
	}
}
