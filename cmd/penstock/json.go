package main

import (
	"encoding/json"
	"errors"
	"path/filepath"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/run"
)

// account is the JSON object that `penstock run --json` ends with, however the
// run ended and also when none could begin: a program needs to read one thing only.
type account struct {
	run.Finished
	Report  *string `json:"report"`  // path on this machine; null where there is none
	Rejects *string `json:"rejects"` // likewise
}

func printJSON(s streams, dir, destination string, f run.Finished, err error) error {
	if err != nil {
		f = notBegun(destination, f, err)
	}
	encoder := json.NewEncoder(s.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(account{Finished: f, Report: place(dir, f.Report), Rejects: place(dir, f.Rejects)})
}

// place is where an object of the work store lies, wherever the program that reads it stands.
func place(dir, key string) *string {
	if key == "" {
		return nil
	}
	path := pathIn(dir, key)
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return &path
}

// notBegun is the account of a run that err kept from beginning or from being accounted for.
func notBegun(destination string, f run.Finished, err error) run.Finished {
	f.V, f.Destination, f.State = 1, destination, run.Failed
	f.Reason = &run.Reason{Kind: string(fault.KindOf(err)), Code: "unexpected", Message: err.Error()}
	if e, ok := fault.As(err); ok {
		f.Reason = &run.Reason{Kind: string(e.Kind), Code: e.Code, Message: e.Message, Advice: e.Advice, File: e.File, Line: e.Line, Column: e.Column}
		if e.Kind == fault.Refused || e.Kind == fault.Denied {
			f.State = run.Refused
		}
	}
	if all := (config.Errors)(nil); errors.As(err, &all) && len(all) > 1 {
		f.Reason.Message, f.Reason.Advice, f.Reason.Line = all.Error(), "", 0
	}
	return f
}

func pathIn(dir, key string) string {
	if key == "" {
		return ""
	}
	return filepath.Join(dir, filepath.FromSlash(key))
}
