package dataverse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// APIError is an answer of the service that is no success.
//
// Message is the server's text and may quote values of rows: it belongs into
// rejects/ and the Cause of a fault, nowhere else (rule S2).
type APIError struct {
	Status     int
	Code       string // lower case, "0x80040217"; "" when the answer had none
	Message    string
	RetryAfter time.Duration // 0 when the answer named none
	RequestID  string        // x-ms-service-request-id, for Microsoft's support

	structured bool       // the body was the service's own error object, not some gateway's page
	rows       []rowError // of a bulk call on an elastic table: which rows failed
}

// rowError is one failed row of a bulk call on an elastic table.
type rowError struct {
	RequestIndex int
	ID           string `json:"Id"`
	StatusCode   int
}

func (e *APIError) Error() string {
	text := fmt.Sprintf("the service answered %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// missing reports whether a record that the call names does not exist: the
// one to be written, or one that it points to. Older versions give no code.
func (e *APIError) missing() bool {
	switch e.Code {
	case "0x80040217", "0x80060891":
		return true
	case "", "0x0":
		return e.Status == http.StatusNotFound && e.structured && strings.Contains(strings.ToLower(e.Message), "does not exist")
	}
	return false
}

const maxErrorText = 8 << 10

// parseError reads an error answer. The body may be JSON, a gateway's HTML page or nothing.
func parseError(status int, header http.Header, body []byte, now time.Time) *APIError {
	e := &APIError{Status: status, RetryAfter: retryAfter(header, now), RequestID: header.Get("x-ms-service-request-id")}
	if e.RequestID == "" {
		e.RequestID = header.Get("REQ_ID")
	}
	var answer struct {
		Error map[string]json.RawMessage `json:"error"`
	}
	if json.Unmarshal(bytes.TrimSpace(body), &answer) != nil || answer.Error == nil {
		e.Message = http.StatusText(status)
		return e
	}
	e.structured = true
	e.Code = strings.ToLower(textOf(answer.Error["code"]))
	e.Message = strings.TrimSpace(textOf(answer.Error["message"]))
	if len(e.Message) > maxErrorText {
		e.Message = strings.ToValidUTF8(e.Message[:maxErrorText], "")
	}
	for name, value := range answer.Error {
		// Elastic tables list their failed rows in a JSON text inside the JSON.
		if strings.HasSuffix(name, "BulkApiErrorDetails") {
			if json.Unmarshal([]byte(textOf(value)), &e.rows) != nil {
				e.rows = nil
			}
		}
	}
	return e
}

func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// retryAfter reads the header of that name: seconds, or a date as gateways send it.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1e6 {
		if seconds == 0 {
			seconds = 1
		}
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
