package dataverse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"regexp"

	"penstock/internal/fault"
)

// transportError is a call without an answer. When sent is false it certainly did not run.
type transportError struct {
	cause error
	sent  bool
}

func (e *transportError) Error() string { return e.cause.Error() }
func (e *transportError) Unwrap() error { return e.cause }

func newTransportError(err error) *transportError {
	var op *net.OpError
	dialled := errors.As(err, &op) && op.Op == "dial"
	return &transportError{cause: err, sent: !dialled}
}

func cancelled(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return fault.New(fault.Interrupted, "deadline", "the time of this step ran out").Because(cause)
	}
	return fault.New(fault.Interrupted, "cancelled", "the step was cancelled").Because(cause)
}

// hopeless finds the failures of a connection that no repetition cures; nil when there is none.
func hopeless(err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		tlsErr    *tls.CertificateVerificationError
		known     *fault.Error
	)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &authority), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &tlsErr):
		return fault.New(fault.Refused, "untrusted_certificate", "the certificate of the server is not trusted").
			Advise("check the address; for a private certificate authority set ca_file").Because(err)
	}
	return nil
}

func unknownHost(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return fault.New(fault.Refused, "unknown_host", "there is no host of that name").
			Advise("check the connection's url (or region and name)").Because(err)
	}
	return nil
}

// unsupportedCall is the code of a call that the table does not take.
const unsupportedCall = "unsupported_call"

// toFault names an error that ends what was being done.
func toFault(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	var api *APIError
	if !errors.As(err, &api) {
		return fault.New(fault.Interrupted, "unreachable", "the service could not be reached").
			Advise("it is safe to try again").Because(err)
	}
	switch api.action() {
	case deny, renew:
		return denied(api)
	case again, once, settle, shrink, wait:
		return fault.New(fault.Interrupted, "service_unavailable", "the service answered %d%s again and again", api.Status, and(api.Code)).
			Advise("it is safe to try again").Because(api)
	case unsupported:
		return fault.New(fault.Refused, unsupportedCall, "the table does not take this kind of call (status %d%s)", api.Status, and(api.Code)).Because(api)
	}
	if api.Status/100 == 3 {
		return fault.New(fault.Refused, "redirected", "the address answers with a redirection, which is not followed").
			Advise("check the connection's url").Because(api)
	}
	return fault.New(fault.Broken, "unexpected_answer", "the service answered %d%s to a call of ours", api.Status, and(api.Code)).Because(api)
}

func and(code string) string {
	if code == "" || !hexCode.MatchString(code) {
		return ""
	}
	return " " + code
}

var (
	hexCode = regexp.MustCompile(`^0x[0-9a-f]{1,8}$`)
	// Rule S2: of the server's text only the name of a privilege may pass.
	privilegeName = regexp.MustCompile(`missing (prv[A-Za-z0-9_]{1,120}) privilege`)
)

// denials explain the service's codes about who is calling.
var denials = map[string]struct{ code, message, advice string }{
	"0x80072560": {"not_a_user", "the application is not a user of this environment",
		"add it as an application user in the Power Platform admin centre"},
	"0x80042f09": {"no_role", "the application user has no security role", "assign a role that may write the table"},
	"0x80040225": {"user_disabled", "the application user is disabled", "enable it in the Power Platform admin centre"},
	"0x8004a112": {"user_disabled", "the application user is disabled", "enable it in the Power Platform admin centre"},
	"0x8004a113": {"administration_mode", "the environment is in administration mode", "try again when it is open"},
	"0x8004a104": {"environment_disabled", "the environment is disabled", "enable it in the Power Platform admin centre"},
	"0x8004f506": {"column_security", "a column is secured and the application user may not write it", "add it to a column security profile"},
	"0x8004f507": {"column_security", "a column is secured and the application user may not write it", "add it to a column security profile"},
	"0x80048d1a": {"unknown_caller", "the user to act for does not exist", ""},
}

func denied(api *APIError) error {
	if api.action() == renew {
		return fault.New(fault.Denied, "token_refused", "the environment does not accept the access token").
			Advise("check that tenant, url and credential belong together").Because(api)
	}
	if d, known := denials[api.Code]; known {
		return fault.New(fault.Denied, d.code, "%s", d.message).Advise("%s", d.advice).Because(api)
	}
	if m := privilegeName.FindStringSubmatch(api.Message); m != nil {
		return MissingPrivilege(m[1]).Because(api)
	}
	code := "access_denied"
	if api.Status == http.StatusForbidden && !api.structured {
		code = "forbidden" // some proxy or firewall, not the service
	}
	return fault.New(fault.Denied, code, "access was denied (status %d%s)", api.Status, and(api.Code)).
		Advise("check the application user's roles").Because(api)
}

// MissingPrivilege is the fault of an application user that lacks a privilege.
func MissingPrivilege(names ...string) *fault.Error {
	list := ""
	for i, name := range names {
		if i > 0 {
			list += ", "
		}
		list += name
	}
	return fault.New(fault.Denied, "missing_privilege", "the application user lacks %s", list).
		Advise("assign a security role that grants %s", list)
}
