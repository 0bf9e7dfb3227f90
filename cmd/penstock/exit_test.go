package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/run"
)

func TestExitCodeOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{nil, codeDone, ""},
		{ended(codeRejects), codeRejects, ""},
		{errors.New("odd"), codeFailed, "penstock: odd"},
		{fmt.Errorf("run: %w", context.Canceled), codeFailed, "penstock: stopped"},
		{fault.New(fault.Refused, "unclosed_quote", "a quote is not closed").At("x.csv", 3, ""), codeRefused, "penstock: x.csv:3: a quote is not closed"},
		{fault.New(fault.Refused, "unknown_host", "there is no host of that name"), codeUsage, "penstock: there is no host of that name"},
		{fmt.Errorf("open: %w", fault.New(fault.Denied, "missing_privilege", "it lacks prvX").Advise("assign it")), codeDenied, "penstock: open: it lacks prvX (assign it)"},
		{fault.New(fault.Interrupted, "already_running", "in progress"), codeFailed, "penstock: in progress"},
		{config.Errors{fault.New(fault.Refused, config.Code, "a").At("p.yaml", 1, ""), fault.New(fault.Refused, config.Code, "b").At("p.yaml", 2, "")},
			codeUsage, "p.yaml:1: a\np.yaml:2: b"},
	} {
		var out bytes.Buffer
		if code := exitCode(c.err, streams{err: &out}); code != c.code || strings.TrimSpace(out.String()) != c.text {
			t.Errorf("%v: code %d, %q; want %d, %q", c.err, code, out.String(), c.code, c.text)
		}
	}
}

func TestExitCodeOfRuns(t *testing.T) {
	because := func(kind fault.Kind, code string) *run.Reason { return &run.Reason{Kind: string(kind), Code: code} }
	for _, c := range []struct {
		state  string
		reason *run.Reason
		code   int
	}{
		{run.Succeeded, nil, codeDone},
		{run.Partial, nil, codeRejects},
		{run.Refused, because(fault.Refused, "too_many_rejects"), codeRefused},
		{run.Refused, because(fault.Refused, "unknown_destination"), codeUsage},
		{run.Refused, because(fault.Denied, "sign_in_refused"), codeDenied},
		{run.Refused, nil, codeRefused},
		{run.Skip, nil, codeRefused},
		{run.Failed, because(fault.Interrupted, "unreachable"), codeFailed},
		{run.Failed, because(fault.Refused, "too_many_rejects"), codeFailed}, // by the service's rejects: something was written
		{run.Failed, because(fault.Denied, "missing_privilege"), codeDenied},
		{run.Failed, nil, codeFailed},
	} {
		if code := codeOfRun(run.Finished{State: c.state, Reason: c.reason}); code != c.code {
			t.Errorf("%s %+v: %d, want %d", c.state, c.reason, code, c.code)
		}
	}
}

// A code that nobody gives any more would silently turn exit code 2 into 4.
func TestUsageCodesExist(t *testing.T) {
	given := map[string]bool{}
	literal := regexp.MustCompile(`"([a-z][a-z_]+)"`)
	for _, dir := range []string{".", "../../internal"} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(path) == "exit.go" {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range literal.FindAllSubmatch(text, -1) {
				given[string(found[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for code := range usage {
		if !given[code] {
			t.Errorf("no fault has the code %q", code)
		}
	}
}
