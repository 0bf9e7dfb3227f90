package main

import (
	"compress/gzip"
	"embed"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// metadata is what the service says of contact, cut down to the columns that
// the bench writes and a few beside them. Files are named after the question.
//
//go:embed metadata
var metadata embed.FS

const (
	root = "/api/data/v9.2/"
	me   = "0000ca11-0000-4000-8000-00000000a001"
	org  = "0000ca11-0000-4000-8000-00000000a002"
)

// Stats is what the sink has received since its last reset.
type Stats struct {
	Calls int64 `json:"calls"` // that write
	Reads int64 `json:"reads"` // all others, sign-in included
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"` // of bodies of calls that write
}

type sink struct {
	hint    int
	latency atomic.Int64 // of calls that write, in nanoseconds

	calls, reads, rows, bytes atomic.Int64
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, api := strings.CutPrefix(r.URL.Path, root)
	switch {
	case strings.HasPrefix(r.URL.Path, "/_sink/"):
		s.control(w, r)
	case !api:
		s.reads.Add(1)
		signIn(w, r)
	case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "):
		fail(w, http.StatusUnauthorized, "there is no token")
	case r.Method == http.MethodPost:
		w.Header().Set("x-ms-dop-hint", strconv.Itoa(s.hint))
		w.Header().Set("OData-Version", "4.0")
		s.write(w, r, path)
	default:
		s.reads.Add(1)
		w.Header().Set("x-ms-dop-hint", strconv.Itoa(s.hint))
		w.Header().Set("OData-Version", "4.0")
		read(w, r, path)
	}
}

// control is for the bench: /_sink/stats, and /_sink/reset?latency=50ms.
func (s *sink) control(w http.ResponseWriter, r *http.Request) {
	stats := Stats{Calls: s.calls.Load(), Reads: s.reads.Load(), Rows: s.rows.Load(), Bytes: s.bytes.Load()}
	if strings.HasSuffix(r.URL.Path, "/reset") {
		latency, err := time.ParseDuration(r.URL.Query().Get("latency"))
		if err != nil {
			fail(w, http.StatusBadRequest, "latency is no duration")
			return
		}
		s.latency.Store(int64(latency))
		for _, counter := range []*atomic.Int64{&s.calls, &s.reads, &s.rows, &s.bytes} {
			counter.Store(0)
		}
	}
	reply(w, stats)
}

// signIn is the part of Entra ID that a client with a secret talks to: the
// issuer must have the origin at which it was asked.
func signIn(w http.ResponseWriter, r *http.Request) {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	authority := "https://" + r.Host + "/" + tenant
	switch rest {
	case "v2.0/.well-known/openid-configuration":
		reply(w, map[string]string{
			"issuer":                 authority + "/v2.0",
			"authorization_endpoint": authority + "/oauth2/v2.0/authorize",
			"token_endpoint":         authority + "/oauth2/v2.0/token",
			"jwks_uri":               authority + "/discovery/v2.0/keys",
		})
	case "oauth2/v2.0/token":
		reply(w, map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "sink"})
	default:
		fail(w, http.StatusNotFound, "there is no such page")
	}
}

// read answers what a client asks before it writes.
func read(w http.ResponseWriter, r *http.Request, path string) {
	question := r.URL.Query()
	about, isContact := strings.CutPrefix(path, "EntityDefinitions(LogicalName='contact')")
	switch {
	case path == "WhoAmI":
		reply(w, map[string]string{"UserId": me, "OrganizationId": org, "BusinessUnitId": org})
	case path == "RetrieveVersion":
		reply(w, map[string]string{"Version": "9.2.24112.193"})
	case path == "sdkmessagefilters":
		takes := strings.HasSuffix(question.Get("@m"), "Multiple'") && question.Get("@m") != "'DeleteMultiple'" && question.Get("@t") == "'contact'"
		rows := []map[string]string{}
		if takes {
			rows = append(rows, map[string]string{"sdkmessagefilterid": org})
		}
		reply(w, map[string]any{"value": rows})
	case strings.HasPrefix(path, "systemusers(") && strings.HasSuffix(path, "RetrieveUserPrivileges()"):
		canned(w, "userprivileges")
	case path == "EntityDefinitions":
		canned(w, "tables")
	case isContact && about == "":
		canned(w, "contact")
	case isContact:
		about = strings.TrimPrefix(strings.TrimPrefix(about, "/"), "Attributes/Microsoft.Dynamics.CRM.")
		canned(w, about)
	case path == "contacts":
		reply(w, map[string]any{"value": []any{}}) // it keeps no rows
	default:
		fail(w, http.StatusNotFound, "the sink does not know this: "+path)
	}
}

// canned answers with a file, or with an empty collection: contact, as it is here, has no such columns.
func canned(w http.ResponseWriter, name string) {
	body, err := metadata.ReadFile("metadata/" + name + ".json")
	if err != nil {
		body = []byte(`{"value":[]}`)
	}
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.Write(body)
}

// write takes a call that writes, for as long as such a call takes.
func (s *sink) write(w http.ResponseWriter, r *http.Request, path string) {
	body := &counted{from: r.Body}
	var in io.Reader = body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			fail(w, http.StatusBadRequest, "the body is no gzip")
			return
		}
		in = unpacked
	}
	var rows int64
	var answer func()
	var err error
	set, message, _ := strings.Cut(path, "/Microsoft.Dynamics.CRM.")
	switch {
	case path == "$batch":
		rows, answer, err = takeBatch(w, r, in)
	case set == "contacts" && message == "CreateMultiple":
		rows, answer, err = takeCreates(w, in)
	case set == "contacts" && (message == "UpsertMultiple" || message == "UpdateMultiple"):
		rows, err = countTargets(in)
		answer = func() { w.WriteHeader(http.StatusNoContent) }
	default:
		fail(w, http.StatusNotFound, "the sink does not know this: "+path)
		return
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if latency := time.Duration(s.latency.Load()); latency > 0 {
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
			return
		}
	}
	s.calls.Add(1)
	s.rows.Add(rows)
	s.bytes.Add(body.n)
	answer()
}

// counted counts what is read through it.
type counted struct {
	from io.Reader
	n    int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": "0x80040216", "message": message}})
}
