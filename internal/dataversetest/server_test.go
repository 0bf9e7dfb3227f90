package dataversetest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
)

// env is a running emulator with a client that is let in.
type env struct {
	t      testing.TB
	server *dataversetest.Server
	web    *httptest.Server
	token  string
}

func start(t testing.TB, o dataversetest.Options) *env {
	t.Helper()
	if o.Traffic.Limits == nil {
		o.Traffic.Limits = &traffic.Limits{}
	}
	s, err := dataversetest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	e := &env{t: t, server: s, web: web}
	e.signIn(dataversetest.DefaultUser.ClientID)
	return e
}

func (e *env) signIn(clientID string) {
	token, err := e.server.Entra().Issue(clientID, "7e9a0700-0000-4000-8000-00000000c0de", e.web.URL)
	if err != nil {
		e.t.Fatal(err)
	}
	e.token = token.Value
}

type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request; headers are "Name: value".
func (e *env) send(method, path, body string, headers ...string) answer {
	e.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = e.web.URL + "/api/data/v9.2/" + path
	}
	req, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if e.token != "" {
		req.Header.Set("Authorization", "Bearer "+e.token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := e.web.Client().Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// want sends a request that is to be answered with a status.
func (e *env) want(status int, method, path, body string, headers ...string) answer {
	e.t.Helper()
	a := e.send(method, path, body, headers...)
	if a.status != status {
		e.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// refused sends a request that is to fail with a status, a code and a text.
func (e *env) refused(status int, code, text, method, path, body string, headers ...string) answer {
	e.t.Helper()
	a := e.want(status, method, path, body, headers...)
	var got struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		e.t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
	}
	if got.Error.Code != code || !strings.Contains(got.Error.Message, text) {
		e.t.Fatalf("%s %s: %s %q, want %s %q", method, path, got.Error.Code, got.Error.Message, code, text)
	}
	return a
}

// values is the JSON object of an answer.
func (a answer) values(t testing.TB) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// list is the value of a collection.
func (a answer) list(t testing.TB) []map[string]any {
	t.Helper()
	items, _ := a.values(t)["value"].([]any)
	out := []map[string]any{}
	for _, item := range items {
		out = append(out, item.(map[string]any))
	}
	return out
}

func has(t testing.TB, got map[string]any, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if fmt.Sprint(got[name]) != fmt.Sprint(v) {
			t.Errorf("%s = %v, want %v", name, got[name], v)
		}
	}
}

func id(n int) string { return fmt.Sprintf("6f1f0d9e-6d0f-5c67-9a55-%012x", n) }

func q(s string) string { return strings.NewReplacer("+", "%20").Replace(url.QueryEscape(s)) }

var fixedTime = time.Date(2026, 3, 1, 2, 0, 5, 0, time.UTC)

func fixed() time.Time { return fixedTime }
