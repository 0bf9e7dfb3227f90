package dataversetest

import (
	"net/http"
	"net/url"
	"sort"
	"strings"

	"penstock/internal/dataversetest/traffic"
)

// maxOperations is how many requests a $batch may hold, members of change sets included.
const maxOperations = 1000

// step is a top-level part of a $batch: one request, or a change set.
type step struct {
	request   *httpPart
	changeSet []*httpPart
}

// serveBatch runs the parts of a $batch one after the other.
func (s *Server) serveBatch(r *request) *response {
	if r.method != http.MethodPost {
		return r.failure(errNoResource(r))
	}
	steps, err := parseBatch(r.header.Get("Content-Type"), r.body)
	if err != nil {
		return r.failure(err)
	}
	answer := newMultipart("batchresponse_" + newGUID())
	status := http.StatusOK
	for _, step := range steps {
		var failed int
		if step.request != nil {
			a := s.runPart(r, step.request, nil)
			answer.add(step.request.id, a)
			failed = failureOf(a)
		} else {
			failed = s.runChangeSet(r, step.changeSet, answer)
		}
		if failed != 0 && !r.prefer.continueOnError {
			status = failed
			break
		}
	}
	a := reply(status)
	a.header.Set("OData-Version", "4.0")
	a.header.Set("Content-Type", "multipart/mixed; boundary="+answer.boundary)
	a.body = answer.close()
	return a
}

func failureOf(a *response) int {
	if a.status >= 400 {
		return a.status
	}
	return 0
}

func parseBatch(contentType, body string) ([]step, error) {
	boundary, ok := boundaryOf(contentType)
	if !ok {
		return nil, failf(400, "0x80048d19", "The content type '%s' of the batch request is not valid: 'multipart/mixed' with a boundary was expected.", contentType)
	}
	parts, err := parseMultipart(body, boundary)
	if err != nil {
		return nil, err
	}
	var steps []step
	operations := 0
	for _, p := range parts {
		step, err := parseStep(p)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
		operations += max(1, len(step.changeSet))
	}
	if operations > maxOperations {
		return nil, failf(400, "0x80048d19", "The number of operations in the batch request exceeded maximum batch size of %d.", maxOperations)
	}
	return steps, nil
}

func parseStep(p part) (step, error) {
	boundary, ok := boundaryOf(p.header.Get("Content-Type"))
	if !ok {
		request, err := parseHTTP(p)
		if err == nil && strings.Contains(request.url, "$batch") {
			err = errStream("a batch cannot hold another batch.")
		}
		return step{request: request}, err
	}
	members, err := parseMultipart(p.body+"\r\n", boundary)
	if err != nil {
		return step{}, err
	}
	seen := map[string]bool{}
	set := step{changeSet: []*httpPart{}}
	for _, m := range members {
		request, err := parseHTTP(m)
		switch {
		case err != nil:
			return step{}, err
		case request.method == "GET":
			return step{}, errStream("the method 'GET' is not allowed in a change set.")
		case request.id == "":
			return step{}, errStream("the header 'Content-ID' is missing in a change set.")
		case seen[request.id]:
			return step{}, errStream("the Content-ID '%s' was found more than once.", request.id)
		}
		seen[request.id] = true
		set.changeSet = append(set.changeSet, request)
	}
	return set, nil
}

// inner makes the request of a part. Who asks comes from the outer request.
func (r *request) inner(p *httpPart) *request {
	return &request{ctx: r.ctx, method: p.method, base: r.base, version: r.version, header: p.header, body: p.body,
		prefer: parsePrefer(p.header), user: r.user, batched: true}
}

// runPart runs one request of a batch, in the transaction of its change set if it has one.
func (s *Server) runPart(outer *request, p *httpPart, set *changeSet) *response {
	r := outer.inner(p)
	if set != nil {
		r.work, r.created = set.work, set.created
		set.work.r = r
	}
	target, err := r.resolveURL(p.url)
	if err != nil {
		return r.failure(err)
	}
	if set != nil {
		return s.answer(r, target.rest, target.query)
	}
	return s.guarded(r, target.rest, target.query)
}

type partURL struct{ rest, query string }

// resolveURL reads the URL of a part: absolute, a path from /api/data/ on, relative to the service, or $1 and what follows.
func (r *request) resolveURL(text string) (partURL, error) {
	if strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "$metadata") {
		id, rest, _ := strings.Cut(text, "/")
		created, err := r.contentID(id)
		if err != nil {
			return partURL{}, err
		}
		text = created
		if rest != "" {
			text += "/" + rest
		}
	}
	r.url = text
	path, query, _ := strings.Cut(text, "?")
	if u, err := url.Parse(strings.ReplaceAll(path, " ", "%20")); err == nil && u.IsAbs() {
		path = u.EscapedPath()
	}
	if strings.HasPrefix(path, "/") {
		_, rest, ok := splitRoot(path)
		if !ok {
			return partURL{}, errNoResource(r)
		}
		return partURL{rest, query}, nil
	}
	return partURL{path, query}, nil
}

// changeSet is what the members of a change set share.
type changeSet struct {
	work    *work
	created map[string]string
}

// runChangeSet runs the members in one transaction. When one fails nothing is kept, and its error alone is answered.
func (s *Server) runChangeSet(r *request, members []*httpPart, answer *multipartAnswer) (failed int) {
	inner := newMultipart("changesetresponse_" + newGUID())
	s.schema.RLock()
	defer s.schema.RUnlock()
	var culprit *httpPart
	var refusal *response
	fail := func(p *httpPart, a *response) error {
		culprit, refusal = p, a
		return asError(failf(a.status, "", "change set"))
	}
	err := s.announce(r, members, fail)
	if err == nil {
		err = s.inChangeSet(r, members, func(set *changeSet, p *httpPart) error {
			a := s.runPart(r, p, set)
			if failureOf(a) != 0 {
				return fail(p, a)
			}
			inner.add(p.id, a)
			if created := a.header.Get("OData-EntityId"); created != "" {
				set.created[p.id] = created
			}
			return nil
		})
	}
	if err == nil {
		answer.nest(inner)
		return 0
	}
	if refusal == nil {
		refusal = r.failure(err)
		culprit = &httpPart{}
	}
	inner = newMultipart(inner.boundary)
	inner.add(culprit.id, refusal)
	answer.nest(inner)
	return refusal.status
}

// inChangeSet runs f for every member in one transaction. Elastic tables have none, and say nothing about it.
func (s *Server) inChangeSet(r *request, members []*httpPart, f func(*changeSet, *httpPart) error) error {
	set := &changeSet{created: map[string]string{}}
	if s.allElastic(r, members) {
		for _, p := range members {
			if err := s.transaction(r, func(w *work) error { set.work = w; return f(set, p) }); err != nil {
				return err
			}
		}
		return nil
	}
	return s.transaction(r, func(w *work) error {
		set.work = w
		for _, p := range members {
			if err := f(set, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Server) transaction(r *request, f func(*work) error) error {
	outer := *r
	outer.work = nil
	return s.write(&outer, f)
}

// partTable finds the table that a part is about; nil when that is not plain from its URL.
func (s *Server) partTable(r *request, p *httpPart) *table {
	target, err := r.inner(p).resolveURL(p.url)
	if err != nil {
		return nil
	}
	name, _, _ := strings.Cut(target.rest, "/")
	name, _, _ = strings.Cut(name, "(")
	return s.set(name)
}

func (s *Server) allElastic(r *request, members []*httpPart) bool {
	for _, p := range members {
		if t := s.partTable(r, p); t == nil || !t.elastic() {
			return false
		}
	}
	return len(members) > 0
}

var partVerbs = map[string]string{"POST": "Create", "PATCH": "Upsert", "PUT": "Update", "DELETE": "Delete"}

// announce tells the gate of all members before the transaction begins: it may make them wait.
func (s *Server) announce(r *request, members []*httpPart, fail func(*httpPart, *response) error) error {
	for _, p := range members {
		name := ""
		if t := s.partTable(r, p); t != nil {
			name = t.LogicalName
		}
		inner := r.inner(p)
		err := traffic.From(r.ctx).BeginWork(traffic.Work{Table: name, Verb: partVerbs[p.method], Rows: 1, Bypass: inner.bypasses()})
		if err != nil {
			return fail(p, inner.failure(fromTraffic(err)))
		}
	}
	return nil
}

// multipartAnswer writes the parts of an answer.
type multipartAnswer struct {
	boundary string
	o        output
}

func newMultipart(boundary string) *multipartAnswer { return &multipartAnswer{boundary: boundary} }

func (m *multipartAnswer) add(id string, a *response) {
	m.o.raw("--" + m.boundary + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n")
	if id != "" {
		m.o.raw("Content-ID: " + id + "\r\n")
	}
	m.o.raw("\r\nHTTP/1.1 ").num(int64(a.status)).raw(" " + http.StatusText(a.status) + "\r\n")
	names := make([]string, 0, len(a.header))
	for name := range a.header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range a.header[name] {
			m.o.raw(wireName(name) + ": " + value + "\r\n")
		}
	}
	m.o.raw("\r\n")
	m.o.b = append(m.o.b, a.body...)
	m.o.raw("\r\n")
}

// wireName spells a header as the service does.
func wireName(name string) string {
	switch name {
	case "Odata-Version":
		return "OData-Version"
	case "Odata-Entityid":
		return "OData-EntityId"
	case "Etag":
		return "ETag"
	}
	return name
}

func (m *multipartAnswer) nest(inner *multipartAnswer) {
	m.o.raw("--" + m.boundary + "\r\nContent-Type: multipart/mixed; boundary=" + inner.boundary + "\r\n\r\n")
	m.o.b = append(m.o.b, inner.close()...)
}

func (m *multipartAnswer) close() []byte {
	return m.o.raw("--" + m.boundary + "--\r\n").bytes()
}
