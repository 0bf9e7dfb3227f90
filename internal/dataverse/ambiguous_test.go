package dataverse

import (
	"net/http"
	"testing"

	"penstock/internal/fault"
)

// A create that was committed and answered 500 clashes with itself when it is
// sent again: it is settled, never rejected (rule I3).
func TestCreateAnswered500AfterItsCommitIsCreated(t *testing.T) {
	for _, rows := range []int{1, 7} {
		s := newService(t)
		first := true
		s.fate = func(in received) fate {
			if in.message == "CreateMultiple" && first {
				first = false
				return fate{statusAfter: http.StatusInternalServerError, code: "0x80040216"}
			}
			return fate{}
		}
		out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), createOps(rows))
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range out {
			if o.Result != Created {
				t.Errorf("%d rows: row %d is %+v", rows, i, o)
			}
		}
	}
}

// A service in trouble blames nobody: no other row got through meanwhile.
func TestOutageOf500sRejectsNoRow(t *testing.T) {
	s := newService(t)
	s.fate = func(in received) fate {
		if in.message != "" {
			return fate{status: http.StatusInternalServerError, code: "0x80040216"}
		}
		return fate{}
	}
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), createOps(5))
	if !fault.Is(err, fault.Interrupted) {
		t.Errorf("error %v", err)
	}
	for i, o := range out {
		if o.Result != NotAttempted {
			t.Errorf("row %d is %+v", i, o)
		}
	}
}

// Calls that get no answer because of their size are sent in halves.
func TestCallsWithoutAnAnswerBecomeSmaller(t *testing.T) {
	s := newService(t)
	s.fate = func(in received) fate {
		if in.message != "" && in.rows > 3 {
			return fate{status: http.StatusGatewayTimeout, body: "<html>"}
		}
		return fate{}
	}
	out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), keyOps(10))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Result != Upserted {
			t.Errorf("row %d is %+v", i, o)
		}
	}
}
