package dataversetest

import (
	"errors"
	"fmt"
	"net/http"

	"penstock/internal/dataversetest/odata"
)

// Error is an answer of the service that refuses or fails a request.
type Error struct {
	Status  int
	Code    string // "0x80040217"; may be empty or "0x0"
	Message string
	Header  http.Header // further headers of the answer; may be nil
	Details []Detail    // further members of the error object
}

// Detail is an annotation of an error.
type Detail struct {
	Name, Value string
	Always      bool // sent even when the client did not ask for annotations
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s %s", e.Status, e.Code, e.Message) }

func failf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// asError turns any error into the answer that it means. What is not ours is a fault of the emulator.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var syntax *odata.Error
	if errors.As(err, &syntax) {
		return &Error{Status: syntax.Status, Code: syntax.Code, Message: syntax.Message}
	}
	return failf(500, "0x80040216", "An unexpected error occurred. (emulator: %v)", err)
}

// unsupported is the loud answer to what the emulator does not do.
func unsupported(format string, args ...any) *Error {
	return failf(501, "0x80040219", "The Dataverse emulator does not support "+format, args...)
}

func errNoSegment(name string) *Error {
	return failf(404, "0x8006088a", "Resource not found for the segment '%s'.", name)
}

func errNoResource(r *request) *Error {
	return failf(404, "", "No HTTP resource was found that matches the request URI '%s'.", r.url)
}

func errVerb(r *request) *Error {
	return failf(405, "", "The requested resource does not support http method '%s'.", r.method)
}

func errMissing(table, id string) *Error {
	return failf(404, "0x80040217", "%s With Id = %s Does Not Exist", table, id)
}

func errMissingByKey(table string) *Error {
	return failf(404, "0x80060891", "A record with the specified key values does not exist in %s entity", table)
}

func errDuplicate() *Error {
	return failf(412, "0x80040237", "A record with matching key values already exists.")
}

// errProperty is what the OData layer says of a name that it cannot find in a URL.
func errProperty(name, table string) *Error {
	return failf(400, "0x0", "Could not find a property named '%s' on type 'Microsoft.Dynamics.CRM.%s'.", name, table)
}

// errPayload wraps what the OData reader found wrong in a body. It names the set, never the column.
func errPayload(set, format string, args ...any) *Error {
	return failf(400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'%s', For more information on this error "+
		"please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : "+
		"Microsoft.OData.ODataException: %s", set, fmt.Sprintf(format, args...))
}
