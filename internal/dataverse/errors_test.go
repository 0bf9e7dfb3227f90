package dataverse

import (
	"net/http"
	"testing"
	"time"
)

func TestParseErrorAndAction(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   action
		code   string
	}{
		{"validation", 400, `{"error":{"code":"0x80044331","message":"too long"}}`, blame, "0x80044331"},
		{"any other data error", 400, `{"error":{"code":"0x80041234","message":"x"}}`, blame, "0x80041234"},
		{"OData layer", 400, `{"error":{"code":"0x0","message":"x"}}`, blame, "0x0"},
		{"upper case code", 500, `{"error":{"code":"0x8004ED47","message":"x"}}`, again, "0x8004ed47"},
		{"plug-in with status 500", 500, `{"error":{"code":"0x80040265","message":"x"}}`, blame, "0x80040265"},
		{"deadlock", 500, `{"error":{"code":"0x80044150","message":" Sql error: Generic SQL error. Sql ErrorCode: -2146232060 Sql Number: 1205"}}`, again, "0x80044150"},
		{"first use", 500, `{"error":{"code":"0x80044150","message":"Sql Number: 3732"}}`, again, "0x80044150"},
		{"unique index", 500, `{"error":{"code":"0x80044150","message":"Sql Number: 2601"}}`, duplicate, "0x80044150"},
		{"foreign key", 500, `{"error":{"code":"0x80044150","message":"Sql Number: 547"}}`, blame, "0x80044150"},
		{"SQL timeout by number", 500, `{"error":{"code":"0x80044150","message":"Sql Number: -2"}}`, shrink, "0x80044150"},
		{"SQL timeout", 500, `{"error":{"code":"0x80044151","message":"x"}}`, shrink, "0x80044151"},
		{"aftermath of a deadlock", 500, `{"error":{"code":"0x80040216","message":"The transaction of the SQL command has already been rolled back or committed"}}`, settle, "0x80040216"},
		{"unexpected", 400, `{"error":{"code":"0x80040216","message":"An unexpected error occurred."}}`, once, "0x80040216"},
		{"throttle", 429, `{"error":{"code":"0x80072321","message":"x"}}`, wait, "0x80072321"},
		{"throttle by code", 503, `{"error":{"code":"0x80048544","message":"x"}}`, wait, "0x80048544"},
		{"unknown 500", 500, `{"error":{"code":"0x80049999","message":"x"}}`, settle, "0x80049999"},
		{"gateway", 502, `<html>`, settle, ""},
		{"gateway's 400", 400, `<html>`, stop, ""},
		{"gateway's 404", 404, `<html>`, stop, ""},
		{"gateway's 412", 412, ``, stop, ""},
		{"error is a text", 400, `{"error":"invalid_request"}`, stop, ""},
		{"missing lookup target", 404, `{"error":{"code":"0x80040217","message":"x"}}`, blame, "0x80040217"},
		{"unknown segment", 404, `{"error":{"code":"0x8006088a","message":"x"}}`, stop, "0x8006088a"},
		{"wrong verb", 404, `{"error":{"code":"","message":"No HTTP resource was found"}}`, stop, ""},
		{"privilege", 403, `{"error":{"code":"0x80040220","message":"x"}}`, deny, "0x80040220"},
		{"firewall", 403, `<html>`, deny, ""},
		{"token", 401, ``, renew, ""},
		{"too large", 413, `<html>`, shrink, ""},
		{"not implemented", 501, `{"error":{"code":"0x80040219","message":"x"}}`, unsupported, "0x80040219"},
		{"key race", 412, `{"error":{"code":"0x80060892","message":"x"}}`, duplicate, "0x80060892"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := parseError(tt.status, http.Header{}, []byte(tt.body), time.Now())
			if got := e.action(); got != tt.want || e.Code != tt.code {
				t.Errorf("action %d, want %d; code %q", got, tt.want, e.Code)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"27": 27 * time.Second, "0": time.Second, "0.5": 500 * time.Millisecond, "": 0, "soon": 0, "-3": 0, "NaN": 0, "1e300": 0,
		"Sun, 01 Mar 2026 02:01:00 GMT": time.Minute, "Sun, 01 Mar 2026 01:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func FuzzParseError(f *testing.F) {
	f.Add(400, []byte(`{"error":{"code":"0x80044331","message":"too long"}}`))
	f.Add(500, []byte(`{"error":{"@x.BulkApiErrorDetails":"[{\"RequestIndex\":3,\"Id\":\"g\",\"StatusCode\":412}]"}}`))
	f.Add(502, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := parseError(status, http.Header{}, body, time.Time{})
		a := e.action()
		if (a == blame || a == duplicate) && !e.structured {
			t.Errorf("an answer that is not the service's blames a row: %d %q", status, body)
		}
		if len(e.Message) > maxErrorText {
			t.Errorf("message of %d bytes", len(e.Message))
		}
	})
}
