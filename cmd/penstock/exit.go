package main

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/run"
)

// Exit codes, as the help promises them.
const (
	codeDone    = 0 // every row written or unchanged
	codeFailed  = 1
	codeUsage   = 2 // usage or configuration
	codeRejects = 3 // finished with rejects
	codeRefused = 4 // because of the file or a guard; nothing written
	codeDenied  = 5 // credential or permission
)

// ended is how a command ends that has said all there is to say.
type ended int

func (e ended) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode tells a person about err, unless the command has, and turns it into a code.
func exitCode(err error, s streams) int {
	if err == nil {
		return codeDone
	}
	var already ended
	if errors.As(err, &already) {
		return int(already)
	}
	var wrong config.Errors
	switch {
	case errors.As(err, &wrong):
		fmt.Fprintln(s.err, wrong.Error())
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(s.err, "penstock: stopped")
	default:
		fmt.Fprintf(s.err, "penstock: %v\n", err)
	}
	if e, ok := fault.As(err); ok {
		return codeOf(string(e.Kind), e.Code)
	}
	return codeFailed
}

// usage is the codes of faults that the caller's words or configuration are to
// blame for, and not the file.
var usage = map[string]bool{
	"usage": true, "address_in_use": true,
	config.Code: true, "config_missing": true, "config_unreadable": true, "unknown_destination": true, "unknown_connection": true,
	// The connection leads to the wrong place, or to none.
	"bad_url": true, "insecure_url": true, "custom_host": true, "unknown_host": true, "untrusted_certificate": true, "ca_file_unreadable": true,
	"bad_authority": true, "foreign_authority": true, "bad_tenant": true, "bad_api_version": true, "redirected": true, "not_dataverse": true,
	"credential_unreadable": true, "no_credential": true, "organization_changed": true,
	// The destination names a table or a key that cannot be written this way.
	"unknown_table": true, "unwritable_table": true, "unsupported_call": true,
	"unknown_key": true, "key_inactive": true, "polymorphic_key": true, "client_ids_not_allowed": true,
	"bad_filter": true, "bad_value": true, "lookup_not_key": true, "unknown_relationship": true,
}

func codeOf(kind, code string) int {
	switch {
	case usage[code]:
		return codeUsage
	case kind == string(fault.Denied):
		return codeDenied
	case kind == string(fault.Refused):
		return codeRefused
	}
	return codeFailed
}

// codeOfRun is the exit code of a run that came to an end.
func codeOfRun(f run.Finished) int {
	switch f.State {
	case run.Succeeded:
		return codeDone
	case run.Partial:
		return codeRejects
	case run.Refused, run.Skip:
		if f.Reason != nil {
			return codeOf(f.Reason.Kind, f.Reason.Code)
		}
		return codeRefused
	}
	if f.Reason != nil && f.Reason.Kind == string(fault.Denied) {
		return codeDenied
	}
	return codeFailed
}
