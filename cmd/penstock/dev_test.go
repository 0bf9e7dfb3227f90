package main

import (
	"context"
	"os"
	"regexp"
	"testing"

	"go.uber.org/goleak"
)

// A stack that has ended leaves no goroutine and no temporary directory behind.
func TestNothingIsLeftBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("HOME", t.TempDir())
	for name, args := range map[string][]string{
		"dev":      {"dev", "--s3", "127.0.0.1:0", "--dataverse", "127.0.0.1:0", "--http", "127.0.0.1:0"},
		"emulator": {"emulator", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			p := newProcess()
			code := -1
			go func() {
				defer close(p.done)
				code = execute(ctx, haste{t.Context()}, args, streams{out: &p.out, err: &p.out})
			}()
			if _, err := p.sees(regexp.MustCompile("Ctrl-C ends it")); err != nil {
				t.Error(err)
			}
			stop()
			<-p.done
			if code != codeDone {
				t.Errorf("exit code %d:\n%s", code, p.out.String())
			}
		})
	}
	t.Run("demo", func(t *testing.T) {
		if code := execute(t.Context(), haste{t.Context()}, []string{"demo", "--dir", t.TempDir()}, streams{out: t.Output(), err: t.Output()}); code != codeDone {
			t.Errorf("exit code %d", code)
		}
	})
	goleak.VerifyNone(t, before)
	left, err := os.ReadDir(temporary)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s is left in the temporary directory", entry.Name())
	}
}
