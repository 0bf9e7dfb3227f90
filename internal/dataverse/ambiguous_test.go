package dataverse

import (
	"context"
	"net/http"
	"strings"
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

// A call whose answer was lost and that may not be sent again, because the turn
// is gone by now, may have been written: its rows are uncertain, the others are not.
func TestLostAnswerBeforeALostTurnLeavesRowsUncertain(t *testing.T) {
	for _, ops := range [][]Operation{keyOps(3), createOps(3)} {
		s := newService(t)
		s.fate = func(in received) fate { return fate{cutAfter: strings.HasSuffix(in.message, "Multiple")} }
		calls := 0
		w := s.writer(s.client(), WriteOptions{Warm: true, Before: func(context.Context) error {
			if calls++; calls > 1 {
				return fault.New(fault.LostTurn, "turn_lost", "gone")
			}
			return nil
		}})
		out, err := w.Write(t.Context(), ops)
		if ops[0].Do == Create { // settled by reading the ids back, without another writing call
			if err != nil || out[0].Result != Created {
				t.Errorf("creates: %+v, %v", out, err)
			}
			continue
		}
		if !fault.Is(err, fault.LostTurn) {
			t.Fatalf("error %v", err)
		}
		for i, o := range out {
			if o.Result != NotAttempted || !o.Uncertain {
				t.Errorf("row %d is %+v", i, o)
			}
		}
	}
	s := newService(t)
	w := s.writer(s.client(), WriteOptions{Warm: true, Before: func(context.Context) error { return fault.New(fault.LostTurn, "turn_lost", "gone") }})
	out, _ := w.Write(t.Context(), keyOps(3))
	for i, o := range out {
		if o.Result != NotAttempted || o.Uncertain {
			t.Errorf("held back: row %d is %+v", i, o)
		}
	}
}
