package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestNameIsTheKindHoweverDeep(t *testing.T) {
	secret := errors.New("the server said: a@b.org is taken")
	for name, c := range map[string]struct {
		err           error
		kind, message string
	}{
		"plain":   {New(Refused, "too_many_rejects", "%d rows are wrong", 7), "Refused", "too_many_rejects: 7 rows are wrong"},
		"wrapped": {fmt.Errorf("apply chunk 7: %w", New(Throttled, "throttled", "later")), "Throttled", "throttled: later"},
		"with its place": {New(Refused, "unclosed_quote", "a quote never closes").At("x.csv", 17, "Email").Advise("close it"), "Refused",
			`unclosed_quote: x.csv:17: column "Email": a quote never closes (close it)`},
		"cause stays inside":     {New(Denied, "wrong_secret", "refused").Because(secret), "Denied", "wrong_secret: refused"},
		"time-out":               {fmt.Errorf("read: %w", context.DeadlineExceeded), "Interrupted", "the step ran out of time or was stopped"},
		"nobody gave it a kind":  {fmt.Errorf("write: %w", secret), "Broken", "unexpected error of type *errors.errorString"},
		"the outermost of two":   {New(Broken, "outer", "o").Because(New(Refused, "inner", "i")), "Broken", "outer: o"},
		"one of several, joined": {errors.Join(errors.New("x"), New(LostTurn, "turn_lost", "lost")), "LostTurn", "turn_lost: lost"},
	} {
		t.Run(name, func(t *testing.T) {
			kind, message := Name(c.err)
			if kind != c.kind || message != c.message {
				t.Errorf("got %q, %q\nwant %q, %q", kind, message, c.kind, c.message)
			}
		})
	}
}

func TestKindOf(t *testing.T) {
	if KindOf(nil) != "" || KindOf(errors.New("x")) != Broken || !Is(New(LostTurn, "c", "m"), LostTurn) || Is(nil, Broken) {
		t.Error("kinds of nil, of an unknown error and of a fault")
	}
	full := New(Refused, "c", "m").Because(errors.New("cause")).Error()
	if full != "m: cause" {
		t.Errorf("a person at this machine sees %q", full)
	}
}
