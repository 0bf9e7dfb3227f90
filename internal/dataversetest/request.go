package dataversetest

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/schema"
)

// request is one operation: an HTTP request, or a part of a $batch.
type request struct {
	ctx     context.Context
	method  string
	url     string // absolute, as asked for
	base    string // https://host/api/data/v9.2/
	version string // 9.2
	path    []odata.Segment
	query   *odata.Query
	header  http.Header
	body    string
	prefer  prefer
	user    *account
	batched bool
	work    *work             // the transaction of a change set
	created map[string]string // Content-ID → URL of the record, in a change set
}

// response is its answer.
type response struct {
	status int
	header http.Header
	body   []byte
}

const jsonType = "application/json; odata.metadata=minimal"

func reply(status int) *response { return &response{status: status, header: http.Header{}} }

// serveAPI answers requests below /api/data/.
func (s *Server) serveAPI(w http.ResponseWriter, hr *http.Request) {
	version, rest, ok := splitRoot(hr.URL.EscapedPath())
	if !ok {
		http.Error(w, "The resource cannot be found.", http.StatusNotFound)
		return
	}
	user, err := s.authenticate(hr)
	if err != nil {
		s.refuse(hr, err).writeTo(w)
		return
	}
	body, err := io.ReadAll(hr.Body)
	if err != nil {
		s.refuse(hr, failf(400, "0x80048d19", "The request body cannot be read: %v", err)).writeTo(w)
		return
	}
	r := &request{ctx: hr.Context(), method: hr.Method, url: baseURL(hr) + hr.URL.RequestURI(), version: version, user: user,
		base: baseURL(hr) + "/api/data/v" + version + "/", header: hr.Header, body: string(body), prefer: parsePrefer(hr.Header)}
	if rest == "$batch" {
		s.serveBatch(r).writeTo(w)
		return
	}
	s.guarded(r, rest, hr.URL.RawQuery).writeTo(w)
}

var versions = regexp.MustCompile(`^/api/data/v(8\.[0-2]|9\.[0-2])(?:/(.*))?$`)

func splitRoot(path string) (version, rest string, ok bool) {
	m := versions.FindStringSubmatch(path)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// baseURL is the environment's URL as the client sees it.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// answer does one operation.
func (s *Server) answer(r *request, rest, rawQuery string) *response {
	if err := s.parse(r, rest, rawQuery); err != nil {
		return r.failure(err)
	}
	if err := r.mayBypass(); err != nil {
		return r.failure(err)
	}
	a, err := s.route(r)
	if err != nil {
		return r.failure(err)
	}
	a.header.Set("OData-Version", "4.0")
	if len(r.path) > 0 && r.method != http.MethodDelete {
		if t := s.set(r.path[0].Name); t != nil && t.elastic() {
			a.header.Set("x-ms-session-token", s.sessionToken())
		}
	}
	return a
}

// sessionToken is what clients of elastic tables send back to read their own writes; here every read sees them.
func (s *Server) sessionToken() string { return "0:-1#" + strconv.FormatInt(s.now().Unix(), 10) }

// mayBypass checks the privileges that headers need which keep custom logic out.
func (r *request) mayBypass() error {
	for header, privilege := range map[string]string{"MSCRM.BypassCustomPluginExecution": "prvBypassCustomPlugins",
		"MSCRM.BypassBusinessLogicExecution": "prvBypassCustomBusinessLogic"} {
		if v := r.header.Get(header); v != "" && !strings.EqualFold(v, "false") && !r.user.holds(privilege) {
			return r.user.denied(privilege, schema.ID("privilege", privilege), nil)
		}
	}
	return nil
}

// maxURL and maxBatchURL bound URLs in characters.
const (
	maxURL      = 32_768
	maxBatchURL = 65_536
)

func (s *Server) parse(r *request, rest, rawQuery string) (err error) {
	limit := maxURL
	if r.batched {
		limit = maxBatchURL
	}
	if len(rest)+len(rawQuery) > limit {
		return failf(414, "", "The request URI is too long.")
	}
	if r.path, err = odata.ParsePath(rest); err != nil {
		return err
	}
	r.query, err = odata.ParseQuery(rawQuery)
	return err
}

// refuse answers a request that was not even looked at.
func (s *Server) refuse(hr *http.Request, err error) *response {
	return (&request{prefer: parsePrefer(hr.Header)}).failure(err)
}

// failure is the answer that an error means.
func (r *request) failure(err error) *response {
	e := asError(err)
	a := reply(e.Status)
	for name, values := range e.Header {
		a.header[name] = values
	}
	a.header.Set("OData-Version", "4.0")
	if e.Status == http.StatusUnauthorized && e.Code == "" {
		return a
	}
	a.header.Set("Content-Type", jsonType)
	var o output
	o.raw(`{"error":{"code":`).str(e.Code).raw(`,"message":`).str(e.Message)
	for _, d := range e.Details {
		if d.Always || r.prefer.annotates(d.Name) {
			o.raw(`,`).str("@" + d.Name).raw(`:`).str(d.Value)
		}
	}
	if r.prefer.annotates("Microsoft.PowerApps.CDS.ErrorDetails") {
		o.raw(`,"@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus":"0","@Microsoft.PowerApps.CDS.ErrorDetails.SubErrorCode":"-2146233088",`)
		o.raw(`"@Microsoft.PowerApps.CDS.HelpLink":`).str("http://go.microsoft.com/fwlink/?LinkID=398563&error=Microsoft.Crm.CrmException%3a" +
			strings.TrimPrefix(e.Code, "0x") + "&client=platform").raw(`,"@Microsoft.PowerApps.CDS.InnerError.Message":`).str(e.Message)
	}
	o.raw(`}}`)
	a.body = o.bytes()
	return a
}

func (a *response) writeTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Expires", "-1")
	if len(a.body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// prefer is what a Prefer header asks for.
type prefer struct {
	representation  bool
	continueOnError bool
	trackChanges    bool
	pageSize        int
	annotations     []string // patterns
	applied         []string
}

func parsePrefer(h http.Header) prefer {
	var p prefer
	for _, line := range h.Values("Prefer") {
		for _, part := range splitQuoted(line) {
			p.take(strings.TrimSpace(part))
		}
	}
	return p
}

func (p *prefer) take(part string) {
	name, value, _ := strings.Cut(part, "=")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
	switch strings.TrimPrefix(name, "odata.") {
	case "return":
		if p.representation = value == "representation"; p.representation {
			p.applied = append(p.applied, part)
		}
	case "continue-on-error":
		p.continueOnError = true
	case "track-changes":
		p.trackChanges = true
	case "maxpagesize":
		p.pageSize, _ = strconv.Atoi(value)
		p.applied = append(p.applied, part)
	case "include-annotations":
		for pattern := range strings.SplitSeq(value, ",") {
			p.annotations = append(p.annotations, strings.TrimSpace(pattern))
		}
		p.applied = append(p.applied, part)
	}
}

// annotates says whether the client asked for an annotation. Patterns may end in a star, and begin with a minus to exclude.
func (p *prefer) annotates(name string) bool {
	yes := false
	for _, pattern := range p.annotations {
		pattern, exclude := strings.CutPrefix(pattern, "-")
		stem, wild := strings.CutSuffix(pattern, "*")
		if pattern == name || wild && strings.HasPrefix(name, stem) {
			yes = !exclude
		}
	}
	return yes
}

// splitQuoted cuts at commas outside of quotes.
func splitQuoted(s string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// expectJSON refuses bodies that say they are something else.
func (r *request) expectJSON() error {
	if ct := r.header.Get("Content-Type"); ct != "" && !strings.Contains(strings.ToLower(ct), "json") {
		return failf(415, "0x80060888", "The content type '%s' is not supported.", ct)
	}
	return nil
}

func newGUID() string { return uuid.NewString() }
