package odata

import "fmt"

// Error is a refusal by the OData layer: the status, code and text that the service answers with.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Message }

// CodeSyntax is the service's code for a URL that does not parse.
const CodeSyntax = "0x80060888"

func refuse(format string, args ...any) error {
	return &Error{Status: 400, Code: CodeSyntax, Message: fmt.Sprintf(format, args...)}
}

// errKeySyntax is what the front end answers to a key with a reserved character, before the Web API sees it.
var errKeySyntax = &Error{Status: 400, Code: CodeSyntax, Message: "Bad Request - Error in query syntax."}
