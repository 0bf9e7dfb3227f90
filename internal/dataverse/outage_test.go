package dataverse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func TestThrottleStorm(t *testing.T) {
	s := newService(t)
	var until time.Time
	var early, refused atomic.Int32
	var mu sync.Mutex
	s.fate = func(in received) fate {
		mu.Lock()
		defer mu.Unlock()
		if s.clock.Now().Before(until) {
			early.Add(1)
		}
		if in.number%2 == 1 && refused.Load() < 30 {
			refused.Add(1)
			until = s.clock.Now().Add(27 * time.Second)
			return fate{status: 429, code: "0x80072321", retryAfter: "27"}
		}
		return fate{}
	}
	var throttled, waited atomic.Int64
	w := s.writer(s.client(), WriteOptions{Warm: true, Observer: Observer{Throttled: func(d time.Duration) {
		throttled.Add(1)
		waited.Add(int64(d))
	}}})
	out, err := w.Write(t.Context(), keyOps(3))
	for range 29 {
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all(3, Upserted), results(out)); diff != "" {
			t.Fatal(diff)
		}
		out, err = w.Write(t.Context(), keyOps(3))
	}
	if early.Load() != 0 {
		t.Errorf("%d calls while throttled", early.Load())
	}
	if throttled.Load() != 30 || time.Duration(waited.Load()) != 30*27*time.Second {
		t.Errorf("heard of %d throttles, %s", throttled.Load(), time.Duration(waited.Load()))
	}
}

func TestThrottleLongerThanTheStep(t *testing.T) {
	s := newService(t)
	s.fate = func(received) fate { return fate{status: 429, code: "0x80072321", retryAfter: "3600"} }
	w := s.writer(s.client(func(o *Options) { o.Clock = nil }), WriteOptions{Warm: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := w.Write(ctx, keyOps(3))
	if !fault.Is(err, fault.Throttled) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(all(3, NotAttempted), results(out)); diff != "" {
		t.Error(diff)
	}
}

func TestOutageEndsInterruptedWithWhatIsKnown(t *testing.T) {
	s := newService(t)
	s.fate = func(in received) fate {
		if in.message == "CreateMultiple" {
			return fate{status: 503, body: "<html>"}
		}
		return fate{}
	}
	var retried atomic.Int32
	w := s.writer(s.client(), WriteOptions{Warm: true, Observer: Observer{Retried: func() { retried.Add(1) }}})
	out, err := w.Write(t.Context(), append(keyOps(3), createOps(3)...))
	if f, ok := fault.As(err); !ok || f.Kind != fault.Interrupted || f.Code != "service_unavailable" {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(append(all(3, Upserted), all(3, NotAttempted)...), results(out)); diff != "" {
		t.Error(diff)
	}
	if got := len(s.sent("CreateMultiple")); got != maxAttempts || retried.Load() != maxAttempts-1 {
		t.Errorf("%d attempts, %d retries heard of", got, retried.Load())
	}
}

func TestDeniedStops(t *testing.T) {
	tests := []struct {
		fate       fate
		kind       fault.Kind
		code, says string
	}{
		{fate{status: 403, code: "0x80040220", text: "Principal user (Id=1, type=8) is missing prvCreateContact privilege (Id=2) on OTC=2 for entity 'contact'. secret value"},
			fault.Denied, "missing_privilege", "prvCreateContact"},
		{fate{status: 403, code: "0x80072560", text: "The user is not a member of the organization."}, fault.Denied, "not_a_user", "application user"},
		{fate{status: 403, code: "0x80042F09"}, fault.Denied, "no_role", "role"},
		{fate{status: 403, body: "<html>secret value</html>"}, fault.Denied, "forbidden", "403"},
		{fate{status: 404, body: "<html>secret value</html>"}, fault.Broken, "unexpected_answer", "404"},
		{fate{status: 404, code: "0x8006088a", text: "Resource not found for the segment 'secret value'."}, fault.Broken, "unexpected_answer", "404"},
		{fate{status: 400, code: "0x80040203", text: "UpsertMultiple is not enabled on the entity secret value"}, fault.Refused, "unsupported_call", "400"},
		{fate{status: 401}, fault.Denied, "token_refused", "token"},
		{fate{status: 302, body: "secret value"}, fault.Refused, "redirected", "url"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.fate.status, tt.code), func(t *testing.T) {
			s := newService(t)
			s.fate = func(received) fate { return tt.fate }
			out, err := s.writer(s.client(), WriteOptions{Warm: true}).Write(t.Context(), keyOps(4))
			f, ok := fault.As(err)
			if !ok || f.Kind != tt.kind || f.Code != tt.code || !strings.Contains(f.Safe(), tt.says) {
				t.Fatalf("error %v", err)
			}
			if strings.Contains(f.Safe(), "secret value") { // rule S2
				t.Errorf("the server's text crosses: %s", f.Safe())
			}
			if diff := cmp.Diff(all(4, NotAttempted), results(out)); diff != "" {
				t.Error(diff)
			}
			if want := map[bool]int{false: 1, true: 2}[tt.code == unsupportedCall]; len(s.calls) != want { // then by $batch
				t.Errorf("%d calls, want %d", len(s.calls), want)
			}
		})
	}
}

func TestCancellation(t *testing.T) {
	s := newService(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.fate = func(in received) fate {
		if in.number == 2 {
			cancel()
			return fate{cutAfter: true}
		}
		return fate{}
	}
	out, err := s.writer(s.client(), WriteOptions{}).Write(ctx, keyOps(4))
	if !errors.Is(err, context.Canceled) || !fault.Is(err, fault.Interrupted) {
		t.Fatalf("error %v", err)
	}
	want := all(4, NotAttempted)
	want[0] = Upserted
	if diff := cmp.Diff(want, results(out)); diff != "" {
		t.Error(diff)
	}
}
