package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"penstock/internal/fault"
)

// errorCode is the code of an answer of S3, "" when there was none.
func errorCode(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode()
	}
	return ""
}

func statusOf(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

// fail names the operation and the key, and gives the kind that a caller acts on.
// What S3 says stays in the cause (rule S2).
func (s *S3Store) fail(verb, key string, err error) error {
	code, status := errorCode(err), statusOf(err)
	if code == "NoSuchKey" || verb == "open" && code == "NotFound" {
		return fmt.Errorf("%s %s: %w", verb, key, ErrNotExist)
	}
	var kind fault.Kind
	var name, advice string
	switch {
	case code == "NoSuchBucket":
		kind, name = fault.Broken, "store_missing"
		advice = "the bucket does not exist"
	case isDenied(err, code, status):
		kind, name = fault.Denied, "store_denied"
		advice = "check the role's permissions on the bucket; without s3:ListBucket, S3 says the same of an object that does not exist"
	case isTransient(code, status):
		kind, name = fault.Interrupted, "store_unreachable"
	default:
		kind, name = fault.Broken, "store_failed"
	}
	e := fault.New(kind, name, "%s %s in bucket %s", verb, key, s.bucket).Because(err)
	if status != 0 {
		e.Message += fmt.Sprintf(" (HTTP %d)", status)
	}
	if advice != "" {
		e.Advice = advice
	}
	return e
}

// isDenied: S3 refuses (403), or there is no credential to sign with.
func isDenied(err error, code string, status int) bool {
	if isStopped(err) { // a deadline while the credential was fetched
		return false
	}
	if _, unsigned := errors.AsType[*v4.SigningError](err); unsigned || status == 0 && strings.Contains(err.Error(), noIdentity) {
		return true
	}
	if code == "RequestTimeTooSkewed" { // 403 too, but the clock's fault
		return false
	}
	return status == http.StatusForbidden || status == http.StatusUnauthorized || code == "ExpiredToken"
}

// noIdentity is how the SDK begins the error of a credential that it cannot get; it has no type.
const noIdentity = "get identity: "

func isStopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isTransient: nothing arrived, the service was in trouble, or two writers met.
func isTransient(code string, status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 || code == "RequestTimeout" || code == "SlowDown"
}
