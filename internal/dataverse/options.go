package dataverse

import (
	"context"
	"strings"

	"penstock/internal/fault"
)

// WriteOptions say how a Writer works.
type WriteOptions struct {
	// Warm: the table has been written to lately, so no first call need be a single row (rule W2).
	Warm bool
	// First remembers which kinds of calls were made for the first time (rule W2), for all Writers that
	// share it: those of one table with the same options. nil: this Writer's own.
	First *FirstCalls
	// Match: the operations' keys are no keys of the table but columns that identify a record. Each is resolved
	// to an id before it is written, and Set holds the columns of the key as well.
	Match bool
	// Lookup finds records as Client.Resolve does, without asking the service; known says of each key whether it could.
	// It is not asked for operations that were sent before, and may be nil.
	Lookup func(keys [][]KeyPart) (ids [][]string, known []bool)
	// Replace has an elastic table upsert, which replaces whole rows (rule W1). Without it each
	// upsert is an update of what is there or a create of what is not.
	Replace bool

	// DetectDuplicates turns the environment's duplicate-detection rules on, which the Web API
	// skips otherwise. A row that they find is rejected with 0x80040333.
	DetectDuplicates bool
	// BypassLogic keeps custom business logic out: CustomSync, CustomAsync or CustomSync,CustomAsync.
	// The application user needs prvBypassCustomBusinessLogic.
	BypassLogic string
	// BypassPlugins is the older form, for synchronous logic only. It needs prvBypassCustomPlugins.
	BypassPlugins bool
	// SuppressFlows keeps the changes from triggering Power Automate flows.
	SuppressFlows bool
	// CallerObjectID is the Entra object id of the user to act for, CallerID (older) its systemuserid.
	// The application user needs prvActOnBehalfOfAnotherUser.
	CallerObjectID, CallerID string
	// Tag is handed to plug-ins as the shared variable of that name.
	Tag string

	// Before is called when a writing call is about to be sent, after all waiting. An error keeps it
	// from being sent and ends Write: the place to check the turn (rule T3) and to journal (rule I3).
	Before func(context.Context) error
	// Observer hears what this Writer's calls cost.
	Observer Observer
}

// header is one header of a request.
type header struct{ name, value string }

// bypasses are the values of MSCRM.BypassBusinessLogicExecution.
var bypasses = map[string]bool{"": true, "CustomSync": true, "CustomAsync": true, "CustomSync,CustomAsync": true}

// check refuses options that would be ignored, or break a header.
func (o *WriteOptions) check() error {
	bad := func(what, advice string) error {
		return fault.New(fault.Refused, "bad_write_option", "%s", what).Advise("%s", advice)
	}
	switch {
	case !bypasses[o.BypassLogic]:
		return bad("the custom logic to bypass is not known", "CustomSync, CustomAsync or CustomSync,CustomAsync")
	case o.CallerObjectID != "" && o.CallerID != "":
		return bad("two users to act for are given", "give either the Entra object id or the systemuserid")
	}
	for _, id := range []string{o.CallerObjectID, o.CallerID} {
		if id != "" && !guidPattern.MatchString(id) {
			return bad("the user to act for is no GUID", "give its Entra object id")
		}
	}
	if strings.ContainsFunc(o.Tag, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(o.Tag) > 1000 {
		return bad("the tag is too long or holds control characters", "a short text")
	}
	return nil
}

// caller are the headers that name the user to act for.
func (o *WriteOptions) caller() (headers []header) {
	if o.CallerObjectID != "" {
		headers = append(headers, header{"CallerObjectId", o.CallerObjectID})
	}
	if o.CallerID != "" {
		headers = append(headers, header{"MSCRMCallerID", o.CallerID})
	}
	return headers
}

// headers are those of a call that writes. In a $batch they belong to each part.
func (o *WriteOptions) headers() []header {
	headers := o.caller()
	if o.DetectDuplicates {
		headers = append(headers, header{"MSCRM.SuppressDuplicateDetection", "false"})
	}
	if o.BypassLogic != "" {
		headers = append(headers, header{"MSCRM.BypassBusinessLogicExecution", o.BypassLogic})
	}
	if o.BypassPlugins {
		headers = append(headers, header{"MSCRM.BypassCustomPluginExecution", "true"})
	}
	if o.SuppressFlows {
		headers = append(headers, header{"MSCRM.SuppressCallbackRegistrationExpanderJob", "true"})
	}
	return headers
}

// query is the query of a URL that writes.
func (o *WriteOptions) query() string {
	if o.Tag == "" {
		return ""
	}
	return "?tag=" + escapeQuery(o.Tag)
}

// lines are headers as they stand in a part of a $batch.
func lines(headers []header) string {
	text := ""
	for _, h := range headers {
		text += h.name + ": " + h.value + "\r\n"
	}
	return text
}
