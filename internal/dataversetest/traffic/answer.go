package traffic

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// An answer is the ResponseWriter that the handler gets. It passes everything on
// at once, unless it is held because a fault will decide what becomes of it.
type answer struct {
	w         http.ResponseWriter
	x         *exchange
	status    int // the handler's
	shown     int // the client's; 0 when it got none
	held      atomic.Bool
	body      []byte // while held
	errorHead []byte // beginning of an error's body, for the log
}

// hold keeps back what the handler writes from now on.
func (a *answer) hold() { a.held.Store(true) }

// Header returns the headers that will be sent.
func (a *answer) Header() http.Header { return a.w.Header() }

// WriteHeader sends the status and the headers that every answer carries.
func (a *answer) WriteHeader(status int) {
	if status >= 100 && status < 200 {
		if !a.held.Load() {
			a.w.WriteHeader(status)
		}
		return
	}
	if a.status != 0 {
		return
	}
	a.status = status
	if !a.held.Load() {
		a.show(status)
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.status >= 400 {
		a.errorHead = append(a.errorHead, p[:min(len(p), errorHeadSize-len(a.errorHead))]...)
	}
	if a.held.Load() {
		a.body = append(a.body, p...)
		return len(p), nil
	}
	return a.w.Write(p)
}

// errorHeadSize is how much of an error's body is searched for its code.
const errorHeadSize = 256

// Flush sends on what was written so far.
func (a *answer) Flush() {
	if a.held.Load() {
		return
	}
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	http.NewResponseController(a.w).Flush()
}

// show begins the client's answer.
func (a *answer) show(status int) {
	a.x.meters()
	a.shown = status
	a.w.WriteHeader(status)
}

// release sends a held answer; one that was passed on is only finished.
func (a *answer) release() {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.shown == 0 {
		a.show(a.status)
	}
	if len(a.body) > 0 {
		a.w.Write(a.body)
	}
}

// drop closes the connection without an answer; on HTTP/2 it resets the stream.
func (a *answer) drop() { panic(http.ErrAbortHandler) }

// cut sends the answer's headers and n bytes of its body (0: half) and closes the connection.
func (a *answer) cut(n int) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if len(a.body) == 0 {
		a.cutHead()
	}
	if n == 0 || n >= len(a.body) {
		n = len(a.body) / 2
	}
	a.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	a.show(a.status)
	a.w.Write(a.body[:n])
	http.NewResponseController(a.w).Flush()
	panic(http.ErrAbortHandler)
}

// cutHead cuts an answer without a body within its status line, where the protocol
// lets one write half a line.
func (a *answer) cutHead() {
	conn, _, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	line := fmt.Sprintf("HTTP/1.1 %d %s", a.status, http.StatusText(a.status))
	conn.Write([]byte(line[:len(line)-2]))
	panic(http.ErrAbortHandler)
}

// fail answers with an error as the Web API words it.
func (a *answer) fail(e *Error) {
	h := a.w.Header()
	h.Set("Content-Type", "application/json; odata.metadata=minimal")
	h.Set("OData-Version", "4.0")
	h.Del("Content-Length")
	body := errorBody(e)
	a.errorHead = body
	a.show(e.Status)
	a.w.Write(body)
}

// throttle is a 429 on demand.
func (a *answer) throttle(f Fault) {
	a.discard()
	l := *a.x.limits
	standard := DefaultLimits()
	l.Requests, l.ExecutionTime = orElse(l.Requests, standard.Requests), orElse(l.ExecutionTime, standard.ExecutionTime)
	l.Concurrency, l.Window = orElse(l.Concurrency, standard.Concurrency), orElse(l.Window, standard.Window)
	a.w.Header().Set("Retry-After", strconv.Itoa(orElse(f.RetryAfter, 30)))
	a.fail(l.refusal(cause(f.Limit)))
}

func orElse[T int | int64 | Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// challenge is the 401 of a request without a valid token: no body, but the way to get one.
func (a *answer) challenge(header string) {
	a.discard()
	h := a.w.Header()
	h.Set("WWW-Authenticate", header)
	h.Set("Content-Length", "0")
	a.show(http.StatusUnauthorized)
}

// refuse is the answer of a gateway that turns a request away.
func (a *answer) refuse(e *Error) {
	a.discard()
	a.w.Header().Set("Connection", "close")
	a.gateway(e.Status)
}

// replace answers with the status that a fault names: as an OData error when it has
// a code or is below 502, else with a gateway's page.
func (a *answer) replace(f Fault) {
	a.discard()
	if f.RetryAfter > 0 {
		a.w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if f.Code == "" && f.Message == "" && f.Status >= 502 {
		a.gateway(f.Status)
		return
	}
	e := &Error{Status: f.Status, Code: f.Code, Message: f.Message}
	if e.Code == "" && e.Message == "" {
		e.Code = "0x80040216"
	}
	if e.Message == "" {
		e.Message = "An unexpected error occurred."
	}
	a.fail(e)
}

// gateway writes the page of the gateway before the service: HTML, and none of the
// headers by which one knows Dataverse.
func (a *answer) gateway(status int) {
	h := a.w.Header()
	for name := range h {
		if name != "Retry-After" && name != "Connection" {
			h.Del(name)
		}
	}
	h.Set("Content-Type", "text/html")
	h.Set("Server", "Microsoft-Azure-Application-Gateway/v2")
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if status == http.StatusGatewayTimeout {
		title = "504 Gateway Time-out"
	}
	a.shown = status
	a.w.WriteHeader(status)
	fmt.Fprintf(a.w, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n<center><h1>%[1]s</h1></center>\r\n"+
		"<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n", title)
}

// discard forgets what the handler answered. When that is on its way to the client
// already, all that is left is to break off.
func (a *answer) discard() {
	if a.shown != 0 {
		panic(http.ErrAbortHandler)
	}
	h := a.w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Location", "OData-EntityId", "ETag", "Preference-Applied", "x-ms-session-token"} {
		h.Del(name)
	}
	a.body, a.errorHead = nil, nil
}

var tooLarge = &Error{Status: http.StatusRequestEntityTooLarge, Message: "Request Entity Too Large"}

func errorBody(e *Error) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"error":{"code":%s,"message":%s}}`, quoteJSON(e.Code), quoteJSON(e.Message))
	return b.Bytes()
}

// code finds the error code in the beginning of an error's body.
func (a *answer) code() string {
	_, rest, _ := strings.Cut(string(a.errorHead), `"code"`)
	code, _, ok := strings.Cut(strings.TrimLeft(rest, `: "`), `"`)
	if !ok {
		return ""
	}
	return code
}
