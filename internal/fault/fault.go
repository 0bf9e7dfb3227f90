// Package fault holds the handful of error kinds that callers and the state machine act on.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is what a caller does about an error. Its text is the error's name in
// the state machine (ErrorEquals), so it is part of a stored contract.
type Kind string

const (
	// Refused: the file, the configuration or a guard says no; nothing was written and repeating will not help.
	Refused Kind = "Refused"
	// Denied: the credential or a permission is missing or wrong.
	Denied Kind = "Denied"
	// Throttled: the service asked for a pause that is longer than this step can wait.
	Throttled Kind = "Throttled"
	// Interrupted: a transient failure (transport, 5xx, deadline); the step may be tried again.
	Interrupted Kind = "Interrupted"
	// LostTurn: another run holds the turn; this one must not write.
	LostTurn Kind = "LostTurn"
	// Broken: a fault of ours or of a run's folder; a person must look.
	Broken Kind = "Broken"
)

// Error carries a kind, a stable code and a sentence of our own.
//
// Rule S2: Code, Message and Advice cross edges (states, logs, events), so they
// hold codes, ids, counts, file and column names and line numbers, never text
// from the server nor a row's values. Cause may hold such text and stays inside.
type Error struct {
	Kind    Kind
	Code    string // stable, lower_case: "too_many_rejects", "unknown_column"
	Message string // what happened, in plain words
	Advice  string // what to do about it; may be empty
	File    string // the delivery's object or the configuration file; may be empty
	Line    int    // 1-based, 0 when there is none
	Column  string // a column's name; may be empty
	Cause   error
}

// New makes an Error of kind with a formatted message.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Because attaches the underlying error and returns e.
func (e *Error) Because(cause error) *Error { e.Cause = cause; return e }

// Advise attaches what a person should do and returns e.
func (e *Error) Advise(format string, args ...any) *Error {
	e.Advice = fmt.Sprintf(format, args...)
	return e
}

// At attaches the place in a file and returns e. Line 0 and column "" mean none.
func (e *Error) At(file string, line int, column string) *Error {
	e.File, e.Line, e.Column = file, line, column
	return e
}

// Error is the whole text, cause included: for a person at this machine, not for an edge.
func (e *Error) Error() string {
	text := e.Safe()
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Safe is the part that may cross an edge (rule S2): place, message and advice.
func (e *Error) Safe() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	if e.Column != "" {
		fmt.Fprintf(&b, "column %q: ", e.Column)
	}
	b.WriteString(e.Message)
	if e.Advice != "" {
		b.WriteString(" (" + e.Advice + ")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// As finds the outermost Error in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf is err's kind; an error that carries none is Broken, nil is "".
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Broken
}

// Is reports whether err carries kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Name is how an error leaves a step: the error's name for the state machine
// and a text that may cross the edge (rule S2). The Lambda edge and the local
// state machine both use it, so that Retry and Catch match alike in both.
//
// Lambda reports only the outermost Go type of an error (a %w wrap arrives as
// "wrapError"), so naming has to be the last act before the edge.
func Name(err error) (name, message string) {
	if e, ok := As(err); ok {
		return string(e.Kind), strings.TrimSuffix(e.Code+": "+e.Safe(), ": ")
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return string(Interrupted), "the step ran out of time or was stopped"
	}
	// An error that nobody gave a kind may quote anything: only its type is told.
	return string(Broken), fmt.Sprintf("unexpected error of type %T", root(err))
}

func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
