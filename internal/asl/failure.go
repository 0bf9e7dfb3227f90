package asl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Failure is how an execution ends when it does not succeed: what Retry and
// Catch match on, and what DescribeExecution would show as error and cause.
type Failure struct {
	Name  string // "Interrupted", "States.Timeout", …
	Cause string
	State string // where it came up; "" for the execution itself
}

func (f *Failure) Error() string {
	message := f.Name
	if f.State != "" {
		message = fmt.Sprintf("state %q: %s", f.State, f.Name)
	}
	if f.Cause != "" {
		message += ": " + f.Cause
	}
	return message
}

// The names that the specification reserves and this package raises or matches.
const (
	errAll              = "States.ALL"
	errTaskFailed       = "States.TaskFailed"
	errTimeout          = "States.Timeout"
	errRuntime          = "States.Runtime"
	errDataLimit        = "States.DataLimitExceeded"
	errParameterPath    = "States.ParameterPathFailure"
	errResultPath       = "States.ResultPathMatchFailure"
	errNoChoice         = "States.NoChoiceMatched"
	errIntrinsic        = "States.IntrinsicFailure"
	errItemReader       = "States.ItemReaderFailed"
	errFailureThreshold = "States.ExceedToleratedFailureThreshold"
)

// reservedErrors are all names that may follow "States." in an ErrorEquals.
var reservedErrors = []string{
	errAll, errTaskFailed, errTimeout, errRuntime, errDataLimit, errParameterPath, errResultPath,
	errNoChoice, errIntrinsic, errItemReader, errFailureThreshold,
	"States.HeartbeatTimeout", "States.Permissions", "States.BranchFailed", "States.ResultWriterFailed",
	"States.Http.Socket", "States.QueryEvaluationError",
}

func failf(name, format string, args ...any) *Failure {
	return &Failure{Name: name, Cause: fmt.Sprintf(format, args...)}
}

// missing is a path that selects nothing; who asked decides what that means.
type missing struct{ path *path }

func (m *missing) Error() string {
	return fmt.Sprintf("The JSONPath '%s' could not be found in the input", m.path.text)
}

// matches reports whether an ErrorEquals list names the failure.
// States.Runtime ends an execution whatever the list says; States.DataLimitExceeded
// is found by its own name only; States.TaskFailed is every name but States.Timeout.
func (f *Failure) matches(names []string) bool {
	switch f.Name {
	case errRuntime:
		return false
	case errDataLimit:
		return slices.Contains(names, errDataLimit)
	case errTimeout:
		return slices.Contains(names, errTimeout) || slices.Contains(names, errAll)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return name == f.Name || name == errAll || name == errTaskFailed
	})
}

// output is the Error Output that Catch hands on.
func (f *Failure) output() map[string]any {
	return map[string]any{"Error": f.Name, "Cause": f.Cause}
}

// lambdaCause is the Cause of a function's error. The function's own error
// arrives as the JSON text of {errorMessage, errorType}; the service's errors
// (Lambda.*, States.*) arrive as plain text.
func lambdaCause(name, cause string) string {
	if strings.HasPrefix(name, "Lambda.") || strings.HasPrefix(name, "States.") {
		return cause
	}
	if strings.HasPrefix(cause, "{") && json.Valid([]byte(cause)) {
		return cause
	}
	return text(map[string]any{"errorMessage": cause, "errorType": name})
}
